"""Draws graphs with Graphviz: its list of plugins, and the plugins that lay out and draw.

Recognises: libgvc.so.
Adds: the folder's config6 (which `dot -c` wrote), and the plugins that it names, but for those that show windows and
    write seldom formats (gd, webp, visio and the like).
Costs: 1.1 MB, and of Pango and Cairo, for PNG and PDF, what these bring: `dot` is 21.5 MB on Debian 12 with a font.
Choices: `--rule graphviz=all` takes every plugin; `--rule graphviz=core,dot_layout` those that are named, for SVG.
Source: graphviz lib/gvc/gvconfig.c, lib/gvc/gvplugin.c.
"""

from __future__ import annotations

from needed.closure import Reason
from needed.rules.finding import Load, Take, Tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "graphviz"
EVERYDAY = ("core", "dot_layout", "neato_layout", "pango")
PREFIX = "libgvplugin_"


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    for item in evidence:
        reason = Reason("rule", item.path, NAME, item.detail)
        folder = f"{item.path.rpartition('/')[0]}/graphviz"
        lists = [name for name in view.names(folder) if name.startswith("config")]
        if not lists:
            yield Tell(f"{item.path} has no list of plugins in the root", "dot -c in the root writes it")
            continue
        chosen = (view.choices.value(NAME) or "").split(",")
        wanted = EVERYDAY if chosen == [""] else chosen
        for name in lists:
            yield Take(f"{folder}/{name}", reason)
        for name in dict.fromkeys(names_in(view.text(f"{folder}/{lists[0]}"))):
            if chosen == ["all"] or name.removeprefix(PREFIX).partition(".")[0] in wanted:
                yield Load(f"{folder}/{name}", item.path, reason)


def names_in(text: str) -> list[str]:
    """The plugins that a list names: "libgvplugin_core.so.6 core {"."""
    words = [line.split() for line in text.splitlines() if line.startswith(PREFIX)]
    return [line[0] for line in words if "/" not in line[0]]
