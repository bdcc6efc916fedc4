"""Starts what its daily work is left to: the few well-known programs that execute others by names of their own.

Recognises: tar, gpg, make, screen, watch, cron, rsync and compilers by their names.
Adds: what the everyday work fails without, if the root has it: gzip for tar, with the shell that tar starts it by,
    gpg-agent for gpg, a shell for what starts command lines. What is for some work alone is told with the option that
    adds it: xz for tar, ssh for rsync.
Costs: gzip 98,136 bytes, gpg-agent 435,424, dash 125,640, each with libraries that are there but for a few.
Source: each program's manual; tar src/system.c and src/suffix.c, gnupg common/asshelp.c, screen window.c.
"""

from __future__ import annotations

from needed.closure import Reason
from needed.rules.finding import Execute, Tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "companions"
SHELL = (("/bin/sh",), ())
# By program: what comes along, and what is told.
STARTED: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "tar": (("gzip", "/bin/sh"), ("bzip2", "xz", "zstd")),
    "gpg": (("gpg-agent",), ("pinentry", "dirmngr")),
    "rsync": ((), ("ssh",)),
    "make": SHELL, "gmake": SHELL, "screen": SHELL, "watch": SHELL, "cron": SHELL, "crond": SHELL,
}  # fmt: skip
COMPILERS = ("gcc", "g++", "cc", "c++")
PARTS = ("cc1", "as", "ld")


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    for item in evidence:
        name = item.path.rpartition("/")[2]
        always, sometimes = STARTED.get(name, ((), ()))
        for helper in always:
            path = helper if view.is_file(helper) else view.command(helper)
            if path:
                yield Execute(path, Reason("rule", item.path, NAME, f"starts {helper}"))
        left = [helper for helper in sometimes if view.command(helper)]
        if left:
            names = ", ".join(left)
            yield Tell(f"{item.path} starts {names} for some of its work: left out", f"--with {','.join(left)}")
        if name in COMPILERS:
            yield Tell(f"{item.path} starts {', '.join(PARTS)} and reads headers, which no rule takes",
                       "--package NAME for each part, and --add /usr/include")  # fmt: skip
