"""Knows the time of day: the zones that the image's TZ asks for, UTC without any file.

Recognises: an object other than the C library's own that imports localtime, mktime, tzset or one of their kin; a Go
    program that loads locations.
Adds: the file of the zone below /usr/share/zoneinfo that TZ of the image names. Without TZ, or with UTC, none: times
    are UTC then, whatever the machine has.
Costs: nothing; a zone 100 to 3,600 bytes, all of them 1.5 MB.
Choices: `--env TZ=Europe/Berlin` sets and takes one; `--rule zones=Europe/Berlin,Asia/Tokyo` takes more along, and
    `--rule zones=all` every one.
Source: tzset(3), tzfile(5); IANA's tzdata.
"""

from __future__ import annotations

from needed.closure import Reason
from needed.rules.finding import Take, Tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "zones"
FOLDER = "/usr/share/zoneinfo"
# Copies in other forms, and what a compiler of zones reads.
LEFT_OUT = ("right", "posix", "tzdata.zi", "leapseconds", "leap-seconds.list", "posixrules", "localtime")


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    item = evidence[0]
    reason = Reason("rule", item.path, NAME, item.detail)
    chosen = [name for name in (view.choices.value(NAME) or "").split(",") if name]
    if "all" in chosen:
        for path, kind in view.tree(FOLDER, skips=lambda path: path.removeprefix(f"{FOLDER}/") in LEFT_OUT):
            if kind != "directory":
                yield Take(path, reason)
        return
    of_image = (view.choices.variable("TZ") or "").lstrip(":").removeprefix(f"{FOLDER}/")
    for name in dict.fromkeys((of_image, *chosen)):
        if not name or ".." in name.split("/"):
            continue
        if view.is_file(f"{FOLDER}/{name}"):
            yield Take(f"{FOLDER}/{name}", reason)
        elif "/" in name or name in chosen:  # else a rule of POSIX, "CET-1CEST", which needs no file
            yield Tell(f"the root has no zone {name}", "install tzdata in the root")
