"""The Engine API, against a daemon of thirty lines behind a Unix socket."""

from __future__ import annotations

import http.server
import json
import socketserver
import threading
from typing import TYPE_CHECKING, Any

import pytest

from needed.errors import EngineError
from needed.image.build import MemoryBlob
from needed.image.reference import Reference
from needed.output.archive import Archive
from needed.output.docker_daemon import answers, load_into_docker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ARCHIVE = Archive((("a", MemoryBlob((b"x" * 3_000_000, b"", b"y"))), ("empty", MemoryBlob(()))))
NAME = Reference("localhost:5000/a/b", "1")


class Daemon(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    answer: tuple[int, bytes] = (200, b'{"stream":"Loaded image: b"}\n')
    known = True
    got = b""
    asked = ""


class Handler(http.server.BaseHTTPRequestHandler):
    server: Daemon

    def do_POST(self) -> None:
        self.server.asked = self.path
        while size := int(self.rfile.readline(), 16):
            self.server.got += self.rfile.read(size)
            self.rfile.readline()
        self.say(*self.server.answer)

    def do_GET(self) -> None:
        if self.path == "/_ping":
            self.say(200, b"OK")
        elif self.path == "/images/localhost:5000/a/b:1/json" and self.server.known:
            self.say(200, json.dumps({"Id": "sha256:abc"}).encode())
        else:
            self.say(404, b'{"message":"No such image"}')

    def say(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass

    def address_string(self) -> str:
        return ""


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with Daemon(str(tmp_path / "s"), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def host(daemon: Daemon) -> str:
    return f"unix://{daemon.server_address!s}"


def test_the_archive_arrives_whole_and_the_id_comes_back(daemon: Daemon) -> None:
    assert answers(host(daemon))
    assert load_into_docker(ARCHIVE, NAME, host(daemon)) == "sha256:abc"
    assert daemon.got == b"".join(ARCHIVE.chunks()) and daemon.asked == "/images/load?quiet=1"


@pytest.mark.parametrize(
    "answer",
    [
        (200, b'{"stream":"x"}\r\n{"errorDetail":{"message":"no room"},"error":"no room"}\r\n'),
        (500, b'{"message":"no room"}'),
    ],
)
def test_a_refusal_is_told(daemon: Daemon, answer: tuple[int, bytes]) -> None:
    daemon.answer = answer
    with pytest.raises(EngineError, match="refused the image: no room"):
        load_into_docker(ARCHIVE, NAME, host(daemon))


def test_an_image_that_is_not_there_afterwards_is_told(daemon: Daemon) -> None:
    daemon.known = False
    with pytest.raises(EngineError, match="No such image"):
        load_into_docker(ARCHIVE, NAME, host(daemon))


@pytest.mark.parametrize("address", ["unix:///nowhere", "tcp://127.0.0.1:1", "ssh://u@h", "tcp://nohost", "rubbish"])
def test_without_an_answer_the_hints_say_what_to_do(address: str) -> None:
    assert not answers(address)
    with pytest.raises(EngineError) as caught:
        load_into_docker(ARCHIVE, NAME, address)
    assert "docker-archive:" in caught.value.hints[-1]
