"""Tells files apart: the compiled database of libmagic.

Recognises: libmagic.so.
Adds: magic.mgc, by the path that the library opens, with each link to it, and the machine's own /etc/magic.
Costs: 8,281,135 bytes.
Source: libmagic(3), FILES; file's src/apprentice.c.
"""

from __future__ import annotations

from needed.closure import Reason
from needed.rules.finding import Take, Tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "magic"
DATABASES = ("/usr/share/misc/magic.mgc", "/usr/share/file/misc/magic.mgc", "/usr/share/file/magic.mgc")


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    item = evidence[0]
    reason = Reason("rule", item.path, NAME, item.detail)
    database = view.first(*DATABASES)
    if database:
        yield Take(database, reason)
    else:
        yield Tell(f"{item.path}: the root has no magic.mgc", "install libmagic-mgc in the root")
    if view.is_file("/etc/magic"):
        yield Take("/etc/magic", reason)
