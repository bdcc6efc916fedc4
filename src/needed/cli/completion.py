"""`needed completion`: the shell's completion script, made from the parser by shtab."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "completion",
        help="print a completion script for your shell",
        description="Prints a completion script for bash, zsh or tcsh.",
        epilog="For bash: needed completion bash > ~/.local/share/bash-completion/completions/needed",
        allow_abbrev=False,
    )
    parser.add_argument("shell", choices=("bash", "zsh", "tcsh"))
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    import shtab

    from needed.cli import parser

    sys.stdout.write(shtab.complete(parser(), arguments.shell))
    return 0
