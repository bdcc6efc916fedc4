"""`needed logs`: what a program that runs detached has written."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "logs",
        help="print what a detached program wrote",
        description="Prints what a program of `needed run -d` wrote to both of its streams; of much the last part.",
        allow_abbrev=False,
    )
    parser.add_argument("name", metavar="NAME", help="as `needed run -d` printed it")
    parser.add_argument("-f", "--follow", action="store_true", help="go on until it ends")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from needed.verify.detached import read_log, state_folder

    states = state_folder(os.environ.get("XDG_RUNTIME_DIR", ""))
    for piece in read_log(states, arguments.name, follow=arguments.follow):
        while piece:
            piece = piece[os.write(1, piece) :]  # noqa: PLW2901
    return 0
