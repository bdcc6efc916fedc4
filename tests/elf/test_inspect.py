"""The verb: text, JSON, errors."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.rules.trees import program, tree

from needed.cli import inspect
from needed.errors import ReadError, SourceError

Build = Callable[..., bytes]


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    inspect.add(parser.add_subparsers())
    arguments = parser.parse_args(["inspect", *words])
    code: int = arguments.run(arguments)
    return code


def test_text(build: Build, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "program"
    file.write_bytes(
        build(interpreter=b"/lib/ld-musl-x86_64.so.1\0", strings=b"libc.so\0/x\0", entries=((1, 1), (29, 9)))
    )
    file.chmod(0o4755)
    assert run("--root", str(tmp_path), "/program") == 0
    assert capsys.readouterr().out == """\
/program
  machine      x86-64
  linkage      dynamic
  C library    musl
  interpreter  /lib/ld-musl-x86_64.so.1
  needed       libc.so
  runpath      /x
  stripped     yes
  setuid       yes
"""


def test_a_program_that_imports_nothing_to_load_more_with_is_proven_complete(
    build: Build, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path, content in (tree() | {"/bin/a": program("printf"), "/bin/b": program("getpwuid")}).items():
        assert isinstance(content, bytes)
        (tmp_path / path[1:]).parent.mkdir(exist_ok=True)
        (tmp_path / path[1:]).write_bytes(content)
    assert run("--root", str(tmp_path), "/bin/a", "/bin/b") == 0
    said = capsys.readouterr().out
    assert "  closure      complete, proven\n" in said
    assert "  closure      left open by b (getpwuid)\n" in said
    assert run("--root", str(tmp_path), "/bin/b", "--json") == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["completeness"]["openings"] == [{"path": "/bin/b", "imports": "getpwuid", "rule": ""}]


def test_json_with_the_dynamic_section(build: Build, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "lib.so").write_bytes(build(strings=b"libc.so.6\0", entries=((1, 1),)))
    assert run("--json", "--dynamic", "--root", str(tmp_path), "/lib.so", "lib.so") == 0
    first, second = json.loads(capsys.readouterr().out)
    assert (first["file"], second["file"]) == ("/lib.so", "lib.so")
    assert first["libc"] == {"name": "glibc", "version": None}
    assert first["linkage"] == "shared object"
    text = "Shared library: [libc.so.6]"
    assert first["dynamic"][0] == {"name": "NEEDED", "tag": 1, "value": 1, "text": text}


def test_the_good_files_are_printed_before_the_error(
    build: Build, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "good").write_bytes(build())
    (tmp_path / "script").write_text("#!/bin/sh\n")
    (tmp_path / "empty").touch()
    os.mkfifo(tmp_path / "fifo")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError) as caught:
        run("none", "good", ".", "script", "empty", "fifo", "")
    assert caught.value.message == "6 of 7 files cannot be inspected"
    assert caught.value.details == (
        "none: No such file",
        ".: Is a directory",
        "script: a script, not an ELF file",
        "empty: not an ELF file",
        "fifo: Not a regular file",
        ": No such file",
    )
    assert capsys.readouterr().out.startswith("good\n  machine      x86-64\n")


def test_one_problem_is_the_error_itself(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"none: No such file"):
        run(str(tmp_path / "none"))
    with pytest.raises(ReadError, match="cannot be the root"):
        run("--root", str(tmp_path / "none"), "x")


def test_control_characters_are_escaped(
    build: Build, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "a\x1b[31m\n\udcff"
    path = tmp_path / name
    path.write_bytes(build(strings=b"x\x1b]0;\n\xfe\0", entries=((1, 1),)))
    for option in ([], ["--dynamic"], ["--json"], ["--json", "--dynamic"]):
        assert run(*option, str(path), str(path)) == 0
        out = capsys.readouterr().out
        assert out.isascii()
        assert "\x1b" not in out
    run(str(path))
    out = capsys.readouterr().out
    assert out.splitlines()[0].endswith("/a\\x1b[31m\\n\\xff")
    assert "needed       x\\x1b]0;\\n\\xfe\n" in out


def test_links_do_not_lead_out_of_the_root(build: Build, tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(build())
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to("../outside")
    with pytest.raises(SourceError, match="link: No such file"):
        run("--root", str(root), "link")
