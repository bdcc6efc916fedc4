"""`needed compile` with the real go: programs that run, for machines that qemu-user knows, the same bytes twice."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

Needed = Callable[..., "subprocess.CompletedProcess[str]"]
NEEDED = Path(sys.executable).with_name("needed")
SERVER = """package main

import (
	"fmt"
	"log"
	"net"
	"net/http"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello from go") })
	log.Fatal(http.Serve(listener, nil))
}
"""
WITH_C = """package main

// static int twice(int x) { return 2 * x; }
import "C"

import (
	"fmt"
	"os/user"
)

func main() {
	_, err := user.LookupId("0")
	fmt.Println("twice 21 is", C.twice(21), err)
}
"""
QEMU = {"arm64": "aarch64", "riscv64": "riscv64", "s390x": "s390x", "armv7": "arm"}


def module(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "go.mod").write_text(f"module example.org/{folder.name}\n\ngo 1.21\n")
    for name, text in files.items():
        (folder / f"{name}.go").write_text(text)
    return folder


def answer_of(*words: str | Path) -> str:
    """What a server that prints its port answers."""
    with subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline())
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as response:
                return str(response.read().decode())
        finally:
            server.kill()


@pytest.fixture(scope="session")
def with_c(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return module(tmp_path_factory.mktemp("cgo") / "withc", main=WITH_C)


def digest_of(result: subprocess.CompletedProcess[str]) -> str:
    return next(line for line in result.stderr.splitlines() if line.startswith("digest"))


def test_a_server_is_static_stripped_and_answers(needed: Needed, tmp_path: Path) -> None:
    (tmp_path / "server.go").write_text(SERVER)
    result = needed("compile", "server.go")
    assert "libc    static\n" in result.stderr
    assert "not stripped" not in result.stderr
    assert "twice   the same bytes from another folder" in result.stderr
    assert answer_of(tmp_path / "server") == "hello from go"


def test_two_folders_give_one_digest(needed: Needed, tmp_path: Path) -> None:
    module(tmp_path / "one", main=SERVER)
    shutil.copytree(tmp_path / "one", tmp_path / "another/place")
    first = needed("compile", "one", "--once", "-o", "first")
    second = needed("compile", "another/place", "--once", "-o", "second")
    assert digest_of(first) == digest_of(second)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()
    assert str(tmp_path).encode() not in (tmp_path / "first").read_bytes()


def test_one_source_for_four_machines(needed: Needed, tmp_path: Path) -> None:
    (tmp_path / "server.go").write_text(SERVER)
    platforms = "linux/amd64,linux/arm64,linux/riscv64,linux/s390x"
    needed("compile", "server.go", "--once", "--platform", platforms)
    for name in ("arm64", "riscv64", "s390x"):
        assert answer_of(f"qemu-{QEMU[name]}-static", tmp_path / f"server-{name}") == "hello from go"


def test_a_package_of_a_module_and_a_program_of_several(needed: Needed, tmp_path: Path) -> None:
    top = module(tmp_path / "tools", lib='package tools\n\nfunc Name() string { return "tools" }\n')
    for name in ("first", "second"):
        (top / "cmd" / name).mkdir(parents=True)
        text = f'package main\n\nimport "example.org/tools"\n\nfunc main() {{ println(tools.Name(), "{name}") }}\n'
        (top / "cmd" / name / "main.go").write_text(text)
    needed("compile", "./tools/cmd/first")
    needed("compile", "tools", "--program", "second")
    for name in ("first", "second"):
        said = subprocess.run([tmp_path / name], capture_output=True, text=True, check=True).stderr
        assert said == f"tools {name}\n"
    result = needed("compile", "tools", "-o", "x", status=12)
    assert "has several programs: ./cmd/first, ./cmd/second" in result.stderr


def test_cgo_is_static_through_musl(needed: Needed, with_c: Path, tmp_path: Path) -> None:
    result = needed("compile", with_c, "-o", "static")
    assert "libc    static\n" in result.stderr
    assert "twice   the same bytes from another folder" in result.stderr
    assert "musl-gcc" in result.stderr
    assert subprocess.check_output([tmp_path / "static"], text=True) == "twice 21 is 42 <nil>\n"


@pytest.mark.parametrize(
    ("libc", "interpreter"),
    [("musl", "/lib/ld-musl-x86_64.so.1"), ("glibc", "/lib64/ld-linux-x86-64.so.2"),
     ("glibc:2.17", "/lib64/ld-linux-x86-64.so.2")],
)  # fmt: skip
def test_cgo_is_dynamic_against_the_c_library_that_is_asked_for(
    needed: Needed, with_c: Path, tmp_path: Path, libc: str, interpreter: str
) -> None:
    result = needed("compile", with_c, "-o", "dynamic", "--libc", libc, "--platform", "linux/amd64")
    assert f"libc    dynamic: {interpreter}, libc.so" in result.stderr
    assert "not stripped" not in result.stderr
    if libc != "musl":
        assert subprocess.check_output([tmp_path / "dynamic"], text=True) == "twice 21 is 42 <nil>\n"


def test_cgo_for_another_machine_is_static_through_zig(needed: Needed, with_c: Path, tmp_path: Path) -> None:
    result = needed("compile", with_c, "--once", "-o", "static", "--platform", "linux/arm64")
    assert "libc    static\n" in result.stderr
    assert "not stripped" not in result.stderr
    said = subprocess.check_output(["qemu-aarch64-static", tmp_path / "static"], text=True)
    assert said == "twice 21 is 42 <nil>\n"


def test_a_mistake_is_told_in_gos_words(needed: Needed, tmp_path: Path) -> None:
    (tmp_path / "bad.go").write_text("package main\n\nfunc main() { undefined() }\n")
    lines = needed("compile", "bad.go", status=12).stderr.splitlines()
    assert "  ./bad.go:3:15: undefined: undefined" in lines
    assert lines[-1].startswith("hint: nothing was written")
    assert os.listdir(tmp_path) == ["bad.go"]


def test_a_module_for_a_newer_go_is_told_so_and_none_is_fetched(needed: Needed, tmp_path: Path) -> None:
    folder = module(tmp_path / "newer", main="package main\n\nfunc main() {}\n")
    (folder / "go.mod").write_text("module example.org/newer\n\ngo 1.99\n")
    lines = needed("compile", "newer", "-o", "x", status=12).stderr.splitlines()
    assert any("go.mod requires go >= 1.99" in line and "GOTOOLCHAIN=local" in line for line in lines)
    assert lines[-1].startswith("hint: install that go")


def test_a_library_is_no_program(needed: Needed, tmp_path: Path) -> None:
    module(tmp_path / "lib", lib="package lib\n")
    assert "is a Go library" in needed("compile", "lib", "-o", "x", status=12).stderr


def test_the_printed_commands_give_the_same_bytes(needed: Needed, with_c: Path, tmp_path: Path) -> None:
    needed("compile", with_c, "-o", "ours", "--once")
    script = needed("compile", with_c, "-o", "theirs", "--print").stdout
    environment = {**os.environ, "TZ": "UTC", "LC_ALL": "C", "SOURCE_DATE_EPOCH": "0"}
    subprocess.run(["sh", "-c", script], check=True, cwd="/", env=environment)
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_it_leaves_nothing(tmp_path: Path, number: signal.Signals, status: int) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "tmp").mkdir()
    (tmp_path / "here/server.go").write_text(SERVER)
    environment = {**os.environ, "TMPDIR": str(tmp_path / "tmp"), "GOCACHE": str(tmp_path / "cache")}
    words = [str(NEEDED), "compile", "server.go"]
    with subprocess.Popen(words, cwd=tmp_path / "here", env=environment, stderr=subprocess.PIPE) as process:
        while not list((tmp_path / "tmp").glob("needed-*/work")):  # go compiles all it needs in its new cache
            time.sleep(0.1)
        time.sleep(1)
        process.send_signal(number)
        _, said = process.communicate()
    assert process.returncode == status
    assert b"Traceback" not in said
    assert os.listdir(tmp_path / "here") == ["server.go"]
    assert os.listdir(tmp_path / "tmp") == []
