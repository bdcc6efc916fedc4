"""Group 9, roots and the search for libraries: a cache, a configuration or a library that is not what it should be."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from struct import pack

import pytest
from tests.hostile.command import refuses, run
from tests.hostile.test_programs import LD, need_a_kernel, with_loader
from tests.loader import sandbox
from tests.loader.cachewriter import make_cache
from tests.loader.synthetic import Writer, shared_object

ENTRIES = [f"lib{name}.so => /opt/lib{name}.so" for name in "zxa"]
WHOLE = make_cache({"entries": ENTRIES})
HWCAPS = make_cache({"entries": ["libx.so => /opt/glibc-hwcaps/x86-64-v3/libx.so (x86-64-v3)", *ENTRIES[1:]]})
FIRST = make_cache({"entries": ["libx.so => /opt/libx.so", "libb.so => /opt/b", "liba.so => /opt/a"]})
TWICE = make_cache({"entries": ["libx.so => /opt/no", "libx.so => /opt/libx.so"]})
OLD = make_cache({"format": "old", "entries": ENTRIES})
# Where things stand: after the magic of 20 bytes their number, at 32 the offset of the extension, at 48 the entries of
# 24 bytes, of which the second and third word are the offsets of name and path.
SECOND = 48 + 24


def changed(at: int, word: int, content: bytes = WHOLE) -> bytes:
    return content[:at] + pack("<I", word) + content[at + 4 :]


# What damages it -> its bytes, whether the loader ignores all of it, and whether it finds the library by it.
CACHES = {
    "whole": (WHOLE, False, True),
    "bad-magic": (b"X" + WHOLE[1:], True, False),
    "bad-version": (WHOLE.replace(b"cache1.1", b"cache9.9"), True, False),
    "nothing": (b"", True, False),
    "one-byte": (b"l", True, False),
    "cut-off-in-the-header": (WHOLE[:40], True, False),
    "cut-off-in-the-entries": (WHOLE[:60], True, False),
    "cut-off-in-the-strings": (WHOLE[:125], False, False),
    "nlibs-2^31": (changed(20, 1 << 31), True, False),
    "nlibs-2^32-1": (changed(20, (1 << 32) - 1), True, False),
    "nlibs-of-the-old-2^31": (changed(12, 1 << 31, OLD), True, False),
    "another-byte-order": (WHOLE[:28] + b"\3" + WHOLE[29:], True, False),
    "name-out-of-the-file": (changed(SECOND + 4, 1 << 31), False, False),
    "path-out-of-the-file": (changed(SECOND + 8, (1 << 32) - 1), False, False),
    "name-in-the-middle-out-of-the-file": (changed(SECOND + 4, 1 << 31, FIRST), False, False),
    "first-path-out-of-the-file": (changed(48 + 8, 1 << 31, TWICE), False, True),
    "path-behind-the-end": (changed(SECOND + 8, len(WHOLE)), False, False),
    "unterminated": (WHOLE.rstrip(b"\0"), False, True),
    "names-over-each-other": (changed(48 + 4, 48 + 24 * 3 + 1), False, True),
    "extension-out-of-the-file": (changed(32, 1 << 31, HWCAPS), False, True),
    "extension-in-the-entries": (changed(32, 48, HWCAPS), False, True),
    "zeros": (bytes(4096), True, False),
    "only-names": (b"ld.so-1.7.0\0" + b"\xff" * 200, True, False),
}


def make_root(root: Path, needed: str = "libx.so") -> Path:
    with_loader(root)
    for folder in ("etc", "opt/glibc-hwcaps/x86-64-v3", "lib", "bin"):
        (root / folder).mkdir(parents=True)
    (root / "bin/p").write_bytes(Writer([("needed", needed)], interpreter=LD, starts=True).finish())
    (root / "bin/p").chmod(0o755)
    for name in ("opt/libx.so", "opt/glibc-hwcaps/x86-64-v3/libx.so"):
        (root / name).write_bytes(shared_object())
    return root


@pytest.mark.parametrize("name", CACHES, ids=lambda name: f"L02-{name}")
def test_l02_a_damaged_cache_is_ignored_where_the_loader_ignores_it_and_said_to_be(tmp_path: Path, name: str) -> None:
    content, damaged, finds = CACHES[name]
    root = make_root(tmp_path / "root")
    (root / "etc/ld.so.cache").write_bytes(content)
    answer = run("ldd", "--root", str(root), "/bin/p")
    assert answer.status == 0
    assert ("libx.so => /opt/libx.so" in answer.out) == finds
    warning = "needed ldd: /etc/ld.so.cache is damaged, and ignored as the loader ignores it\n"
    assert answer.err == (warning if damaged else "")
    built = run("build", "--root", str(root), "/bin/p", "-o", f"dir:{tmp_path}/out")
    assert built.status == (0 if finds else 3)
    assert ("/etc/ld.so.cache is damaged" in built.err) == damaged


@pytest.mark.parametrize("name", CACHES, ids=lambda name: f"L02-{name}")
def test_l02_the_loader_itself_finds_by_it_what_we_find(tmp_path: Path, name: str) -> None:
    need_a_kernel(tmp_path)
    content, _, finds = CACHES[name]
    root = make_root(tmp_path / "root")
    (root / "etc/ld.so.cache").write_bytes(content)
    said = sandbox.run_in(root, [LD, "--glibc-hwcaps-mask", "none", "--list", "/bin/p"], {})
    assert ("libx.so => /opt/libx.so" in said.stdout) == finds, said.stdout + said.stderr


def test_l02_a_build_that_does_without_the_cache_warns_of_it(tmp_path: Path) -> None:
    root = make_root(tmp_path / "root")
    (root / "lib/libx.so").write_bytes(shared_object())
    (root / "etc/ld.so.cache").write_bytes(b"junk")
    words = ("build", "--root", str(root), "/bin/p", "-o", f"dir:{tmp_path}/out")
    answer = run(*words)
    assert answer.status == 0
    assert "/etc/ld.so.cache is damaged, and ignored as the loader ignores it" in answer.err
    assert run(*words[:-1], f"dir:{tmp_path}/other", "--quiet").err == ""


def many(folder: Path, count: int) -> str:
    """So many configuration files; all but the first are further names of a few, which is quicker to make."""
    folder.mkdir()
    (folder / "000000.conf").write_text("/opt\n")
    for number in range(1, count):
        file = folder / f"file{number // 30_000}"
        if not file.exists():
            file.write_text("/nothing\n")
        os.link(file, folder / f"{number:06}.conf")
    return f"include {folder.name}/*.conf\n"


CONFIGURATIONS: dict[str, Callable[[Path], str]] = {
    "includes-itself": lambda etc: "include /etc/ld.so.conf\n/opt\n",
    "includes-itself-twice": lambda etc: "include /etc/ld.so.conf ld.so.conf\n" * 2 + "/opt\n",
    "includes-all-of-etc": lambda etc: "include /etc/*\n/opt\n",
    "includes-everything": lambda etc: "include " + "/*" * 200 + "\n/opt\n",
    "100,000-files": lambda etc: many(etc / "many.d", 100_000),
    "100,000-files-1000-times": lambda etc: many(etc / "many.d", 100_000) * 1000,
    "60,000-includes": lambda etc: "/opt\n" + "include a*b*c*d*\n" * 60_000,
    "500,000-patterns": lambda etc: "/opt\ninclude" + "".join(f" *{number}" for number in range(500_000)) + "\n",
    "a-million-directories": lambda etc: "/opt\n" + "".join(f"/{number}\n" for number in range(1_000_000)),
    "relative": lambda etc: "opt\n../opt\n./opt\n/opt\n",
    "binary": lambda etc: "\0\n\x1c\n\x85\n/opt\n",
}


@pytest.mark.parametrize("name", CONFIGURATIONS, ids=lambda name: f"L04-{name}")
def test_l04_a_configuration_that_includes_without_end_ends(tmp_path: Path, name: str) -> None:
    root = make_root(tmp_path / "root")
    text = CONFIGURATIONS[name](root / "etc")
    (root / "etc/ld.so.conf").write_text(text)
    answer = run("ldd", "--ldconfig", "--root", str(root), "/bin/p")
    assert (answer.status, answer.err) == (0, "")
    assert "libx.so => /opt/libx.so" in answer.out
    # Where a library is missing, it is asked after by itself, for a hint.
    built = run("build", "--root", str(root), "/bin/p", "-o", f"dir:{tmp_path}/out")
    assert built.status == 3
    assert "hint: /opt/libx.so is there, but not in ld.so.cache" in built.err


def test_l04_an_include_leads_nowhere_out_of_the_root(tmp_path: Path) -> None:
    root = make_root(tmp_path / "root")
    (tmp_path / "outside.conf").write_text("/opt\n")
    (root / "etc/link.conf").symlink_to("../../outside.conf")
    (root / "etc/ld.so.conf").write_text(f"include {tmp_path}/*.conf ../../outside.conf link.conf\n")
    assert "libx.so => not found" in run("ldd", "--ldconfig", "--root", str(root), "/bin/p").out


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    here = os.open(".", os.O_RDONLY)
    os.chdir(path.parent)  # the name of a socket is short
    try:
        with socket.socket(socket.AF_UNIX) as opened:
            opened.bind(path.name)
    finally:
        os.fchdir(here)
        os.close(here)


def make_device(path: Path) -> None:
    try:
        os.mknod(path, 0o020666, os.makedev(1, 5))  # /dev/zero, which never ends
    except PermissionError:
        assert "CI" not in os.environ, "needs root"
        pytest.skip("mknod(2) needs root")


def make_link(path: Path) -> None:
    path.symlink_to("/proc/self/mem")


def make_unreadable(path: Path) -> None:
    path.write_bytes(shared_object())
    path.chmod(0)


def make_sparse(path: Path) -> None:
    path.write_bytes(shared_object())
    os.truncate(path, 1 << 40)


# What stands in the place of the library: what the loader does with it.
STRANGE: dict[str, tuple[Callable[[Path], None], str]] = {
    "fifo": (make_fifo, "not loadable: not a regular file"),
    "socket": (make_socket, "not loadable: not a regular file"),
    "directory": (Path.mkdir, "not loadable: not a regular file"),
    "device": (make_device, "not loadable: not a regular file"),
    "link-into-proc": (make_link, "absent"),
    "unreadable": (make_unreadable, "not readable"),
    "sparse-1-TB": (make_sparse, "found"),
}


@pytest.mark.parametrize("name", STRANGE, ids=lambda name: f"L05-{name}")
def test_l05_what_stands_in_the_place_of_a_library_hangs_nobody(tmp_path: Path, name: str) -> None:
    make, outcome = STRANGE[name]
    root = make_root(tmp_path / "root")
    make(root / "lib/libx.so")
    explained = run("ldd", "--explain", "libx.so", "--root", str(root), "/bin/p", powerless=True)
    assert f"  /lib/libx.so: {outcome} (default directory)" in explained.out.splitlines()
    for words in (["ldd", "-r"], ["ldd", "--ldconfig"], ["why", "libx.so", "--for"], ["build", "--dry-run"]):
        answer = run(*words, "/bin/p", "--root", str(root), powerless=True)
        assert answer.status in (0, 1, 3)
    inspected = run("inspect", "--root", str(root), "/lib/libx.so", powerless=True)
    assert inspected.status == {"found": 0, "not readable": 7}.get(outcome, 2)


@pytest.mark.parametrize("name", sorted({*STRANGE} - {"link-into-proc", "sparse-1-TB"}), ids=lambda name: f"L05-{name}")
@pytest.mark.parametrize("place", ["etc/ld.so.cache", "etc/ld.so.conf", "etc/ld.so.preload", "bin/p", LD[1:]])
def test_l05_nor_does_what_stands_in_the_place_of_another_file(tmp_path: Path, name: str, place: str) -> None:
    root = make_root(tmp_path / "root")
    (root / "lib/libx.so").write_bytes(shared_object())
    (root / place).unlink(missing_ok=True)
    STRANGE[name][0](root / place)
    for words in (["ldd"], ["ldd", "--ldconfig"], ["build", "--preload", "--dry-run"], ["inspect"]):
        answer = run(*words, "/bin/p", "--root", str(root), powerless=True)
        assert answer.status in (0, 1, 2, 3, 7)
    if place == "bin/p":
        status = 7 if name == "unreadable" else 2
        assert "/bin/p" in refuses(status, "build", "--dry-run", "/bin/p", "--root", str(root), powerless=True)
