"""Compressed members from earlier builds, by the digest of what was compressed and by the codec that did it.

Nothing in it is believed: each file begins with the sha256 of the rest, and one that does not match is compressed
again. It saves time and changes no byte; it may be removed at any moment. What was used longest ago goes first when it
grows past its limit.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from needed.image.codec import Codec

LIMIT = 1 << 30
WORTH_KEEPING = 16 << 10


class MemberCache:
    """A folder of members, at most `limit` bytes after a build. A folder that cannot be used is an empty cache."""

    def __init__(self, directory: str, limit: int = LIMIT) -> None:
        self.directory, self.limit = directory, limit
        self._added = False

    def compress(self, codec: Codec, chunk: bytes | bytearray) -> bytes:
        """What `codec.compress(chunk)` gives, from here if it is here. Called by several threads at once."""
        if len(chunk) < WORTH_KEEPING:
            return codec.compress(chunk)
        from hashlib import sha256

        name = sha256(sha256(chunk).digest() + codec.describe().encode()).hexdigest()
        path = f"{self.directory}/{name}"
        found = self._read(path)
        if found is not None and sha256(found[32:]).digest() == found[:32]:
            return found[32:]
        compressed = codec.compress(chunk)
        self._write(path, sha256(compressed).digest() + compressed)
        return compressed

    def close(self) -> None:
        """Remove what was used longest ago, if anything came in and there is too much now."""
        if not self._added:
            return
        try:
            with os.scandir(self.directory) as entries:
                held = sorted((item.stat().st_mtime, item.stat().st_size, item.path) for item in entries)
            excess = sum(size for _, size, _ in held) - self.limit
            for _, size, path in held:
                if excess <= 0:
                    return
                os.unlink(path)
                excess -= size
        except OSError:
            return  # another build is tidying up, or the folder is gone

    def _read(self, path: str) -> bytes | None:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            content = os.read(descriptor, 4 << 20)
            os.utime(descriptor)
            return content
        except OSError:
            return None
        finally:
            os.close(descriptor)

    def _write(self, path: str, content: bytes) -> None:
        temporary = f"{path}.{os.getpid()}"
        try:
            os.makedirs(self.directory, 0o700, exist_ok=True)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                whole = os.write(descriptor, content) == len(content)
            finally:
                os.close(descriptor)
            if whole:
                os.rename(temporary, path)
                self._added = True
            else:
                os.unlink(temporary)
        except OSError:
            return  # read-only, full, somebody else's: then there is no cache
