"""`needed fit` on real programs: few rounds, an image no larger than by rules, less with --shrink, and it does its job.

Where nothing is left to take away (a program that asks for nothing but its closure) --shrink is shown on the image that
the rules make.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from tests.engines.conftest import Needed
from tests.engines.engines import Docker, run
from tests.engines.git_server import certificate, serve
from tests.engines.jobs import Job
from tests.engines.servers import free_port
from tests.engines.test_jobs_of_python import APPLICATION, page_of
from tests.engines.test_jobs_of_servers import pid_of, running, wait_for

ROUNDS = 6
COMPUTED = """
#include <dlfcn.h>
#include <pwd.h>
#include <stdio.h>
int main(int count, char **words)
{
    char name[64];
    snprintf(name, sizeof name, "lib%c.so.%d", 'z', 1);
    void *opened = dlopen(name, RTLD_NOW);
    puts(opened ? "opened" : dlerror());
    if (count > 5) puts(getpwuid(0)->pw_name);
    return !opened;
}
"""
ENCODE = ("-v", "error", "-f", "lavfi", "-i", "testsrc=duration=1", "/tmp/second.mp4")


@dataclass(frozen=True)
class Fit:
    """What was written into the engine: `size` in bytes, and of the last round, before anything was taken away."""

    job: Job
    size: int
    grown: int
    without: tuple[str, ...]


def fit(docker: Docker, needed: Needed, image: str, options: tuple[str | Path, ...], *words: str) -> Fit:
    """`needed fit OPTIONS -- WORDS`: it passes within ROUNDS."""
    place = f"docker-daemon:{image}:latest"
    found = json.loads(needed("fit", *options, "--json", "-t", image, "-o", place, "--", *words).stdout)
    rounds = found["fit"]["rounds"]
    assert rounds[-1]["verdict"] == found["fit"]["verdict"]["verdict"] == "verified"
    assert len(rounds) <= ROUNDS
    without = tuple(one["what"] for one in found["fit"]["without"])
    return Fit(Job(docker, f"{image}:latest", ""), found["bytes"], rounds[-1]["bytes"], without)


def by_rules(needed: Needed, *options: str | Path) -> int:
    """The bytes of an image of what the rules find."""
    found = json.loads(needed("build", *options, "-n", "--json").stdout)
    return sum(one["size"] for one in found["files"] if one["kind"] == "file")


def test_nginx_from_its_binary_and_its_configuration(docker: Docker, needed: Needed) -> None:
    options = ("nginx", "--add", "/etc/nginx")
    found = fit(docker, needed, "fit-nginx", (*options, "--shrink", "--http", "80/"), "-g", "daemon off;")
    assert found.size < found.grown <= by_rules(needed, *options)
    fetch = "import urllib.request as u; print(u.urlopen('http://127.0.0.1/').status)"
    with running(found.job, "-g", "daemon off;") as container:
        inside = ["nsenter", "-t", str(pid_of(docker, container)), "-n", "python3", "-c", fetch]
        assert wait_for(inside, docker, container) == "200\n"


def test_a_python_application_of_a_virtual_environment(docker: Docker, needed: Needed, flask: Path) -> None:
    port = free_port()
    program = flask.parent / "app.py"  # its folder is hidden from no program
    program.write_text(APPLICATION.format(python=flask / "bin/python", port=port))
    program.chmod(0o755)
    (flask.parent / "templates").mkdir()
    (flask.parent / "templates/page.html").write_text("hello from {{ name }}")
    asked = ("--http", f"{port}/", "--http-contains", "hello from flask")
    found = fit(docker, needed, "fit-flask", (program, "--shrink", "--trials", "4", *asked))
    assert found.size < found.grown <= by_rules(needed, program)
    assert page_of(docker, found.job.image, port) == "hello from flask"


def test_git_clones_by_https(docker: Docker, needed: Needed, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "poem").write_text("one line\n")
    named = ("-c", "user.name=Nobody", "-c", "user.email=nobody@example.org")
    run("git", "init", "-q", work)
    run("git", "-C", work, "add", ".")
    run("git", *named, "-C", work, "commit", "-q", "-m", "the first")
    run("git", "clone", "-q", "--bare", work, tmp_path / "bare")
    file, key = certificate(tmp_path)
    options = ("git", "--add", f"{file}:/ca.pem", "--env", "GIT_SSL_CAINFO=/ca.pem")
    with serve(tmp_path, file, key) as address:
        words = ("clone", f"{address}/bare", "/tmp/clone")
        asked = ("--network", "host", "--shrink", "--trials", "4")
        found = fit(docker, needed, "fit-git", (*options, *asked), *words)
        found.job.work(*words, options=("--network", "host"))
    assert found.size < found.grown <= by_rules(needed, *options)


def test_ffmpeg_encodes_a_second_of_video(docker: Docker, needed: Needed) -> None:
    """Its closure alone is two hundred libraries, so what is shrunk is what the rules make, in one trial."""
    found = fit(docker, needed, "fit-ffmpeg", ("ffmpeg",), *ENCODE)
    found.job.work(*ENCODE)
    shrunk = fit(docker, needed, "fit-ffmpeg-less", ("ffmpeg", "--with-rules", "--shrink", "--trials", "1"), *ENCODE)
    shrunk.job.work(*ENCODE)
    assert shrunk.without == ("rules that no run needed",)
    assert shrunk.grown == by_rules(needed, "ffmpeg")
    assert shrunk.size == found.size < shrunk.grown


def test_a_library_whose_name_is_computed(docker: Docker, needed: Needed, tmp_path: Path) -> None:
    (tmp_path / "open.c").write_text(COMPUTED)
    program = tmp_path / "open"
    run("gcc", "-o", program, tmp_path / "open.c")
    asked = ("--stdout-contains", "opened")
    found = fit(docker, needed, "fit-computed", (program, *asked))
    assert found.job.work().stdout == "opened\n"
    assert found.size <= by_rules(needed, program, "--with", "libz.so.1")
    shrunk = fit(docker, needed, "fit-computed-less", (program, "--with-rules", "--shrink", *asked))
    assert shrunk.job.work().stdout == "opened\n"
    assert shrunk.size == found.size < shrunk.grown
