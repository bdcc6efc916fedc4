"""The static proof: would the command start, by what the image's files say? Looked at before anything is run.

The image is its own root: the program, its interpreter, its libraries, the versions and the symbols that the loader
binds at the start, and a script's interpreters, all inside. It is `needed check` and `needed ldd -d` of the image
against itself; `needed ldd -r` beyond that (functions that are bound when they are first called) gives notes, since
most programs never call them. Knows nothing of what a program opens while it runs.
"""

from __future__ import annotations

from needed.compatibility import Finding, check_program
from needed.errors import NeededError, ScriptError, SourceError
from needed.loader import Resolver, Settings
from needed.root import Walker
from needed.value import value
from needed.verify.command import DEFAULT_PATH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from needed.closure import LoadList
    from needed.root import Root
    from needed.verify.command import Command

SOME = 3  # symbols that are named


@value
class StaticProof:
    """`program` is the path of the command's program, "" if there is none; `machine` its short name, "" for a script
    whose interpreter is not there. It holds if there is no finding."""

    program: str
    machine: str = ""
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    libraries: int = 0
    script: bool = False

    @property
    def holds(self) -> bool:
        return not self.findings


def prove_static(root: Root, command: Command) -> StaticProof:
    """The proof for `command` in `root`. Raises ReadError, and ImageError of a root that cannot be read."""
    program = find_command(root, command)
    if not program:
        message = f"the image has no {command.argv[0]}"
        where = "" if "/" in command.argv[0] else f" on its PATH, {dict(command.env).get('PATH', DEFAULT_PATH)}"
        return StaticProof("", findings=(Finding("program", command.argv[0], message + where),))
    env = dict(command.env)
    directories = env.get("LD_LIBRARY_PATH", "").replace(";", ":")
    preload = tuple(env.get("LD_PRELOAD", "").replace(":", " ").split())
    settings = Settings(tuple(directories.split(":")) if directories else (), preload)
    try:
        # By its own name: laid over a link to it, it would be looked at in the link's folder, which is not its $ORIGIN.
        found = Walker(root).find(program)
        answer = check_program(root, found.path if found else program, root, settings=settings)
        programs = Resolver(root, settings).resolve([program]).programs if answer.starts else ()
    except ScriptError as error:
        return StaticProof(program, findings=(Finding("interpreter", error.interpreter, error.message),))
    except SourceError as error:
        return StaticProof(program, findings=(Finding("program", program, error.message),))
    findings = list(answer.findings)
    notes: list[str] = []
    for one in programs:
        try:
            ended, later = _unbound(root, one)
            findings += ended
            notes += later
        except SourceError as error:
            findings.append(Finding("symbol", one.path, error.message))
    libraries = {item.found.path for one in programs for item in one.objects} - {one.path for one in programs}
    is_script = bool(programs) and all(one.path != program for one in programs)
    machine = programs[0].machine.name if programs else answer.machine
    return StaticProof(program, machine, tuple(findings), tuple(notes), len(libraries), is_script)


def find_command(root: Root, command: Command) -> str:
    """The path of the program that execvpe(3) would start; "" if none."""
    name, walker = command.argv[0], Walker(root)
    if "/" in name:
        path = name if name.startswith("/") else f"{command.directory.rstrip('/')}/{name}"
        return path if _is_file(walker, path) else ""
    for folder in dict(command.env).get("PATH", DEFAULT_PATH).split(":"):
        path = f"{folder.rstrip('/')}/{name}" if folder.startswith("/") else f"{command.directory}/{folder}/{name}"
        if _is_file(walker, path):
            return path
    return ""


def _is_file(walker: Walker, path: str) -> bool:
    try:
        found = walker.find(path)
    except NeededError:
        return False
    return found is not None and found.entry.kind == "file"


def _unbound(root: Root, program: LoadList) -> tuple[list[Finding], list[str]]:
    """What the loader would end the start over, data and functions of objects that are linked with -z now; and notes on
    the functions that it binds when they are called."""
    from needed.loader.binding import Binder

    now = {(one.object, one.symbol): None for one in Binder(root, lazy=True).check(program).undefined}
    every = {(one.object, one.symbol): None for one in Binder(root, lazy=False).check(program).undefined}
    findings = [
        Finding("symbol", symbols[0], f"{user} uses {_some(symbols)}, which no library of the image defines")
        for user, symbols in _by_object(now).items()
    ]
    later = _by_object({key: None for key in every if key not in now})
    return findings, [
        f"{user} may call {_some(symbols)}, which no library of the image defines" for user, symbols in later.items()
    ]


def _by_object(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for user, symbol in pairs:
        found.setdefault(user, []).append(symbol)
    return found


def _some(symbols: list[str]) -> str:
    return ", ".join(symbols[:SOME]) + (f" and {len(symbols) - SOME} more" if len(symbols) > SOME else "")
