"""A Rootfs as one layer: a deterministic tar, compressed member by member on all processors, handed on in order.

layer.md of image-spec 1.1.1: relative paths, each once, parents first; no entry for the root itself, whose mode the
engine chooses. The tar is cut after an entry once 256 KiB are together, before the content of a file of that size, and
inside it at 1 MiB; each cut is compressed alone, so the bytes do not depend on the number of threads, and what a large
file becomes not on its neighbours. Does not decide modes: `rootfs` did.

`_thread` and `_queue` are what `threading` and `queue` are made of, and are built into Python.
"""

from __future__ import annotations

from needed.errors import ReadError
from needed.image.codec import Codec
from needed.image.model import sha256
from needed.image.tar import DIRECTORY, END, FILE, HARD_LINK, SYMLINK, padding, tar_header
from needed.root import encode_path
from needed.rootfs import Directory, File, HardLink, Symlink
from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _queue import SimpleQueue
    from collections.abc import Callable, Iterable, Iterator
    from hashlib import _Hash
    from typing import Protocol

    from needed.image.ahead import Ahead
    from needed.rootfs import Rootfs, RootfsEntry

    Chunk = bytes | memoryview
    Compress = Callable[[Chunk], bytes]

    class Cache(Protocol):
        """Remembers what codecs made of members."""

        def layer(self, codec: Codec, paths: Iterable[str], compress: Compress, /) -> Members:
            """What is remembered for a layer that holds `paths`; `compress` does what `codec` would."""

        def remembers(self, codec: Codec, member: Chunk, /) -> bool:
            """Whether what `codec` makes of `member` is remembered. Called by several threads at once."""

        def close(self) -> None:
            """The build is over."""

    class Members(Protocol):
        """Compresses the members of one layer, or remembers them compressed; `prefix` is the sha256 of the tar as far
        as a member's end."""

        def recall(self, prefix: bytes, /) -> bytes | None:
            """The member compressed, if it is remembered by its prefix."""

        def compress(self, member: Chunk, prefix: bytes, /) -> bytes:
            """What the codec makes of `member`. Called by several threads at once."""

        def finish(self) -> None:
            """The layer is whole."""


MEMBER_MIN = 256 << 10
MEMBER_MAX = 1 << 20
SMALL = 16 << 10  # less is compressed sooner than a thread is asked to
PIECE = 128 << 10  # what is read at once: memory of this size is used again, beyond it each page is new


@value
class Packing:
    """How a layer is made. `threads` None is one per usable processor; it changes no byte. `progress` is called with
    the bytes of content read so far and those there are. `cache` may spare the codec work, and what was begun `ahead`
    with the same codec; they change no byte."""

    codec: Codec = Codec()
    threads: int | None = None
    progress: Callable[[int, int], None] | None = None
    cache: Cache | None = None
    ahead: Ahead | None = None


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
    codec, buffers = packing.codec, _Buffers()
    inside, outside = _Sha256(), _Sha256()
    unhashed: list[memoryview] = []
    tar_size = size = 0

    def emit(member: Chunk, compressed: bytes) -> None:
        nonlocal size
        if codec.name != "none":  # else it is the tar
            outside.update(compressed)
        size += len(compressed)
        write(compressed)
        if isinstance(member, memoryview) and not any(member is waiting for waiting in unhashed):
            buffers.give_back(member)

    codec.load()
    threads = 1 if codec.name == "none" else packing.threads or processors()
    compress = packing.ahead.compress if packing.ahead else codec.compress
    if packing.ahead:
        packing.ahead.close()
    members = packing.cache.layer(codec, rootfs.entries, compress) if packing.cache and codec.name != "none" else None
    work = members.compress if members else lambda member, _prefix: compress(member)
    compressor = Compressor(work, threads, emit)
    try:
        for number, member in enumerate(_members(rootfs, mtime, packing.progress, buffers), 1):
            tar_size += len(member)
            unhashed.append(member)
            if threads == 1 or members:
                _hash_all(unhashed, inside)  # once for the diff ID and for the cache
            prefix = inside.digest() if members else b""
            if members and (found := members.recall(prefix)):
                compressor.pass_on(member, found)
            else:
                compressor.submit(member, prefix)
            if number >= threads:  # each thread has its first member before anything else takes time
                _hash_all(unhashed, inside)
        _hash_all(unhashed, inside)
        compressor.finish()
    finally:
        compressor.stop()
    if members:
        members.finish()
    diff_id = f"sha256:{inside.hexdigest()}"
    return Packed(diff_id if codec.name == "none" else f"sha256:{outside.hexdigest()}", size, diff_id, tar_size)


def _hash_all(waiting: list[memoryview], inside: _Sha256) -> None:
    for member in waiting:
        inside.update(member)
    waiting.clear()


class _Buffers:
    """The memory of members, used again: a page of new memory costs more time than hashing what is put there."""

    def __init__(self) -> None:
        self._free: list[bytearray] = []

    def take(self) -> bytearray:
        """Bytes of any length and content, to write over."""
        return self._free.pop() if self._free else bytearray()

    def give_back(self, member: memoryview) -> None:
        """Nobody looks at `member` any more, a view of what was taken."""
        buffer = member.obj
        assert isinstance(buffer, bytearray)
        member.release()
        self._free.append(buffer)


class _Sha256:
    """A sha256 whose import (of OpenSSL, 4 ms) waits for the first bytes: by then members are being compressed."""

    def __init__(self) -> None:
        self._hash: _Hash | None = None

    def update(self, content: Chunk) -> None:
        if self._hash is None:
            self._hash = sha256()
        self._hash.update(content)

    def digest(self) -> bytes:
        """Of what came so far."""
        self.update(b"")
        assert self._hash
        return self._hash.digest()

    def hexdigest(self) -> str:
        return self.digest().hex()


class Compressor:
    """Chunks in; in the same order each with what became of it to `emit`, which only the submitting thread calls.

    At most two chunks per thread (of few threads eight in all) wait or are worked on: that bounds the memory. With one
    thread there is none.
    """

    def __init__(
        self, compress: Callable[[Chunk, bytes], bytes], threads: int, emit: Callable[[Chunk, bytes], None]
    ) -> None:
        self._compress, self._threads, self._emit = compress, threads, emit
        self._most = max(2 * threads, 8)
        self._workers = 0
        self._early: dict[int, tuple[Chunk, bytes]] = {}
        self._submitted = self._emitted = 0
        self._stopped = False
        self._work: SimpleQueue[tuple[int, Chunk, bytes] | None]
        self._done: SimpleQueue[tuple[int, Chunk, bytes | BaseException]]
        self._begun: SimpleQueue[None]
        self._ended: SimpleQueue[None]

    def submit(self, chunk: Chunk, prefix: bytes = b"") -> None:
        """Compress `chunk`, which nobody may change any more. Raises what `compress` raised, for any chunk before."""
        if self._threads <= 1 or len(chunk) < SMALL:
            self.pass_on(chunk, self._compress(chunk, prefix))
            return
        if not self._workers:
            from _queue import SimpleQueue

            self._work, self._done = SimpleQueue(), SimpleQueue()
            self._begun, self._ended = SimpleQueue(), SimpleQueue()
        self._work.put((self._submitted, chunk, prefix))
        self._submitted += 1
        if self._workers < self._threads and not self._start_worker():
            self._threads = self._workers
            if not self._workers:
                self._work.get()
                self._submitted -= 1
                self.pass_on(chunk, self._compress(chunk, prefix))
        self._collect_some()

    def pass_on(self, chunk: Chunk, compressed: bytes) -> None:
        """`chunk` is compressed already; it waits for its turn only."""
        self._early[self._submitted] = chunk, compressed
        self._submitted += 1
        self._emit_next()
        if self._workers:
            self._collect_some()

    def finish(self) -> None:
        """Wait for every chunk."""
        while self._emitted < self._submitted:
            self._collect()

    def stop(self) -> None:
        """End the threads; chunks not begun are dropped."""
        self._stopped = True
        for _ in range(self._workers):
            self._work.put(None)
        while self._workers:
            self._ended.get()
            self._workers -= 1

    def _collect_some(self) -> None:
        while self._submitted - self._emitted > self._most or not self._done.empty():
            self._collect()

    def _collect(self) -> None:
        number, chunk, result = self._done.get()
        if isinstance(result, BaseException):
            raise result
        self._early[number] = chunk, result
        self._emit_next()

    def _emit_next(self) -> None:
        while self._emitted in self._early:
            self._emit(*self._early.pop(self._emitted))
            self._emitted += 1

    def _start_worker(self) -> bool:
        """Whether there is one more thread: the user may not have any (RLIMIT_NPROC, a control group)."""
        from _thread import start_new_thread

        try:
            start_new_thread(self._run, ())
        except RuntimeError:
            return False
        self._workers += 1
        # Until the codec works, which it does without Python's lock: else the next import here would make it wait.
        self._begun.get()
        return True

    def _run(self) -> None:
        self._begun.put(None)
        try:
            while (task := self._work.get()) is not None and not self._stopped:
                number, chunk, prefix = task
                try:
                    self._done.put((number, chunk, self._compress(chunk, prefix)))
                except BaseException as error:
                    self._done.put((number, chunk, error))
        finally:
            self._ended.put(None)


def _members(
    rootfs: Rootfs, mtime: int, progress: Callable[[int, int], None] | None, buffers: _Buffers
) -> Iterator[memoryview]:
    """The tar, cut. Every cut is at a multiple of 512, so a header or a padding is never divided."""
    total, done = (rootfs.size, 0) if progress else (0, 0)
    buffer, used = buffers.take(), 0
    for path, entry in rootfs.entries.items():
        used = _put(buffer, used, _header(path, entry, mtime))
        if isinstance(entry, File):
            if entry.size >= MEMBER_MIN:
                yield memoryview(buffer)[:used]
                buffer, used = buffers.take(), 0
            content = entry.content.open()
            try:
                _check_size(path, content.size, entry.size)
                offset = 0
                while offset < entry.size:
                    piece = content.read_at(offset, min(PIECE, MEMBER_MAX - used, entry.size - offset))
                    if not piece:
                        _check_size(path, offset, entry.size)
                    used = _put(buffer, used, piece)
                    offset += len(piece)
                    if progress:
                        done += len(piece)
                        progress(done, total)
                    if used >= MEMBER_MAX:
                        yield memoryview(buffer)[:used]
                        buffer, used = buffers.take(), 0
                content.check_unchanged()
            finally:
                content.close()
            used = _put(buffer, used, padding(entry.size))
        if used >= MEMBER_MIN:
            yield memoryview(buffer)[:used]
            buffer, used = buffers.take(), 0
    used = _put(buffer, used, END)
    yield memoryview(buffer)[:used]


def _put(buffer: bytearray, used: int, piece: bytes) -> int:
    """`piece` in `buffer`, which grows where that is too short; where the next one goes."""
    end = used + len(piece)
    buffer[used:end] = piece
    return end


def _header(path: str, entry: RootfsEntry, mtime: int) -> bytes:
    if "/.wh." in path:
        raise ReadError(
            f"{path}: a layer cannot hold a name that starts with `.wh.`, which means a deletion there",
            hints=["leave the file out, or rename it"],
        )
    name = encode_path(path[1:])
    match entry:
        case File():
            return tar_header(name, FILE, entry.mode, mtime, entry.size, owner=entry.owner)
        case HardLink():
            return tar_header(name, HARD_LINK, entry.mode, mtime, 0, encode_path(entry.target[1:]))
        case Symlink():
            return tar_header(name, SYMLINK, 0o777, mtime, 0, encode_path(entry.target))
        case Directory():
            return tar_header(name + b"/", DIRECTORY, entry.mode, mtime, owner=entry.owner)


def _check_size(path: str, found: int, promised: int) -> None:
    if found != promised:
        raise ReadError(
            f"{path}: changed while it was read: {promised} bytes were expected and {found} found",
            hints=["build again when nothing writes to it"],
        )


def processors() -> int:
    """How many this process may use."""
    import os

    return len(os.sched_getaffinity(0))
