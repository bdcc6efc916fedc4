"""`--strip` and `needed advise` on real programs: what was stripped works in Docker, and saves what was told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.engines.conftest import SERVER, Needed
from tests.engines.engines import Docker, run
from tests.engines.jobs import build

LIBRARY = """
#include <errno.h>
__thread int calls;
static int __attribute__((noinline)) hidden(int x) { return 2 * x; }
int twice(int x) { calls++; errno = 0; return hidden(x); }
"""
MAIN = """
#include <stdio.h>
int twice(int);
int main(void) { return printf("%d\\n", twice(21)) < 0; }
"""


def build_id(path: Path) -> str:
    """As readelf prints it."""
    notes = run("readelf", "-n", path)
    return next(line.split()[-1] for line in notes.splitlines() if "Build ID" in line)


def sections(path: Path) -> str:
    return run("readelf", "-SW", path)


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program with its library, both with debug information."""
    (tmp_path / "twice.c").write_text(LIBRARY)
    (tmp_path / "main.c").write_text(MAIN)
    library = tmp_path / "libtwice.so.1"
    run("gcc", "-g3", "-shared", "-fPIC", "-Wl,-soname,libtwice.so.1,--build-id", "-o", library, tmp_path / "twice.c")
    program = tmp_path / "prog"
    run("gcc", "-g3", "-Wl,--build-id,-rpath,$ORIGIN", "-o", program, tmp_path / "main.c", library)
    return program


def test_a_program_and_its_library_work_without_symbols(
    docker: Docker, needed: Needed, program: Path, tmp_path: Path
) -> None:
    before = (program.read_bytes(), (tmp_path / "libtwice.so.1").read_bytes())
    whole, less = build(docker, needed, "whole", program), build(docker, needed, "stripped", program, "--strip")
    assert whole.work().stdout == less.work().stdout == "42\n"
    assert less.size < whole.size and "note    stripped 2 files: " in less.report
    assert (program.read_bytes(), (tmp_path / "libtwice.so.1").read_bytes()) == before
    needed("build", program, "--strip", "-o", "dir:tree")
    for path in (program, tmp_path / "libtwice.so.1"):
        shipped = tmp_path / "tree" / str(path).lstrip("/")
        assert build_id(shipped) == build_id(path)
        assert ".symtab" not in sections(shipped) and ".debug_info" not in sections(shipped)
        assert run("readelf", "--dyn-syms", "-W", shipped) == run("readelf", "--dyn-syms", "-W", path)


def test_it_is_one_digest_each_time_and_the_image_knows_why(needed: Needed, program: Path, tmp_path: Path) -> None:
    digests = {needed("build", program, "--strip", "-q", "-o", f"oci:{name}").stdout for name in ("a", "b", "c")}
    assert len(digests) == 1
    assert needed("build", program, "-q", "-o", "oci:d").stdout not in digests
    assert "needed by" in needed("why", "libtwice.so.1", "--in", "oci:a").stdout
    (config,) = (json.loads(path.read_bytes()) for path in (tmp_path / "a/blobs/sha256").iterdir()
                 if path.stat().st_size < 5000 and b'"rootfs"' in path.read_bytes())  # fmt: skip
    assert any("--strip" in one.get("created_by", "") for one in config["history"])
    assert "verified: oci:a" in needed("verify", "oci:a", "--stdout-contains", "42").stdout


def test_an_archive_behind_a_program_is_left_where_it_is(
    docker: Docker, needed: Needed, program: Path, tmp_path: Path
) -> None:
    (tmp_path / "self.c").write_text(
        "#include <stdio.h>\n"
        "int main(int n, char **words) { FILE *own = fopen(words[0], \"r\"); char text[8] = {0};\n"
        'fseek(own, -7, SEEK_END); fread(text, 1, 7, own); return puts(text) < 0; }\n'
    )
    run("gcc", "-w", "-g", "-o", tmp_path / "self", tmp_path / "self.c")
    with (tmp_path / "self").open("ab") as file:
        file.write(b"payload")
    job = build(docker, needed, "selfreading", tmp_path / "self", program, "--strip", "--entrypoint", tmp_path / "self")
    assert job.work().stdout == "payload\n"
    assert f"note    {tmp_path}/self is not stripped: 7 bytes stand behind its end" in job.report


def test_a_go_program_is_stripped_and_serves(needed: Needed, docker: Docker, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source/go.mod").write_text("module example.org/hello\n\ngo 1.21\n")
    (tmp_path / "source/main.go").write_text(
        SERVER.replace("log.Fatal(http.ListenAndServe(\":\"+port, nil))", "_, _ = http.NewRequest, log.Flags")
    )
    environment = {
        **os.environ, "CGO_ENABLED": "0", "GOPATH": str(tmp_path / "path"),
        "GOFLAGS": "-buildvcs=false", "GOPROXY": "off", "GOTOOLCHAIN": "local",
    }  # fmt: skip
    go = Path(sys.executable).with_name("go")
    run(go, "build", "-o", tmp_path / "server", ".", env=environment, cwd=tmp_path / "source")
    told = json.loads(needed("advise", tmp_path / "server", "--json").stdout)
    (strip,) = (one for one in told["advice"] if one["kind"] == "strip")
    assert strip["how"].endswith("go build -ldflags='-s -w'") and strip["found"] == "measured"
    whole = build(docker, needed, "go-whole", tmp_path / "server")
    less = build(docker, needed, "go-stripped", tmp_path / "server", "--strip")
    assert whole.size - less.size == strip["bytes"] > 1_000_000
    assert "listening on 8080" in less.work().said
    needed("build", tmp_path / "server", "--strip", "-o", "dir:tree")
    needed("build", "--empty", "--add", f"{tmp_path}/server:/server", "-o", "dir:plain")
    stripped = next((tmp_path / "tree").rglob("server"))
    assert build_id(stripped) == build_id(tmp_path / "server")


@pytest.mark.parametrize(("architecture", "machine"), [("arm64", "aarch64"), ("riscv64", "riscv64")])
def test_a_program_of_another_machine_is_stripped_by_its_own_tool(
    needed: Needed, tmp_path: Path, architecture: str, machine: str
) -> None:
    (tmp_path / "hello.go").write_text('package main\n\nfunc main() { println("hello") }\n')
    environment = {**os.environ, "CGO_ENABLED": "0", "GOARCH": architecture, "GOTOOLCHAIN": "local"}
    go = Path(sys.executable).with_name("go")
    run(go, "build", "-o", tmp_path / "hello", tmp_path / "hello.go", env=environment, cwd=tmp_path)
    said = needed("build", tmp_path / "hello", "--strip", "-o", "oci:image").stderr
    assert f"({machine}-linux-gnu-strip: GNU strip" in said
    assert "verified: oci:image" in needed("verify", "oci:image", "--stderr-contains", "hello").stdout


def test_without_a_tool_nothing_is_written(needed: Needed, program: Path, tmp_path: Path) -> None:
    result = subprocess.run(
        [Path(sys.executable).with_name("needed"), "build", program, "--strip", "-o", "oci:none"],
        capture_output=True, text=True, cwd=tmp_path, env={"PATH": str(tmp_path)}, check=False,
    )  # fmt: skip
    assert result.returncode == 13 and "no program here strips that" in result.stderr
    assert "hint: apt-get install binutils-x86-64-linux-gnu" in result.stderr
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("name", ["curl", "git", "nginx"])
def test_what_a_rule_is_told_to_cost_is_what_the_image_has_less_without_it(
    needed: Needed, tmp_path: Path, name: str
) -> None:
    told = json.loads(needed("advise", name, "--json").stdout)
    rules = [one for one in told["advice"] if one["kind"] == "rule"]
    assert rules
    for one in rules[:3]:
        option = one["how"].partition(",")[0].split()
        files = json.loads(needed("build", name, *option, "-n", "--json").stdout)["files"]
        assert sum(file.get("size", 0) for file in files) == told["bytes"] - one["bytes"]


def test_advice_on_a_program_linked_to_too_much_is_what_as_needed_saves(needed: Needed, tmp_path: Path) -> None:
    (tmp_path / "main.c").write_text('#include <stdio.h>\nint main(void) { return puts("hello") < 0; }\n')
    link = ("gcc", "-s", tmp_path / "main.c", "-o", tmp_path / "prog")
    libraries = ("-l:libz.so.1", "-l:libcurl.so.4")
    sizes = []
    for flag in ("--no-as-needed", "--as-needed"):
        run(*link, f"-Wl,{flag}", *libraries)
        sizes.append(json.loads(needed("advise", tmp_path / "prog", "--json").stdout))
    unused = [one for one in sizes[0]["advice"] if one["kind"] == "unused library"]
    assert "libcurl.so.4" in unused[0]["what"] and unused[0]["found"] == "measured"
    # libz is behind libcurl too, so it is in no sum but the one of both.
    saved = sizes[0]["bytes"] - sizes[1]["bytes"]
    assert 0 < unused[0]["bytes"] <= saved
    assert not [one for one in sizes[1]["advice"] if one["kind"] == "unused library"]


def test_what_a_static_build_saves_is_at_most_what_was_told(needed: Needed, tmp_path: Path) -> None:
    (tmp_path / "main.c").write_text('#include <stdio.h>\nint main(void) { return puts("hello") < 0; }\n')
    run("gcc", "-s", tmp_path / "main.c", "-o", tmp_path / "prog")
    told = json.loads(needed("advise", tmp_path / "prog", "--json").stdout)
    (static,) = (one for one in told["advice"] if one["kind"] == "static")
    run("musl-gcc", "-s", "-static", tmp_path / "main.c", "-o", tmp_path / "prog")
    small = json.loads(needed("advise", tmp_path / "prog", "--json").stdout)
    saved = told["bytes"] - small["bytes"]
    assert static["found"] == "at most" and 0.9 * static["bytes"] < saved <= static["bytes"]
    assert small["advice"] == []
