"""Is the closure of a program all that it can ever load? Proven, or what leaves it open and what would close it.

A process maps further files through dlopen(3) or through the C library's own: name service, character sets, the
unwinder. If no object of it but the C library imports any of these, nothing is left to map, whatever it is given to do.
Otherwise a rule may account for the import; what none accounts for is named. Decides from imported names alone: a
quarter of the programs of a Debian are proven.
"""

from __future__ import annotations

from needed.gather import is_libc
from needed.rules.table import TABLE
from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from needed.closure import Closure, LoadedObject, LoadList
    from needed.gather import Gathered
    from needed.loader import Resolver

OPENERS = frozenset({"dlopen", "dlmopen"})
# The rules about what glibc opens by itself, which stands in nobody's NEEDED. musl has all of it in one file.
OF_LIBC = ("name-service", "services", "users", "iconv", "unwinder")


@value
class Opening:
    """`path` imports `symbol`, through which it may load more; `rule` accounts for that, "" for none."""

    path: str
    symbol: str
    rule: str = ""


@value
class Completeness:
    """What is known of the program at `program`. `static`: it has no dynamic imports to tell by; nothing is known."""

    program: str
    openings: tuple[Opening, ...] = ()
    static: bool = False

    @property
    def state(self) -> str:
        """ "proven", "by rules", "open" or "unknown"."""
        if self.static:
            return "unknown"
        if not self.openings:
            return "proven"
        return "by rules" if all(opening.rule for opening in self.openings) else "open"


def find_completeness(resolver: Resolver, gathered: Gathered) -> Iterator[Completeness]:
    """One for each program of the closure, in its order."""
    asked = {item.rule for item in gathered.applied if item.evidence}
    for program in gathered.closure.programs:
        yield _of_program(resolver, program, gathered, asked)


def _of_program(resolver: Resolver, program: LoadList, gathered: Gathered, asked: set[str]) -> Completeness:
    if program.interpreter is None:
        return Completeness(program.path, static=program.path not in gathered.settled)
    openings: dict[Opening, None] = {}
    is_musl = program.interpreter.path.rpartition("/")[2].startswith("ld-musl-")
    for item in objects_of(program, gathered.closure):
        if is_libc(item.path):
            continue
        names = resolver.imported(item)
        for symbol in sorted(names & OPENERS):
            rule = gathered.settled.get(item.path) or _covering(item.path, asked)
            openings[Opening(item.path, symbol, rule)] = None
        for row in TABLE:
            if row.name in OF_LIBC and not is_musl:
                by = row.name if row.name in asked else ""
                openings |= dict.fromkeys(Opening(item.path, symbol, by) for symbol in sorted(names & {*row.imports}))
    return Completeness(program.path, tuple(openings))


def objects_of(program: LoadList, closure: Closure) -> Iterable[LoadedObject]:
    """The objects that the process of `program` maps, and those that rules know that it opens."""
    yield from program.objects
    for opened in closure.opened:
        if opened.program == program.path:
            yield from opened.added.objects


def _covering(path: str, asked: set[str]) -> str:
    """The rule that knows all that the object opens, if it was asked."""
    name = path.rpartition("/")[2]
    return next((row.name for row in TABLE if row.name in asked and row.covers and name.startswith(row.covers)), "")
