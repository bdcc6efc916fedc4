"""A module name to its files, as importlib's FileFinder goes through the folders of sys.path.

What it deliberately does not do: zip files, import hooks, interpreters other than CPython.
"""

from __future__ import annotations

from needed.root import join, list_kinds
from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.languages.python_layout import PythonLayout
    from needed.root import RootPath, Walker

MAX_TREE = 100_000  # files of one package
MAX_NAMES = 200_000  # in one folder that is listed


@value
class Module:
    """A module's file, "" for a namespace package; `folders` are where its submodules are, empty if it is no package;
    `search` the folder of sys.path that it was found under."""

    name: str
    path: RootPath | None
    folders: tuple[RootPath, ...]
    search: RootPath


class ModuleFinder:
    """Finds modules of one layout; lists each folder once."""

    def __init__(self, walker: Walker, layout: PythonLayout, before: tuple[RootPath, ...] = ()) -> None:
        self.walker = walker
        self.search = tuple(dict.fromkeys((*before, *layout.search)))
        self._version = layout.version
        self._listed: dict[str, dict[str, str]] = {}
        self._extensions: dict[str, dict[str, str]] = {}
        self._found: dict[str, Module | None] = {}

    def find(self, name: str) -> Module | None:
        """The module `name`, found through the packages above it; None if there is none. Raises ReadError."""
        if name not in self._found:
            self._found[name] = self._find(name)
        return self._found[name]

    def kinds(self, folder: str) -> dict[str, str]:
        """The names in a folder with the kind of what each leads to; empty if it is none."""
        if folder not in self._listed:
            where = self.walker.find(folder)
            listed = {}
            if where is not None and where.entry.kind == "directory":
                for name, kind in list_kinds(self.walker.root, where.path)[:MAX_NAMES]:
                    there = self.walker.find(join(where.path, name)) if kind == "symlink" else None
                    listed[name] = kind if there is None else there.entry.kind
            self._listed[folder] = listed
        return self._listed[folder]

    def files_under(self, folder: RootPath, left_out: frozenset[str]) -> Iterator[RootPath]:
        """Every file under `folder`, without folders of these names. Links to folders are not followed twice."""
        ahead, count, seen = [folder], 0, set()
        while ahead and count < MAX_TREE:
            at = ahead.pop()
            where = self.walker.find(at)
            if where is None or where.path in seen:
                continue
            seen.add(where.path)
            for name, kind in self.kinds(at).items():
                count += 1
                if kind == "directory" and name not in left_out:
                    ahead.append(join(at, name))
                elif kind == "file":
                    yield join(at, name)

    def _find(self, name: str) -> Module | None:
        above, _, tail = name.rpartition(".")
        if not tail or name.count(".") > 50:
            return None
        if not above:
            return self._look(name, tail, [(folder, folder) for folder in self.search])
        package = self.find(above)
        if package is None:
            return None
        return self._look(name, tail, [(folder, package.search) for folder in package.folders])

    def _look(self, name: str, tail: str, folders: list[tuple[RootPath, RootPath]]) -> Module | None:
        portions: list[RootPath] = []
        for folder, search in folders:
            kinds = self.kinds(folder)
            if kinds.get(tail) == "directory":
                package = join(folder, tail)
                initial = self._file_of("__init__", package)
                if initial is not None:
                    return Module(name, initial, (package,), search)
                portions.append(package)
            file = self._file_of(tail, folder)
            if file is not None:
                return Module(name, file, (), search)
        return Module(name, None, tuple(portions), folders[0][1]) if portions else None

    def _file_of(self, tail: str, folder: RootPath) -> RootPath | None:
        """The file of a module in a folder: extension, then source, then compiled (`_get_supported_file_loaders`)."""
        kinds = self.kinds(folder)
        if folder not in self._extensions:
            marks = (f".cpython-{self._version[0]}{self._version[1]}{flag}" for flag in ("-", "t-", "d-", "."))
            tagged = [(name, mark) for mark in marks for name in kinds if mark in name and name.endswith(".so")]
            self._extensions[folder] = {name.partition(mark)[0]: name for name, mark in tagged}
        tagged_name = self._extensions[folder].get(tail, "")
        if kinds.get(tagged_name) == "file":
            return join(folder, tagged_name)
        for suffix in (".abi3.so", ".so", ".py", ".pyc"):
            if kinds.get(tail + suffix) == "file":
                return join(folder, tail + suffix)
        return None
