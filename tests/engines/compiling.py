"""What the tests of `needed compile` share: sources, the command itself, and what an image of a server answers."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from pathlib import Path

from tests.engines.conftest import NEEDED

from needed.elf import parse_elf
from needed.elf.model import ElfFile

EXAMPLES = Path(__file__).parents[2] / "examples/web"
HELLO_C = '#include <stdio.h>\nint main(void) { return puts("hello from C") < 0; }\n'
HELLO_CPP = '#include <iostream>\nint main() { std::cout << "hello from C++" << std::endl; }\n'
SERVER_C = (EXAMPLES / "server.c").read_text()
SERVER_RUST = (EXAMPLES / "server.rs").read_text()
MANIFEST = '[package]\nname = "web"\nversion = "0.1.0"\nedition = "2021"\n'


def compiled(
    folder: Path, *words: str | Path, status: int = 0, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """`needed compile` in `folder`. Zig compiles its C library when it is asked for the first time: minutes."""
    result = subprocess.run(
        [str(NEEDED), "compile", *map(str, words)], cwd=folder, env={**os.environ, **(env or {})},
        capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert result.returncode == status, f"exit {result.returncode}\n{result.stdout}{result.stderr}"
    assert "Traceback" not in result.stderr
    return result


def elf_of(path: Path) -> ElfFile:
    class Bytes:
        size = path.stat().st_size

        def read_at(self, offset: int, size: int) -> bytes:
            return path.read_bytes()[offset : offset + size]

    return parse_elf(Bytes())


def said_by(program: Path, *words: str) -> str:
    return subprocess.run([str(program), *words], capture_output=True, text=True, timeout=60, check=True).stdout


def answer_of_image(image: str, folder: Path, *options: str) -> str:
    """What curl hears from the image's port 8080, as `needed run` runs it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    name = f"compiled-{port}"
    run = [str(NEEDED), "run", "-d", "-p", f"{port}:8080", "--name", name, *options, image]
    subprocess.run(run, cwd=folder, capture_output=True, timeout=90, check=True)
    try:
        deadline = time.monotonic() + 30
        curl = ["curl", "-sS", "--max-time", "5", f"http://127.0.0.1:{port}/"]
        while True:
            answer = subprocess.run(curl, capture_output=True, text=True, timeout=30, check=False)
            if answer.returncode == 0 and answer.stdout:
                return answer.stdout
            assert time.monotonic() < deadline, answer.stderr
            time.sleep(0.1)
    finally:
        subprocess.run([str(NEEDED), "stop", name], capture_output=True, timeout=60, check=True)
