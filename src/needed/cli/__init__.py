"""The command. `main` parses, calls one verb, prints, and turns an error into a sentence and an exit code.

Environment, clock, terminal and exit codes belong to this room alone.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from typing import Any, NoReturn

    from needed.cli.quick import Arguments
    from needed.errors import NeededError

_VERBS = (
    "build", "compile", "run", "verify", "fit", "trace", "ldd", "check", "why", "scan", "inspect", "rules", "ps",
    "logs", "stop", "completion",
)  # fmt: skip
# What follows `--` are the words of a program, or of a compiler, which nobody here reads.
_WITH_COMMAND = ("compile", "run", "verify", "fit")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; what it returns is its exit status."""
    _open_closed_streams()
    words = list(sys.argv[1:] if argv is None else argv)
    from needed.errors import NeededError

    try:
        status = _run(words)
        sys.stdout.flush()
    except NeededError as error:
        return _end_with(error, as_json="--json" in words)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        _close_stdout()
        return 141
    except OSError as error:
        from needed.errors import OutputError

        _close_stdout()
        return _end_with(OutputError(f"standard output cannot be written: {error.strerror}"), as_json="--json" in words)
    except Exception as error:
        if "NEEDED_TRACEBACK" in os.environ:
            raise
        hints = ["please report it with what NEEDED_TRACEBACK=1 shows"]
        defect = NeededError(f"a defect of needed: {type(error).__name__}: {error}", hints=hints)
        return _end_with(defect, as_json="--json" in words)
    return status


def _run(words: list[str]) -> int:
    if words in (["--version"], ["-V"]):  # before anything else is imported: start-up is a feature
        from needed.version import __version__

        print(f"needed {__version__}")
        return 0
    given, behind = [_as_utf8(word) for word in words], None
    if given and given[0] in _WITH_COMMAND and "--" in given:
        cut = given.index("--")
        given, behind = given[:cut], given[cut + 1 :]
    arguments: Any = _plain(given) or parser(given).parse_args(given or ["--help"])
    if behind is not None:
        arguments.command = behind
    status: int = arguments.run(arguments)
    return status


def _plain(words: list[str]) -> Arguments | None:
    if not words or words[0] not in _VERBS:
        return None
    from needed.cli.quick import read_plain

    return read_plain(_module(words[0]).add, words[1:])


def _end_with(error: NeededError, *, as_json: bool) -> int:
    from needed.cli.console import print_error

    try:
        print_error(error, as_json=as_json)
        sys.stderr.flush()
    except OSError:
        pass  # nobody listens; the exit status still tells
    return error.exit_code


def _open_closed_streams() -> None:
    """A stream that was closed before we began (`>&-`) takes what is written and forgets it."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115


def main_and_exit() -> NoReturn:
    """Run the command and leave without taking the interpreter apart, which takes as long as resolving a program."""
    import gc

    gc.disable()  # one short run: what it would look for is given back at the end anyway
    status = main()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        status = status or 141
    os._exit(status)


def parser(words: Sequence[str] = ()) -> argparse.ArgumentParser:
    """The parser with every verb, or with the one that `words` begin with: the others need not be imported."""
    import argparse

    class Parser(argparse.ArgumentParser):
        """argparse, whose errors are ours: a sentence, a hint, an object with --json."""

        def __init__(self, **settings: Any) -> None:
            if "\n" in (settings.get("epilog") or ""):  # laid out by hand
                settings["formatter_class"] = argparse.RawDescriptionHelpFormatter
            super().__init__(**settings)

        def error(self, message: str) -> NoReturn:
            from needed.errors import UsageError

            raise UsageError(message, hints=[f"{self.prog} --help"])

    top: argparse.ArgumentParser = Parser(
        prog="needed",
        description="Builds the smallest container image that provably runs, from the programs that you name.",
        epilog="needed VERB --help tells more. Example: needed build /bin/bash /bin/ls -t ls --load",
        allow_abbrev=False,
    )
    top.add_argument("-V", "--version", action="store_true", help="print the version and exit")
    verbs = top.add_subparsers(title="verbs", metavar="VERB", required=True, prog="needed")
    wanted = words[0] if words and words[0] in _VERBS else None
    for name in _VERBS:
        if wanted in (None, name):
            _module(name).add(verbs)
    return top


def _module(name: str) -> _Verb:
    """The module of a verb: of its name. What `importlib.import_module` does, whose own import costs more."""
    module: _Verb = __import__(f"needed.cli.{name}", fromlist=["add"])
    return module


def _as_utf8(word: str) -> str:
    """Arguments are bytes to the kernel; paths inside a Root are those bytes read as UTF-8, whatever the locale."""
    return os.fsencode(word).decode("utf-8", "surrogateescape")


def _close_stdout() -> None:
    """A reader that left must not become a message at exit."""
    sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115


if TYPE_CHECKING:
    from typing import Protocol

    class _Verb(Protocol):
        def add(self, verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None: ...
