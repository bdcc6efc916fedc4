"""The folders that a service expects to find empty, its own, with their owners and modes: /var/lib/nginx, /run/sshd.

Of four kinds: what its list names under /var and what scripts made right below; what its tmpfiles.d(5) asks for
(`d`, `D`); what its systemd.exec(5) units ask for (RuntimeDirectory= and its like); and /var/lib/NAME and the like
where the root has them, for these are made by maintainer scripts and stand in no list. Nothing in them is taken: data
is no part of a package. A folder of the root has its owner and mode there; another those that are asked for.
"""

from __future__ import annotations

from itertools import islice

from needed.packages.text import read_text
from needed.root import Entry, RootPath, join

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.packages.model import Package, Packages
    from needed.root import Walker

MAX_SMALL = 256 << 10  # bytes, of a unit, of a configuration of tmpfiles
MAX_ACCOUNTS = 4 << 20
MAX_FOLDERS = 256  # that are looked at in one
MAX_ASKED = 1000
MAX_FILES = 300  # of systemd's configuration, that are read of one package
PLACES = ("/var/lib", "/var/log", "/var/cache", "/var/spool", "/run")
_UNIT_FOLDERS = {"RuntimeDirectory": "/run", "StateDirectory": "/var/lib", "CacheDirectory": "/var/cache",
                 "LogsDirectory": "/var/log"}  # fmt: skip
_SHARED = ("", "apt", "dpkg", "lock", "misc", "systemd")  # the system's, not a service's
_SUFFIXES = ("-server", "-common", "-core", "-daemon", "-base")


def state_folders(packages: Packages, package: Package, kept: dict[RootPath, Entry]) -> dict[RootPath, Entry]:
    """The folders of `package` besides those in `kept`, by canonical path. Raises ReadError."""
    walker = packages.walker
    found: dict[RootPath, Entry] = {}
    accounts: dict[str, dict[str, int]] = {}
    for path, mode, user, group in islice(_asked(packages, package), MAX_ASKED):
        accounts = accounts or {name: _numbers(walker, f"/etc/{name}") for name in ("passwd", "group")}
        owner = (accounts["passwd"].get(user, 0), accounts["group"].get(group or user, 0))
        place, entry = _there(walker, path)
        if entry is None or entry.kind == "directory":
            found[place] = entry or Entry("directory", mode, owner=owner)
    for path in _conventional(package):
        place, entry = _there(walker, path)
        if entry is not None and entry.kind == "directory":
            found[place] = entry
    for path, entry in (*kept.items(), *found.items()):
        if entry.kind == "directory" and path.startswith("/var/") and path.count("/") > 2:
            found |= _below(packages, path)
    return {path: entry for path, entry in found.items() if path not in kept}


def _there(walker: Walker, path: str) -> tuple[RootPath, Entry | None]:
    """`path` without links in its parents, and what stands there itself."""
    directory, _, name = path.rpartition("/")
    above = walker.find(directory or "/")
    if above is None or above.entry.kind != "directory":
        return RootPath(path), None
    place = join(above.path, name)
    return place, walker.entry(place)


def _below(packages: Packages, path: RootPath) -> dict[RootPath, Entry]:
    """The folders right in `path`."""
    found: dict[RootPath, Entry] = {}
    if packages.walker.entry(path) is None:
        return found
    for name in packages.root.names(path)[:MAX_FOLDERS]:
        entry = packages.walker.entry(join(path, name))
        if entry is not None and entry.kind == "directory":
            found[join(path, name)] = entry
    return found


def _conventional(package: Package) -> list[str]:
    names: dict[str, None] = {}
    for name in (package.name, package.source):
        plain = name.rstrip("0123456789.").rstrip("-")
        for suffix in _SUFFIXES:
            plain = plain.removesuffix(suffix)
        names |= dict.fromkeys(one for one in (name, plain) if one not in _SHARED)
    return [f"{place}/{name}" for name in names for place in PLACES]


def _asked(packages: Packages, package: Package) -> Iterator[tuple[str, int, str, str]]:
    """(path, mode, user, group) of each folder that the package's configuration of systemd asks for."""
    read = 0
    for path in packages.files(package):
        place = path.removeprefix("/usr")
        if not place.startswith(("/lib/tmpfiles.d/", "/lib/systemd/system/")) or read == MAX_FILES:
            continue
        read += 1
        if place.endswith(".conf"):
            yield from _of_tmpfiles(read_text(packages.walker, path, MAX_SMALL) or "")
        elif place.endswith(".service"):
            yield from _of_unit(read_text(packages.walker, path, MAX_SMALL) or "")


def _of_tmpfiles(text: str) -> Iterator[tuple[str, int, str, str]]:
    for line in text.split("\n"):
        words = line.split()
        if len(words) >= 2 and words[0][0] in "dD" and _is_plain(words[1]):
            mode, user, group = (*(word.replace("-", "") for word in words[2:5]), "", "", "")[:3]
            yield words[1].rstrip("/"), _mode(mode), user, group


def _of_unit(text: str) -> Iterator[tuple[str, int, str, str]]:
    settings: dict[str, str] = {}
    for line in text.split("\n"):
        name, equals, content = line.partition("=")
        if equals:
            settings[name.strip()] = content.strip()
    for name, above in _UNIT_FOLDERS.items():
        for folder in settings.get(name, "").split():
            path = f"{above}/{folder.partition(':')[0].rstrip('/')}"
            if _is_plain(path):
                yield path, _mode(settings.get(f"{name}Mode", "")), settings.get("User", ""), settings.get("Group", "")


def _is_plain(path: str) -> bool:
    """Whether it is one folder: absolute, without systemd's specifiers, without `..`; one that only services share."""
    odd = "%" in path or "\0" in path or {"", ".", ".."} & {*path[1:].rstrip("/").split("/")}
    return path.startswith(("/run/", "/var/")) and not odd and len(path) < 1024


def _mode(text: str) -> int:
    digits = text.lstrip("~:")
    return int(digits, 8) & 0o7777 if digits and len(digits) <= 5 and {*digits} <= {*"01234567"} else 0o755


def _numbers(walker: Walker, path: str) -> dict[str, int]:
    """The number of each name in passwd(5) or group(5)."""
    found: dict[str, int] = {}
    for line in (read_text(walker, path, MAX_ACCOUNTS) or "").split("\n"):
        fields = line.split(":")
        if len(fields) >= 3 and fields[2].isascii() and fields[2].isdigit() and len(fields[2]) <= 10:
            found.setdefault(fields[0], int(fields[2]))
    return found
