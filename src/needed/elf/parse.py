"""Bytes to an `ElfFile`. Follows the gABI; where the gABI leaves a choice, does what the kernel and glibc do.

Deliberately not here: sections (a loader does not read them; see `sections`), symbols, and any notion of a path.
"""

from __future__ import annotations

from struct import Struct, unpack_from

from needed.elf.machine import Machine, abi_of
from needed.elf.model import PT_DYNAMIC, PT_INTERP, PT_LOAD, Bytes, Dependency, ElfFile, Segment, VersionNeed
from needed.errors import ElfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.elf.model import ByteSource

MAX_SEGMENTS = 4096
MAX_DYNAMIC_ENTRIES = 65536
MAX_DEPENDENCIES = 10_000
MAX_PATH = 4096  # PATH_MAX; the kernel refuses a longer PT_INTERP (fs/binfmt_elf.c)
MAX_STRING = 65536  # an RPATH may be long, but not longer than this
MAX_STRINGS = 4 << 20  # bytes of all strings of one file together: overlapping ones must not fill the memory
MAX_VERSIONS = 65536
HEAD = 4096  # one read brings the header, the program headers and nearly always the interpreter

DT_NEEDED, DT_STRTAB, DT_STRSZ, DT_SONAME, DT_RPATH, DT_RUNPATH = 1, 5, 10, 14, 15, 29
DT_FLAGS_1, DT_VERDEF, DT_VERDEFNUM, DT_VERNEED, DT_VERNEEDNUM = (
    0x6FFFFFFB, 0x6FFFFFFC, 0x6FFFFFFD, 0x6FFFFFFE, 0x6FFFFFFF,
)  # fmt: skip
DT_AUDIT, DT_DEPAUDIT, DT_AUXILIARY, DT_FILTER = 0x6FFFFEFC, 0x6FFFFEFB, 0x7FFFFFFD, 0x7FFFFFFF
_DEPENDENCY_TAGS = {DT_NEEDED: "NEEDED", DT_FILTER: "FILTER", DT_AUXILIARY: "AUXILIARY"}

# Struct formats by class: header after e_ident, program header, dynamic entry.
_HEADER = {32: "HHIIIIIHHHHHH", 64: "HHIQQQIHHHHHH"}
_SEGMENT = {32: "IIIIIIII", 64: "IIQQQQQQ"}
_ENTRY = {32: "iI", 64: "qQ"}
_STRUCTS: dict[str, Struct] = {}


def is_elf(head: bytes) -> bool:
    """Whether the first four bytes are those of an ELF file."""
    return head[:4] == b"\x7fELF"


def parse_machine(head: bytes) -> Machine:
    """The machine, from the first 52 bytes (32-bit) or 64 bytes (64-bit). Raises ElfError."""
    if not is_elf(head):
        raise ElfError("not an ELF file")
    if len(head) < 52:
        raise ElfError("truncated: shorter than an ELF header")
    bits = {1: 32, 2: 64}.get(head[4])
    order = {1: "little", 2: "big"}.get(head[5])
    if bits is None or order is None:
        raise ElfError(f"malformed: class {head[4]}, byte order {head[5]}")
    if bits == 64 and len(head) < 64:
        raise ElfError("truncated: shorter than an ELF header")
    mark = "<" if order == "little" else ">"
    (e_machine,) = unpack_from(mark + "H", head, 18)
    (e_flags,) = unpack_from(mark + "I", head, 48 if bits == 64 else 36)
    return Machine(bits, order, e_machine, abi_of(e_machine, e_flags))


def parse_elf(source: ByteSource | bytes) -> ElfFile:
    """What a loader reads of the file. Raises ElfError with the reason if it is not a whole ELF file."""
    return _Parser(Bytes(source) if isinstance(source, bytes) else source).parse()


class _Parser:
    """One file being read. Holds the class-dependent formats and the map from addresses to offsets."""

    def __init__(self, source: ByteSource) -> None:
        self.source = source
        self.head = source.read_at(0, HEAD)
        self.machine = parse_machine(self.head)
        self.mark = "<" if self.machine.byteorder == "little" else ">"
        self.loads: list[Segment] = []
        self.strings_at = self.strings_size = 0
        self.strings = b""
        self.texts: dict[int, str] = {}
        self.budget = MAX_STRINGS

    def parse(self) -> ElfFile:
        bits = self.machine.bits
        header = unpack_from(self.mark + _HEADER[bits], self.head, 16)
        e_type, e_version, e_phoff, e_shoff, e_phentsize, e_phnum = (header[i] for i in (0, 2, 4, 5, 8, 9))
        if self.head[6] != 1 or e_version != 1:
            raise ElfError(f"malformed: ELF version {e_version}, expected 1")
        segments = self.segments(e_phoff, e_phentsize, e_phnum, e_shoff)
        self.loads = [segment for segment in segments if segment.p_type == PT_LOAD]
        interpreter = next((self.interpreter(s) for s in segments if s.p_type == PT_INTERP), None)
        # glibc takes the last PT_DYNAMIC (elf/dl-load.c), a well-formed file has one.
        dynamic = next((s for s in reversed(segments) if s.p_type == PT_DYNAMIC), None)
        entries = () if dynamic is None else self.entries(dynamic)
        last = dict(entries)  # as in glibc's l_info, the last entry of a tag counts
        self.open_strings(last)
        dependencies = tuple(
            Dependency(_DEPENDENCY_TAGS[tag], self.string(item)) for tag, item in entries if tag in _DEPENDENCY_TAGS
        )
        if len(dependencies) > MAX_DEPENDENCIES:
            raise ElfError(f"malformed: more than {MAX_DEPENDENCIES} DT_NEEDED entries")
        audit = tuple(self.string(item) for tag, item in entries if tag in (DT_AUDIT, DT_DEPAUDIT))
        return ElfFile(
            self.machine,
            e_type,
            self.head[7],
            segments,
            interpreter,
            dynamic is not None,
            entries,
            dependencies,
            self.optional(last, DT_SONAME),
            self.optional(last, DT_RPATH),
            self.optional(last, DT_RUNPATH),
            audit,
            last.get(DT_FLAGS_1, 0),
            tuple(self.version_needs(last)),
            tuple(self.version_definitions(last)),
        )

    def segments(self, e_phoff: int, e_phentsize: int, e_phnum: int, e_shoff: int) -> tuple[Segment, ...]:
        if e_phnum == 0xFFFF and e_shoff:  # PN_XNUM: the number is in sh_info of section header 0
            offset, size = (44, 64) if self.machine.bits == 64 else (28, 40)
            e_phnum = unpack_from(self.mark + "I", self.exactly(e_shoff, size, "section header 0"), offset)[0]
        if e_phnum == 0:
            return ()
        layout = self.struct(_SEGMENT)
        if e_phentsize != layout.size:
            raise ElfError(f"malformed: program headers of {e_phentsize} bytes, expected {layout.size}")
        if e_phnum > MAX_SEGMENTS:
            raise ElfError(f"malformed: {e_phnum} program headers, more than {MAX_SEGMENTS}")
        table = self.exactly(e_phoff, e_phnum * layout.size, "the program headers")
        if self.machine.bits == 64:
            return tuple(Segment(t, f, o, v, fs, ms) for t, f, o, v, _, fs, ms, _ in layout.iter_unpack(table))
        return tuple(Segment(t, f, o, v, fs, ms) for t, o, v, _, fs, ms, f, _ in layout.iter_unpack(table))

    def interpreter(self, segment: Segment) -> str:
        if not 2 <= segment.p_filesz <= MAX_PATH:
            raise ElfError(f"malformed: PT_INTERP of {segment.p_filesz} bytes")
        name = self.exactly(segment.p_offset, segment.p_filesz, "PT_INTERP")
        if name[-1:] != b"\0":
            raise ElfError("malformed: PT_INTERP does not end with a NUL byte")
        if name[:1] == b"\0":
            raise ElfError("malformed: PT_INTERP is empty")
        return _text(name[: name.index(b"\0")])

    def entries(self, segment: Segment) -> tuple[tuple[int, int], ...]:
        layout = self.struct(_ENTRY)
        size = min(segment.p_filesz, MAX_DYNAMIC_ENTRIES * layout.size)
        table = self.exactly(segment.p_offset, size - size % layout.size, "the dynamic section")
        entries: list[tuple[int, int]] = []
        for entry in layout.iter_unpack(table):
            if entry[0] == 0:  # DT_NULL
                break
            entries.append((entry[0], entry[1]))
        return tuple(entries)

    def open_strings(self, last: dict[int, int]) -> None:
        if DT_STRTAB not in last:
            return
        self.strings_size = last.get(DT_STRSZ, 0)
        self.strings_at = self.offset(last[DT_STRTAB], "DT_STRTAB")
        # A small table in one read; of a large one (C++ libraries) only what is asked for.
        if self.strings_size <= MAX_STRING:
            self.strings = self.read(self.strings_at, self.strings_size)

    def string(self, offset: int) -> str:
        """The NUL-terminated string at `offset` of the dynamic string table."""
        if offset in self.texts:
            return self.texts[offset]
        if offset >= self.strings_size:
            raise ElfError(f"malformed: string offset {offset} outside of DT_STRTAB ({self.strings_size} bytes)")
        if self.strings:
            end = self.strings.find(b"\0", offset)
            found = self.strings[offset:end]
        else:
            piece = self.read(self.strings_at + offset, min(256, self.strings_size - offset))
            if b"\0" not in piece:
                piece = self.read(self.strings_at + offset, min(MAX_STRING, self.strings_size - offset))
            end = piece.find(b"\0")
            found = piece[:end]
        if end < 0:
            raise ElfError("malformed: a dynamic string without an end")
        self.budget -= len(found)
        if self.budget < 0:
            raise ElfError(f"malformed: more than {MAX_STRINGS} bytes of dynamic strings")
        self.texts[offset] = _text(found)
        return self.texts[offset]

    def optional(self, last: dict[int, int], tag: int) -> str | None:
        return self.string(last[tag]) if tag in last else None

    def version_needs(self, last: dict[int, int]) -> Iterator[VersionNeed]:
        """The `verneed` records and their `vernaux` (gABI's symbol versioning supplement, LSB "Symbol Versioning")."""
        if not (address := last.get(DT_VERNEED)):
            return
        at, budget = self.offset(address, "DT_VERNEED"), MAX_VERSIONS
        table = self.tail(at)
        position = 0
        for _ in range(min(last.get(DT_VERNEEDNUM, 0), MAX_VERSIONS)):
            _, count, file, aux, following = self.unpack("HHIII", table, position)
            name = self.string(file)
            place = position + aux
            for _ in range(count):
                budget -= 1
                if budget < 0:
                    raise ElfError("malformed: too many version needs")
                _, flags, _, version, step = self.unpack("IHHII", table, place)
                yield VersionNeed(name, self.string(version), bool(flags & 2))
                place += step
            if not following:
                return
            position += following

    def version_definitions(self, last: dict[int, int]) -> Iterator[str]:
        """The names of the `verdef` records, the file's own name (VER_FLG_BASE) left out."""
        if not (address := last.get(DT_VERDEF)):
            return
        table = self.tail(self.offset(address, "DT_VERDEF"))
        position = 0
        for _ in range(min(last.get(DT_VERDEFNUM, 0), MAX_VERSIONS)):
            _, flags, _, _, _, aux, following = self.unpack("HHHHIII", table, position)
            if not flags & 1:
                yield self.string(self.unpack("I", table, position + aux)[0])
            if not following:
                return
            position += following

    def unpack(self, layout: str, table: bytes, position: int) -> tuple[int, ...]:
        structure = self.struct(layout)
        if position + structure.size > len(table):
            raise ElfError("malformed: a version record outside of its table")
        return structure.unpack_from(table, position)

    def tail(self, at: int) -> bytes:
        """What stands from `at` on in the file, as far as version tables reach."""
        return self.read(at, 4 * MAX_STRING if self.source.size - at > HEAD else HEAD)

    def offset(self, address: int, what: str) -> int:
        for load in self.loads:
            if load.p_vaddr <= address < load.p_vaddr + load.p_filesz:
                return address - load.p_vaddr + load.p_offset
        raise ElfError(f"malformed: {what} points to an address that no PT_LOAD maps from the file")

    def read(self, offset: int, size: int) -> bytes:
        if offset + size <= len(self.head):
            return self.head[offset : offset + size]
        return self.source.read_at(offset, size) if offset < self.source.size else b""

    def exactly(self, offset: int, size: int, what: str) -> bytes:
        piece = self.read(offset, size) if offset + size <= self.source.size else b""
        if len(piece) != size:
            raise ElfError(f"truncated: {what} would end at byte {offset + size} of {self.source.size}")
        return piece

    def struct(self, layout: dict[int, str] | str) -> Struct:
        form = self.mark + (layout if isinstance(layout, str) else layout[self.machine.bits])
        if form not in _STRUCTS:
            _STRUCTS[form] = Struct(form)
        return _STRUCTS[form]


def _text(raw: bytes) -> str:
    # Names are bytes to a loader. Undecodable ones survive the way to text and back (PEP 383), on any locale.
    return raw.decode("utf-8", "surrogateescape")
