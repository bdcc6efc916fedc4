"""A source as a PROGRAM of `needed build`. The `go` here is a script that hands out programs which the test made."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from needed.cli.build import may_be_source
from needed.cli.sources import _place
from needed.root import MemoryRoot, Walker
from needed.toolchain import SUFFIXES
from tests.cli.test_build import NEEDED, blob, config_of, run
from tests.cli.test_platforms import MACHINES, static_program
from tests.loader.synthetic import shared_object
from tests.test_architecture import SOURCE

GO = """#!/bin/sh
case $1 in
version) echo go version go1.99 linux/amd64;;
list) echo '{"ImportPath": "command-line-arguments", "Name": "main"}';;
build)
    if grep -q broken *.go; then echo './main.go:1:1: it is broken' >&2; exit 1; fi
    if grep -q forever *.go; then sleep 600 & wait; fi
    while [ "$1" != -o ]; do shift; done
    cp "$PROGRAMS/$GOARCH" "$2"; chmod 755 "$2";;
esac
"""
EXITS = {0: "31ff", 3: "bf03000000"}  # mov edi, STATUS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with `project/main.go`, an empty TMPDIR, and a root of which only the program is missing."""
    for name in ("bin", "programs", "project", "scratch", "root/etc"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "bin/go").write_text(GO)
    (tmp_path / "bin/go").chmod(0o755)
    (tmp_path / "project/main.go").write_text("package main\n")
    (tmp_path / "project/go.mod").write_text("module example.org/tool/v2\n")
    programs(tmp_path, 0)
    return tmp_path


def programs(folder: Path, status: int) -> None:
    """What the tool chain makes: programs that end with `status`, where this machine runs them."""
    for name, (e_machine, order) in MACHINES.items():
        code = bytes.fromhex(EXITS[status] + "b8e7000000 0f05")
        (folder / "programs" / name).write_bytes(static_program(e_machine, order, code))


def surroundings(folder: Path) -> dict[str, str]:
    path = f"{folder}/bin:{os.environ['PATH']}"
    return {"PATH": path, "PROGRAMS": f"{folder}/programs", "TMPDIR": f"{folder}/scratch"}


def build(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """`needed build` in `folder`; the scratch folder is empty afterwards, whatever came of it."""
    done = run("build", *words, cwd=folder, **surroundings(folder))
    assert list((folder / "scratch").iterdir()) == []
    assert "Traceback" not in done.stderr
    return done


def test_a_source_is_compiled_and_lies_in_usr_local_bin(folder: Path) -> None:
    done = build(folder, "./project/main.go", "--root", "root", "--platform", "linux/amd64", "-o", "oci:out")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("main@sha256:")
    assert "tool    go 1.99" in done.stderr and "go build -trimpath" in done.stderr
    config = config_of(folder / "out")
    assert config["config"] == {"Entrypoint": ["/usr/local/bin/main"], "User": "65532:65532"}
    assert config["history"] == [
        {"created": "1970-01-01T00:00:00Z", "created_by": "needed build /usr/local/bin/main"}
    ]  # fmt: skip
    why = run("why", "main", "--in", "oci:out", "--platform", "linux/amd64", cwd=folder)
    assert why.stdout == "/usr/local/bin/main\n  requested\n"


def test_quiet_says_nothing_of_the_compiler(folder: Path) -> None:
    done = build(folder, "./project/main.go", "--platform", "linux/amd64", "-o", "oci:out", "-q")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("word", [".", "./", "../project", "../project/"])
def test_a_folder_is_the_program_that_its_module_is_named_after(folder: Path, word: str) -> None:
    done = run("build", word, "--platform", "linux/amd64", "--root", "../root", "-n", "--json",
               cwd=folder / "project", **surroundings(folder))  # fmt: skip
    assert [item["path"] for item in json.loads(done.stdout)["files"]][-1] == "/usr/local/bin/tool"


def test_each_platform_has_the_program_compiled_for_it(folder: Path) -> None:
    words = ("project/main.go", "--platform", "linux/s390x,linux/amd64,linux/arm64", "-o", "oci:out", "--json")
    done = build(folder, *words, "--root", "linux/arm64=root")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [item["platform"] for item in told["images"]] == ["linux/amd64", "linux/arm64/v8", "linux/s390x"]
    for item, (name, _) in zip(told["images"], sorted(MACHINES.items()), strict=True):
        [compiled] = item["compiled"]
        assert (compiled["path"], compiled["platform"]) == ("/usr/local/bin/main", f"linux/{name}")
        assert item["bytes"] == compiled["size"] == len((folder / "programs" / name).read_bytes())
    [entry] = json.loads((folder / "out/index.json").read_text())["manifests"]
    manifests = json.loads(blob(folder / "out", entry["digest"]))["manifests"]
    assert [one["platform"]["architecture"] for one in manifests] == ["amd64", "arm64", "s390x"]


def test_neither_the_folder_nor_the_umask_changes_a_byte(folder: Path) -> None:
    words = ("--platform", "linux/amd64,linux/s390x", "--root", f"{folder}/root", "-q", "-o", "oci:../out")
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere/main.go").write_text("package main\n")
    first = run("build", "main.go", *words, cwd=folder / "project", **surroundings(folder))
    before = os.umask(0o077)
    try:
        again = run("build", "main.go", *words, cwd=folder / "elsewhere", **surroundings(folder))
    finally:
        os.umask(before)
    assert first.stdout == again.stdout != ""


def test_a_source_stands_beside_programs_of_the_root(folder: Path) -> None:
    (folder / "root/other").write_bytes((folder / "programs/amd64").read_bytes())
    (folder / "root/other").chmod(0o755)
    done = build(folder, "project/main.go", "/other", "--root", "root", "--platform", "linux/amd64", "-o", "tar:t.tar")
    assert done.returncode == 0, done.stderr
    with tarfile.open(folder / "t.tar") as tar:
        assert {item.name for item in tar if item.isfile()} == {"other", "usr/local/bin/main"}


def test_what_a_compiler_refuses_is_said_in_its_words_and_nothing_is_written(folder: Path) -> None:
    (folder / "project/main.go").write_text("broken\n")
    for platforms in ("linux/amd64", "linux/amd64,linux/arm64"):
        done = build(folder, "project/main.go", "--platform", platforms, "-o", "oci:out")
        assert (done.returncode, done.stdout) == (12, "")
        assert "./main.go:1:1: it is broken" in done.stderr
        assert not (folder / "out").exists()


def test_without_a_tool_chain_it_says_how_to_get_one(folder: Path) -> None:
    (folder / "bin/go").unlink()
    # Without site-packages and beside another interpreter: what this one may have installed is not found.
    code = (
        f"import sys; sys.path.insert(0, {str(SOURCE)!r}); sys.executable = '/nowhere/python'; "
        "from needed.cli import main; sys.exit(main(['build', 'project/main.go', '-o', 'oci:out']))"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        cwd=folder, capture_output=True, text=True, check=False, env={"PATH": f"{folder}/bin"},
    )  # fmt: skip
    assert done.returncode == 13, done.stderr
    assert "hint: pip install 'needed[go]'" in done.stderr
    assert not (folder / "out").exists()


def test_nothing_is_written_unless_what_was_compiled_passes(folder: Path) -> None:
    programs(folder, 3)
    words = ("project/main.go", "--platform", "linux/amd64", "--root", "root", "--verify-args=x", "-o", "oci:out")
    assert build(folder, *words).returncode == 11
    assert not (folder / "out").exists()
    programs(folder, 0)
    assert build(folder, *words).returncode == 0


def test_what_is_compiled_cannot_be_compared_with_a_root(folder: Path) -> None:
    (folder / "needed.toml").write_text('[[check]]\nname = "same"\nargs = ["x"]\nsame_as_host = true\n')
    done = build(folder, "project/main.go", "--platform", "linux/amd64", "--root", "root", "--verify", "-o", "oci:out")
    assert done.returncode == 2 and "in no root to compare with" in done.stderr


def test_a_signal_ends_the_compiler_and_leaves_nothing(folder: Path) -> None:
    (folder / "project/main.go").write_text("forever\n")
    process = subprocess.Popen(
        [NEEDED, "build", "project/main.go", "--platform", "linux/amd64", "-o", "oci:out"], cwd=folder,
        env=os.environ | surroundings(folder), stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr
    while not process.stderr.readline().startswith("run "):
        assert process.poll() is None
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert list((folder / "scratch").iterdir()) == [] and not (folder / "out").exists()


@pytest.mark.parametrize("platforms", ["linux/arm64", "linux/amd64,linux/arm64"])
def test_a_dynamic_program_for_another_machine_asks_for_a_root_of_it(folder: Path, platforms: str) -> None:
    program = bytearray(shared_object(interpreter="/lib/ld-linux-aarch64.so.1"))
    program[18] = 183  # e_machine: EM_AARCH64
    (folder / "programs/arm64").write_bytes(program)
    words = ("project/main.go", "--libc", "glibc", "--platform", platforms, "--root", "root", "-o", "oci:out")
    done = build(folder, *words)
    assert done.returncode == 3 and "nowhere in the root: /lib/ld-linux-aarch64.so.1" in done.stderr
    assert "hint: name a tree or an image for " in done.stderr and "--root " in done.stderr.splitlines()[-1]


def test_a_program_with_a_sources_suffix_is_a_program(folder: Path) -> None:
    (folder / "tool.go").write_bytes((folder / "programs/amd64").read_bytes())
    (folder / "tool.go").chmod(0o755)
    done = build(folder, "./tool.go", "-n", "--json")
    assert [item["path"] for item in json.loads(done.stdout)["files"]][-1] == f"{folder}/tool.go"


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("project/main.go", "other/main.go"), 2, "would both be /usr/local/bin/main"),
        (("project/main.go", "./project", "--program", "x"), 2, "--program x: which of"),
        (("./root",), 2, "holds no project"),
        (("./nothing.go",), 2, "nothing.go"),
        (("project/main.go", "--libc", "bionic"), 2, "--libc bionic"),
        (("project/main.go", "--platform", "linux/amd64,linux/amd64"), 2, "names linux/amd64 twice"),
        (("project/main.go", "--compile-args", "'a"), 2, "--compile-args"),
    ],
)
def test_what_cannot_be_meant_is_refused(folder: Path, words: tuple[str, ...], status: int, said: str) -> None:
    (folder / "other").mkdir()
    (folder / "other/main.go").write_text("package main\n")
    done = build(folder, *words, "-o", "oci:out")
    assert (done.returncode, done.stdout) == (status, "") and said in done.stderr
    assert not (folder / "out").exists()


def test_a_program_is_fitted_and_not_a_source(folder: Path) -> None:
    done = run("fit", "project/main.go", cwd=folder, **surroundings(folder))
    assert done.returncode == 2 and "hint: needed compile project/main.go" in done.stderr


@pytest.mark.parametrize(
    ("tree", "place"),
    [
        ({}, "/usr/local/bin"),
        ({"/usr/bin/x": b""}, "/usr/local/bin"),
        ({"/usr/local": "-> ../opt", "/opt/x": b""}, "/opt/bin"),
        ({"/usr": "-> /system", "/system/local/bin": "-> ../own", "/system/own/x": b""}, "/system/own"),
        ({"/usr/local": "-> nowhere"}, "/usr/local/bin"),
    ],
)
def test_it_lies_where_the_roots_own_links_lead(tree: dict[str, bytes | str], place: str) -> None:
    assert _place(Walker(MemoryRoot(tree))) == place


def test_names_of_everyday_programs_ask_no_tool_chain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ls").mkdir()
    assert not any(map(may_be_source, ("bash", "ls", "/bin/bash", "./server", "/usr/bin/git")))
    assert all(map(may_be_source, (".", "..", "./ls", "ls/", *(f"x{suffix}" for suffix in SUFFIXES))))


