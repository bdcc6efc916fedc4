"""Bytes that wait: in memory while they are few, beyond that in a file without a name, which no killed run leaves.

open(2) O_TMPFILE, or a name that is removed at once where the file system has none.
"""

from __future__ import annotations

import errno
import os

from needed.errors import ImageError, OutputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

IN_MEMORY = 16 << 20
TEMPORARY = ".needed-"


class UnnamedFile:
    """A file in `directory` without a name, closed and so freed with this object. Raises OSError."""

    def __init__(self, directory: str) -> None:
        self.descriptor = -1
        flags = os.O_RDWR | os.O_CLOEXEC
        try:
            self.descriptor = os.open(directory, flags | os.O_TMPFILE | os.O_EXCL, 0o600)  # O_EXCL: never linked
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL):
                raise
            path = os.path.join(directory, f"{TEMPORARY}{os.urandom(8).hex()}")
            self.descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
            os.unlink(path)

    def __del__(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)

    def write(self, content: bytes | bytearray) -> None:
        """Append every byte, however few write(2) takes at once. Raises OSError."""
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(self.descriptor, rest) :]


class Spool:
    """An OpenFile that grows. One per image: `size` before and after says where something stands."""

    def __init__(self, directory: str, limit: int, in_memory: int = IN_MEMORY) -> None:
        self.size = 0
        self._directory, self._limit, self._in_memory = directory, limit, in_memory
        self._memory = bytearray()
        self._file: UnnamedFile | None = None

    def write(self, content: bytes) -> None:
        """Append. Raises OutputError if there is no room."""
        try:
            if self._file is None and self.size + len(content) > self._in_memory:
                self._file = UnnamedFile(self._directory)
                self._file.write(self._memory)
                self._memory = bytearray()
            if self._file is None:
                self._memory += content
            else:
                self._file.write(content)
        except OSError as error:
            raise OutputError(
                f"{self._directory}: cannot hold what an image unpacks to: {error.strerror}",
                hints=["set TMPDIR to a folder with space"],
            ) from None
        self.size += len(content)

    def fill(self, chunks: Iterable[bytes], label: str) -> None:
        """Append each; `label` is what they are of. Raises OutputError, and ImageError beyond the limit."""
        for chunk in chunks:
            if self.size + len(chunk) > self._limit:
                raise ImageError(f"{label}: has more than the limit of {self._limit} bytes")
            self.write(chunk)

    def read_at(self, offset: int, size: int) -> bytes:
        if self._file is None:
            return bytes(memoryview(self._memory)[offset : offset + size])  # one copy; a bytearray's slice is another
        return os.pread(self._file.descriptor, size, offset)

    def check_unchanged(self) -> None:
        """Nobody else can write to it."""

    def close(self) -> None:
        """It is freed with the last who reads it."""
