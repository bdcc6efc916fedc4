"""A source as a PROGRAM of `needed build`: compiled for each platform, and laid over the root at /usr/local/bin.

What is compiled lies in a scratch folder until the image is written, and is gone at the end, also on a signal. Once is
enough here: `needed compile` compares what a second time gives.
"""

from __future__ import annotations

import os

from needed.cli.build import build_one, stop_on_signals, words_of
from needed.cli.compile import Teller, find_source, options_of, targets_of
from needed.cli.paths import absolute, to_host
from needed.errors import MissingError, UsageError
from needed.root import DirectoryRoot, Found, OverlayRoot, RootPath, Walker, join
from needed.toolchain import compile_source, recognise
from needed.toolchain.run import scratch_folder
from needed.value import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from needed.root import Root
    from needed.toolchain.model import Compiled, Options, Source, Target

PLACE = "/usr/local/bin"
ELF = b"\x7fELF"


@value
class Laid:
    """What was compiled for one platform, in `folder`: each program's name there, and on the root, with how it was
    made."""

    folder: str
    programs: tuple[tuple[str, Compiled], ...]

    def over(self, root: Root) -> OverlayRoot:
        """`root` with the programs in PLACE, every one executable, whatever the umask."""
        top, place = DirectoryRoot(self.folder), _place(Walker(root))
        files = {}
        for name, _ in self.programs:
            entry = top.entry(RootPath(f"/{name}"))
            assert entry is not None
            found = Found(RootPath(f"/{name}"), replace(entry, mode=0o755, owner=(0, 0)), ())
            files[join(place, name)] = (top, found)
        return OverlayRoot(root, files)

    def objects(self) -> list[dict[str, object]]:
        """For `--json`."""
        from needed.report.compile import compiled_object

        return [{**compiled_object(one), "path": f"{PLACE}/{name}"} for name, one in self.programs]


def build_compiled(arguments: argparse.Namespace) -> int:
    """`needed build` where a PROGRAM may be a source; 0. Raises CompileError, ToolchainError."""
    sources = {word: found for word in arguments.programs if (found := _source(word))}
    if not sources:
        return _build(arguments, {})
    if arguments.program and len(sources) > 1:
        raise UsageError(f"--program {arguments.program}: which of {', '.join(sources)} has it?",
                         hints=["compile each by itself: needed compile SOURCE --program NAME -o FILE"])  # fmt: skip
    options = options_of(arguments.tags, list(words_of("compile-args", arguments.compile_args)), arguments.program)
    names = _names(sources, options)
    arguments.programs = [f"{PLACE}/{names[word]}" if word in sources else word for word in arguments.programs]
    words = _platforms(arguments)
    stop_on_signals()
    with scratch_folder() as scratch:
        laid: dict[str, Laid] = {}
        for word, target in zip(words, targets_of(arguments.platform, arguments.libc), strict=True):
            folder = os.path.join(scratch, str(len(laid)))
            os.mkdir(folder)
            laid[word] = _compile(sources, names, (target, options, folder), quiet=arguments.quiet)
        return _build(arguments, laid)


def refuse_sources(programs: list[str]) -> None:
    """Raise UsageError if one of `programs` is a source."""
    for word in programs:
        if _source(word):
            raise UsageError(
                f"{word}: is a source, and what grows is the image of a program",
                hints=[f"needed compile {word} -o PROGRAM && needed fit ./PROGRAM"],
            )


def _build(arguments: argparse.Namespace, laid: dict[str, Laid]) -> int:
    if "," in arguments.platform:
        from needed.cli.platforms import build_several

        return build_several(arguments, laid)
    try:
        return build_one(arguments, laid.get(arguments.platform))
    except MissingError as error:
        if not arguments.platform or not laid:
            raise
        hint = f"name a tree or an image for {arguments.platform}: --root ROOT; --libc static needs none"
        raise MissingError(error.message, details=error.details, hints=[*error.hints, hint]) from None


def _platforms(arguments: argparse.Namespace) -> tuple[str, ...]:
    if "," not in arguments.platform:
        return (arguments.platform,)
    from needed.cli.platforms import parse_platforms

    return parse_platforms(arguments.platform)


def _source(word: str) -> Source | None:
    """The Source that `word` names, None for a program. Raises SourceError for a folder that is no project."""
    path = to_host(absolute(word))
    found = recognise(path)
    if found is None:
        if os.path.isdir(path) and not word.startswith("/"):  # no root has a program of such a name
            find_source([path], word)
        return None
    return None if found.files and _head(path) == ELF else found


def _head(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(len(ELF))
    except OSError:
        return b""


def _names(sources: dict[str, Source], options: Options) -> dict[str, str]:
    """By the word of the command line the program's name in the image. Raises UsageError if two have one."""
    names: dict[str, str] = {}
    for word, source in sources.items():
        name = os.fsencode(options.program or source.name).decode("utf-8", "surrogateescape")  # as Roots have it
        other = next((one for one, taken in names.items() if taken == name), None)
        if other:
            raise UsageError(
                f"{other} and {word} would both be {PLACE}/{name}",
                hints=["files of one program are named by their folder", "or compile one: needed compile SOURCE"],
            )
        names[word] = name
    return names


def _compile(
    sources: dict[str, Source], names: dict[str, str], how: tuple[Target, Options, str], *, quiet: bool
) -> Laid:
    target, options, folder = how
    teller = None if quiet else Teller()
    made = []
    try:
        for word, source in sources.items():
            output = os.path.join(folder, to_host(names[word]))
            made.append((names[word], compile_source(source, target, options, output, tell=teller, once=True)))
    finally:
        if teller:
            teller.clear()
    return Laid(folder, tuple(made))


def _place(walker: Walker) -> RootPath:
    """PLACE in a root, without the links on the way there."""
    ahead: list[str] = []
    above = PLACE
    while (found := walker.find(above)) is None or found.entry.kind != "directory":
        above, _, name = above.rpartition("/")
        ahead.append(name)
    place = found.path
    for name in reversed(ahead):
        place = join(place, name)
    return place
