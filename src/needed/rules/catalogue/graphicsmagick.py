"""Reads and writes pictures with GraphicsMagick: its settings, and its coders where they are modules.

Recognises: a library libGraphicsMagick.
Adds: the settings (colours, delegates, types, messages) beside the library or below /usr/share and /etc, and the
    coders, with their .la files, of distributions that build them as modules. Debian builds them in.
Costs: 42,992 bytes.
Source: http://www.graphicsmagick.org/formats.html; magick/blob.c, magick/module.c; `strace -e %file gm convert`.
"""

from __future__ import annotations

from needed.closure import Reason
from needed.rules.finding import Load, Take

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "graphicsmagick"


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    item = evidence[0]
    reason = Reason("rule", item.path, NAME, item.detail)
    library = view.canonical(item.path) or item.path
    for place in (library.rpartition("/")[0], "/usr/share", "/etc"):
        for name in view.names(place):
            if not name.startswith("GraphicsMagick"):
                continue
            for path, kind in view.tree(f"{place}/{name}"):
                if kind != "directory" and path.endswith((".mgk", ".la")):
                    yield Take(path, reason)
                elif kind != "directory" and path.endswith(".so"):
                    yield Load(path, item.path, reason)
