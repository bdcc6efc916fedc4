"""Knows libraries that open others only when they are asked to: SQLite, libxml2, ICU, libuv, GModule, libltdl and APR.

Recognises: one of these, in a closure where no other object imports the function that opens what it is told to open.
Adds: nothing; the library leaves the closure complete. Where somebody imports the function it stays open.
Costs: nothing.
Source: SQLite loadext.c and main.c; libxml2 xmlmodule.c; ICU putil.cpp, whose only caller, icuplug.cpp, is not compiled
    by default; libuv src/unix/dl.c; GLib gmodule.c; libtool ltdl.c; APR dso/unix/dso.c.
"""

from __future__ import annotations

from needed.elf.symbols import imported_names
from needed.rules.finding import Settled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "on-request"
# By the beginning of the library's name, those of the functions with which it is asked.
ASKED_BY = {
    "libsqlite3.so": ("sqlite3_load_extension", "sqlite3_enable_load_extension", "sqlite3_db_config"),
    "libxml2.so": ("xmlModuleOpen",),
    "libicuuc.so": ("uprv_dl_open",),
    "libuv.so": ("uv_dlopen",),
    "libgmodule-2.0.so": ("g_module_open",),
    "libltdl.so": ("lt_dlopen", "lt_dlforeachfile"),
    "libapr-1.so": ("apr_dso_load",),
}


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    imported: dict[str, frozenset[str]] = {}
    for item in view.closure.objects:
        imported[item.path] = view.parse(item.path, imported_names) or frozenset()
    for one in evidence:
        name = one.path.rpartition("/")[2]
        functions = next(found for library, found in ASKED_BY.items() if name.startswith(library))
        others = (names for path, names in imported.items() if path != one.path)
        if not any(symbol.startswith(functions) for names in others for symbol in names):
            yield Settled(one.path)
