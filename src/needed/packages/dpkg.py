"""dpkg's database in a Root: dpkg(1), deb822(5), dpkg-divert(1), update-alternatives(1), and ucf(1)'s registry.

`/var/lib/dpkg/status`, and `status.d/` in its place or beside it, as distroless images have it, with the lists of files
from `info/`, or from `status.d/NAME.md5sums`. Asks no dpkg, writes nothing, checks no sum.
"""

from __future__ import annotations

from needed.errors import ReadError
from needed.packages.model import Package, refuse_unknown
from needed.packages.text import (
    MAX_DATABASE,
    MAX_LIST,
    MAX_PARAGRAPHS,
    check_path,
    paragraphs,
    parse_fields,
    parse_paths,
    read_text,
)
from needed.root import RootPath, join

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.root import Root, Walker

DIRECTORY = "/var/lib/dpkg"
FIELDS = {
    "package", "status", "version", "architecture", "installed-size", "depends", "pre-depends", "provides", "conffiles",
    "source", "section", "priority", "essential",
}  # fmt: skip
# Whose files are there, whatever their scripts have still to do.
PRESENT = ("installed", "triggers-awaited", "triggers-pending", "half-configured", "unpacked")
MAX_SMALL = 1 << 20  # bytes, of diversions, of ucf's registry
MAX_ALTERNATIVE_FILES = 10_000
MAX_ALTERNATIVES = 4 << 20  # bytes, of all together
MAX_INDEX = 64 << 20  # bytes of all lists together
MAX_INDEX_FILES = 1_000_000
_NAME = frozenset("abcdefghijklmnopqrstuvwxyz0123456789+-.")  # deb-control(5); a few of old have capitals


class Dpkg:
    """Packages of a Root that dpkg manages. Lists are read when they are asked for, all of them for `owner`."""

    def __init__(
        self, root: Root, walker: Walker, packages: dict[str, list[Package]], lists: dict[Package, str]
    ) -> None:
        self.root, self.walker = root, walker
        self._packages, self._lists = packages, lists
        self._providers: dict[str, Package] | None = None
        self._owners: dict[str, Package | None] | None = None
        self._native = self._find_native()
        self._diversions = dict(_diversions(walker))
        self._aliases = dict(_aliases(walker))
        self._registry: list[tuple[str, RootPath]] | None = None

    def find(self, name: str) -> Package:
        plain, _, architecture = name.partition(":")
        found = [one for one in self._packages.get(plain, ()) if architecture in ("", "any", one.architecture)]
        if not found:
            refuse_unknown(name, self._packages, "apt-get install")
        return next((one for one in found if one.architecture in (self._native, "all")), found[0])

    def provider(self, name: str) -> Package | None:
        plain, _, architecture = name.partition(":")
        for one in self._packages.get(plain, ()):
            if architecture in ("", "any", one.architecture):
                return self.find(name)
        if self._providers is None:
            self._providers = {}
            for packages in self._packages.values():
                for package in packages:
                    for provided in package.provides:
                        self._providers.setdefault(provided, package)
        return self._providers.get(plain)

    def files(self, package: Package) -> tuple[RootPath, ...]:
        path, text = self._list(package)
        if path.endswith(".md5sums"):
            text = "\n".join(f"/{line.partition('  ')[2]}" for line in text.split("\n") if line)
        return tuple(dict.fromkeys(self._diverted(one, package) for one in parse_paths(text, path)))

    def owner(self, path: str) -> Package | None:
        if self._owners is None:
            self._owners = self._index()
        found = self._owners.get(self._canonical(path))
        if found is None:
            directory, _, name = path.rpartition("/")
            above = self.walker.find(directory or "/")
            found = self._owners.get(self._canonical(join(above.path, name))) if above else None
        return found

    def registered(self, package: Package) -> tuple[RootPath, ...]:
        """ucf's: lines "PACKAGE PATH"."""
        if self._registry is None:
            path = "/var/lib/ucf/registry"
            lines = (line.split() for line in (read_text(self.walker, path, MAX_SMALL) or "").split("\n"))
            self._registry = [(words[0], check_path(words[1], path)) for words in lines if len(words) == 2]
        return tuple(path for name, path in self._registry if name == package.name)

    def alternatives(self) -> Iterator[RootPath]:
        """admindir/alternatives/NAME: the status, the link, then a name and a link of each slave to an empty line."""
        directory = self.walker.find(f"{DIRECTORY}/alternatives")
        if directory is None or directory.entry.kind != "directory":
            return
        left = MAX_ALTERNATIVES
        for name in self.root.names(directory.path)[:MAX_ALTERNATIVE_FILES]:
            path = join(directory.path, name)
            text = read_text(self.walker, path, left) or ""
            left -= len(text)
            lines = text.partition("\n\n")[0].split("\n")
            yield from (check_path(line, path) for line in lines[1:2] + lines[3::2])

    def _find_native(self) -> str:
        """The first of admindir/arch, which is written when a second comes in; else what dpkg itself is of."""
        listed = (read_text(self.walker, f"{DIRECTORY}/arch", 4096) or "").split()
        if listed:
            return listed[0]
        dpkg = self._packages.get("dpkg") or [one for packages in self._packages.values() for one in packages]
        return next((one.architecture for one in dpkg if one.architecture != "all"), "all")

    def _list(self, package: Package) -> tuple[str, str]:
        """The path and the text of its list; a package without one has no files."""
        plain = f"{DIRECTORY}/info/{package.name}"
        places = [f"{plain}:{package.architecture}.list", f"{plain}.list"]
        record = self._lists.get(package, "")
        for path in [f"{record}.list", f"{record}.md5sums"] if record else places:
            text = read_text(self.walker, path, MAX_LIST)
            if text is not None:
                return path, text
        return places[-1], ""

    def _diverted(self, path: RootPath, package: Package) -> RootPath:
        if path in self._diversions:
            to, by = self._diversions[path]
            return path if by == package.name else to
        return path

    def _canonical(self, path: str) -> str:
        """As though nothing but the links of a merged /usr lay on the way."""
        end = path.find("/", 1)
        top = path[:end] if end > 0 else path
        return self._aliases[top] + path[len(top) :] if top in self._aliases else path

    def _index(self) -> dict[str, Package | None]:
        found: dict[str, Package | None] = {}
        size = 0
        for packages in self._packages.values():
            for package in packages:
                for path in self.files(package):
                    size += len(path)
                    key = self._canonical(path)
                    present = found.setdefault(key, package)
                    if present is not None and present.name != package.name:
                        found[key] = None
                if size > MAX_INDEX or len(found) > MAX_INDEX_FILES:
                    raise ReadError(f"{DIRECTORY}/info: the lists name more than {MAX_INDEX_FILES} files")
        return found


def open_dpkg(root: Root, walker: Walker) -> Dpkg | None:
    """dpkg's database in `root`, None if there is none. Raises ReadError for one that is damaged or beyond a limit."""
    packages: dict[str, list[Package]] = {}
    lists: dict[Package, str] = {}
    text = read_text(walker, f"{DIRECTORY}/status", MAX_DATABASE)
    for package in _parse(text or "", f"{DIRECTORY}/status"):
        packages.setdefault(package.name, []).append(package)
    directory = walker.find(f"{DIRECTORY}/status.d")
    names = root.names(directory.path) if directory is not None and directory.entry.kind == "directory" else ()
    if len(names) > MAX_PARAGRAPHS:
        raise ReadError(f"{DIRECTORY}/status.d: holds more than {MAX_PARAGRAPHS} files")
    left = MAX_DATABASE
    for name in names:
        if name.endswith((".md5sums", ".list", ".preinst", ".postinst", ".prerm", ".postrm", ".conffiles")):
            continue
        path = f"{DIRECTORY}/status.d/{name}"
        content = read_text(walker, path, left) or ""
        left -= len(content)
        for package in _parse(content, path):
            packages.setdefault(package.name, []).append(package)
            lists[package] = path
    return Dpkg(root, walker, packages, lists) if text is not None or packages else None


def _parse(text: str, path: str) -> Iterator[Package]:
    for paragraph in paragraphs(text, path):
        fields = parse_fields(paragraph, FIELDS)
        name, status = fields.get("package", ""), fields.get("status", "").split()
        if not name or (status and status[-1] not in PRESENT):
            continue
        architecture = fields.get("architecture", "all")
        if not {*name.lower()} <= _NAME or not {*architecture.lower()} <= _NAME or name[0] in ".-" or len(name) > 200:
            raise ReadError(f"{path}: names a package {name[:60]!a}, as no package is named")
        size = fields.get("installed-size", "0")
        depends = ", ".join(filter(None, (fields.get("pre-depends"), fields.get("depends"))))
        yield Package(
            name,
            fields.get("version", ""),
            architecture,
            int(size) << 10 if size.isascii() and size.isdigit() and len(size) < 16 else 0,
            parse_depends(depends),
            tuple(names[0] for names in parse_depends(fields.get("provides", ""))),
            tuple(_conffiles(fields.get("conffiles", ""), path)),
            # "Source: NAME (VERSION)" where they differ, nothing where they do not.
            fields.get("source", name).partition(" ")[0],
            fields.get("section", "").rpartition("/")[2],
            fields.get("priority", ""),
            fields.get("essential", "").lower() == "yes",
        )


def parse_depends(field: str) -> tuple[tuple[str, ...], ...]:
    """A relation field of deb-control(5) by names: each alternative without its version, `:any` and build profiles."""
    groups: dict[tuple[str, ...], None] = {}
    for group in field.replace("\n", " ").split(","):
        names = (one.strip().partition(" ")[0].partition("(")[0] for one in group.split("|"))
        found = tuple(name.removesuffix(":any") for name in names if name)
        if found:
            groups[found] = None
    return tuple(groups)


def _conffiles(field: str, path: str) -> Iterator[RootPath]:
    """Lines "PATH MD5 [obsolete|remove-on-upgrade]"; a path may hold spaces."""
    for line in field.split("\n"):
        words = line.strip().rsplit(" ", 2)
        if len(words) >= 2 and words[-1] not in ("obsolete", "remove-on-upgrade"):
            name = line.strip().rpartition(" ")[0]
            if name != "":
                yield check_path(name, path)


def _diversions(walker: Walker) -> Iterator[tuple[RootPath, tuple[RootPath, str]]]:
    """Three lines each: what is diverted, where to, and by whom, ":" for the administrator."""
    path = f"{DIRECTORY}/diversions"
    lines = (read_text(walker, path, MAX_SMALL) or "").split("\n")
    for what, to, by in zip(lines[::3], lines[1::3], lines[2::3], strict=False):
        yield check_path(what, path), (check_path(to, path), by)


def _aliases(walker: Walker) -> Iterator[tuple[str, str]]:
    """The links at the top of the root that lead to directories: `/lib` to `/usr/lib`."""
    for name in ("bin", "lib", "lib32", "lib64", "libo32", "libx32", "sbin"):
        entry = walker.entry(RootPath(f"/{name}"))
        if entry is not None and entry.kind == "symlink":
            found = walker.find(f"/{name}")
            if found is not None and found.entry.kind == "directory" and found.path != "/":
                yield f"/{name}", found.path
