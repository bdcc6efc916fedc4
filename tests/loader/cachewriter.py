"""Writes `ld.so.cache` from a description, in each format that a loader has read (glibc sysdeps/generic/dl-cache.h).

By hand and not by `render_cache`, which is under test, and not by ldconfig, which writes only what is right.

    [cache]
    format = "new" | "old" | "compat"       compat: old entries first, the new cache behind them
    entries = ["liba.so => /opt/liba.so", "liba.so => /opt/glibc-hwcaps/x86-64-v3/liba.so (x86-64-v3)"]
                                            legacy capability bits as a number: (0x8000000000000000)
    old = [...]                             of compat: what the old part says instead
    endian = 2                              the byte that tells the byte order: 0 unknown, 2 little, 3 big
    flags = 0x303
    cut = 60                                keep so many bytes

Entries stand as they are given: a loader searches by bisection, so they must be sorted, greatest first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from struct import pack
from typing import Any

HWCAP_EXTENSION = 1 << 62
EXTENSION_MAGIC, TAG_GENERATOR, TAG_GLIBC_HWCAPS = 0xEAA42174, 0, 1


def make_cache(facts: Mapping[str, Any]) -> bytes:
    """The bytes of the cache that `[cache]` describes."""
    kind, flags = facts.get("format", "new"), facts.get("flags", 0x303)
    new = b"" if kind == "old" else _new(facts["entries"], flags, facts.get("endian", 2))
    content = new if kind == "new" else _old(facts.get("old", facts["entries"]), flags, new)
    return content[: facts.get("cut", len(content))]


def _split(entry: str) -> tuple[str, str, str]:
    """Name, path and the name of its glibc-hwcaps folder."""
    name, _, rest = entry.partition(" => ")
    path, _, hwcap = rest.partition(" (")
    return name, path, hwcap.rstrip(")")


def _old(entries: Iterable[str], flags: int, new: bytes) -> bytes:
    """Offsets of the old part count from the end of its entries, and the new part stands before its strings."""
    split = [_split(entry) for entry in entries]
    between = bytes(-(16 + 12 * len(split)) % 8) + new if new else b""
    table, strings = b"", b""
    for name, path, _ in split:
        at = len(between) + len(strings)
        table += pack("<iII", flags, at, at + len(name) + 1)
        strings += f"{name}\0{path}\0".encode()
    return b"ld.so-1.7.0\0" + pack("<I", len(split)) + table + between + strings


def _new(entries: Iterable[str], flags: int, endian: int) -> bytes:
    split = [_split(entry) for entry in entries]
    hwcaps = sorted({hwcap for _, _, hwcap in split if hwcap and not hwcap.startswith("0x")})
    at = 48 + 24 * len(split)
    table, strings = b"", b""
    places = {}
    for hwcap in hwcaps:
        places[hwcap] = at + len(strings)
        strings += f"{hwcap}\0".encode()
    for name, path, hwcap in split:
        place = at + len(strings)
        value = HWCAP_EXTENSION | hwcaps.index(hwcap) if hwcap in hwcaps else int(hwcap or "0", 16)
        table += pack("<iIIIQ", flags, place, place + len(name) + 1, 0, value)
        strings += f"{name}\0{path}\0".encode()
    extension, extension_at = b"", 0
    if hwcaps:
        strings += bytes(-(at + len(strings)) % 4)
        extension_at = at + len(strings)
        extension = pack("<II", EXTENSION_MAGIC, 1)
        extension += pack("<IIII", TAG_GLIBC_HWCAPS, 0, extension_at + 24, 4 * len(hwcaps))
        extension += pack(f"<{len(hwcaps)}I", *(places[hwcap] for hwcap in hwcaps))
    head = b"glibc-ld.so.cache1.1" + pack("<IIB3xI12x", len(split), len(strings), endian, extension_at)
    return head + table + strings + extension
