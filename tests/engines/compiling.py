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

HELLO_C = '#include <stdio.h>\nint main(void) { return puts("hello from C") < 0; }\n'
HELLO_CPP = '#include <iostream>\nint main() { std::cout << "hello from C++" << std::endl; }\n'
SERVER_C = r"""
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char answer[] =
	"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 12\r\nConnection: close\r\n\r\nhello from C";

int main(void) {
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(8080)};
	int on = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	signal(SIGPIPE, SIG_IGN);
	if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 16)) {
		perror("listen");
		return 1;
	}
	for (;;) {
		char request[4096];
		int client = accept(listener, NULL, NULL);
		if (client < 0) continue;
		if (read(client, request, sizeof request) > 0) write(client, answer, strlen(answer));
		close(client);
	}
}
"""
SERVER_RUST = r"""
use std::io::{Read, Write};
use std::net::TcpListener;

fn main() {
    let listener = TcpListener::bind("0.0.0.0:8080").expect("port 8080");
    for stream in listener.incoming() {
        let mut stream = match stream {
            Ok(stream) => stream,
            Err(_) => continue,
        };
        let mut request = [0; 4096];
        let _ = stream.read(&mut request);
        let body = "hello from Rust";
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        let _ = write!(stream, "{}{}", head, body);
    }
}
"""
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
