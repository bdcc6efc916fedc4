"""All comparisons of one suite and architecture: its packages, the layouts with glibc, the layouts with musl."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from needed.loader import Settings
from needed.value import replace
from tests.oracle.compare import Comparison, How, compare
from tests.oracle.compiled import Zig
from tests.oracle.crafted import Target
from tests.oracle.debian_root import DebianRoot, make_root
from tests.oracle.layouts import HWCAPS, LIBRARY_PATH, PRELOAD_FILE, PRELOADS, planted
from tests.oracle.packages import C_LIBRARY, MUSL
from tests.oracle.subjects import INTERPRETERS, MUSL_INTERPRETERS

KINDS = ("packages", "layouts", "musl")
_SOME = 300  # files of a root of packages, where something other than the plain question is asked


def of_packages(wanted: DebianRoot, cache: Path, how: How) -> Iterator[Comparison]:
    """Every file of an unpacked root; and some of them without ld.so.cache, and with ours instead of ldconfig's."""
    root, name = make_root(wanted, cache), f"{wanted.suite} {wanted.architecture}"
    yield compare(root, name, how)
    some = replace(how, sample=how.sample // 3 or _SOME)
    yield compare(root, f"{name}, no ld.so.cache", replace(some, cached=False))
    yield compare(root, f"{name}, simulated ldconfig", replace(some, settings=Settings(ldconfig=True)))


def of_layouts(suite: str, architecture: str, cache: Path, jobs: int) -> Iterator[Comparison]:
    """The layouts, beside the C library of a suite."""
    base = make_root(DebianRoot(suite, architecture, C_LIBRARY), cache)
    root = planted(base, Target(architecture, INTERPRETERS[architecture]))
    variants = {
        "": How(),
        ", no ld.so.cache": How(cached=False),
        ", simulated ldconfig": How(settings=Settings(ldconfig=True)),
        ", LD_LIBRARY_PATH": How(settings=Settings(LIBRARY_PATH)),
        ", LD_PRELOAD": How(settings=Settings(preload=PRELOADS)),
        ", ld.so.preload": How(preload_file=PRELOAD_FILE),
    }
    if architecture in HWCAPS:
        variants[", capabilities"] = How(settings=Settings(hwcaps=HWCAPS[architecture]))
    for variant, how in variants.items():
        yield compare(root, f"{suite} {architecture} layouts{variant}", replace(how, jobs=jobs, below="/opt/"))


def of_musl(suite: str, architecture: str, cache: Path, jobs: int) -> Iterator[Comparison]:
    """The layouts, crafted and compiled, beside Debian's musl."""
    base = make_root(DebianRoot(suite, architecture, MUSL), cache)
    root = planted(base, Target(architecture, MUSL_INTERPRETERS[architecture]))
    Zig(architecture, cache).plant(root)
    variants = {"": Settings(), ", LD_LIBRARY_PATH": Settings(LIBRARY_PATH), ", LD_PRELOAD": Settings(preload=PRELOADS)}
    for variant, settings in variants.items():
        yield compare(root, f"{suite} {architecture} musl{variant}", How(jobs=jobs, settings=settings, below="/opt/"))
