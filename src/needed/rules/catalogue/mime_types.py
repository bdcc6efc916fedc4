"""Tells what kind of file a file is, as desktops do: the compiled list of types by name and content.

Recognises: an object that imports g_content_type_guess of libgio or a function that builds on it; GdkPixbuf does, and
    without the list it reads no picture but PNG and JPEG.
Adds: /usr/share/mime/mime.cache, not the XML that it was compiled from.
Costs: 147,932 bytes.
Source: the shared MIME-info specification; GLib gio/xdgmime; `strace -e %file gdk-pixbuf-thumbnailer a.ppm a.png`.
"""

from __future__ import annotations

from needed.closure import Reason
from needed.rules.finding import Take

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "mime-types"
PATH = "/usr/share/mime/mime.cache"


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    item = evidence[0]
    if view.is_file(PATH):
        yield Take(PATH, Reason("rule", item.path, NAME, item.detail))
