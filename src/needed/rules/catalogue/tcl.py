"""Runs Tcl: the scripts that its library starts with, and tables of encodings.

Recognises: libtcl, which tclsh and every program with Tcl inside is linked with.
Adds: the folder of init.tcl that stands in the library, without tests and C, and without the tables of encodings of
    more than one byte.
Costs: 657,882 bytes; all encodings 1.4 MB more.
Choices: `--rule tcl=all` takes every encoding, and the packages beside Tcl's own folder.
Source: Tcl's library(n), tclvars(n) on tcl_library, encoding(n).
"""

from __future__ import annotations

from needed.closure import Reason
from needed.rules.finding import Load, Take, Tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "tcl"
SMALL = 4_096  # bytes: the table of an encoding of one byte has 1,100
LEFT_OUT = ("/tclAppInit.c", "/demos")


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    every = view.choices.value(NAME) == "all"
    for item in evidence:
        reason = Reason("rule", item.path, NAME, item.detail)
        folder = library_folder(view, item.path)
        if folder is None:
            yield Tell(f"{item.path} finds no init.tcl in the root", "install the package of Tcl's library")
            continue
        top = folder.rpartition("/")[0] if every else folder
        for path, kind in view.tree(top, skips=lambda path: path.endswith(LEFT_OUT) or "/tcltest" in path):
            if kind == "directory" or (path.endswith(".enc") and not every and view.size(path) > SMALL):
                continue
            yield Load(path, item.path, reason) if path.endswith(".so") else Take(path, reason)


def library_folder(view: View, library: str) -> str | None:
    """The first folder with init.tcl that stands in the library, or that is where Tcl looks next to itself."""
    version = library.rpartition("/libtcl")[2].partition(".so")[0]
    near = library.rpartition("/")[0]
    paths = [
        piece.decode("utf-8", "surrogateescape")
        for piece in view.read(library).split(b"\0")
        if piece[:1] == b"/" and len(piece) < 200
    ]
    places = (*(one for path in paths for one in path.split()), f"{near}/tcl{version}", f"/usr/lib/tcl{version}")
    return next((place for place in places if view.is_file(f"{place}/init.tcl")), None)
