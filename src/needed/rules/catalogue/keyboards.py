"""Knows keyboards: what libxkbcommon makes keymaps of.

Recognises: an object that imports xkb_keymap_new_from_names of libxkbcommon. A client that gets its keymap from a
    server, as those of X and Wayland do, needs no file.
Adds: /usr/share/X11/xkb without its geometry and the lists of layouts for people.
Costs: 2,377,659 bytes.
Source: libxkbcommon src/xkbcomp/rules.c, src/context.c; `strace -f -e %file xkbcli compile-keymap`.
"""

from __future__ import annotations

from needed.closure import Reason
from needed.rules.finding import Take

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "keyboards"
FOLDER = "/usr/share/X11/xkb"


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    item = evidence[0]
    reason = Reason("rule", item.path, NAME, item.detail)
    for path, kind in view.tree(FOLDER, skips=lambda path: path == f"{FOLDER}/geometry"):
        if kind != "directory" and not path.endswith((".xml", ".lst", ".dtd", "README")):
            yield Take(path, reason)
