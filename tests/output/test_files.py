"""Files appear whole or not at all; layouts keep every image through races, kills and full disks."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import random
import signal
import stat
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from needed.errors import OutputError, ReadError
from needed.image.build import Image, build_image, validate_image
from needed.image.codec import Codec
from needed.image.layer import Packing
from needed.image.model import Platform
from needed.image.reference import Reference
from needed.output.atomic import write_atomically
from needed.output.oci_layout import write_oci_layout
from needed.output.spool import SpoolStore
from needed.rootfs import File, GeneratedContent, Rootfs
from needed.source.spool import TEMPORARY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def image(content: bytes, store: SpoolStore | None = None) -> Image:
    rootfs = Rootfs({"/a": File(0o755, len(content), GeneratedContent(content))}, {})
    return build_image(rootfs, Platform("linux", "amd64"), packing=Packing(Codec("gzip", 1), 1), store=store)


def check_layout(directory: Path) -> dict[str, str]:
    """Tags to digests, after every blob that the index reaches was found whole."""
    from hashlib import sha256

    def blob(digest: str) -> bytes:
        content = (directory / "blobs/sha256" / digest[7:]).read_bytes()
        assert sha256(content).hexdigest() == digest[7:]
        return content

    assert json.loads((directory / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    tags: dict[str, str] = {}
    for entry in json.loads((directory / "index.json").read_bytes())["manifests"]:
        manifest = json.loads(blob(entry["digest"]))
        for part in (manifest["config"], *manifest["layers"]):
            assert len(blob(part["digest"])) == part["size"]
        tags[entry["annotations"]["org.opencontainers.image.ref.name"]] = entry["digest"]
    return tags


@pytest.fixture(params=["unnamed", "named"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With O_TMPFILE, and on a file system without it."""
    if request.param == "named":
        opened = os.open

        def refuse(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
            if flags & os.O_TMPFILE == os.O_TMPFILE:
                raise OSError(errno.EOPNOTSUPP, "no O_TMPFILE here")
            return opened(path, flags, mode, dir_fd=dir_fd)

        monkeypatch.setattr(os, "open", refuse)
    return str(request.param)


def test_a_file_is_replaced_whole_with_the_umasks_mode(tmp_path: Path, way: str) -> None:
    target = tmp_path / "f"
    target.write_bytes(b"old")
    before = os.umask(0o027)
    try:
        write_atomically(str(target), iter([b"new", b"", b"er"]))
    finally:
        os.umask(before)
    assert target.read_bytes() == b"newer" and stat.S_IMODE(target.stat().st_mode) == 0o640
    assert os.listdir(tmp_path) == ["f"]


@pytest.mark.parametrize("error", [ReadError("changed"), KeyboardInterrupt()])
def test_an_interrupted_write_leaves_what_was_there(tmp_path: Path, way: str, error: BaseException) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"half"
        raise error

    (tmp_path / "f").write_bytes(b"old")
    with pytest.raises(type(error)):
        write_atomically(str(tmp_path / "f"), chunks())
    assert os.listdir(tmp_path) == ["f"] and (tmp_path / "f").read_bytes() == b"old"


def test_a_link_is_written_through_and_a_pipe_is_written_to(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("real")
    write_atomically(str(tmp_path / "link"), [b"x"])
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real").read_bytes() == b"x"
    os.mkfifo(tmp_path / "fifo")
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append((tmp_path / "fifo").read_bytes()))
    reader.start()
    write_atomically(str(tmp_path / "fifo"), [b"x", b"y"])
    reader.join()
    assert got == [b"xy"] and stat.S_ISFIFO((tmp_path / "fifo").stat().st_mode)


def test_what_stands_in_the_way_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for path, reason in {
        f"{tmp_path}": "directory",
        f"{tmp_path}/no/f": "No such",
        f"{tmp_path}/file/f": "Not a directory",
        f"{tmp_path}/{'x' * 300}": "too long",
        "/proc/f": "cannot be written",
    }.items():
        with pytest.raises(OutputError, match=reason):
            write_atomically(path, [b"x"])
    with pytest.raises(OutputError, match="no space is left: 70000 bytes"):
        write_atomically("/dev/full", [b"x"], size=70000)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "x", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_leaves_the_old_file_and_the_old_layout(small_disk: Path) -> None:
    noise = random.Random(1).randbytes(1 << 20)
    (small_disk / "f").write_bytes(b"old")
    with pytest.raises(OutputError, match="no space is left: 1048576 bytes"):
        write_atomically(str(small_disk / "f"), [noise], size=len(noise))
    write_oci_layout(image(b"small"), str(small_disk / "layout"), "a")
    with pytest.raises(OutputError, match="no space is left"):
        write_oci_layout(image(noise), str(small_disk / "layout"), "a")
    with pytest.raises(OutputError, match="no space is left"):
        image(noise, SpoolStore(str(small_disk), in_memory=1000))
    assert check_layout(small_disk / "layout") == {"a": image(b"small").manifest.digest}
    assert sorted(os.listdir(small_disk)) == ["f", "layout"] and (small_disk / "f").read_bytes() == b"old"


def test_a_layer_spools_to_a_file_without_a_name(tmp_path: Path, way: str) -> None:
    noise = random.Random(1).randbytes(3 << 20)
    spooled, kept = image(noise, SpoolStore(str(tmp_path), in_memory=1000)), image(noise, SpoolStore(str(tmp_path)))
    validate_image(spooled)
    assert b"".join(spooled.layers[0].blob.chunks()) == b"".join(kept.layers[0].blob.chunks())
    assert all(len(chunk) <= 1 << 20 for chunk in spooled.layers[0].blob.chunks()) and os.listdir(tmp_path) == []
    with pytest.raises(OutputError, match="nowhere"):
        image(noise, SpoolStore("/nowhere", in_memory=1000))


def test_a_layout_keeps_other_tags_and_other_fields(tmp_path: Path, way: str) -> None:
    one, two = image(b"1"), image(b"2")
    write_oci_layout(one, str(tmp_path / "l"), "one", Reference("ls", "one"))
    index = json.loads((tmp_path / "l/index.json").read_bytes())
    index["manifests"][0]["annotations"]["x"] = "kept"
    (tmp_path / "l/index.json").write_text(json.dumps(index | {"annotations": {"y": "kept"}}))
    write_oci_layout(two, str(tmp_path / "l"), "two")
    write_oci_layout(one, str(tmp_path / "l"), "two")
    assert check_layout(tmp_path / "l") == {"one": one.manifest.digest, "two": one.manifest.digest}
    index = json.loads((tmp_path / "l/index.json").read_bytes())
    assert index["annotations"] == {"y": "kept"} and index["manifests"][0]["annotations"] == {
        "x": "kept",
        "org.opencontainers.image.ref.name": "one",
        "io.containerd.image.name": "docker.io/library/ls:one",
    }
    assert index["manifests"][1]["platform"] == {"os": "linux", "architecture": "amd64"}


def test_a_blob_of_the_right_size_is_not_written_again(tmp_path: Path) -> None:
    made = image(b"1")
    write_oci_layout(made, str(tmp_path), "a")
    blobs = list((tmp_path / "blobs/sha256").iterdir())
    before = {blob: blob.stat().st_ino for blob in blobs}
    damaged = tmp_path / "blobs/sha256" / made.config.digest[7:]
    damaged.write_bytes(b"cut")
    (tmp_path / "blobs/sha256/.needed-left").write_bytes(b"")
    (tmp_path / ".needed-left").write_bytes(b"")
    write_oci_layout(made, str(tmp_path), "b")
    assert [blob for blob in blobs if blob.stat().st_ino != before[blob]] == [damaged]
    assert set(check_layout(tmp_path)) == {"a", "b"}
    assert sorted(os.listdir(tmp_path)) == ["blobs", "index.json", "oci-layout"]
    assert len(os.listdir(tmp_path / "blobs/sha256")) == 3


@pytest.mark.parametrize(
    ("name", "content"),
    [("notes", "mine"), ("index.json", "{"), ("index.json", "[]"),
     ("index.json", '{"schemaVersion":2,"manifests":[1]}'),
     ("index.json", "[" * 100000), ("oci-layout", "\xff"), ("oci-layout", '{"imageLayoutVersion":"2.0.0"}')],
)  # fmt: skip
def test_what_is_no_layout_is_not_touched(tmp_path: Path, name: str, content: str) -> None:
    if name != "notes":
        write_oci_layout(image(b"1"), str(tmp_path), "a")
    (tmp_path / name).write_text(content, "latin-1")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(OutputError) as caught:
        write_oci_layout(image(b"2"), str(tmp_path), "b")
    assert caught.value.hints and before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def _write_many(directory: str, who: int) -> None:
    for number in range(6):
        write_oci_layout(image(b"%d" % (who * 100 + number % 3)), directory, f"{who}-{number}")


def test_four_processes_lose_no_tag(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_write_many, args=(str(tmp_path / "l"), who)) for who in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert set(check_layout(tmp_path / "l")) == {f"{who}-{number}" for who in range(4) for number in range(6)}


KILLED = """
import sys
from test_files import image
from needed.output.archive import image_archive
from needed.output.atomic import write_atomically
from needed.output.oci_layout import write_oci_layout
from needed.image.reference import Reference
one, two = image(b"1" * 900000), image(b"2" * 900000)
print("ready", flush=True)
while True:
    for made in (one, two):
        write_oci_layout(made, sys.argv[1] + "/l", "tag")
        write_atomically(sys.argv[1] + "/f", [made.manifest_blob])
"""


def test_a_killed_run_leaves_the_old_or_the_new(tmp_path: Path) -> None:
    one, two = image(b"1" * 900000), image(b"2" * 900000)
    chance = random.Random(7)
    for _ in range(10):
        command = [sys.executable, "-c", KILLED, str(tmp_path)]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([os.path.dirname(__file__), *sys.path])}
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
            assert process.stdout and process.stdout.readline() == b"ready\n"
            time.sleep(chance.uniform(0, 0.06))
            process.send_signal(signal.SIGKILL)
        if (tmp_path / "l/index.json").exists():
            assert check_layout(tmp_path / "l")["tag"] in (one.manifest.digest, two.manifest.digest)
        if (tmp_path / "f").exists():
            assert (tmp_path / "f").read_bytes() in (one.manifest_blob, two.manifest_blob)
    write_oci_layout(one, str(tmp_path / "l"), "tag")
    assert check_layout(tmp_path / "l") == {"tag": one.manifest.digest}
    assert not list((tmp_path / "l").rglob(f"{TEMPORARY}*"))
