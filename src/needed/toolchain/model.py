"""The nouns of compiling: what is compiled, what for, with which commands, and what came of it.

Paths are the machine's own: sources and tool chains are no part of a Root.
"""

from __future__ import annotations

from needed.image.model import Platform
from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from needed.image.model import Pairs

LIBCS = ("static", "musl", "glibc")


@value
class Source:
    """What makes one program. `builder` is what knows how to compile it ("go", "cc", "make", "cmake", "cargo", "zig");
    `folder` is the project's absolute path, `files` are the absolute paths named, where it is files and not a folder;
    `name` is the program's, as the builder would call it."""

    builder: str
    folder: str
    files: tuple[str, ...]
    name: str


@value
class Target:
    """What a program is to run on. `libc` is one of LIBCS: static, dynamic against musl, or dynamic against glibc, of
    which `glibc` is the newest release that it may need ("2.17"), empty for any."""

    platform: Platform
    libc: str = "static"
    glibc: str = ""

    def __str__(self) -> str:
        return f"{self.platform}, {self.libc}{f' {self.glibc}' if self.glibc else ''}"


@value
class Options:
    """What the user adds. `tags` are Go's build tags; `words` go to the compiler (or to make, cmake, cargo) as they
    are; `program` says which of several programs of one project is meant."""

    tags: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    program: str = ""


@value
class Step:
    """One command: its words, what it sets in the environment beside the user's own, and the folder it runs in."""

    words: tuple[str, ...]
    env: Pairs
    folder: str


@value
class Recipe:
    """How to get from a Source to a program. `tool` names the tool chain for people ("go 1.27.3, /usr/bin/go"), `steps`
    run in their order, and the program is then at `product`: a file, or a folder in which it is the only program made,
    and then it ends in a slash."""

    tool: str
    steps: tuple[Step, ...]
    product: str


@value
class Outcome:
    """What the finished file says of itself, by reading it. `interpreter` and `needed` are empty for a static program;
    `glibc` is the newest release of glibc that it asks for ("2.34"), empty for none; `stripped` is without a symbol
    table; `repeated` whether compiling it twice gave the same bytes, None if that was not tried."""

    size: int
    digest: str
    interpreter: str
    needed: tuple[str, ...]
    glibc: str
    stripped: bool
    repeated: bool | None


@value
class Compiled:
    """A finished program: where it is, how it was made, and what it says of itself."""

    source: Source
    target: Target
    recipe: Recipe
    path: str
    outcome: Outcome
