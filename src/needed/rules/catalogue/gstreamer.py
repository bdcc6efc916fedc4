"""Plays media with GStreamer: its basic elements, and what scans for plugins.

Recognises: a library libgstreamer-1.0.
Adds: the plugins that nearly every pipeline needs (core elements, finding types, playback, converting sound and
    pictures, application sources and sinks), with their libraries, and gst-plugin-scanner. Which others a pipeline
    names is in no header: they are left to choose, and told.
Costs: 7,589,358 bytes with what the plugins need.
Choices: `--rule gstreamer=ogg,vorbis` adds these plugins, by the names of their files without "libgst";
    `--rule gstreamer=all` takes every one.
Source: https://gstreamer.freedesktop.org/documentation/gstreamer/gstregistry.html; gst/gstregistry.c,
    gst/gstpluginloader.c; `strace -f -e %file gst-launch-1.0`.
"""

from __future__ import annotations

from needed.closure import Reason
from needed.rules.finding import Execute, Load, Tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "gstreamer"
USUAL = frozenset({"coreelements", "typefindfunctions", "playback", "app", "audioconvert", "audioresample",
                   "videoconvertscale", "videoconvert", "videoscale", "volume", "autodetect"})  # fmt: skip
SHOWN = 12


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    item = evidence[0]
    reason = Reason("rule", item.path, NAME, item.detail)
    library = (view.canonical(item.path) or item.path).rpartition("/")[0]
    folder = f"{library}/gstreamer-1.0"
    chosen = set((view.choices.value(NAME) or "").split(","))
    left = []
    for name in view.names(folder):
        plugin = name.removeprefix("libgst").removesuffix(".so")
        if not name.endswith(".so"):
            continue
        if plugin in USUAL or plugin in chosen or "all" in chosen:
            yield Load(f"{folder}/{name}", item.path, reason)
        else:
            left.append(plugin)
    scanners = (f"{library}/gstreamer1.0/gstreamer-1.0", "/usr/libexec/gstreamer-1.0", folder)
    scanner = view.first(*(f"{one}/gst-plugin-scanner" for one in scanners))
    if scanner:
        yield Execute(scanner, reason)
    if left and chosen == {""}:
        more = f" and {len(left) - SHOWN} more" if len(left) > SHOWN else ""
        shown = ", ".join(left[:SHOWN])
        yield Tell(f"GStreamer's plugins {shown}{more} are left out", f"--rule {NAME}=NAME,NAME or all")
