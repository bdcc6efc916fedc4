"""Brings the commands that a shell script calls, found by a shell parser, each with the line that calls it.

Recognises: a script for sh, dash, bash, ash, ksh, mksh or zsh, by its #! line; files that it sources by name are read
    with it.
Adds: each command that stands in the text and that the root has, with all that it needs; the shell's builtins and the
    script's functions are none. Files that the script names and that are there: sourced, tested, read. A command whose
    name only a run knows (`$CMD`, `"$@"`) is told with its line.
Costs: what is called: mkdir 97,552 bytes, sed 126,424, on a C library that the shell needs anyway.
Choices: `--rule shell-commands=busybox` lets busybox serve what it can, through links: one program of 800,000 bytes.
    `--with mkdir,mv` brings commands that no text shows.
Source: XCU 2.9.1 for what a command is; each shell's manual for its builtins.
"""

from __future__ import annotations

from needed.closure import Reason
from needed.languages.builtins import BUILTINS, shell_of
from needed.rules.finding import Execute, Link, Take, Tell
from needed.rules.view import PATH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.languages.shell import Line, ShellCommands
    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "shell-commands"
MAX_SCRIPT = 1 << 20
MAX_SOURCED = 50  # files of one script
MAX_BUSYBOX = 16 << 20
# What the kernel and the engine make anew for each container, and what a run makes.
NOT_FILES = ("/dev/", "/proc/", "/sys/", "/tmp/", "/run/", "/var/run/", "/etc/hosts", "/etc/resolv.conf",  # noqa: S108
             "/etc/hostname", "/etc/passwd", "/etc/group", "/etc/shadow")  # fmt: skip
SHOWN = 5
MAX_WORD = 40  # characters of what a script starts
ARGUMENTS = '"$@"'


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    applets = _applets(view) if view.choices.value(NAME) == "busybox" else frozenset()
    for item in evidence:
        script = next((one for one in view.closure.scripts if one.path == item.path), None)
        shell = shell_of(view.canonical(script.interpreter) or script.interpreter) if script else None
        if shell is None:
            continue
        yield from _of_script(view, item.path, shell, applets)


def _of_script(view: View, path: str, shell: str, applets: frozenset[str]) -> Iterator[Finding]:
    from needed.languages.shell import parse_shell

    read: dict[str, ShellCommands] = {}
    ahead = [path]
    while ahead and len(read) < MAX_SOURCED:
        at = ahead.pop(0)
        if at not in read:
            read[at] = parse_shell(view.read(at, MAX_SCRIPT + 1), shell)
            ahead += [found for one in read[at].sourced if (found := _sourced(view, at, one.what))]
    functions = {name for commands in read.values() for name in commands.functions}
    absent: dict[str, Line] = {}
    for at, commands in read.items():
        if at != path:
            yield Take(at, Reason("rule", path, NAME, f"sources {at}"))
        for command in commands.commands:
            if command.name in functions:
                continue
            where = _command(view, command.name)
            reason = Reason("rule", at, NAME, f"line {command.line.number}: {command.line.text}")
            if command.name in applets:
                yield from _by_busybox(command.name, reason)
            elif where is None and not any(command.name in names for names in BUILTINS.values()):
                # A builtin of another shell stands behind a question of which shell it is.
                absent.setdefault(command.name, command.line)
            elif where is not None:
                yield Execute(where, reason)
        yield from _files(view, at, commands)
        yield from _unknown(view, at, commands)
    if absent:
        shown = ", ".join(f"{name} (line {line.number})" for name, line in [*absent.items()][:SHOWN])
        more = f" and {len(absent) - SHOWN} more" if len(absent) > SHOWN else ""
        yield Tell(f"{path} calls what the root does not have: {shown}{more}")


def _command(view: View, name: str) -> str | None:
    """Where the command is: a path, or looked up; a relative path is the working directory's, which nobody knows."""
    if name.startswith("/"):
        return name if view.is_file(name) else None
    if "/" in name:
        return None
    return view.command(name)


def _sourced(view: View, script: str, name: str) -> str | None:
    """The file that `.` reads: a path, or looked up on PATH and beside the script."""
    folders = (script.rpartition("/")[0], *PATH)
    names = [name] if name.startswith("/") else [] if "/" in name else [f"{folder}/{name}" for folder in folders]
    return next((one for one in names if view.is_file(one)), None)


def _files(view: View, path: str, commands: ShellCommands) -> Iterator[Finding]:
    for one in commands.files:
        if not one.what.startswith(NOT_FILES) and view.is_file(one.what):
            yield Take(one.what, Reason("rule", path, NAME, f"line {one.line.number}: {one.line.text}"))


def _unknown(view: View, path: str, commands: ShellCommands) -> Iterator[Finding]:
    from needed.languages.shell import NOT_UNDERSTOOD

    hint = "--with NAME,NAME for what it calls"
    amiss = [problem.line.number for problem in commands.problems if problem.what.endswith(NOT_UNDERSTOOD)]
    if amiss:
        yield Tell(f"{path} was not understood in {_lines(amiss)}, so commands there may be amiss", hint)
    for problem in commands.problems:
        if not problem.what.endswith(NOT_UNDERSTOOD):
            yield Tell(f"{path}, line {problem.line.number}: {problem.what}", hint)
    told: dict[str, list[int]] = {}
    for one in commands.unknown:
        if not one.known:
            told.setdefault(_short(one.word), []).append(one.line.number)
        for name in one.known:
            where = _command(view, name)
            if where:
                yield Execute(where, Reason("rule", path, NAME, f"line {one.line.number}: {one.line.text}"))
    if lines := told.pop(ARGUMENTS, None):
        what = "--with NAME for what the container is told to run"
        yield Tell(f"{path}, {_lines(lines)}, starts {ARGUMENTS}, which only a run knows", what)
    if told:
        words = [f"{word} ({_lines(lines)})" for word, lines in [*told.items()][:SHOWN]]
        more = f" and {len(told) - SHOWN} more" if len(told) > SHOWN else ""
        yield Tell(f"{path} starts what only a run knows: {', '.join(words)}{more}", "--with NAME,NAME for these")


def _lines(numbers: list[int]) -> str:
    """"line 3", or "lines 3, 4, 5 and 2 more"."""
    numbers = [*dict.fromkeys(numbers)]
    more = f" and {len(numbers) - SHOWN} more" if len(numbers) > SHOWN else ""
    return f"line{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers[:SHOWN]))}{more}"


def _short(word: str) -> str:
    """A word of the script that fits into a sentence."""
    line = " ".join(word.split())
    return line if len(line) <= MAX_WORD else f"{line[: MAX_WORD - 1]}…"


def _by_busybox(name: str, reason: Reason) -> Iterator[Finding]:
    yield Execute("busybox", reason)
    yield Link(f"/usr/bin/{name}", "busybox", reason)


def _applets(view: View) -> frozenset[str]:
    path = _command(view, "busybox")
    return parse_applets(view.read(path, MAX_BUSYBOX) if path else b"")


def parse_applets(content: bytes) -> frozenset[str]:
    """The names in busybox's own table (include/applet_tables.h): sorted, each ended by NUL, `[` and `[[` first."""
    start = content.find(b"\0[\0[[\0")
    if start < 0:
        return frozenset()
    end = content.find(b"\0\0", start + 1)
    return frozenset(content[start + 1 : end].decode("ascii", "replace").split("\0"))
