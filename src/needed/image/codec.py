"""How a layer is compressed: `none`, `gzip[:1-12]` by libdeflate, `zstd[:1-22]`; and the way back, to check.

A codec compresses one chunk into one complete gzip member (RFC 1952, 2.2) or zstd frame (RFC 8878, 3): concatenated
they are one valid stream, whose bytes do not depend on who compressed which. Does not cut chunks: `layer` does.
"""

from __future__ import annotations

from needed.errors import UsageError
from needed.image.model import LAYER_TYPE
from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

LEVELS = {"none": (0, 0), "gzip": (1, 12), "zstd": (1, 22)}
DEFAULT_LEVELS = {"none": 0, "gzip": 6, "zstd": 3}
_PIECE = 1 << 20
_SLICE = 64 << 10
_WINDOW_LOG = 27  # 128 MiB, what zstd(1) takes without --long


@value
class Codec:
    """`name` is "none", "gzip" or "zstd"; `level` 0, 1 to 12 or 1 to 22."""

    name: str = "gzip"
    level: int = 6

    @property
    def media_type(self) -> str:
        """layer.md: the media type of a layer compressed so."""
        return LAYER_TYPE + {"none": "", "gzip": "+gzip", "zstd": "+zstd"}[self.name]

    def compress(self, chunk: bytes | memoryview) -> bytes:
        """`chunk` as one whole member; the same bytes for the same version of the library."""
        if self.name == "gzip":
            import deflate

            return bytes(deflate.gzip_compress(chunk, self.level))
        return bytes(_zstd().compress(chunk, self.level)) if self.name == "zstd" else bytes(chunk)

    def load(self) -> None:
        """Import the library now, so that threads do not wait for each other's import."""
        if self.name == "gzip":
            import deflate  # noqa: F401
        elif self.name == "zstd":
            _zstd()

    def describe(self) -> str:
        """What makes the compressed bytes what they are, for the annotation `dev.needed.codec`."""
        if self.name == "none":
            return "none"
        if self.name == "gzip":
            import deflate

            library = f"libdeflate of deflate {deflate.__version__}"
        else:
            library = f"libzstd {_zstd().zstd_version}"
        return f"{self.name} level {self.level} by {library}, members of 256 KiB to 1 MiB, large files apart"


def parse_compression(text: str) -> Codec:
    """The Codec in "gzip", "gzip:9", "zstd:19" or "none". Raises UsageError."""
    name, colon, level = text.partition(":")
    lowest, highest = LEVELS.get(name, (0, 0))
    if name not in LEVELS or (colon and (name == "none" or not (level.isascii() and level.isdigit()))):
        raise UsageError(f"{text!r} is not a compression", hints=["allowed: none, gzip[:1-12], zstd[:1-22]"])
    if colon and not lowest <= int(level) <= highest:
        raise UsageError(
            f"{text!r}: {name} has no level {level}", hints=[f"levels of {name} are {lowest} to {highest}"]
        )
    return Codec(name, int(level) if colon else DEFAULT_LEVELS[name])


def decompress(media_type: str, chunks: Iterable[bytes], empty_members: int = 1_000) -> Iterator[bytes]:
    """The layer's tar in pieces of at most 1 MiB, whatever the ratio. Raises ValueError on bytes that are no whole
    stream of the type, on bytes after it, and on more than `empty_members` members with nothing in them."""
    codec = media_type.rpartition("+")[2]
    if codec not in ("gzip", "zstd"):
        yield from chunks
        return
    decoder: Any = None
    given = 0  # by this member
    for start in _slices(chunks):
        rest = start
        while rest or (decoder is not None and _has_more(codec, decoder)):
            decoder = decoder or _decoder(codec)
            rest, piece = _decode(codec, decoder, rest)
            given += len(piece)
            if piece:
                yield piece
            if decoder.eof:
                empty_members -= not given
                if empty_members < 0:
                    raise ValueError(f"the {codec} stream has too many empty members")
                decoder, given = None, 0
    if decoder is not None:
        raise ValueError(f"the {codec} stream ends in the middle of a member")


def _slices(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Small pieces: each member's end copies the rest of the piece, which very small members would make slow."""
    for chunk in chunks:
        yield from (chunk[start : start + _SLICE] for start in range(0, len(chunk), _SLICE))


def _decoder(codec: str) -> Any:
    if codec == "zstd":
        zstd = _zstd()
        return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _WINDOW_LOG})
    import zlib

    return zlib.decompressobj(wbits=31)


def _has_more(codec: str, decoder: Any) -> bool:
    """Whether a zstd decoder holds back output of what it was given; zlib's hands the input back instead."""
    return codec == "zstd" and not decoder.eof and not decoder.needs_input


def _decode(codec: str, decoder: Any, content: bytes) -> tuple[bytes, bytes]:
    """What is left of `content`, and what came out of the rest."""
    try:
        piece = bytes(decoder.decompress(content, _PIECE))
    except Exception as error:  # zlib.error and ZstdError have no common parent but this
        raise ValueError(f"damaged compressed bytes: {error}") from None
    if decoder.eof:
        return decoder.unused_data, piece
    return (b"" if codec == "zstd" else decoder.unconsumed_tail), piece


def _zstd() -> Any:
    import sys

    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd
