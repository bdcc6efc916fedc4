"""Has settings: the compiled schemas of the root, without which a program that asks GIO for settings is ended.

Recognises: an object that imports g_settings_new or one of its kin.
Adds: gschemas.compiled. The values are the schemas' own, for a container has no desktop that changed them.
Costs: 37,024 bytes where little of a desktop is installed.
Source: GLib gio/gsettingsschema.c; `strace -e %file gsettings list-schemas`.
"""

from __future__ import annotations

from needed.closure import Reason
from needed.rules.finding import Take, Tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "gsettings"
PATHS = ("/usr/share/glib-2.0/schemas/gschemas.compiled", "/usr/local/share/glib-2.0/schemas/gschemas.compiled")


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    for item in evidence:
        reason = Reason("rule", item.path, NAME, item.detail)
        there = [path for path in PATHS if view.is_file(path)]
        for path in there:
            yield Take(path, reason)
        if not there:
            yield Tell(f"{item.path} asks for settings, and the root has no schemas compiled", "glib-compile-schemas")
