"""The kernel's `#!` line (fs/binfmt_script.c), and `env`, which looks its argument up on PATH."""

from __future__ import annotations

from needed.errors import SourceError

HEAD = 256  # BINPRM_BUF_SIZE: what the kernel reads of a file to see how to start it
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
    interpreter, rest = name, words[1:]
    if interpreter.rpartition("/")[2] == "env":
        return (interpreter, *_started_by_env(rest))
    return (interpreter,)


def _started_by_env(words: list[str]) -> tuple[str, ...]:
    """The name that env(1) of coreutils would look up, after its options and assignments."""
    ahead = list(words)
    while ahead:
        word = ahead.pop(0)
        if word in ("-u", "--unset", "-C", "--chdir"):
            ahead = ahead[1:]
        elif word.startswith("-S") and len(word) > 2:
            ahead.insert(0, word[2:])
        elif not word.startswith("-") and "=" not in word:
            return (word,)
    return ()
