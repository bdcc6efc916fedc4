"""The proof on the finished tree: the same resolver, run on what ships, must find the same objects.

`RootfsRoot` is a Rootfs seen as a Root, so that nothing is written to be looked at. A difference can come from a file
that was added in an earlier directory, from an environment that the user gave the image, or from a mistake of ours;
an image that resolves otherwise than its source is not built.
"""

from __future__ import annotations

import stat

from needed.errors import ProofError, ReadError
from needed.loader import Resolver
from needed.root import Entry, encode_path
from needed.rootfs import Directory, File, FileContent, HardLink
from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.closure import Closure, LoadedObject, LoadList, Opened
    from needed.loader import Settings
    from needed.root import OpenFile, RootPath
    from needed.rootfs import Rootfs


@value
class Difference:
    """`expected` is a file of the source root, `found` what the tree has in its place; None for nothing."""

    program: str
    expected: str | None
    found: str | None

    def __str__(self) -> str:
        if self.expected is None:
            return f"{self.program}: {self.found} is loaded in the image, and is not outside"
        if self.found is None:
            return f"{self.program}: {self.expected} is not found in the image"
        return f"{self.program}: {self.found} is loaded in the image instead of {self.expected}"


class RootfsRoot:
    """A Rootfs as a Root. Identities are of the tree that ships: two copies are two files, hard links are one."""

    def __init__(self, rootfs: Rootfs) -> None:
        self._rootfs = rootfs
        self._numbers = {path: number for number, path in enumerate(rootfs.entries, 2)}
        self._names: dict[str, list[str]] | None = None  # of each folder, once anybody asks

    def entry(self, path: RootPath) -> Entry | None:
        if path == "/":
            return Entry("directory", 0o755, identity=(1, 1))
        found = self._rootfs.entries.get(path)
        if found is None:
            return None
        number = (1, self._numbers[path])
        if isinstance(found, Directory):
            return Entry("directory", stat.S_IMODE(found.mode), identity=number, owner=found.owner)
        file = self.file(path)
        if file is not None:
            target = found.target if isinstance(found, HardLink) else path
            return Entry("file", file.mode, file.size, identity=(1, self._numbers[target]), owner=file.owner)
        return Entry("symlink", 0o777, 0, found.target if not isinstance(found, File) else "", number)

    def names(self, path: RootPath) -> tuple[str, ...]:
        if self._names is None:
            self._names = {}
            for inside in self._rootfs.entries:
                folder, _, name = inside.rpartition("/")
                self._names.setdefault(folder or "/", []).append(name)
        return tuple(sorted(self._names.get(path, ()), key=encode_path))

    def open(self, path: RootPath) -> OpenFile:
        file = self.file(path)
        if file is None:
            raise ReadError(f"{path}: no such file in the image")
        return file.content.open()

    def file(self, path: str) -> File | None:
        """The regular file under `path`, hard links followed."""
        found = self._rootfs.entries.get(path)
        if isinstance(found, HardLink):
            found = self._rootfs.entries.get(found.target)
        return found if isinstance(found, File) else None


def prove(source: Resolver, closure: Closure, rootfs: Rootfs, settings: Settings) -> None:
    """Resolve the programs of `closure`, which `source` resolved, in `rootfs` with `settings`, the image's own.

    Raises ProofError with every difference.
    """
    root = RootfsRoot(rootfs)
    resolver = Resolver(root, settings)
    resolver.believe(source, _unchanged(rootfs, source))
    differences = [item for program in closure.programs for item in _compare(program, resolver, root)]
    differences += [item for opened in closure.opened for item in _compare_opened(opened, resolver, root)]
    if differences:
        raise ProofError(
            "the finished tree resolves otherwise than the root that it was taken from",
            details=dict.fromkeys(map(str, differences)),
            hints=[
                "look at what --add puts into a directory of libraries, and at LD_LIBRARY_PATH and LD_PRELOAD of --env",
                "if neither is used, please report it: the tree should hold what the loader needs",
            ],
        )


def _unchanged(rootfs: Rootfs, source: Resolver) -> Iterator[str]:
    """The paths that are in the tree what they are in the source root."""
    for path, entry in rootfs.entries.items():
        content = entry.content if isinstance(entry, File) else None
        if isinstance(content, FileContent) and content.path == path and content.root is source.root:
            yield path


def _compare(program: LoadList, resolver: Resolver, root: RootfsRoot) -> Iterator[Difference]:
    """Object by object in the loader's order: what is loaded matters, not under which string."""
    yield from _differences(program.path, program.objects, resolver.load_list(program.path).objects, root)


def _compare_opened(opened: Opened, resolver: Resolver, root: RootfsRoot) -> Iterator[Difference]:
    """The same of what a program opens."""
    proven = resolver.open(opened.program, opened.by, opened.name, opened.added.reason)
    found = proven.added.objects if proven else ()
    yield from _differences(opened.program, opened.added.objects, found, root)


def _differences(
    program: str, outside: tuple[LoadedObject, ...], inside: tuple[LoadedObject, ...], root: RootfsRoot
) -> Iterator[Difference]:
    expected = [item.found.path for item in outside]
    found = [_origin(item, root) for item in inside]
    if found == expected:
        return
    missing, extra = [path for path in expected if path not in found], [path for path in found if path not in expected]
    for one, other in zip(missing, extra, strict=False):
        yield Difference(program, one, other)
    for one in missing[len(extra) :]:
        yield Difference(program, one, None)
    for other in extra[len(missing) :]:
        yield Difference(program, None, other)
    if not missing and not extra:
        yield Difference(program, ", ".join(expected), ", ".join(found))


def _origin(item: LoadedObject, root: RootfsRoot) -> str:
    """The source path of an object of the tree: a hard link's is its own, a copy's the one that it was taken from."""
    file = root.file(item.found.path)
    content = file.content if file else None
    if isinstance(content, FileContent) and content.path != item.found.path:
        shared = root.entry(content.path)
        if shared is None or shared.identity != item.found.entry.identity:
            return content.path
    return item.found.path
