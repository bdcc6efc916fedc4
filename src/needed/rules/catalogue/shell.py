"""Starts commands through the shell: /bin/sh, which system(3) and popen(3) execute.

Recognises: an object other than the C library's own that imports system, popen or wordexp.
Adds: /bin/sh, whatever it leads to, with its libraries. Which commands it is given only a run knows.
Costs: dash 125,640 bytes on Debian; nothing where the image holds it anyway.
Source: system(3), popen(3); glibc sysdeps/posix/system.c, libio/iopopen.c.
"""

from __future__ import annotations

from needed.closure import Reason
from needed.rules.finding import Execute

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "shell"


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    item = evidence[0]
    if view.is_file("/bin/sh"):
        yield Execute("/bin/sh", Reason("rule", item.path, NAME, item.detail))
