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
    from collections.abc import Callable

    from needed.verify.bundle import Bundle
    from needed.verify.command import Command
    from needed.verify.namespaces import Started

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
    probe: Callable[[Started], bool] | None = None,
) -> Outcome:  # fmt: skip
    """Run `command` in `bundle` to its end, or until `probe` has seen enough, which is asked a few times a second.

    Raises SandboxError where no sandbox can be made here.
    """
    streams = [os.pipe() for _ in range(2)]
    null_or_input = _input(stdin)
    begun = time.monotonic()
    started = start(bundle, command, limits, (null_or_input, streams[0][1], streams[1][1]))
    for descriptor in (null_or_input, streams[0][1], streams[1][1]):
        os.close(descriptor)
    watch = _Watch(started, limits, begun, probe)
    try:
        problem = started.problem()
        if problem:
            raise SandboxError(
                f"no sandbox of name spaces can be made here: {problem}",
                hints=["as root: sysctl kernel.unprivileged_userns_clone=1, or run it in Docker: --sandbox docker"],
            )
        kept = watch.read((streams[0][0], streams[1][0]))
    finally:
        started.kill()
        _, status = os.waitpid(started.keeper, 0)
        started.close()
        for reading, _ in streams:
            os.close(reading)
    code = os.waitstatus_to_exitcode(status)
    if watch.ended == "exited" and code < 0:
        code = BROKEN
    seconds = time.monotonic() - begun
    return Outcome(code if code >= 0 else 128 - code, kept[0].content(), kept[1].content(), seconds, watch.ended)


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

    def __init__(
        self, started: Started, limits: Limits, begun: float, probe: Callable[[Started], bool] | None
    ) -> None:
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
        if self._limits.seconds and now - self._begun > self._limits.seconds:
            self.ended = "time"
        elif resident(self._started.keeper) > self._limits.memory:
            self.ended = "memory"
        elif self._probe is not None and self._probe(self._started):
            self.ended = "stopped"
        return self.ended != "exited"


def resident(keeper: int) -> int:
    """The bytes that the keeper's descendants have resident, shared pages counted for each (proc(5), statm)."""
    total, ahead, page = 0, [keeper], os.sysconf("SC_PAGE_SIZE")
    while ahead:
        process = ahead.pop()
        try:
            with open(f"/proc/{process}/task/{process}/children", encoding="ascii") as file:
                children = [int(word) for word in file.read().split()]
            for child in children:
                with open(f"/proc/{child}/statm", encoding="ascii") as file:
                    total += int(file.read().split()[1]) * page
        except (OSError, IndexError, ValueError):
            continue
        ahead += children
    return total
