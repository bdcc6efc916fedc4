"""Installed distributions (`*.dist-info`, `*.egg-info`): which one a module is of, its metadata, what it requires.

Follows the packaging specifications "Recording installed projects" and "Core metadata", and PEP 503 for names.

What it deliberately does not do: evaluate markers other than extras: what is required somewhere and is installed here
is taken.
"""

from __future__ import annotations

import re

from needed.languages.python_layout import read_text
from needed.root import RootPath, join

TYPE_CHECKING = False
if TYPE_CHECKING:
    from needed.languages.python_finder import ModuleFinder

MAX_METADATA = 4 << 20  # bytes of one file
MAX_REQUIRED = 1000
WANTED = ("METADATA", "PKG-INFO", "entry_points.txt", "top_level.txt")


class Distributions:
    """The distributions in some site folders, read when first asked."""

    def __init__(self, finder: ModuleFinder, folders: tuple[RootPath, ...]) -> None:
        self._finder, self._folders = finder, folders
        self._by_name: dict[str, RootPath] | None = None
        self._by_module: dict[str, RootPath] = {}
        self._modules: dict[RootPath, tuple[str, ...]] = {}

    def metadata_of(self, module: str) -> tuple[RootPath, ...]:
        """The files of the metadata of the distribution that a top module is of, which programs ask for."""
        folder = self._distribution_of(module)
        if folder is None:
            return ()
        kinds = self._finder.kinds(folder)
        return tuple(join(folder, name) for name in WANTED if kinds.get(name) == "file")

    def required_by(self, module: str) -> tuple[str, ...]:
        """The top modules of the distributions that the one of `module` requires without an extra, if installed."""
        folder = self._distribution_of(module)
        if folder is None:
            return ()
        head = (self._text(folder, "METADATA") or self._text(folder, "PKG-INFO") or "").partition("\n\n")[0]
        lines = [line[14:] for line in head.splitlines() if line.startswith("Requires-Dist:")][:MAX_REQUIRED]
        wanted = [_normal(match[0]) for line in lines
                  if "extra ==" not in line and (match := re.match(r"[\w.-]+", line.strip(), re.A))]  # fmt: skip
        names = self._by_name or {}
        return tuple(top for name in wanted if name in names for top in self._modules[names[name]])

    def modules_of(self, distribution: str) -> tuple[str, ...]:
        """The top modules of a distribution, by its own name; none if it is not installed."""
        self._read()
        folder = (self._by_name or {}).get(_normal(distribution))
        return self._modules[folder] if folder else ()

    def _read(self) -> None:
        if self._by_name is None:
            self._by_name = {}
            for site in self._folders:
                for name, kind in self._finder.kinds(site).items():
                    if kind == "directory" and name.endswith((".dist-info", ".egg-info")):
                        self._register(join(site, name), name)

    def _distribution_of(self, module: str) -> RootPath | None:
        self._read()
        return self._by_module.get(module) or self._by_module.get(module.partition(".")[0])

    def _register(self, folder: RootPath, name: str) -> None:
        distribution = _normal(name.rpartition(".")[0].partition("-")[0])
        assert self._by_name is not None
        self._by_name.setdefault(distribution, folder)
        tops = self._tops(folder) or {distribution.replace("-", "_")}
        self._modules[folder] = tuple(sorted(tops))
        for top in tops:
            self._by_module.setdefault(top, folder)

    def _tops(self, folder: RootPath) -> set[str]:
        """The names that can be imported: from RECORD, which lists every file; else from top_level.txt."""
        record = self._text(folder, "RECORD")
        if record is None:
            return set((self._text(folder, "top_level.txt") or "").split())
        tops = set()
        for line in record.splitlines():
            path = line.partition(",")[0].strip('"')
            first, slash, _ = path.partition("/")
            if slash and "." not in first and first != "__pycache__":
                tops.add(first)
            elif not slash and first.endswith((".py", ".so")):
                tops.add(first.partition(".")[0])
        return tops

    def _text(self, folder: RootPath, name: str) -> str | None:
        return read_text(self._finder.walker, join(folder, name), MAX_METADATA)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
