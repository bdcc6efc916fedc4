"""Writes docs/reference/cli.md and docs/reference/needed.1 from the parser; `--check` says whether they are true."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from needed.cli import parser
from needed.errors import NeededError

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "reference"
CODES = {
    0: "done",
    1: "the answer is no: `ldd` of what is not dynamic or not there, `check` of what does not start, `scan` of a root "
    "with something broken, `why` of what nothing asks for",
    70: "a defect of ours",
    130: "interrupted",
    141: "the reader of standard output left",
    143: "terminated",
}


def verbs() -> dict[str, argparse.ArgumentParser]:
    """Each verb's parser."""
    for action in parser()._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    raise AssertionError("the parser has no verbs")


def codes() -> list[tuple[int, str]]:
    """Exit codes with their meaning: ours, and those of the error classes, one line for each code."""
    found = dict(CODES)
    kinds = NeededError.__subclasses__()
    for error in (*kinds, *(narrower for kind in kinds for narrower in kind.__subclasses__())):
        text = (error.__doc__ or "").split("\n")[0].rstrip(".")
        found[error.exit_code] = f"{found[error.exit_code]}; {text}" if error.exit_code in found else text
    return sorted(found.items())


def markdown() -> str:
    parts = ["# The command\n\nMade from the parser by `tools/reference.py`; do not edit.\n"]
    for name, verb in verbs().items():
        parts.append(f"## needed {name}\n\n```text\n{verb.format_help().rstrip()}\n```\n")
    rows = "\n".join(f"| {code} | {text} |" for code, text in codes())
    parts.append(f"## Exit codes\n\n| code | meaning |\n|---|---|\n{rows}\n")
    parts.append(
        "## Environment\n\n`DOCKER_HOST` (`unix:///path` or `tcp://host:port`), `SOURCE_DATE_EPOCH` (seconds; the time "
        "of every file and of the image), `TMPDIR` (where a large layer waits on its way to an engine), `NO_COLOR`.\n"
    )
    return "\n".join(parts)


def manual() -> str:
    def plain(text: str) -> str:
        return "\n".join("\\&" + line.replace("\\", "\\e").replace("-", "\\-") for line in text.splitlines())

    parts = [".TH NEEDED 1", ".SH NAME", "needed \\- builds the smallest container image that runs", ".SH SYNOPSIS"]
    parts += [".B needed", "VERB ..."]
    for name, verb in verbs().items():
        parts += [f".SH NEEDED {name.upper()}", ".nf", plain(verb.format_help().rstrip()), ".fi"]
    parts.append(".SH EXIT STATUS")
    for code, text in codes():
        parts += [".TP", str(code), plain(text)]
    return "\n".join(parts) + "\n"


def main() -> int:
    os.environ["COLUMNS"] = "80"
    stale = []
    for name, text in (("cli.md", markdown()), ("needed.1", manual())):
        path = FOLDER / name
        if "--check" in sys.argv:
            if path.read_text() != text:
                stale.append(name)
        else:
            path.write_text(text)
    if stale:
        print(f"out of date: {', '.join(stale)}; run python tools/reference.py", file=sys.stderr)
    return bool(stale)


if __name__ == "__main__":
    sys.exit(main())
