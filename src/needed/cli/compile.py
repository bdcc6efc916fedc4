"""`needed compile`: from source to a small program, with the tool chain that is there."""

from __future__ import annotations

import os
import sys

from needed.cli.console import Progress, colour, write, write_sentence
from needed.cli.paths import absolute, to_host
from needed.errors import SourceError, UsageError
from needed.report.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from needed.image.model import Platform
    from needed.toolchain.model import Compiled, Options, Source, Target

_EPILOG = """\
SOURCE is a file or files of one program (.go, .c, .cc, .cpp, .cxx, .zig, .rs),
a Go package or module, a crate, or a folder with build.zig, CMakeLists.txt or a
Makefile. The tool chain is yours, or that of needed[go] and needed[zig]; which
one, and its exact commands, are told. It runs what the source says, as it
always does: compile only what you trust.

The finished file is read: static, stripped, no newer glibc than asked for; and
compiled once more from a copy elsewhere, and compared.

exit status: 0; 12 if it does not compile, or to something else than was asked
for; 13 without a tool chain for it. Nothing is written then.

examples:
  needed compile main.go                        # ./main, static
  needed compile ./cmd/server -o server         # a package of a Go module
  needed compile . --platform linux/amd64,linux/arm64 -o app
                                                # app-amd64, app-arm64
  needed compile hello.c --libc musl            # for Alpine
  needed compile hello.c --libc glibc:2.17      # for an old glibc
  needed compile main.go --tags timetzdata -- -ldflags '-X main.version=1.2'
  needed compile main.go --print | sh           # the commands, without us
"""


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "compile",
        help="compile a source to a small static program, and read what came of it",
        description="Compiles a program small, static and the same every time, with the tool chain\nthat is there.",
        epilog=_EPILOG,
        allow_abbrev=False,
        usage="needed compile [OPTION...] SOURCE... [-- WORDS FOR THE COMPILER]",
    )
    option = parser.add_argument
    option("sources", nargs="+", metavar="SOURCE", help="a folder, or the file or files of one program")
    option("-o", "--output", metavar="FILE", help="the program (default: its name, in this folder)")
    option("--libc", default="static", metavar="LIBC", help="static, musl, glibc or glibc:2.17 (default static)")
    option("--platform", default="", metavar="PLATFORMS", help="OS/ARCH[,OS/ARCH]: several write FILE-ARCH each")
    option("--tags", action="append", default=[], metavar="TAGS", help="Go's build tags, between commas")
    option("--program", default="", metavar="NAME", help="which one, of a project with several programs")
    option("--print", action="store_true", dest="only_print", help="print the commands for a shell; run none of them")
    option("--once", action="store_true", help="do not compile it once more to compare")
    option("-q", "--quiet", action="store_true", help="print nothing but the program's path")
    option("--json", action="store_true", help="print an object that describes each program")
    parser.set_defaults(run=run, command=[])


def run(arguments: argparse.Namespace) -> int:
    from needed.cli.build import stop_on_signals

    stop_on_signals()
    source = find_source([to_host(absolute(one)) for one in arguments.sources], arguments.sources[0])
    options = options_of(arguments.tags, arguments.command, arguments.program)
    name = to_host(arguments.output or "") or options.program or source.name
    targets = targets_of(arguments.platform, arguments.libc)
    outputs = [name if len(targets) == 1 else f"{name}-{_suffix(target.platform)}" for target in targets]
    if arguments.only_print:
        _print(source, options, list(zip(targets, outputs, strict=True)), as_json=arguments.json)
        return 0
    teller = None if arguments.quiet else Teller()
    made = _compile(source, options, list(zip(targets, outputs, strict=True)), teller, once=arguments.once)
    _report(made, quiet=arguments.quiet, as_json=arguments.json)
    return 0


def find_source(paths: list[str], named: str) -> Source:
    """The Source at `paths`, which the user calls `named`. Raises SourceError."""
    from needed.toolchain import SUFFIXES, recognise

    found = recognise(paths[0], tuple(paths[1:]))
    if found is not None:
        return found
    for path in paths:
        if not os.path.exists(path):
            raise SourceError(f"{path}: there is no such file or folder")
    if len(paths) > 1:
        hint = "name one folder, or files of one language"
        raise SourceError(f"{', '.join(paths)}: are not the files of one program", hints=[hint])
    known = ("go.mod", "*.go", "Cargo.toml", "build.zig", "CMakeLists.txt", "Makefile")
    if os.path.isdir(paths[0]):
        hints = _hints_for_folder(paths[0], named, SUFFIXES)
        raise SourceError(f"{paths[0]}: holds no project: none of {', '.join(known)}", hints=hints)
    raise SourceError(f"{paths[0]}: is no source that is known: none of {', '.join(SUFFIXES)}")


def _hints_for_folder(folder: str, named: str, suffixes: tuple[str, ...]) -> list[str]:
    """The sources that lie in a folder that is no project."""
    try:
        found = sorted(name for name in os.listdir(folder) if name.endswith(suffixes))
    except OSError:
        found = []
    words = [os.path.join(named, name) for name in found]
    if not words:
        return []
    return [f"name the files of the program: needed compile {' '.join(words[:4])}{' ...' * (len(words) > 4)}"]


def options_of(tags: list[str], words: list[str], program: str) -> Options:
    """What a command line adds. Raises UsageError."""
    from needed.toolchain import Options

    if "/" in program or program in (".", ".."):
        raise UsageError(f"--program {program}: is a path, and would be the name of a program")
    names = tuple(tag for text in tags for tag in text.split(",") if tag)
    return Options(names, tuple(map(to_host, words)), to_host(program))


def targets_of(platforms: str, libc: str) -> list[Target]:
    """A Target for each of `platforms` ("linux/amd64,linux/arm64"; this machine's if empty). Raises UsageError."""
    from needed.image.model import parse_platform
    from needed.toolchain import Target
    from needed.toolchain.model import LIBCS
    from needed.toolchain.outcome import numbers
    from needed.toolchain.tools import this_platform

    kind, colon, release = libc.partition(":")
    if kind not in LIBCS or (colon and (kind != "glibc" or len(numbers(release)) < 2)):
        raise UsageError(f"--libc {libc}: expected static, musl, glibc or glibc:2.17", hints=["--libc static"])
    found = [parse_platform(text) for text in platforms.split(",")] if platforms else [this_platform()]
    if any(platform.os != "linux" for platform in found):
        raise UsageError(f"--platform {platforms}: only programs of linux can be in an image", hints=["linux/amd64"])
    if len(set(found)) < len(found):
        raise UsageError(f"--platform {platforms}: names one twice")
    return [Target(platform, kind, release) for platform in found]


def _suffix(platform: Platform) -> str:
    return platform.architecture + platform.variant


def _compile(
    source: Source, options: Options, wanted: list[tuple[Target, str]], teller: Teller | None, *, once: bool
) -> list[Compiled]:
    """Each target at its path: all of them, or none if one does not compile."""
    from needed.toolchain import compile_source
    from needed.toolchain.run import check_output, publish, scratch_folder
    from needed.value import replace

    for _, output in wanted:
        check_output(output)
    try:
        if len(wanted) == 1:
            return [compile_source(source, wanted[0][0], options, wanted[0][1], tell=teller, once=once)]
        with scratch_folder() as folder:
            places = [os.path.join(folder, str(number)) for number in range(len(wanted))]
            made = [
                compile_source(source, target, options, place, tell=teller, once=once)
                for (target, _), place in zip(wanted, places, strict=True)
            ]
            for (_, output), place in zip(wanted, places, strict=True):
                publish(place, output)
            return [replace(one, path=output) for one, (_, output) in zip(made, wanted, strict=True)]
    finally:
        if teller:
            teller.clear()


def _report(made: list[Compiled], *, quiet: bool, as_json: bool) -> None:
    from needed.report.compile import compiled_object, render_compiled

    if as_json:
        import json

        write(json.dumps({"programs": [compiled_object(one) for one in made]}, indent=2))
        return
    for one in made:
        if not quiet:
            for line in render_compiled(one):
                write_sentence(printable(line), sys.stderr)
    sys.stderr.flush()
    for one in made:
        write(printable(one.path))


def _print(source: Source, options: Options, wanted: list[tuple[Target, str]], *, as_json: bool) -> None:
    """The commands, planned with a scratch folder that the shell makes anew."""
    from needed.report.compile import recipe_object
    from needed.toolchain import plan
    from needed.toolchain.printing import render_script
    from needed.toolchain.run import scratch_folder

    with scratch_folder() as work:
        recipes = [(target, output, plan(source, target, options, work)) for target, output in wanted]
    if as_json:
        import json

        described = [{"platform": str(target.platform), "path": output, **recipe_object(recipe)}
                     for target, output, recipe in recipes]  # fmt: skip
        write(json.dumps({"programs": described}, indent=2))
        return
    for target, output, recipe in recipes:
        write(f"# {printable(recipe.tool)}; for {target}")
        write(render_script(recipe, work, os.path.abspath(output), options.program))


class Teller:
    """Says on standard error what a compilation does: its tool chain and commands, and on a terminal how far it is."""

    def __init__(self) -> None:
        self._cyan, self._plain = ("\033[36m", "\033[0m") if colour(sys.stderr) else ("", "")
        self._progress: Progress | None = None

    def __call__(self, kind: str, text: str) -> None:
        if kind == "tick":
            self._tick(text)
            return
        self.clear()
        match kind:
            case "tool":
                write_sentence(f"tool    {printable(text)}", sys.stderr)
            case "run":
                write_sentence(f"run     {printable(text)}", sys.stderr)
            case "again":
                write_sentence(f"{self._cyan}note:{self._plain} not compared: {printable(text)}", sys.stderr)
            case _:
                write(printable(text), sys.stderr)
        sys.stderr.flush()

    def _tick(self, text: str) -> None:
        if not sys.stderr.isatty():
            return
        if self._progress is None:
            from time import monotonic

            begun = monotonic()
            self._progress = Progress(sys.stderr, lambda _, __: f"compiling, {monotonic() - begun:.0f} s {self._last}")
        self._last = printable(text)[: _width() - 24]
        self._progress(0, 0)

    def clear(self) -> None:
        """Take the line of progress away."""
        if self._progress is not None:
            self._progress.clear()
            self._progress = None


def _width() -> int:
    from shutil import get_terminal_size

    return max(get_terminal_size().columns, 40)
