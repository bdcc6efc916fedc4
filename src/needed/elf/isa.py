"""The processor level that an x86 file asks for: GNU_PROPERTY_X86_ISA_1_NEEDED of PT_GNU_PROPERTY (x86-64 psABI).

glibc refuses a file whose level the processor does not reach (2.33 and later, sysdeps/x86/dl-prop.h). Nothing else
looks at it, and few files have it: those built with `-march=x86-64-v2` and `-Wl,-z,x86-64-v2`.
"""

from __future__ import annotations

from struct import unpack_from

TYPE_CHECKING = False
if TYPE_CHECKING:
    from needed.elf.model import ByteSource, ElfFile

PT_GNU_PROPERTY = 0x6474E553
NT_GNU_PROPERTY_TYPE_0 = 5
ISA_1_NEEDED = 0xC0008002
LEVELS = ("x86-64-v4", "x86-64-v3", "x86-64-v2", "x86-64")  # bits 3, 2, 1, 0
MAX_PROPERTIES = 64 << 10


def parse_isa_level(source: ByteSource, elf: ElfFile) -> str | None:
    """The highest level asked for ("x86-64-v3"), None if the file does not say. Damage counts as not saying."""
    if elf.machine.name not in ("x86-64", "x32", "i386"):
        return None
    segment = next((one for one in elf.segments if one.p_type == PT_GNU_PROPERTY), None)
    if segment is None:
        return None
    note = source.read_at(segment.p_offset, min(segment.p_filesz, MAX_PROPERTIES))
    if len(note) < 16 or note[8:16] != b"\5\0\0\0GNU\0":  # n_type, then the name after n_namesz and n_descsz
        return None
    (size,) = unpack_from("<I", note, 4)
    step = elf.machine.bits // 8
    at, end = 16, min(16 + size, len(note))
    while at + 8 <= end:
        kind, length = unpack_from("<II", note, at)
        if kind == ISA_1_NEEDED and length == 4 and at + 12 <= end:
            (bits,) = unpack_from("<I", note, at + 8)
            return next((name for bit, name in zip((8, 4, 2, 1), LEVELS, strict=True) if bits & bit), None)
        at += 8 + (length + step - 1) // step * step
    return None
