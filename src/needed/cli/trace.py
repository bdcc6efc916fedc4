"""`needed trace`: runs a program where it is, and writes down what it asked for."""

from __future__ import annotations

import os
import signal
import sys

from needed.cli.console import write, write_sentence
from needed.cli.paths import absolute, to_host
from needed.cli.roots import open_root_option, temporary_folder
from needed.errors import UsageError
from needed.report.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from needed.root import DirectoryRoot
    from needed.verify.command import Command
    from needed.verify.trace import Trace

_EPILOG = """\
The program is run, with all that it does: this and `run` are the only verbs that
start anything. It sees the root read-only, without a network, and with /tmp,
/run and homes empty; its own folder, the working directory unless that is a
home, and the files that its arguments name are shown. What it asks for is a reason to `needed build --trace FILE`.

exit status: the program's, and the trace is written whatever that is; 10 if
nothing here can trace.

examples:
  needed trace -o app.trace -- python3 app.py --self-test
  needed trace -o app.trace --append -- python3 app.py --other-way
  needed build python3 --add app.py --trace app.trace -t app
  needed trace --seconds 5 --network host -- nginx -g 'daemon off;'
"""


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "trace",
        help="run a program and record what it opens, for `build --trace`",
        description="Runs a program in a sandbox that shows the root, and records what it asks for.",
        epilog=_EPILOG,
        allow_abbrev=False,
    )
    option = parser.add_argument
    option("words", nargs="+", metavar="PROGRAM", help="the program and its arguments, behind --")
    option("-o", "--output", metavar="FILE", help="the trace (default: the program's name with .trace)")
    option("--append", action="store_true", help="add to what FILE says already")
    option("--root", default="/", metavar="DIR", help="the tree that the program is of (default /)")
    option("--env", action="append", default=[], metavar="NAME=VALUE", help="besides PATH and HOME")
    option("--workdir", metavar="DIR", help="where it starts (default: here, or the top of another root)")
    option("--user", default="", metavar="UID[:GID]", help="who it believes to be (default: who you are)")
    option("--network", default="none", metavar="NAME", help="none (loopback only) or host (default none)")
    option("--show", action="append", default=[], metavar="DIR", help="show DIR though it is in a hidden folder")
    option("--scratch", action="append", default=[], metavar="DIR", help="DIR is empty, and may be written to")
    option("--seconds", default="0", metavar="N", help="end it after N seconds (default: when it ends)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from needed.cli.traces import read_trace
    from needed.output.atomic import write_atomically
    from needed.root import DirectoryRoot
    from needed.verify.command import Limits
    from needed.verify.host_tree import host_tree, mount_point
    from needed.verify.strace import StraceTracer
    from needed.verify.trace import merge_traces, render_trace

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: the program ends, and its trace stays
    root = open_root_option(arguments.root)
    if not isinstance(root, DirectoryRoot):
        hint = "copy it to a folder first, or name a folder that has such a tree"
        raise UsageError(f"{arguments.root}: a program can be traced in a folder only", hints=[hint])
    command = _command(arguments)
    file = arguments.output or f"{command.argv[0].rpartition('/')[2]}.trace"
    before = [read_trace(file)] if arguments.append and os.path.exists(to_host(file)) else []
    point = mount_point(temporary_folder())
    try:
        wanted = [command.directory, *(absolute(one) if arguments.root == "/" else one for one in arguments.show)]
        wanted += [command.argv[0].rpartition("/")[0], command.argv[0]] if "/" in command.argv[0] else []
        wanted += _files(root, command)
        empty = [absolute(one) if arguments.root == "/" else one for one in arguments.scratch]
        tree = host_tree(root, point, os.path.expanduser("~"), wanted, empty)
        if tree.kept:
            _tell_empty(tree.kept[0])
        found = StraceTracer(root).trace(tree, command, Limits(_seconds(arguments.seconds)))
    finally:
        os.rmdir(point)
    write_atomically(to_host(file), [render_trace(merge_traces([*before, found])).encode()])
    _tell(found, file)
    return found.runs[0].status


def _files(root: DirectoryRoot, command: Command) -> list[str]:
    """The files that the command's arguments name."""
    from needed.root import Walker

    walker = Walker(root)
    names = [word if word.startswith("/") else f"{command.directory}/{word}" for word in command.argv[1:]]
    places = [(name, walker.find(name)) for name in names if len(name) < 4096 and "\0" not in name]
    return [name for name, found in places if found is not None and found.entry.kind == "file"]


def _tell_empty(folder: str) -> None:
    """A home, or a folder of temporary files, is not shown for being the working directory: it holds too much."""
    text = f"note: the program sees {folder} empty but for the files that its command names; --show DIR shows a folder"
    write_sentence(printable(text), sys.stderr)


def _command(arguments: argparse.Namespace) -> Command:
    from needed.verify.command import DEFAULT_PATH, Command

    here = arguments.root == "/"
    program, *rest = arguments.words
    if here and "/" in program:
        program = absolute(program)
    for text in arguments.env:
        if not text.partition("=")[0] or "=" not in text:
            raise UsageError(f"--env {text}: expected NAME=VALUE", hints=["--env NAME=VALUE"])
    if arguments.network not in ("none", "host"):
        raise UsageError(f"--network {arguments.network}: expected none or host", hints=["--network host"])
    env = {"PATH": DEFAULT_PATH, "HOME": "/"} | dict(text.split("=", 1) for text in arguments.env)
    directory = arguments.workdir or (absolute(".") if here else "/")
    directory = absolute(directory) if here else f"/{directory.lstrip('/')}"
    return Command((program, *rest), tuple(env.items()), directory, _user(arguments.user), arguments.network)


def _user(text: str) -> tuple[int, int]:
    from needed.rules.choices import parse_user

    if not text:
        return os.geteuid(), os.getegid()
    if not all(part.isascii() and part.isdigit() for part in text.split(":", 1)):
        raise UsageError(f"--user {text!r}: expected UID[:GID]", hints=["--user 65532:65532"])
    return parse_user(text)


def _seconds(text: str) -> float:
    if not (text.isascii() and text.replace(".", "", 1).isdigit()):
        raise UsageError(f"--seconds {text}: expected a number of seconds", hints=["--seconds 10"])
    return float(text)


def _tell(trace: Trace, file: str) -> None:
    """What was found, in numbers, and what could not be, on standard error: standard output is the program's."""
    counts = {"executed": trace.executed, "opened": trace.opened, "loaded": trace.loaded}
    counts["looked for in vain"] = trace.missed
    sys.stdout.flush()
    write(printable(f"{file}: " + ", ".join(f"{len(paths):,} {name}" for name, paths in counts.items())), sys.stderr)
    for note in trace.untraced[:10]:
        write_sentence(printable(f"note: {note}"), sys.stderr)
    if len(trace.untraced) > 10:
        write(f"note: and {len(trace.untraced) - 10} more in the file", sys.stderr)
    if trace.runs[0].status:
        write(f"note: the program ended with status {trace.runs[0].status}", sys.stderr)
