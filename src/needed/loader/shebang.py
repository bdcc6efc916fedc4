"""The kernel's `#!` line (fs/binfmt_script.c), and `env`, which looks its argument up on PATH."""

from __future__ import annotations

from needed.errors import SourceError

HEAD = 256  # BINPRM_BUF_SIZE: what the kernel reads of a file to see how to start it
_HINT = "write #!/usr/bin/env -S PROGRAM ARGUMENTS"
_SCRIPT = "\0"  # stands for the path of the script, which the kernel adds; no word of a line holds it
MAX_DEPTH = 5  # `exec_binprm` of fs/exec.c: the sixth script in a row ends in ELOOP


def parse_shebang(head: bytes) -> tuple[str, ...] | None:
    """The programs that a script's first line asks for: its interpreter, and what `env` would start.

    None if the first two bytes are no `#!`. Raises SourceError for a line that the kernel cannot use. `head` is the
    beginning of the file, HEAD bytes.
    """
    if head[:2] != b"#!":
        return None
    line = head[2:].partition(b"\n")[0]
    if line.endswith(b"\r"):
        raise SourceError(
            "its #! line ends in CR LF, so that the kernel looks for an interpreter whose name ends in CR",
            hints=["convert it: sed -i 's/\\r$//' SCRIPT"],
        )
    # Space and tab separate, and a NUL ends the name (`next_terminator`); to Python more than these is white.
    words = [word for word in line.decode("utf-8", "surrogateescape").replace("\t", " ").split(" ") if word]
    name = words[0].partition("\0")[0] if words else ""
    if not name:
        raise SourceError("its #! line names no interpreter", hints=["write #!/bin/sh, for example"])
    if line == head[2:] and len(head) == HEAD and len(words) == 1 and name == words[0] and line[-1:] not in b" \t":
        raise SourceError(f"its #! line names an interpreter of more than {HEAD} bytes, which the kernel does not read")
    if "/" not in name:  # the kernel knows no PATH
        raise SourceError(
            f"its #! line names {name} without a path, so that the kernel looks in the working directory only",
            hints=[f"write #!/usr/bin/env {name}"],
        )
    if name.rpartition("/")[2] != "env":
        return (name,)
    # All of the rest is one argument, without the white at its end; a NUL ends it too.
    rest = line.decode("utf-8", "surrogateescape").strip(" \t")[len(name) :].strip(" \t").partition("\0")[0]
    return (name, _started_by_env(rest if len(words) > 1 else ""))


def _started_by_env(argument: str) -> str:
    """What env looks for, given the one argument of the kernel. The script's path follows it, so that env starts the
    script again where the argument names nothing."""
    from needed.languages.env import started_by_env

    try:
        words = started_by_env([argument, _SCRIPT] if argument else [_SCRIPT])
    except SourceError as error:
        raise SourceError(f"its #! line starts nothing: {error.message}", hints=[_HINT]) from None
    if not words:
        raise SourceError("its #! line makes env print something and start nothing", hints=[_HINT])
    if words[0] == _SCRIPT:
        raise SourceError("its #! line names no program for env, which starts the script for ever", hints=[_HINT])
    if " " in words[0] and words[0] == argument:
        raise SourceError(
            f"its #! line makes env look for a program named {argument!r}: all behind the interpreter is one argument",
            hints=[f"write #!/usr/bin/env -S {argument}"],
        )
    if "${" in words[0]:
        raise SourceError(f"its #! line starts {words[0]}, which only the environment tells", hints=[_HINT])
    return words[0]
