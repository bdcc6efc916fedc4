"""Reads more pictures than PNG and JPEG with GdkPixbuf: its loaders, and the list of them.

Recognises: a library libgdk_pixbuf-2.0.
Adds: loaders.cache, which says what a file's first bytes mean, and the small loaders that it names (bmp, gif, ico, pnm,
    tga, xbm, xpm and kin). PNG and JPEG are built in, on Debian at least. What brings large libraries (svg, tiff,
    webp, avif, heif, jxl, wmf) is left to choose, and told once.
Costs: 209,181 bytes; svg 11 MB more.
Choices: `--rule gdk-pixbuf=svg,tiff` adds these to the small ones, `--rule gdk-pixbuf=all` every one.
Source: gdk-pixbuf/gdk-pixbuf-io.c, gdk-pixbuf-query-loaders(1); `strace -e %file gdk-pixbuf-thumbnailer`.
"""

from __future__ import annotations

from needed.closure import Reason
from needed.rules.finding import Load, Take, Tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "gdk-pixbuf"
LARGE = frozenset({"svg", "tiff", "webp", "avif", "heif", "heif-avif", "heif-hevc", "jxl", "wmf", "rsvg"})
MAX_LOADERS = 200


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    item = evidence[0]
    reason = Reason("rule", item.path, NAME, item.detail)
    base = (view.canonical(item.path) or item.path).rpartition("/")[0] + "/gdk-pixbuf-2.0"
    caches = [f"{base}/{version}/loaders.cache" for version in view.names(base)]
    cache = next((path for path in caches if view.is_file(path)), None)
    if cache is None:
        return
    yield Take(cache, reason)
    chosen = (view.choices.value(NAME) or "").split(",")
    left = []
    for path in parse_loaders(view.text(cache)):
        kind = path.rpartition("/")[2].removesuffix(".so").rpartition("pixbufloader")[2].lstrip("-_")
        if kind not in LARGE or kind in chosen or "all" in chosen:
            yield Load(path, item.path, reason)
        elif view.is_file(path):
            left.append(kind)
    if left:
        yield Tell(f"GdkPixbuf's loaders for {', '.join(left)} are left to choose", f"--rule {NAME}={','.join(left)}")


def parse_loaders(text: str) -> list[str]:
    """The modules that a loaders.cache names: of each paragraph the first line, a path between quotes."""
    lines = [line.strip() for line in text.splitlines()]
    return [line[1:-1] for line in lines if line.startswith('"/') and line.endswith('.so"')][:MAX_LOADERS]
