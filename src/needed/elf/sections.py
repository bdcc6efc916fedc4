"""The section headers (gABI, "Sections"): what people and debuggers look at, and no loader does.

A file without section headers has none, which is no error: `sstrip` and packers remove them. Reads no content.
"""

from __future__ import annotations

from struct import Struct

from needed.elf.model import Bytes
from needed.elf.parse import parse_machine
from needed.errors import ElfError
from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from needed.elf.model import ByteSource

MAX_SECTIONS = 65536
MAX_NAMES = 16 << 20  # bytes of the section name table that are read
MAX_NAME = 256  # bytes of one name that are kept
SHT_SYMTAB, SHT_NOBITS = 2, 8
SHN_XINDEX = 0xFFFF


@value
class Section:
    """A section header: its name, its type, its flags, and where its content stands in the file."""

    name: str
    sh_type: int
    sh_flags: int
    sh_offset: int
    sh_size: int


def parse_sections(source: ByteSource | bytes) -> tuple[Section, ...]:
    """The section headers in order, the null section at index 0 included. Raises ElfError."""
    source = Bytes(source) if isinstance(source, bytes) else source
    head = source.read_at(0, 64)
    machine = parse_machine(head)
    mark = "<" if machine.byteorder == "little" else ">"
    wide = machine.bits == 64
    header = Struct(mark + ("QIHHHHHH" if wide else "IIHHHHHH"))
    e_shoff, _, _, _, _, e_shentsize, e_shnum, e_shstrndx = header.unpack_from(head, 40 if wide else 32)
    if e_shoff == 0:
        return ()
    # sh_name, sh_type, sh_flags, sh_addr, sh_offset, sh_size, sh_link, sh_info, sh_addralign, sh_entsize
    layout = Struct(mark + ("IIQQQQIIQQ" if wide else "IIIIIIIIII"))
    if e_shentsize != layout.size:
        raise ElfError(f"malformed: section headers of {e_shentsize} bytes, expected {layout.size}")
    if e_shnum == 0 or e_shstrndx == SHN_XINDEX:  # what does not fit the header is in section header 0
        first = layout.unpack(_exactly(source, e_shoff, layout.size))
        e_shnum = e_shnum or first[5]
        e_shstrndx = first[6] if e_shstrndx == SHN_XINDEX else e_shstrndx
    if e_shnum > MAX_SECTIONS:
        raise ElfError(f"malformed: {e_shnum} section headers, more than {MAX_SECTIONS}")
    headers = tuple(layout.iter_unpack(_exactly(source, e_shoff, e_shnum * layout.size)))
    names = b""
    if 0 < e_shstrndx < len(headers) and headers[e_shstrndx][1] != SHT_NOBITS:
        names = source.read_at(headers[e_shstrndx][4], min(headers[e_shstrndx][5], MAX_NAMES))
    return tuple(Section(_name(names, h[0]), h[1], h[2], h[4], h[5]) for h in headers)


def _exactly(source: ByteSource, offset: int, size: int) -> bytes:
    piece = source.read_at(offset, size) if offset + size <= source.size else b""
    if len(piece) != size:
        raise ElfError(f"truncated: the section headers would end at byte {offset + size} of {source.size}")
    return piece


def _name(names: bytes, offset: int) -> str:
    return names[offset : offset + MAX_NAME].partition(b"\0")[0].decode("utf-8", "surrogateescape")
