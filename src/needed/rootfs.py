"""The sorted tree that ships: entries by path, each with its reasons. Decides modes; opens nothing but symlinked paths."""

from __future__ import annotations

from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from needed.closure import Reason
    from needed.root import OpenFile, Root, RootPath


@value
class FileContent:
    """The bytes of a regular file of a Root, opened when they are wanted."""

    root: Root
    path: RootPath

    def open(self) -> OpenFile:
        return self.root.open(self.path)


@value
class GeneratedContent:
    """Bytes that we made."""

    content: bytes

    def open(self) -> OpenFile:
        from needed.root import MemoryFile

        return MemoryFile(self.content)


@value
class File:
    """`mode` has permission bits only; `size` in bytes is a promise that the layer checks."""

    mode: int
    size: int
    content: FileContent | GeneratedContent


@value
class Symlink:
    """`target` as readlink(2) gives it."""

    target: str


@value
class Directory:
    """`mode` has permission bits and, where asked for by name, the sticky bit."""

    mode: int = 0o755


@value
class Rootfs:
    """Absolute paths (never "/") sorted by their bytes, to what stands there; parents always before their children."""

    entries: dict[str, File | Symlink | Directory]
    reasons: dict[str, tuple[Reason, ...]]

    @property
    def files(self) -> int:
        """The number of regular files."""
        return sum(isinstance(entry, File) for entry in self.entries.values())

    @property
    def size(self) -> int:
        """The bytes of all regular files."""
        return sum(entry.size for entry in self.entries.values() if isinstance(entry, File))
