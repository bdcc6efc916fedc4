"""Types and shows text in X: the locales of Xlib.

Recognises: an object that imports XOpenIM, XCreateFontSet, XSetLocaleModifiers or kin of libX11, or the compose tables
    of libxkbcommon.
Adds: Xlib's lists of locales, those of C and of UTF-8, and the Compose file where keys are composed.
Costs: 119,922 bytes; the Compose file 512,443 more.
Choices: `--rule x11=all` takes the locales of every language.
Source: libX11 src/xlibi18n/lcFile.c, lcDB.c; libxkbcommon src/compose/paths.c.
"""

from __future__ import annotations

from needed.closure import Reason
from needed.rules.finding import Take

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "x11"
FOLDER = "/usr/share/X11/locale"
LOCALES = ("locale.dir", "locale.alias", "C/XLC_LOCALE", "en_US.UTF-8/XLC_LOCALE", "C.UTF-8/XLC_LOCALE")
COMPOSED = ("compose.dir", "en_US.UTF-8/Compose", "C.UTF-8/Compose")
# As Evidence names at most two symbols, in their order: these stand before the others of the rule's row.
COMPOSING = ("XOpenIM", "xkb_compose")


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    for item in evidence:
        reason = Reason("rule", item.path, NAME, item.detail)
        names: tuple[str, ...] = LOCALES
        if any(symbol in item.detail for symbol in COMPOSING):
            names += COMPOSED
        for name in names:
            if view.is_file(f"{FOLDER}/{name}"):
                yield Take(f"{FOLDER}/{name}", reason)
        if view.choices.value(NAME) == "all":
            for path, kind in view.tree(FOLDER):
                if kind != "directory":
                    yield Take(path, reason)
