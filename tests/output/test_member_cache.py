"""The cache changes how long a build takes and nothing else, whatever happens to it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from needed.closure import Reason
from needed.image.build import Image, build_image, validate_image
from needed.image.codec import Codec
from needed.image.layer import Packing
from needed.image.model import Platform
from needed.output.member_cache import MemberCache
from needed.root import DirectoryRoot, RootPath
from needed.rootfs import File, FileContent, GeneratedContent, Rootfs

CONTENT = b"".join(number.to_bytes(4, "big") for number in range(400_000))
OTHER = CONTENT.swapcase()


class CountingCodec:
    """A codec that says how often it was asked."""

    def __init__(self, level: int = 6) -> None:
        self.calls = 0
        self._real = Codec("gzip", level)
        self.name, self.media_type = "gzip", self._real.media_type

    def describe(self) -> str:
        return self._real.describe()

    def load(self) -> None:
        self._real.load()

    def compress(self, chunk: bytes) -> bytes:
        self.calls += len(chunk) > 100_000
        return self._real.compress(chunk)


def tree(*contents: bytes) -> Rootfs:
    files = {f"/f{number}": File(0o644, len(item), GeneratedContent(item)) for number, item in enumerate(contents)}
    return Rootfs(dict(files), dict.fromkeys(files, (Reason("included"),)))


def build(cache: MemberCache | None, rootfs: Rootfs = tree(CONTENT), level: int = 6) -> tuple[str, int]:  # noqa: B008
    """The manifest's digest of an image that is right, and how many large members were compressed for it."""
    codec = CountingCodec(level)
    image: Image = build_image(
        rootfs, Platform("linux", "amd64"), packing=Packing(codec, None, None, cache)  # type: ignore[arg-type]
    )
    validate_image(image)
    if cache:
        cache.close()
    return image.manifest.digest, codec.calls


def test_a_warm_cache_gives_the_bytes_of_a_cold_one_and_compresses_nothing(tmp_path: Path) -> None:
    digest, members = build(None)
    assert members == 2
    assert build(MemberCache(str(tmp_path))) == (digest, 2)
    assert build(MemberCache(str(tmp_path))) == (digest, 0)
    assert len(list(tmp_path.iterdir())) == 3  # the members and the record that names them


def test_an_image_with_one_more_file_compresses_only_that(tmp_path: Path) -> None:
    build(MemberCache(str(tmp_path)), tree(CONTENT, CONTENT[:300_000]))
    whole = tree(CONTENT, OTHER[-300_000:], CONTENT[:300_000])
    assert build(MemberCache(str(tmp_path)), whole) == (build(None, whole)[0], 1)


def test_another_level_is_another_member(tmp_path: Path) -> None:
    assert [build(MemberCache(str(tmp_path)), level=level)[1] for level in (1, 9, 1, 9)] == [2, 2, 0, 0]


@pytest.mark.parametrize("also_time", [False, True])
def test_bytes_that_change_in_place_are_never_stale(tmp_path: Path, *, also_time: bool) -> None:
    # Same path, size, inode and, if restored, time: what was remembered is asked for by content only.
    file, cache = tmp_path / "file", str(tmp_path / "cache")
    for content in (CONTENT, CONTENT[:-1] + b"!", b"!" + CONTENT[1:], CONTENT):
        with file.open("r+b" if file.exists() else "wb") as opened:
            opened.write(content)
        if also_time:
            os.utime(file, ns=(1, 1))
        entry = File(0o644, len(content), FileContent(DirectoryRoot(tmp_path), RootPath("/file")))
        rootfs = Rootfs({"/f0": entry}, {"/f0": (Reason("included"),)})
        assert build(MemberCache(cache), rootfs)[0] == build(None, tree(content))[0]


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "link", "folder", "fifo", "huge", "closed"])
def test_a_damaged_file_is_made_again(tmp_path: Path, damage: str) -> None:
    digest, _ = build(MemberCache(str(tmp_path / "cache")))
    for path in (tmp_path / "cache").iterdir():
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.unlink()
        match damage:
            case "flip":
                path.write_bytes(content)
            case "cut":
                path.write_bytes(content[:-1])
            case "empty":
                path.touch()
            case "link":
                path.symlink_to("/dev/zero")
            case "folder":
                path.mkdir()
            case "fifo":
                os.mkfifo(path)
            case "huge":
                path.touch()
                os.truncate(path, 1 << 40)
            case "closed":
                path.write_bytes(content)
                path.chmod(0)
    assert build(MemberCache(str(tmp_path / "cache"))) == (digest, 2)
    assert build(MemberCache(str(tmp_path / "cache")))[0] == digest


def test_a_record_that_names_what_is_not_there_costs_only_time(tmp_path: Path) -> None:
    digest, _ = build(MemberCache(str(tmp_path)))
    record = min(tmp_path.iterdir(), key=lambda path: path.stat().st_size)
    for content in (record.read_bytes()[32:64] + bytes(32), bytes(64), b"short", b""):
        record.write_bytes(hashlib.sha256(content).digest() + content)
        assert build(MemberCache(str(tmp_path))) == (digest, 0)


def test_a_folder_that_cannot_be_used_is_an_empty_cache(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert build(MemberCache(str(tmp_path / "file" / "x"))) == build(None)


def test_past_its_limits_the_oldest_go(tmp_path: Path) -> None:
    build(MemberCache(str(tmp_path)))
    build(MemberCache(str(tmp_path), limit_files=2), tree(OTHER))
    assert len(list(tmp_path.iterdir())) == 2
    build(MemberCache(str(tmp_path), limit=1), tree(CONTENT))
    assert list(tmp_path.iterdir()) == []


def test_what_is_used_becomes_new_again(tmp_path: Path) -> None:
    build(MemberCache(str(tmp_path)))
    for path in tmp_path.iterdir():
        os.utime(path, (1, 1))
    build(MemberCache(str(tmp_path)), tree(OTHER))
    build(MemberCache(str(tmp_path)), tree(CONTENT))
    assert [path for path in tmp_path.iterdir() if path.stat().st_mtime < 2] == []
