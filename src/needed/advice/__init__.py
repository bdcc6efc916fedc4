"""What would make an image smaller, in order of bytes; each number with how it was found.

Plans the image again, otherwise, and compares; strips copies of files; counts the symbols that are bound. Changes
nothing, starts nothing but `strip` on copies, and knows nothing of the command. What it does not do: guess. Where a
number cannot be measured, it says that it is a bound, and of what.
"""

from __future__ import annotations

from needed.advice.busybox import find_busybox
from needed.advice.content import find_compression, find_duplicates, find_strippable
from needed.advice.libraries import find_libraries
from needed.advice.lighter import find_lighter
from needed.advice.model import Advice, Ground
from needed.advice.static import find_static

__all__ = ["Advice", "Ground", "advise"]

SMALLEST = 4096  # bytes, a block of a disk; of a small image a hundredth of it is worth a line too


def advise(ground: Ground, *, measure: bool = False) -> tuple[Advice, ...]:
    """All that is worth a line, the most bytes first; with `measure` also what takes long to find out: compression.

    Raises ReadError, OutputError.
    """
    found = [
        *find_strippable(ground), *find_duplicates(ground), *find_lighter(ground), *find_libraries(ground),
        *find_static(ground), *find_busybox(ground), *(find_compression(ground) if measure else ()),
    ]  # fmt: skip
    least = min(SMALLEST, max(ground.rootfs.size // 100, 1))
    return tuple(sorted((one for one in found if one.size >= least), key=lambda one: (-one.size, one.kind, one.what)))
