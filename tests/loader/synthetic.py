"""A minimal ELF file as bytes: for trees in memory, of any depth, without a compiler."""

from __future__ import annotations

from struct import pack


def shared_object(*, needed: tuple[str, ...] = (), soname: str = "", interpreter: str = "") -> bytes:
    """An x86-64 ET_DYN with one PT_LOAD over the whole file and a dynamic section."""
    strings, entries = b"\0", b""
    for tag, names in ((1, needed), (14, (soname,) if soname else ())):
        for name in names:
            entries += pack("<QQ", tag, len(strings))
            strings += name.encode() + b"\0"
    count = 3 if interpreter else 2
    at = 64 + 56 * count
    interp = interpreter.encode() + b"\0" if interpreter else b""
    strings_at = at + len(interp)
    dynamic_at = strings_at + len(strings) + 7 & ~7
    entries += pack("<QQQQQQ", 5, strings_at, 10, len(strings), 0, 0)
    size = dynamic_at + len(entries)
    header = b"\x7fELF\2\1\1" + bytes(9) + pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 64, 0, 0, 64, 56, count, 64, 0, 0)
    segments = pack("<IIQQQQQQ", 1, 5, 0, 0, 0, size, size, 4096)
    segments += pack("<IIQQQQQQ", 2, 6, dynamic_at, dynamic_at, dynamic_at, len(entries), len(entries), 8)
    if interpreter:
        segments += pack("<IIQQQQQQ", 3, 4, at, at, at, len(interp), len(interp), 1)
    body = header + segments + interp + strings
    return body + bytes(dynamic_at - len(body)) + entries
