"""The web servers in examples/web: from the source to an image that answers in Docker, with one command each."""

from __future__ import annotations

import json
import socket
import time
import urllib.error
import urllib.request

import pytest
from tests.engines.compiling import EXAMPLES
from tests.engines.conftest import Needed
from tests.engines.engines import Docker

ANSWERS = {"go": "Go", "c": "C", "rs": "Rust", "zig": "Zig"}
SMALL = 100_000  # bytes of the image of the C one, and of Zig's


def free_port() -> int:
    with socket.socket() as any_port:
        any_port.bind(("127.0.0.1", 0))
        return int(any_port.getsockname()[1])


def answer_of(address: str) -> str:
    deadline = time.monotonic() + 20
    while True:
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                return str(answer.read().decode())
        except (urllib.error.URLError, ConnectionError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


@pytest.mark.parametrize("suffix", ANSWERS)
def test_a_source_is_an_image_that_answers(docker: Docker, needed: Needed, suffix: str) -> None:
    name = f"web-{suffix}"
    words = (EXAMPLES / f"server.{suffix}", "-t", name, "--expose", "8080", "-o", f"docker-daemon:{name}")
    told = json.loads(needed("build", *words, "--json").stdout)
    [program] = told["compiled"]
    assert program["static"] and program["stripped"]
    size = int(docker("image", "inspect", "--format", "{{.Size}}", name))
    assert program["size"] <= size <= program["size"] * 1.01
    assert size < SMALL or suffix in ("go", "rs")
    port = 8080 if docker.host_network else free_port()
    network = ("--network", "host") if docker.host_network else ("-p", f"127.0.0.1:{port}:8080")
    container = docker("run", "-d", *network, name).strip()
    try:
        assert answer_of(f"http://127.0.0.1:{port}/") == f"hello from {ANSWERS[suffix]}"
    finally:
        docker("rm", "-f", container)
