"""What the two C libraries' searches share: the questions that a walk asks, and their answers' parts."""

from __future__ import annotations

from needed.errors import SourceError
from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Protocol

    from needed.closure import LoadedObject
    from needed.elf import ElfFile
    from needed.errors import ElfError

    class Search(Protocol):
        """One C library's rules for one process."""

        vdso: str
        gnu: bool  # whether symbol versions, filters and audit modules mean anything

        def main_names(self) -> tuple[str, ...]:
            """The names under which the program counts as loaded."""

        def is_loader(self, name: str) -> bool:
            """Whether `name` is the loader itself, which needs no file."""

        def known_names(self, item: LoadedObject, asked: str) -> Iterator[str]:
            """The names under which `item`, found for the name `asked`, counts as already loaded from now on."""

        def expand(self, text: str, owner: LoadedObject) -> str:
            """`text` of the dynamic section of `owner`, with its tokens replaced."""

        def parents_of_preload(self) -> tuple[LoadedObject, ...]:
            """Whose RPATH counts for a name of LD_PRELOAD or of the preload file."""

        def candidates(self, name: str, chain: tuple[LoadedObject, ...]) -> Iterator[Candidate]:
            """Where to look for `name`, best first; `chain` is the requester, then of its parent, ... main those
            with RPATH or RUNPATH; or empty."""

        def is_default(self, folder: str) -> bool:
            """Whether `folder` is searched for every object, whatever the files say."""

        def verdict(self, elf: ElfFile) -> str:
            """What the loader makes of a file that it has opened: see `loader.verdict`."""

        def damaged(self, head: bytes, error: ElfError) -> str:
            """The same for a file that is no whole ELF file; `head` is its beginning."""

        def skips(self, outcome: str) -> bool:
            """Whether the search goes on after a candidate with this outcome."""


# Characters: $ORIGIN, of 7, may stand for a path of 4096, and 9000 times in one RPATH.
MAX_EXPANDED = 1 << 20


@value
class Candidate:
    """A path string to open, and the rule that leads there, the same for all of one list of directories.

    `source` is "cache", "file" (a path file of musl) or "".
    """

    path: str
    rule: str
    source: str = ""


def expand(text: str, values: dict[str, str], *, boundary: bool) -> str:
    """`text` with `$NAME` and `${NAME}` replaced by `values`; unknown names stay as they are.

    With `boundary` an unbraced name must not be followed by a letter, digit or underscore (glibc's
    `is_dst`, elf/dl-load.c); musl does not look.
    """
    if "$" not in text:
        return text
    parts = text.split("$")
    done = [parts[0]]
    for part in parts[1:]:
        for name, item in values.items():
            if part.startswith(f"{{{name}}}"):
                done.append(item + part[len(name) + 2 :])
                break
            rest = part[len(name) :]
            if part.startswith(name) and not (boundary and (rest[:1].isalnum() or rest[:1] == "_")):
                done.append(item + rest)
                break
        else:
            done.append("$" + part)
    return "".join(done)


def check_length(size: int, owner: str) -> None:
    """Raise SourceError for a search path of the object at `owner` that tokens made longer than anybody's is."""
    if size > MAX_EXPANDED:
        raise SourceError(
            f"{owner}: its search path is longer than {MAX_EXPANDED} characters with its tokens replaced",
            hints=["look at its RPATH and RUNPATH: needed inspect FILE"],
        )
