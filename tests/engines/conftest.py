"""Engines, compilers and the installed command, each made once per session. Here nothing is ever skipped."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.engines.engines import Docker, Podman, run

Needed = Callable[..., "subprocess.CompletedProcess[str]"]
NEEDED = Path(sys.executable).with_name("needed")

GREETING = "hello from an image of one file"
SERVER = """
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
)

func main() {
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "GREETING")
	})
	log.Println("listening on " + port)
	log.Fatal(http.ListenAndServe(":"+port, nil))
}
""".replace("GREETING", GREETING)
# With cgo and without netgo, net/http asks the C library for names.
WITH_C = """
package main

// #include <stdlib.h>
import "C"

func init() { _ = C.abs(-1) }
"""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """A skipped test of an engine is a failed one."""
    report = yield
    if report.skipped:  # type: ignore[attr-defined]
        report.outcome = "failed"  # type: ignore[attr-defined]
        report.longrepr = f"{item.nodeid} was skipped"  # type: ignore[attr-defined]
    return report


@pytest.fixture(scope="session")
def docker() -> Iterator[Docker]:
    with Docker() as engine:
        yield engine


@pytest.fixture(scope="session")
def podman() -> Iterator[Podman]:
    with Podman() as engine:
        yield engine


@pytest.fixture
def needed(tmp_path: Path, request: pytest.FixtureRequest) -> Needed:
    """The installed command, run in the test's folder. It must succeed unless the test says otherwise."""
    host = request.getfixturevalue("docker").host if "docker" in request.fixturenames else "unix:///nonexistent"

    def call(*arguments: str | Path, status: int = 0) -> subprocess.CompletedProcess[str]:
        result = subprocess.run(
            [str(NEEDED), *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "DOCKER_HOST": host},
            timeout=120,
            check=False,
        )
        assert result.returncode == status, f"exit {result.returncode}\n{result.stdout}{result.stderr}"
        assert "Traceback" not in result.stderr
        return result

    return call


@pytest.fixture(scope="session")
def go(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, bool], Path]:
    """Compile the hello server: (name, with cgo) to the program."""
    folder = tmp_path_factory.mktemp("go")

    def build(name: str, cgo: bool) -> Path:
        source, program = folder / f"{name}-source", folder / name
        source.mkdir()
        (source / "go.mod").write_text("module example.org/hello\n\ngo 1.21\n")
        (source / "main.go").write_text(SERVER)
        if cgo:
            (source / "c.go").write_text(WITH_C)
        environment = {
            **os.environ,
            "CGO_ENABLED": "1" if cgo else "0",
            "GOCACHE": str(folder / "cache"),
            "GOPATH": str(folder / "path"),
            "GOFLAGS": "-buildvcs=false",
            "GOPROXY": "off",
            "GOTOOLCHAIN": "local",
        }
        compiler = Path(sys.executable).with_name("go")
        run(compiler, "build", "-trimpath", "-ldflags", "-s -w", "-o", program, ".", env=environment, cwd=source)
        return program

    return build


@pytest.fixture(scope="session")
def static_server(go: Callable[[str, bool], Path]) -> Path:
    return go("hello-static", False)


@pytest.fixture(scope="session")
def cgo_server(go: Callable[[str, bool], Path]) -> Path:
    return go("hello-cgo", True)


@pytest.fixture(scope="session")
def flask() -> Iterator[Path]:
    """A virtual environment with Flask, of the Python that runs the tests, where no sandbox hides it."""
    folder = Path(tempfile.mkdtemp(prefix="needed-", dir="/srv"))
    folder.chmod(0o755)
    try:
        run(sys.executable, "-m", "venv", folder / "venv")
        run(folder / "venv/bin/pip", "install", "--quiet", "flask")
        yield folder / "venv"
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def musl_hello(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("musl")
    (folder / "hello.c").write_text('#include <stdio.h>\nint main(void) { return puts("hello from musl") < 0; }\n')
    run("musl-gcc", "-o", folder / "hello-musl", folder / "hello.c")
    return folder / "hello-musl"
