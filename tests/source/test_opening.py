"""What a text names: an image by its transport, or a directory; and what engines give."""

from __future__ import annotations

import http.server
import os
import socketserver
import threading
from typing import TYPE_CHECKING, Any

import pytest
from tests.images import F, layout, tar
from tests.source.test_docker_archive import SHAPES

import needed
from needed.image.limits import Limits
from needed.root import RootPath
from needed.source.opening import FORMS, Source, Surroundings, parse_source

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOP = RootPath("/")
PINNED = "@sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("oci:a/b", Source("oci", "a/b")),
        ("oci:a/b:c", Source("oci", "a/b", "c")),
        ("oci:a:c/d:e", Source("oci", "a", "c/d:e")),
        (f"oci:a{PINNED}", Source("oci", "a", PINNED)),
        (f"oci:a:t{PINNED}", Source("oci", "a", f"t{PINNED}")),
        ("oci:a@b:c", Source("oci", "a@b", "c")),
        ("oci-archive:f.tar:x", Source("oci-archive", "f.tar", "x")),
        ("docker-archive:/f.tar:quay.io/a/b:c", Source("docker-archive", "/f.tar", "quay.io/a/b:c")),
        ("tar:f:g.tar", Source("tar", "f:g.tar")),
        ("dir:a:b", Source("dir", "a:b")),
        ("docker-daemon:debian", Source("docker-daemon", "", "debian:latest")),
        ("containers-storage:localhost/a:1", Source("containers-storage", "", "localhost/a:1")),
        ("/srv/debian", None),
        ("srv/a:b", None),
        ("docker:debian", None),
    ],
)
def test_a_text_is_a_source_in_skopeos_words_or_a_path(text: str, source: Source | None) -> None:
    assert parse_source(text) == source


@pytest.mark.parametrize("text", ["oci:", "oci::x", "oci:a:", "tar:", "dir:", "docker-archive:a:", "docker-daemon:"])
def test_half_a_source_is_refused_with_its_form(text: str) -> None:
    with pytest.raises(needed.UsageError) as caught:
        parse_source(text)
    assert text.startswith("docker-daemon") or FORMS[text.partition(":")[0]] in caught.value.hints[0]


def test_a_directory_of_that_very_name_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    layout(tmp_path / "image", [F("f")])
    assert needed.open_root("oci:image").names(TOP) == ("f",)
    (tmp_path / "oci:image").mkdir()
    (tmp_path / "oci:image/inside").touch()
    assert needed.open_root("oci:image").names(TOP) == needed.open_root("dir:oci:image").names(TOP) == ("inside",)


@pytest.mark.parametrize("text", ["docker-archive:no.tar", "tar:no.tar", "oci:no", "tar:.", "oci-archive:\0"])
def test_a_file_that_is_not_there_is_told(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(needed.SourceError):
        needed.open_root(text)


def test_a_folder_without_room_to_decompress_is_told(tmp_path: Path) -> None:
    content = os.urandom(20 << 20)
    text = layout(tmp_path / "image", [F("f", content)], compression="+gzip")
    with pytest.raises(needed.OutputError) as caught:
        needed.open_root(text, None, Surroundings(spool=f"{tmp_path}/none"))
    assert "TMPDIR" in caught.value.hints[0]
    file = needed.open_root(text, None, Surroundings(spool=str(tmp_path))).open(RootPath("/f"))
    assert file.read_at(0, 30 << 20) == content and os.listdir(tmp_path) == ["image"]


class Daemon(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    status, body, cut = 200, b"", False
    asked = ""


class Handler(http.server.BaseHTTPRequestHandler):
    server: Daemon
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.asked = self.path
        self.send_response(self.server.status)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for start in range(0, len(self.server.body), 3000):
            piece = self.server.body[start : start + 3000]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        if not self.server.cut:
            self.wfile.write(b"0\r\n\r\n")
        self.close_connection = True

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


def at(daemon: Daemon, limits: Limits | None = None) -> Surroundings:
    return Surroundings(f"unix://{daemon.server_address!s}", limits=limits or Limits())


@pytest.mark.parametrize("shape", SHAPES)
def test_docker_gives_what_it_saves(daemon: Daemon, shape: str) -> None:
    daemon.body = SHAPES[shape]
    assert needed.open_root("docker-daemon:a/name:1", None, at(daemon)).names(TOP) == ("f", "g")
    assert daemon.asked == "/images/a/name:1/get"


def test_what_docker_does_not_have_is_told(daemon: Daemon) -> None:
    daemon.status, daemon.body = 404, b'{"message":"No such image: name:1"}'
    with pytest.raises(needed.EngineError, match="No such image") as caught:
        needed.open_root("docker-daemon:name:1", None, at(daemon))
    assert caught.value.hints == ("docker pull name:1",)


def test_an_answer_that_stops_is_not_taken_for_an_image(daemon: Daemon) -> None:
    daemon.body, daemon.cut = SHAPES["Docker 25"], True
    with pytest.raises(needed.EngineError, match="stopped"):
        needed.open_root("docker-daemon:name:1", None, at(daemon))


def test_an_answer_without_end_stops_at_the_limit(daemon: Daemon) -> None:
    daemon.body = bytes(100_000)
    with pytest.raises(needed.ImageError, match="limit of 50000 bytes"):
        needed.open_root("docker-daemon:name:1", None, at(daemon, Limits(total=50_000)))


@pytest.mark.parametrize("host", ["unix:///nowhere", "tcp://127.0.0.1:1", "ssh://u@h"])
def test_without_docker_the_hints_say_what_to_do(host: str) -> None:
    with pytest.raises(needed.EngineError) as caught:
        needed.open_root("docker-daemon:name:1", None, Surroundings(host))
    assert "docker save name:1" in caught.value.hints[-1]


def podman(folder: Path, script: str) -> Surroundings:
    program = folder / "podman"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return Surroundings(podman=str(program))


def test_podman_gives_what_it_saves(tmp_path: Path) -> None:
    (tmp_path / "saved").write_bytes(SHAPES["Podman 4"])
    noisy = podman(tmp_path, f'echo "$@" >{tmp_path}/asked; head -c 300000 /dev/zero >&2; cat {tmp_path}/saved')
    assert needed.open_root("containers-storage:name:1", None, noisy).names(TOP) == ("f", "g")
    assert (tmp_path / "asked").read_text() == "save --quiet --format docker-archive name:1\n"


def test_what_podman_does_not_have_is_told(tmp_path: Path) -> None:
    failing = podman(tmp_path, "echo 'Error: name:1: image not known' >&2; exit 125")
    with pytest.raises(needed.EngineError, match="does not give") as caught:
        needed.open_root("containers-storage:name:1", None, failing)
    assert caught.value.details == ("Error: name:1: image not known",)


def test_a_podman_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(needed.EngineError, match="not there"):
        needed.open_root("containers-storage:name:1", None, Surroundings(podman=f"{tmp_path}/none"))


def test_a_podman_that_writes_half_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "saved").write_bytes(SHAPES["Podman 4"])
    with pytest.raises(needed.EngineError, match="does not give"):
        needed.open_root("containers-storage:name:1", None, podman(tmp_path, f"head -c 2000 {tmp_path}/saved; exit 1"))


def test_a_plain_tar_has_no_config(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(tar(F("f")))
    root = needed.open_root(f"tar:{tmp_path}/t")
    assert isinstance(root, needed.ImageRoot) and root.config is None and root.names(TOP) == ("f",)
