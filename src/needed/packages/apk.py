"""apk's database in a Root: `lib/apk/db/installed`, apk_db_read in apk-tools' src/database.c.

One letter, a colon and the rest on each line: P name, V version, A architecture, I installed size in bytes, D
dependencies, p provides, o origin; then F for a directory and R for each file in it. Asks no apk.
"""

from __future__ import annotations

from needed.errors import ReadError
from needed.packages.model import Package, refuse_unknown
from needed.packages.text import MAX_DATABASE, MAX_FILES, check_path, paragraphs, read_text
from needed.root import RootPath, join

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.root import Root, Walker

PLACES = ("/lib/apk/db/installed", "/usr/lib/apk/db/installed")  # the latter from apk-tools 3 on
MAX_INDEXED = 400_000  # files and folders of all packages
# What every Alpine system has; apk itself knows no such class.
BASE = {
    "alpine-baselayout", "alpine-baselayout-data", "alpine-keys", "alpine-release", "apk-tools", "busybox",
    "busybox-binsh", "libc-utils", "musl", "musl-utils",
}  # fmt: skip


class Apk:
    """Packages of a Root that apk manages."""

    def __init__(self, root: Root, walker: Walker, path: str, files: dict[Package, str]) -> None:
        self.root, self.walker = root, walker
        self._path, self._files = path, files
        self._packages = {package.name: package for package in files}
        self._providers: dict[str, Package] = {}
        for package in files:
            for name in package.provides:
                self._providers.setdefault(name, package)
        self._owners: dict[str, Package] | None = None

    def find(self, name: str) -> Package:
        plain, _, architecture = name.partition(":")
        found = self._packages.get(plain)
        if found is None or architecture not in ("", found.architecture):
            refuse_unknown(name, self._packages, "apk add")
        return found

    def provider(self, name: str) -> Package | None:
        found = self._packages.get(name) or self._providers.get(name)
        return self.owner(name) if found is None and name.startswith("/") else found

    def files(self, package: Package) -> tuple[RootPath, ...]:
        found: dict[RootPath, None] = {}
        directory = RootPath("/")
        for line in self._files[package].split("\n"):
            if line.startswith("F:"):
                directory = check_path(f"/{line[2:]}", self._path) if line[2:] else RootPath("/")
                if directory != "/":
                    found[directory] = None
            elif line.startswith("R:"):
                found[check_path(join(directory, line[2:]), self._path)] = None
            if len(found) > MAX_FILES:
                raise ReadError(f"{self._path}: {package.name} has more than {MAX_FILES} files")
        return tuple(found)

    def owner(self, path: str) -> Package | None:
        if self._owners is None:
            self._owners = self._index()
        if path in self._owners:
            return self._owners[path]
        directory, _, name = path.rpartition("/")
        above = self.walker.find(directory or "/")
        return self._owners.get(join(above.path, name)) if above else None

    def registered(self, package: Package) -> tuple[RootPath, ...]:  # noqa: ARG002
        """Nothing: apk has no other register."""
        return ()

    def alternatives(self) -> tuple[RootPath, ...]:
        """None: apk has no alternatives."""
        return ()

    def _index(self) -> dict[str, Package]:
        """By canonical path: files only, since a directory is listed by each package that has something in it."""
        found: dict[str, Package] = {}
        folders = 0
        for package in self._files:
            folder, below = "", ""
            for line in self._files[package].split("\n"):
                if len(found) + folders > MAX_INDEXED:
                    raise ReadError(f"{self._path}: names more than {MAX_INDEXED} files and folders")
                if line.startswith("F:"):
                    folders += 1
                    folder = f"/{line[2:]}" if line[2:] else "/"
                    above = self.walker.find(check_path(folder, self._path) if line[2:] else "/")
                    below = above.path if above else folder
                elif line.startswith("R:"):
                    found.setdefault(join(below or "/", line[2:]), package)
        return found


def open_apk(root: Root, walker: Walker) -> Apk | None:
    """apk's database in `root`, None if there is none. Raises ReadError for one that is damaged or beyond a limit."""
    for path in PLACES:
        text = read_text(walker, path, MAX_DATABASE)
        if text is not None:
            return Apk(root, walker, path, dict(_parse(text, path)))
    return None


def _parse(text: str, path: str) -> Iterator[tuple[Package, str]]:
    # A paragraph names all files of its package, so it may be as long as the whole.
    for paragraph in paragraphs(text, path, MAX_DATABASE):
        start = 0 if paragraph.startswith("F:") else paragraph.find("\nF:")
        head, files = (paragraph, "") if start < 0 else (paragraph[:start], paragraph[start:])
        if len(head) > 1 << 20:
            raise ReadError(f"{path}: has a package described in {len(head)} bytes, and {1 << 20} are the limit")
        fields: dict[str, str] = {}
        for line in head.split("\n"):
            if line[1:2] == ":":
                fields.setdefault(line[0], line[2:])
        name = fields.get("P", "")
        if not name:
            continue
        size = fields.get("I", "0")
        depends = ((_plain(word),) for word in fields.get("D", "").split() if not word.startswith("!"))
        yield Package(
            name,
            fields.get("V", ""),
            fields.get("A", ""),
            int(size) if size.isascii() and size.isdigit() and len(size) < 19 else 0,
            tuple(dict.fromkeys(depends)),
            tuple(dict.fromkeys(_plain(word) for word in fields.get("p", "").split())),
            (),
            fields.get("o", name),
            "",
            "",
            name in BASE,
        ), files  # fmt: skip


def _plain(word: str) -> str:
    """A name without its version and its repository: "nginx>=1.2@edge"."""
    for mark in "@=<>~":
        word = word.partition(mark)[0]
    return word
