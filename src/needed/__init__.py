"""`needed` as a library: the public names, each imported when it is first used."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from needed.closure import Closure, LoadList, Need, Reason, VersionProblem
    from needed.compatibility import Compatibility, Finding, check_program
    from needed.elf import ElfFile, Machine, parse_elf
    from needed.errors import (
        ElfError,
        EngineError,
        ImageError,
        MachineError,
        MissingError,
        NeededError,
        OutputError,
        ProofError,
        ReadError,
        ScriptError,
        SourceError,
        UsageError,
    )
    from needed.image.build import Configuration, Image, build_image, validate_image
    from needed.image.index import ImageIndex, build_index, validate_index
    from needed.image.model import Platform
    from needed.image.root import ImageRoot
    from needed.loader import Resolver, Settings, resolve
    from needed.output.destination import Destination, parse_destination, write_image
    from needed.output.oci_layout import write_oci_layout
    from needed.output.platforms import write_index
    from needed.pipeline import Plan, plan
    from needed.proof import prove
    from needed.root import DirectoryRoot, MemoryRoot
    from needed.rootfs import Addition, Rootfs, assemble
    from needed.scan import Problem, Scanned, scan_root
    from needed.source.opening import open_root
    from needed.version import __version__

_HOMES = {
    "needed.closure": ("Closure", "LoadList", "Need", "Reason", "VersionProblem"),
    "needed.compatibility": ("Compatibility", "Finding", "check_program"),
    "needed.elf": ("ElfFile", "Machine", "parse_elf"),
    "needed.errors": (
        "ElfError", "EngineError", "ImageError", "MachineError", "MissingError", "NeededError", "OutputError",
        "ProofError", "ReadError", "ScriptError", "SourceError", "UsageError",
    ),
    "needed.image.build": ("Configuration", "Image", "build_image", "validate_image"),
    "needed.image.index": ("ImageIndex", "build_index", "validate_index"),
    "needed.image.model": ("Platform",),
    "needed.image.root": ("ImageRoot",),
    "needed.loader": ("Resolver", "Settings", "resolve"),
    "needed.output.destination": ("Destination", "parse_destination", "write_image"),
    "needed.output.oci_layout": ("write_oci_layout",),
    "needed.output.platforms": ("write_index",),
    "needed.pipeline": ("Plan", "plan"),
    "needed.proof": ("prove",),
    "needed.root": ("DirectoryRoot", "MemoryRoot"),
    "needed.rootfs": ("Addition", "Rootfs", "assemble"),
    "needed.scan": ("Problem", "Scanned", "scan_root"),
    "needed.source.opening": ("open_root",),
    "needed.version": ("__version__",),
}  # fmt: skip

__all__ = [
    "Addition",
    "Closure",
    "Compatibility",
    "Configuration",
    "Destination",
    "DirectoryRoot",
    "ElfError",
    "ElfFile",
    "EngineError",
    "Finding",
    "Image",
    "ImageError",
    "ImageIndex",
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
    "ProofError",
    "ReadError",
    "Reason",
    "Resolver",
    "Rootfs",
    "Scanned",
    "ScriptError",
    "Settings",
    "SourceError",
    "UsageError",
    "VersionProblem",
    "__version__",
    "assemble",
    "build_image",
    "build_index",
    "check_program",
    "open_root",
    "parse_destination",
    "parse_elf",
    "plan",
    "prove",
    "resolve",
    "scan_root",
    "validate_image",
    "validate_index",
    "write_image",
    "write_index",
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
