"""What of one package stands in the root, and what of that a program may need: its files, classified.

Decides by a path's place and by what lstat(2) tells of it (`categories`); opens no file of the package.
"""

from __future__ import annotations

from needed.packages.categories import category_of
from needed.root import RootPath, join
from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from needed.packages.model import Package, Packages
    from needed.root import Entry

ABSENT, SPECIAL = "not in the root", "special files"
_PROGRAM_FOLDERS = ("/usr/bin", "/usr/sbin", "/bin", "/sbin", "/usr/local/bin", "/usr/games")


@value
class Contents:
    """`kept` files, links and empty folders by canonical path, in the list's order; `left_out` categories with the
    number of files and their bytes; `programs` the names of what is kept in folders for programs, `executables` of
    other files that may be executed; `library` whether shared libraries in the loader's folders are all that is kept,
    `objects` whether any shared object is; `listed` how many paths the list names."""

    kept: dict[RootPath, Entry]
    left_out: dict[str, tuple[int, int]]
    programs: tuple[str, ...]
    executables: tuple[str, ...]
    library: bool
    objects: bool
    listed: int

    @property
    def size(self) -> int:
        """The bytes of the files that are kept."""
        return sum(entry.size for entry in self.kept.values())

    @property
    def holds(self) -> bool:
        """Whether anything but folders is kept."""
        return any(entry.kind != "directory" for entry in self.kept.values())

    @property
    def is_data(self) -> bool:
        """Whether it holds something, and nothing that the processor executes or the kernel starts."""
        return self.holds and not self.programs and not self.executables and not self.objects


def read_contents(packages: Packages, package: Package) -> Contents:
    """The contents of `package`. Raises ReadError."""
    walker = packages.walker
    kept: dict[RootPath, Entry] = {}
    left_out: dict[str, tuple[int, int]] = {}
    listed = dict.fromkeys((*packages.files(package), *package.conffiles, *packages.registered(package)))
    parents = {path.rpartition("/")[0] for path in listed}
    for path in listed:
        directory, _, name = path.rpartition("/")
        above = walker.find(directory or "/")
        place = join(above.path, name) if above else path
        entry = walker.entry(place) if above and above.entry.kind == "directory" else None
        # A folder of the package may be a link in the root: `/lib` where /usr is merged.
        if path in parents and entry is not None and entry.kind in ("directory", "symlink"):
            continue
        category = category_of(path) or category_of(place)
        if not category and entry is None:
            category = ABSENT
        elif not category and entry is not None and entry.kind == "special":
            category = SPECIAL
        if category or entry is None:
            if entry is None or entry.kind != "directory":
                count, size = left_out.get(category, (0, 0))
                left_out[category] = (count + 1, size + (entry.size if entry else 0))
            continue
        kept[place] = entry
    return _summarized(kept, left_out, len(listed))


def _summarized(kept: dict[RootPath, Entry], left_out: dict[str, tuple[int, int]], listed: int) -> Contents:
    programs: list[str] = []
    executables: list[str] = []
    only_libraries, objects = True, False
    for path, entry in kept.items():
        folder, _, name = path.rpartition("/")
        if entry.kind == "directory":
            continue
        is_object = name.endswith(".so") or ".so." in name
        objects |= is_object
        only_libraries &= is_object and folder.count("/") <= 3 and folder.startswith(("/usr/lib", "/lib"))
        if folder in _PROGRAM_FOLDERS:
            programs.append(name)
        elif entry.kind == "file" and entry.mode & 0o111 and not is_object:
            executables.append(name)
    return Contents(
        kept, left_out, tuple(programs), tuple(executables), only_libraries and objects, objects, listed
    )
