"""Zig: a file (`zig build-exe`) or a project (`zig build`), and `zig cc` as the C compiler of every other target.

A Zig program that uses no C library makes its system calls itself: it is static whatever C library was asked for. Zig
knows musl for each of its targets, and the symbols of every release of glibc since 2.17, so both cost no other package.
Follows `zig build-exe --help` and `zig targets` of Zig 0.17.
"""

from __future__ import annotations

import os

from needed.errors import ToolchainError
from needed.toolchain.model import Recipe, Step
from needed.toolchain.tools import ask, require_tool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from needed.toolchain.model import Options, Source, Target

# image-spec's architecture and variant to Zig's architecture, its ABI behind "musl" and "gnu", and its processor.
_TARGETS = {
    "amd64": ("x86_64", "", ""),
    "amd64/v1": ("x86_64", "", ""),
    "amd64/v2": ("x86_64", "", "x86_64_v2"),
    "amd64/v3": ("x86_64", "", "x86_64_v3"),
    "amd64/v4": ("x86_64", "", "x86_64_v4"),
    "386": ("x86", "", ""),
    "arm64": ("aarch64", "", ""),
    "arm64/v8": ("aarch64", "", ""),
    "arm": ("arm", "eabihf", ""),
    "arm/v7": ("arm", "eabihf", ""),
    "arm/v6": ("arm", "eabihf", "arm1176jzf_s"),
    "arm/v5": ("arm", "eabi", "arm926ej_s"),
    "riscv64": ("riscv64", "", ""),
    "s390x": ("s390x", "", ""),
    "ppc64le": ("powerpc64le", "", ""),
    "loong64": ("loongarch64", "", ""),
    "mips64le": ("mips64el", "abi64", ""),
    "mips": ("mips", "eabihf", ""),
    "mipsle": ("mipsel", "eabihf", ""),
}


def target_words(target: Target) -> tuple[str, ...]:
    """`-target` and `-mcpu` for `target`, for zig and zig cc alike. Raises ToolchainError for what Zig has no C library
    for."""
    platform = target.platform
    key = f"{platform.architecture}/{platform.variant}" if platform.variant else platform.architecture
    if platform.os != "linux" or key not in _TARGETS:
        raise ToolchainError(f"zig compiles nothing for {platform}", hints=[f"it knows {', '.join(_TARGETS)}"])
    machine, abi, processor = _TARGETS[key]
    library = "gnu" if target.libc == "glibc" else "musl"
    release = f".{target.glibc}" if target.glibc else ""
    return "-target", f"{machine}-linux-{library}{abi}{release}", *((f"-mcpu={processor}",) if processor else ())


def plan(source: Source, target: Target, options: Options, work: str) -> Recipe:
    """See `needed.toolchain.Builder`."""
    zig = require_tool("zig", source.files[0] if source.files else source.folder)
    tool = f"zig {ask(zig, 'version')}, {zig}"
    caches = ("--cache-dir", os.path.join(work, "cache"))
    if not source.files:
        words = _project_words(target)
        place = os.path.join(work, "out")
        step = Step((zig, "build", *words, "--prefix", place, *caches, *options.words), (), source.folder)
        return Recipe(tool, (step,), os.path.join(place, "bin", ""))
    product = os.path.join(work, source.name)
    names = [os.path.join(".", os.path.relpath(path, source.folder)) for path in source.files]
    dynamic = ("-dynamic",) if target.libc == "musl" and "-lc" in options.words else ()
    step = Step(
        (zig, "build-exe", *names, "-O", "ReleaseSmall", "-fstrip", *target_words(target), *dynamic,
         f"-femit-bin={product}", *caches, *options.words),
        (), source.folder,
    )  # fmt: skip
    return Recipe(tool, (step,), product)


def _project_words(target: Target) -> tuple[str, ...]:
    """What `zig build` takes for the target: options that a build.zig has by standardTargetOptions."""
    _, triple, *processor = target_words(target)
    return "--release=small", f"-Dtarget={triple}", *(f"-Dcpu={one.removeprefix('-mcpu=')}" for one in processor)
