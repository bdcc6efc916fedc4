"""`needed advise`: what would make the image of programs smaller, and by how much."""

from __future__ import annotations

import sys

from needed.cli.additions import parse_addition
from needed.cli.choices import add_rule_options, choices_of
from needed.cli.console import write
from needed.cli.paths import absolute
from needed.cli.roots import library_path, open_root_option, temporary_folder
from needed.report.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from needed.root import Root
    from needed.rootfs import Rootfs
    from needed.rules.choices import Choices

_EPILOG = """\
Of each number it says how it was found: "measured" on stripped copies of files,
or by planning the image again without something; "at most", since something
must take the place of what goes; "estimated" from the headers of files.

examples:
  needed advise curl
  needed advise ./server --root /srv/bookworm
  needed advise git --rule git=local --measure
"""


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "advise",
        help="list what would make an image smaller, and by how much",
        description="Lists what would make the image of programs smaller, the most bytes first:\n"
        "what, how it is done, and how the number was found. Builds nothing.",
        epilog=_EPILOG,
        allow_abbrev=False,
    )
    option = parser.add_argument
    option("programs", nargs="+", metavar="PROGRAM", help="a path, or a name on the root's PATH")
    option("--root", default="/", metavar="ROOT", help="take all from this tree or image (default /)")
    option("--add", action="append", default=[], metavar="SRC[:DEST]", help="a further file or folder of the root")
    add_rule_options(option)
    option("--library-path", metavar="DIRS", help="resolve with LD_LIBRARY_PATH set to DIRS")
    option("--ldconfig", action="store_true", help="resolve as if ldconfig had just been run in the root")
    option("--measure", action="store_true", help="also what takes long: pack the layer in other ways")
    option("--json", action="store_true", help="an object on standard output")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from shutil import get_terminal_size

    from needed.advice import Ground, advise
    from needed.cli.build import stop_on_signals
    from needed.loader import Settings
    from needed.pipeline import plan
    from needed.report.advice import advice_object, render_advice
    from needed.toolchain.strip import Stripper

    here = arguments.root == "/"
    programs = [absolute(one) if here and "/" in one else one for one in arguments.programs]
    additions = [parse_addition(text, arguments.root) for text in arguments.add]
    root = open_root_option(arguments.root)
    choices = choices_of(arguments)
    settings = Settings(library_path(arguments.library_path, root), ldconfig=arguments.ldconfig, preload_file=False)

    def plan_again(other: Root, chosen: Choices) -> Rootfs:
        return plan(other, programs, additions, settings, choices=chosen).rootfs

    planned = plan(root, programs, additions, settings, choices=choices)
    stop_on_signals()
    ground = Ground(
        root, planned.requested, planned.closure, planned.rootfs, planned.platform, planned.applied,
        planned.completeness, choices, plan_again, Stripper(temporary_folder()),
    )  # fmt: skip
    found = advise(ground, measure=arguments.measure)
    if arguments.json:
        import json

        write(json.dumps(advice_object(found, planned.rootfs), indent=2))
    else:
        width = get_terminal_size().columns if sys.stdout.isatty() else 0
        for line in render_advice(found, planned.rootfs, width):
            write(printable(line))
    sys.stdout.flush()
    return 0
