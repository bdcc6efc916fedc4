"""Draws on terminals: the descriptions of those that people have when they are in a container.

Recognises: libtinfo.so, libncurses.so, libncursesw.so.
Adds: of the root's descriptions those of xterm, which docker run -t says, and of the terminals and multiplexers whose
    TERM people hand in, each from the first folder that has it; TERM of the image's environment.
Costs: 28,826 bytes in 13 files.
Choices: `--rule terminfo=NAME,NAME` takes more, and `--rule terminfo=all` every one (82,000 bytes; 7 MB with
    ncurses-term).
Source: terminfo(5), "Fetching Compiled Descriptions".
"""

from __future__ import annotations

from needed.closure import Reason
from needed.rules.finding import Take, Tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "terminfo"
FOLDERS = ("/etc/terminfo", "/lib/terminfo", "/usr/share/terminfo", "/usr/lib/terminfo")
USUAL = (
    "xterm", "xterm-256color", "linux", "screen", "screen-256color", "tmux", "tmux-256color", "vt100", "vt220",
    "dumb", "ansi", "rxvt-unicode", "rxvt-unicode-256color",
)  # fmt: skip


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    item = evidence[0]
    reason = Reason("rule", item.path, NAME, item.detail)
    chosen = [name for name in (view.choices.value(NAME) or "").split(",") if name]
    if "all" in chosen:
        for folder in FOLDERS:
            for path, kind in view.tree(folder):
                if kind != "directory":
                    yield Take(path, reason)
        return
    of_image = view.choices.variable("TERM") or ""
    for name in dict.fromkeys((*USUAL, of_image, *chosen)):
        if not name or "/" in name or name.startswith("."):
            continue
        described = view.first(*(f"{folder}/{name[0]}/{name}" for folder in FOLDERS))
        if described:
            yield Take(described, reason)
        elif name not in USUAL:
            yield Tell(f"the root does not describe the terminal {name}", "install ncurses-term in the root")
