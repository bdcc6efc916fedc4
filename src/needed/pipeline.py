"""The calls in a row: from programs of a root to a proven plan of what ships, and what the image says about running it.

For the README and the command; each call is public by itself. Raises once, with all that is missing.
"""

from __future__ import annotations

from needed.closure import Closure
from needed.completeness import find_completeness
from needed.errors import MachineError, MissingError, UsageError
from needed.gather import gather, replay
from needed.image.build import Configuration
from needed.image.model import Platform, parse_platform
from needed.loader import Resolver, Settings
from needed.loader.hwcaps import NAMES, active_at
from needed.loader.resolve import SEARCH_PATH
from needed.loader.settings import DEFAULTS
from needed.notes import Note, find_notes
from needed.proof import prove
from needed.request import parse_request
from needed.rootfs import Addition, Rootfs, assemble
from needed.rules.choices import DEFAULTS as DEFAULT_CHOICES
from needed.rules.choices import Choices, parse_user
from needed.startable import check_programs, check_startable
from needed.value import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from needed.closure import LoadList, Script
    from needed.completeness import Completeness
    from needed.gather import Applied
    from needed.image.root import ImageRoot
    from needed.root import Root
    from needed.rules.own import OwnRule
    from needed.toolchain.strip import Stripper

NOTHING: Mapping[str, str] = {}
# The platform of an image without a program, unless told otherwise: the same on every machine.
DEFAULT_PLATFORM = Platform("linux", "amd64")
MAX_LEFT = 10  # files that are not stripped, each with a note of its own


@value
class Plan:
    """What ships and why. `requested` are the programs' paths in the order of the request; `notes` stop nothing;
    `applied` are the rules that had something to look at, `completeness` says of each program of the closure whether
    it can load anything else."""

    closure: Closure
    rootfs: Rootfs
    platform: Platform
    requested: tuple[str, ...]
    notes: tuple[Note, ...] = ()
    applied: tuple[Applied, ...] = ()
    completeness: tuple[Completeness, ...] = ()


def plan(  # noqa: PLR0913  (what `needed build` may be told)
    root: Root,
    programs: Iterable[str],
    additions: Iterable[Addition] = (),
    settings: Settings = DEFAULTS,
    platform: str = "",
    *,
    choices: Choices = DEFAULT_CHOICES,
    known: Callable[[Closure], None] | None = None,
) -> Plan:
    """Resolve, ask the rules, assemble and prove. Raises MissingError, MachineError, SourceError, UsageError,
    ProofError; ReadError if a file forbids it.

    `known` is told what the programs load before anything else is worked out, as most of what ships (`image.ahead`).

    Of `settings.hwcaps` the closure holds each level and the baseline, so that every processor finds its own.
    `platform` in "linux/arm64" form is what the programs must be for; it decides where there is no program.
    """
    names = list(programs)
    resolver = Resolver(root, replace(settings, hwcaps=()))
    resolvers = [resolver, *(resolver.under(one) for one in _levels(settings))]
    gathered = gather(resolver, names, choices, known)
    closures = [gathered.closure, *(replay(one, gathered) for one in resolvers[1:])]
    closure = Closure(
        tuple(program for one in closures for program in one.programs),
        closures[0].scripts,
        tuple(opened for one in closures for opened in one.opened),
    )
    check_programs(closure)
    if closure.missing:
        unindexed = {name: path for one in closure.programs for name, path in resolver.found_by_ldconfig(one).items()}
        check_complete(closure, unindexed)
    check_complete(closure)
    chosen = _platform(closure, platform)
    check_startable(closure)
    requested = dict.fromkeys(map(resolver.find_program, gathered.leading))
    rootfs = assemble(root, closure, additions, gathered.placed)
    if settings.hwcaps and all(settings.hwcaps[0] not in NAMES.get(item.machine.name, ()) for item in closure.programs):
        machines = ", ".join(dict.fromkeys(item.machine.name for item in closure.programs)) or "no machine"
        raise UsageError(
            f"{settings.hwcaps[0]} is a level of another machine's processors: the programs are for {machines}",
            hints=["leave --hwcaps out, or name a level of this machine"],
        )
    for one, resolved in zip(resolvers, closures, strict=True):
        prove(one, resolved, rootfs, replace(one.settings, ldconfig=False))
    notes = tuple(find_notes(resolver, closures[0], settings))
    complete = tuple(find_completeness(resolver, gathered))
    return Plan(closure, rootfs, chosen, tuple(requested), notes, gathered.applied, complete)


def stripped(planned: Plan, stripper: Stripper) -> Plan:
    """`planned` with its ELF files stripped, and notes of what that saved and what it left alone. Not proven again:
    of each file that changed, what a loader reads and maps was compared byte for byte. Raises as `Stripper.strip`."""
    done = stripper.strip(planned.rootfs)
    notes = list(planned.notes)
    if done.saved:
        files = f"{len(done.saved):,} file{'s' * (len(done.saved) != 1)}"
        notes.append(Note(f"stripped {files}: {done.size:,} bytes less ({'; '.join(done.tools)})"))
    else:
        notes.append(Note("there was nothing to strip"))
    shown = [*done.left.items()][:MAX_LEFT]
    notes += [Note(f"{path} is not stripped: {why}") for path, why in shown]
    if len(done.left) > len(shown):
        notes.append(Note(f"and {len(done.left) - len(shown):,} more are not stripped"))
    return replace(planned, rootfs=done.rootfs, notes=tuple(notes))


def _levels(settings: Settings) -> Iterator[Settings]:
    """Processors of each level that `hwcaps`, best first, holds: the lowest, the next with what it includes, ..."""
    for best in reversed(range(len(settings.hwcaps))):
        yield replace(settings, hwcaps=settings.hwcaps[best:])


def plan_of_image(root: ImageRoot, name: str, own: tuple[OwnRule, ...] = ()) -> Plan:
    """The Plan of an image that we built, worked out again from the image: the same files for the same reasons. `own`
    are the project's rules, which no image holds.

    Raises UsageError for an image whose history is not ours, and as `plan` does if the image is not whole.
    """
    lines = root.config.history if root.config else ()
    request = next((found for line in reversed(lines) if (found := parse_request(line))), None)
    if root.config is None or request is None:
        raise UsageError(
            f"{name}: was not built by needed, so it does not know what was asked for",
            hints=[f"name the program: --for PROGRAM --root {name}"],
        )
    words = dict(item.split("=", 1) for item in root.config.env if "=" in item)
    settings = Settings(
        tuple(words.get("LD_LIBRARY_PATH", "").split(":")) if words.get("LD_LIBRARY_PATH") else (),
        tuple(words.get("LD_PRELOAD", "").replace(":", " ").split()),
        active_at(request.hwcaps) if request.hwcaps else (),
        preload_file=request.preload,
    )
    additions = [Addition(path, path) for path in request.additions]
    user = parse_user(root.config.user)
    choices = Choices(user, tuple(root.config.env), request.rules, frozenset(request.off), request.along)
    choices = replace(choices, whole=request.packages, commands=request.traces, own=own)
    return plan(root, request.programs, additions, settings, choices=choices)


def default_configuration(planned: Plan, given: Configuration, *, told: frozenset[str]) -> Configuration:
    """`given` with what follows from the programs: of one the entrypoint; of several the first as command and a PATH.

    `told` are the fields that the user set and that stay as they are, empty ones too.
    """
    paths = planned.requested
    if len(paths) == 1 and "entrypoint" not in told:
        given = replace(given, entrypoint=paths)
    if len(paths) > 1 and not told & {"entrypoint", "cmd"}:
        given = replace(given, cmd=paths[:1])
    # What `env` of a script's first line looks up must be found too, and what a program starts by its name.
    started: list[LoadList | Script] = [*planned.closure.programs, *planned.closure.scripts]
    helpers = [item.path for item in started if item.reason.kind == "interpreter of"]
    by_name = [item.path for item in started if item.reason.rule or item.reason.kind == "traced"]
    helpers += [path for path in by_name if path.rpartition("/")[0] in SEARCH_PATH]
    if (len(paths) > 1 or helpers) and not any(item.startswith("PATH=") for item in given.env):
        folders = dict.fromkeys(path.rpartition("/")[0] or "/" for path in (*paths, *helpers))
        given = replace(given, env=(*given.env, "PATH=" + ":".join(folders)))
    return given


def check_complete(closure: Closure, unindexed: Mapping[str, str] = NOTHING) -> None:
    """Raise MissingError, with every place searched in order, if a program could not start.

    `unindexed` are names and paths that the loader would find after a run of ldconfig.
    """
    lines = list(_missing(closure))
    if not lines:
        return
    names = dict.fromkeys(need.name for need in closure.missing)
    hints = [f"{path} is damaged, and ignored as the loader ignores it" for path in closure.damaged_caches]
    names |= dict.fromkeys(item.missing_interpreter for item in closure.programs if item.missing_interpreter)
    hints += [f"{path} is there, but not in ld.so.cache: resolve as after ldconfig with --ldconfig"
             for path in unindexed.values()]  # fmt: skip
    if names.keys() - unindexed.keys():
        hints.append("install the package that has it, or name the tree that has it with --root")
        hints.append("a folder that the program is told with LD_LIBRARY_PATH is named with --library-path DIR")
    if not names:
        asked = dict.fromkeys(problem.version for problem in closure.unmet_versions)
        raise MissingError(
            f"defined nowhere in the root: {', '.join(asked)}",
            details=lines,
            hints=["take program and libraries from one release: name its tree with --root"],
        )
    raise MissingError(f"nowhere in the root: {', '.join(str(name) for name in names)}", details=lines, hints=hints)


def _missing(closure: Closure) -> Iterator[str]:
    for program in closure.programs:
        if program.missing_interpreter:
            yield f"{program.missing_interpreter}, the interpreter of {program.path}: not there, or no ELF file"
        for need in program.missing:
            yield f"{need.name}, needed by {need.needed_by}; searched in this order:"
            for attempt in need.attempts:
                yield f"  {attempt.path}: {attempt.outcome} ({attempt.rule})"
        for problem in program.unmet_versions:
            yield f"version {problem.version} of {problem.path}, needed by {problem.needed_by}: not defined there"


def _platform(closure: Closure, asked: str) -> Platform:
    wanted = parse_platform(asked) if asked else None
    machines = {item.machine.name: item for item in reversed(closure.programs)}
    if len({item.machine.platform for item in machines.values()}) > 1:
        raise MachineError(
            "programs of different machines in one image: "
            + ", ".join(f"{item.path} is for {name}" for name, item in sorted(machines.items())),
            hints=["build one image for each machine"],
        )
    if not machines:
        return wanted or DEFAULT_PLATFORM
    name, program = next(iter(machines.items()))
    if program.machine.platform is None:
        raise MachineError(f"{program.path}: is for {name}, which no image platform stands for")
    found = parse_platform(program.machine.platform)
    if wanted and (wanted.os, wanted.architecture, wanted.variant or found.variant) != (
        found.os,
        found.architecture,
        found.variant,
    ):
        raise MachineError(
            f"{program.path}: is for {found}, and {wanted} was asked for", hints=[f"leave out --platform {wanted}"]
        )
    return found
