"""A terminal for a program in a sandbox, shown on ours: pty(7), with ours in raw mode while its keys go there.

The program never has a descriptor of our own terminal, so it can neither type into it (TIOCSTI, CVE-2017-5226) nor
change how it behaves.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import termios
import tty

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Self

PIECE = 65536


class Terminal:
    """`inside` is the program's end. With `keys` what is typed goes to it. Our terminal is as before after the with."""

    def __init__(self, *, keys: bool) -> None:
        self._master, self.inside = os.openpty()
        self._keys = keys
        self._before: list[Any] | None = None
        self._old_handler: Any = None

    def __enter__(self) -> Self:
        self._resize()
        if os.isatty(1):
            self._old_handler = signal.signal(signal.SIGWINCH, lambda *_: self._resize())
        if self._keys and os.isatty(0):
            self._before = termios.tcgetattr(0)
            tty.setraw(0, termios.TCSANOW)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._before is not None:
            termios.tcsetattr(0, termios.TCSANOW, self._before)  # not waiting for who reads ours
        if self._old_handler is not None:
            signal.signal(signal.SIGWINCH, self._old_handler)
        self.release()
        os.close(self._master)

    def release(self) -> None:
        """Our copy of the program's end, once the program has its own: else its end would never be seen."""
        if self.inside >= 0:
            os.close(self.inside)
            self.inside = -1

    def waiting(self) -> list[int]:
        """The descriptors to wait for."""
        return [self._master, 0] if self._keys else [self._master]

    def move(self, ready: list[int]) -> None:
        """Carry what is `ready` to the other side."""
        if self._master in ready:
            self._show()
        if self._keys and 0 in ready:
            typed = os.read(0, 1024)
            if typed:
                _write(self._master, typed)
            else:  # the end of a file or pipe is what Ctrl-D is on a terminal
                self._keys = False
                os.write(self._master, b"\x04")

    def drain(self) -> None:
        """What the program wrote last."""
        while select.select([self._master], [], [], 0)[0] and self._show():
            pass

    def _show(self) -> bool:
        try:
            shown = os.read(self._master, PIECE)
        except OSError:  # EIO: nobody has the other end any more
            return False
        _write(1, shown)
        return bool(shown)

    def _resize(self) -> None:
        """The size of ours (tty_ioctl(4))."""
        try:
            size = fcntl.ioctl(1, termios.TIOCGWINSZ, bytes(8))
        except OSError:
            return  # ours is no terminal
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, size)


def _write(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]
