"""`needed ps`: what `needed run -d` started."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "ps", help="list what runs detached", description="Lists what `needed run -d` started.", allow_abbrev=False
    )
    parser.add_argument("-a", "--all", action="store_true", help="and what ended within a day")
    parser.add_argument("--json", action="store_true", help="print a list with one object for each")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from time import time

    from needed.cli.console import write
    from needed.report.text import printable
    from needed.verify.detached import State, all_states, state_folder

    states = all_states(state_folder(os.environ.get("XDG_RUNTIME_DIR", "")))
    shown = [state for state in states if state.running or arguments.all]
    if arguments.json:
        import json

        write(json.dumps([{name: getattr(state, name) for name in State.__annotations__} for state in shown], indent=2))
        return 0
    rows = [("NAME", "IMAGE", "COMMAND", "BEGAN", "STATUS", "PORTS")]
    for state in shown:
        ended = "killed" if state.status is None else f"ended ({state.status})"
        status = "running" if state.running else ended
        ago = f"{max(time() - state.began, 0):.0f} s ago"
        rows.append((state.name, state.image, _short(state.command), ago, status, state.ports))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        write(printable("  ".join([*cells, row[5]]).rstrip()))
    return 0


def _short(text: str) -> str:
    return text if len(text) <= 30 else text[:29] + "…"
