"""How much of anything an image from outside may hold before it is refused: bounds on time, memory and disk."""

from __future__ import annotations

from needed.value import value


@value
class Limits:
    """Sizes in bytes. `total` and `file` are of uncompressed content, `ratio` is uncompressed to compressed bytes and
    counts once a layer has given `ratio_after` bytes; `members` is how many gzip members may be empty."""

    document: int = 4 << 20
    layers: int = 127
    index_depth: int = 4
    manifests: int = 10_000
    entries: int = 1_000_000
    total: int = 16 << 30
    file: int = 8 << 30
    ratio: int = 1_000
    ratio_after: int = 64 << 20
    extended_header: int = 1 << 20
    path: int = 4_095
    name: int = 255
    hops: int = 40
    empty_members: int = 1_000


DEFAULT_LIMITS = Limits()
