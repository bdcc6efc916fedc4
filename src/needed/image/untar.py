"""A tar archive from outside as its members, in order, each as the header says it, or a refusal of the whole.

POSIX.1-2017 `pax` (ustar, extended and global headers) and GNU's long names. Stricter than any tar: what two readers
may understand differently is refused, so that nothing is smuggled between them: a bad checksum, a size that two headers
tell differently, a size in base 256, content behind a link or a directory, sparse members, unknown types, `..`, a
missing end, bytes after the end. Unpacks nothing, follows nothing, and keeps no content. Not `tarfile`, which ends
silently at damage.
"""

from __future__ import annotations

from needed.errors import ImageError
from needed.image.limits import DEFAULT_LIMITS, Limits
from needed.image.tar import BLOCK
from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import NoReturn, Protocol

    from needed.root import OpenFile

    class Stream(Protocol):
        """Bytes read forwards, once."""

        offset: int

        def take(self, size: int, /) -> bytes:
            """The next `size` bytes; fewer at the end."""

        def skip(self, size: int, /) -> bool:
            """Whether there were `size` more bytes, which are passed over."""


_KINDS = {b"0": "file", b"\0": "file", b"1": "link", b"2": "symlink", b"3": "special", b"4": "special",
          b"5": "directory", b"6": "special"}  # fmt: skip
_POSIX, _GNU = b"ustar\x0000", b"ustar  \0"
_SPARSE = (b"GNU.sparse.", b"SCHILY.realsize")
_ZEROS = bytes(BLOCK)
_PIECE = 1 << 20
MAX_ID = 2**32 - 2  # (uid_t)-1 is no user


@value
class Member:
    """`name` is relative, without `.` and doubled slashes, "" for the root itself. `kind` is "file", "directory",
    "symlink", "link" (a hard link) or "special"; `target` a symlink's as it stands, a link's as a name. `offset` and
    `size` of the content in bytes, `modified` in nanoseconds."""

    name: str
    kind: str
    mode: int
    size: int
    target: str
    offset: int
    modified: int
    uid: int
    gid: int


class ChunkStream:
    """A Stream of pieces that come one after the other."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self.offset = 0
        self._chunks, self._buffer, self._at = iter(chunks), b"", 0

    def take(self, size: int) -> bytes:
        found = self._buffer[self._at : self._at + size]
        self._at += len(found)
        while len(found) < size and (chunk := next(self._chunks, None)) is not None:
            self._buffer, self._at = chunk, min(size - len(found), len(chunk))
            found += chunk[: self._at]
        self.offset += len(found)
        return found

    def skip(self, size: int) -> bool:
        left = size - (len(self._buffer) - self._at)
        if left <= 0:
            self._at += size
        while left > 0:
            if (chunk := next(self._chunks, None)) is None:
                self._buffer, self._at = b"", 0
                return False
            self._buffer, self._at = chunk, min(left, len(chunk))
            left -= len(chunk)
        self.offset += size
        return True


class FileStream:
    """A Stream over a file, which passes over content without reading it."""

    def __init__(self, file: OpenFile) -> None:
        self.offset = 0
        self._file = file

    def take(self, size: int) -> bytes:
        parts: list[bytes] = []
        while size and (part := self._file.read_at(self.offset, size)):
            self.offset += len(part)
            size -= len(part)
            parts.append(part)
        return b"".join(parts)

    def skip(self, size: int) -> bool:
        self.offset += size
        return self.offset <= self._file.size


def read_tar(stream: Stream, label: str, limits: Limits = DEFAULT_LIMITS, before: int = 0) -> Iterator[Member]:
    """The members in order. Reads to the last byte. `label` names the archive in errors; `before` entries count too.

    Raises ImageError at the first fault: use no member before the iterator has ended.
    """
    reader = _Reader(stream, label, limits)
    count = before
    while (member := reader.next()) is not None:
        count += 1
        if count > limits.entries:
            raise ImageError(f"{label}: holds more than {limits.entries} entries")
        yield member


class _Reader:
    """One pass over one archive. What extended headers said waits in `_own` and `_long` for the member they are of."""

    def __init__(self, stream: Stream, label: str, limits: Limits) -> None:
        self._stream, self._label, self._limits = stream, label, limits
        self._global: dict[bytes, bytes] = {}
        self._own: dict[bytes, bytes] | None = None
        self._long: dict[bytes, bytes] = {}

    def next(self) -> Member | None:
        while True:
            header = self._header()
            if header is None:
                if self._own is not None or self._long:
                    self._refuse("ends after an extended header")
                return None
            kind = header[156:157]
            if kind in _KINDS:
                return self._member(header, _KINDS[kind])
            self._extended(header, kind)

    def _header(self) -> bytes | None:
        """The next header that is sound, or None at the end of the archive."""
        start = self._stream.offset
        header = self._stream.take(BLOCK)
        if header == _ZEROS:
            self._end()
            return None
        if len(header) < BLOCK:
            self._refuse(f"ends at byte {start + len(header)} without the two blocks of zeros that end a tar")
        told = _octal(header[148:156])
        if told is None or told != sum(header) - sum(header[148:156]) + 8 * 32:
            self._refuse(f"is no tar, or damaged: the header at byte {start} has a wrong checksum")
        if header[257:265] not in (_POSIX, _GNU):
            self._refuse(f"the header at byte {start} is neither ustar's nor GNU's")
        if header[257:265] == _GNU and header[345]:  # times in dumps of GNU tar, a prefix to tarfile and to old Go
            self._refuse(f"the header at byte {start} has fields that readers of GNU's format understand differently")
        return header

    def _end(self) -> None:
        if self._stream.take(BLOCK) != _ZEROS:
            self._refuse("has one block of zeros where two end a tar")
        while piece := self._stream.take(_PIECE):
            if piece.count(0) != len(piece):
                self._refuse("has bytes after its end")

    def _extended(self, header: bytes, kind: bytes) -> None:
        """Read the content of a header that is about the next member (x, L, K) or all following ones (g)."""
        if kind not in (b"x", b"g", b"L", b"K"):
            what = "a sparse member" if kind == b"S" else f"a member of the unknown type {ascii(kind)[1:]}"
            self._refuse(f"holds {what} ({self._shown(header[:100])})")
        if kind == b"g" and (self._own is not None or self._long):
            self._refuse("has a global header between an extended header and its member")
        size = self._size(header[124:136])
        if size > self._limits.extended_header:
            self._refuse(f"has an extended header of {size} bytes, and {self._limits.extended_header} are the limit")
        body = self._stream.take(size)
        if len(body) < size or not self._stream.skip(-size % BLOCK):
            self._refuse("ends inside an extended header")
        if kind in (b"L", b"K"):
            key = b"path" if kind == b"L" else b"linkpath"
            if key in self._long:
                self._refuse("has two long names for one member")
            self._long[key] = body[:-1] if body.endswith(b"\0") else body
            return
        records = self._records(body)
        if kind == b"g":
            if records.keys() & {b"path", b"linkpath", b"size"}:
                self._refuse("has a global header that names or measures members")
            self._global |= records
        elif self._own is not None:
            self._refuse("has two extended headers for one member")
        else:
            self._own = records

    def _records(self, body: bytes) -> dict[bytes, bytes]:
        """The records `LENGTH KEY=VALUE\\n` of an extended header."""
        found: dict[bytes, bytes] = {}
        position = 0
        while position < len(body):
            space = body.find(b" ", position, position + 8)
            digits = body[position : max(space, 0)]
            end = position + int(digits) if digits.isdigit() else 0
            key, equals, content = body[space + 1 : end - 1].partition(b"=")
            if not space + 1 < end <= len(body) or body[end - 1] != 10 or not equals or not key:
                self._refuse("has an extended header with a malformed record")
            if key in found:
                self._refuse(f"has an extended header that tells {self._shown(key)} twice")
            if key.startswith(_SPARSE):
                self._refuse("holds a sparse member")
            found[key] = content
            position = end
        return found

    def _member(self, header: bytes, kind: str) -> Member:
        records = self._global
        if self._own is not None or self._long:
            own = self._own or {}
            if own.keys() & self._long.keys():
                self._refuse("has a name both in an extended header and as a long name")
            records = records | own | self._long
            self._own, self._long = None, {}
        raw = records.get(b"path") or _text(header[:100])
        if not records.get(b"path") and header[345]:
            raw = _text(header[345:500]) + b"/" + raw
        name = self._name(raw)
        if kind != "directory" and (not name or (kind == "file" and raw.endswith(b"/"))):
            self._refuse(f"has a {kind} named {self._shown(raw)}")
        size = self._size(header[124:136], records.get(b"size"))
        if size and kind != "file":
            self._refuse(f"has content behind {self._shown(raw)}, which is a {kind}")
        target = self._target(kind, raw, records.get(b"linkpath") or _text(header[157:257]))
        mode = _octal(header[100:108])
        if mode is None:
            self._refuse(f"has a malformed mode at {self._shown(raw)}")
        offset = self._stream.offset
        if size and not self._stream.skip(size + -size % BLOCK):
            self._refuse(f"ends inside {self._shown(raw)}")
        uid = self._id(header[108:116], records.get(b"uid"), raw)
        gid = self._id(header[116:124], records.get(b"gid"), raw)
        modified = self._time(header[136:148], records.get(b"mtime"), raw)
        return Member(name, kind, mode & 0o7777, size, target, offset, modified, uid, gid)

    def _name(self, raw: bytes) -> str:
        """`raw` as it is seen from the root: a leading slash means nothing, `..` is refused."""
        if not raw or b"\0" in raw or len(raw) > self._limits.path:
            fault = f"of {len(raw)} bytes, and {self._limits.path} are the limit" if len(raw) > 1 else "that is empty"
            self._refuse("has a name with a zero byte" if b"\0" in raw else f"has a name {fault}: {self._shown(raw)}")
        parts = [part for part in raw.split(b"/") if part not in (b"", b".")]
        if b".." in parts:
            self._refuse(f"has a name that leads out of it with `..`: {self._shown(raw)}")
        if max(map(len, parts), default=0) > self._limits.name:
            self._refuse(f"has a name with a part of more than {self._limits.name} bytes: {self._shown(raw)}")
        return b"/".join(parts).decode("utf-8", "surrogateescape")

    def _target(self, kind: str, raw: bytes, target: bytes) -> str:
        if kind == "link":
            name = self._name(target)
            if not name:
                self._refuse(f"has a hard link to a directory: {self._shown(raw)}")
            return name
        if kind != "symlink":
            return ""
        if not target or b"\0" in target or len(target) > self._limits.path:
            self._refuse(f"has a symlink whose target is empty or too long: {self._shown(raw)}")
        return target.decode("utf-8", "surrogateescape")

    def _size(self, field: bytes, told: bytes | None = None) -> int:
        """The size of what follows. A pax record wins; the header must then agree, or say nothing."""
        size = _octal(field)
        if size is None:
            self._refuse("has a size that is no octal number (base 256 is negative or beyond every limit)")
        if told:
            if not told.isdigit() or len(told) > 19 or size not in (0, int(told)):
                self._refuse(f"has two sizes for one member: {size} and {self._shown(told)}")
            size = int(told)
        if size > self._limits.file:
            self._refuse(f"holds a file of {size} bytes, and {self._limits.file} are the limit")
        return size

    def _id(self, field: bytes, told: bytes | None, raw: bytes) -> int:
        if told:
            number = int(told) if told.isdigit() and len(told) < 20 else None
        else:
            number = _base_256(field) if field[0] & 0x80 else _octal(field)
        if number is None or not 0 <= number <= MAX_ID:
            self._refuse(f"has an owner that no system knows at {self._shown(raw)}")
        return number

    def _time(self, field: bytes, told: bytes | None, raw: bytes) -> int:
        if not told:
            seconds = _base_256(field) if field[0] & 0x80 else _octal(field)
            whole, fraction = seconds, b""
        else:
            text, _, fraction = told.removeprefix(b"-").partition(b".")
            valid = text.isdigit() and (not fraction or fraction.isdigit())
            whole = int(text[:20]) if valid else None
        if whole is None or abs(whole) >= 2**63:
            self._refuse(f"has a malformed time at {self._shown(raw)}")
        nanoseconds = whole * 10**9 + int(fraction[:9].ljust(9, b"0"))
        return -nanoseconds if told and told.startswith(b"-") else nanoseconds

    def _shown(self, raw: bytes) -> str:
        return ascii(_text(raw[:100]).decode("utf-8", "surrogateescape")[:60]) + ("…" if len(raw) > 100 else "")

    def _refuse(self, fault: str) -> NoReturn:
        raise ImageError(f"{self._label}: {fault}")


def _text(field: bytes) -> bytes:
    """A field up to its first zero byte."""
    return field.partition(b"\0")[0]


def _octal(field: bytes) -> int | None:
    """The number in a field, 0 in an empty one, None if it is none."""
    digits = field.strip(b" \0")
    if not digits:
        return 0
    try:
        return int(digits, 8) if digits.isdigit() else None
    except ValueError:
        return None


def _base_256(field: bytes) -> int:
    """GNU's binary form: two's complement, with the top bit set for "binary"."""
    number = int.from_bytes(field, "big") & ((1 << (8 * len(field) - 1)) - 1)
    return number - (1 << (8 * len(field) - 1)) if field[0] & 0x40 else number
