"""`needed check`: will this program start over there?"""

from __future__ import annotations

import sys

from needed.cli.additions import parse_addition
from needed.cli.console import together, write, write_sentence
from needed.cli.paths import absolute
from needed.cli.roots import library_path, open_root_option
from needed.errors import ReadError, SourceError
from needed.report.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

_EPILOG = """\
exit status: 0 if every program starts there, 1 if one does not.

examples:
  needed check ./server --against docker-daemon:alpine
  needed check /usr/bin/curl --against /srv/bookworm
  needed check app --add libapp.so:/opt/app/libapp.so --against oci:images:base
"""


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "check",
        help="say whether programs start in another root or image",
        description="Says whether programs of this system would start in another tree or image,\nand if not, why.",
        epilog=_EPILOG,
        allow_abbrev=False,
    )
    option = parser.add_argument
    option("programs", nargs="+", metavar="PROGRAM", help="a path, or a name on the root's PATH")
    option("--against", required=True, metavar="ROOT", help="the directory or image where they are to start")
    option("--root", default="/", metavar="DIR", help="where the programs are taken from (default /)")
    option("--add", action="append", default=[], metavar="SRC[:DEST]", help="a file that travels with them")
    option("--library-path", metavar="DIRS", help="with LD_LIBRARY_PATH set to DIRS there")
    option("--json", action="store_true", help="a list with one object for each program")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from needed.compatibility import check_program
    from needed.loader import Settings
    from needed.report.compatibility import compatibility_object, render_compatibility

    source, target = open_root_option(arguments.root), open_root_option(arguments.against)
    here = arguments.root == "/"
    additions = [parse_addition(text, arguments.root) for text in arguments.add]
    travels = {item.destination: item.source for item in additions}
    settings = Settings(library_path(arguments.library_path, target))
    answers, problems = [], []
    for program in arguments.programs:
        named = absolute(program) if here and "/" in program else program
        try:
            answers.append(check_program(source, named, target, travels, settings))
        except (SourceError, ReadError) as problem:
            problems.append(problem)
    if arguments.json:
        import json

        write(json.dumps([compatibility_object(answer, arguments.against) for answer in answers], indent=2))
    else:
        for answer in answers:
            for line in render_compatibility(answer, arguments.against):
                write_sentence(printable(line))
    sys.stdout.flush()
    if problems:
        raise together(problems, f"{len(problems)} of {len(arguments.programs)} programs cannot be checked")
    return 0 if all(answer.starts for answer in answers) else 1
