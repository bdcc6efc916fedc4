"""What the C library does behind a program's back: ports by name, threads that end, temporary files."""

from __future__ import annotations

from pathlib import Path

from tests.engines.conftest import Needed
from tests.engines.engines import Docker, run
from tests.engines.jobs import build

ENDS_A_THREAD = """
#include <pthread.h>
#include <stdio.h>
static void *ends(void *nothing) { pthread_exit(nothing); }
int main(void)
{
    pthread_t thread;
    pthread_create(&thread, 0, ends, 0);
    pthread_join(thread, 0);
    return puts("ended") < 0;
}
"""


def test_ports_are_known_by_their_names(docker: Docker, needed: Needed) -> None:
    job = build(docker, needed, "services", "getent")
    assert job.work("services", "https").stdout.split() == ["https", "443/tcp"]
    without = build(docker, needed, "services-without", "getent", "--no-rule", "services")
    assert without.work("services", "https", ok=False).status == 2  # getent(1): not found


def test_a_thread_may_end_itself(docker: Docker, needed: Needed, tmp_path: Path) -> None:
    (tmp_path / "ends.c").write_text(ENDS_A_THREAD)
    run("gcc", "-o", tmp_path / "ends", tmp_path / "ends.c", "-pthread")
    assert build(docker, needed, "thread", tmp_path / "ends").work().stdout == "ended\n"
    without = build(docker, needed, "thread-without", tmp_path / "ends", "--no-rule", "unwinder")
    assert "libgcc_s.so.1 must be installed for pthread_exit to work" in without.work(ok=False).stderr


def test_there_is_a_place_for_temporary_files(docker: Docker, needed: Needed) -> None:
    assert build(docker, needed, "mktemp", "mktemp").work().stdout.startswith("/tmp/tmp.")
    without = build(docker, needed, "mktemp-without", "mktemp", "--no-rule", "tmp")
    assert "failed to create file via template" in without.work(ok=False).stderr
