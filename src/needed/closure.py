"""The result types of a resolution. No algorithm: who finds what, and in which order, is the loaders' (`loader`)."""

from __future__ import annotations

from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.elf import ElfFile, Machine
    from needed.root import Found, RootPath


@value
class Reason:
    """Why a path ships. `kind` is one of "requested", "interpreter of", "needed by", "read by", "symlink to",
    "included", "generated", "package", "traced", "rule"; `subject` what it refers to (a path, a name, a command line),
    "" where there is nothing to refer to. Of a rule also its name, and its evidence, what of the subject it recognised:
    "imports getaddrinfo"."""

    kind: str
    subject: str = ""
    rule: str = ""
    evidence: str = ""

    def __str__(self) -> str:
        if self.rule:
            return f"rule {self.rule}: {self.subject} {self.evidence}".rstrip()
        return f"{self.kind} {self.subject}".rstrip()


@value
class Attempt:
    """One path string that the loader would open, and what is there: "found", "absent" and so on (`loader.verdict`)."""

    path: str
    rule: str
    outcome: str


@value
class LoadedObject:
    """A file of a process's load list. `path` is the string that the loader opens, `found` where that leads."""

    path: RootPath
    found: Found
    elf: ElfFile


@value
class Need:
    """An edge: `needed_by` asks for `name` and gets the object at `path`, or None after all `attempts`.

    `needed_by` is an object's path string; of a preload it is the preload file, or "LD_PRELOAD".

    `via` is the rule of the successful attempt; "already loaded" where no file was searched for.
    """

    name: str
    needed_by: str
    path: RootPath | None
    via: str
    attempts: tuple[Attempt, ...]
    optional: bool = False


@value
class VersionProblem:
    """`needed_by` was linked against `version` of the object at `path`, which does not define it.

    `kind` is "missing", which ends the start; "weak", which does not; "unversioned" where the object has no versions at
    all, at which the loader only wonders.
    """

    version: str
    path: RootPath
    needed_by: RootPath
    kind: str = "missing"


@value
class CachedPath:
    """A path that only `ld.so.cache` leads to; `hwcap` is the name of its glibc-hwcaps directory, "" for none."""

    name: str
    path: str
    hwcap: str = ""


@value
class LoadList:
    """One program as the kernel and its loader see it.

    `objects` are in the order of the loader's search list, the program first; the interpreter stands where it is first
    needed, else last. `aliases` are further path strings that the loader opens and that lead to an object already
    loaded. `cached` are the paths that only `ld.so.cache`, at `cache_path`, leads to, `configuration` the files that
    told the loader where to search or what to preload. `audit` are the names of DT_AUDIT and DT_DEPAUDIT of the
    program: each would get a name space of its own, and without its file the loader prints a message and goes on.
    `damaged_cache`: there is an `ld.so.cache` that the loader ignores, because it is none or not whole.
    """

    path: RootPath
    reason: Reason
    objects: tuple[LoadedObject, ...]
    interpreter: LoadedObject | None = None
    missing_interpreter: str | None = None
    needs: tuple[Need, ...] = ()
    aliases: tuple[LoadedObject, ...] = ()
    cached: tuple[CachedPath, ...] = ()
    cache_path: str = "/etc/ld.so.cache"
    configuration: tuple[tuple[RootPath, Found], ...] = ()
    audit: tuple[str, ...] = ()
    version_problems: tuple[VersionProblem, ...] = ()
    damaged_cache: bool = False

    @property
    def program(self) -> LoadedObject:
        return self.objects[0]

    @property
    def machine(self) -> Machine:
        return self.objects[0].elf.machine

    @property
    def missing(self) -> tuple[Need, ...]:
        """The needs that nothing in the root meets and that the program cannot start without."""
        return tuple(need for need in self.needs if need.path is None and not need.optional)

    @property
    def unmet_versions(self) -> tuple[VersionProblem, ...]:
        """The versions that are not defined and that the program cannot start without."""
        return tuple(problem for problem in self.version_problems if problem.kind == "missing")


@value
class Opened:
    """What dlopen(3) of `name` by the object at `by` adds to the process of the program at `program`.

    The objects of `added` are those that were not loaded before, the opened one first.
    """

    program: RootPath
    by: RootPath
    name: str
    added: LoadList

    @property
    def lacks(self) -> tuple[str, ...]:
        """What it would need to be loaded and is not in the root: libraries, versions of them."""
        needs = dict.fromkeys(need.name for need in self.added.missing)
        return (*needs, *dict.fromkeys(problem.version for problem in self.added.unmet_versions))


@value
class Script:
    """A file that the kernel starts through the interpreter that its first line names.

    `interpreter` is what reads it in the end, which `env` may have started; it may be a script as well.
    """

    path: RootPath
    found: Found
    reason: Reason
    interpreter: RootPath


@value
class Closure:
    """The load lists of all programs of one request, in its order; an interpreter of a script stands as a program.

    `opened` is what these open while they run, as far as rules know it.
    """

    programs: tuple[LoadList, ...]
    scripts: tuple[Script, ...] = ()
    opened: tuple[Opened, ...] = ()

    @property
    def objects(self) -> Iterator[LoadedObject]:
        """Every object of every program and of what they open, in order, some several times."""
        for program in self.programs:
            yield from program.objects
        for item in self.opened:
            yield from item.added.objects

    @property
    def missing(self) -> tuple[Need, ...]:
        return tuple(need for program in self.programs for need in program.missing)

    @property
    def damaged_caches(self) -> tuple[str, ...]:
        """The paths of caches that the loader ignores, each once."""
        return tuple(dict.fromkeys(program.cache_path for program in self.programs if program.damaged_cache))

    @property
    def unmet_versions(self) -> tuple[VersionProblem, ...]:
        return tuple(problem for program in self.programs for problem in program.unmet_versions)
