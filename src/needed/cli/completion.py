"""`needed completion`: the shell's completion script, made from the parser by shtab."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator


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
    from needed.rules.table import NAMES

    names = " ".join(NAMES)
    whole = parser()
    for option in _rule_options(whole):
        # shtab's own attribute of an action: how each shell finds the words, and in bash the function that does.
        option.complete = {"bash": "_needed_rule_names", "zsh": f"({names})"}  # type: ignore[attr-defined]
    function = f'_needed_rule_names() {{ compgen -W "{names}" -- "$1"; }}\n'
    sys.stdout.write(shtab.complete(whole, arguments.shell, preamble=function if arguments.shell == "bash" else ""))
    return 0


def _rule_options(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """What takes the name of a rule: --rule, --no-rule, and the argument of `needed rules`."""
    for action in parser._actions:  # argparse has no other way to them, and shtab takes this one
        if action.dest in ("rule", "no_rule") or (action.dest == "names" and parser.prog.endswith(" rules")):
            yield action
        for verb in action.choices.values() if isinstance(action.choices, dict) else ():
            yield from _rule_options(verb)
