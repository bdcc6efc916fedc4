"""`needed scan`: every ELF file of a root: what is broken, and who needs what."""

from __future__ import annotations

import sys
from time import monotonic

from needed.cli.console import Progress, colour, write, write_sentence
from needed.cli.paths import absolute
from needed.cli.roots import open_root_option
from needed.report.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from needed.scan import Scanned, Wanted

_EPILOG = """\
A library is asked about alone. What it lacks and the root has in another place
is a note, not a fault: the program that loads it may bring it along or have it
in its own search path. /proc, /sys, /dev and /run are not looked at.

exit status: 0, or 1 if something is broken; with --needs 1 if nothing needs it.

examples:
  needed scan                                  # this machine
  needed scan --root docker-daemon:debian      # an image, read in place
  needed scan --root /srv/arm64 /usr/bin       # a folder of another root
  needed scan --needs libz.so.1 /usr           # who loads it, directly or not
"""


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    from argparse import RawDescriptionHelpFormatter

    parser = verbs.add_parser(
        "scan",
        help="check every ELF file of a root: what is missing, who needs what",
        description="Says which ELF files of a root lack libraries, versions or an interpreter,\nand runs nothing.",
        epilog=_EPILOG,
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    option = parser.add_argument
    option("folders", nargs="*", metavar="FOLDER", help="what to look through (default: the whole root)")
    option("--root", default="/", metavar="ROOT", help="the directory or image to look in (default /)")
    option("--needs", metavar="LIBRARY", help="instead: the files that load LIBRARY, a soname or a path")
    option("--one-file-system", action="store_true", help="do not go into other file systems that are mounted there")
    option("--library-path", metavar="DIRS", help="resolve with LD_LIBRARY_PATH set to DIRS")
    option("--ldconfig", action="store_true", help="resolve as if ldconfig had just been run in the root")
    option("--json", action="store_true", help="JSON lines: one object for each ELF file, and a last one that sums up")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from needed.loader import Settings
    from needed.scan import Wanted, scan_root

    root, here = open_root_option(arguments.root), arguments.root == "/"
    folders = [absolute(text) if here else f"/{text.lstrip('/')}" for text in arguments.folders or ["/"]]
    directories = tuple(filter(None, (arguments.library_path or "").replace(";", ":").split(":")))
    settings = Settings(directories, ldconfig=arguments.ldconfig)
    wanted = None
    if arguments.needs is not None:
        path = absolute(arguments.needs) if here and "/" in arguments.needs else arguments.needs
        wanted = Wanted(root, path)
    progress = Progress(sys.stderr, _describe) if sys.stderr.isatty() else None
    start = monotonic()
    try:
        found = scan_root(root, settings, folders, one_file_system=arguments.one_file_system, watch=progress)
        if wanted is not None:
            return _who_needs(found, wanted, progress, as_json=arguments.json)
        return _report(found, progress, start, as_json=arguments.json)
    finally:
        if progress:
            progress.clear()


def _describe(done: int, total: int) -> str:
    return f"checked {done:,} of {total:,} ELF files" if total else f"looked at {done:,} files"


def _report(found: Iterable[Scanned], progress: Progress | None, start: float, *, as_json: bool) -> int:
    from needed.report import scan as report
    from needed.scan import Tally

    tally = Tally()
    if as_json:
        from json import JSONEncoder

        encode = JSONEncoder().encode
    for scanned in found:
        tally.add(scanned)
        if as_json:
            if progress:
                progress.clear()
            write(encode(report.scanned_object(scanned)))
    if progress:
        progress.clear()
    seconds = monotonic() - start
    if as_json:
        write(encode(report.summary_object(tally, seconds)))
    else:
        red, cyan, plain = ("\033[31m", "\033[36m", "\033[0m") if colour(sys.stdout) else ("", "", "")
        for severity, line in report.render_groups(tally):
            write_sentence(f"{red if severity == 'broken' else cyan}{severity}:{plain} {printable(line)}")
        write_sentence(report.render_summary(tally, seconds))
    return 1 if tally.broken else 0


def _who_needs(found: Iterable[Scanned], wanted: Wanted, progress: Progress | None, *, as_json: bool) -> int:
    from needed.report import scan as report

    some = False
    for scanned in found:
        dependent = wanted.dependent(scanned)
        if dependent is None:
            continue
        some = True
        if progress:
            progress.clear()
        if as_json:
            import json

            write(json.dumps(report.dependent_object(dependent)))
        else:
            write(printable(report.render_dependent(dependent)))
    return 0 if some else 1
