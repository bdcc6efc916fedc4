"""What is compressed ahead spares time and changes no byte, whatever happens to the files meanwhile."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import pytest

from needed.image.ahead import MAX_MEMBERS, Ahead
from needed.image.build import Image, build_image, validate_image
from needed.image.codec import Codec
from needed.image.layer import MEMBER_MAX, Packing
from needed.image.model import Platform
from needed.output.member_cache import MemberCache
from needed.root import DirectoryRoot, MemoryRoot, RootPath, Walker
from needed.rootfs import File, FileContent, Rootfs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from needed.root import Found
    from needed.rootfs import RootfsEntry

SIZES = {"/a": 5 << 19, "/b": 10, "/c": (300 << 10) + 7, "/d": 1 << 20, "/e": (1 << 20) + 5000, "/f": 5000}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    chance = random.Random(1)
    (tmp_path / "root").mkdir()
    for path, size in SIZES.items():
        (tmp_path / f"root{path}").write_bytes(chance.randbytes(size // 2) + bytes(size - size // 2))
    return tmp_path


@pytest.fixture
def compressed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The sizes of all that is compressed, as it comes."""
    sizes: list[int] = []
    real = Codec.compress

    def compress(codec: Codec, chunk: bytes) -> bytes:
        sizes.append(len(chunk))
        return real(codec, chunk)

    monkeypatch.setattr(Codec, "compress", compress)
    yield sizes


def found(root: DirectoryRoot | MemoryRoot) -> list[Found]:
    walker = Walker(root)
    return [one for one in map(walker.find, SIZES) if one]


def image(root: DirectoryRoot, packing: Packing) -> Image:
    files: dict[str, RootfsEntry] = {
        path: File(0o644, size, FileContent(root, RootPath(path))) for path, size in SIZES.items()
    }
    made = build_image(Rootfs(files, {}), Platform("linux", "amd64"), packing=packing)
    validate_image(made)
    return made


def ready(ahead: Ahead) -> int:
    """How many members are made, when all of them are."""
    while ahead._running:
        ahead._ended.get()
        ahead._running -= 1
    return len(ahead._made)


@pytest.mark.parametrize("codec", [Codec(), Codec("zstd", 3)])
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("wait", [True, False])
def test_each_member_is_compressed_once_and_the_bytes_are_the_same(
    folder: Path, compressed: list[int], codec: Codec, threads: int, wait: bool
) -> None:
    root = DirectoryRoot(folder / "root")
    alone = image(root, Packing(codec))
    expected = sorted(compressed)
    compressed.clear()
    ahead = Ahead(codec, threads=threads)
    ahead.expect(root, found(root))
    if wait:
        # 2 and a half MiB, 300 KiB, 1 MiB, and 1 MiB whose rest is together with what follows.
        assert ready(ahead) == 3 + 1 + 1 + 1
        assert len(compressed) == 6
    assert image(root, Packing(codec, ahead=ahead)) == alone
    ahead.stop()
    assert sorted(compressed) == expected or not wait
    assert not ahead._made or not wait


@pytest.mark.parametrize("change", ["content", "end", "gone"])
def test_what_changes_meanwhile_ships_as_it_is_then(folder: Path, change: str) -> None:
    root = DirectoryRoot(folder / "root")
    ahead = Ahead(Codec(), threads=1)
    ahead.expect(root, found(root))
    ready(ahead)
    victim = folder / "root/a"
    whole = victim.read_bytes()
    if change == "gone":
        victim.unlink()
        victim.write_bytes(whole[::-1])
    else:
        at = MEMBER_MAX // 2 if change == "content" else len(whole) - 1
        victim.write_bytes(whole[:at] + b"x" + whole[at + 1 :])
    fresh = DirectoryRoot(folder / "root")
    assert image(fresh, Packing(ahead=ahead)) == image(fresh, Packing())
    ahead.stop()


def test_what_the_cache_remembers_is_not_made_nor_what_comes_after_it(folder: Path, compressed: list[int]) -> None:
    root, cache = DirectoryRoot(folder / "root"), MemberCache(str(folder / "cache"))
    whole = image(root, Packing(cache=cache))
    compressed.clear()
    ahead = Ahead(Codec(), cache, threads=1)
    ahead.expect(root, found(root))
    assert (ready(ahead), compressed) == (0, [])
    assert image(root, Packing(cache=cache, ahead=ahead)) == whole
    assert all(size < MEMBER_MAX // 4 for size in compressed)  # the last headers and the end


def test_what_is_made_ahead_is_remembered(folder: Path, compressed: list[int]) -> None:
    root, cache = DirectoryRoot(folder / "root"), MemberCache(str(folder / "cache"))
    ahead = Ahead(Codec(), cache, threads=1)
    ahead.expect(root, found(root))
    first = image(root, Packing(cache=cache, ahead=ahead))
    ahead.stop()
    compressed.clear()
    assert image(root, Packing(cache=cache)) == first
    assert all(size < MEMBER_MAX // 4 for size in compressed)


def test_memory_is_bounded(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(random.Random(1).randbytes((MAX_MEMBERS + 3) * MEMBER_MAX))
    root = DirectoryRoot(tmp_path)
    ahead = Ahead(Codec(level=1), threads=2)
    ahead.expect(root, [Walker(root).find("/a")])  # type: ignore[list-item]
    assert ready(ahead) == MAX_MEMBERS


@pytest.mark.parametrize("nothing", ["threads", "codec", "root", "small", "gone"])
def test_where_nothing_is_to_be_won_nothing_is_begun(folder: Path, nothing: str) -> None:
    root: DirectoryRoot | MemoryRoot = DirectoryRoot(folder / "root")
    files = found(root)
    ahead = Ahead(Codec("none", 0) if nothing == "codec" else Codec(), threads=0 if nothing == "threads" else 1)
    if nothing == "root":
        root = MemoryRoot({path: bytes(size) for path, size in SIZES.items()})
        files = found(root)
    if nothing == "small":
        files = [one for one in files if one.entry.size < 1000]
    if nothing == "gone":
        for one in files:
            (folder / f"root{one.path}").unlink()
    ahead.expect(root, files)
    assert (ahead._running, ahead._made) == (0, {})
    ahead.stop()


def test_what_the_codec_refuses_is_told_by_who_needs_it(folder: Path) -> None:
    root = DirectoryRoot(folder / "root")
    ahead = Ahead(Codec("gzip", 99), threads=1)
    ahead.expect(root, found(root))
    ready(ahead)
    with pytest.raises(Exception, match=r"(?i)level|argument"):
        image(root, Packing(Codec("gzip", 99), ahead=ahead))


def test_what_failed_ahead_is_made_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = DirectoryRoot(folder / "root")
    whole = image(root, Packing())
    with monkeypatch.context() as patched:
        patched.setattr(Codec, "compress", lambda *_: 1 / 0)
        ahead = Ahead(Codec(), threads=1)
        ahead.expect(root, found(root))
        assert ready(ahead) == 6
    assert image(root, Packing(ahead=ahead)) == whole


def test_where_no_thread_is_to_be_had_nothing_is_begun(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("_thread.start_new_thread", refuse)
    root = DirectoryRoot(folder / "root")
    ahead = Ahead(Codec(), threads=2)
    ahead.expect(root, found(root))
    ahead.stop()
    assert not ahead._made


def test_no_more_files_are_opened_than_begun(tmp_path: Path) -> None:
    for number in range(3 * MAX_MEMBERS):
        (tmp_path / f"{number:02}").write_bytes(bytes(300 << 10))
    root = DirectoryRoot(tmp_path)
    walker = Walker(root)
    files = [one for one in map(walker.find, (f"/{number:02}" for number in range(3 * MAX_MEMBERS))) if one]
    before = len(os.listdir("/proc/self/fd"))
    ahead = Ahead(Codec(), threads=1)
    ahead.close()
    ahead.expect(root, files)
    assert len(os.listdir("/proc/self/fd")) <= before + MAX_MEMBERS
    ahead.stop()


def test_nothing_is_begun_once_the_layer_is(folder: Path) -> None:
    root = DirectoryRoot(folder / "root")
    ahead = Ahead(Codec(), threads=1)
    ahead.close()
    ahead.expect(root, found(root))
    ahead.stop()
    assert not ahead._made
