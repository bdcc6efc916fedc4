"""The nouns of advice: what is known of an image, and what would make it smaller. No algorithm."""

from __future__ import annotations

from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from needed.closure import Closure
    from needed.completeness import Completeness
    from needed.gather import Applied
    from needed.image.model import Platform
    from needed.root import Root
    from needed.rootfs import Rootfs
    from needed.rules.choices import Choices
    from needed.toolchain.strip import Stripper

MEASURED, AT_MOST, ESTIMATED = "measured", "at most", "estimated"


@value
class Advice:
    """One thing to do. `size` are the bytes that the image's files would have less, those of its packed layer for the
    kind "compression". `found` is MEASURED (done on copies, or planned again: so many it will be), AT_MOST (something
    else has to take the place of what goes), or ESTIMATED (from the headers of files).

    `kind` is "strip", "duplicates", "rule", "unused library", "library", "static", "busybox" or
    "compression"; `how` is an option
    of `needed build`, a command, or what to tell a linker; `details` are lines on where and why.
    """

    kind: str
    size: int
    found: str
    what: str
    how: str
    details: tuple[str, ...] = ()


@value
class Ground:
    """What advice stands on: the image that was planned of `root` for the programs at `requested`, and how to plan it
    again, with another root or other choices, which raises what planning raises."""

    root: Root
    requested: tuple[str, ...]
    closure: Closure
    rootfs: Rootfs
    platform: Platform
    applied: tuple[Applied, ...]
    completeness: tuple[Completeness, ...]
    choices: Choices
    plan: Callable[[Root, Choices], Rootfs]
    stripper: Stripper

    def without(self, root: Root | None = None, choices: Choices | None = None) -> int:
        """The bytes that the image would have less, planned again with these; 0 if that cannot be planned."""
        from needed.errors import NeededError

        try:
            planned = self.plan(root or self.root, choices or self.choices)
        except NeededError:
            return 0
        return self.rootfs.size - planned.size
