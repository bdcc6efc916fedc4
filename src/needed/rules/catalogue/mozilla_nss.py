"""Encrypts with Mozilla's NSS: its modules, and the certificates that are built into one of them.

Recognises: libnss3.so.
Adds: libsoftokn3.so, libfreeblpriv3.so (libfreebl3.so in older releases) and libnssckbi.so, the roots of trust, from
    the folder of the library or the `nss` beside it; without the first two NSS_Init fails.
Costs: 1,691,576 bytes, and libsqlite3.so.0 with 1,437,848.
Source: NSS lib/nss/nssinit.c, lib/freebl/loader.c, lib/softoken.
"""

from __future__ import annotations

from needed.closure import Reason
from needed.rules.finding import Load, Tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "mozilla-nss"
MODULES = (("libsoftokn3.so",), ("libfreeblpriv3.so", "libfreebl3.so"), ("libnssckbi.so",))


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    for item in evidence:
        reason = Reason("rule", item.path, NAME, item.detail)
        folder = item.path.rpartition("/")[0]
        for names in MODULES:
            module = view.first(*(f"{place}/{name}" for name in names for place in (folder, f"{folder}/nss")))
            if module:
                yield Load(module, item.path, reason)
            else:
                yield Tell(f"{item.path}: the root has no {names[0]}", "install NSS whole in the root")
