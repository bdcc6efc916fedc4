"""Compressed members from earlier builds, by the digest of what was compressed and by the codec that did it.

Nothing in it is believed: each file begins with the sha256 of the rest, and one that does not match is compressed
again. It saves time and changes no byte; it may be removed at any moment. What was used longest ago goes first when it
grows past its limits.

A member's name is the digest of its own bytes, so that images share members. So that these need not be hashed beside
the whole tar, a record for each list of paths names the members by the digest of the tar as far as their ends.
"""

from __future__ import annotations

import os
from time import time

from needed.image.model import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from needed.image.codec import Codec
    from needed.image.layer import Chunk, Compress

LIMIT = 1 << 30
LIMIT_FILES = 8192
WORTH_KEEPING = 16 << 10
LARGEST = 16 << 20  # of a file here; a record of 200,000 members is smaller
DIGEST = 32
HOUR = 3600


class MemberCache:
    """A folder, after a build at most `limit` bytes and `limit_files`. One that cannot be used is an empty cache."""

    def __init__(self, directory: str, limit: int = LIMIT, limit_files: int = LIMIT_FILES) -> None:
        self.directory, self.limit, self.limit_files = directory, limit, limit_files
        self._added = False

    def layer(self, codec: Codec, paths: Iterable[str], compress: Compress) -> LayerMembers:
        """The members of a layer that holds `paths`; `compress` does what `codec` would."""
        return LayerMembers(self, codec, paths, compress)

    def remembers(self, codec: Codec, member: Chunk) -> bool:
        """Whether there is something that may be `member` compressed by `codec`. Called by several threads at once."""
        return os.path.lexists(self._path(name_of(member, codec)))

    def close(self) -> None:
        """Remove what was used longest ago, if anything came in and there is too much now."""
        if not self._added:
            return
        try:
            with os.scandir(self.directory) as entries:
                held = sorted((item.stat().st_mtime, item.stat().st_size, item.path) for item in entries)
            excess, too_many = sum(size for _, size, _ in held) - self.limit, len(held) - self.limit_files
            for _, size, path in held:
                if excess <= 0 and too_many <= 0:
                    return
                os.unlink(path)
                excess, too_many = excess - size, too_many - 1
        except OSError:
            return  # another build is tidying up, or the folder is gone

    def read(self, name: bytes) -> bytes | None:
        """What was written as `name`, whole, or None."""
        try:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            descriptor = os.open(self._path(name), flags)
        except OSError:
            return None
        try:
            status = os.fstat(descriptor)
            size = status.st_size
            if not DIGEST <= size <= LARGEST:
                return None
            digest, content = os.read(descriptor, DIGEST), os.read(descriptor, size - DIGEST)
            if sha256(content).digest() != digest:
                return None
            if abs(time() - status.st_mtime) > HOUR:  # the order of hours is enough to know what was used long ago
                os.utime(descriptor)
            return content
        except OSError:
            return None
        finally:
            os.close(descriptor)

    def write(self, name: bytes, content: bytes) -> None:
        """Keep `content`; where that cannot be done, there is no cache."""
        path = self._path(name)
        temporary = f"{path}.{os.getpid()}"
        try:
            os.makedirs(self.directory, 0o700, exist_ok=True)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                whole = os.writev(descriptor, [sha256(content).digest(), content]) == DIGEST + len(content)
            finally:
                os.close(descriptor)
            if whole:
                os.rename(temporary, path)
                self._added = True
            else:
                os.unlink(temporary)
        except OSError:
            return  # read-only, full, somebody else's

    def _path(self, name: bytes) -> str:
        return f"{self.directory}/{name.hex()}"


class LayerMembers:
    """The members of one layer: compressed by `compress` as `codec` does, or remembered."""

    def __init__(self, cache: MemberCache, codec: Codec, paths: Iterable[str], compress: Compress) -> None:
        self._cache, self._codec, self._compress = cache, codec, compress
        listed = "\0".join(paths).encode("utf-8", "surrogateescape")
        self._record = sha256(sha256(listed).digest() + codec.describe().encode() + b"\0record").digest()
        found = cache.read(self._record) or b""
        pairs = (found[at : at + 2 * DIGEST] for at in range(0, len(found), 2 * DIGEST))
        self._known = {pair[:DIGEST]: pair[DIGEST:] for pair in pairs}
        self._used: dict[bytes, bytes] = {}

    def recall(self, prefix: bytes) -> bytes | None:
        """The member that ends where the tar's sha256 is `prefix`, if this layer was made before."""
        name = self._known.get(prefix)
        found = self._cache.read(name) if name else None
        if name and found is not None:
            self._used[prefix] = name
        return found

    def compress(self, member: Chunk, prefix: bytes) -> bytes:
        """What the codec makes of `member`, from the cache if any layer had it. Called by several threads at once."""
        if len(member) < WORTH_KEEPING:
            return self._compress(member)
        name = name_of(member, self._codec)
        compressed = self._cache.read(name)
        if compressed is None:
            compressed = self._compress(member)
            self._cache.write(name, compressed)
        self._used[prefix] = name
        return compressed

    def finish(self) -> None:
        """Remember which members the layer is made of."""
        if self._used != self._known:
            self._cache.write(self._record, b"".join(prefix + name for prefix, name in self._used.items()))


def name_of(member: Chunk, codec: Codec) -> bytes:
    """What `member` compressed by `codec` is called."""
    return sha256(sha256(member).digest() + codec.describe().encode()).digest()
