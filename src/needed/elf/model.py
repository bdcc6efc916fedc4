"""The nouns of an ELF file, in the gABI's words. No algorithm but small look-ups."""

from __future__ import annotations

from struct import Struct

from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from needed.elf.machine import Machine

    class ByteSource(Protocol):
        """Bytes that can be read in pieces; a file of a Root, or `Bytes`."""

        @property
        def size(self) -> int:
            """The length in bytes."""

        def read_at(self, offset: int, size: int) -> bytes:
            """At most `size` bytes from `offset`; fewer at the end, none beyond it."""

else:
    ByteSource = object

ET_EXEC, ET_DYN = 2, 3
PT_LOAD, PT_DYNAMIC, PT_INTERP, PT_NOTE = 1, 2, 3, 4
DF_1_NODEFLIB, DF_1_PIE = 0x800, 0x08000000
DT_VERDEF = 0x6FFFFFFC


@value
class Bytes:
    """A ByteSource over bytes in memory."""

    content: bytes

    @property
    def size(self) -> int:
        return len(self.content)

    def read_at(self, offset: int, size: int) -> bytes:
        return self.content[offset : offset + size]


@value
class Segment:
    """A program header: `p_type`, `p_flags`, and offsets, addresses and sizes in bytes."""

    p_type: int
    p_flags: int
    p_offset: int
    p_vaddr: int
    p_filesz: int
    p_memsz: int


@value
class Dependency:
    """A name that the dynamic section asks for; `tag` is "NEEDED", "FILTER" or "AUXILIARY"."""

    tag: str
    name: str


@value
class VersionNeed:
    """One `verneed`: the file that must define `versions`, and may lack the `weak` ones (VER_FLG_WEAK)."""

    file: str
    versions: tuple[str, ...]
    weak: tuple[str, ...] = ()


@value
class ElfFile:
    """What a loader reads of one file.

    `ident` is `e_ident`, 16 bytes. `headers` are the program headers as they stand in the file: see `segments`.
    `dependencies` are in the order of the dynamic section. `rpath` and `runpath` are the raw strings, None if the tag
    is absent. `entries` is the dynamic section up to and without DT_NULL, as (tag, value) pairs; empty if there is
    none.
    """

    machine: Machine
    e_type: int
    ident: bytes
    headers: bytes
    interpreter: str | None
    dynamic: bool
    entries: tuple[tuple[int, int], ...]
    dependencies: tuple[Dependency, ...]
    soname: str | None
    rpath: str | None
    runpath: str | None
    audit: tuple[str, ...]
    flags_1: int
    version_needs: tuple[VersionNeed, ...]
    version_definitions: tuple[str, ...]

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The program headers, in order. Made when asked for: a search for libraries does not look at them."""
        wide, mark = self.machine.bits == 64, "<" if self.machine.byteorder == "little" else ">"
        layout = Struct(mark + ("IIQQQQQQ" if wide else "IIIIIIII"))
        if wide:
            return tuple(Segment(t, f, o, v, fs, ms) for t, f, o, v, _, fs, ms, _ in layout.iter_unpack(self.headers))
        return tuple(Segment(t, f, o, v, fs, ms) for t, o, v, _, fs, ms, f, _ in layout.iter_unpack(self.headers))

    @property
    def needed(self) -> tuple[str, ...]:
        """The names of DT_NEEDED, in order."""
        return tuple(dependency.name for dependency in self.dependencies if dependency.tag == "NEEDED")

    @property
    def defines_versions(self) -> bool:
        """Whether there is a DT_VERDEF, even one with nothing but the file's own name."""
        return bool(self.version_definitions) or any(tag == DT_VERDEF for tag, _ in self.entries)

    @property
    def linkage(self) -> str:
        """ "dynamic", "static", "static-pie", "shared object", or "relocatable" for what cannot be loaded at all.

        The kernel starts what has no PT_INTERP as it is, so that is static whether or not it has a dynamic section.
        """
        if self.e_type not in (ET_EXEC, ET_DYN):
            return "relocatable"
        if self.e_type == ET_EXEC:
            return "dynamic" if self.interpreter is not None else "static"
        if self.soname is not None and not self.flags_1 & DF_1_PIE:
            return "shared object"  # libc.so.6 has an interpreter as well, and is a library all the same
        if self.interpreter is not None:
            return "dynamic"
        if self.flags_1 & DF_1_PIE:
            return "static-pie"
        return "shared object" if self.dynamic else "static"
