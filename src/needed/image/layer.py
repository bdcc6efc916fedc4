"""A Rootfs as one layer: a deterministic tar, compressed member by member on all processors, handed on in order.

layer.md of image-spec 1.1.1: relative paths, each once, parents first; no entry for the root itself, whose mode the
engine chooses. The tar is cut after an entry once 256 KiB are together, and inside an entry at 1 MiB; each cut is
compressed alone, so the bytes do not depend on the number of threads. Does not decide modes: `rootfs` did.
"""

from __future__ import annotations

from needed.errors import ReadError
from needed.image.codec import Codec
from needed.image.tar import DIRECTORY, END, FILE, HARD_LINK, SYMLINK, padding, tar_header
from needed.root import encode_path
from needed.rootfs import Directory, File, HardLink, Symlink
from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _queue import SimpleQueue
    from collections.abc import Callable, Iterator
    from hashlib import _Hash
    from threading import Thread
    from typing import Protocol

    from needed.rootfs import Rootfs, RootfsEntry

    Chunk = bytes | bytearray

    class Cache(Protocol):
        """Remembers what a codec made of a chunk."""

        def compress(self, codec: Codec, chunk: bytes | bytearray, /) -> bytes:
            """What `codec.compress(chunk)` gives."""


MEMBER_MIN = 256 << 10
MEMBER_MAX = 1 << 20


@value
class Packing:
    """How a layer is made. `threads` None is one per usable processor; it changes no byte. `progress` is called with
    the bytes of content read so far and those there are. `cache` may spare the codec work and changes no byte."""

    codec: Codec = Codec()
    threads: int | None = None
    progress: Callable[[int, int], None] | None = None
    cache: Cache | None = None


@value
class Packed:
    """`digest` and `size` of the compressed layer, `diff_id` and `tar_size` of the tar inside."""

    digest: str
    size: int
    diff_id: str
    tar_size: int


def pack_layer(rootfs: Rootfs, packing: Packing, mtime: int, write: Callable[[bytes], None]) -> Packed:
    """Hand the layer to `write` in pieces. `mtime` is every entry's, in seconds since 1970.

    Raises ReadError if a file is not what the Rootfs promised; what was written by then is to be thrown away.
    """
    inside, outside = _Sha256(), _Sha256()
    tar_size = size = 0

    def emit(compressed: bytes) -> None:
        nonlocal size
        outside.update(compressed)
        size += len(compressed)
        write(compressed)

    threads = _processors() if packing.threads is None else packing.threads
    compressor = Compressor(packing, 1 if packing.codec.name == "none" else threads, emit)
    unhashed: list[Chunk] = []
    try:
        for member in _members(rootfs, mtime, packing.progress):
            compressor.submit(member)
            tar_size += len(member)
            unhashed.append(member)
            if len(unhashed) > threads:  # every thread has its first member before anything else takes time
                inside.update(unhashed.pop(0))
        for rest in unhashed:
            inside.update(rest)
        compressor.finish()
    finally:
        compressor.stop()
    return Packed(f"sha256:{outside.hexdigest()}", size, f"sha256:{inside.hexdigest()}", tar_size)


class _Sha256:
    """A sha256 whose import (of OpenSSL, 4 ms) waits for the first bytes: by then members are being compressed."""

    def __init__(self) -> None:
        self._hash: _Hash | None = None

    def update(self, content: Chunk) -> None:
        if self._hash is None:
            from hashlib import sha256

            self._hash = sha256()
        self._hash.update(content)

    def hexdigest(self) -> str:
        self.update(b"")
        assert self._hash
        return self._hash.hexdigest()


class Compressor:
    """Chunks in, compressed chunks out in the same order to `emit`, which is called by the submitting thread only.

    At most two chunks per thread wait or are worked on: that bounds the memory. With one thread there is none.
    """

    def __init__(self, packing: Packing, threads: int, emit: Callable[[bytes], None]) -> None:
        self._codec, self._cache, self._threads, self._emit = packing.codec, packing.cache, threads, emit
        self._workers: list[Thread] = []
        self._early: dict[int, bytes] = {}
        self._submitted = self._emitted = 0
        self._stopped = False
        if threads > 1:
            from _queue import SimpleQueue

            self._work: SimpleQueue[tuple[int, Chunk] | None] = SimpleQueue()
            self._done: SimpleQueue[tuple[int, bytes | BaseException]] = SimpleQueue()

    def submit(self, chunk: Chunk) -> None:
        """Compress `chunk`, which nobody may change any more. Raises what the codec raised, for any chunk before."""
        if self._threads <= 1:
            self._emit(self._compress(chunk))
            return
        self._work.put((self._submitted, chunk))
        self._submitted += 1
        if len(self._workers) < self._threads:
            from threading import Thread

            self._codec.load()
            self._workers.append(Thread(target=self._run, name="needed-compress", daemon=True))
            self._workers[-1].start()
        while self._submitted - self._emitted > 2 * self._threads or not self._done.empty():
            self._collect()

    def finish(self) -> None:
        """Wait for every chunk."""
        while self._emitted < self._submitted:
            self._collect()

    def stop(self) -> None:
        """End the threads; chunks not begun are dropped."""
        self._stopped = True
        for _ in self._workers:
            self._work.put(None)
        for worker in self._workers:
            worker.join()
        self._workers.clear()

    def _collect(self) -> None:
        number, result = self._done.get()
        if isinstance(result, BaseException):
            raise result
        self._early[number] = result
        while self._emitted in self._early:
            self._emit(self._early.pop(self._emitted))
            self._emitted += 1

    def _compress(self, chunk: Chunk) -> bytes:
        if self._cache is None or self._codec.name == "none":
            return self._codec.compress(chunk)
        return self._cache.compress(self._codec, chunk)

    def _run(self) -> None:
        while (task := self._work.get()) is not None and not self._stopped:
            try:
                self._done.put((task[0], self._compress(task[1])))
            except BaseException as error:
                self._done.put((task[0], error))


def _members(rootfs: Rootfs, mtime: int, progress: Callable[[int, int], None] | None) -> Iterator[bytearray]:
    """The tar, cut. Every cut is at a multiple of 512, so a header or a padding is never divided."""
    total, done = (rootfs.size, 0) if progress else (0, 0)
    buffer = bytearray()
    for path, entry in rootfs.entries.items():
        buffer += _header(path, entry, mtime)
        if isinstance(entry, File):
            content = entry.content.open()
            try:
                _check_size(path, content.size, entry.size)
                offset = 0
                while offset < entry.size:
                    piece = content.read_at(offset, min(MEMBER_MAX - len(buffer), entry.size - offset))
                    if not piece:
                        _check_size(path, offset, entry.size)
                    buffer += piece
                    offset += len(piece)
                    if progress:
                        done += len(piece)
                        progress(done, total)
                    if len(buffer) >= MEMBER_MAX:
                        yield buffer
                        buffer = bytearray()
                content.check_unchanged()
            finally:
                content.close()
            buffer += padding(entry.size)
        if len(buffer) >= MEMBER_MIN:
            yield buffer
            buffer = bytearray()
    yield buffer + END


def _header(path: str, entry: RootfsEntry, mtime: int) -> bytes:
    if "/.wh." in path:
        raise ReadError(
            f"{path}: a layer cannot hold a name that starts with `.wh.`, which means a deletion there",
            hints=["leave the file out, or rename it"],
        )
    name = encode_path(path[1:])
    match entry:
        case File():
            return tar_header(name, FILE, entry.mode, mtime, entry.size)
        case HardLink():
            return tar_header(name, HARD_LINK, entry.mode, mtime, 0, encode_path(entry.target[1:]))
        case Symlink():
            return tar_header(name, SYMLINK, 0o777, mtime, 0, encode_path(entry.target))
        case Directory():
            return tar_header(name + b"/", DIRECTORY, entry.mode, mtime)


def _check_size(path: str, found: int, promised: int) -> None:
    if found != promised:
        raise ReadError(
            f"{path}: changed while it was read: {promised} bytes were expected and {found} found",
            hints=["build again when nothing writes to it"],
        )


def _processors() -> int:
    import os

    return len(os.sched_getaffinity(0))
