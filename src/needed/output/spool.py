"""A LayerStore that stays small in memory: up to 16 MiB there, beyond that in a file without a name.

The file is gone when the process is, however it ends.
"""

from __future__ import annotations

import os

from needed.image.build import MemoryBlob
from needed.output.atomic import unwritable
from needed.source.spool import UnnamedFile

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
        self._file: UnnamedFile | None = None

    def write(self, chunk: bytes) -> None:
        self._size += len(chunk)
        try:
            if self._file is None and self._size > self._limit:
                self._file = UnnamedFile(self._directory)
                for part in self._parts:
                    self._file.write(part)
                self._parts.clear()
            if self._file is None:
                self._parts.append(chunk)
            else:
                self._file.write(chunk)
        except OSError as error:
            raise unwritable(self._directory, error, self._size) from None

    def finish(self) -> Blob:
        return _SpooledBlob(self._file, self._size) if self._file else MemoryBlob(tuple(self._parts))


class _SpooledBlob:
    """A Blob in an unnamed file, which lives as long as this."""

    def __init__(self, file: UnnamedFile, size: int) -> None:
        self._file, self.size = file, size

    def chunks(self) -> Iterator[bytes]:
        for offset in range(0, self.size, PIECE):
            yield os.pread(self._file.descriptor, PIECE, offset)
