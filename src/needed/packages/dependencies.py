"""Which dependencies of a package come along, as far as its files need them. A rule, not a solver.

`Depends` says what a whole system needs for a package; a program in an image needs less. Shared libraries are found by
the ELF closure, a script's commands and an interpreter's modules by rules, so what is left to take whole is

    a companion       built from the same source (nginx-common of nginx, openssh-sftp-server of openssh-server),
                      unless the ELF closure finds it anyway;
    data              nothing in it is executed or loaded (media-types, tzdata);
    what a package without any file of its own stands for (postgresql, which is postgresql-15).

Libraries are looked through: data built from the same source as a library comes along (libmagic-mgc of libmagic1).
Everything else is told to the caller with a reason, and is one option away.
"""

from __future__ import annotations

from needed.errors import ReadError
from needed.packages.contents import Contents, read_contents
from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from needed.packages.model import Package, Packages

MAX_DEPENDENCIES = 3000
# What maintainer scripts call, and no program that runs.
TOOLS = {
    "adduser", "cdebconf", "debconf", "debianutils", "dpkg", "dpkg-dev", "init-system-helpers", "install-info",
    "lsb-base", "runit-helper", "sensible-utils", "sgml-base", "sysvinit-utils", "ucf", "update-inetd", "xml-core",
}  # fmt: skip
MAX_LISTED = 600_000  # paths that are looked at for one request
_DOC_SUFFIXES = ("-doc", "-docs", "-man", "-manpages")
_INTERPRETERS = ("perl", "perl-base", "libperl", "python", "libpython", "ruby", "libruby", "pypy")
_MODULES = ("perl", "python", "raku")


@value
class Dependency:
    """What became of one dependency. `kind` is "companion", "data" or "stands for", which came along, or "absent",
    "documentation", "installation", "essential", "library", "interpreter" or "programs" (or modules, of other sources),
    which did not; `reason` is a clause that completes "NAME …", `hint` the option that changes it, "" where nothing is
    to be decided."""

    name: str
    needed_by: str
    kind: str
    reason: str
    hint: str = ""

    @property
    def followed(self) -> bool:
        """Whether it came along."""
        return self.kind in ("companion", "data", "stands for")


class Followed:
    """The packages that come along with `requested`, it first, each with its contents; and what was decided."""

    def __init__(self, packages: Packages, requested: Package) -> None:
        self.packages = packages
        self.contents: dict[Package, Contents] = {requested: read_contents(packages, requested)}
        self.dependencies: list[Dependency] = []
        self._seen: set[str] = {requested.name}
        self._listed = self.contents[requested].listed
        pending: list[tuple[Package, bool]] = [(requested, False)]
        while pending:
            package, looked_through = pending.pop(0)
            for group in package.depends:
                pending += self._decide(package, group, looked_through=looked_through)
            if len(self._seen) > MAX_DEPENDENCIES:
                raise ReadError(f"{requested.name}: depends on more than {MAX_DEPENDENCIES} packages")

    def _read(self, package: Package) -> Contents:
        contents = read_contents(self.packages, package)
        self._listed += contents.listed
        if self._listed > MAX_LISTED:
            raise ReadError(f"{package.name}: with it the packages to look at list more than {MAX_LISTED} files")
        return contents

    def _decide(self, by: Package, group: tuple[str, ...], *, looked_through: bool) -> list[tuple[Package, bool]]:
        """What is to be looked at next: the package that meets `group`, and whether only through it."""
        found = next(filter(None, map(self.packages.provider, group)), None)
        key = found.name if found else " | ".join(group)[:200]
        if key in self._seen:
            return []
        self._seen.add(key)
        if found is None:
            if not looked_through:
                self.dependencies.append(Dependency(key, by.name, "absent", "is not installed in the root"))
            return []
        if looked_through:
            if _is_library(found, None):
                return [(found, True)]
            contents = self._read(found) if found.source == by.source else None
            if contents is None or not contents.is_data:
                self._seen.discard(key)  # another may depend on it itself
                return []
            self._follow(found, contents, Dependency(key, by.name, "data", f"is data of the library {by.name}"))
            return [(found, True)]
        unread = _without_reading(found, by)
        if unread is not None:
            self.dependencies.append(unread)
            return [(found, True)] if unread.kind == "library" else []
        contents = self._read(found)
        decided = self._judge(found, by, contents)
        if decided.followed:
            self._follow(found, contents, decided)
            return [(found, False)]
        self.dependencies.append(decided)
        return [(found, True)] if decided.kind == "library" else []

    def _follow(self, package: Package, contents: Contents, dependency: Dependency) -> None:
        self.contents[package] = contents
        self.dependencies.append(dependency)

    def _judge(self, package: Package, by: Package, contents: Contents) -> Dependency:
        name, hint = package.name, f"--package {package.name}"
        if contents.library:
            return Dependency(name, by.name, "library", "is a library, taken where an ELF file needs it")
        stands_for = not self.contents[by].holds
        if not contents.holds and not (stands_for or package.depends):
            return Dependency(name, by.name, "documentation", "holds nothing that runs or is read by what runs")
        if package.source and package.source == by.source:
            return Dependency(name, by.name, "companion", f"is built from the same source as {by.name}")
        if stands_for:
            return Dependency(name, by.name, "stands for", f"is what {by.name} stands for")
        if contents.is_data:
            return Dependency(name, by.name, "data", "holds data only")
        if not contents.holds:
            return Dependency(name, by.name, "stands for", "has no files and stands for others")
        if contents.objects and not contents.programs:
            return Dependency(name, by.name, "programs", "has modules that programs load", hint)
        names = contents.programs or contents.executables
        shown = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
        return Dependency(name, by.name, "programs", f"has programs of its own ({shown})", hint)


def _without_reading(package: Package, by: Package) -> Dependency | None:
    """What the database alone decides."""
    name, companion = package.name, bool(package.source) and package.source == by.source
    hint = f"--package {name}"
    if name in TOOLS:
        return Dependency(name, by.name, "installation", "is used only while packages are installed")
    if package.section == "doc" or name.endswith(_DOC_SUFFIXES):
        return Dependency(name, by.name, "documentation", "is documentation")
    if package.essential:
        reason = "is part of every system; the commands that scripts name are found one by one"
        return Dependency(name, by.name, "essential", reason, hint)
    if companion:
        return None
    if package.section in _MODULES or name.rstrip("0123456789.").removesuffix("-minimal").rstrip("0123456789.") in (
        _INTERPRETERS
    ):
        return Dependency(name, by.name, "interpreter", "is taken as far as scripts ask for it", hint)
    if _is_library(package, by):
        return Dependency(name, by.name, "library", "is a library, taken where an ELF file needs it")
    return None


def _is_library(package: Package, by: Package | None) -> bool:
    """By its section, or by apk's naming; data of libraries is in their section too, so a companion is read first."""
    if by is not None and package.source == by.source:
        return False
    if package.architecture in ("all", "noarch"):
        return False
    return package.section in ("libs", "oldlibs", "libdevel") and "-data" not in package.name
