"""`needed scan` as a user types it: what it prints, and how it ends."""

from __future__ import annotations

import ctypes
import json
import os
import pty
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.cli.test_build import NEEDED, root, run  # noqa: F401  (root is a fixture)
from tests.loader.synthetic import shared_object

if TYPE_CHECKING:
    from pathlib import Path

LD = "/lib64/ld-linux-x86-64.so.2"


@pytest.fixture
def whole(root: Path) -> Path:  # noqa: F811
    """The small root without what is broken in it."""
    (root / "usr/bin/broken").unlink()
    (root / "usr/bin/arm").unlink()
    return root


def lines(*words: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in run("scan", "--json", *words).stdout.splitlines()]


def test_what_is_broken_stands_first_and_ends_with_1(root: Path) -> None:  # noqa: F811
    (root / "usr/lib/plugins").mkdir()
    (root / "usr/lib/plugins/x.so").write_bytes(shared_object(needed=("libcore.so",), soname="x.so"))
    (root / "usr/lib/plugins/libcore.so").write_bytes(shared_object(soname="libcore.so"))
    (root / "usr/bin/cut").write_bytes(b"\x7fELF")
    (root / "usr/bin/broken2").write_bytes((root / "usr/bin/broken").read_bytes())
    result = run("scan", "--root", str(root))
    assert (result.returncode, result.stderr) == (1, "")
    *found, summary = result.stdout.splitlines()
    assert found == [
        "broken: libno.so.1 is nowhere: needed by /usr/bin/broken and /usr/bin/broken2",
        f"broken: {LD} is not for arm64 but for x86-64: the interpreter of /usr/bin/arm",
        "broken: /usr/bin/cut: truncated: shorter than an ELF header",
        "note: libcore.so is only where another's search path leads (it is at /usr/lib/plugins/libcore.so): "
        "needed by /usr/lib/plugins/x.so",
    ]
    assert summary.startswith("10 ELF files: 5 programs, 4 libraries, 0 others; ")


def test_a_root_without_fault_ends_with_0_and_one_line(whole: Path) -> None:
    result = run("scan", "--root", str(whole))
    assert (result.returncode, result.stderr) == (0, "")
    (line,) = result.stdout.splitlines()
    assert line.startswith("4 ELF files: 2 programs, 2 libraries, 0 others; 0 broken, 0 with notes; ")


def test_json_lines_are_one_object_for_each_file_and_a_last_one_that_sums_up(whole: Path) -> None:
    (whole / "usr/bin/broken").write_bytes(shared_object(needed=("libno.so.1", "liba.so.1"), interpreter=LD))
    *files, last = lines("--root", str(whole))
    found = {str(item["path"]): item for item in files}
    assert list(found) == [
        "/usr/bin/broken", "/usr/bin/other", "/usr/bin/prog", "/usr/lib/liba.so.1.2",
        "/usr/lib64/ld-linux-x86-64.so.2",
    ]  # fmt: skip
    problem = {
        "kind": "library", "broken": True, "subject": "libno.so.1", "message": "is nowhere",
        "needed_by": "/usr/bin/broken", "places": [],
    }  # fmt: skip
    assert found["/usr/bin/broken"] == {
        "path": "/usr/bin/broken", "links": [], "kind": "program", "machine": "x86-64", "linkage": "dynamic",
        "soname": None, "interpreter": LD,
        "needed": [{"name": "libno.so.1", "path": None}, {"name": "liba.so.1", "path": "/lib/liba.so.1"}],
        "missing": ["libno.so.1"], "version_problems": [], "broken": True, "problems": [problem],
    }  # fmt: skip
    assert found["/usr/lib/liba.so.1.2"]["soname"] == "liba.so.1"
    summary = last["summary"]
    assert isinstance(summary, dict) and summary.pop("seconds") >= 0
    kinds = {"program": 3, "library": 2, "other": 0, "damaged": 0, "unreadable": 0}
    assert summary == {"files": 5, "kinds": kinds, "broken": 1, "with_notes": 0}


def test_hard_links_are_one_file(whole: Path) -> None:
    (whole / "usr/bin/again").hardlink_to(whole / "usr/bin/prog")
    found = {str(item.get("path")): item.get("links") for item in lines("--root", str(whole), "usr/bin")}
    assert found == {"/usr/bin/again": ["/usr/bin/prog"], "/usr/bin/other": [], "None": None}


def test_symlinks_loops_and_special_files_are_passed_by(whole: Path) -> None:
    (whole / "usr/loop").symlink_to("loop")
    (whole / "usr/up").symlink_to("..")
    (whole / "usr/out").symlink_to("/usr/bin")
    os.mkfifo(whole / "usr/fifo")
    assert run("scan", "--root", str(whole)).stdout.startswith("4 ELF files: ")


def test_a_name_that_is_no_utf_8_is_shown_escaped_and_found_again(whole: Path) -> None:
    place = os.fsencode(whole / "usr/bin") + b"/caf\xe9\x1b"
    with open(place, "wb") as file:
        file.write(shared_object(needed=("libno.so.1",), interpreter=LD))
    result = run("scan", "--root", str(whole))
    assert result.stdout.splitlines()[0] == "broken: libno.so.1 is nowhere: needed by /usr/bin/caf\\xe9\\x1b"
    assert lines("--root", str(whole), "usr/bin")[0]["path"] == "/usr/bin/caf\udce9\x1b"


def test_a_folder_that_may_not_be_read_is_noted(whole: Path) -> None:
    secret = whole / "secret"
    secret.mkdir()
    secret.chmod(0)
    result = subprocess.run(
        [NEEDED, "scan", "--root", whole], capture_output=True, text=True, check=False, preexec_fn=obey_permissions
    )
    assert (result.returncode, result.stderr) == (0, "")
    note, summary = result.stdout.splitlines()
    assert note == "note: /secret: cannot be read: Permission denied"
    assert summary.startswith("4 ELF files: ") and ", 1 cannot be read; " in summary


def obey_permissions() -> None:
    """Also as root: without CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH (prctl(2), PR_CAPBSET_DROP)."""
    if os.geteuid() == 0:
        prctl = ctypes.CDLL(None).prctl
        assert prctl(24, 1, 0, 0, 0) == prctl(24, 2, 0, 0, 0) == 0


def test_who_needs_a_library(root: Path) -> None:  # noqa: F811
    (root / "usr/lib/libb.so").write_bytes(shared_object(needed=("liba.so.1",), soname="libb.so"))
    (root / "usr/bin/user").write_bytes(shared_object(needed=("libb.so",), interpreter=LD))
    wanted = "/usr/bin/prog\n/usr/bin/user (through /lib/libb.so)\n/usr/lib/libb.so\n"
    for name in ("liba.so.1", "/lib/liba.so.1"):
        result = run("scan", "--root", str(root), "--needs", name)
        assert (result.stdout, result.stderr, result.returncode) == (wanted, "", 0)
    result = run("scan", "--root", str(root), "--needs", "libno.so.1", "--json")
    wanted_object = {"path": "/usr/bin/broken", "direct": True, "through": None, "found": None}
    assert json.loads(result.stdout) == wanted_object and result.returncode == 0
    assert run("scan", "--root", str(root), "--needs", "libz.so.1").returncode == 1
    assert run("scan", "--root", str(root), "--needs", "/no").returncode == 2


def test_what_the_loader_is_told_counts(whole: Path) -> None:
    (whole / "opt/lib").mkdir(parents=True)
    (whole / "opt/lib/libx.so.1").write_bytes(shared_object(soname="libx.so.1"))
    (whole / "usr/bin/user").write_bytes(shared_object(needed=("libx.so.1",), interpreter=LD))
    (whole / "etc/ld.so.conf").write_text("/opt/lib\n")
    result = run("scan", "--root", str(whole))
    line = "broken: libx.so.1 is not where its loader looks (it is at /opt/lib/libx.so.1): needed by /usr/bin/user"
    assert result.returncode == 1 and result.stdout.splitlines()[0] == line
    assert run("scan", "--root", str(whole), "--ldconfig").returncode == 0
    assert run("scan", "--root", str(whole), "--library-path", "/opt/lib").returncode == 0


def test_an_image_is_scanned_in_place(whole: Path, tmp_path: Path) -> None:
    built = run("build", "/bin/prog", "--root", str(whole), "-o", "oci:image:x", "-q", "--no-cache", cwd=tmp_path)
    assert built.returncode == 0, built.stderr
    result = run("scan", "--root", "oci:image:x", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("3 ELF files: 1 program, 2 libraries, 0 others; 0 broken, 0 with notes; ")


def test_a_folder_that_is_not_there_ends_with_2(whole: Path) -> None:
    result = run("scan", "--root", str(whole), "/no")
    assert result.returncode == 2 and "/no: no such file or folder to scan" in result.stderr


def test_progress_leaves_nothing_on_a_terminal(whole: Path) -> None:
    leader, follower = pty.openpty()
    result = subprocess.run(
        [NEEDED, "scan", "--root", whole], stdout=subprocess.PIPE, stderr=follower, text=True, check=False
    )
    os.write(follower, b"end")
    assert result.returncode == 0 and result.stdout.count("\n") == 1
    shown = os.read(leader, 4096)  # nothing at all, unless the machine was slow
    assert shown == b"end" or shown.endswith(b"\r\033[Kend")
    os.close(follower)
    os.close(leader)


def test_long_lines_are_broken_between_words_on_a_terminal(root: Path) -> None:  # noqa: F811
    leader, follower = pty.openpty()
    surroundings = {**os.environ, "COLUMNS": "40", "NO_COLOR": "1"}
    subprocess.run([NEEDED, "scan", "--root", root], stdout=follower, check=False, env=surroundings)
    os.write(follower, b"end")
    shown = ""
    while not shown.endswith("end"):  # a terminal hands over what has arrived, which may be a line
        shown += os.read(leader, 4096).decode()
    os.close(follower)
    os.close(leader)
    assert "broken: libno.so.1 is nowhere: needed by\r\n  /usr/bin/broken\r\n" in shown
