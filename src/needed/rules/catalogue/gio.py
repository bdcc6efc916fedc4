"""Speaks TLS through GIO: the module of glib-networking.

Recognises: an object, libsoup among them, that imports functions for TLS of libgio.
Adds: the module that is a backend for TLS, with its libraries. Modules for desktops (dconf, gvfs, proxies) are left
    out, and giomodule.cache too: it counts only while it is newer than the modules, and in an image nothing is newer.
Costs: 6.8 MB, which are GnuTLS and its libraries but for 137 kB.
Choices: `--rule gio=all` takes every module, `--rule gio=libdconfsettings` those whose names begin so.
Source: GLib gio/giomodule.c, gio-querymodules(1); `strace -e %file gio`.
"""

from __future__ import annotations

from needed.closure import Reason
from needed.rules.finding import Load, Tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "gio"
TLS = ("libgiognutls", "libgioopenssl")


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    library = view.object("libgio-2.0.so")
    if library is None:
        return
    item = evidence[0]
    reason = Reason("rule", item.path, NAME, item.detail)
    chosen = tuple(name for name in (view.choices.value(NAME) or "").split(",") if name)
    folder = library.found.path.rpartition("/")[0] + "/gio/modules"
    modules = [name for name in view.names(folder) if name.endswith(".so")]
    if not any(name.startswith(TLS) for name in modules):
        yield Tell(f"{item.path} asks GIO for TLS, and the root has no module for it", "apt install glib-networking")
    for name in modules:
        if name.startswith((*TLS, *chosen)) or "all" in chosen:
            yield Load(f"{folder}/{name}", library.path, reason)
