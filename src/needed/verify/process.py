"""Waiting for a sandbox: its output within bounds, its time and memory within limits, and nothing left behind.

Of a stream the first and the last half of the limit are kept, and what is between is counted: a program that prints
for ever costs no memory. Memory is what all processes of the sandbox have resident, looked at four times a second.
"""

from __future__ import annotations

import os
import select
import time

from needed.errors import SandboxError
from needed.verify.command import Limits, Outcome
from needed.verify.namespaces import BROKEN, start

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from typing import Protocol

    from needed.verify.bundle import Bundle
    from needed.verify.command import Command
    from needed.verify.namespaces import Started
    from needed.verify.trees import KeptTree

    class Running(Protocol):
        """A program in a sandbox of any kind. `keeper` is our child, which ends when the program does."""

        keeper: int

        def connect(self, port: int) -> socket.socket | None: ...
        def ask(self, number: int) -> bool: ...
        def kill(self) -> None: ...
        def close(self) -> None: ...


LOOK = 0.25  # seconds between two looks at memory
PIECE = 65536


class Kept:
    """The first and the last bytes of a stream, `limit` together."""

    def __init__(self, limit: int) -> None:
        self._half = max(limit // 2, 1)
        self._first, self._last, self._dropped = bytearray(), bytearray(), 0

    def add(self, piece: bytes) -> None:
        room = self._half - len(self._first)
        self._first += piece[:room]
        self._last += piece[room:]
        if len(self._last) > 2 * self._half:
            self._dropped += len(self._last) - self._half
            del self._last[: -self._half]

    def content(self) -> bytes:
        """What was kept, with a line in place of what was not."""
        dropped = self._dropped + max(len(self._last) - self._half, 0)
        if not dropped:
            return bytes(self._first + self._last)
        return bytes(self._first) + b"\n[%d bytes left out]\n" % dropped + bytes(self._last[-self._half :])


def run_command(
    bundle: Bundle, command: Command, limits: Limits, *, stdin: bytes = b"",
    probe: Callable[[Running], bool] | None = None,
) -> Outcome:  # fmt: skip
    """Run `command` in `bundle` to its end, or until `probe` has seen enough, which is asked a few times a second.

    Raises SandboxError where no sandbox can be made here.
    """
    return capture(lambda streams: start_here(bundle, command, limits, streams), limits, stdin=stdin, probe=probe)


def start_here(bundle: Bundle | KeptTree, command: Command, limits: Limits, streams: tuple[int, int, int]) -> Started:
    """`command` in a sandbox of name spaces, begun. Raises SandboxError where none can be made."""
    started = start(bundle, command, limits, streams)
    try:
        problem = started.problem()
    except BaseException:
        end(started)
        raise
    if problem:
        end(started)
        raise SandboxError(
            f"no sandbox of name spaces can be made here: {problem}",
            hints=["as root: sysctl kernel.unprivileged_userns_clone=1, or run it in Docker: --sandbox docker"],
        )
    return started


def end(started: Running) -> int:
    """End all of it, and what waitpid(2) says of its keeper."""
    started.kill()
    _, code = os.waitpid(started.keeper, 0)
    started.close()
    return code


def capture(
    begin: Callable[[tuple[int, int, int]], Running], limits: Limits, *, stdin: bytes = b"",
    probe: Callable[[Running], bool] | None = None,
) -> Outcome:  # fmt: skip
    """What becomes of a program that `begin` starts with these standard streams. Raises what that does."""
    streams = [os.pipe() for _ in range(2)]
    theirs = (_input(stdin), streams[0][1], streams[1][1])
    begun = time.monotonic()
    try:
        try:
            started = begin(theirs)
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        watch = _Watch(started, limits, begun, probe)
        try:
            kept = watch.read((streams[0][0], streams[1][0]))
        finally:
            code = end(started)
    finally:
        for reading, _ in streams:
            os.close(reading)
    status = status_of(code, broken=watch.ended == "exited")
    return Outcome(status, kept[0].content(), kept[1].content(), time.monotonic() - begun, watch.ended)


def status_of(code: int, *, broken: bool = True) -> int:
    """The exit status in what waitpid(2) gave for a keeper, which no signal ends but ours: else it is `broken`."""
    status = os.waitstatus_to_exitcode(code)
    return status if status >= 0 else BROKEN if broken else 128 - status


def _input(content: bytes) -> int:
    """A descriptor to read `content` from."""
    if not content:
        return os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    descriptor = os.memfd_create("stdin", os.MFD_CLOEXEC)
    os.write(descriptor, content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


class _Watch:
    """Reads both streams until they close, the time is over, too much memory is used, or the probe has seen enough."""

    def __init__(self, started: Running, limits: Limits, begun: float, probe: Callable[[Running], bool] | None) -> None:
        self._started, self._limits, self._begun, self._probe = started, limits, begun, probe
        self.ended = "exited"

    def read(self, descriptors: tuple[int, int]) -> tuple[Kept, Kept]:
        kept = Kept(self._limits.output), Kept(self._limits.output)
        by_descriptor = dict(zip(descriptors, kept, strict=True))
        keeper = os.pidfd_open(self._started.keeper)
        looked = time.monotonic()
        try:
            while True:
                waiting = [*by_descriptor, keeper]
                ready, _, _ = select.select(waiting, [], [], LOOK)
                for descriptor in ready:
                    if descriptor in by_descriptor:
                        piece = os.read(descriptor, PIECE)
                        by_descriptor[descriptor].add(piece)
                        if not piece:
                            del by_descriptor[descriptor]
                if ready == [keeper]:  # ended, and nothing more to read
                    return kept
                now = time.monotonic()
                if now - looked >= LOOK:
                    looked = now
                    if self._is_over(now):
                        return kept
        finally:
            os.close(keeper)

    def _is_over(self, now: float) -> bool:
        if ended := over(self._started, self._limits, now - self._begun):
            self.ended = ended
        elif self._probe is not None and self._probe(self._started):
            self.ended = "stopped"
        return self.ended != "exited"


def over(started: Running, limits: Limits, seconds: float) -> str:
    """The limit that is exceeded after `seconds`: "time", "memory", "processes", or "" if none is."""
    if limits.seconds and seconds > limits.seconds:
        return "time"
    number, memory = usage(started.keeper, limits.processes)
    return "memory" if memory > limits.memory else "processes" if number > limits.processes else ""


def usage(keeper: int, most: int) -> tuple[int, int]:
    """How many descendants the keeper has (no more than `most` and one are counted), and the bytes that they have
    resident, shared pages counted for each (proc(5), statm)."""
    number, total, ahead, page = 0, 0, [keeper], os.sysconf("SC_PAGE_SIZE")
    while ahead and number <= most:
        process = ahead.pop()
        try:
            with open(f"/proc/{process}/task/{process}/children", encoding="ascii") as file:
                children = [int(word) for word in file.read().split()]
            number += len(children)
            for child in children[: most + 1]:
                with open(f"/proc/{child}/statm", encoding="ascii") as file:
                    total += int(file.read().split()[1]) * page
        except (OSError, IndexError, ValueError):
            continue
        ahead += children
    return number, total
