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
class SearchDir:
    """A directory that is searched, and the rule that led there ("RUNPATH of /usr/bin/x", "default directory")."""

    path: str
    rule: str


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

    `scripts` are the `#!` files on the way from what was requested to the ELF program, outermost first (empty for an ELF
    file); `objects` are in the order of loading, the program first; `interpreter` is None for a static program.
    `missing_interpreter` is the PT_INTERP string that leads nowhere.
    """

    requested: RootPath
    scripts: tuple[tuple[RootPath, Found], ...]
    objects: tuple[LoadedObject, ...]
    interpreter: LoadedObject | None
    needs: tuple[Need, ...]
    from_cache: tuple[LoadedObject, ...] = ()
    missing_interpreter: str | None = None

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
class Closure:
    """The load lists of all programs of one request, in the order of the request."""

    programs: tuple[LoadList, ...]

    @property
    def missing(self) -> tuple[Need, ...]:
        return tuple(need for program in self.programs for need in program.missing)
