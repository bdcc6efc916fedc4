"""The result types of a resolution. No algorithm: who finds what, and in which order, is the loaders' (`loader`)."""

from __future__ import annotations

from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from needed.elf import ElfFile, Machine
    from needed.root import Found, RootPath


@value
class Reason:
    """Why a path ships. `kind` is one of "requested", "interpreter of", "needed by", "symlink to", "included",
    "generated"; `subject` what it refers to (a path, a name), "" where there is nothing to refer to."""

    kind: str
    subject: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}".rstrip()


@value
class Attempt:
    """One path string that the loader would open, and what is there: "found", "absent", "wrong machine", "not ELF"."""

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

    `via` is the rule of the successful attempt; "already loaded" where no file was searched for.
    """

    name: str
    needed_by: RootPath
    path: RootPath | None
    via: str
    attempts: tuple[Attempt, ...]
    optional: bool = False


@value
class LoadList:
    """One program as the kernel and its loader see it.

    `objects` are in the order of loading, the program first; the interpreter stands where it is first needed, else
    last. `aliases` are further path strings that the loader opens and that lead to an object already loaded.
    `cached` are the names and paths that only `ld.so.cache` leads to, `configuration` the files that told the loader
    where to search.
    """

    path: RootPath
    reason: Reason
    objects: tuple[LoadedObject, ...]
    interpreter: LoadedObject | None = None
    missing_interpreter: str | None = None
    needs: tuple[Need, ...] = ()
    aliases: tuple[LoadedObject, ...] = ()
    cached: tuple[tuple[str, str], ...] = ()
    configuration: tuple[tuple[RootPath, Found], ...] = ()

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


@value
class Script:
    """A file that the kernel starts through the interpreter that its first line names."""

    path: RootPath
    found: Found
    reason: Reason


@value
class Closure:
    """The load lists of all programs of one request, in its order; an interpreter of a script stands as a program."""

    programs: tuple[LoadList, ...]
    scripts: tuple[Script, ...] = ()

    @property
    def missing(self) -> tuple[Need, ...]:
        return tuple(need for program in self.programs for need in program.missing)
