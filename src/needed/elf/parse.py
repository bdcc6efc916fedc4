"""Bytes to an `ElfFile`. Follows the gABI; where the gABI leaves a choice, does what the kernel and glibc do.

Deliberately not here: sections (a loader does not read them; see `sections`), symbols, and any notion of a path.
A whole root has thousands of files, so this is written for speed: few reads, nothing made that nobody asked for.
"""

from __future__ import annotations

from struct import Struct, unpack_from

from needed.elf.machine import Machine, abi_of
from needed.elf.model import DT_VERDEF, Bytes, Dependency, ElfFile, VersionNeed
from needed.errors import ElfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from needed.elf.model import ByteSource

MAX_SEGMENTS = 4096
MAX_DYNAMIC_ENTRIES = 65536
MAX_DEPENDENCIES = 10_000
MAX_PATH = 4096  # PATH_MAX; the kernel refuses a longer PT_INTERP (fs/binfmt_elf.c)
MAX_STRING = 65536  # an RPATH may be long, but not longer than this
MAX_STRINGS = 4 << 20  # bytes of all strings of one file together: overlapping and repeated ones too
MAX_VERSIONS = 65536
MAX_VERSION_TABLE = 4 * MAX_STRING
HEAD = 4096  # one read brings the header, the program headers and nearly always the interpreter

DT_NEEDED, DT_STRTAB, DT_STRSZ, DT_SONAME, DT_RPATH, DT_RUNPATH = 1, 5, 10, 14, 15, 29
DT_FLAGS_1, DT_VERDEFNUM, DT_VERNEED, DT_VERNEEDNUM = 0x6FFFFFFB, 0x6FFFFFFD, 0x6FFFFFFE, 0x6FFFFFFF
DT_AUDIT, DT_DEPAUDIT, DT_AUXILIARY, DT_FILTER = 0x6FFFFEFC, 0x6FFFFEFB, 0x7FFFFFFD, 0x7FFFFFFF
_DEPENDENCY_TAGS = {DT_NEEDED: "NEEDED", DT_FILTER: "FILTER", DT_AUXILIARY: "AUXILIARY"}
VER_FLG_BASE, VER_FLG_WEAK = 1, 2


class _Layout:
    """The structures of one class and byte order (gABI, "Data Representation")."""

    def __init__(self, bits: int, mark: str) -> None:
        wide = bits == 64
        self.header = Struct(mark + ("HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH"))  # after e_ident
        self.segment = Struct(mark + ("IIQQQQQQ" if wide else "IIIIIIII"))
        self.entry = Struct(mark + ("qQ" if wide else "iI"))
        # Where p_offset, p_vaddr and p_filesz stand in a program header.
        self.offset, self.vaddr, self.filesz = (2, 3, 5) if wide else (1, 2, 4)
        self.section_info, self.section_size = (44, 64) if wide else (28, 40)
        self.word = Struct(mark + "I")
        self.verneed, self.vernaux = Struct(mark + "HHIII"), Struct(mark + "IHHII")
        self.verdef = Struct(mark + "HHHHIII")


_LAYOUTS: dict[tuple[int, str], _Layout] = {}
_MACHINES: dict[tuple[int, int, int, int], Machine] = {}
_CLASSES, _ORDERS = {1: 32, 2: 64}, {1: "little", 2: "big"}


def is_elf(head: bytes) -> bool:
    """Whether the first four bytes are those of an ELF file."""
    return head[:4] == b"\x7fELF"


def parse_machine(head: bytes) -> Machine:
    """The machine, from the first 52 bytes (32-bit) or 64 bytes (64-bit). Raises ElfError."""
    if head[:4] != b"\x7fELF":
        raise ElfError("not an ELF file")
    if len(head) < 52:
        raise ElfError("truncated: shorter than an ELF header")
    bits, order = _CLASSES.get(head[4]), _ORDERS.get(head[5])
    if bits is None or order is None:
        raise ElfError(f"malformed: class {head[4]}, byte order {head[5]}")
    if bits == 64 and len(head) < 64:
        raise ElfError("truncated: shorter than an ELF header")
    mark = "<" if order == "little" else ">"
    (e_machine,) = unpack_from(mark + "H", head, 18)
    (e_flags,) = unpack_from(mark + "I", head, 48 if bits == 64 else 36)
    key = (head[4], head[5], e_machine, e_flags)
    found = _MACHINES.get(key)
    if found is None:
        found = Machine(bits, order, e_machine, abi_of(e_machine, e_flags))
        if len(_MACHINES) < 64:  # there are few real ones, and e_flags of damaged files have 2^32 values
            _MACHINES[key] = found
    return found


def parse_elf(source: ByteSource | bytes) -> ElfFile:
    """What a loader reads of the file. Raises ElfError with the reason if it is not a whole ELF file."""
    reader = _Reader(Bytes(source) if isinstance(source, bytes) else source)
    machine, layout, head = reader.machine, reader.layout, reader.head
    e_type, _, e_version, _, e_phoff, e_shoff, _, _, e_phentsize, e_phnum, _, _, _ = layout.header.unpack_from(head, 16)
    if head[6] != 1 or e_version != 1:
        raise ElfError(f"malformed: ELF version {e_version}, expected 1")
    headers = reader.headers(e_phoff, e_phentsize, e_phnum, e_shoff)

    interpreter, dynamic = None, None
    for segment in layout.segment.iter_unpack(headers):
        match segment[0]:
            case 1:  # PT_LOAD
                reader.loads.append(segment)
            case 2:  # PT_DYNAMIC; glibc takes the last (elf/dl-load.c), a well-formed file has one
                dynamic = segment
            case 3:  # PT_INTERP; the kernel takes the first
                if interpreter is None:
                    interpreter = reader.interpreter(segment)
    entries = () if dynamic is None else reader.entries(dynamic)
    last = dict(entries)  # as in glibc's l_info, the last entry of a tag counts
    if DT_STRTAB in last:
        reader.open_strings(last[DT_STRTAB], last.get(DT_STRSZ, 0))
    string = reader.string
    dependencies = tuple(
        [Dependency(_DEPENDENCY_TAGS[tag], string(item)) for tag, item in entries if tag in _DEPENDENCY_TAGS]
    )
    if len(dependencies) > MAX_DEPENDENCIES:
        raise ElfError(f"malformed: more than {MAX_DEPENDENCIES} DT_NEEDED entries")
    return ElfFile(
        machine,
        e_type,
        head[:16],
        headers,
        interpreter,
        dynamic is not None and dynamic[layout.filesz] > 0,  # a debug-only file has an empty one
        entries,
        dependencies,
        string(last[DT_SONAME]) if DT_SONAME in last else None,
        string(last[DT_RPATH]) if DT_RPATH in last else None,
        string(last[DT_RUNPATH]) if DT_RUNPATH in last else None,
        tuple([string(last[tag]) for tag in (DT_AUDIT, DT_DEPAUDIT) if tag in last]),
        last.get(DT_FLAGS_1, 0),
        reader.version_needs(last[DT_VERNEED], last.get(DT_VERNEEDNUM, 0)) if last.get(DT_VERNEED) else (),
        reader.version_definitions(last[DT_VERDEF], last.get(DT_VERDEFNUM, 0)) if last.get(DT_VERDEF) else (),
    )


class _Reader:
    """One file being read: the map from addresses to offsets, and the strings seen so far."""

    def __init__(self, source: ByteSource) -> None:
        self.source = source
        self.head = source.read_at(0, HEAD)
        self.machine = parse_machine(self.head)
        bits, order = self.machine.bits, self.machine.byteorder
        layout = _LAYOUTS.get((bits, order))
        if layout is None:
            layout = _LAYOUTS[bits, order] = _Layout(bits, "<" if order == "little" else ">")
        self.layout = layout
        self.loads: list[tuple[int, ...]] = []
        self.strings_at = self.strings_size = 0
        self.window, self.window_at = b"", 0
        self.texts: dict[int, str] = {}
        self.budget = MAX_STRINGS

    def headers(self, e_phoff: int, e_phentsize: int, e_phnum: int, e_shoff: int) -> bytes:
        layout = self.layout
        if e_phnum == 0xFFFF and e_shoff:  # PN_XNUM: the number is in sh_info of section header 0
            header = self.exactly(e_shoff, layout.section_size, "section header 0")
            (e_phnum,) = layout.word.unpack_from(header, layout.section_info)
        if e_phnum == 0:
            return b""
        size = layout.segment.size
        if e_phentsize != size:
            raise ElfError(f"malformed: program headers of {e_phentsize} bytes, expected {size}")
        if e_phnum > MAX_SEGMENTS:
            raise ElfError(f"malformed: {e_phnum} program headers, more than {MAX_SEGMENTS}")
        return self.exactly(e_phoff, e_phnum * size, "the program headers")

    def interpreter(self, segment: tuple[int, ...]) -> str:
        offset, size = segment[self.layout.offset], segment[self.layout.filesz]
        if not 2 <= size <= MAX_PATH:
            raise ElfError(f"malformed: PT_INTERP of {size} bytes")
        name = self.exactly(offset, size, "PT_INTERP")
        if name[-1:] != b"\0":
            raise ElfError("malformed: PT_INTERP does not end with a NUL byte")
        if name[:1] == b"\0":
            raise ElfError("malformed: PT_INTERP is empty")
        return name[: name.index(b"\0")].decode("utf-8", "surrogateescape")

    def entries(self, segment: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
        offset, filesz, step = segment[self.layout.offset], segment[self.layout.filesz], self.layout.entry.size
        size = min(filesz, MAX_DYNAMIC_ENTRIES * step)
        table = self.exactly(offset, size - size % step, "the dynamic section")
        entries: list[tuple[int, int]] = []
        for entry in self.layout.entry.iter_unpack(table):
            if entry[0] == 0:  # DT_NULL
                break
            entries.append(entry)
        return tuple(entries)

    def open_strings(self, address: int, size: int) -> None:
        self.strings_size = size
        self.strings_at = self.offset(address, "DT_STRTAB")
        # A small table in one read; of a large one (C++ libraries) only what is asked for.
        if size <= MAX_STRING:
            self.window = self.read(self.strings_at, size)

    def string(self, offset: int) -> str:
        """The NUL-terminated string at `offset` of the dynamic string table."""
        known = self.texts.get(offset)
        if known is not None:
            self.spend(len(known))  # who prints it prints it each time
            return known
        if offset >= self.strings_size:
            raise ElfError(f"malformed: string offset {offset} outside of DT_STRTAB ({self.strings_size} bytes)")
        start = offset - self.window_at
        end = self.window.find(b"\0", start) if start >= 0 else -1
        if end < 0 and self.strings_size > MAX_STRING:
            # Linkers put the names of a dynamic section near each other, so the next one is often here as well.
            for length in (HEAD, MAX_STRING):
                self.window_at, start = offset, 0
                self.window = self.read(self.strings_at + offset, min(length, self.strings_size - offset))
                if (end := self.window.find(b"\0")) >= 0:
                    break
        if end < 0:
            raise ElfError("malformed: a dynamic string without an end")
        self.spend(end - start)
        # Names are bytes to a loader. Undecodable ones survive the way to text and back (PEP 383), on any locale.
        found = self.texts[offset] = self.window[start:end].decode("utf-8", "surrogateescape")
        return found

    def spend(self, size: int) -> None:
        self.budget -= size
        if self.budget < 0:
            raise ElfError(f"malformed: more than {MAX_STRINGS} bytes of dynamic strings")

    def version_needs(self, address: int, number: int) -> tuple[VersionNeed, ...]:
        """The `verneed` records and their `vernaux` (gABI's symbol versioning supplement, LSB "Symbol Versioning")."""
        table = _Table(self, self.offset(address, "DT_VERNEED"))
        found: list[VersionNeed] = []
        position, left = 0, MAX_VERSIONS
        for _ in range(min(number, MAX_VERSIONS)):
            _, count, file, aux, following = table.unpack(self.layout.verneed, position)
            place = position + aux
            left -= count
            if left < 0:
                raise ElfError("malformed: too many version needs")
            versions: list[str] = []
            weak: list[str] = []
            for _ in range(count):
                _, flags, _, version, step = table.unpack(self.layout.vernaux, place)
                (weak if flags & VER_FLG_WEAK else versions).append(self.string(version))
                if not step:
                    break
                place += step
            found.append(VersionNeed(self.string(file), tuple(versions), tuple(weak)))
            if not following:
                break
            position += following
        return tuple(found)

    def version_definitions(self, address: int, number: int) -> tuple[str, ...]:
        """The names of the `verdef` records, the file's own name (VER_FLG_BASE) left out."""
        table = _Table(self, self.offset(address, "DT_VERDEF"))
        found: list[str] = []
        position = 0
        for _ in range(min(number, MAX_VERSIONS)):
            _, flags, _, _, _, aux, following = table.unpack(self.layout.verdef, position)
            if not flags & VER_FLG_BASE:
                found.append(self.string(table.unpack(self.layout.word, position + aux)[0]))
            if not following:
                break
            position += following
        return tuple(found)

    def offset(self, address: int, what: str) -> int:
        layout = self.layout
        for load in self.loads:
            start = load[layout.vaddr]
            if start <= address < start + load[layout.filesz]:
                return address - start + load[layout.offset]
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


class _Table:
    """Version records from an offset on, read as far as they reach: the size of the table stands nowhere."""

    def __init__(self, reader: _Reader, at: int) -> None:
        self.reader, self.at = reader, at
        self.content = reader.read(at, 1024)

    def unpack(self, structure: Struct, position: int) -> tuple[int, ...]:
        end = position + structure.size
        if end > len(self.content):
            if end <= MAX_VERSION_TABLE:
                self.content = self.reader.read(self.at, min(4 * end, MAX_VERSION_TABLE))
            if end > len(self.content):
                raise ElfError("malformed: a version record outside of its table")
        return structure.unpack_from(self.content, position)
