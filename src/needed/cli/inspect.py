"""`needed inspect`: what people look up with `file` and `readelf -d`, without running anything."""

from __future__ import annotations

import sys

from needed.cli.console import together
from needed.cli.paths import absolute
from needed.cli.roots import open_root_option
from needed.elf import parse_elf
from needed.elf.provenance import parse_provenance
from needed.errors import NeededError, ReadError, SourceError
from needed.report.inspect import render_object, render_text
from needed.report.readelf import dynamic_rows, render_dynamic
from needed.report.rules import completeness_object, left_open
from needed.report.text import printable
from needed.root import Walker
from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from needed.completeness import Completeness
    from needed.elf import ElfFile
    from needed.elf.provenance import Provenance
    from needed.root import Entry, Root, RootPath

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

_EXAMPLES = """\
examples:
  needed inspect /usr/bin/git
  needed inspect --dynamic /usr/bin/git       the same as readelf -d -W
  needed inspect --json bin/* | jq '.[].libc'
  needed inspect --root ./rootfs /usr/bin/python3
"""


@value
class Inspected:
    """One file that could be read."""

    name: str
    elf_file: ElfFile
    provenance: Provenance
    entry: Entry
    completeness: Completeness | None


def add(subparsers: Subparsers) -> None:
    """The subcommand's arguments."""
    parser = subparsers.add_parser(
        "inspect",
        help="say what a program or library is and asks for",
        description="Machine, linkage, C library, interpreter, needed libraries, search paths,\n"
        "language, and whether its closure is all that it can load.",
        epilog=_EXAMPLES,
        allow_abbrev=False,
    )
    parser.add_argument("files", metavar="FILE", nargs="+", help="an ELF file; with --root a path inside it")
    parser.add_argument("--dynamic", action="store_true", help="print the dynamic section as readelf -d -W does")
    parser.add_argument("--json", action="store_true", help="print a list with one object for each file")
    parser.add_argument("--root", metavar="ROOT", help="look in this tree or image instead of /")
    parser.add_argument("--platform", default="", metavar="OS/ARCH", help="of an image for several (default: ours)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Prints what can be read, then raises one error for what cannot."""
    root = open_root_option("/" if arguments.root is None else arguments.root, arguments.platform, ours=True)
    walker = Walker(root)
    inspected: list[Inspected] = []
    problems: list[NeededError] = []
    for name in arguments.files:
        try:
            inspected.append(_inspect(root, walker, name, "/" if arguments.root is not None else None))
        except (SourceError, ReadError) as error:
            problems.append(error)
    if arguments.json:
        import json

        objects = [_object(item, dynamic=arguments.dynamic) for item in inspected]
        sys.stdout.write(json.dumps(objects, indent=2) + "\n")
    else:
        many = len(arguments.files) > 1
        sys.stdout.write("".join(_text(item, dynamic=arguments.dynamic, many=many) for item in inspected))
    if problems:
        raise together(problems, f"{len(problems)} of {len(arguments.files)} files cannot be inspected")
    return 0


def _inspect(root: Root, walker: Walker, name: str, base: str | None) -> Inspected:
    """`base` is the directory that a relative name starts at, None for the working directory."""
    shown = printable(name)
    found = walker.find(absolute(name) if base is None else f"{base}/{name}") if name else None
    if found is None:
        raise SourceError(f"{shown}: No such file")
    if found.entry.kind != "file":
        what = "Is a directory" if found.entry.kind == "directory" else "Not a regular file"
        raise SourceError(f"{shown}: {what}")
    file = root.open(found.path)
    try:
        elf_file = parse_elf(file)
        provenance = parse_provenance(file, elf_file)
        file.check_unchanged()
    except SourceError as error:
        script = file.read_at(0, 2) == b"#!"
        hints = ["inspect the interpreter that its first line names"] if script else error.hints
        raise SourceError(f"{shown}: {'a script, ' * script}{error.message}", hints=hints) from None
    finally:
        file.close()
    return Inspected(name, elf_file, provenance, found.entry, _completeness(root, found.path, elf_file))


def _completeness(root: Root, path: RootPath, elf_file: ElfFile) -> Completeness | None:
    """Of a dynamic program that has all its libraries here; by its imports alone, without a rule."""
    from needed.completeness import find_completeness
    from needed.gather import gather
    from needed.loader import Resolver
    from needed.rules.choices import NONE

    if elf_file.linkage != "dynamic":
        return None
    resolver = Resolver(root)
    try:
        gathered = gather(resolver, [path], NONE)
    except (SourceError, ReadError):
        return None
    whole = not gathered.closure.missing and gathered.closure.programs[0].interpreter
    return next(find_completeness(resolver, gathered)) if whole else None


def _text(item: Inspected, *, dynamic: bool, many: bool) -> str:
    if dynamic:
        return (f"\nFile: {printable(item.name)}\n" if many else "") + render_dynamic(item.elf_file)
    found, closure = item.completeness, None
    if found is not None:
        closure = f"left open by {left_open(found)}" if found.openings else "complete, proven"
    return render_text(item.name, item.elf_file, item.provenance, item.entry, closure)


def _object(item: Inspected, *, dynamic: bool) -> dict[str, object]:
    found = render_object(item.name, item.elf_file, item.provenance, item.entry)
    found["completeness"] = completeness_object([item.completeness])[0] if item.completeness else None
    if dynamic:
        keys = ("name", "tag", "value", "text")
        found["dynamic"] = [dict(zip(keys, row, strict=True)) for row in dynamic_rows(item.elf_file)]
    return found
