"""`needed compile` as a user types it, with a go that is a shell script."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.loader.synthetic import shared_object
from tests.toolchain.chains import STATIC, fake_go

NEEDED = Path(sys.executable).with_name("needed")
PLATFORM = ("--platform", "linux/amd64")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a Go source."""
    fake_go(tmp_path / "tools")
    (tmp_path / "here").mkdir()
    (tmp_path / "here/main.go").write_text("package main\n\nfunc main() {}\n")
    return tmp_path / "here"


def run(folder: Path, *words: str, status: int = 0, path: str = "") -> subprocess.CompletedProcess[str]:
    scratch = folder.parent / "tmp"
    scratch.mkdir(exist_ok=True)
    surroundings = {**os.environ, "PATH": path or f"{folder.parent}/tools:/usr/bin:/bin", "TMPDIR": str(scratch)}
    result = subprocess.run(
        [str(NEEDED), "compile", *words], capture_output=True, text=True, check=False, cwd=folder, env=surroundings
    )
    assert result.returncode == status, result.stderr
    assert os.listdir(scratch) == []
    return result


def test_it_tells_tool_command_and_outcome_and_prints_the_path(folder: Path) -> None:
    result = run(folder, "main.go", *PLATFORM)
    assert result.stdout == "main\n"
    assert (folder / "main").read_bytes() == STATIC
    lines = result.stderr.splitlines()
    assert [line.split(" ")[0] for line in lines] == ["tool", "run", "program", "bytes", "libc", "twice", "digest"]
    assert lines[1].endswith(
        """go build -trimpath -buildvcs=false '-ldflags=-s -w -buildid=' -o "$work"/main ./main.go"""
    )
    assert lines[4:6] == ["libc    static", "twice   the same bytes from another folder"]


def test_it_is_compiled_twice_in_two_folders_unless_once(folder: Path) -> None:
    run(folder, "main.go", *PLATFORM)
    first, second = (folder.parent / "tools/folders").read_text().split()
    assert first == str(folder)
    assert second != first
    (folder.parent / "tools/folders").unlink()
    assert "\ntwice" not in run(folder, "main.go", "--once", *PLATFORM).stderr
    assert (folder.parent / "tools/folders").read_text() == f"{folder}\n"


def test_bytes_that_depend_on_the_folder_are_told(folder: Path) -> None:
    (folder.parent / "tools/differs").touch()
    assert "twice   other bytes from another folder" in run(folder, "main.go", *PLATFORM).stderr


def test_for_several_platforms_each_has_its_file(folder: Path) -> None:
    result = run(folder, "main.go", "-o", "app", "--platform", "linux/amd64,linux/amd64/v1", "-q")
    assert result.stdout == "app-amd64\napp-amd64v1\n"
    assert result.stderr == ""
    assert sorted(os.listdir(folder)) == ["app-amd64", "app-amd64v1", "main.go"]


def test_if_one_of_several_platforms_fails_none_is_written(folder: Path) -> None:
    result = run(folder, "main.go", "-o", "app", "--platform", "linux/amd64,linux/arm64", status=12)
    assert "what was made is for x86-64, not for linux/arm64" in result.stderr
    assert os.listdir(folder) == ["main.go"]


def test_the_compilers_lines_come_first_then_our_hint_and_the_old_file_stays(folder: Path) -> None:
    (folder.parent / "tools/fails").touch()
    (folder.parent / "tools/says").write_text("./main.go:3:2: undefined: y\x1b[31m\n")
    (folder / "main").write_text("old")
    result = run(folder, "main.go", *PLATFORM, status=12)
    assert result.stderr.splitlines()[-3:] == [
        f"error: {folder}/main.go: does not compile: go ended with 1",
        "  ./main.go:3:2: undefined: y\\x1b[31m",
        "hint: nothing was written; needed compile --print shows the command, to try it by hand",
    ]
    assert (folder / "main").read_text() == "old"


def test_a_known_complaint_has_its_own_hint(folder: Path) -> None:
    (folder.parent / "tools/fails").touch()
    (folder.parent / "tools/says").write_text("main.go:3:8: no required module provides package example.org/y\n")
    assert "hint: in its folder: go mod tidy" in run(folder, "main.go", *PLATFORM, status=12).stderr


def test_warnings_of_a_compiler_that_ends_well_are_shown(folder: Path) -> None:
    (folder.parent / "tools/says").write_text("chatter\nx.c:1: warning: implicit\n")
    lines = run(folder, "main.go", *PLATFORM).stderr.splitlines()
    assert lines.count("x.c:1: warning: implicit") == 1
    assert "chatter" not in lines


def test_what_is_not_static_is_refused(folder: Path) -> None:
    product = shared_object(needed=("libc.so.6",), interpreter="/lib64/ld-linux-x86-64.so.2")
    (folder.parent / "tools/product").write_bytes(product)
    assert "is not static: it asks for the interpreter" in run(folder, "main.go", *PLATFORM, status=12).stderr
    assert os.listdir(folder) == ["main.go"]


def test_a_static_program_for_glibc_is_said_to_be_static_all_the_same(folder: Path) -> None:
    result = run(folder, "main.go", "--libc", "glibc:2.17", *PLATFORM)
    assert "libc    static: it uses no C library, of glibc or any other\n" in result.stderr


def test_a_missing_tool_chain_is_told_with_the_command_that_installs_it(folder: Path) -> None:
    (folder.parent / "bare").mkdir()
    # Beside our own Python there may be a tool chain.
    (folder.parent / "bare/python").symlink_to(os.path.realpath(sys.executable))
    surroundings = {"PATH": str(folder.parent / "bare"), "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    words = [str(folder.parent / "bare/python"), "-S", "-m", "needed", "compile", "main.go"]
    result = subprocess.run(words, capture_output=True, text=True, check=False, cwd=folder, env=surroundings)
    assert result.returncode == 13, result.stderr
    assert result.stderr.splitlines()[:2] == [
        f"error: {folder}/main.go: there is no go on this machine", "hint: pip install 'needed[go]'",
    ]  # fmt: skip
    assert os.listdir(folder) == ["main.go"]


@pytest.mark.parametrize(
    ("words", "says"),
    [(("nothing.go",), "there is no such file or folder"), (("README",), "is no source that is known"),
     (("empty",), "holds no project"), (("loose",), "hint: name the files of the program: needed compile loose/x.c"),
     (("main.go", "loose/x.c"), "are not the files of one program"), (("main.go", "--libc", "uclibc"), "--libc uclibc"),
     (("main.go", "--libc", "musl:1.2"), "--libc musl:1.2"), (("main.go", "--libc", "glibc:two"), "--libc glibc:two"),
     (("main.go", "--platform", "windows/amd64"), "only programs of linux"),
     (("main.go", "--platform", "x"), "'x' is not a platform"),
     (("main.go", "--platform", "linux/arm64,linux/arm64"), "one twice"), (("main.go", "--program", "../x"), "a path"),
     ((), "SOURCE")],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_in_a_sentence(folder: Path, words: tuple[str, ...], says: str) -> None:
    (folder / "README").touch()
    (folder / "empty").mkdir()
    (folder / "loose").mkdir()
    (folder / "loose/x.c").touch()
    assert says in run(folder, *words, status=2).stderr


def test_an_output_that_is_a_folder_is_refused_before_anything_runs(folder: Path) -> None:
    (folder / "out").mkdir()
    result = run(folder, "main.go", "-o", "out", status=5)
    assert result.stderr.splitlines()[0] == "error: out: is a folder, and the program would be a file"
    assert not (folder.parent / "tools/folders").exists()


def test_print_runs_nothing_and_a_shell_can_run_it(folder: Path) -> None:
    result = run(folder, "main.go", "--print", *PLATFORM)
    assert result.stdout.splitlines()[0].startswith("# go 1.27.3, ")
    assert not (folder.parent / "tools/folders").exists()
    environment = {**os.environ, "PATH": f"{folder.parent}/tools:/usr/bin:/bin"}
    subprocess.run(["sh", "-c", result.stdout], check=True, env=environment, cwd="/")
    assert (folder / "main").read_bytes() == STATIC


def test_json_describes_program_and_commands(folder: Path) -> None:
    (found,) = json.loads(run(folder, "main.go", "--json", *PLATFORM).stdout)["programs"]
    assert found["static"] is found["stripped"] is found["repeated"] is True
    assert (found["path"], found["platform"], found["size"]) == ("main", "linux/amd64", len(STATIC))
    assert found["steps"][0]["env"]["CGO_ENABLED"] == "0"
    (planned,) = json.loads(run(folder, "main.go", "--json", "--print", *PLATFORM).stdout)["programs"]
    assert planned["steps"][0]["words"][1] == "build"


def test_an_error_with_json_is_an_object(folder: Path) -> None:
    (folder.parent / "tools/fails").touch()
    error = json.loads(run(folder, "main.go", "--json", "-q", *PLATFORM, status=12).stderr)["error"]
    assert (error["kind"], error["exit_code"]) == ("compile", 12)


def test_words_behind_two_hyphens_go_to_the_compiler(folder: Path) -> None:
    result = run(folder, "main.go", "--print", *PLATFORM, "--", "-ldflags", "-X main.v=1", "-race")
    assert "'-ldflags=-s -w -buildid= -X main.v=1' -race -o" in result.stdout


def test_on_a_terminal_lines_keep_to_its_width_and_colour_only_there(folder: Path) -> None:
    (folder.parent / "tools/fails").touch()
    (folder.parent / "tools/says").write_text("./main.go:3:2: undefined: y\n")
    leader, follower = pty.openpty()
    surroundings = {**os.environ, "PATH": f"{folder.parent}/tools:/usr/bin:/bin", "COLUMNS": "80", "TERM": "xterm"}
    surroundings.pop("NO_COLOR", None)
    words = [str(NEEDED), "compile", "main.go", *PLATFORM]
    with subprocess.Popen(words, cwd=folder, env=surroundings, stdout=follower, stderr=follower) as process:
        process.wait()
    os.close(follower)
    said = b""
    with suppress(OSError):  # EIO is the end of a terminal that nobody has open any more
        while piece := os.read(leader, 65536):
            said += piece
    text = said.decode()
    os.close(leader)
    assert "\033[31merror:\033[0m" in text
    assert max(len(line) for line in text.replace("\033[31m", "").replace("\033[0m", "").splitlines()) <= 80 + 10
    assert "\033" not in run(folder, "main.go", *PLATFORM, status=12).stderr
