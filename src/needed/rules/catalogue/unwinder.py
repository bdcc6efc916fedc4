"""Ends threads: libgcc_s.so.1, which the C library opens when a thread is cancelled or ends itself.

Recognises: an object of a closure with glibc that imports pthread_cancel, pthread_exit, thrd_exit or backtrace. Without
    the library the process aborts: "libgcc_s.so.1 must be installed for pthread_exit to work". C++ programs need it by
    NEEDED anyway.
Adds: libgcc_s.so.1, found as the program itself would find it.
Costs: 125,312 bytes.
Source: glibc sysdeps/nptl/unwind-forcedunwind.c, misc/unwind-link.c.
"""

from __future__ import annotations

from needed.closure import Reason
from needed.rules.finding import Load, Tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "unwinder"
LIBRARY = "libgcc_s.so.1"


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    if view.object("libc.so.6") is None:
        return
    for item in evidence:
        reason = Reason("rule", item.path, NAME, item.detail)
        if view.first(f"{view.libc_folder()}/{LIBRARY}", f"/lib/{LIBRARY}", f"/usr/lib/{LIBRARY}", f"/lib64/{LIBRARY}"):
            yield Load(LIBRARY, item.path, reason)
        else:
            yield Tell(f"{item.path} {item.detail}, which needs {LIBRARY}, and the root has none")
