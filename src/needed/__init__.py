"""`needed` as a library: the public names, each imported when it is first used."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from needed.closure import Closure, LoadList, Need, Reason
    from needed.elf import ElfFile, Machine, parse_elf
    from needed.errors import (
        ElfError,
        EngineError,
        ImageError,
        MachineError,
        MissingError,
        NeededError,
        OutputError,
        ReadError,
        SourceError,
        UsageError,
    )
    from needed.image.build import Configuration, Image, build_image, validate_image
    from needed.image.model import Platform
    from needed.image.root import ImageRoot
    from needed.loader import Resolver, resolve
    from needed.output.destination import Destination, parse_destination, write_image
    from needed.output.oci_layout import write_oci_layout
    from needed.pipeline import Plan, plan
    from needed.root import DirectoryRoot, MemoryRoot
    from needed.rootfs import Addition, Rootfs, assemble
    from needed.scan import Problem, Scanned, scan_root
    from needed.source.opening import open_root
    from needed.version import __version__

_HOMES = {
    "needed.closure": ("Closure", "LoadList", "Need", "Reason"),
    "needed.elf": ("ElfFile", "Machine", "parse_elf"),
    "needed.errors": (
        "ElfError", "EngineError", "ImageError", "MachineError", "MissingError", "NeededError", "OutputError",
        "ReadError", "SourceError", "UsageError",
    ),
    "needed.image.build": ("Configuration", "Image", "build_image", "validate_image"),
    "needed.image.model": ("Platform",),
    "needed.image.root": ("ImageRoot",),
    "needed.loader": ("Resolver", "resolve"),
    "needed.output.destination": ("Destination", "parse_destination", "write_image"),
    "needed.output.oci_layout": ("write_oci_layout",),
    "needed.pipeline": ("Plan", "plan"),
    "needed.root": ("DirectoryRoot", "MemoryRoot"),
    "needed.rootfs": ("Addition", "Rootfs", "assemble"),
    "needed.scan": ("Problem", "Scanned", "scan_root"),
    "needed.source.opening": ("open_root",),
    "needed.version": ("__version__",),
}  # fmt: skip

__all__ = [
    "Addition",
    "Closure",
    "Configuration",
    "Destination",
    "DirectoryRoot",
    "ElfError",
    "ElfFile",
    "EngineError",
    "Image",
    "ImageError",
    "ImageRoot",
    "LoadList",
    "Machine",
    "MachineError",
    "MemoryRoot",
    "MissingError",
    "Need",
    "NeededError",
    "OutputError",
    "Plan",
    "Platform",
    "Problem",
    "ReadError",
    "Reason",
    "Resolver",
    "Rootfs",
    "Scanned",
    "SourceError",
    "UsageError",
    "__version__",
    "assemble",
    "build_image",
    "open_root",
    "parse_destination",
    "parse_elf",
    "plan",
    "resolve",
    "scan_root",
    "validate_image",
    "write_image",
    "write_oci_layout",
]


def __getattr__(name: str) -> object:
    from importlib import import_module

    for home, names in _HOMES.items():
        if name in names:
            found = getattr(import_module(home), name)
            globals()[name] = found
            return found
    raise AttributeError(f"module 'needed' has no attribute {name!r}")
