"""The layer: read back by Python's tarfile, the same bytes for any number of threads, and no file half read."""

from __future__ import annotations

import _thread
import hashlib
import io
import os
import random
import subprocess
import tarfile
import time
from typing import TYPE_CHECKING

import pytest

from needed.errors import NeededError, ReadError, UsageError
from needed.image.build import Configuration, Image, MemoryBlob, build_image, validate_image
from needed.image.codec import Codec, decompress
from needed.image.layer import MEMBER_MAX, Compressor, Packing, pack_layer
from needed.image.model import Platform
from needed.image.tar import tar_header
from needed.root import DirectoryRoot, MemoryFile, RootPath, encode_path
from needed.rootfs import Directory, File, FileContent, GeneratedContent, Rootfs, RootfsEntry, Symlink
from needed.value import replace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

AMD64 = Platform("linux", "amd64")


def tree(entries: dict[str, bytes | str | int]) -> Rootfs:
    """Bytes are files, text symlinks, numbers directories' modes."""
    made: dict[str, RootfsEntry] = {}
    for path, item in sorted(entries.items(), key=lambda pair: encode_path(pair[0])):
        match item:
            case bytes():
                made[path] = File(0o755, len(item), GeneratedContent(item))
            case str():
                made[path] = Symlink(item)
            case int():
                made[path] = Directory(item)
    return Rootfs(made, {})


def tar_of(rootfs: Rootfs, mtime: int = 0) -> bytes:
    written: list[bytes] = []
    pack_layer(rootfs, Packing(Codec("none", 0)), mtime, written.append)
    return b"".join(written)


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


LONG = "/" + "d" * 90 + "/" + "e" * 90 + "/f"
LONGER = "/" + "g" * 200
LONGEST = "/" + "/".join(["h" * 100] * 5)
MIXED: dict[str, bytes | str | int] = {
    "/bin": 0o755, "/bin/a": noise(3 << 20), "/bin/b": b"", "/bin/c": noise(511), "/bin/l": "a", "/tmp": 0o1777,
    LONG: b"long", LONGER: b"longer", LONGEST: b"longest", "/big": noise(300 << 10, 2), "/s": "t" * 300,
    "/\udcff\udcfe": b"no UTF-8", "/" + "\udcff" * 120: b"long no UTF-8", "/é": b"UTF-8", "/dir" + "x" * 120: 0o700,
}  # fmt: skip


def test_tarfile_reads_back_what_went_in() -> None:
    rootfs = tree(MIXED)
    with tarfile.open(fileobj=io.BytesIO(tar_of(rootfs, 7)), encoding="utf-8") as archive:
        members = archive.getmembers()
        assert [f"/{member.name}" for member in members] == list(rootfs.entries)
        for member, (path, entry) in zip(members, rootfs.entries.items(), strict=True):
            assert (member.uid, member.gid, member.uname, member.gname, member.mtime) == (0, 0, "", "", 7)
            match entry:
                case File():
                    read = archive.extractfile(member)
                    assert read is not None and read.read() == MIXED[path] and member.mode == entry.mode
                case Symlink():
                    assert member.issym() and member.linkname == entry.target and member.mode == 0o777
                case Directory():
                    assert member.isdir() and member.mode == entry.mode


def test_gnu_tar_reads_it_too(tmp_path: Path) -> None:
    (tmp_path / "t.tar").write_bytes(tar_of(tree(MIXED)))
    command = ["tar", "tf", str(tmp_path / "t.tar"), "--quoting-style=literal"]
    listing = subprocess.run(command, capture_output=True, check=True).stdout.splitlines()
    assert [b"/" + name.rstrip(b"/") for name in listing] == [encode_path(path) for path in tree(MIXED).entries]


def test_an_empty_tree_is_two_blocks_of_zeros() -> None:
    assert tar_of(tree({})) == bytes(1024)


def test_a_directory_ends_in_a_slash_and_no_name_starts_with_one() -> None:
    content = tar_of(tree({"/a": 0o755, "/a/b": b""}))
    assert content[:3] == b"a/\0" and content[512:516] == b"a/b\0"


def test_a_file_beyond_octal_gets_an_extended_size() -> None:
    header = tar_header(b"big", b"0", 0o644, 0, 9 << 30)
    assert tarfile.TarInfo.frombuf(header[:512], "utf-8", "strict").type == b"x" and b" size=9663676416\n" in header


@pytest.mark.parametrize("codec", [Codec(), Codec("gzip", 1), Codec("zstd", 3), Codec("none", 0)])
def test_bytes_do_not_depend_on_threads_or_umask(codec: Codec) -> None:
    images = []
    for threads, umask in ((1, 0o022), (2, 0o077), (4, 0)):
        before = os.umask(umask)
        try:
            images.append(build_image(tree(MIXED), AMD64, packing=Packing(codec, threads)))
        finally:
            os.umask(before)
        validate_image(images[-1])
    assert images[0] == images[1] == images[2]
    layer = images[0].layers[0]
    tar = b"".join(decompress(codec.media_type, layer.blob.chunks()))
    assert layer.diff_id == f"sha256:{hashlib.sha256(tar).hexdigest()}" and tar == tar_of(tree(MIXED))


def test_members_are_cut_at_1_mib_after_256_kib_and_before_the_content_of_a_large_file() -> None:
    sizes: list[int] = []
    sizes_in = {"/a": 5 << 19, "/b": 10, "/c": 300 << 10, "/d": (256 << 10) - 1, "/e": 0}
    files = tree({path: noise(size) for path, size in sizes_in.items()})
    pack_layer(files, Packing(Codec("none", 0)), 0, lambda piece: sizes.append(len(piece)))
    assert sizes == [512, MEMBER_MAX, MEMBER_MAX, MEMBER_MAX // 2, 3 * 512, 300 << 10, 512 + (256 << 10), 512 + 1024]


def test_what_a_large_file_becomes_does_not_depend_on_its_neighbours() -> None:
    large, members = noise(5 << 19), [set[bytes](), set[bytes]()]
    pack_layer(tree({"/a": noise(7), "/m": large}), Packing(), 0, members[0].add)
    pack_layer(tree({"/a": noise(200 << 10), "/b": "x", "/m": large, "/n": noise(99)}), Packing(), 0, members[1].add)
    assert len(members[0] & members[1]) == 3


def test_progress_ends_at_the_total() -> None:
    seen: list[tuple[int, int]] = []
    files = tree({"/a": noise(3 << 20), "/b": b"12"})
    pack_layer(files, Packing(progress=lambda done, total: seen.append((done, total))), 0, lambda _: None)
    assert seen[-1] == (files.size, files.size) and seen == sorted(seen)


class Lying:
    """Content of another size than its entry promises, or that raises."""

    def __init__(self, size: int, told: int | None = None) -> None:
        self.size, self.told = size, told

    def open(self) -> MemoryFile:
        file = MemoryFile(bytes(self.size))
        file.size = self.size if self.told is None else self.told
        return file


@pytest.mark.parametrize("lie", [Lying(9), Lying(11), Lying(9, told=10)])
@pytest.mark.parametrize("threads", [1, 4])
def test_a_file_of_another_size_is_a_read_error_naming_it(lie: Lying, threads: int) -> None:
    files = {**tree({"/a": noise(3 << 20)}).entries, "/b": File(0o644, 10, lie)}  # type: ignore[arg-type]
    with pytest.raises(ReadError, match=r"^/b: changed"):
        pack_layer(Rootfs(files, {}), Packing(threads=threads), 0, lambda _: None)


@pytest.mark.parametrize("change", ["grow", "shrink", "touch"])
def test_a_file_that_changes_while_it_is_read_is_a_read_error(tmp_path: Path, change: str) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(noise(4 << 20))
    entry = File(0o644, 4 << 20, FileContent(DirectoryRoot(tmp_path), RootPath("/victim")))

    def meddle(done: int, _total: int) -> None:
        if done < 2 << 20:
            os.truncate(victim, {"grow": 5 << 20, "shrink": 1 << 20, "touch": 4 << 20}[change])
            os.utime(victim, ns=(1, 1))

    with pytest.raises(ReadError, match=r"^/victim: changed"):
        pack_layer(Rootfs({"/victim": entry}, {}), Packing(progress=meddle), 0, lambda _: None)


def test_a_whiteout_name_is_refused() -> None:
    with pytest.raises(ReadError, match="deletion"):
        tar_of(tree({"/.wh.a": b""}))


def test_an_error_in_a_thread_reaches_the_caller_and_ends_the_threads() -> None:
    with pytest.raises(Exception, match=r"(?i)level|argument"):
        pack_layer(tree({"/a": noise(9 << 20)}), Packing(Codec("gzip", 99), 4), 0, lambda _: None)
    deadline = time.monotonic() + 30
    while len(os.listdir("/proc/self/task")) > 1:  # the last step of a thread is the kernel's
        assert time.monotonic() < deadline, "threads are still there"
        time.sleep(0.01)


def test_few_chunks_start_few_threads_and_order_is_kept() -> None:
    out: list[bytes] = []
    compressor = Compressor(lambda chunk, _: bytes(chunk), 8, lambda _, made: out.append(made))
    chunks = [bytes([number]) * size for number, size in enumerate((20_000, 5, 30_000, 0, 20_000))]
    for number, chunk in enumerate(chunks):
        if number == 2:
            compressor.pass_on(chunk, b"known")
        else:
            compressor.submit(chunk)
    assert compressor._workers == 2
    compressor.finish()
    compressor.stop()
    assert out == [*chunks[:2], b"known", *chunks[3:]]


@pytest.mark.parametrize("allowed", [0, 1, 2])
def test_where_no_more_threads_are_to_be_had_the_bytes_are_the_same(
    monkeypatch: pytest.MonkeyPatch, allowed: int
) -> None:
    started: list[int] = []
    start = _thread.start_new_thread

    def refuse(run: Callable[[], object], words: tuple[()]) -> int:
        if len(started) == allowed:
            raise RuntimeError("can't start new thread")
        started.append(start(run, words))
        return started[-1]

    alone = build_image(tree(MIXED), AMD64, packing=Packing(threads=1))
    monkeypatch.setattr(_thread, "start_new_thread", refuse)
    assert build_image(tree(MIXED), AMD64, packing=Packing(threads=4)) == alone
    assert len(started) == allowed


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_what_was_handed_on_is_not_written_over(threads: int) -> None:
    # Memory is used again: the first chunk here is the last to be ready, and must still be what it was.
    out: list[bytes] = []

    def slowly(chunk: bytes | memoryview, _prefix: bytes) -> bytes:
        time.sleep(0.05 if chunk[0] == 0 else 0)
        return bytes(chunk)

    compressor = Compressor(slowly, threads, lambda _, made: out.append(made))
    chunks = [bytes([number]) * 20_000 for number in range(20)]
    for chunk in chunks:
        compressor.submit(chunk)
    compressor.finish()
    compressor.stop()
    assert out == chunks


def image() -> Image:
    words = Configuration(
        ("/a",), ("-x",), ("A=b",), "/w", "0", ("80/tcp",), (("l", "m"),), ("/v",), "SIGINT", 17 * 10**8
    )
    return build_image(tree({"/a": noise(2 << 20)}), AMD64, words)


def test_the_config_says_dockers_words() -> None:
    import json

    config = json.loads(image().config_blob)
    assert config["config"] == {
        "Entrypoint": ["/a"], "Cmd": ["-x"], "Env": ["A=b"], "WorkingDir": "/w", "User": "0",
        "ExposedPorts": {"80/tcp": {}}, "Labels": {"l": "m"}, "Volumes": {"/v": {}}, "StopSignal": "SIGINT",
    }  # fmt: skip
    assert config["created"] == "2023-11-14T22:13:20Z" == config["history"][0]["created"]
    assert (config["os"], config["architecture"], "variant" in config) == ("linux", "amd64", False)
    manifest = json.loads(image().manifest_blob)
    assert manifest["layers"][0]["annotations"]["dev.needed.codec"].startswith("gzip level 6 by libdeflate")
    assert manifest["mediaType"] == "application/vnd.oci.image.manifest.v1+json"


def test_validate_image_notices_every_changed_part() -> None:
    whole = image()
    validate_image(whole)
    layer = whole.layers[0]
    content = b"".join(layer.blob.chunks())
    flipped = content[:-20] + bytes([content[-20] ^ 1]) + content[-19:]
    for damaged in (
        replace(whole, config_blob=whole.config_blob + b" "),
        replace(whole, manifest_blob=whole.manifest_blob.replace(b"gzip", b"zstd")),
        replace(whole, platform=Platform("linux", "arm64"), manifest=whole.manifest),
        replace(whole, layers=(replace(layer, blob=MemoryBlob((flipped,))),)),
        replace(whole, layers=(replace(layer, blob=MemoryBlob((content[:-1],))),)),
        replace(whole, layers=(replace(layer, diff_id="sha256:" + "0" * 64),)),
        replace(whole, layers=(replace(layer, tar_size=1),)),
        replace(whole, layers=()),
    ):
        with pytest.raises(NeededError):
            validate_image(damaged)


def test_words_that_json_cannot_hold_are_refused_before_reading() -> None:
    unread = Rootfs({"/a": File(0o644, 1, FileContent(DirectoryRoot("/proc"), RootPath("/nowhere")))}, {})
    with pytest.raises(UsageError):
        build_image(unread, AMD64, Configuration(env=("A=\udcff",)))
    with pytest.raises(UsageError):
        build_image(unread, AMD64, Configuration(created=-1))
