"""What `ldconfig` would write into a root's `ld.so.cache`, without running it: glibc elf/ldconfig.c, elf/readlib.c.

The directories of `/etc/ld.so.conf` in order, with what it includes, then the system directories; in each one entry for
each SONAME. Links that ldconfig would make are not made: an entry leads to the file itself where its link is missing.
"""

from __future__ import annotations

from needed.errors import ElfError, ReadError
from needed.loader.cache import CacheEntry, compare_names
from needed.loader.hwcaps import NAMES
from needed.root import RootPath

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Protocol

    from needed.elf import ElfFile, Machine
    from needed.loader.ldso import Builtin
    from needed.root import Found, Root, Walker

    class Reader(Protocol):
        """The Resolver, as this uses it."""

        root: Root
        walker: Walker

        def read_elf(self, found: Found, /) -> ElfFile | ElfError:
            """The ELF file at a canonical path, or why it is none."""


CONFIGURATION = "/etc/ld.so.conf"
# Of all configuration files together. glibc has no limit: a file that includes itself ends it by memory.
MAX_CONFIGURATION = 4 << 20  # bytes
MAX_FILES = 1000
MAX_DIRECTORIES = 4096
MAX_NAMES = 1 << 18  # that includes look for, or compare with a pattern, which itself counts as PER_PATTERN
PER_PATTERN = 100
_SPACE = " \t\v\f\r"  # isspace(3) in the C locale; Python's own strip would know more
_TEMPORARY = (".dpkg-new", ".dpkg-tmp")


class Simulated:
    """The entries of a cache that nobody has written."""

    damaged = False

    def __init__(self, entries: dict[str, list[CacheEntry]]) -> None:
        self._entries = entries

    def find(self, name: str, active: tuple[str, ...] = ()) -> CacheEntry | None:
        """As `Cache.find`; names are equal if their runs of digits are equal numbers."""
        found = self._entries.get(_canonical(name), ())
        named = [entry for entry in found if entry.hwcap in active]
        if named:
            return min(named, key=lambda entry: active.index(entry.hwcap))
        return next((entry for entry in found if not entry.hwcap), None)


def simulate_ldconfig(reader: Reader, builtin: Builtin, machine: Machine) -> Simulated:
    """The cache of the root as `machine`'s loader would search it after `ldconfig`."""
    entries: dict[str, list[CacheEntry]] = {}
    seen: set[tuple[int, int]] = set()
    for directory in (*configured_directories(reader), *builtin.system_dirs):
        for hwcap in ("", *NAMES.get(machine.name, ())):
            path = f"{directory}/glibc-hwcaps/{hwcap}" if hwcap else directory
            found = reader.walker.find(path)
            if found is None or found.entry.kind != "directory" or found.entry.identity in seen:
                continue
            seen.add(found.entry.identity)
            for soname, file in _libraries(reader, path, found, machine):
                entries.setdefault(_canonical(soname), []).append(CacheEntry(soname, f"{path}/{file}", hwcap))
    return Simulated(entries)


def configured_directories(reader: Reader) -> tuple[str, ...]:
    """The directories that `/etc/ld.so.conf` names, in order, each once, without trailing slashes (`parse_conf`)."""
    found: dict[str, None] = {}
    left = _Left()
    open_files = [(CONFIGURATION, _lines(reader, CONFIGURATION, left))]
    while open_files and len(found) < MAX_DIRECTORIES:
        path, lines = open_files[-1]
        line = next(lines, None)
        if line is None:
            open_files.pop()
        elif line.startswith(("include ", "include\t")):
            # What is included stands where the line is, before what follows it.
            files = _included(reader, path, line[8:], left)
            open_files += [(file, _lines(reader, file, left)) for file in reversed(files)]
        elif not line.lower().startswith(("hwcap ", "hwcap\t")):
            # "DIR=TYPE" is an old form, of which the directory counts.
            found.setdefault(line.partition("=")[0].rstrip(_SPACE).rstrip("/") or "/")
    return tuple(path for path in found if path.startswith("/"))


class _Left:
    """What may still be read of a configuration, which its writer can make include anything any number of times."""

    def __init__(self) -> None:
        self.size, self.files, self.names = MAX_CONFIGURATION, MAX_FILES, MAX_NAMES


def _lines(reader: Reader, path: str, left: _Left) -> Iterator[str]:
    """The lines without comments and white space around them; none of a file that is not there, or is one too many."""
    found = reader.walker.find(path)
    if found is None or found.entry.kind != "file" or left.files <= 0:
        return
    try:
        file = reader.root.open(found.path)
    except ReadError:
        return
    try:
        content = file.read_at(0, left.size)
    finally:
        file.close()
    left.files, left.size = left.files - 1, left.size - len(content)
    for raw in content.split(b"\n"):
        text = raw.partition(b"\0")[0].partition(b"#")[0].decode("utf-8", "surrogateescape").lstrip(_SPACE)
        if text:
            yield text


def _included(reader: Reader, path: str, patterns: str, left: _Left) -> list[str]:
    """The files that the patterns of one line lead to: of each those that are there, sorted."""
    found: list[str] = []
    for pattern in filter(None, patterns.replace("\t", " ").split(" ")):
        if left.names <= 0:
            break
        found += _glob(reader, pattern if pattern.startswith("/") else f"{path.rpartition('/')[0]}/{pattern}", left)
    return found[:MAX_FILES]


def _glob(reader: Reader, pattern: str, left: _Left) -> list[str]:
    """glob(3) inside the root, sorted. A dot at the start of a name is matched by a dot only."""
    from fnmatch import fnmatchcase

    found = [""]
    for part in pattern.split("/")[1:]:
        below: list[str] = []
        for above in found:
            left.names -= 1
            if not any(character in part for character in "*?["):
                below.append(f"{above}/{part}")
                continue
            directory = reader.walker.find(above or "/")
            if directory is not None and directory.entry.kind == "directory" and left.names > 0:
                names = reader.root.names(directory.path)
                left.names -= PER_PATTERN + len(names)
                wanted = (name for name in names if name[0] != "." or part[0] == ".")
                below += [f"{above}/{name}" for name in wanted if fnmatchcase(name, part)]
        found = below[:MAX_FILES]
    return sorted(path for path in found if reader.walker.find(path) is not None)


def _libraries(reader: Reader, path: str, directory: Found, machine: Machine) -> Iterator[tuple[str, str]]:
    """(SONAME, the name of its file in `path`) of each library of `machine` (`search_dir`)."""
    best: dict[str, tuple[bool, str]] = {}
    names = reader.root.names(directory.path)
    for name in names:
        if not _is_library_name(name):
            continue
        entry = reader.walker.entry(RootPath(f"{directory.path.rstrip('/')}/{name}"))
        found = reader.walker.find(f"{path}/{name}") if entry is not None else None
        if entry is None or found is None or found.entry.kind != "file":
            continue
        try:
            elf = reader.read_elf(found)
        except ReadError:
            continue
        if isinstance(elf, ElfError) or elf.e_type != 3 or not elf.dynamic or not machine.loads(elf.machine):
            continue
        soname = elf.soname or name
        linked = entry.kind == "symlink" and _is_link_of(soname, name)
        if linked:
            soname = name
        known = best.get(soname)
        if known is None or (known[0] and not linked) or (known[0] == linked and _compare(known[1], name) < 0):
            best[soname] = (linked, name)
    present = set(names)
    for soname, (_, name) in best.items():
        yield soname, soname if soname in present else name


def _is_library_name(name: str) -> bool:
    """`_dl_is_dso` of glibc and `skip_dso_based_on_name` of elf/ldconfig.c."""
    if not name.startswith(("lib", "ld-", "ld.so.", "ld64.so.")) or ".so" not in name:
        return False
    return ";" not in name and not name.endswith(_TEMPORARY) and ".#prelink#." not in name


def _is_link_of(soname: str, name: str) -> bool:
    """Whether a link named `name` is an entry under its own name: it is the SONAME, or what ld(1) looks for."""
    return name == soname or (name.endswith(".so") and soname.startswith(name))


def _compare(one: str, other: str) -> int:
    return compare_names(one.encode("utf-8", "surrogateescape"), other.encode("utf-8", "surrogateescape"))


def _canonical(name: str) -> str:
    """`name` with zeros in front of a run of digits removed: what `compare_names` finds equal becomes equal."""
    if "0" not in name:
        return name
    done: list[str] = []
    for number, character in enumerate(name):
        ahead = name[number + 1 : number + 2]
        fresh = not done or not (done[-1].isascii() and done[-1].isdigit())
        if character == "0" and fresh and ahead.isascii() and ahead.isdigit():
            continue
        done.append(character)
    return "".join(done)
