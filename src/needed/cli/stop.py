"""`needed stop`: end what runs detached."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "stop",
        help="end what runs detached",
        description="Asks programs of `needed run -d` to end (SIGTERM), and ends them after 10 seconds.",
        allow_abbrev=False,
    )
    parser.add_argument("names", metavar="NAME", nargs="+", help="as `needed run -d` printed it")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from needed.cli.console import write
    from needed.verify.detached import state_folder, stop

    states = state_folder(os.environ.get("XDG_RUNTIME_DIR", ""))
    for name in arguments.names:
        stop(states, name)
        write(name)
    return 0
