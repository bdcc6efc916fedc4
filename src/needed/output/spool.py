"""A LayerStore that stays small in memory: up to 16 MiB there, beyond that in a file without a name.

The file is gone when the process is, however it ends (open(2) O_TMPFILE, or a name that is removed at once).
"""

from __future__ import annotations

import errno
import os

from needed.image.build import MemoryBlob
from needed.output.atomic import TEMPORARY, unwritable, write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.image.build import Blob

IN_MEMORY = 16 << 20
PIECE = 1 << 20


class SpoolStore:
    """Keeps a layer in memory or in `directory`. Raises OutputError when that is full or cannot be written."""

    def __init__(self, directory: str, in_memory: int = IN_MEMORY) -> None:
        self._directory, self._limit = directory, in_memory
        self._parts: list[bytes] = []
        self._size = 0
        self._file: _Unnamed | None = None

    def write(self, chunk: bytes) -> None:
        self._size += len(chunk)
        try:
            if self._file is None and self._size > self._limit:
                self._file = _Unnamed(self._directory)
                for part in self._parts:
                    write_all(self._file.descriptor, part)
                self._parts.clear()
            if self._file is None:
                self._parts.append(chunk)
            else:
                write_all(self._file.descriptor, chunk)
        except OSError as error:
            raise unwritable(self._directory, error, self._size) from None

    def finish(self) -> Blob:
        return _SpooledBlob(self._file, self._size) if self._file else MemoryBlob(tuple(self._parts))


class _SpooledBlob:
    """A Blob in an unnamed file, which lives as long as this."""

    def __init__(self, file: _Unnamed, size: int) -> None:
        self._file, self.size = file, size

    def chunks(self) -> Iterator[bytes]:
        for offset in range(0, self.size, PIECE):
            yield os.pread(self._file.descriptor, PIECE, offset)


class _Unnamed:
    """A file without a name, closed and so freed with this object."""

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
