"""What goes to the terminal: colour, escapes, errors. Colour only on a terminal, and not with NO_COLOR."""

from __future__ import annotations

import os
import sys
from time import monotonic

from needed.report.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TextIO

    from needed.errors import NeededError


def write(text: str, stream: TextIO | None = None) -> None:
    """A line in UTF-8, on any locale."""
    out = sys.stdout if stream is None else stream
    try:
        out.write(text + "\n")
    except UnicodeEncodeError:
        out.write(text.encode("ascii", "backslashreplace").decode("ascii") + "\n")


def write_sentence(text: str, stream: TextIO | None = None) -> None:
    """A line that may be long: on a terminal it is broken between words, further lines indented a little more."""
    out = sys.stdout if stream is None else stream
    if not out.isatty():
        write(text, stream)
        return
    from shutil import get_terminal_size
    from textwrap import wrap

    indent = " " * (len(text) - len(text.lstrip()) + 2)
    width = max(get_terminal_size().columns, 20)
    for line in wrap(text, width, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False) or [text]:
        write(line, stream)


def print_error(error: NeededError, *, as_json: bool) -> None:
    """The sentence, what belongs to it, and the hints, on standard error; an object with `as_json`."""
    if as_json:
        import json

        found = {"kind": error.kind, "message": error.message, "details": error.details, "hints": error.hints}
        write(json.dumps({"error": found | {"exit_code": error.exit_code}}), sys.stderr)
        return
    red, cyan, plain = ("\033[31m", "\033[36m", "\033[0m") if colour(sys.stderr) else ("", "", "")
    write_sentence(f"{red}error:{plain} {printable(error.message)}", sys.stderr)
    for detail in error.details:
        write_sentence(f"  {printable(detail)}", sys.stderr)
    for hint in error.hints:
        write_sentence(f"{cyan}hint:{plain} {printable(hint)}", sys.stderr)


def together(problems: Sequence[NeededError], message: str) -> NeededError:
    """One error for several, which `message` counts: of ReadError if each was that, else of SourceError."""
    from needed.errors import ReadError, SourceError

    if len(problems) == 1:
        return problems[0]
    kind = ReadError if all(isinstance(problem, ReadError) for problem in problems) else SourceError
    hints = dict.fromkeys(hint for problem in problems for hint in problem.hints)
    return kind(message, details=[problem.message for problem in problems], hints=hints)


def colour(stream: TextIO) -> bool:
    """Whether `stream` is a terminal that wants colour (no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


class Progress:
    """One line on a terminal that says how far something long is, in the words of `describe`; silent for the first
    half second."""

    def __init__(self, stream: TextIO, describe: Callable[[int, int], str]) -> None:
        self.stream, self.describe = stream, describe
        self.next, self.shown = monotonic() + 0.5, False

    def __call__(self, done: int, total: int) -> None:
        now = monotonic()
        if now >= self.next:
            self.next, self.shown = now + 0.1, True
            self.stream.write(f"\r{self.describe(done, total)}\033[K")
            self.stream.flush()

    def clear(self) -> None:
        """Leave the line as if nothing had stood there."""
        if self.shown:
            self.shown = False
            self.stream.write("\r\033[K")
            self.stream.flush()
