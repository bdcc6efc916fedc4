"""What of a package goes into an image: its files that programs may need, with the dependencies that they need.

Left out is what nothing that runs reads (`categories`), dependencies that are found otherwise (`dependencies`), links
that lead nowhere or to what is left out, special files, and whatever stands in the root but belongs to no list: a
service's data, its keys. Three things that scripts made at installation are taken although no list names them:
configuration that ucf knows, links in the package's own folders of /etc to its own files (`sites-enabled/default`), and
the links of alternatives (`/usr/bin/vim`). Folders of state come empty (`state`). ELF files are not looked into: the
caller resolves them.
"""

from __future__ import annotations

from needed.errors import ReadError
from needed.packages.categories import category_of
from needed.packages.dependencies import Dependency, Followed
from needed.packages.state import state_folders
from needed.root import RootPath, join
from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from needed.packages.contents import Contents
    from needed.packages.model import Package, Packages
    from needed.root import Entry

MAX_SELECTED = 400_000
BROKEN, TO_LEFT_OUT = "broken links", "links to what is left out"


@value
class Selected:
    """A path to take, whose parents hold no link. `entry` is what stands there, owner and mode included; a directory is
    taken empty, and need not be in the root. `why` is "file", "configuration", "folder", "state", "alternative",
    "enabled" or "link target", `package` the name of the package that it is taken for."""

    path: RootPath
    entry: Entry
    package: str
    why: str


@value
class LeftOut:
    """The files of one category that were left out, of all packages taken: how many, and their bytes together."""

    category: str
    files: int
    size: int


@value
class Selection:
    """`packages` are those that files were taken of, the requested one first; `selected` is sorted by path."""

    packages: tuple[Package, ...]
    selected: tuple[Selected, ...]
    left_out: tuple[LeftOut, ...]
    dependencies: tuple[Dependency, ...]

    @property
    def size(self) -> int:
        """The bytes of the files selected, of several names of one file once."""
        return sum({item.entry.identity: item.entry.size for item in self.selected}.values())


def select_files(packages: Packages, name: str) -> Selection:
    """What to take for the package `name` (NAME or NAME:ARCHITECTURE). Raises SourceError if it is not installed, and
    ReadError for a database that is damaged or beyond a limit."""
    followed = Followed(packages, packages.find(name))
    taking = _Taking(packages)
    for package, contents in followed.contents.items():
        taking.take(package, contents)
    for package in followed.contents:
        taking.take_enabled(package)
    taking.take_alternatives()
    taking.settle_links()
    order = sorted(taking.selected, key=lambda path: path.encode("utf-8", "surrogateescape"))
    return Selection(
        tuple(followed.contents),
        tuple(taking.selected[path] for path in order),
        tuple(LeftOut(category, *taking.left_out[category]) for category in sorted(taking.left_out)),
        tuple(followed.dependencies),
    )


class _Taking:
    """The selection while it grows."""

    def __init__(self, packages: Packages) -> None:
        self.packages, self.walker = packages, packages.walker
        self.selected: dict[RootPath, Selected] = {}
        self.left_out: dict[str, tuple[int, int]] = {}

    def take(self, package: Package, contents: Contents) -> None:
        configuration = {*package.conffiles, *self.packages.registered(package)}
        for path, entry in contents.kept.items():
            why = "configuration" if path in configuration else "file"
            if entry.kind == "directory":
                why = "state" if path.startswith(("/var/", "/run/")) else "folder"
            self.selected.setdefault(path, Selected(path, entry, package.name, why))
        for path, entry in state_folders(self.packages, package, contents.kept).items():
            self.selected.setdefault(path, Selected(path, entry, package.name, "state"))
        for category, (count, size) in contents.left_out.items():
            self._leave(category, count, size)
        if len(self.selected) > MAX_SELECTED:
            raise ReadError(f"{package.name}: would take more than {MAX_SELECTED} files")

    def take_enabled(self, package: Package) -> None:
        """Links in folders of /etc that the package has empty: how its scripts switch its own files on."""
        for path in self.packages.files(package):
            item = self.selected.get(path)
            if item is None or item.entry.kind != "directory" or not path.startswith("/etc/"):
                continue
            for name in self.packages.root.names(path)[:1000]:
                link = join(path, name)
                entry = self.walker.entry(link)
                found = self.walker.find(link) if entry is not None and entry.kind == "symlink" else None
                if entry is not None and found is not None and found.path in self.selected:
                    self.selected.setdefault(link, Selected(link, entry, package.name, "enabled"))

    def take_alternatives(self) -> None:
        """The links that lead to a file that was taken, as the administrator has them now."""
        for path in self.packages.alternatives():
            if category_of(path):
                continue
            found = self.walker.find(path)
            item = self.selected.get(found.path) if found is not None else None
            if found is not None and item is not None:
                self._take_links(found.links, item.package, "alternative")

    def settle_links(self) -> None:
        """What the links that were taken lead to comes along, and links that lead nowhere do not."""
        parents = {path.rpartition("/")[0] for path in self.selected}
        for path, item in list(self.selected.items()):
            if item.entry.kind != "symlink":
                continue
            found = self.walker.find(path)
            if found is None or found.entry.kind == "special":
                self._drop(path, BROKEN)
                continue
            if category_of(found.path):
                self._drop(path, TO_LEFT_OUT)
                continue
            self._take_links(found.links, item.package, "link target")
            if found.path not in parents:
                self.selected.setdefault(found.path, Selected(found.path, found.entry, item.package, "link target"))

    def _take_links(self, links: tuple[RootPath, ...], package: str, why: str) -> None:
        for link in links:
            entry = self.walker.entry(link)
            if entry is not None:
                self.selected.setdefault(link, Selected(link, entry, package, why))

    def _drop(self, path: RootPath, category: str) -> None:
        del self.selected[path]
        self._leave(category, 1, 0)

    def _leave(self, category: str, count: int, size: int) -> None:
        files, total = self.left_out.get(category, (0, 0))
        self.left_out[category] = (files + count, total + size)
