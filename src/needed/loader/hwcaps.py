"""Hardware-capability subdirectories: which the loader tries in each folder of a search path, and in which order.

`glibc-hwcaps/NAME` from glibc 2.33 on (sysdeps/*/dl-hwcaps-subdirs.c, elf/dl-hwcaps_split.c); before 2.37 also the
legacy combinations of `tls`, the platform and the capability bits (elf/dl-hwcaps.c of 2.36). Which of them are active
is the processor's to say. A closure must hold on every processor, so what a Settings does not name is not tried, and
of the legacy names only those that every processor of a machine has.
"""

from __future__ import annotations

from needed.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from needed.elf import Machine

# Best first. Nothing else has any (glibc 2.42).
NAMES = {
    "x86-64": ("x86-64-v4", "x86-64-v3", "x86-64-v2"),
    "ppc64le": ("power10", "power9"),
    "s390x": ("z17", "z16", "z15", "z14", "z13"),
}
# glibc 2.36: HWCAP_X86_64 is set on each x86-64 (dl-hwcap.h), AT_PLATFORM is "aarch64" on each arm64 (arch/arm64).
_LEGACY = {
    "x86-64": ("tls/x86_64/x86_64", "tls/x86_64", "tls", "x86_64/x86_64", "x86_64"),
    "arm64": ("tls/aarch64", "tls", "aarch64"),
}
FIRST_WITHOUT_LEGACY = (2, 37)
FIRST_WITH_NAMES = (2, 33)


def subdirectories(machine: Machine, version: tuple[int, ...], active: tuple[str, ...]) -> tuple[str, ...]:
    """What is tried before a folder itself, in order, by a glibc of `version`, () if that is not known (then before
    2.33, whose loader does not tell)."""
    names = tuple(f"glibc-hwcaps/{name}" for name in active) if version >= FIRST_WITH_NAMES else ()
    return names if version >= FIRST_WITHOUT_LEGACY else names + _LEGACY.get(machine.name, ("tls",))


def active_at(level: str) -> tuple[str, ...]:
    """The names that are active on a processor of `level`, best first: `level` itself and what it includes.

    Raises UsageError for a name that no machine has.
    """
    for names in NAMES.values():
        if level in names:
            return names[names.index(level) :]
    known = ", ".join(name for names in NAMES.values() for name in reversed(names))
    raise UsageError(f"{level!r} is no level of glibc-hwcaps", hints=[f"the levels are {known}"])
