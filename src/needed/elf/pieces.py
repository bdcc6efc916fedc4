"""A part of a file in pieces of bounded size, for what is searched rather than parsed.

Pieces overlap, so that nothing shorter than the overlap is cut in every piece that it is in.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.elf.model import ByteSource

PIECE = 1 << 20
OVERLAP = 512


def pieces(source: ByteSource, offset: int, size: int) -> Iterator[bytes]:
    """The `size` bytes from `offset`, as far as the file has them; each piece begins with the last OVERLAP bytes of the
    one before it."""
    end = min(offset + size, source.size)
    while offset < end and (piece := source.read_at(offset, min(PIECE, end - offset))):
        yield piece
        if len(piece) < PIECE:
            return
        offset += PIECE - OVERLAP
