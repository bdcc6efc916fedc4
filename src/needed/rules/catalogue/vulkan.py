"""Draws and computes with Vulkan: a driver, and the file that names it.

Recognises: a library libvulkan, linked or opened.
Adds: lavapipe, which needs no hardware, where a program itself links or opens libvulkan; where only a library does, a
    driver is left to choose. Drivers of hardware come by choice.
Costs: lavapipe 186 MB, 117 of them libLLVM.
Choices: `--rule vulkan=radeon,intel` takes the drivers whose files' names begin so, `--rule vulkan=lvp` lavapipe,
    `--rule vulkan=all` every one, `--rule vulkan=none` none.
Source: https://github.com/KhronosGroup/Vulkan-Loader docs/LoaderDriverInterface.md; `strace -e %file vulkaninfo`.
"""

from __future__ import annotations

from needed.closure import Reason
from needed.rules.catalogue.mesa import MAX_MANIFEST, asked_by_program, library_path, manifests
from needed.rules.finding import Load, Take, Tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "vulkan"
FOLDERS = ("/usr/local/share/vulkan/icd.d", "/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d")
SOFTWARE = "lvp"


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    item = evidence[0]
    reason = Reason("rule", item.path, NAME, item.detail)
    there = manifests(view, FOLDERS)
    chosen = view.choices.value(NAME) or (SOFTWARE if asked_by_program(view, ("libvulkan.so",)) else "")
    if there and not chosen:
        yield Tell("a library can use Vulkan: a driver is left to choose", f"--rule {NAME}={SOFTWARE}, or none")
        return
    if there and not view.choices.value(NAME):
        yield Tell("lavapipe is taken, which is large: it needs libLLVM", f"--rule {NAME}=none, or =DRIVER")
    names = tuple(chosen.split(","))
    taken = [path for path in there if chosen == "all" or path.rpartition("/")[2].startswith(names)]
    for path in taken:
        named = library_path(view.read(path, MAX_MANIFEST))
        if "/" in named and not named.startswith("/"):
            named = f"{path.rpartition('/')[0]}/{named}"
        yield Take(path, reason)
        yield Load(named, item.path, reason)
    if not taken and chosen != "none":
        yield Tell(f"no driver for {item.path} is in the root: {chosen}", "apt install mesa-vulkan-drivers")
