"""The sandbox that bwrap(1) makes, of the same tree and with the same rules as our own name spaces.

What it is for: machines where only bwrap may make name spaces (it has a profile of AppArmor, or is setuid).
"""

from __future__ import annotations

import os
import resource
import signal
import socket

from needed.errors import SandboxError
from needed.root import Walker
from needed.verify.command import DEFAULT_PATH
from needed.verify.join import connect_in
from needed.verify.namespaces import NOT_FOUND, ask

TYPE_CHECKING = False
if TYPE_CHECKING:
    from needed.verify.bundle import Bundle
    from needed.verify.command import Command, Limits

    Streams = tuple[int, int, int]


class InBubblewrap:
    """`keeper` is bwrap, `program` what runs in it."""

    def __init__(self, keeper: int, program: int) -> None:
        self.keeper, self._program = keeper, program

    def connect(self, port: int) -> socket.socket | None:
        return connect_in(self._program, port)

    def ask(self, number: int) -> bool:
        return ask(self._program, number)

    def kill(self) -> None:
        for process in (self._program, self.keeper):  # the program is process 1: all others end with it
            try:
                os.kill(process, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue

    def close(self) -> None:
        """Nothing is left that bwrap would not have taken away."""


def start_bubblewrap(bundle: Bundle, command: Command, limits: Limits, streams: Streams) -> InBubblewrap:
    """Start `command` in `bundle` with these standard streams. Raises SandboxError if bwrap cannot."""
    from shutil import which

    bwrap = which("bwrap")
    if bwrap is None:
        raise SandboxError("bwrap is not on the PATH", hints=["sudo apt install bubblewrap"])
    said, saying = os.pipe()
    held, holding = os.pipe()
    words = [bwrap, *_options(bundle, command), "--info-fd", str(saying), "--block-fd", str(held), "--", *command.argv]
    if not _is_there(bundle, command):
        message = f"{command.argv[0]}: not found in the image, or its interpreter is not\n"
        words = ["/bin/sh", "-c", 'printf %s "$1" >&2; exit $2', "sh", message, str(NOT_FOUND)]
    keeper = os.fork()
    if keeper == 0:
        try:
            _exec(words, command, streams, (saying, held))
        finally:
            os._exit(125)
    os.close(saying)
    os.close(held)
    try:
        told = os.read(said, 4096)
        while told and b"}" not in told and (more := os.read(said, 4096)):
            told += more
    finally:
        os.close(said)
    program = _number(told)
    if not program and words[0] == bwrap:
        os.close(holding)
        os.waitpid(keeper, 0)
        raise SandboxError("bwrap cannot make a sandbox here: what it said is above", hints=["--sandbox docker"])
    if program:
        for kind, most in ((resource.RLIMIT_NPROC, limits.processes), (resource.RLIMIT_CORE, 0)):
            resource.prlimit(program, kind, (most, most))
    os.close(holding)
    return InBubblewrap(keeper, program or keeper)


def _options(bundle: Bundle, command: Command) -> list[str]:
    top = bundle.path
    words = ["--unshare-all", "--unshare-user", "--die-with-parent", "--as-pid-1", "--cap-drop", "ALL"]
    words += ["--hostname", "needed", "--uid", str(command.user[0]), "--gid", str(command.user[1]), "--clearenv"]
    words += [] if command.terminal else ["--new-session"]  # its terminal is its own, and no other is in reach
    words += ["--share-net"] if command.network == "host" else []
    words += ["--bind" if "/" in bundle.writable else "--ro-bind", top, "/"]
    for path in bundle.writable:
        words += ["--bind", top + path, path] if path != "/" else []
    for one in command.mounts:
        words += ["--ro-bind" if one.read_only else "--bind", one.source, one.destination]
    words += ["--proc", "/proc", "--dev", "/dev", "--chdir", command.directory]
    for name, text in command.env:
        words += ["--setenv", name, text]
    return words


def _exec(words: list[str], command: Command, streams: Streams, kept: tuple[int, int]) -> None:
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    for descriptor in kept:
        os.set_inheritable(descriptor, True)  # noqa: FBT003
    os.setsid()
    if command.terminal:
        import fcntl

        fcntl.ioctl(0, 0x540E, 0)  # TIOCSCTTY
    for number in (signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGWINCH):
        signal.signal(number, signal.SIG_DFL)
    os.execv(words[0], words)  # noqa: S606


def _is_there(bundle: Bundle, command: Command) -> bool:
    """bwrap says 1 for a program that is not there; a shell, and every other sandbox, 127."""
    name, path = command.argv[0], dict(command.env).get("PATH", DEFAULT_PATH)
    if "/" in name:
        places = [name if name.startswith("/") else f"{command.directory}/{name}"]
    else:
        places = [f"{folder}/{name}" for folder in path.split(":")]
    walker = Walker(bundle.root)
    mounted = tuple(one.destination for one in command.mounts)
    return any(walker.find(place) or place.startswith(mounted) for place in places)


def _number(told: bytes) -> int:
    import json

    try:
        return int(json.loads(told)["child-pid"])
    except (ValueError, KeyError, TypeError):
        return 0
