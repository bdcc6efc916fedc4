"""The web servers in examples/web: from the source to an image that answers in Docker, with one command each."""

from __future__ import annotations

import json

import pytest
from tests.engines.compiling import EXAMPLES
from tests.engines.conftest import Needed
from tests.engines.engines import Docker
from tests.engines.servers import answer_of, free_port

ANSWERS = {"go": "Go", "c": "C", "rs": "Rust", "zig": "Zig"}
SMALL = 100_000  # bytes of the image of the C one, and of Zig's


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
