"""Reads ELF files as a loader does: bytes in, values out. Never sees a path, never runs what it reads.

Follows the gABI (System V Application Binary Interface, "Object Files" and "Dynamic Linking") and the processor
supplements where an ABI hides in `e_flags`. Bounded on any input: every count and every size has a limit.
"""

from needed.elf.machine import Machine
from needed.elf.model import Bytes, ByteSource, Dependency, ElfFile, Segment, VersionNeed
from needed.elf.parse import is_elf, parse_elf, parse_machine

__all__ = [
    "ByteSource",
    "Bytes",
    "Dependency",
    "ElfFile",
    "Machine",
    "Segment",
    "VersionNeed",
    "is_elf",
    "parse_elf",
    "parse_machine",
]
