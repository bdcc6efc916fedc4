"""What the loader is told from outside the files: the environment of the process, the processor, a wish.

Nothing here is ever taken from our own environment or processor: a Settings is what the image will say, or what a user
asks about.
"""

from __future__ import annotations

from needed.value import value


@value
class Settings:
    """`library_path` are the elements of LD_LIBRARY_PATH, `preload` the names of LD_PRELOAD (ld.so(8)).

    `hwcaps` are the active subdirectories of glibc-hwcaps, best first ("x86-64-v3", "x86-64-v2"); none is the baseline,
    which holds on every processor. `preload_file` says whether the root's `/etc/ld.so.preload` counts, `ldconfig`
    whether to resolve as if ldconfig(8) had just been run in the root.
    """

    library_path: tuple[str, ...] = ()
    preload: tuple[str, ...] = ()
    hwcaps: tuple[str, ...] = ()
    preload_file: bool = True
    ldconfig: bool = False


DEFAULTS = Settings()
