"""A tree of files seen as `/`: what stands at a path, where symlinks lead, and the bytes of a file.

A `RootPath` is absolute inside the Root, in text (bytes that are no UTF-8 as surrogates, PEP 383, whatever the locale).
Links are followed inside the Root as the kernel does after chroot(2): an absolute target starts at the Root, `..` stops
there. A DirectoryRoot walks by directory descriptors and opens nothing through a link, so no tree, and nobody who
changes it meanwhile, leads a read outside. Knows nothing of ELF.
"""

from __future__ import annotations

import errno
import os
import stat

from needed.errors import ReadError
from needed.value import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import NewType, Protocol, TypeVar

    RootPath = NewType("RootPath", str)
    Seen = TypeVar("Seen")

    class OpenFile(Protocol):
        """A file of a Root, open for reading in pieces."""

        @property
        def size(self) -> int:
            """The length in bytes."""

        def read_at(self, offset: int, size: int) -> bytes:
            """At most `size` bytes from `offset`; fewer at the end, none beyond it."""

        def close(self) -> None:
            """Give the descriptor back."""

        def check_unchanged(self) -> None:
            """Raise ReadError if the file has changed since it was opened."""

    class Root(Protocol):
        """Where a path's parents hold no symlink, these three are all that an implementation must answer."""

        def entry(self, path: RootPath) -> Entry | None:
            """What stands at `path` itself (as lstat(2) sees it), or None. Raises ReadError on no permission."""

        def names(self, path: RootPath) -> tuple[str, ...]:
            """The names in the directory `path`, sorted by their bytes."""

        def open(self, path: RootPath) -> OpenFile:
            """The regular file at `path`. Raises ReadError."""

else:
    RootPath = str

MAX_HOPS = 40  # MAXSYMLINKS of Linux
MAX_OPEN = 64  # directories that a DirectoryRoot keeps open


@value
class Entry:
    """What stands at a path. `kind` is "file", "directory", "symlink" or "special"; `mode` the permission bits with
    setuid, setgid and sticky; `size` in bytes; `identity` equal for two names of one file (device and inode);
    `modified` the time of the last write in nanoseconds, to tell whether a file is still the one that was looked at;
    `owner` the numbers of its user and group."""

    kind: str
    mode: int
    size: int = 0
    target: str = ""
    identity: tuple[int, int] = (0, 0)
    modified: int = 0
    owner: tuple[int, int] = (0, 0)


@value
class Found:
    """The end of a walk: the canonical path without any link, what stands there, and the links crossed, in order."""

    path: RootPath
    entry: Entry
    links: tuple[RootPath, ...]


def encode_path(path: str) -> bytes:
    """The bytes that the kernel is given for `path`."""
    return path.encode("utf-8", "surrogateescape")


def join(directory: str, name: str) -> RootPath:
    """`name` in `directory`, without a doubled slash."""
    return RootPath(f"{directory}/{name}" if directory != "/" else f"/{name}")


class Walker:
    """Follows symlinks inside one Root, remembering what it saw. One per resolution: it does not see later changes."""

    def __init__(self, root: Root) -> None:
        self.root = root
        self._directories: dict[str, Found | None] = {}
        self._entries: dict[RootPath, Entry | None] = {}
        self._hops_exceeded = False

    def find(self, path: str) -> Found | None:
        """Where `path` leads, or None if there is nothing (a dangling link and a loop included)."""
        directory, _, name = path.rpartition("/")
        if directory not in self._directories:
            self._directories[directory] = self._walk("/", (), directory.split("/"))
        above = self._directories[directory]
        if above is None or above.entry.kind != "directory":
            return None
        return self._walk(above.path, above.links, [name])

    def is_loop(self, path: str) -> bool:
        """Whether `path`, which leads nowhere, crosses more than MAX_HOPS links (ELOOP instead of ENOENT)."""
        self._hops_exceeded = False
        self._walk("/", (), path.split("/"))
        return self._hops_exceeded

    def entry(self, path: RootPath) -> Entry | None:
        """What stands at `path`, whose parents hold no link; asked of the Root once."""
        if path not in self._entries:
            self._entries[path] = self.root.entry(path)
        return self._entries[path]

    def _walk(self, start: str, crossed: tuple[RootPath, ...], names: list[str]) -> Found | None:
        """path_resolution(7), with a stack of names instead of recursion: a path may have 2,000 parts."""
        at, links, ahead = RootPath(start), list(crossed), names[::-1]
        while ahead:
            name = ahead.pop()
            if name in ("", "."):
                continue
            if name == "..":
                at = RootPath(at.rpartition("/")[0] or "/")
                continue
            step = join(at, name)
            entry = self.entry(step)
            if entry is None:
                return None
            if entry.kind == "directory":
                at = step
            elif entry.kind == "symlink":
                if len(links) == MAX_HOPS or not entry.target:
                    self._hops_exceeded = len(links) == MAX_HOPS
                    return None
                links.append(step)
                ahead += entry.target.split("/")[::-1]
                if entry.target.startswith("/"):
                    at = RootPath("/")
            else:  # anything behind it, a slash too, asks for a directory
                return None if ahead else Found(step, entry, tuple(links))
        entry = self.entry(at)
        return Found(at, entry, tuple(links)) if entry else None


def list_kinds(root: Root, path: RootPath) -> list[tuple[str, str]]:
    """The names in the directory `path`, each with its Entry's kind, sorted by their bytes. Raises ReadError."""
    if isinstance(root, DirectoryRoot):
        return root.kinds(path)
    entries = ((name, root.entry(join(path, name))) for name in root.names(path))
    return [(name, entry.kind) for name, entry in entries if entry is not None]


def list_sizes(root: Root, path: RootPath) -> list[tuple[str, str, int]]:
    """The names in the directory `path`, each with its Entry's kind and a file's size, in no order. Raises ReadError.

    For sums over thousands of files: of the machine's own an Entry each costs several times as much.
    """
    if isinstance(root, DirectoryRoot):
        return root.sizes(path)
    entries = ((name, root.entry(join(path, name))) for name in root.names(path))
    return [(name, entry.kind, entry.size) for name, entry in entries if entry is not None]


def read_head(root: Root, path: RootPath, size: int) -> bytes:
    """At most `size` bytes from the start of the regular file at `path`. Raises ReadError."""
    if isinstance(root, DirectoryRoot):
        return root.head(path, size)
    file = root.open(path)
    try:
        return file.read_at(0, size)
    finally:
        file.close()


_KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "symlink"}
# O_NONBLOCK: a fifo that took a file's place must not block us.
_READING = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def _kind_of(item: os.DirEntry[str]) -> str:
    if item.is_file(follow_symlinks=False):
        return "file"
    if item.is_dir(follow_symlinks=False):
        return "directory"
    return "symlink" if item.is_symlink() else "special"


def _text(name: str) -> str:
    """A name of the machine as a name of a Root, whatever the locale's encoding."""
    return name if name.isascii() else os.fsencode(name).decode("utf-8", "surrogateescape")


class DirectoryRoot:
    """A directory of this machine as a Root."""

    def __init__(self, path: str | os.PathLike[str] = "/") -> None:
        self.path = os.fspath(path)
        try:
            self._top = os.open(self.path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise ReadError(
                f"{self.path}: cannot be the root: {error.strerror}", hints=["name a directory that is there"]
            ) from None
        self._open: dict[str, int] = {}

    def __del__(self) -> None:
        for descriptor in (*getattr(self, "_open", {}).values(), getattr(self, "_top", -1)):
            if descriptor >= 0:
                os.close(descriptor)

    def entry(self, path: RootPath) -> Entry | None:
        try:
            if path == "/":
                status = os.fstat(self._top)
                owner = (status.st_uid, status.st_gid)
                return Entry("directory", stat.S_IMODE(status.st_mode), 0, "", (status.st_dev, status.st_ino), 0, owner)
            directory, _, name = path.rpartition("/")
            parent, raw = self._parent(directory), encode_path(name)
            status = os.stat(raw, dir_fd=parent, follow_symlinks=False)
            kind = _KINDS.get(stat.S_IFMT(status.st_mode), "special")
            target = os.readlink(raw, dir_fd=parent).decode("utf-8", "surrogateescape") if kind == "symlink" else ""
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG):
                return None
            raise _unreadable(path, error) from None
        size, modified = (status.st_size, status.st_mtime_ns) if kind == "file" else (0, 0)
        identity, owner = (status.st_dev, status.st_ino), (status.st_uid, status.st_gid)
        return Entry(kind, stat.S_IMODE(status.st_mode), size, target, identity, modified, owner)

    def names(self, path: RootPath) -> tuple[str, ...]:
        try:
            descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self._parent(path))
            try:
                found = [os.fsencode(name) for name in os.listdir(descriptor)]
            finally:
                os.close(descriptor)
        except OSError as error:
            raise _unreadable(path, error) from None
        return tuple(name.decode("utf-8", "surrogateescape") for name in sorted(found))

    def open(self, path: RootPath) -> OpenFile:
        directory, _, name = path.rpartition("/")
        try:
            return HostFile(path, os.open(encode_path(name), _READING, dir_fd=self._parent(directory)))
        except OSError as error:
            raise _unreadable(path, error) from None

    def kinds(self, path: RootPath) -> list[tuple[str, str]]:
        """See `list_kinds`. What readdir(3) tells is enough: nothing in the directory is looked at."""
        found = self._scan(path, lambda items: [(os.fsencode(item.name), _kind_of(item)) for item in items])
        return [(name.decode("utf-8", "surrogateescape"), kind) for name, kind in sorted(found)]

    def sizes(self, path: RootPath) -> list[tuple[str, str, int]]:
        """See `list_sizes`. Only files are looked at."""

        def look(items: Iterator[os.DirEntry[str]]) -> Iterator[tuple[str, str, int]]:
            for item in items:
                if item.is_file(follow_symlinks=False):
                    yield _text(item.name), "file", item.stat(follow_symlinks=False).st_size
                else:
                    yield _text(item.name), _kind_of(item), 0

        return self._scan(path, look)

    def _scan(self, path: RootPath, look: Callable[[Iterator[os.DirEntry[str]]], Iterable[Seen]]) -> list[Seen]:
        directory, _, name = path.rpartition("/")
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            descriptor = os.open(encode_path(name) or ".", flags, dir_fd=self._parent(directory))
            try:
                with os.scandir(descriptor) as items:
                    return [*look(items)]
            finally:
                os.close(descriptor)
        except OSError as error:
            raise _unreadable(path, error) from None

    def head(self, path: RootPath, size: int) -> bytes:
        """See `read_head`."""
        directory, _, name = path.rpartition("/")
        try:
            descriptor = os.open(encode_path(name), _READING, dir_fd=self._parent(directory))
            try:
                return os.read(descriptor, size)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise _unreadable(path, error) from None

    def _parent(self, path: str) -> int:
        """A descriptor of the directory `path`, whose parents hold no link. MAX_OPEN are kept."""
        if path in ("", "/"):
            return self._top
        if path in self._open:
            return self._open[path]
        flags = os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC
        at, names = path, []
        while at and at not in self._open:
            at, _, name = at.rpartition("/")
            names.append(name)
        descriptor = self._open[at] if at else self._top
        for name in reversed(names):  # no recursion: a tree may be thousands of folders deep
            descriptor = os.open(encode_path(name), flags, dir_fd=descriptor)
            if len(self._open) >= MAX_OPEN:
                os.close(self._open.pop(next(iter(self._open))))
            at = f"{at}/{name}"
            self._open[at] = descriptor
        return descriptor


class HostFile:
    """A regular file by its descriptor, which it owns, read with pread(2). Raises ReadError if it is not regular."""

    def __init__(self, path: str, descriptor: int) -> None:
        self._path, self._descriptor = path, descriptor
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            self.close()
            raise ReadError(f"{path}: not a regular file")
        self.size = status.st_size
        self._stamp = (status.st_size, status.st_mtime_ns, status.st_ctime_ns)

    def __del__(self) -> None:
        self.close()

    def read_at(self, offset: int, size: int) -> bytes:
        try:
            # Not `size` alone, which may be a bound: pread is given that much memory, whatever the file has.
            return os.pread(self._descriptor, min(size, self.size - offset), offset) if 0 <= offset < self.size else b""
        except OSError as error:
            raise _unreadable(self._path, error) from None

    def check_unchanged(self) -> None:
        status = os.fstat(self._descriptor)
        # Replacing one of a file's links moves its ctime and not its content: size and mtime are what a writer moves.
        if (status.st_size, status.st_mtime_ns) != self._stamp[:2]:
            raise ReadError(f"{self._path}: changed while it was read", hints=["build again when nothing writes to it"])

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class MemoryRoot:
    """A Root in memory: path to bytes (a file, mode 0755) or to "-> TARGET" text (a symlink); parents are implied."""

    def __init__(self, tree: Mapping[str, bytes | str]) -> None:
        self._content = {path: item for path, item in tree.items() if isinstance(item, bytes)}
        self._entries: dict[str, Entry] = {"/": Entry("directory", 0o755, identity=(1, 1))}
        for number, (path, item) in enumerate(tree.items(), 2):
            if isinstance(item, bytes):
                self._entries[path] = Entry("file", 0o755, len(item), "", (1, number))
            else:
                self._entries[path] = Entry("symlink", 0o777, 0, item.removeprefix("-> "), (1, number))
            above = path.rpartition("/")[0]
            while above and above not in self._entries:
                self._entries[above] = Entry("directory", 0o755, identity=(2, len(self._entries)))
                above = above.rpartition("/")[0]

    def entry(self, path: RootPath) -> Entry | None:
        return self._entries.get(path)

    def names(self, path: RootPath) -> tuple[str, ...]:
        inside = path.rstrip("/") + "/"
        found = {name[len(inside) :] for name in self._entries if name.startswith(inside) and name != inside}
        return tuple(sorted((name for name in found if "/" not in name), key=encode_path))

    def open(self, path: RootPath) -> OpenFile:
        if path not in self._content:
            raise ReadError(f"{path}: no such file")
        return MemoryFile(self._content[path])


class OverlayRoot:
    """A Root with some files of other Roots laid over it, by paths whose parents hold no link; folders are implied."""

    def __init__(self, below: Root, files: Mapping[RootPath, tuple[Root, Found]]) -> None:
        self._below, self._files = below, dict(files)
        self._folders: dict[str, set[str]] = {}
        for path in files:
            above, _, name = path.rpartition("/")
            while name:
                self._folders.setdefault(above or "/", set()).add(name)
                above, _, name = above.rpartition("/")
        self._numbers = {path: number for number, path in enumerate(self._folders)}

    def entry(self, path: RootPath) -> Entry | None:
        if path in self._files:
            entry = self._files[path][1].entry
            # Another device than any below, so that no inode over there is taken for the same file.
            device, inode = entry.identity
            return replace(entry, identity=(-2 - device, inode))
        present = self._below.entry(path)
        if path in self._folders and (present is None or present.kind != "directory"):
            return Entry("directory", 0o755, identity=(-1, self._numbers[path]))
        return present

    def names(self, path: RootPath) -> tuple[str, ...]:
        present = self._below.entry(path)
        below = set(self._below.names(path)) if present is not None and present.kind == "directory" else set()
        return tuple(sorted(below | self._folders.get(path, set()), key=encode_path))

    def open(self, path: RootPath) -> OpenFile:
        if path in self._files:
            root, found = self._files[path]
            return root.open(found.path)
        return self._below.open(path)


class MemoryFile:
    """An OpenFile over bytes."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.size = len(content)

    def read_at(self, offset: int, size: int) -> bytes:
        return self._content[offset : offset + size]

    def check_unchanged(self) -> None:
        """Bytes do not change."""

    def close(self) -> None:
        """Nothing is held."""


def _unreadable(path: str, error: OSError) -> ReadError:
    hints = ["run as a user who may read it"] if error.errno == errno.EACCES else []
    return ReadError(f"{path}: cannot be read: {error.strerror}", hints=hints)
