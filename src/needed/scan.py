"""Every ELF file of a root: what it needs, what of that is missing, and who needs a library.

Each file is asked about alone, as `ldd` would: a program as it is started, a library as if nothing else were loaded.
So a plugin may lack what the program that loads it brings along, or has in its own search path; where the root has
such a library somewhere, that is a note and not a fault (`Problem.broken`).

Each directory and each inode is looked at once, no symlink is followed, only regular files are opened. What lies in
/proc, /sys, /dev and /run of the root is the kernel's and not part of it. Knows nothing of packages.
"""

from __future__ import annotations

from needed.elf import is_elf, parse_machine
from needed.elf.model import ET_DYN, ET_EXEC
from needed.errors import ElfError, ReadError, SourceError
from needed.loader import Resolver
from needed.loader.settings import DEFAULTS
from needed.loader.verdict import NOT_LOADABLE, UNREADABLE, WRONG_MACHINE
from needed.root import Found, RootPath, Walker, join, list_kinds, read_head
from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from needed.closure import LoadedObject, LoadList, Need, VersionProblem
    from needed.elf import ElfFile, Machine
    from needed.loader import Settings
    from needed.root import Entry, Root

    # Called with (files looked at, 0) while the root is walked, then with (ELF files done, all of them).
    Watch = Callable[[int, int], None]

NOT_OF_THE_ROOT = ("/proc", "/sys", "/dev", "/run")
EM_NONE, SHF_EXECINSTR = 0, 4


@value
class Problem:
    """Something that a file lacks or has wrong.

    `kind` is "damaged", "unreadable", "interpreter", "library", "machine" (the library is there for another machine
    only) or "version". `subject` is the path of the file itself, or the name or version that is asked for, by the
    object at `needed_by`. `message` goes on where `subject` ends. `places` are paths of the root where the subject is,
    and the loader does not look. What is not `broken` is a note: it may be met by who loads the file.
    """

    kind: str
    subject: str
    message: str
    needed_by: str
    places: tuple[str, ...] = ()
    broken: bool = True


@value
class Scanned:
    """One ELF file. `kind` is "program", "library", "damaged", "unreadable" (which may be a folder, and no ELF file),
    or "other": an object file, a core, a kernel module, separate debug symbols, a machine that no loader has.

    `machine`, `elf` and `load_list` are None as far as nothing could be read, or is to be loaded. `links` are further
    paths of the same file.
    """

    path: RootPath
    kind: str
    machine: Machine | None = None
    elf: ElfFile | None = None
    load_list: LoadList | None = None
    problems: tuple[Problem, ...] = ()
    links: tuple[RootPath, ...] = ()

    @property
    def broken(self) -> bool:
        return any(problem.broken for problem in self.problems)


@value
class Dependent:
    """A file that loads what was asked for: `direct` if it asks for it itself, else `through` the object at that path.
    `found` is the path string that its loader opens, None if it finds nothing."""

    path: RootPath
    through: str
    found: RootPath | None

    @property
    def direct(self) -> bool:
        return self.through == self.path


@value
class Group:
    """The same problem of several files: `askers` are the objects that lack it, `files` counts who loads one of them,
    an asker itself included; `places` are where it is for one of them."""

    problem: Problem
    askers: tuple[str, ...]
    files: int
    places: tuple[str, ...]


class Tally:
    """The numbers of a scan, and its problems by what is missing. `add` every file."""

    def __init__(self) -> None:
        self.kinds: dict[str, int] = {}
        self.broken = self.noted = 0
        self._problems: dict[tuple[bool, str, str, str], list[Problem]] = {}
        self._files: dict[tuple[bool, str, str, str], int] = {}
        self._known: set[Problem] = set()

    def add(self, scanned: Scanned) -> None:
        self.kinds[scanned.kind] = self.kinds.get(scanned.kind, 0) + 1
        self.broken += scanned.broken
        self.noted += bool(scanned.problems) and not scanned.broken and scanned.kind != "unreadable"
        keys: dict[tuple[bool, str, str, str], None] = {}
        for one in scanned.problems:
            key = (one.broken, one.kind, one.subject, one.message)
            keys[key] = None
            if one not in self._known:
                self._known.add(one)
                self._problems.setdefault(key, []).append(one)
        for key in keys:
            self._files[key] = self._files.get(key, 0) + 1

    @property
    def files(self) -> int:
        """The ELF files."""
        return sum(self.kinds.values()) - self.kinds.get("unreadable", 0)

    def groups(self) -> tuple[Group, ...]:
        """What is broken before what is only noted; what most files lack comes first."""
        made = []
        for key, problems in self._problems.items():
            askers = tuple(dict.fromkeys(one.needed_by for one in problems))
            places = tuple(dict.fromkeys(place for one in problems for place in one.places))
            made.append(Group(problems[0], askers, self._files[key], places))
        return tuple(sorted(made, key=lambda one: (not one.problem.broken, -one.files, one.problem.subject)))


def scan_root(
    root: Root,
    settings: Settings = DEFAULTS,
    folders: Iterable[str] = ("/",),
    *,
    one_file_system: bool = False,
    watch: Watch | None = None,
) -> Iterator[Scanned]:
    """Every ELF file below `folders`, sorted by folder; `one_file_system` stays on the file system of each of them.

    The whole root is walked before the first comes out, since where else a library is decides between a fault and a
    note. `folders` may name files. What cannot be read is an item, no error. Raises SourceError for a folder that is
    not there.
    """
    seen = _Census(Resolver(root, settings), watch)
    for found in [seen.start(folder) for folder in folders]:
        seen.walk(found, one_file_system=one_file_system)
    total = len(seen.paths) + len(seen.unreadable)
    yield from seen.unreadable
    for done, path in enumerate(seen.paths, len(seen.unreadable)):
        if watch:
            watch(done, total)
        yield seen.examine(path)


class _Census:
    """The ELF files of a root, and which of them have a name that others may ask for."""

    def __init__(self, resolver: Resolver, watch: Watch | None) -> None:
        self.resolver, self.root, self.watch = resolver, resolver.root, watch
        self.looked_at = 0
        self.paths: list[RootPath] = []
        self.unreadable: list[Scanned] = []
        self.others: dict[RootPath, Machine] = {}
        self.links: dict[RootPath, list[RootPath]] = {}
        self.libraries: dict[str, list[RootPath]] = {}
        self._first: dict[tuple[int, int], RootPath] = {}
        self._places: dict[tuple[str, Machine], tuple[RootPath, ...]] = {}
        self._folders: set[tuple[int, int]] = set()

    def start(self, folder: str) -> Found:
        found = self.resolver.walker.find(folder)
        if found is None or found.entry.kind not in ("directory", "file"):
            hints = ["check the path, or name another tree with --root"]
            raise SourceError(f"{folder}: no such file or folder to scan", hints=hints)
        return found

    def walk(self, found: Found, *, one_file_system: bool) -> None:
        if found.entry.kind == "file":
            self.look(found.path)
            return
        pending = [found.path]
        while pending:
            folder = pending.pop()
            try:
                entry = self.root.entry(folder)
                # By identity: a folder that is mounted twice, or below itself, is walked once.
                if entry is None or entry.kind != "directory" or entry.identity in self._folders:
                    continue
                if one_file_system and entry.identity[0] != found.entry.identity[0]:
                    continue
                self._folders.add(entry.identity)
                kinds = list_kinds(self.root, folder)
            except ReadError as error:
                self.note_unreadable(folder, error)
                continue
            below = []
            for name, kind in kinds:
                if kind == "file":
                    self.look(join(folder, name))
                elif kind == "directory" and (path := join(folder, name)) not in NOT_OF_THE_ROOT:
                    below.append(path)
            pending += below[::-1]
            if self.watch:
                self.watch(self.looked_at, 0)

    def look(self, path: RootPath) -> None:
        """Take the file at `path` into the census if it is an ELF file."""
        self.looked_at += 1
        try:
            head = read_head(self.root, path, 64)
            if not is_elf(head):
                return
            entry = self.resolver.walker.entry(path)
            if entry is None or entry.kind != "file":
                return  # it went meanwhile
            first = self._first.setdefault(entry.identity, path)
            if first != path:
                self.links.setdefault(first, []).append(path)
                return
            self.count(path, head, entry)
            self.paths.append(path)
        except ReadError as error:
            self.note_unreadable(path, error)

    def count(self, path: RootPath, head: bytes, entry: Entry) -> None:
        try:
            machine = parse_machine(head)
        except ElfError:
            pass  # `examine` says it
        else:
            e_type = int.from_bytes(head[16:18], "little" if machine.byteorder == "little" else "big")
            if e_type not in (ET_EXEC, ET_DYN) or machine.e_machine == EM_NONE:
                self.others[path] = machine
                return
        elf = self.resolver.read_elf(Found(path, entry, ()))
        if not isinstance(elf, ElfError) and elf.dynamic and elf.linkage == "shared object":
            for name in {elf.soname or "", path.rpartition("/")[2]}:
                self.libraries.setdefault(name, []).append(path)

    def note_unreadable(self, path: RootPath, error: ReadError) -> None:
        reason = error.message.removeprefix(f"{path}: ")
        self.unreadable.append(_failed(path, "unreadable", reason))

    def examine(self, path: RootPath) -> Scanned:
        """What there is to say about the ELF file at `path`, now that all others are known."""
        links = tuple(self.links.get(path, ()))
        if path in self.others:
            return Scanned(path, "other", self.others[path], links=links)
        try:
            load_list = self.resolver.load_list(path)
        except ElfError as error:
            if self.is_debug_file(path):
                return Scanned(path, "other", links=links)
            return _failed(path, "damaged", error.message.removeprefix(f"{path}: "), links)
        except (ReadError, SourceError) as error:  # it, or what its loader reads, went meanwhile
            return _failed(path, "unreadable", error.message.removeprefix(f"{path}: "), links)
        elf = load_list.program.elf
        kind = "library" if elf.linkage == "shared object" else "program"
        problems = tuple(self.problems(load_list, alone=kind == "library"))
        # Looked at only where it matters, since it costs as much as all the rest.
        if (problems or not elf.dynamic) and self.is_debug_file(path):
            return Scanned(path, "other", elf.machine, links=links)
        return Scanned(path, kind, elf.machine, elf, load_list, problems, links)

    def is_debug_file(self, path: RootPath) -> bool:
        """Whether its code was left out (`objcopy --only-keep-debug`): what it loads is the other file's business."""
        from needed.elf.sections import SHT_NOBITS, parse_sections

        try:
            file = self.root.open(path)
            try:
                sections = parse_sections(file)
            finally:
                file.close()
        except (ElfError, ReadError):
            return False
        return any(one.sh_type == SHT_NOBITS and one.sh_flags & SHF_EXECINSTR for one in sections)

    def problems(self, load_list: LoadList, *, alone: bool) -> Iterator[Problem]:
        """What a start of the program, or of nothing but the library, would end with."""
        machine, path = load_list.machine, load_list.path
        if load_list.missing_interpreter is not None:
            name = load_list.missing_interpreter
            places = self.elsewhere(name.rpartition("/")[2], machine)
            message = "is not where the kernel looks" if places else "is nowhere"
            # A library with an interpreter (libc.so.6) can be started, but that is not what it is for.
            yield Problem("interpreter", name, message, path, places, not alone)
        elif load_list.interpreter is not None and load_list.program.elf.interpreter is not None:
            other = load_list.interpreter.elf.machine
            if not machine.loads(other):  # ELIBBAD (fs/binfmt_elf.c)
                message = f"is not for {machine.name} but for {other.name}"
                yield Problem("interpreter", load_list.interpreter.path, message, path, (), not alone)
        seen: set[tuple[str, str]] = set()
        for need in load_list.missing:
            if (need.name, need.needed_by) not in seen:
                seen.add((need.name, need.needed_by))
                yield self.missing(need, machine, alone=alone)
        for problem in load_list.unmet_versions:
            yield self.undefined(problem, load_list, alone=alone)

    def missing(self, need: Need, machine: Machine, *, alone: bool) -> Problem:
        places = self.elsewhere(need.name, machine)
        for attempt in need.attempts:
            if attempt.outcome.startswith(NOT_LOADABLE):
                reason = attempt.outcome.partition(": ")[2]
                return Problem("library", need.name, f"is at {attempt.path}, and no library: {reason}", need.needed_by)
        for attempt in need.attempts:
            if attempt.outcome == UNREADABLE:
                message = f"may be at {attempt.path}, which cannot be read"
                return Problem("library", need.name, message, need.needed_by, broken=False)
        if places:
            message = "is only where another's search path leads" if alone else "is not where its loader looks"
            return Problem("library", need.name, message, need.needed_by, places, not alone)
        for attempt in need.attempts:
            if attempt.outcome.startswith(WRONG_MACHINE):
                reason = attempt.outcome.partition(": ")[2]
                message = f"is not there for {machine.name}: {attempt.path} is for {reason}"
                return Problem("machine", need.name, message, need.needed_by)
        return Problem("library", need.name, "is nowhere", need.needed_by)

    def undefined(self, problem: VersionProblem, load_list: LoadList, *, alone: bool) -> Problem:
        message = f"is not defined by {problem.path}"
        provider = next((item for item in load_list.objects if item.path == problem.path), None)
        if provider is None:
            return Problem("version", problem.version, message, problem.needed_by)
        name = provider.elf.soname or problem.path.rpartition("/")[2]
        places = tuple(path for path in self.elsewhere(name, load_list.machine) if self.defines(path, problem.version))
        return Problem("version", problem.version, message, problem.needed_by, places, not (alone and places))

    def defines(self, path: RootPath, version: str) -> bool:
        item = self.resolver.read_object(path)
        return item is not None and version in item.elf.version_definitions

    def elsewhere(self, name: str, machine: Machine) -> tuple[RootPath, ...]:
        """Where in the root a library of that name is that a process of `machine` could load."""
        key = (name, machine)
        if key not in self._places:  # what one plugin lacks, a hundred of its kind lack
            found = (self.resolver.read_object(path) for path in self.libraries.get(name, ()))
            places = [item.path for item in found if item is not None and machine.loads(item.elf.machine)]
            self._places[key] = tuple(places)
        return self._places[key]


def _failed(path: RootPath, kind: str, reason: str, links: tuple[RootPath, ...] = ()) -> Scanned:
    problem = Problem(kind, path, reason, path, broken=kind == "damaged")
    return Scanned(path, kind, problems=(problem,), links=links)


class Wanted:
    """A library that others are asked about: by its path, or by its soname or the last part of its path."""

    def __init__(self, root: Root, name: str) -> None:
        """Raises SourceError for a path where nothing is."""
        self.name, self.file = name, ""
        if "/" in name:
            found = Walker(root).find(name if name.startswith("/") else f"/{name}")
            if found is None or found.entry.kind != "file":
                raise SourceError(f"{name}: no such file", hints=["ask by name: needed scan --needs libz.so.1"])
            self.file = found.path

    def dependent(self, scanned: Scanned) -> Dependent | None:
        """How `scanned` comes to load it, directly if it does; None if it does not, or is the wanted file itself."""
        load_list = scanned.load_list
        if load_list is None or scanned.path == self.file or (load_list.program.elf.soname or "") == self.name:
            return None
        names = {item.path for item in load_list.objects[1:] if self.is_it(item)}
        first: Need | None = None
        for need in load_list.needs:
            if need.path in names or (not self.file and need.name == self.name):
                if need.needed_by == scanned.path:
                    return Dependent(scanned.path, scanned.path, need.path)
                first = first or need
        if first is not None:
            return Dependent(scanned.path, RootPath(first.needed_by), first.path)
        # What nobody needs, and is there all the same, is the interpreter.
        return Dependent(scanned.path, scanned.path, RootPath(min(names))) if names else None

    def is_it(self, item: LoadedObject) -> bool:
        if self.file:
            return item.found.path == self.file
        return self.name in (item.elf.soname, item.path.rpartition("/")[2])
