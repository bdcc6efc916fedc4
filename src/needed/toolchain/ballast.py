"""What of an ELF file only a debugger reads, what must stay as it is, and whether two files are one to a loader.

Values of bytes; starts nothing. `weigh` reads section headers (gABI, "Sections"), so that no tool is started for the
files of a distribution, which are stripped already. `find_difference` believes no tool: after stripping, all that is
mapped into memory must be the same, byte for byte, and so must each section that is no symbol table and no debug
information, wherever it stands: a note, or the archive that a packer put there.
"""

from __future__ import annotations

from struct import Struct

from needed.elf.parse import is_elf, parse_elf, parse_machine
from needed.elf.sections import SHT_NOBITS, SHT_SYMTAB, parse_sections
from needed.errors import ElfError
from needed.value import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from needed.elf.machine import Machine
    from needed.elf.model import ByteSource
    from needed.elf.sections import Section

ET_REL, ET_EXEC, ET_DYN = 1, 2, 3
PT_LOAD, PT_INTERP = 1, 3
PT_RISCV_ATTRIBUTES = 0x70000003  # not mapped: its p_memsz means nothing, and binutils sets it to 0
SHF_ALLOC = 2
SHT_NULL, SHT_STRTAB, SHT_RELA, SHT_NOTE, SHT_REL, SHT_GROUP, SHT_SYMTAB_SHNDX = 0, 3, 4, 7, 9, 17, 18
PIECE = 1 << 20
PADDING = 65536  # bytes of nothing but zeros that a linker may leave behind the last section
# Names of sections, or how they begin, that hold debug information: DWARF, stabs, gdb's index, Fedora's small one.
_DEBUG = (".debug_", ".zdebug_", ".gnu.debuglto_", ".stab", ".gdb_index", ".gnu_debugdata", ".line")
_LINKS = (".gnu_debuglink", ".gnu_debugaltlink")  # where else debug information would be
_CHATTER = (".comment", ".shstrtab", ".note.GNU-stack", ".gnu.build.attributes", ".gnu.warning")
_SIGNATURES = (".sig", ".signature", ".sha256_sig", ".sig_key", "signature")
NOTE_NAMES = ".note"


@value
class Ballast:
    """What a file carries that nothing reads while it runs: bytes of symbol tables and of debug information.

    `stays` says why it must ship as it is all the same, "" if it need not; `program` tells a program from a shared
    library; `notes` are the names of notes that no segment maps.
    """

    machine: Machine
    symbols: int
    debug: int
    program: bool
    stays: str
    notes: tuple[str, ...]

    @property
    def size(self) -> int:
        """Both together."""
        return self.symbols + self.debug


def weigh(source: ByteSource) -> Ballast | None:
    """The Ballast of a file; None if it has none, is no ELF file, or is a damaged one, which nobody touches."""
    head = source.read_at(0, 64)
    if not is_elf(head):
        return None
    try:
        header, sections = _Header(source), parse_sections(source)
    except ElfError:
        return None
    spare = [section for section in sections if not section.sh_flags & SHF_ALLOC and section.sh_type != SHT_NOBITS]
    symbols = sum(section.sh_size for section in spare if _is_symbols(section))
    debug = sum(section.sh_size for section in spare if section.name.startswith(_DEBUG))
    if not any(section.sh_type == SHT_SYMTAB for section in spare) and not debug:
        return None
    if symbols + debug > source.size:  # sections that overlap
        return None
    stays = ""
    if header.e_type not in (ET_EXEC, ET_DYN):
        stays = "it is relocatable: its symbols are what it is linked by"
    elif not header.segments:
        stays = "it has no program headers"
    elif any(section.name in _SIGNATURES and section.sh_size for section in sections):
        stays = "it is signed"
    elif extra := _behind(source, header, sections):
        stays = f"{extra:,} bytes stand behind its end, which it may look for there"
    program = header.e_type == ET_EXEC or any(segment[0] == PT_INTERP for segment in header.segments)
    notes = tuple(one.name for one in spare if one.sh_type == SHT_NOTE and one.name.startswith(NOTE_NAMES))
    return Ballast(header.machine, symbols, debug, program, stays, notes)


def find_difference(before: ByteSource, after: ByteSource) -> str:
    """What differs between two files to a loader, or to a program that reads itself; "" for nothing."""
    try:
        first, second = _Header(before), _Header(after)
        if first.fixed != second.fixed:
            return "its header says something else"
        if replace(parse_elf(before), headers=b"") != replace(parse_elf(after), headers=b""):
            return "its dynamic section says something else"
        return _segments_differ(before, after, first, second) or _sections_differ(before, after)
    except ElfError as error:
        return f"it is damaged: {error.message}"


class _Header:
    """The ELF header, and the program headers as tuples: type, flags, offset, address, physical address, size in the
    file, size in memory, alignment. Raises ElfError."""

    def __init__(self, source: ByteSource) -> None:
        head = source.read_at(0, 64)
        self.machine = parse_machine(head)
        mark = "<" if self.machine.byteorder == "little" else ">"
        wide = self.machine.bits == 64
        fields = Struct(mark + ("HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH")).unpack_from(head, 16)
        self.e_type, self.e_phoff, self.e_shoff = fields[0], fields[4], fields[5]
        self.e_ehsize, self.e_shentsize = fields[7], fields[10]
        # All but where the section headers stand, how many there are, and which of them has the names.
        self.fixed = (head[:16], *fields[:5], *fields[6:11])
        raw, layout = parse_elf(source).headers, Struct(mark + ("IIQQQQQQ" if wide else "IIIIIIII"))
        found = layout.iter_unpack(raw)
        if not wide:
            found = ((t, fl, o, v, p, fs, ms, a) for t, o, v, p, fs, ms, fl, a in found)
        self.segments: tuple[tuple[int, ...], ...] = tuple(found)
        self.segments_end = self.e_phoff + len(raw)


def _is_symbols(section: Section) -> bool:
    return section.sh_type in (SHT_SYMTAB, SHT_SYMTAB_SHNDX) or (
        section.sh_type == SHT_STRTAB and section.name == ".strtab"
    )


def _behind(source: ByteSource, header: _Header, sections: tuple[Section, ...]) -> int:
    """The bytes behind all that headers speak of, but for a linker's zeros."""
    ends = [section.sh_offset + section.sh_size for section in sections
            if section.sh_type not in (SHT_NULL, SHT_NOBITS)]  # fmt: skip
    ends += [segment[2] + segment[5] for segment in header.segments]
    ends += [header.e_shoff + len(sections) * header.e_shentsize, header.segments_end]
    extra = source.size - max(ends)
    if 0 < extra <= PADDING and not source.read_at(max(ends), extra).strip(b"\0"):
        return 0
    return max(extra, 0)


def _segments_differ(before: ByteSource, after: ByteSource, first: _Header, second: _Header) -> str:
    """Each program header but for its offset, and each byte that it covers; what lies in one that was compared, at the
    same place of it, is compared already."""
    left = 4 * before.size  # of segments that overlap a hostile file may have thousands
    headers = (*_headers(before, first), *_headers(after, second))
    compared: list[tuple[int, int, int]] = []
    for one, other in zip(first.segments, second.segments, strict=True):
        if _meaning(one) != _meaning(other):
            return "a program header says something else"
        start, align, moved = one[2], one[7], other[2] - one[2]
        size, rest = min(one[5], other[5]), abs(one[5] - other[5])
        # binutils cuts off zeros at the end of data; memory is zero behind what is in the file (elf(5), PT_LOAD).
        longer = (before, start) if one[5] > other[5] else (after, other[2])
        if rest and (one[0] != PT_LOAD or rest > PADDING or one[6] < size + rest
                     or longer[0].read_at(longer[1] + size, rest).strip(b"\0")):  # fmt: skip
            return "a program header says something else"
        if one[0] == PT_LOAD and align > 1 and moved % align:
            return "a segment stands where it cannot be mapped"
        if any(at <= start and start + size <= end and by == moved for at, end, by in compared):
            continue
        left -= size
        if left < 0:
            return "its segments overlap"
        if not _same(before, after, (start, other[2], size), headers):
            return f"a segment of {size:,} bytes has another content"
        compared.append((start, start + size, moved))
    return ""


def _meaning(segment: tuple[int, ...]) -> tuple[int, ...]:
    """What of a program header counts, besides its offset and size in the file, which are looked at with the bytes."""
    memory = 0 if segment[0] == PT_RISCV_ATTRIBUTES else segment[6]
    return (*segment[:2], *segment[3:5], memory, segment[7])


_Ranges = tuple[tuple[int, int], ...]


def _headers(source: ByteSource, header: _Header) -> _Ranges:
    """Where headers stand, which a segment may cover: Go's linker has those of sections in the first. Where these lie
    over something that is mapped, they are looked at like anything else."""
    sections = parse_sections(source)
    start, end = header.e_shoff, header.e_shoff + len(sections) * header.e_shentsize
    mapped = (one for one in sections if one.sh_flags & SHF_ALLOC and one.sh_type != SHT_NOBITS)
    if any(one.sh_offset < end and start < one.sh_offset + one.sh_size for one in mapped):
        end = start
    return ((0, header.e_ehsize), (header.e_phoff, header.segments_end), (start, end))


def _same(before: ByteSource, after: ByteSource, where: tuple[int, int, int], covered: _Ranges = ()) -> bool:
    """Whether both have the same `size` bytes, each from its offset on, what stands at `covered` left out."""
    start, other, size = where
    for done in range(0, size, PIECE):
        length = min(PIECE, size - done)
        pieces = before.read_at(start + done, length), after.read_at(other + done, length)
        if len(pieces[0]) != len(pieces[1]):
            return False
        if pieces[0] != pieces[1] and (
            _blank(pieces[0], start + done, covered) != _blank(pieces[1], other + done, covered)
        ):
            return False
    return True


def _blank(piece: bytes, at: int, covered: _Ranges) -> bytes:
    content = bytearray(piece)
    for start, end in covered:
        low, high = max(start - at, 0), min(end - at, len(content))
        if low < high:
            content[low:high] = bytes(high - low)
    return bytes(content)


def _sections_differ(before: ByteSource, after: ByteSource) -> str:
    """Sections that hold neither symbols nor debug information, by name, in their order."""
    kept: dict[str, list[Section]] = {}
    for section in parse_sections(after):
        kept.setdefault(section.name, []).append(section)
    left = 4 * before.size
    for section in parse_sections(before):
        if _may_go(section):
            continue
        same = kept.get(section.name)
        other = same.pop(0) if same else None
        if other is None or (section.sh_type, section.sh_size) != (other.sh_type, other.sh_size):
            return f"the section {section.name} is gone, or another one"
        if section.sh_flags & SHF_ALLOC or section.sh_type == SHT_NOBITS:
            continue  # of a segment, so compared
        left -= section.sh_size
        if left < 0 or not _same(before, after, (section.sh_offset, other.sh_offset, section.sh_size)):
            return f"the section {section.name} has another content"
    return ""


def _may_go(section: Section) -> bool:
    if section.sh_type == SHT_NULL:
        return True
    if section.sh_flags & SHF_ALLOC:
        return False
    return (
        _is_symbols(section)
        or section.sh_type in (SHT_REL, SHT_RELA, SHT_GROUP)  # what the linker kept for itself (--emit-relocs)
        or section.name.startswith((*_DEBUG, *_LINKS, *_CHATTER))
    )
