"""The sorted tree that ships: entries by path, each with its reasons. Decides modes; reads no file's content."""

from __future__ import annotations

from needed.closure import Reason
from needed.errors import ReadError, SourceError, UsageError
from needed.loader.cache import CacheEntry, render_cache
from needed.root import MemoryFile, Walker, encode_path, join
from needed.rules.finding import ROOT_OWNER, Link, Make, Take
from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from needed.closure import CachedPath, Closure, LoadList
    from needed.elf import Machine
    from needed.root import Entry, Found, OpenFile, Root, RootPath


@value
class FileContent:
    """The bytes of a regular file of a Root, opened when they are wanted; `entry` is what stood there when it was
    resolved, None not to look."""

    root: Root
    path: RootPath
    entry: Entry | None = None

    def open(self) -> OpenFile:
        """Raises ReadError if it is not the file that was resolved any more."""
        file = self.root.open(self.path)
        if self.entry is not None and self.root.entry(self.path) != self.entry:
            file.close()
            hint = "build again when nothing writes to it"
            raise ReadError(f"{self.path}: changed since it was resolved", hints=[hint])
        return file


@value
class GeneratedContent:
    """Bytes that we made."""

    content: bytes

    def open(self) -> OpenFile:
        return MemoryFile(self.content)


@value
class File:
    """`mode` has permission bits only; `size` in bytes is a promise that the layer checks; `owner` is numeric user and
    group."""

    mode: int
    size: int
    content: FileContent | GeneratedContent
    owner: tuple[int, int] = ROOT_OWNER


@value
class Symlink:
    """`target` as readlink(2) gives it."""

    target: str


@value
class HardLink:
    """A further name of the file at `target`, a path of the Rootfs that stands before it; `mode` is that file's."""

    target: str
    mode: int


@value
class Directory:
    """`mode` has permission bits and, where asked for by name, the sticky bit; `owner` is numeric user and group."""

    mode: int = 0o755
    owner: tuple[int, int] = ROOT_OWNER


@value
class Rootfs:
    """Absolute paths (never "/") to what stands there, in byte order, so that parents stand before their children."""

    entries: dict[str, RootfsEntry]
    reasons: dict[str, tuple[Reason, ...]]

    @property
    def files(self) -> int:
        """The number of regular files."""
        return sum(isinstance(entry, File) for entry in self.entries.values())

    @property
    def size(self) -> int:
        """The bytes of all regular files."""
        return sum(entry.size for entry in self.entries.values() if isinstance(entry, File))


RootfsEntry = File | HardLink | Symlink | Directory


@value
class Addition:
    """A file or folder asked for by name: `source` inside the root, `destination` inside the image."""

    source: str
    destination: str


def assemble(
    root: Root, closure: Closure, additions: Iterable[Addition] = (), placed: Iterable[Take | Make | Link] = ()
) -> Rootfs:
    """The tree that makes every path string of the closure work, with what rules `placed` and with the additions, which
    go before what a rule made. Raises SourceError, UsageError.

    Files of the closure get mode 0755 if anybody may execute them, else 0644: the image's user is nobody's owner.
    Additions keep their permission bits. Setuid, setgid and sticky bits of files are dropped.
    """
    tree = _Tree(root)
    for script in closure.scripts:
        tree.place(script.path, script.found, script.reason)
    for program in closure.programs:
        tree.place(program.path, program.program.found, program.reason)
        if program.interpreter:
            tree.place(program.interpreter.path, program.interpreter.found, Reason("interpreter of", program.path))
        tree.place_objects(program)
        for path, found in program.configuration:
            tree.place(path, found, Reason("read by", program.interpreter.path if program.interpreter else ""))
    for opened in closure.opened:
        tree.place(opened.added.path, opened.added.program.found, opened.added.reason)
        tree.place_objects(opened.added)
    tree.place_cache(closure)
    for addition in additions:
        tree.add(addition)
    tree.yields = True
    for item in sorted(placed, key=lambda one: not isinstance(one, Make)):  # what is made goes before what is there
        tree.put_finding(item)
    return tree.rootfs()


def _askers(program: LoadList) -> dict[str, list[str]]:
    """Who asks for each path string, the first first; an alias is what was opened, not what it turned out to be."""
    found: dict[str, dict[str, None]] = {}
    for need in program.needs:
        path = need.attempts[-1].path if need.attempts else need.path
        if need.path is not None and path is not None:
            found.setdefault(path, {}).setdefault(need.needed_by)
    return {path: list(askers) for path, askers in found.items()}


class _Tree:
    """The tree while it grows; paths in it hold no link in their parents."""

    def __init__(self, root: Root) -> None:
        self.root, self.walker = root, Walker(root)
        self.yields = False  # whether what stands in a place stays there, where another kind of thing is to be put
        self.entries: dict[str, RootfsEntry] = {}
        self.reasons: dict[str, list[Reason]] = {}

    def place(self, path: str, found: Found, reason: Reason) -> None:
        """A file of the closure under its path string: the file, every link crossed, every directory passed by `..`."""
        mode = 0o755 if found.entry.mode & 0o111 else 0o644
        self.put(found.path, File(mode, found.entry.size, FileContent(self.root, found.path, found.entry)), reason)
        self.link(path, found)

    def place_objects(self, listed: LoadList) -> None:
        """What the first object of `listed` brings with it, each for who asks for it."""
        askers = _askers(listed)
        for item in (*listed.objects[1:], *listed.aliases):
            if item is not listed.interpreter:
                for asker in askers.get(item.path, [listed.path]):
                    self.place(item.path, item.found, Reason("needed by", asker))

    def put_finding(self, item: Take | Make | Link) -> None:
        """What a rule found; what stands there already, an object of the closure, stays."""
        match item:
            case Take():
                self.take(item)
            case Link():
                self.put(self.destination(item.path), Symlink(item.target), item.reason)
            case Make(content=None):
                self.put(self.folder(item.path), Directory(item.mode & 0o1777, item.owner), item.reason)
            case Make():
                content = item.content or b""
                file = File(item.mode & 0o777, len(content), GeneratedContent(content), item.owner)
                self.put(self.destination(item.path), file, item.reason)

    def folder(self, path: str) -> str:
        """Where a folder that is made stands: where `path` leads to one, else at its `destination`."""
        found = self.walker.find(path)
        if found is None or found.entry.kind != "directory" or found.path == "/":
            return self.destination(path)
        self.link(path, found)
        return found.path

    def take(self, item: Take) -> None:
        """A file, a folder without what is in it, or a link with what it leads to; a link that dangles stays one."""
        found = self.walker.find(item.path)
        if found is None:
            folder, _, name = item.path.rpartition("/")
            above = self.walker.find(folder or "/")
            place = join(above.path, name) if above else None
            entry = self.walker.entry(place) if place else None
            if place and entry and entry.kind == "symlink":
                self.put(place, Symlink(entry.target), item.reason)
            return
        if found.entry.kind == "file":
            mode = 0o755 if found.entry.mode & 0o111 else 0o644
            mode = mode if item.mode is None else item.mode & 0o777
            content = FileContent(self.root, found.path, found.entry)
            self.put(found.path, File(mode, found.entry.size, content, item.owner), item.reason)
        elif found.entry.kind == "directory" and found.path != "/":
            self.put(found.path, Directory(found.entry.mode & 0o1777, item.owner), item.reason)
        self.link(item.path, found)

    def link(self, path: str, found: Found) -> None:
        for link in found.links:
            entry = self.walker.entry(link)
            target = entry.target if entry else ""
            self.put(link, Symlink(target), Reason("symlink to", found.path))
            self.pass_by(target if target.startswith("/") else f"{link.rpartition('/')[0]}/{target}")
        self.pass_by(path)

    def pass_by(self, path: str) -> None:
        """`a/../b` needs the directory `a`, though nothing may be in it."""
        parts = path.split("/")
        for number, part in enumerate(parts):
            if part == ".." and (found := self.walker.find("/".join(parts[:number]) or "/")) and found.path != "/":
                if found.path not in self.entries:
                    self.put(found.path, Directory(), Reason("symlink to", path))
                for link in found.links:
                    if link not in self.entries:
                        entry = self.walker.entry(link)
                        self.put(link, Symlink(entry.target if entry else ""), Reason("symlink to", found.path))

    def place_cache(self, closure: Closure) -> None:
        """An `ld.so.cache` with the libraries that only the root's cache leads to; without it nothing finds them."""
        by_path: dict[str, dict[CachedPath, Machine]] = {}
        for program in (*closure.programs, *(opened.added for opened in closure.opened)):
            for item in program.cached:
                by_path.setdefault(program.cache_path, {}).setdefault(item, program.machine)
        for path, cached in by_path.items():
            entries = [CacheEntry(item.name, item.path, item.hwcap) for item in cached]
            content = render_cache(entries, next(iter(cached.values())))
            place = self.destination(path)
            names = ", ".join(sorted({item.name for item in cached}))
            self.put(place, File(0o644, len(content), GeneratedContent(content)), Reason("generated", f"for {names}"))

    def add(self, addition: Addition) -> None:
        found = self.walker.find(addition.source)
        if found is None:
            raise SourceError(f"{addition.source}: no such file or folder to add", hints=["check the path after --add"])
        if found.entry.kind == "special":
            raise SourceError(f"{addition.source}: is a device, a pipe or a socket, which no image holds")
        reason = Reason("included")
        if addition.source == addition.destination:
            destination = str(found.path)
            self.link(addition.source, found)
        else:
            destination = self.destination(addition.destination)
            if destination == "/" and found.entry.kind != "directory":
                raise UsageError(f"{addition.source}: a file cannot become /", hints=[f"--add {addition.source}:/NAME"])
        pending: list[tuple[RootPath, str]] = [(found.path, destination)]
        while pending:  # no recursion: a tree may be 2,000 folders deep
            source, target = pending.pop()
            entry = self.walker.entry(source)
            if entry is None or entry.kind == "special":
                continue
            if entry.kind == "file":
                content = FileContent(self.root, source, entry)
                self.put(target, File(entry.mode & 0o777, entry.size, content), reason)
            elif entry.kind == "symlink":
                self.put(target, Symlink(entry.target), reason)
            else:
                if target != "/":
                    self.put(target, Directory(entry.mode & 0o1777), reason)
                pending += [(join(source, name), join(target, name)) for name in self.root.names(source)]

    def destination(self, path: str) -> str:
        """`path` with the links that its folders are in the root, so that `/bin/x` lands where `/bin` leads."""
        parts = [part for part in path.split("/") if part not in ("", ".")]
        if not parts:
            return "/"
        if ".." in parts:
            raise UsageError(f"{path}: expected an absolute path in the image without '..'", hints=["--add SRC:/DEST"])
        for number in range(len(parts) - 1, 0, -1):
            found = self.walker.find("/" + "/".join(parts[:number]))
            if found is not None and found.entry.kind == "directory":
                self.link("/" + "/".join(parts[:number]), found)
                return "/".join((found.path.rstrip("/"), *parts[number:]))
        return "/" + "/".join(parts)

    def put(self, path: str, entry: RootfsEntry, reason: Reason) -> None:
        present = self.entries.get(path)
        if present is not None and type(present) is not type(entry):
            if self.yields:
                return
            raise UsageError(
                f"{path}: would be both a {_noun(present)} and a {_noun(entry)} in the image",
                hints=["give --add another destination: --add SRC:DEST"],
            )
        if present is None or reason.kind == "included":
            self.entries[path] = entry
        reasons = self.reasons.setdefault(path, [])
        if reason not in reasons:
            reasons.append(reason)

    def rootfs(self) -> Rootfs:
        for path in list(self.entries):
            above = path.rpartition("/")[0]
            while above and not isinstance(self.entries.get(above), Directory):
                if above in self.entries:
                    raise UsageError(f"{path}: {above} is a {_noun(self.entries[above])} in the image, not a directory")
                self.entries[above] = Directory()
                above = above.rpartition("/")[0]
        order = sorted(self.entries, key=encode_path)
        return Rootfs(
            dict(_linked((path, self.entries[path]) for path in order)),
            {path: tuple(self.reasons.get(path, ())) for path in order},
        )


def _linked(entries: Iterable[tuple[str, RootfsEntry]]) -> Iterator[tuple[str, RootfsEntry]]:
    """Names of one file stay names of one file: to the loader two copies of a library would be two libraries.

    One name that was put in two places was asked for as a copy, and is one.
    """
    first: dict[tuple[tuple[int, int], int], tuple[str, str]] = {}
    for path, entry in entries:
        content = entry.content if isinstance(entry, File) else None
        if isinstance(entry, File) and isinstance(content, FileContent) and content.entry:
            known, source = first.setdefault((content.entry.identity, entry.mode), (path, content.path))
            if source != content.path:
                yield path, HardLink(known, entry.mode)
                continue
        yield path, entry


def _noun(entry: RootfsEntry) -> str:
    return "file" if isinstance(entry, HardLink) else type(entry).__name__.lower()
