"""Large files compressed while it is worked out what else ships: planning keeps one processor busy, packing all.

What is handed over is compared with what the layer holds, byte by byte, so it changes no byte and spares time only. A
large file is what may be compressed so, for its content is cut without regard to what stands before it (`layer`).
"""

from __future__ import annotations

from itertools import islice

from needed.errors import ReadError
from needed.image.codec import Codec
from needed.image.layer import MEMBER_MAX, MEMBER_MIN, processors
from needed.image.tar import padding
from needed.root import DirectoryRoot, encode_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _queue import SimpleQueue
    from _thread import LockType
    from collections.abc import Iterable, Iterator

    from needed.image.layer import Cache, Chunk
    from needed.root import Found, OpenFile, Root, RootPath

MAX_MEMBERS = 8  # that are kept in memory until the layer comes to them
MAX_THREADS = 3
SAMPLE = 128  # bytes at each end of a member, by which it is found


class Ahead:
    """Members made by `codec` before the layer is begun. What a `cache` remembers is not made, nor what comes after it:
    most likely the whole layer was made before.

    `threads` None is one for each usable processor but one: with a single processor nothing is done ahead.
    """

    def __init__(self, codec: Codec, cache: Cache | None = None, threads: int | None = None) -> None:
        self._codec, self._cache = codec, cache
        self._threads = min(processors() - 1, MAX_THREADS) if threads is None else threads
        self._made: dict[tuple[int, bytes, bytes], _Member] = {}
        self._running = 0
        self._stopped = False
        self._work: SimpleQueue[tuple[OpenFile, int, int] | None]
        self._ended: SimpleQueue[None]

    def expect(self, root: Root, files: Iterable[Found]) -> None:
        """Begin with the large ones of `files`, in the order of the layer. Does not wait. A Root that is no directory
        of this machine is not read from two threads at once: nothing happens then."""
        if self._threads < 1 or self._codec.name == "none" or not isinstance(root, DirectoryRoot):
            return
        large = {one.path for one in files if one.entry.size >= MEMBER_MIN}
        pieces = [*islice(_pieces(root, sorted(large, key=encode_path)), MAX_MEMBERS)]
        if not pieces:
            return
        from _queue import SimpleQueue
        from _thread import start_new_thread

        self._codec.load()
        self._work, self._ended = SimpleQueue(), SimpleQueue()
        for piece in (*pieces, *[None] * self._threads):
            self._work.put(piece)
        for _ in range(self._threads):
            try:
                start_new_thread(self._run, ())
            except RuntimeError:  # there may be no more of them (RLIMIT_NPROC)
                return
            self._running += 1

    def compress(self, member: Chunk) -> bytes:
        """What the codec makes of `member`: made ahead, being made, which is waited for, or made now. Called by several
        threads at once."""
        made = self._made.pop(_key(member), None)
        if made is None or bytes(member) != made.content:
            return self._codec.compress(member)
        return made.wait() or self._codec.compress(member)

    def close(self) -> None:
        """Begin nothing more: whoever has all processors now would come to it sooner."""
        self._stopped = True

    def stop(self) -> None:
        """The same, and wait for the threads."""
        self.close()
        while self._running:
            self._ended.get()
            self._running -= 1

    def _run(self) -> None:
        try:
            while (piece := self._work.get()) is not None and not self._stopped:
                self._make(*piece)
        finally:
            self._ended.put(None)

    def _make(self, file: OpenFile, offset: int, size: int) -> None:
        try:
            content = file.read_at(offset, size)
        except ReadError:  # told by who has to read it
            return
        if offset + size == file.size:
            content += padding(size)
        if self._cache and self._cache.remembers(self._codec, content):
            self.close()
            return
        made = self._made[_key(content)] = _Member(content)
        made.make(self._codec)


class _Member:
    """A member and what it becomes."""

    def __init__(self, content: bytes) -> None:
        from _thread import allocate_lock

        self.content = content
        self._compressed = b""
        self._busy: LockType = allocate_lock()
        self._busy.acquire()

    def make(self, codec: Codec) -> None:
        """Once."""
        try:
            self._compressed = codec.compress(self.content)
        except Exception:  # noqa: S110  (who needs it will meet the same, and tells)
            pass
        finally:
            self._busy.release()

    def wait(self) -> bytes:
        """What it became, b"" if that failed."""
        with self._busy:
            return self._compressed


def _pieces(root: DirectoryRoot, paths: Iterable[RootPath]) -> Iterator[tuple[OpenFile, int, int]]:
    """Where members that hold content alone begin in each file, and their sizes."""
    for path in paths:
        try:
            file = root.open(path)
        except ReadError:
            continue
        for offset in range(0, file.size, MEMBER_MAX):
            size = min(MEMBER_MAX, file.size - offset)
            if size == MEMBER_MAX or size + len(padding(file.size)) >= MEMBER_MIN:
                yield file, offset, size


def _key(member: Chunk) -> tuple[int, bytes, bytes]:
    return len(member), bytes(member[:SAMPLE]), bytes(member[-SAMPLE:])
