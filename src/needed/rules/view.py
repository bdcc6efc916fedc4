"""What a rule sees: the root, read within bounds, the closure so far, and what the user chose. Changes nothing.

Paths are path strings inside the root and may cross links. What is not there, or cannot be read, is None or empty: a
rule goes by what is there.
"""

from __future__ import annotations

from needed.errors import ElfError, ReadError
from needed.root import RootPath, join, list_kinds, list_sizes
from needed.rules.table import TABLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import TypeVar

    from needed.closure import Closure, LoadedObject
    from needed.elf import ElfFile
    from needed.root import Found, OpenFile, Walker
    from needed.rules.choices import Choices

    Parsed = TypeVar("Parsed")

MAX_READ = 4 << 20  # bytes of one file that a rule reads
MAX_TREE = 200_000  # paths below one folder
MAX_FOLDERS = 20_000
PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


class View:
    """One for a whole build; `closure` grows from round to round.

    `opens` tells whether dlopen(3) by the object at the first path of the name behind it would succeed.
    """

    def __init__(self, walker: Walker, choices: Choices, closure: Closure, opens: Callable[[str, str], bool]) -> None:
        self.walker, self.choices, self.closure, self.opens = walker, choices, closure, opens

    def is_covered(self, path: str) -> bool:
        """Whether a rule that is on accounts for what the object at `path` opens."""
        name = path.rpartition("/")[2]
        return any(
            rule.covers and name.startswith(rule.covers) and not self.choices.is_off(rule.name) for rule in TABLE
        )

    def find(self, path: str) -> Found | None:
        """Where `path` leads inside the root."""
        try:
            return self.walker.find(path)
        except ReadError:
            return None

    def is_file(self, path: str) -> bool:
        """Whether `path` leads to a regular file."""
        found = self.find(path)
        return found is not None and found.entry.kind == "file"

    def is_folder(self, path: str) -> bool:
        """Whether `path` leads to a directory."""
        found = self.find(path)
        return found is not None and found.entry.kind == "directory"

    def first(self, *paths: str) -> str | None:
        """The first of `paths` where there is something."""
        return next((path for path in paths if self.find(path)), None)

    def read(self, path: str, limit: int = MAX_READ) -> bytes:
        """The file that `path` leads to, at most `limit` bytes of it; nothing if there is none."""
        found = self.find(path)
        if found is None or found.entry.kind != "file":
            return b""
        try:
            file = self.walker.root.open(found.path)
        except ReadError:
            return b""
        try:
            return file.read_at(0, limit)
        except ReadError:
            return b""
        finally:
            file.close()

    def parse(self, path: str, parser: Callable[[OpenFile, ElfFile], Parsed]) -> Parsed | None:
        """What `parser` makes of the object or program of the closure at `path`, None where it refuses the file."""
        listed = (item for item in self.closure.objects if path in (item.path, item.found.path))
        item = next(listed, None)
        if item is None:
            return None
        try:
            file = self.walker.root.open(item.found.path)
        except ReadError:
            return None
        try:
            return parser(file, item.elf)
        except (ElfError, ReadError):
            return None
        finally:
            file.close()

    def text(self, path: str) -> str:
        """The same as text; bytes that are no UTF-8 survive."""
        return self.read(path).decode("utf-8", "surrogateescape")

    def size(self, path: str) -> int:
        """The bytes of the file that `path` leads to, 0 if there is none."""
        found = self.find(path)
        return found.entry.size if found and found.entry.kind == "file" else 0

    def names(self, path: str) -> tuple[str, ...]:
        """The names in the folder that `path` leads to, sorted."""
        return tuple(name for name, _ in self.kinds(path))

    def paths(self, folder: str) -> list[str]:
        """The same as paths."""
        return [join(folder, name) for name in self.names(folder)]

    def kinds(self, path: str) -> list[tuple[str, str]]:
        """The same, each with "file", "directory", "symlink" or "special"."""
        found = self.find(path)
        if found is None or found.entry.kind != "directory":
            return []
        try:
            return list_kinds(self.walker.root, found.path)
        except ReadError:
            return []

    def tree(self, path: str, *, skips: Callable[[str], bool] | None = None) -> Iterator[tuple[str, str]]:
        """Every path below the folder `path`, as (path, kind), parents first; links are not followed.

        What `skips` says true of is left out, a folder with all that is in it. Stops after MAX_TREE paths.
        """
        pending, left, folders = [path], MAX_TREE, MAX_FOLDERS
        while pending and left > 0 and folders > 0:
            folder = pending.pop()
            folders -= 1
            below: list[str] = []
            for name, kind in self.kinds(folder):
                inside = join(folder, name)
                if kind == "special" or (skips is not None and skips(inside)):
                    continue
                left -= 1
                yield inside, kind
                if kind == "directory":
                    below.append(inside)
            pending += below[::-1]

    def bytes_below(self, folders: Iterable[str], left_out: tuple[str, ...]) -> int:
        """The bytes of all files below `folders`; what several links lead to counts once, and none leads to a folder.

        What ends as one of `left_out` is left out. Looks at MAX_FOLDERS folders at most.
        """
        total, seen, linked = 0, set[RootPath](), dict[RootPath, int]()
        found = [self.find(folder) for folder in folders]
        pending = [one.path for one in found if one and one.entry.kind == "directory"]
        while pending and len(seen) < MAX_FOLDERS:
            folder = pending.pop()
            if folder in seen:
                continue
            seen.add(folder)
            try:
                inside = list_sizes(self.walker.root, folder)
            except ReadError:
                continue
            prefix = join(folder, "")
            for name, kind, size in inside:
                path = RootPath(prefix + name)
                if path.endswith(left_out):
                    continue
                if kind == "file":
                    total += size
                elif kind == "directory":
                    pending.append(path)
                elif kind == "symlink" and (target := self.find(path)) and target.entry.kind == "file":
                    linked[target.path] = target.entry.size
        for path, size in linked.items():
            if path.rpartition("/")[0] not in seen or path.endswith(left_out):
                total += size
        return total

    def command(self, name: str) -> str | None:
        """The path of the program that the shells of the root find by this name."""
        for folder in PATH:
            found = self.find(f"{folder}/{name}")
            if found is not None and found.entry.kind == "file" and found.entry.mode & 0o111:
                return f"{folder}/{name}"
        return None

    def libc_folder(self) -> str:
        """The folder of the C library's file, where Debian and Fedora keep what belongs to it ("/usr/lib64")."""
        for item in self.closure.objects:
            if item.path.rpartition("/")[2].startswith(("libc.so.", "libc.musl-")):
                return item.found.path.rpartition("/")[0]
        return "/usr/lib"

    def object(self, prefix: str) -> LoadedObject | None:
        """The first object whose file name begins with `prefix` ("libcrypto.so")."""
        return next((one for one in self.closure.objects if one.path.rpartition("/")[2].startswith(prefix)), None)

    def canonical(self, path: str) -> RootPath | None:
        """The path without links that `path` leads to."""
        found = self.find(path)
        return found.path if found else None
