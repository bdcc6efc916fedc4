"""Renders PostScript and PDF: Ghostscript's own PostScript files, its colour profiles and the standard fonts.

Recognises: a library libgs, or a program gs.
Adds: of /usr/share/ghostscript/VERSION the resources and the colour profiles, not the programs in its lib folder; the
    fonts that its resources lead to; its font map, and the size of paper. The character maps of Chinese, Japanese and
    Korean (poppler-data) are left to choose.
Costs: 6,550,951 bytes.
Choices: `--rule ghostscript=cjk` takes these maps along.
Source: https://ghostscript.readthedocs.io/en/latest/Use.html#how-ghostscript-finds-files; `strace -e %file gs`.
"""

from __future__ import annotations

from needed.closure import Reason
from needed.rules.finding import Take

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "ghostscript"
FOLDERS = ("/usr/share/ghostscript", "/usr/local/share/ghostscript")
STATE = "/var/lib/ghostscript"


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    item = evidence[0]
    reason = Reason("rule", item.path, NAME, item.detail)
    versions = [f"{folder}/{name}" for folder in FOLDERS for name in view.names(folder) if name[:1].isdigit()]
    for version in versions:
        for folder in (f"{version}/Resource", f"{version}/iccprofiles"):
            for path, kind in view.tree(folder):
                if kind != "directory" and not view.is_folder(path):
                    yield Take(path, reason)
        if view.choices.value(NAME) == "cjk":
            for path, kind in view.tree(f"{version}/Resource/CMap"):
                if kind != "directory":
                    yield Take(path, reason)
    for path in (f"{STATE}/fonts/Fontmap", f"{STATE}/fonts/cidfmap", "/etc/papersize"):
        if view.is_file(path):
            yield Take(path, reason)
