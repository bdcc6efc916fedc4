"""Decodes video in hardware: drivers for VA-API and VDPAU, where they are chosen.

Recognises: libraries libva and libvdpau.
Adds: nothing, since a driver is for one maker's hardware and a program works without; where a program itself links the
    library, the root's drivers are told.
Costs: nothing, unless a driver is chosen.
Choices: `--rule hardware-video=iHD,radeonsi` takes these drivers, `--rule hardware-video=all` every one.
Source: libva va/va.c (va_openDriver), libvdpau src/vdpau_wrapper.c; `strace -e %file vainfo`.
"""

from __future__ import annotations

from needed.closure import Reason
from needed.rules.catalogue.mesa import asked_by_program
from needed.rules.finding import Load, Tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "hardware-video"


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    wanted = (view.choices.value(NAME) or "").split(",")
    for item in evidence:
        reason = Reason("rule", item.path, NAME, item.detail)
        folder = (view.canonical(item.path) or item.path).rpartition("/")[0]
        kind = "libva.so" if item.path.rpartition("/")[2].startswith("libva.so") else "libvdpau.so"
        place = f"{folder}/dri" if kind == "libva.so" else f"{folder}/vdpau"
        drivers = {}
        for name in view.names(place):
            if kind == "libva.so" and name.endswith("_drv_video.so"):
                drivers[name.removesuffix("_drv_video.so")] = name
            elif kind == "libvdpau.so" and name.startswith("libvdpau_") and ".so" in name:
                drivers[name.removeprefix("libvdpau_").partition(".so")[0]] = name
        for driver, name in drivers.items():
            if driver in wanted or "all" in wanted:
                yield Load(f"{place}/{name}", item.path, reason)
        if drivers and wanted == [""] and asked_by_program(view, (kind,)):
            yield Tell(f"drivers of {kind} are left to choose: {', '.join(drivers)}", f"--rule {NAME}=NAME,NAME")
