"""The cache changes how long a build takes and nothing else, whatever happens to it."""

from __future__ import annotations

from pathlib import Path

from needed.closure import Reason
from needed.image.build import build_image
from needed.image.codec import Codec
from needed.image.layer import Packing
from needed.image.model import Platform
from needed.output.member_cache import MemberCache
from needed.rootfs import File, GeneratedContent, Rootfs

CONTENT = b"".join(number.to_bytes(4, "big") for number in range(400_000))
ROOTFS = Rootfs({"/f": File(0o644, len(CONTENT), GeneratedContent(CONTENT))}, {"/f": (Reason("included"),)})


class CountingCodec:
    """A codec that says how often it was asked."""

    def __init__(self) -> None:
        self.calls = 0
        self.name, self._real = "gzip", Codec()

    def describe(self) -> str:
        return self._real.describe()

    def compress(self, chunk: bytes) -> bytes:
        self.calls += 1
        return self._real.compress(chunk)


def digest(cache: MemberCache | None, codec: Codec | None = None) -> str:
    packing = Packing(codec or Codec(), None, None, cache)
    return build_image(ROOTFS, Platform("linux", "amd64"), packing=packing).manifest.digest


def test_a_warm_cache_gives_the_bytes_of_a_cold_one(tmp_path: Path) -> None:
    cold, warm = digest(MemberCache(str(tmp_path))), digest(MemberCache(str(tmp_path)))
    assert cold == warm == digest(None)
    assert len(list(tmp_path.iterdir())) == 2


def test_what_is_there_is_not_compressed_again(tmp_path: Path) -> None:
    codec, cache = CountingCodec(), MemberCache(str(tmp_path))
    first = cache.compress(codec, CONTENT)  # type: ignore[arg-type]
    assert cache.compress(codec, CONTENT) == first  # type: ignore[arg-type]
    assert codec.calls == 1


def test_another_level_is_another_member(tmp_path: Path) -> None:
    cache = MemberCache(str(tmp_path))
    assert cache.compress(Codec("gzip", 1), CONTENT) != cache.compress(Codec("gzip", 9), CONTENT)


def test_a_damaged_member_is_compressed_again(tmp_path: Path) -> None:
    right = digest(MemberCache(str(tmp_path)))
    for path in tmp_path.iterdir():
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    assert digest(MemberCache(str(tmp_path))) == right
    assert digest(MemberCache(str(tmp_path))) == right


def test_a_folder_that_cannot_be_used_is_an_empty_cache(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert digest(MemberCache(str(tmp_path / "file" / "x"))) == digest(None)


def test_past_its_limit_the_oldest_go(tmp_path: Path) -> None:
    cache = MemberCache(str(tmp_path), limit=1)
    digest(cache)
    cache.close()
    assert list(tmp_path.iterdir()) == []
