"""Whether a file's segments can be mapped at all: what readelf shows without a word, and no process survives.

What fs/binfmt_elf.c refuses (`load_elf_binary`), and what mmap(2) maps and nobody can touch. Not here: whether an
address is free, or what alignment a page size asks for.
"""

from __future__ import annotations

from needed.elf.model import PT_LOAD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from needed.elf.model import ElfFile

PAGE = 4096  # the smallest in use: behind the end of a file its last page is zeros, and the next one SIGBUS


def mapping_problem(elf_file: ElfFile, size: int) -> str | None:
    """Why a file of `size` bytes with these segments cannot be mapped whole, None if it can."""
    for segment in elf_file.segments:
        if segment.p_type != PT_LOAD:
            continue
        if segment.p_vaddr + max(segment.p_filesz, segment.p_memsz) > 1 << elf_file.machine.bits:
            return "malformed: a PT_LOAD that goes beyond the address space"
        if segment.p_filesz > segment.p_memsz:
            return f"malformed: a PT_LOAD of {segment.p_filesz} bytes in the file and {segment.p_memsz} in memory"
        if segment.p_filesz and segment.p_offset + segment.p_filesz > -(-size // PAGE) * PAGE:
            return f"truncated: a PT_LOAD would end at byte {segment.p_offset + segment.p_filesz} of {size}"
    return None
