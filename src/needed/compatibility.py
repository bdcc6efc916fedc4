"""Will a program start over there? A program laid over another root and resolved in it; what is wrong, in plain words.

Decides for a newcomer: each Finding says what the program asks for, what the other root has instead, and what would
make it work. Looks at files only: processors, kernels and what a program opens while it runs are not its business.
"""

from __future__ import annotations

from needed.errors import ScriptError, SourceError
from needed.loader import Resolver
from needed.loader.ldso import FALLBACK
from needed.loader.settings import DEFAULTS
from needed.loader.verdict import RELATIVE, UNREADABLE
from needed.root import OverlayRoot, RootPath, Walker
from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from needed.closure import LoadList, Need, VersionProblem
    from needed.elf import Machine
    from needed.loader import Settings
    from needed.root import Found, Root

# What one processor and kernel can run beside its own: the 32-bit halves of 64-bit machines.
_ALSO_RUNS = {"x86-64": ("x32", "i386"), "arm64": ("armhf", "armel", "arm"), "mips64el": ("mipsel",)}
_LOADER_FOLDERS = ("/lib", "/lib64", "/lib32", "/libx32", "/usr/lib", "/usr/lib64")
_LOADERS = ("ld-linux", "ld-musl-", "ld64.so.", "ld.so.1")
ALONE: Mapping[str, str] = {}
_SHELLS = ("/bin/sh", "/usr/bin/env", "/bin/busybox", "/sbin/init")


@value
class Finding:
    """One reason why a program does not start.

    `kind` is "permission", "machine", "interpreter", "library", "version" or "symbol"; `subject` the name it is about;
    `hints` are each one way to make it work.
    """

    kind: str
    subject: str
    message: str
    hints: tuple[str, ...] = ()


@value
class PresentLoader:
    """A dynamic loader of a root: its path, its machine, "glibc" or "musl", and glibc's release."""

    path: str
    machine: Machine
    libc: str
    version: tuple[int, ...] = ()

    def __str__(self) -> str:
        version = ".".join(map(str, self.version))
        return f"{self.libc}{' ' * bool(version)}{version} for {self.machine.name}"


@value
class Compatibility:
    """The answer for one program: it starts if there is no finding. `linkage` as of `ElfFile`; `loaders` are those of
    the other root."""

    program: str
    linkage: str
    machine: str
    findings: tuple[Finding, ...]
    loaders: tuple[PresentLoader, ...]

    @property
    def starts(self) -> bool:
        return not self.findings


def check_program(
    source: Root, program: str, target: Root, travels: Mapping[str, str] = ALONE, settings: Settings = DEFAULTS
) -> Compatibility:
    """Whether `program` of `source` starts in `target`, under the same path, with the files of `travels` (path over
    there to path in `source`) laid beside it. Raises SourceError for what is no program, ReadError."""
    home = Resolver(source, settings)
    path = home.find_program(program)
    laid = {path: path, **travels}
    walker = Walker(target)
    files: dict[RootPath, tuple[Root, Found]] = {}
    for place, origin in laid.items():
        found = home.walker.find(origin)
        if found is None:
            raise SourceError(f"{origin}: no such file", hints=["check the path, or name another tree with --root"])
        if found.entry.kind != "file":
            what = "a directory" if found.entry.kind == "directory" else "neither a file nor a link to one"
            raise SourceError(f"{origin}: expected a file, found {what}")
        files[_destination(walker, place)] = (source, found)
    overlay = OverlayRoot(target, files)
    there = Resolver(overlay, settings)
    loaders = find_loaders(target)
    try:
        # A script's interpreters are the other root's own programs: what they load counts as well.
        programs = there.resolve([path]).programs
    except ScriptError as error:
        missing = f"it is a script, and its interpreter is not here: {error.message}"
        finding = Finding("interpreter", error.interpreter, missing, (f"install {error.interpreter} there",))
        return Compatibility(path, "script", "", (finding,), loaders)
    machines = _machines(Resolver(target)) | dict.fromkeys(loader.machine.name for loader in loaders)
    first = programs[0]
    if first.program.elf.linkage == "relocatable":
        raise SourceError(f"{first.path}: is an object file, not a program", hints=["link it first"])
    findings = list(_no_permission(path, home, first))
    for one in programs:
        reasons = list(_findings(one, there, machines, loaders))
        findings += reasons or _undefined(one, there, home)
    return Compatibility(path, first.program.elf.linkage, first.machine.name, tuple(findings), loaders)


def find_loaders(root: Root) -> tuple[PresentLoader, ...]:
    """The dynamic loaders in the usual folders of `root`, each file once."""
    resolver = Resolver(root)
    found: dict[str, PresentLoader] = {}
    folders = [folder for folder in map(resolver.walker.find, _LOADER_FOLDERS) if folder]
    for folder in folders:
        if folder.entry.kind != "directory":
            continue
        names = [name for name in root.names(folder.path) if name.startswith(_LOADERS)]
        for name in names:
            item = resolver.read_object(f"{folder.path.rstrip('/')}/{name}")
            if item is None or item.found.path in found:
                continue
            libc = "musl" if name.startswith("ld-musl-") else "glibc"
            builtin = resolver.builtin(item)
            version = builtin.version if libc == "glibc" and builtin is not FALLBACK else ()
            found[item.found.path] = PresentLoader(item.path, item.elf.machine, libc, version)
    return tuple(found.values())


def _no_permission(path: RootPath, home: Resolver, first: LoadList) -> Iterator[Finding]:
    """That nobody may execute the program, unless it is a library, which is asked about without being started."""
    found = home.walker.find(path)
    elf = first.program.elf
    library = first.path == path and elf.linkage == "shared object" and elf.interpreter is None
    if found is not None and not found.entry.mode & 0o111 and not library:
        yield Finding("permission", path, "nobody may execute it", (f"chmod +x {path}",))


def _findings(
    program: LoadList, there: Resolver, machines: dict[str, None], loaders: tuple[PresentLoader, ...]
) -> Iterator[Finding]:
    runs = [*machines, *(name for machine in machines for name in _ALSO_RUNS.get(machine, ()))]
    name = program.machine.name
    if machines and name not in runs:
        platform = (program.machine.platform or "").removeprefix("linux/")
        hints = [f"take or compile the program for {next(iter(machines))}"]
        if platform:
            hints.append(f"or take a system for {name}: docker run --platform linux/{platform}")
        yield Finding("machine", name, f"it is for {name}, and this system is for {', '.join(machines)}", tuple(hints))
        return
    if program.interpreter is not None and not program.machine.loads(program.interpreter.elf.machine):
        other = program.interpreter
        message = f"its interpreter {other.path} is there, and is for {other.elf.machine.name}"
        yield Finding("interpreter", other.path, message, (f"install the loader for {name} there",))
        return
    if program.missing_interpreter is not None:
        there_instead = there.walker.find(program.missing_interpreter)
        if there_instead is not None:
            what = "a directory" if there_instead.entry.kind == "directory" else "no ELF file"
            message = f"it asks for {program.missing_interpreter}, which is here and is {what}"
            hint = f"install the loader for {name} there"
            yield Finding("interpreter", program.missing_interpreter, message, (hint,))
        else:
            yield _no_interpreter(program, program.missing_interpreter, loaders)
        return
    unindexed = there.found_by_ldconfig(program)
    for need in program.missing:
        yield _no_library(need, unindexed.get(need.name), there)
    by_asker: dict[tuple[str, str], list[VersionProblem]] = {}
    for problem in program.unmet_versions:
        by_asker.setdefault((problem.path, problem.needed_by), []).append(problem)
    for problems in by_asker.values():
        yield _no_version(problems, program, loaders)


def _undefined(program: LoadList, there: Resolver, home: Resolver) -> Iterator[Finding]:
    """The symbols that nothing over there defines and something at home does: libraries without versions age too."""
    from needed.loader.binding import Binder

    if program.interpreter is None:
        return
    absent = {(one.object, one.symbol): None for one in Binder(there.root, lazy=False).check(program).undefined}
    if not absent:
        return
    try:
        usual = Binder(home.root, lazy=False).check(home.load_list(program.path)).undefined
    except SourceError:  # an interpreter of a script that only the other root has
        usual = ()
    known = {(one.object, one.symbol) for one in usual}
    by_object: dict[str, list[str]] = {}
    for path, symbol in absent:
        if (path, symbol) not in known:
            by_object.setdefault(path, []).append(symbol)
    for user, symbols in by_object.items():
        some = ", ".join(symbols[:3]) + (f" and {len(symbols) - 3} more" if len(symbols) > 3 else "")
        message = f"{user} uses {some}, which no library here defines"
        hints = ("compile it against the libraries here", "or take its own libraries along: needed build")
        yield Finding("symbol", symbols[0], message, hints)


def _no_interpreter(program: LoadList, wanted: str, loaders: tuple[PresentLoader, ...]) -> Finding:
    libc = "musl" if wanted.rpartition("/")[2].startswith("ld-musl-") else "glibc"
    same = [loader for loader in loaders if loader.libc == libc and loader.machine.name == program.machine.name]
    other = [loader for loader in loaders if loader.libc != libc]
    carry = f"or take it with all that it needs: needed build {program.path}"
    rest = 'Starting it says "not found", although the file is there.'
    asks = f"it is linked against {libc} and asks for {wanted}"
    if same:
        hints = (f"make it a link there: ln -s {same[0].path} {wanted}", carry)
        return Finding("interpreter", wanted, f"{asks}, and {libc} is at {same[0].path} here. {rest}", hints)
    if other:
        mine = other[0]
        ways = (
            f"compile it for {mine.libc}: needed compile SOURCE --libc {mine.libc}; or statically: that starts on both",
            f"or take a system with {libc}" + (": debian, ubuntu, distroless" if libc == "glibc" else ": alpine"),
            carry,
        )
        what = "a musl system (Alpine is one)" if mine.libc == "musl" else "a glibc system"
        return Finding("interpreter", wanted, f"{asks}, and this is {what}: it has {mine.path}. {rest}", ways)
    if loaders:
        message = f"{asks}, and the only loaders here are {', '.join(map(str, loaders))}. {rest}"
        return Finding("interpreter", wanted, message, (f"install {libc} for {program.machine.name}", carry))
    message = f"{asks}, and there is no dynamic loader here at all: only static programs start. {rest}"
    return Finding("interpreter", wanted, message, ("compile it statically: needed compile SOURCE", carry))


def _no_library(need: Need, unindexed: str | None, there: Resolver) -> Finding:
    bad = next((one for one in need.attempts if one.outcome.startswith(("not loadable", "wrong machine"))), None)
    by = f"{need.name}, needed by {need.needed_by},"
    if unindexed:
        message = f"{by} is at {unindexed}, and not in the ld.so.cache, so the loader does not find it"
        return Finding("library", need.name, message, ("run ldconfig there",))
    if bad:
        message = f"{by} is at {bad.path} and cannot be loaded: {bad.outcome.partition(': ')[2] or bad.outcome}"
        return Finding("library", need.name, message, (f"install {need.name} for this machine there",))
    closed = next((one for one in need.attempts if one.outcome == UNREADABLE), None)
    if closed:
        message = f"{by} may be at {closed.path}, which cannot be read"
        return Finding("library", need.name, message, ("ask again as a user who may read it",))
    looked_at = (one.path for one in need.attempts if one.outcome != RELATIVE)
    searched = list(dict.fromkeys(path.rpartition("/")[0] or "/" for path in looked_at))
    near = _near(need.name, searched, there)
    message = f"{by} is in none of {', '.join(searched) or 'the places searched'}"
    hints = [f"install the package that has {need.name} there"]
    if near:
        message += f"; {near} is there, which is another version"
        hints = [f"compile the program against {near}, or {hints[0]}"]
    return Finding("library", need.name, message, (*hints, "or take it along: needed build takes all that it needs"))


def _near(name: str, folders: list[str], there: Resolver) -> str:
    """A library in `folders` whose name differs from `name` in what follows `.so` only."""
    stem = name.partition(".so")[0] + ".so"
    for folder in folders:
        found = there.walker.find(folder)
        if found is not None and found.entry.kind == "directory":
            names = [one for one in there.root.names(found.path) if one.startswith(stem) and one != name]
            versions = [one for one in names if one != stem]
            if versions:
                return min(versions, key=len)
    return ""


def _no_version(problems: list[VersionProblem], program: LoadList, loaders: tuple[PresentLoader, ...]) -> Finding:
    first = problems[0]
    library = first.path.rpartition("/")[2]
    asked = ", ".join(dict.fromkeys(problem.version for problem in problems))
    provider = next((item for item in program.objects if item.path == first.path), None)
    prefix = first.version.rpartition("_")[0]
    known = [name for name in provider.elf.version_definitions if name.startswith(f"{prefix}_")] if provider else []
    newest = max(known, key=_numbers, default="")
    older = bool(newest) and any(_numbers(newest) < _numbers(problem.version) for problem in problems)
    message = f"{first.needed_by} asks for {asked} of {library}, and {first.path} here"
    message += f" ends at {newest}: it is older" if older else " does not define it"
    hints = ["or take its own libraries along: needed build"]
    hints.insert(0, "compile it on a system as old as this one" if older else "compile it against the libraries here")
    release = next((".".join(map(str, one.version)) for one in loaders if one.machine == program.machine), "")
    if prefix == "GLIBC" and release and older:
        hints.insert(1, f"or pin the release: needed compile SOURCE --libc glibc:{release}")
    return Finding("version", asked, message, tuple(hints))


def _numbers(version: str) -> tuple[int, ...]:
    """To compare "GLIBC_2.4" with "GLIBC_2.34"; names that are no numbers come first."""
    parts = version.rpartition("_")[2].split(".")
    return tuple(int(part) if part.isascii() and part.isdigit() and len(part) < 9 else -1 for part in parts)


def _machines(target: Resolver) -> dict[str, None]:
    """The machine of a root by a program that every system has: a root may have loaders of several."""
    for path in _SHELLS:
        item = target.read_object(path)
        if item is not None:
            return {item.elf.machine.name: None}
    return {}


def _destination(walker: Walker, path: str) -> RootPath:
    """`path` with the links of its folders followed as far as they are there."""
    parts = path.split("/")
    for number in range(len(parts) - 1, 0, -1):
        found = walker.find("/".join(parts[:number]) or "/")
        if found is not None and found.entry.kind == "directory":
            return RootPath("/".join((found.path.rstrip("/"), *parts[number:])))
    return RootPath(path)
