"""Group 7, never execute the target: whatever a root holds, the only program that starts is `needed` itself.

strace(1) sees each execve(2) of each verb. What stands in the root would leave a marker if it ran: the program, its
interpreter, its audit libraries, the interpreter of a script, programs of the names that other tools call for help, and
modules in the working directory that Python would import.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from tests.hostile.command import NEEDED, refuses, run
from tests.loader.synthetic import PIE, Writer

LD = "/lib64/ld-linux-x86-64.so.2"
MARKER = "it-ran-0b5e"
HELPERS = ("xz", "unpigz", "gzip", "zstd", "ldconfig", "ldd", "ld.so", "readelf", "objdump", "file", "python3")
MODULES = ("json", "sitecustomize", "usercustomize", "needed", "struct", "argparse", "os", "encodings", "deflate")


def marking(*dynamic: tuple[str, str], interpreter: str = "", flags_1: int = 0) -> bytes:
    """An object whose DT_INIT writes the marker as soon as anybody loads it."""
    writer = Writer(dynamic, interpreter=interpreter, flags_1=flags_1, starts=True)
    writer.message(MARKER)
    return writer.finish()


def make_root(root: Path) -> Path:
    script = f"#!/bin/sh\n: > '{root.parent / MARKER}'\n".encode()
    asks = [("needed", "libx.so"), ("audit", "/aud.so"), ("depaudit", "/dep.so:/aud.so"), ("runpath", "$ORIGIN/../lib")]
    files = {
        "usr/bin/app": marking(*asks, interpreter=LD, flags_1=PIE),
        "usr/lib/libx.so": marking(("soname", "libx.so")),
        LD[1:]: marking(("soname", LD.rpartition("/")[2])),
        "aud.so": marking(),
        "dep.so": marking(),
        "usr/bin/script": b"#!/usr/bin/one -x\n",
        "usr/bin/one": b"#!/usr/bin/env -S -u A B=c two\n",
        "usr/bin/two": marking(interpreter=LD, flags_1=PIE),
        "etc/ld.so.preload": b"/aud.so\n",
        "etc/ld.so.conf": b"include $(touch x) `touch x` | touch x ; touch x\n/usr/lib\n",
        **{f"usr/bin/{name}": script for name in HELPERS},
        **{f"usr/bin/{name}": marking(interpreter=LD, flags_1=PIE) for name in ("env", "sh")},
        "usr/sbin/ldconfig": script,
    }
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
        (root / name).chmod(0o755)
    for name in ("bin", "sbin", "lib"):
        (root / name).symlink_to(f"usr/{name}")
    return root


def make_working_directory(folder: Path) -> Path:
    folder.mkdir()
    for name in MODULES:
        (folder / f"{name}.py").write_text(f"open({str(folder.parent / MARKER)!r}, 'w')\n")
    (folder / "evil.pth").write_text(f"import os; open({str(folder.parent / MARKER)!r}, 'w')\n")
    return folder


def verbs(root: Path) -> dict[str, tuple[int, tuple[str, ...]]]:
    """Each verb as it is typed, with the status that it ends with."""
    place, out = ("--root", str(root)), root.parent / "out"
    return {
        "build": (0, ("build", "app", "script", "xz", *place, "-o", f"dir:{out}")),
        "build-packed": (0, ("build", "/usr/bin/app", *place, "-o", f"oci:{out}-oci", "--preload", "--ldconfig")),
        "ldd": (0, ("ldd", "/usr/bin/app", *place)),
        "ldd-r": (0, ("ldd", "-r", "--ldconfig", "/usr/bin/app", *place)),
        "ldd-script": (1, ("ldd", "/usr/bin/script", *place)),
        "inspect": (0, ("inspect", "--json", "--dynamic", "/usr/bin/app", "/aud.so", LD, *place)),
        "inspect-here": (0, ("inspect", f"{root}/usr/bin/app")),
        "check": (0, ("check", "/usr/bin/app", *place, "--against", str(root))),
        "scan": (0, ("scan", "--json", *place)),
        "why": (0, ("why", "libx.so", "--for", "/usr/bin/app", *place)),
    }


@pytest.fixture
def strace() -> str:
    path = shutil.which("strace")
    if path is None or subprocess.run([path, "-o", "/dev/null", "true"], check=False, capture_output=True).returncode:
        assert "CI" not in os.environ, "strace is not installed, or may not trace"
        pytest.skip("strace is not installed, or may not trace")
    return path


def executed(strace: str, words: tuple[str, ...], cwd: Path) -> tuple[int, str, list[str]]:
    """The exit status, what was written, and each program that execve(2) or execveat(2) was asked for."""
    log = cwd.parent / "strace.log"
    watch = [strace, "-f", "-qq", "-e", "trace=execve,execveat", "-e", "signal=none", "-o", str(log)]
    result = subprocess.run(
        [*watch, str(NEEDED), *words], cwd=cwd, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    programs = re.findall(r'execve(?:at)?\((?:\w+, )?"([^"]*)"', log.read_text())
    return result.returncode, result.stdout + result.stderr, programs


@pytest.mark.parametrize(
    "verb", ["build", "build-packed", "ldd", "ldd-r", "ldd-script", "inspect", "inspect-here", "check", "scan", "why"],
    ids=lambda verb: f"X02-X05-X06-{verb}",
)  # fmt: skip
def test_the_only_program_that_starts_is_ours(tmp_path: Path, strace: str, verb: str) -> None:
    root, cwd = make_root(tmp_path / "root"), make_working_directory(tmp_path / "cwd")
    expected, words = verbs(root)[verb]
    status, said, programs = executed(strace, words, cwd)
    assert status == expected, said
    assert programs == [str(NEEDED)]
    assert not (tmp_path / MARKER).exists()
    assert MARKER not in said


@pytest.mark.parametrize("verb", ["build", "ldd-r", "inspect", "check", "scan", "why"], ids=lambda verb: f"X06-{verb}")
def test_x06_nothing_of_the_working_directory_is_imported(tmp_path: Path, verb: str) -> None:
    root, cwd = make_root(tmp_path / "root"), make_working_directory(tmp_path / "cwd")
    expected, words = verbs(root)[verb]
    assert run(*words, cwd=cwd).status == expected
    assert not (tmp_path / MARKER).exists()


def test_the_markers_would_tell(tmp_path: Path, strace: str) -> None:
    """What the other tests look for does appear where somebody is so careless."""
    cwd = make_working_directory(tmp_path / "cwd")
    root = make_root(tmp_path / "root")
    subprocess.run(["/bin/sh", "-c", "xz"], env={"PATH": f"{root}/usr/bin"}, check=True)
    assert (tmp_path / MARKER).exists()
    (tmp_path / MARKER).unlink()
    subprocess.run([f"{NEEDED.parent}/python", "-c", "import json"], cwd=cwd, check=False, capture_output=True)
    assert (tmp_path / MARKER).exists()
    log = tmp_path / "log"
    subprocess.run([strace, "-f", "-e", "trace=execve", "-o", str(log), "sh", "-c", "true; env true"], check=True)
    assert len(re.findall(r"execve\(", log.read_text())) >= 2


def test_x02_audit_libraries_are_reported_and_not_loaded(tmp_path: Path) -> None:
    root = make_root(tmp_path / "root")
    assert "  audit        /aud.so, /dep.so:/aud.so\n" in run("inspect", "--root", str(root), "/usr/bin/app").out
    answer = run("ldd", "--root", str(root), "/usr/bin/app")
    assert answer.out.split() == ["/aud.so", "libx.so", "=>", "/usr/bin/../lib/libx.so", LD] and answer.err == ""


SCRIPTS = {
    "absolute": (b"#!/tmp/evil\n", "/tmp/evil"),
    "CR-LF": (b"#!/usr/bin/two\r\n", "CR LF"),
    "1-MB": (b"#!/" + b"a" * (1 << 20) + b"\n", "more than 256 bytes"),
    "1-MB-of-spaces": (b"#!" + b" " * (1 << 20) + b"/usr/bin/two\n", "names no interpreter"),
    "nothing": (b"#!", "names no interpreter"),
    "NUL": (b"#!\0/usr/bin/two\n", "names no interpreter"),
    "env-of-nothing": (b"#!/usr/bin/env -S nothing-of-this-name\n", "no such program"),
    "itself": (b"#!/usr/bin/evil\n", "a script that is its own interpreter"),
    "a-directory": (b"#!/usr/bin\n", "expected a program, found a directory"),
    "escapes": (b"#!/\x1b[31m\xff\n", "no such file"),
}


@pytest.mark.parametrize("name", SCRIPTS, ids=lambda name: f"X04-{name}")
def test_x04_a_script_of_nobodys_is_refused(tmp_path: Path, name: str) -> None:
    content, reason = SCRIPTS[name]
    root = make_root(tmp_path / "root")
    (root / "usr/bin/evil").write_bytes(content)
    (root / "usr/bin/evil").chmod(0o755)
    sentence = refuses(2, "build", "--root", str(root), "/usr/bin/evil", "-o", f"dir:{tmp_path}/out")
    assert reason in sentence and len(sentence) < 1000
    assert not (tmp_path / MARKER).exists()


def test_x04_what_a_script_starts_goes_in_and_is_not_started(tmp_path: Path) -> None:
    root = make_root(tmp_path / "root")
    listed = run("build", "--dry-run", "--root", str(root), "/usr/bin/script").out
    for path in ("/usr/bin/script", "/usr/bin/one", "/usr/bin/env", "/usr/bin/two", LD):
        assert path in listed.split()
    assert not (tmp_path / MARKER).exists()


def test_x04_the_kernel_gives_up_where_we_do(tmp_path: Path) -> None:
    """Five scripts of each other are the most: a sixth ends in ELOOP. Asked for together, each is judged by itself."""
    root = make_root(tmp_path / "root")
    before = "/bin/true"
    for number in range(1, 7):
        script = tmp_path / f"s{number}"
        script.write_text(f"#!{before}\n")
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        inside = root / f"s{number}"
        inside.write_text(f"#!{'/usr/bin/two' if number == 1 else f'/s{number - 1}'}\n")
        inside.chmod(0o755)
        before = str(script)
        try:
            starts = subprocess.run([str(script)], check=False, capture_output=True).returncode == 0
        except OSError:
            starts = False
        built = run("build", "--dry-run", "--root", str(root), f"/s{number}")
        assert (built.status == 0) == starts == (number <= 5), number
    assert run("build", "--dry-run", "--root", str(root), "/s3", "/s5").status == 0
    assert "/s6" in refuses(2, "build", "--dry-run", "--root", str(root), "/s3", "/s6")
