"""The walk: from paths to load lists, breadth-first, as `_dl_map_object_deps` and musl's `load_deps` go.

Decides what each file is to the kernel (ELF program, `#!` script), picks the C library's rules by the interpreter, and
collects what is missing instead of stopping at it. Raises only for a program that is not there or is no program.
"""

from __future__ import annotations

from needed.closure import Closure, LoadedObject, LoadList, Opened, Reason, Script
from needed.elf import is_elf, parse_elf
from needed.errors import ElfError, ReadError, ScriptError, SourceError
from needed.loader.cache import MAX_CACHE, NO_CACHE, Cache
from needed.loader.glibc import GlibcSearch, RootLoader
from needed.loader.hwcaps import FIRST_WITHOUT_LEGACY
from needed.loader.ldso import FALLBACK, MAX_LOADER, parse_builtin
from needed.loader.musl import MuslSearch, parse_path_file, path_file
from needed.loader.preload import MAX_PRELOAD_FILE, parse_preload_file
from needed.loader.settings import DEFAULTS
from needed.loader.shebang import MAX_DEPTH, parse_shebang
from needed.loader.verdict import ABSENT, FOUND, LOOP, NOT_LOADABLE, RELATIVE, UNREADABLE
from needed.loader.walk import Walk
from needed.root import RootPath, Walker
from needed.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from needed.elf import ElfFile, Machine
    from needed.loader.glibc import Index
    from needed.loader.ldso import Builtin
    from needed.loader.search import Search
    from needed.loader.settings import Settings
    from needed.root import Found, Root

# The interpreter of a library that is asked about by itself: the psABIs' PT_INTERP.
_INTERPRETERS = {
    "x86-64": "/lib64/ld-linux-x86-64.so.2",
    "x32": "/libx32/ld-linux-x32.so.2",
    "i386": "/lib/ld-linux.so.2",
    "arm64": "/lib/ld-linux-aarch64.so.1",
    "armhf": "/lib/ld-linux-armhf.so.3",
    "armel": "/lib/ld-linux.so.3",
    "arm": "/lib/ld-linux-armhf.so.3",
    "riscv64": "/lib/ld-linux-riscv64-lp64d.so.1",
    "ppc64le": "/lib64/ld64.so.2",
    "s390x": "/lib/ld64.so.1",
    "mips64el": "/lib64/ld.so.1",
    "loongarch64": "/lib64/ld-linux-loongarch-lp64d.so.1",
}
# ARCH of musl's loader where it is not the machine's name here (musl's configure and arch/*/reloc.h).
_MUSL_NAMES = {"x86-64": "x86_64", "arm64": "aarch64", "armel": "arm", "ppc64le": "powerpc64le", "mips64el": "mips64el"}
SEARCH_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


REQUESTED = Reason("requested")


def resolve(root: Root, executables: Iterable[str], settings: Settings = DEFAULTS) -> Closure:
    """The closure of `executables`: absolute paths inside the root, or bare names looked up on its PATH.

    Nothing that is missing raises: see `Closure.missing`. Raises SourceError for an executable that is not there or is
    no program.
    """
    return Resolver(root, settings).resolve(executables)


class Resolver:
    """Resolves many programs of one root, reading each file once. Does not see changes of the root meanwhile."""

    def __init__(self, root: Root, settings: Settings = DEFAULTS) -> None:
        self.root = root
        self.walker = Walker(root)
        self.settings = settings
        self._files: dict[str, ElfFile | ElfError] = {}
        self._objects: dict[str, tuple[str, LoadedObject | None]] = {}
        self._builtins: dict[str, Builtin] = {}
        self._caches: dict[tuple[str, Machine], Index] = {}
        self._path_files: dict[str, tuple[str, ...] | None] = {}
        self._exports: dict[str, frozenset[str]] = {}
        self._imports: dict[str, frozenset[str]] = {}
        self._walks: dict[str, Walk] = {}
        self._openers: dict[tuple[str, str], LoadedObject] = {}

    def under(self, settings: Settings) -> Resolver:
        """A Resolver of the same root that shares what was read of it."""
        other = Resolver(self.root, settings)
        other.walker, other._files, other._objects = self.walker, self._files, self._objects
        other._builtins, other._path_files, other._imports = self._builtins, self._path_files, self._imports
        return other

    def believe(self, other: Resolver, paths: Iterable[str]) -> None:
        """Take over what `other` read of the files at the canonical `paths`, which are the same in both roots."""
        for path in paths:
            if path in other._files:
                self._files[path] = other._files[path]
            if path in other._builtins:
                self._builtins[path] = other._builtins[path]

    def resolve(self, executables: Iterable[str]) -> Closure:
        """See `needed.resolve`."""
        return self.resolve_for((executable, REQUESTED) for executable in executables)

    def resolve_for(self, executables: Iterable[tuple[str, Reason]]) -> Closure:
        """The same for executables that are there for other reasons than that somebody named them."""
        programs: dict[str, LoadList] = {}
        scripts: dict[str, Script] = {}
        followed: dict[str, RootPath] = {}  # script -> what the kernel starts in its place
        for executable, because in executables:
            askers: tuple[str, ...] = ()  # canonical, since a link to a script is the script
            pending = [(self.find_program(executable), because, askers)]
            while pending:
                path, reason, askers = pending.pop(0)
                found = self._program(path, reason)
                if found.path in askers:
                    raise SourceError(f"{path}: a script that is its own interpreter; nothing is ever started")
                if path in programs or path in scripts:
                    continue
                words = self._shebang(path, found)
                if words is None:
                    programs[path] = self.load_list(path, reason)
                    continue
                interpreters = [self._interpreter(word, path) for word in words]
                scripts[path] = Script(path, found, reason, interpreters[-1])
                followed[path] = interpreters[0]
                askers = (*askers, found.path)
                pending += [(found_at, Reason("interpreter of", path), askers) for found_at in interpreters]
        for script in followed:
            _check_depth(script, followed)
        return Closure(tuple(programs.values()), tuple(scripts.values()))

    def find_program(self, name: str) -> RootPath:
        """`name` itself if it is a path, else the first executable of that name on the root's PATH."""
        if not name or "\0" in name:
            raise SourceError("a program's name is empty or holds a NUL byte", hints=["name a program: /bin/ls"])
        if "/" in name:
            return RootPath(name if name.startswith("/") else f"/{name}")
        for directory in SEARCH_PATH:
            found = self.walker.find(f"{directory}/{name}")
            if found is not None and found.entry.kind == "file" and found.entry.mode & 0o111:
                return RootPath(f"{directory}/{name}")
        raise SourceError(
            f"{name}: no such program on the PATH of the root",
            details=[f"searched in {directory}" for directory in SEARCH_PATH],
            hints=[f"give its path: ./{name} for a file in this folder"],
        )

    def _interpreter(self, word: str, script: RootPath) -> RootPath:
        """The interpreter of a script, by the word in its first line. Raises ScriptError."""
        try:
            path = self.find_program(word)
            self._program(path, Reason("interpreter of", script))
        except SourceError as error:
            raise ScriptError(error.message, word, details=error.details, hints=error.hints) from None
        return path

    def load_list(self, path: RootPath, reason: Reason = REQUESTED) -> LoadList:
        """What the process of the ELF file at `path` maps. Raises SourceError if that is no ELF file."""
        found = self._program(path, reason)
        elf = self.read_elf(found)
        if isinstance(elf, ElfError):
            raise ElfError(f"{path}: {elf.message}", hints=["copy the file again: it is damaged or was cut off"])
        main = LoadedObject(path, found, elf)
        name = elf.interpreter
        if name is None:
            if elf.linkage != "shared object":
                return LoadList(path, reason, (main,))
            name = self._usual_interpreter(elf.machine)
        interpreter = self.read_object(name)
        if interpreter is not None and interpreter.found.path == found.path:
            return LoadList(path, reason, (main,))  # the loader itself
        if interpreter is None and elf.interpreter is not None:
            return LoadList(path, reason, (main,), None, name)
        if _is_musl(name):
            return self._musl_list(main, name, interpreter, reason)
        return self._glibc_list(main, interpreter, reason)

    def open(self, program: str, by: str, name: str, reason: Reason) -> Opened | None:
        """What dlopen(3) of `name` by the object at `by` adds to the process of `program`, which was resolved before;
        `by` may be something that the process opened, which then is loaded, with what opened that in turn.

        None where the loader finds nothing that it would load; what it lacks to load it with, `Opened.lacks` says.
        """
        walk = self._walks.get(program)
        if walk is None:
            return None
        loaded = (item for item in walk.objects if by in (item.path, item.found.path))
        asker = next(loaded, None) or self.read_object(by)
        if asker is None:
            return None
        before, at = [asker], asker
        while (opener := self._openers.get((program, at.found.path))) and opener not in before:
            before.append(opener)
            at = opener
        added = walk.open(name, before[::-1], reason)
        if added is None:
            return None
        self._openers.setdefault((program, added.program.found.path), asker)
        return Opened(RootPath(program), asker.path, name, replace(added, cache_path=walk.cache_path))

    def _usual_interpreter(self, machine: Machine) -> str:
        """What loads a library of `machine` that is asked about by itself: glibc's loader, or musl's where only that
        is there."""
        usual = _INTERPRETERS.get(machine.name, "/lib/ld.so.1")
        musl = f"/lib/ld-musl-{_MUSL_NAMES.get(machine.name, machine.name)}.so.1"
        return musl if self.walker.find(usual) is None and self.walker.find(musl) is not None else usual

    def _musl_list(self, main: LoadedObject, name: str, interpreter: LoadedObject | None, reason: Reason) -> LoadList:
        file = path_file(name)
        search = MuslSearch(main, name, self._path_file(file), self.settings)
        walk = self._walks[main.path] = Walk(self, search, main, interpreter, self._preloads())
        found = walk.run(reason)
        return replace(found, configuration=self._configuration(file)) if walk.used_file else found

    def _glibc_list(self, main: LoadedObject, interpreter: LoadedObject | None, reason: Reason) -> LoadList:
        builtin = self.builtin(interpreter)
        loader = RootLoader(interpreter, builtin, self._cache(builtin, main.elf.machine))
        search = GlibcSearch(main, loader, self.settings, self._is_directory)
        file = self._configuration(builtin.preload) if self.settings.preload_file else ()
        preloads = self._preloads()
        for path, found in file:
            names = parse_preload_file(self._read(found, MAX_PRELOAD_FILE))
            preloads += tuple((name, path) for name in names)
        walk = self._walks[main.path] = Walk(self, search, main, interpreter, preloads)
        walk.cache_path = builtin.cache
        listed = walk.run(reason)
        return replace(listed, cache_path=builtin.cache, configuration=file, damaged_cache=loader.cache.damaged)

    def builtin(self, interpreter: LoadedObject | None) -> Builtin:
        """The constants of the loader `interpreter`, upstream's where it has none to read."""
        if interpreter is None:
            return FALLBACK
        real = interpreter.found
        if real.path not in self._builtins:
            self._builtins[real.path] = parse_builtin(self._read(real, MAX_LOADER)) or FALLBACK
        return self._builtins[real.path]

    def read_elf(self, found: Found) -> ElfFile | ElfError:
        """The ELF file at a canonical path, or why it is none; read once."""
        if found.path not in self._files:
            try:
                file = self.root.open(found.path)
                try:
                    self._files[found.path] = parse_elf(file)
                finally:
                    file.close()
            except ElfError as error:
                self._files[found.path] = error
        return self._files[found.path]

    def probe(self, path: str, search: Search) -> tuple[str, LoadedObject | None]:
        """What the loader makes of the candidate at `path`: an outcome for `Attempt`, and the object if it could read
        one, which is to be taken only if the outcome is FOUND."""
        if path not in self._objects:
            self._objects[path] = self._candidate(path)
        outcome, item = self._objects[path]
        if item is not None:
            return search.verdict(item.elf), item
        if outcome is NOT_LOADABLE:
            found = self.walker.find(path)
            error = self._files[found.path] if found else None
            if found and isinstance(error, ElfError):
                return search.damaged(self._read(found, 64), error), None
        return outcome, None

    def exported(self, item: LoadedObject) -> frozenset[str]:
        """The names of the symbols that `item` has for others; none if its table is damaged."""
        from needed.elf.symbols import exports

        known = self._exports.get(item.found.path)
        if known is None:
            file = self.root.open(item.found.path)
            try:
                known = frozenset(symbol.name for symbol in exports(file, item.elf))
            except ElfError:
                known = frozenset()
            finally:
                file.close()
            self._exports[item.found.path] = known
        return known

    def imported(self, item: LoadedObject) -> frozenset[str]:
        """The names of the symbols that `item` wants from others; none if its table is damaged."""
        from needed.elf.symbols import imported_names

        known = self._imports.get(item.found.path)
        if known is None:
            file = self.root.open(item.found.path)
            try:
                known = imported_names(file, item.elf)
            except ElfError:
                known = frozenset()
            finally:
                file.close()
            self._imports[item.found.path] = known
        return known

    def _candidate(self, path: str) -> tuple[str, LoadedObject | None]:
        """The object that a path string leads to, or why there is none, whoever asks."""
        if not path.startswith("/"):
            return RELATIVE, None
        try:
            found = self.walker.find(path)
            if found is None:
                return (LOOP if self.walker.is_loop(path) else ABSENT), None
            if found.entry.kind != "file":
                return f"{NOT_LOADABLE}: not a regular file", None
            elf = self.read_elf(found)
        except ReadError:
            return UNREADABLE, None
        if isinstance(elf, ElfError):
            return NOT_LOADABLE, None
        return FOUND, LoadedObject(RootPath(path), found, elf)

    def read_object(self, path: str) -> LoadedObject | None:
        """The ELF file that `path` leads to, None if there is none; also where it depends on the working directory."""
        found = self.walker.find(path) if path.startswith("/") else None
        if found is None or found.entry.kind != "file":
            return None
        elf = self.read_elf(found)
        return None if isinstance(elf, ElfError) else LoadedObject(RootPath(path), found, elf)

    def _program(self, path: RootPath, reason: Reason) -> Found:
        found = self.walker.find(path)
        context = f" ({reason})" if reason.kind != "requested" else ""
        if found is None:
            hint = "check the path, or name another tree with --root"
            raise SourceError(f"{path}{context}: no such file", hints=[hint])
        if found.entry.kind != "file":
            what = "a directory" if found.entry.kind == "directory" else "neither a file nor a link to one"
            hints = [f"take it along beside a program with --add {path}"] if what == "a directory" else []
            raise SourceError(f"{path}{context}: expected a program, found {what}", hints=hints)
        return found

    def _shebang(self, path: RootPath, found: Found) -> tuple[str, ...] | None:
        head = self._read(found, 256)
        if is_elf(head):
            return None
        try:
            words = parse_shebang(head)
        except SourceError as error:
            raise SourceError(f"{path}: {error.message}", hints=error.hints) from None
        if words is None:
            what = "an empty file" if not head else "neither an ELF file nor a script with a #! line"
            raise SourceError(
                f"{path}: expected a program, found {what}", hints=[f"for data beside a program use --add {path}"]
            )
        return words

    def _cache(self, builtin: Builtin, machine: Machine) -> Index:
        key = (builtin.cache, machine)
        if key not in self._caches:
            if self.settings.ldconfig:
                from needed.loader.ldconfig import simulate_ldconfig

                self._caches[key] = simulate_ldconfig(self, builtin, machine)
            else:
                found = self.walker.find(builtin.cache)
                readable = found is not None and found.entry.kind == "file"
                content = self._read(found, MAX_CACHE) if found and readable else NO_CACHE
                self._caches[key] = Cache(content, machine, legacy=builtin.version < FIRST_WITHOUT_LEGACY)
        return self._caches[key]

    def found_by_ldconfig(self, program: LoadList) -> dict[str, str]:
        """What is missing to `program` -> where it is, for what only a run of ldconfig would let the loader find."""
        from needed.loader.ldconfig import simulate_ldconfig

        if not program.missing or program.interpreter is None:
            return {}
        index = simulate_ldconfig(self, self.builtin(program.interpreter), program.machine)
        entries = ((need.name, index.find(need.name)) for need in program.missing)
        return {name: entry.path for name, entry in entries if entry}

    def preloads_of(self, interpreter: LoadedObject) -> tuple[str, tuple[str, ...]]:
        """The path of the preload file of this loader, and the names in it; none for musl, which has no such file."""
        if _is_musl(interpreter.path):
            return "", ()
        path = self.builtin(interpreter).preload
        return path, tuple(
            name
            for _, found in self._configuration(path)
            for name in parse_preload_file(self._read(found, MAX_PRELOAD_FILE))
        )

    def has_hwcaps(self, interpreter: LoadedObject) -> bool:
        """Whether a system directory of this loader has variants for better processors."""
        if _is_musl(interpreter.path):
            return False
        return any(self._is_directory(f"{path}/glibc-hwcaps") for path in self.builtin(interpreter).system_dirs)

    def _preloads(self) -> tuple[tuple[str, str], ...]:
        return tuple((name, "LD_PRELOAD") for name in self.settings.preload)

    def _configuration(self, path: str) -> tuple[tuple[RootPath, Found], ...]:
        found = self.walker.find(path)
        return ((RootPath(path), found),) if found and found.entry.kind == "file" else ()

    def _is_directory(self, path: str) -> bool:
        try:
            found = self.walker.find(path)
        except ReadError:  # to the loader a directory behind one that it may not enter is not there
            return False
        return found is not None and found.entry.kind == "directory"

    def _path_file(self, path: str) -> tuple[str, ...] | None:
        if path not in self._path_files:
            found = self.walker.find(path)
            self._path_files[path] = None if found is None else parse_path_file(self._read(found, 1 << 20))
        return self._path_files[path]

    def _read(self, found: Found, limit: int) -> bytes:
        file = self.root.open(found.path)
        try:
            return file.read_at(0, limit)
        finally:
            file.close()


def _check_depth(script: str, followed: Mapping[str, str]) -> None:
    """Raise SourceError for a script of too many scripts. What `env` starts is a new start, and counts anew."""
    at, depth = script, 0
    while at in followed:
        at, depth = followed[at], depth + 1
        if depth > MAX_DEPTH:
            raise SourceError(f"{script}: a script of a script, more than {MAX_DEPTH} deep; the kernel gives up")


def _is_musl(interpreter: str) -> bool:
    """Whose rules hold is decided by the loader that a program names, not by the machine that we run on."""
    return interpreter.rpartition("/")[2].startswith("ld-musl-")
