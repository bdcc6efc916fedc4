"""Headers of a tar archive, POSIX.1-2017 `pax`: ustar, and an extended header only where ustar is too narrow.

Numeric owners without names, 0:0 unless told, so that no header depends on who builds. Knows names, modes and sizes;
no content.
"""

from __future__ import annotations

from needed.errors import UsageError

BLOCK = 512
END = bytes(2 * BLOCK)  # "two records of binary zeros"; padding to 20 blocks is for tapes
FILE, HARD_LINK, SYMLINK, DIRECTORY, PAX = b"0", b"1", b"2", b"5", b"x"
MAX_OCTAL = 8**11 - 1
MAX_ID = 8**7 - 1


def tar_header(  # noqa: PLR0913, PLR0917  (the fields of a header)
    name: bytes, kind: bytes, mode: int, mtime: int, size: int = 0, target: bytes = b"",
    owner: tuple[int, int] = (0, 0),
) -> bytes:  # fmt: skip
    """The blocks before a member's content. `name` is relative, and a directory's ends in a slash."""
    if not 0 <= mtime <= MAX_OCTAL:
        raise UsageError(f"{mtime} is not a time that tar can hold", hints=["give seconds since 1970, at least 0"])
    records: list[tuple[bytes, bytes]] = []
    prefix, short = _split(name)
    if not short:
        records.append((b"path", name))
        short = name[:100]
    if len(target) > 100:
        records.append((b"linkpath", target))
    if size > MAX_OCTAL:
        records.append((b"size", b"%d" % size))
    for key, number in ((b"uid", owner[0]), (b"gid", owner[1])):
        if number > MAX_ID:
            records.append((key, b"%d" % number))
    owner = (owner[0] if owner[0] <= MAX_ID else 0, owner[1] if owner[1] <= MAX_ID else 0)
    header = _ustar(prefix, short, kind, mode, mtime, 0 if size > MAX_OCTAL else size, target[:100], owner)
    return _extended(records, short, mtime) + header if records else header


def padding(size: int) -> bytes:
    """The zeros after content of `size` bytes."""
    return bytes(-size % BLOCK)


def _split(name: bytes) -> tuple[bytes, bytes]:
    """ustar's prefix (at most 155 bytes) and name (at most 100), cut at a slash; an empty name if it does not fit."""
    if len(name) <= 100:
        return b"", name
    cut = name.find(b"/", len(name) - 101, -1)
    return (name[:cut], name[cut + 1 :]) if 0 < cut <= 155 else (b"", b"")


def _extended(records: list[tuple[bytes, bytes]], short: bytes, mtime: int) -> bytes:
    if not all(_is_utf8(content) for _, content in records):
        records = [(b"hdrcharset", b"BINARY"), *records]  # else a value is UTF-8 by definition
    body = b"".join(_record(key, content) for key, content in records)
    name = b"PaxHeaders/" + short.rstrip(b"/").rpartition(b"/")[2][:80]
    return _ustar(b"", name, PAX, 0o644, mtime, len(body), b"") + body + padding(len(body))


def _record(key: bytes, content: bytes) -> bytes:
    """`LENGTH KEY=VALUE` and a newline, where the length counts itself."""
    rest = b" " + key + b"=" + content + b"\n"
    length = len(rest)
    while length != len(rest) + len(str(length)):
        length = len(rest) + len(str(length))
    return b"%d" % length + rest


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _ustar(  # noqa: PLR0913, PLR0917  (the fields of a header)
    prefix: bytes, name: bytes, kind: bytes, mode: int, mtime: int, size: int, target: bytes,
    owner: tuple[int, int] = (0, 0),
) -> bytes:  # fmt: skip
    before = b"%s%07o\0%07o\0%07o\0%011o\0%011o\0" % (name.ljust(100, b"\0"), mode & 0o7777, *owner, size, mtime)
    after = b"%s%sustar\00000%s0000000\x000000000\0%s" % (kind, target.ljust(100, b"\0"), bytes(64), prefix)
    after = after.ljust(BLOCK - len(before) - 8, b"\0")
    checksum = sum(before) + sum(after) + 8 * 32  # the checksum's own field counts as spaces
    return b"%s%06o\0 %s" % (before, checksum, after)
