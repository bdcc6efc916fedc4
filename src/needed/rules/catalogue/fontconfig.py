"""Writes in a font: fontconfig's configuration, one font, and a folder for its cache.

Recognises: a library libfontconfig.
Adds: /etc/fonts with the files that its conf.d leads to; DejaVuSans.ttf, or what the root has in its place (a Sans
    first); an empty folder for the cache, which is the image's user's, since fontconfig complains without one.
Costs: 101,912 bytes, and 757,076 for the font.
Choices: `--rule fontconfig=all` takes every font of the root, `--rule fontconfig=DejaVu,Noto` those whose files' names
    begin so, `--rule fontconfig=none` none.
Source: fonts-conf(5); src/fccfg.c, src/fccache.c; `strace -e %file fc-match`.
"""

from __future__ import annotations

from needed.closure import Reason
from needed.rules.finding import Make, Take, Tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "fontconfig"
CONFIGURATION = "/etc/fonts"
FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts")
ENDINGS = (".ttf", ".otf", ".ttc", ".otc", ".pfb", ".woff", ".woff2", ".pcf.gz")
# Best first: the rest of the root's fonts comes after these.
USUAL = ("DejaVuSans.ttf", "LiberationSans-Regular.ttf", "NotoSans-Regular.ttf", "FreeSans.ttf", "Cantarell")
CACHE = "/var/cache/fontconfig"


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    item = evidence[0]
    reason = Reason("rule", item.path, NAME, item.detail)
    for path, kind in view.tree(CONFIGURATION):
        if kind != "directory" and path.endswith((".conf", ".dtd")):
            yield Take(path, reason)
    if view.is_folder(CONFIGURATION):
        yield Make(CACHE, None, reason, 0o755, view.choices.user)
    chosen = view.choices.value(NAME) or ""
    if chosen == "none":
        return
    fonts = [path for folder in FOLDERS for path, kind in view.tree(folder) if path.endswith(ENDINGS)]
    if not fonts:
        yield Tell(f"{item.path} writes in fonts, and the root has none", "apt install fonts-dejavu-core in the root")
        return
    if chosen:
        names = tuple(chosen.split(","))
        taken = [path for path in fonts if chosen == "all" or path.rpartition("/")[2].startswith(names)]
        if not taken:
            yield Tell(f"the root has no font {chosen}", f"--rule {NAME}=all")
    else:
        taken = [min(fonts, key=_rank)]
        if len(fonts) > 1:
            yield Tell(f"one font of {len(fonts)} is taken, {taken[0]}", f"--rule {NAME}=all, =none, or =NAME,NAME")
    for path in taken:
        yield Take(path, reason)


def _rank(path: str) -> tuple[int, bool, str]:
    """What to take first: a usual font, then an outline font whose name says Sans."""
    name = path.rpartition("/")[2]
    usual = next((place for place, one in enumerate(USUAL) if name.startswith(one)), len(USUAL))
    return usual, not (name.endswith((".ttf", ".otf")) and "Sans" in name and "Bold" not in name), path
