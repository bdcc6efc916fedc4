"""Waiting for a sandbox whose program has our own standard streams, or a terminal of its own that is shown on ours.

What it deliberately does not do: keep output (that is `process`). A signal that asks us to end is told the program if
it listens for it, as an engine does (`docker stop`); if it does not, or not within a grace, the sandbox is ended.
"""

from __future__ import annotations

import os
import select
import time

from needed.verify.command import Limits, Outcome
from needed.verify.process import LOOK, over, status_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from types import FrameType, TracebackType
    from typing import Self

    from needed.verify.process import Running
    from needed.verify.terminal import Terminal
else:
    import _signal as signal  # without the names for numbers, whose import takes longer than a program's start

ASKING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class Stopped(BaseException):
    """We were asked to end by signal `number` before a program ran."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Signals:
    """While this is entered, a signal that asks us to end is Stopped, or left to `wait` from when `awaited` is set.

    That is before a program begins: between its beginning and `wait` none may be lost to it.
    """

    def __init__(self) -> None:
        self.seen = 0
        self.awaited = False
        self._before: list[tuple[int, object]] = []
        self.wake, self._writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def __enter__(self) -> Self:
        for number in ASKING:
            if signal.getsignal(number) != signal.SIG_IGN:  # nohup(1) means it
                self._before.append((number, signal.signal(number, self._on)))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._before:
            signal.signal(number, handler)  # type: ignore[arg-type]
        os.close(self.wake)
        os.close(self._writing)

    def _on(self, number: int, _frame: FrameType | None) -> None:
        first, self.seen = not self.seen, self.seen or number
        if self.awaited:
            os.write(self._writing, b".")
        elif first:
            raise Stopped(number)  # what was made until now is taken away on the way out; a second changes nothing


def wait(
    started: Running, limits: Limits, signals: Signals, *, terminal: Terminal | None = None, grace: float = 2.0
) -> Outcome:
    """Wait for the end of `started`, and of what it wrote to `terminal`; `grace` in seconds. Nothing of it runs after.

    Of a program that we were asked to end the status is 128 and the signal's number, whatever it said itself.
    """
    begun = time.monotonic()
    keeper = os.pidfd_open(started.keeper)
    try:
        ended = _wait(started, limits, (signals, grace), (keeper, begun, terminal))
    finally:
        os.close(keeper)
        started.kill()
        _, code = os.waitpid(started.keeper, 0)
    if terminal is not None:
        terminal.drain()
    status = 128 + signals.seen if ended == "stopped" else status_of(code, broken=ended == "exited")
    return Outcome(status, seconds=time.monotonic() - begun, ended=ended)


def _wait(
    started: Running, limits: Limits, asked: tuple[Signals, float], ends: tuple[int, float, Terminal | None]
) -> str:
    """How it ended."""
    (signals, grace), (keeper, begun, terminal) = asked, ends
    looked, deadline, times = begun, 0.0, 0
    while True:
        waiting = [keeper, signals.wake, *(terminal.waiting() if terminal else ())]
        ready, _, _ = select.select(waiting, [], [], LOOK)
        if terminal is not None:
            terminal.move(ready)
        if keeper in ready:
            return "stopped" if deadline else "exited"
        now = time.monotonic()
        if signals.wake in ready:
            times += len(os.read(signals.wake, 64))
            deadline = deadline or now + grace
            if times > 1 or not started.ask(signals.seen):
                return "stopped"
        if deadline and now > deadline:
            return "stopped"
        if now - looked >= LOOK:
            looked = now
            if ended := over(started, limits, now - begun):
                return ended
