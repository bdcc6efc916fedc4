"""Reads and writes pictures with ImageMagick: its policy and settings, and its coders, one for each format.

Recognises: a library libMagickCore of ImageMagick 6 or 7.
Adds: /etc/ImageMagick-N, the messages, and the coders with the libraries that they need: a coder is opened through its
    .la file, which libltdl reads, so each comes with both. Left out are those that bring large libraries: heic, and
    what libmagickcore-extra adds (svg, djvu, exr, jxl, wmf and the like).
Costs: 7,649,503 bytes: coders 3.8 MB, their libraries 3.5, settings 0.4.
Choices: `--rule imagemagick=png,jpeg` takes these coders only, by the names of their files; `--rule imagemagick=all`
    every one. Other programs that policy.xml and delegates.xml allow (gs, dot) are named with `--with gs`.
Source: https://imagemagick.org/script/resources.php; magick/module.c, libltdl; `strace -e %file convert a.png a.jpg`.
"""

from __future__ import annotations

from needed.closure import Reason
from needed.rules.finding import Load, Take, Tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "imagemagick"
LARGE = frozenset({"heic", "svg", "djvu", "exr", "jxl", "wmf", "fpx", "dot", "pango", "uhdr"})
# Pictures that programs make up, and the words of command lines ("xc:white", "label:text"): without a file, all small.
ALWAYS = frozenset({"xc", "null", "gradient", "label", "caption", "info", "txt", "inline", "mpr", "magick", "tile"})


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    item = evidence[0]
    reason = Reason("rule", item.path, NAME, item.detail)
    name = item.path.rpartition("/")[2]
    major = next((digit for digit in ("6", "7") if name.startswith(f"libMagickCore-{digit}")), "")
    library = view.canonical(item.path) or item.path
    folder = library.rpartition("/")[0]
    places = [f"/etc/ImageMagick-{major}", f"/usr/share/ImageMagick-{major}"]
    versions = [f"{folder}/{one}" for one in view.names(folder) if one.startswith(f"ImageMagick-{major}")]
    below = [f"{version}/{one}" for version in versions for one in view.names(version)]
    for place in (*places, *(path for path in below if path.rpartition("/")[2].startswith("config-"))):
        for one, kind in view.kinds(place):
            if kind != "directory" and one.endswith(".xml"):
                yield Take(f"{place}/{one}", reason)
    chosen = view.choices.value(NAME) or ""
    wanted = {one for one in chosen.split(",") if one}
    left: list[str] = []
    for modules in (path for path in below if path.rpartition("/")[2].startswith("modules-")):
        for path, kind in view.tree(modules):
            coder, _, ending = path.rpartition("/")[2].rpartition(".")
            if kind == "directory" or ending not in ("so", "la"):
                continue
            if "all" in wanted or path.startswith(f"{modules}/filters/"):
                taken = True
            elif wanted:
                taken = coder in wanted or coder in ALWAYS
            else:
                taken = coder not in LARGE
            if taken:
                yield Load(path, item.path, reason) if ending == "so" else Take(path, reason)
            elif ending == "so":
                left.append(coder)
    if left and not wanted:
        yield Tell(f"pictures in the formats {', '.join(left)} are left to choose", f"--rule {NAME}=all, or NAME,NAME")
