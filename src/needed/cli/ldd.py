"""`needed ldd`: what `ldd` prints, for any machine, inside a root, without running anything."""

from __future__ import annotations

import sys

from needed.cli.console import write
from needed.cli.paths import absolute
from needed.cli.roots import library_path, open_root_option
from needed.errors import ElfError, ReadError, SourceError
from needed.report.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from needed.closure import LoadList
    from needed.loader import Settings
    from needed.loader.binding import Bindings
    from needed.root import Root


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "ldd",
        help="print the libraries that a program loads, without running it",
        description="Prints what ldd prints, for programs of any machine, inside any root, and runs nothing.",
        epilog="Exit status: 0, or 1 if a file is not a dynamic executable or not there, as ldd has it.",
        allow_abbrev=False,
    )
    parser.add_argument("programs", nargs="+", metavar="PROGRAM", help="a path, or a name on the root's PATH")
    parser.add_argument("--root", default="/", metavar="ROOT", help="the directory or image to look in (default /)")
    parser.add_argument("--library-path", metavar="DIRS", help="resolve with LD_LIBRARY_PATH set to DIRS")
    parser.add_argument("--ldconfig", action="store_true", help="resolve as if ldconfig had just been run in the root")
    parser.add_argument("--hwcaps", metavar="LEVEL", help="as on a processor of LEVEL: x86-64-v3, power10, z16, ...")
    parser.add_argument("--explain", metavar="NAME", help="every place searched for NAME, in order, and the rule")
    parser.add_argument("-d", "--data-relocs", action="store_true", help="and the data symbols that nothing defines")
    parser.add_argument("-r", "--function-relocs", action="store_true", help="and all symbols that nothing defines")
    parser.add_argument("--tree", action="store_true", help="as a tree: who needs what")
    parser.add_argument("--json", action="store_true", help="as JSON: load order, needs, and every place searched")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from needed.loader import Resolver

    root = open_root_option(arguments.root)
    resolver = Resolver(root, _settings(arguments, root))
    binder = None
    if arguments.data_relocs or arguments.function_relocs:
        from needed.loader.binding import Binder

        binder = Binder(resolver.root, lazy=not arguments.function_relocs)
    status, objects = 0, []
    ignored: set[str] = set()
    for program in arguments.programs:
        if len(arguments.programs) > 1 and not arguments.json:
            write(f"{printable(program)}:")
        try:
            named = absolute(program) if arguments.root == "/" and "/" in program else program
            load_list = resolver.load_list(resolver.find_program(named))
            bindings = binder.check(load_list) if binder else None
            if load_list.damaged_cache and load_list.cache_path not in ignored:
                ignored.add(load_list.cache_path)
                note = f"{load_list.cache_path} is damaged, and ignored as the loader ignores it"
                write(f"needed ldd: {printable(note)}", sys.stderr)
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
        status |= load_list.program.elf.linkage in ("static", "relocatable") or bool(bindings and bindings.fatal)
        if arguments.json:
            from needed.report.ldd import ldd_object

            objects.append(ldd_object(load_list, bindings))
        elif arguments.explain:
            status |= not _explain(load_list, arguments.explain)
        else:
            _print(load_list, bindings, program if "/" in program else load_list.path, tree=arguments.tree)
    if arguments.json:
        import json

        write(json.dumps(objects, indent=2))
    return status


def _settings(arguments: argparse.Namespace, root: Root) -> Settings:
    from needed.loader import Settings

    directories = library_path(arguments.library_path, root)
    if not arguments.hwcaps:
        return Settings(directories, ldconfig=arguments.ldconfig)
    from needed.loader.hwcaps import active_at

    return Settings(directories, hwcaps=active_at(arguments.hwcaps), ldconfig=arguments.ldconfig)


def _explain(load_list: LoadList, name: str) -> bool:
    """Whether anything asks for `name`."""
    from needed.report import ldd as report

    lines = list(report.render_explanation(load_list, name))
    for line in lines or [f"{load_list.path}: nothing that it loads asks for {name}"]:
        write(printable(line))
    return bool(lines)


def _print(load_list: LoadList, bindings: Bindings | None, shown: str, *, tree: bool) -> None:
    from needed.report import ldd as report

    for line in report.render_versions(load_list, shown):
        write(line)
    for line in report.render_tree(load_list) if tree else report.render_ldd(load_list):
        write(("\t" if line.startswith("\t") else "") + printable(line.removeprefix("\t")))
    for line in report.render_findings(bindings, shown) if bindings else ():
        write(line)
