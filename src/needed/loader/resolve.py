"""The walk: from paths to load lists, breadth-first, as `_dl_map_object_deps` and musl's `load_deps` go.

Decides what each file is to the kernel (ELF program, `#!` script), picks the C library's rules by the interpreter, and
collects what is missing instead of stopping at it. Raises only for a program that is not there or is no program.
"""

from __future__ import annotations

from needed.closure import Attempt, Closure, LoadedObject, LoadList, Need, Reason, Script
from needed.elf import is_elf, parse_elf, parse_machine
from needed.elf.model import DF_1_PIE, ET_DYN
from needed.errors import ElfError, ReadError, SourceError
from needed.loader.cache import MAX_CACHE, parse_cache
from needed.loader.glibc import GlibcSearch
from needed.loader.ldso import FALLBACK, MAX_LOADER, parse_builtin
from needed.loader.musl import MuslSearch, parse_path_file, path_file
from needed.loader.search import VDSO
from needed.loader.shebang import MAX_DEPTH, parse_shebang
from needed.root import RootPath, Walker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from needed.elf import ElfFile, Machine
    from needed.loader.ldso import Builtin
    from needed.loader.search import Search
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
_SEARCH_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


def resolve(root: Root, executables: Iterable[str], library_path: tuple[str, ...] = ()) -> Closure:
    """The closure of `executables`: absolute paths inside the root, or bare names looked up on its PATH.

    Nothing that is missing raises: see `Closure.missing`. Raises SourceError for an executable that is not there or is
    no program.
    """
    return Resolver(root, library_path).resolve(executables)


class Resolver:
    """Resolves many programs of one root, reading each file once. Does not see changes of the root meanwhile."""

    def __init__(self, root: Root, library_path: tuple[str, ...] = ()) -> None:
        self.root = root
        self.walker = Walker(root)
        self.library_path = library_path
        self._files: dict[str, ElfFile | ElfError] = {}
        self._builtins: dict[str, Builtin] = {}
        self._caches: dict[tuple[str, Machine], dict[str, str]] = {}
        self._path_files: dict[str, tuple[str, ...] | None] = {}

    def resolve(self, executables: Iterable[str]) -> Closure:
        """See `needed.resolve`."""
        programs: dict[str, LoadList] = {}
        scripts: dict[str, Script] = {}
        for executable in executables:
            pending = [(self.find_program(executable), Reason("requested"), 0)]
            while pending:
                path, reason, depth = pending.pop(0)
                if path in programs or path in scripts:
                    continue
                found = self._program(path, reason)
                words = self._shebang(path, found)
                if words is None:
                    programs[path] = self.load_list(path, reason)
                    continue
                if depth == MAX_DEPTH:
                    raise SourceError(f"{path}: a script of a script, more than {MAX_DEPTH} deep; the kernel gives up")
                scripts[path] = Script(path, found, reason)
                pending += [(self.find_program(word), Reason("interpreter of", path), depth + 1) for word in words]
        return Closure(tuple(programs.values()), tuple(scripts.values()))

    def find_program(self, name: str) -> RootPath:
        """`name` itself if it is a path, else the first executable of that name on the root's PATH."""
        if not name or "\0" in name:
            raise SourceError("a program's name is empty or holds a NUL byte", hints=["name a program: /bin/ls"])
        if "/" in name:
            return RootPath(name if name.startswith("/") else f"/{name}")
        for directory in _SEARCH_PATH:
            found = self.walker.find(f"{directory}/{name}")
            if found is not None and found.entry.kind == "file" and found.entry.mode & 0o111:
                return RootPath(f"{directory}/{name}")
        raise SourceError(
            f"{name}: no such program on the PATH of the root",
            details=[f"searched in {directory}" for directory in _SEARCH_PATH],
            hints=[f"give its path: ./{name} for a file in this folder"],
        )

    def load_list(self, path: RootPath, reason: Reason = Reason("requested")) -> LoadList:  # noqa: B008  (frozen)
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
            name = _INTERPRETERS.get(elf.machine.name, "/lib/ld.so.1")
        interpreter = self._object(name)
        if interpreter is not None and interpreter.found.path == found.path:
            return LoadList(path, reason, (main,))  # the loader itself
        if interpreter is None and elf.interpreter is not None:
            return LoadList(path, reason, (main,), None, name)
        return _Walk(self, main, interpreter, self._search(main, name, interpreter)).run(reason)

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

    def probe(self, path: str, machine: Machine) -> tuple[str, LoadedObject | None]:
        """What the loader makes of the candidate at `path`: an outcome for `Attempt`, and the object if it is taken."""
        try:
            found = self.walker.find(path)
            if found is None:
                return "absent", None
            if found.entry.kind != "file":
                return "not a regular file", None
            elf = self.read_elf(found)
        except ReadError:
            return "not readable", None
        if isinstance(elf, ElfError):
            return self._foreign(found, machine) or f"not loadable: {elf.message}", None
        if not machine.loads(elf.machine):
            return "wrong machine", None
        if elf.e_type != ET_DYN or not elf.dynamic or elf.flags_1 & DF_1_PIE:
            return "not loadable: no shared object", None
        return "found", LoadedObject(RootPath(path), found, elf)

    def _foreign(self, found: Found, machine: Machine) -> str | None:
        """The class and the machine are looked at before the rest, so a damaged file of another one is passed over."""
        file = self.root.open(found.path)
        try:
            return None if machine.loads(parse_machine(file.read_at(0, 64))) else "wrong machine"
        except ElfError:
            return None
        finally:
            file.close()

    def _object(self, path: str) -> LoadedObject | None:
        found = self.walker.find(path)
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

    def _search(self, main: LoadedObject, name: str, interpreter: LoadedObject | None) -> Search:
        if name.rpartition("/")[2].startswith("ld-musl-"):
            return MuslSearch(main, name, self._path_file(path_file(name)), self.library_path)
        builtin = FALLBACK
        if interpreter is not None:
            real = interpreter.found
            if real.path not in self._builtins:
                self._builtins[real.path] = parse_builtin(self._read(real, MAX_LOADER)) or FALLBACK
            builtin = self._builtins[real.path]
        return GlibcSearch(main, interpreter, builtin, self._cache(builtin.cache, main.elf.machine), self.library_path)

    def _cache(self, path: str, machine: Machine) -> dict[str, str]:
        if (path, machine) not in self._caches:
            found = self.walker.find(path)
            readable = found is not None and found.entry.kind == "file"
            content = self._read(found, MAX_CACHE) if found and readable else b""
            self._caches[path, machine] = parse_cache(content, machine)
        return self._caches[path, machine]

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


class _Walk:
    """The load list of one process while it grows."""

    def __init__(
        self, resolver: Resolver, main: LoadedObject, interpreter: LoadedObject | None, search: Search
    ) -> None:
        self.resolver, self.main, self.interpreter, self.search = resolver, main, interpreter, search
        self.objects = [main]
        # By identity: main may be loaded a second time, as a library under its own path string.
        self.parents: dict[int, LoadedObject] = {}
        self.known = dict.fromkeys(search.known_names(main, main.path), main)
        # main's own identity is not known to the loader, so it never matches
        self.identities = {interpreter.found.entry.identity: interpreter} if interpreter else {}
        self.needs: list[Need] = []
        self.aliases: list[LoadedObject] = []
        self.cached: dict[str, str] = {}
        self.configured = False

    def run(self, reason: Reason) -> LoadList:
        for item in self.objects:  # grows while it is walked: breadth-first
            for dependency in item.elf.dependencies:
                self.meet(dependency.name, item, optional=dependency.tag == "AUXILIARY")
        if self.interpreter and self.interpreter not in self.objects and self.main.elf.interpreter is not None:
            self.objects.append(self.interpreter)
        return LoadList(
            self.main.path,
            reason,
            tuple(self.objects),
            self.interpreter,
            None,
            tuple(self.needs),
            tuple(self.aliases),
            tuple(self.cached.items()),
            self.configuration(),
        )

    def meet(self, name: str, requester: LoadedObject, *, optional: bool) -> None:
        if name in VDSO:
            return
        loaded = self.known.get(name)
        if loaded is None and self.interpreter and self.search.is_loader(name):
            loaded = self.interpreter
            if loaded not in self.objects:
                self.objects.append(loaded)
        if loaded is not None:
            self.needs.append(Need(name, requester.path, loaded.path, "already loaded", (), optional))
            return
        attempts: list[Attempt] = []
        for candidate in self.search.candidates(name, self.chain(requester)):
            outcome, taken = self.resolver.probe(candidate.path, self.main.elf.machine)
            attempts.append(Attempt(candidate.path, candidate.rule, outcome))
            if taken is not None:
                path = self.take(taken, name, requester, candidate.source)
                self.needs.append(Need(name, requester.path, path, candidate.rule, tuple(attempts), optional))
                return
            if not self.search.skips(outcome):
                break
        self.needs.append(Need(name, requester.path, None, "", tuple(attempts), optional))

    def take(self, taken: LoadedObject, name: str, requester: LoadedObject, source: str) -> RootPath:
        if source == "cache":
            builtin = self.search.builtin if isinstance(self.search, GlibcSearch) else FALLBACK
            if taken.path.rpartition("/")[0] not in builtin.system_dirs:
                self.cached[name] = taken.path
        self.configured |= source == "file"
        same = self.identities.get(taken.found.entry.identity)
        if same is not None:
            self.aliases.append(taken)
            item = same
        else:
            self.identities[taken.found.entry.identity] = item = taken
            self.parents[id(taken)] = requester
            self.objects.append(taken)
        for known in self.search.known_names(item, name):
            self.known.setdefault(known, item)
        return item.path

    def chain(self, item: LoadedObject) -> tuple[LoadedObject, ...]:
        chain = [item]
        while (parent := self.parents.get(id(chain[-1]))) is not None:
            chain.append(parent)
        return tuple(chain)

    def configuration(self) -> tuple[tuple[RootPath, Found], ...]:
        if not self.configured or self.interpreter is None:
            return ()
        path = RootPath(path_file(self.interpreter.path))
        found = self.resolver.walker.find(path)
        return ((path, found),) if found else ()
