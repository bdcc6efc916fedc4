"""Calls PCI devices by their names: the list of makers and devices.

Recognises: a library libpci that a program itself links.
Adds: pci.ids, compressed or not, as the root has it. Without it devices have numbers.
Costs: 1.3 MB.
Source: pciutils lib/names.c; `strace -e %file lspci`.
"""

from __future__ import annotations

from needed.closure import Reason
from needed.rules.catalogue.mesa import asked_by_program
from needed.rules.finding import Take

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "pci"
FOLDERS = ("/usr/share/misc", "/usr/share/hwdata", "/usr/share")


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    item = evidence[0]
    path = view.first(*(f"{folder}/pci.ids{ending}" for folder in FOLDERS for ending in ("", ".gz")))
    if path is not None and asked_by_program(view, ("libpci.so",)):
        yield Take(path, Reason("rule", item.path, NAME, item.detail))
