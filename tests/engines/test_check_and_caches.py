"""`needed check` against real systems, each answer held against a real start there, and generated caches in real roots.

The roots are those of the oracle: Debian's packages of other releases and machines, unpacked, never installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.engines.engines import run
from tests.oracle.__main__ import cache_folder
from tests.oracle.chroot_run import Command, Outcome, run_all
from tests.oracle.debian_root import DebianRoot, make_root
from tests.oracle.packages import FEW

Needed = Callable[..., "subprocess.CompletedProcess[str]"]
SMALL = ("coreutils", "libc-bin")


def root_of(suite: str, architecture: str, packages: tuple[str, ...] = FEW) -> Path:
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    return make_root(DebianRoot(suite, architecture, packages), cache)


def copy_of(root: Path, place: Path) -> Path:
    run("cp", "-a", "--reflink=auto", root, place)
    return place


def start(root: Path, architecture: str, *words: str) -> Outcome:
    return next(run_all(root, [Command(architecture, words)], 1))


@pytest.fixture
def musl_system(tmp_path: Path) -> Path:
    """What is left of Alpine without its programs: musl's loader and no other."""
    system = tmp_path / "alpine"
    (system / "lib").mkdir(parents=True)
    shutil.copy("/lib/ld-musl-x86_64.so.1", system / "lib")
    return system


def test_a_glibc_program_does_not_start_on_a_musl_system(needed: Needed, musl_system: Path) -> None:
    said = needed("check", "/bin/ls", "--against", musl_system, status=1).stdout
    assert "/bin/ls: does not start" in said
    assert "asks for /lib64/ld-linux-x86-64.so.2, and this is a musl system (Alpine is one)" in said
    assert "hint: compile it for musl" in said
    shutil.copy("/bin/ls", musl_system)
    with pytest.raises(FileNotFoundError):  # what a shell calls "not found", although the file is there
        start(musl_system, "amd64", "/ls")


def test_a_musl_program_starts_on_a_musl_system_and_not_on_debian(
    needed: Needed, musl_system: Path, musl_hello: Path
) -> None:
    assert needed("check", musl_hello, "--against", musl_system).stdout.endswith(f"starts in {musl_system}\n")
    shutil.copy(musl_hello, musl_system / "hello")
    assert start(musl_system, "amd64", "/hello").output == "hello from musl\n"
    said = needed("check", musl_hello, "--against", root_of("bookworm", "amd64", SMALL), status=1).stdout
    assert "asks for /lib/ld-musl-x86_64.so.1, and this is a glibc system" in said


def test_a_newer_program_does_not_start_on_an_older_debian(needed: Needed, tmp_path: Path) -> None:
    trixie, bookworm = root_of("trixie", "amd64", SMALL), root_of("bookworm", "amd64", SMALL)
    said = needed("check", "/usr/bin/nproc", "--root", trixie, "--against", bookworm, status=1).stdout
    assert "/usr/bin/nproc asks for GLIBC_2.38 of libc.so.6" in said
    assert "ends at GLIBC_2.36: it is older" in said
    assert "needed compile SOURCE --libc glibc:2.36" in said
    system = copy_of(bookworm, tmp_path / "system")
    shutil.copy(trixie / "usr/bin/nproc", system / "nproc")
    outcome = start(system, "amd64", "/nproc")
    assert outcome.status == 1 and "version `GLIBC_2.38' not found" in outcome.errors
    needed("check", "/usr/bin/nproc", "--root", bookworm, "--against", trixie)
    shutil.copy(bookworm / "usr/bin/nproc", (newer := copy_of(trixie, tmp_path / "newer")) / "nproc")
    assert start(newer, "amd64", "/nproc").status == 0


def test_a_program_of_another_machine_is_told_as_such(needed: Needed) -> None:
    arm, intel = root_of("trixie", "arm64"), root_of("bookworm", "amd64", SMALL)
    said = needed("check", "/usr/bin/ls", "--root", arm, "--against", intel, status=1).stdout
    assert "wrong machine: it is for arm64, and this system is for x86-64" in said
    assert "docker run --platform linux/arm64" in said


def test_an_image_is_checked_like_a_directory(needed: Needed, tmp_path: Path) -> None:
    needed("build", "ls", "-o", f"docker-archive:{tmp_path}/ls.tar")
    needed("check", "/bin/ls", "--against", f"docker-archive:{tmp_path}/ls.tar")
    said = needed("check", "/usr/bin/curl", "--against", f"docker-archive:{tmp_path}/ls.tar", status=1).stdout
    assert "library missing: libcurl.so.4, needed by /usr/bin/curl" in said


SOURCE = "int answer(void) { return 42; }\n"
MAIN = "int answer(void); int main(void) { return answer(); }\n"


@pytest.mark.parametrize(
    ("suite", "architecture", "target"),
    [("bookworm", "amd64", "x86_64-linux-gnu.2.36"), ("bookworm", "s390x", "s390x-linux-gnu.2.36")],
)
def test_a_generated_cache_is_read_by_the_real_loader_and_by_ldconfig(
    needed: Needed, tmp_path: Path, suite: str, architecture: str, target: str
) -> None:
    root = copy_of(root_of(suite, architecture, FEW if architecture == "s390x" else SMALL), tmp_path / "root")
    (root / "opt/x").mkdir(parents=True)
    (tmp_path / "x.c").write_text(SOURCE)
    (tmp_path / "main.c").write_text(MAIN)
    folder = str(cache_folder() / "zig")
    zig = [sys.executable, "-m", "ziglang", "cc", "-target", target]
    environment = {**os.environ, "ZIG_GLOBAL_CACHE_DIR": folder, "ZIG_LOCAL_CACHE_DIR": folder}
    library, program = root / "opt/x/libx.so.1", root / "opt/prog"
    run(*zig, "-shared", "-Wl,-soname,libx.so.1", "-o", library, tmp_path / "x.c", env=environment)
    run(*zig, "-o", program, tmp_path / "main.c", library, env=environment)

    said = needed("build", "/opt/prog", "--root", root, "-o", f"dir:{tmp_path}/no", status=3)
    assert "nowhere in the root: libx.so.1" in said.stderr
    (root / "etc/ld.so.conf").write_text("include /etc/ld.so.conf.d/*.conf\n/opt/x\n")
    said = needed("build", "/opt/prog", "--root", root, "-o", f"dir:{tmp_path}/no", status=3)
    assert "/opt/x/libx.so.1 is there, but not in ld.so.cache: resolve as after ldconfig with --ldconfig" in said.stderr

    tree = tmp_path / "tree"
    needed("build", "/opt/prog", "--root", root, "--ldconfig", "-o", f"dir:{tree}")
    assert start(tree, architecture, "/opt/prog").status == 42
    listed = run("/sbin/ldconfig", "-p", "-C", tree / "etc/ld.so.cache") if architecture == "amd64" else ""
    assert architecture != "amd64" or "libx.so.1 (libc6,x86-64) => /opt/x/libx.so.1" in listed
    (tree / "etc/ld.so.cache").unlink()
    assert start(tree, architecture, "/opt/prog").status == 127  # so it was the cache that made it start


def test_variants_for_better_processors_go_in_beside_the_baseline(needed: Needed, tmp_path: Path) -> None:
    root = copy_of(root_of("trixie", "amd64", SMALL), tmp_path / "root")
    (tmp_path / "main.c").write_text(MAIN)
    folder = root / "usr/lib/x86_64-linux-gnu"
    better = folder / "glibc-hwcaps/x86-64-v2"
    better.mkdir(parents=True)
    for place, number in ((folder, 1), (better, 2)):
        (tmp_path / "x.c").write_text(SOURCE.replace("42", str(number)))
        run("gcc", "-shared", "-fPIC", "-Wl,-soname,libx.so.1", "-o", place / "libx.so.1", tmp_path / "x.c")
    run("gcc", "-o", root / "prog", tmp_path / "main.c", folder / "libx.so.1")
    loader = "/lib64/ld-linux-x86-64.so.2"
    for options, baseline, best in (((), 1, 1), (("--hwcaps", "x86-64-v2"), 1, 2)):
        tree = tmp_path / f"tree{best}"
        said = needed("build", "/prog", "--root", root, *options, "-o", f"dir:{tree}")
        assert ("--hwcaps x86-64-v2" in said.stderr) == (not options)
        assert start(tree, "amd64", "/prog").status == best
        assert start(tree, "amd64", loader, "--glibc-hwcaps-mask", "none", "/prog").status == baseline
