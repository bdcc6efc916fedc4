"""Advice on compiling a program statically: all the objects that its dynamic loader maps would go.

An upper bound, and told as one: what the program uses of them would be in the program. How it is done depends on the
language, which its file tells (`elf.provenance`).
"""

from __future__ import annotations

from needed.advice.model import AT_MOST, Advice
from needed.completeness import OPENERS
from needed.elf.provenance import parse_provenance
from needed.errors import ElfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.advice.model import Ground
    from needed.closure import LoadList
    from needed.root import RootPath

_HOW = {
    "go": "needed compile SOURCE, or CGO_ENABLED=0 go build",
    "rust": "needed compile SOURCE, or cargo build --target ARCH-unknown-linux-musl",
    None: "needed compile SOURCE, or musl-gcc -static",
}


def find_static(ground: Ground) -> Iterator[Advice]:
    """One advice for all programs that were asked for and are dynamic: what they share goes when the last one does."""
    asked = [item for item in ground.closure.programs if item.path in ground.requested and item.interpreter]
    if not asked:
        return
    kept = {path for item in ground.closure.programs if item not in asked for path in _mapped(item)}
    kept |= {path for opened in ground.closure.opened if opened.program not in ground.requested
             for path in _mapped(opened.added)}  # fmt: skip
    gone: dict[RootPath, int] = {}
    for program in asked:
        for item in (*program.objects[1:], *filter(None, [program.interpreter])):
            if item.found.path not in kept:
                gone[item.found.path] = item.found.entry.size
    openers = [item.program for item in ground.completeness if item.program in ground.requested
               and any(one.path == item.program and one.symbol in OPENERS for one in item.openings)]  # fmt: skip
    notes = [f"{len(gone)} objects go, the loader among them; what is used of them comes into the program"]
    notes += [f"{path} calls dlopen: a static one loads no plugin" for path in openers]
    names = ", ".join(item.path.rpartition("/")[2] for item in asked)
    ways = dict.fromkeys(_HOW.get(language, _HOW[None]) for item in asked for language in [_language(ground, item)])
    yield Advice("static", sum(gone.values()), AT_MOST, f"{names} compiled statically", "; ".join(ways), tuple(notes))


def _mapped(listed: LoadList) -> Iterator[RootPath]:
    yield from (item.found.path for item in listed.objects)
    if listed.interpreter:
        yield listed.interpreter.found.path


def _language(ground: Ground, program: LoadList) -> str | None:
    file = ground.root.open(program.program.found.path)
    try:
        return parse_provenance(file, program.program.elf).language
    except ElfError:
        return None
    finally:
        file.close()
