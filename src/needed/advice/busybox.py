"""Advice on programs of many that busybox is in one: what the image would have less with links to it in their place.

Only where the root has busybox. Planned again, from a root in which these names lead to it.
"""

from __future__ import annotations

from needed.advice.model import MEASURED, Advice
from needed.root import Entry, Found, MemoryRoot, OverlayRoot, Walker
from needed.rules.catalogue.shell_commands import MAX_BUSYBOX, parse_applets
from needed.rules.view import PATH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.advice.model import Ground
    from needed.root import Root, RootPath

SHOWN = 6


def find_busybox(ground: Ground) -> Iterator[Advice]:
    """One advice for all that it can take the place of. Raises ReadError."""
    walker = Walker(ground.root)
    busybox = next((found for folder in PATH if (found := walker.find(f"{folder}/busybox"))), None)
    if busybox is None or busybox.entry.kind != "file" or busybox.entry.size > MAX_BUSYBOX:
        return
    programs = {item.program.found.path: item.path.rpartition("/")[2] for item in ground.closure.programs}
    programs.pop(busybox.path, None)
    if not programs:
        return
    file = ground.root.open(busybox.path)
    try:
        applets = parse_applets(file.read_at(0, busybox.entry.size))
    finally:
        file.close()
    links: dict[RootPath, tuple[Root, Found]] = {}
    for number, path in enumerate(programs, 1):
        if programs[path] in applets:
            entry = Entry("symlink", 0o777, 0, busybox.path, (0, number))
            links[path] = (MemoryRoot({}), Found(path, entry, ()))
    if not links:
        return
    names = sorted({programs[path] for path in links})
    shown = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
    size = ground.without(root=OverlayRoot(ground.root, links))
    how = f"name {busybox.path} in their place, and call it: busybox {names[0]}"
    note = "of scripts' commands: --rule shell-commands=busybox; its options are fewer"
    yield Advice("busybox", size, MEASURED, f"busybox in place of {shown}", how, (note,))
