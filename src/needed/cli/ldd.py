"""`needed ldd`: what `ldd` prints, for any machine, inside a root, without running anything."""

from __future__ import annotations

import sys

from needed.cli.console import write
from needed.cli.paths import absolute, to_host
from needed.errors import ElfError, ReadError, SourceError
from needed.report.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from needed.closure import LoadList


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "ldd",
        help="print the libraries that a program loads, without running it",
        description="Prints what ldd prints, for programs of any machine, inside any root, and runs nothing.",
        epilog="Exit status: 0, or 1 if a file is not a dynamic executable or not there, as ldd has it.",
        allow_abbrev=False,
    )
    parser.add_argument("programs", nargs="+", metavar="PROGRAM", help="a path, or a name on the root's PATH")
    parser.add_argument("--root", default="/", metavar="DIR", help="the tree to look in (default /)")
    parser.add_argument("--library-path", metavar="DIRS", help="resolve with LD_LIBRARY_PATH set to DIRS")
    parser.add_argument("-d", "--data-relocs", action="store_true", help="and the data symbols that nothing defines")
    parser.add_argument("-r", "--function-relocs", action="store_true", help="and all symbols that nothing defines")
    parser.add_argument("--tree", action="store_true", help="as a tree: who needs what")
    parser.add_argument("--json", action="store_true", help="as JSON: load order, needs, and every place searched")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from needed.loader import Resolver
    from needed.root import DirectoryRoot

    directories = tuple((arguments.library_path or "").replace(";", ":").split(":")) if arguments.library_path else ()
    resolver = Resolver(DirectoryRoot(to_host(arguments.root)), directories)
    binder = None
    if arguments.data_relocs or arguments.function_relocs:
        from needed.loader.binding import Binder

        binder = Binder(resolver.root, lazy=not arguments.function_relocs)
    status, objects = 0, []
    for program in arguments.programs:
        if len(arguments.programs) > 1 and not arguments.json:
            write(f"{printable(program)}:")
        try:
            named = absolute(program) if arguments.root == "/" and "/" in program else program
            load_list = resolver.load_list(resolver.find_program(named))
            bindings = binder.check(load_list) if binder else None
        except (SourceError, ReadError) as error:
            status = 1
            if arguments.json:
                objects.append({"program": program, "error": error.message})
            elif isinstance(error, ElfError) and error.message.endswith("not an ELF file"):
                write("\tnot a dynamic executable")
            else:
                sys.stdout.flush()
                write(f"needed ldd: {printable(error.message)}", sys.stderr)
            continue
        from needed.report import ldd as report

        status |= load_list.program.elf.linkage in ("static", "relocatable") or bool(bindings and bindings.fatal)
        if arguments.json:
            objects.append(report.ldd_object(load_list, bindings))
        else:
            shown = program if "/" in program else load_list.path
            for line in report.render_versions(bindings, shown) if bindings else ():
                write(line)
            _print(load_list, tree=arguments.tree)
            for line in report.render_findings(bindings, shown) if bindings else ():
                write(line)
    if arguments.json:
        import json

        write(json.dumps(objects, indent=2))
    return status


def _print(load_list: LoadList, *, tree: bool) -> None:
    from needed.report import ldd as report

    for line in report.render_tree(load_list) if tree else report.render_ldd(load_list):
        write(("\t" if line.startswith("\t") else "") + printable(line.removeprefix("\t")))
