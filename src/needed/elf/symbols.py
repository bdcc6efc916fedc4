"""The dynamic symbols of a file, their versions, and which of them its relocations ask for.

What glibc's elf/dl-lookup.c, elf/do-rel.h and elf/dl-version.c read: gABI "Symbol Table", "Relocation", "Hash Table",
GNU_HASH as binutils writes it, LSB "Symbol Versioning", and the global GOT of the MIPS supplement. Columns, not one
object per symbol: a C++ library has 50,000. Decides nothing about where a symbol is found, and never reads `.symtab`.
"""

from __future__ import annotations

import sys
from itertools import accumulate, count
from operator import add
from struct import Struct

from needed.elf.machine import EM_MIPS, EM_S390, EM_SPARCV9
from needed.elf.model import PT_LOAD
from needed.elf.relocations import COPY, ORDINARY, PLT, relocation_types
from needed.errors import ElfError
from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Literal

    from needed.elf.model import ByteSource, ElfFile

MAX_SYMBOLS = 1 << 21
MAX_STRINGS = 64 << 20  # bytes of DT_STRTAB that are read
MAX_REPEATED = 1 << 20  # bytes of names that overlap others or are there again, besides some that the table allows
MAX_NAME = 65536
MAX_BUCKETS = 1 << 21
MAX_RELOCATIONS = 1 << 21  # entries of one table that are not relative
MAX_VERSIONS = 65536
MAX_VERSION_NAMES = 4 << 20  # bytes

DT_HASH, DT_STRTAB, DT_SYMTAB, DT_RELA, DT_RELASZ, DT_STRSZ, DT_REL, DT_RELSZ, DT_PLTREL, DT_JMPREL, DT_PLTRELSZ = (
    4, 5, 6, 7, 8, 10, 17, 18, 20, 23, 2,
)  # fmt: skip
DT_GNU_HASH, DT_VERSYM, DT_RELACOUNT, DT_RELCOUNT = 0x6FFFFEF5, 0x6FFFFFF0, 0x6FFFFFF9, 0x6FFFFFFA
DT_VERDEF, DT_VERDEFNUM, DT_VERNEED, DT_VERNEEDNUM = 0x6FFFFFFC, 0x6FFFFFFD, 0x6FFFFFFE, 0x6FFFFFFF
DT_MIPS_LOCAL_GOTNO, DT_MIPS_SYMTABNO, DT_MIPS_GOTSYM, DT_PLTGOT = 0x7000000A, 0x70000011, 0x70000013, 3
_SIZES = {"H": 2, "I": 4, "Q": 8}  # bytes
DT_BIND_NOW, DT_FLAGS, DT_FLAGS_1 = 24, 30, 0x6FFFFFFB

SHN_UNDEF, SHN_ABS, SHN_COMMON = 0, 0xFFF1, 0xFFF2
STB_LOCAL, STB_GLOBAL, STB_WEAK, STB_GNU_UNIQUE = 0, 1, 2, 10
STT_SECTION, STT_FUNC, STT_TLS, STT_REGISTER = 3, 2, 6, 13  # the last of SPARC: the use of a register
STV_INTERNAL, STV_HIDDEN = 1, 2
STO_MIPS_PLT = 8
# STO_AARCH64_VARIANT_PCS and STO_RISCV_VARIANT_CC: such a function is never bound lazily.
VARIANT = 0x80
_VARIANT_MACHINES = (183, 243)
# The `st_info` of a definition: NOTYPE, OBJECT, FUNC, COMMON, TLS, GNU_IFUNC (check_match), and no local one.
_BINDINGS = (STB_GLOBAL, STB_WEAK, STB_GNU_UNIQUE)
DEFINING = frozenset(binding << 4 | kind for binding in _BINDINGS for kind in (0, 1, 2, 5, 6, 10))


@value
class Version:
    """A version that a symbol may have. `file` is the library that a reference expects it of, None of a definition;
    `hidden` of a reference: only exactly this version will do."""

    name: str
    file: str | None = None
    hidden: bool = False


@value
class Import:
    """A symbol that a file wants from another. `file` is the library its version was taken from at link time."""

    name: str
    version: str | None
    weak: bool
    file: str | None = None


@value
class Export:
    """A symbol that a file defines. `default` is what a reference without a version, or the linker, gets."""

    name: str
    version: str | None
    default: bool


@value
class Symbols:
    """The dynamic symbol table, by column; index 0 is the null symbol. `names` are offsets into `strings`.

    `first_hashed` is the first index that the file's hash table can lead to, `count` itself if there is no table.
    `versyms` is None where symbols have no versions; `versions` by index, without the local, the global and the file's
    own. `hashes` are the words of GNU_HASH for the symbols from `first_hashed` on, empty where another table is used.
    """

    count: int
    first_hashed: int
    hashes: Sequence[int]
    names: Sequence[int]
    infos: bytes
    others: bytes
    sections: Sequence[int]
    values: Sequence[int]
    sizes: Sequence[int]
    strings: bytes
    versyms: Sequence[int] | None
    versions: dict[int, Version]

    def is_named(self, index: int, name: bytes) -> bool:
        """Whether that is the name of the symbol."""
        return self.strings.startswith(name + b"\0", self.names[index])

    def names_of(self, indices: Sequence[int]) -> list[bytes]:
        """The names of some symbols, all at once: a name may be the end of another one's."""
        return _names(self.strings, [self.names[index] for index in indices])

    def all_names(self, start: int = 0) -> list[bytes]:
        """The names of the symbols from `start` on."""
        return _names(self.strings, self.names[start:])

    def version(self, index: int) -> Version | None:
        """The version that the symbol has or wants."""
        return None if self.versyms is None else self.versions.get(self.versyms[index] & 0x7FFF)

    def binds_elsewhere(self, index: int) -> bool:
        """Whether a reference to the symbol is looked up at all: not if it is local, hidden or internal."""
        return _binds(self.infos[index], self.others[index])

    def defines(self, index: int, *, undefined: bool = False) -> bool:
        """Whether a lookup may end at the symbol (check_match, without name and version); with `undefined` also at one
        that is only referred to and has a value, which is a program's PLT entry."""
        if self.sections[index] == SHN_UNDEF and not undefined:
            return False
        info = self.infos[index]
        if not self.values[index] and self.sections[index] != SHN_ABS and info & 15 != STT_TLS:
            return False
        return info in DEFINING


@value
class References:
    """What the relocations ask for, as pairs (symbol index, class of the lookup), no-lookups left out.

    `unique` has each pair once. `ordered` gives every one as often as a relocation asks for it, in the loader's order,
    which only somebody who reports a failure needs.
    """

    unique: frozenset[tuple[int, int]]
    tables: tuple[tuple[Sequence[int], dict[int, tuple[int, int]]], ...]

    def ordered(self, *, backwards: bool = False) -> Iterator[tuple[int, int]]:
        """Every pair; the global GOT of MIPS first, then DT_REL, DT_RELA and their jump slots, or the tables of them
        from the last to the first."""
        for infos, pairs in reversed(self.tables) if backwards else self.tables:
            yield from (pairs[info] for info in infos if info in pairs)


def parse_symbols(source: ByteSource, elf: ElfFile) -> Symbols:
    """The dynamic symbols of a file that `parse_elf` accepted. Raises ElfError."""
    return _Reader(source, elf).symbols()


def parse_references(source: ByteSource, elf: ElfFile, symbols: Symbols, *, lazy: bool) -> References:
    """What the relocations ask for; `lazy` leaves jump slots for later unless the file wants them at once.

    Raises ElfError.
    """
    return _Reader(source, elf).references(symbols, lazy=lazy and not _binds_now(elf))


def undefined_imports(source: ByteSource, elf: ElfFile) -> tuple[Import, ...]:
    """The symbols that the file wants from others, in the order of its table. Raises ElfError."""
    table = parse_symbols(source, elf)
    wanted = [
        index
        for index in range(1, table.count)
        if table.sections[index] == SHN_UNDEF and table.binds_elsewhere(index)
        and table.infos[index] & 15 != STT_REGISTER
    ]  # fmt: skip
    names = _names(table.strings, [table.names[index] for index in wanted])
    found = []
    for index, name in zip(wanted, names, strict=True):
        version = table.version(index)
        weak = table.infos[index] >> 4 == STB_WEAK
        if name:
            found.append(
                Import(_text(name), version.name if version else None, weak, version.file if version else None)
            )
    return tuple(found)


def imported_names(source: ByteSource, elf: ElfFile) -> frozenset[str]:
    """The names alone of `undefined_imports`, for every file of a build: a tenth of the time and less.

    Raises ElfError.
    """
    return _Reader(source, elf).imported_names()


def exports(source: ByteSource, elf: ElfFile) -> tuple[Export, ...]:
    """The symbols that other files may bind to, in the order of the table. Raises ElfError."""
    table = parse_symbols(source, elf)
    start = min(table.first_hashed, table.count)
    found = []
    for index, name in enumerate(table.all_names(start), start):
        if name and table.sections[index] != SHN_UNDEF and table.binds_elsewhere(index) and table.defines(index):
            version = table.version(index)
            default = table.versyms is None or not table.versyms[index] & 0x8000
            found.append(Export(_text(name), version.name if version else None, default))
    return tuple(found)


def _binds(info: int, other: int) -> bool:
    """Whether a symbol takes part in a lookup at all, by `st_info` and `st_other`; a local or hidden one does not."""
    return info >> 4 != STB_LOCAL and other & 3 not in (STV_INTERNAL, STV_HIDDEN)


def _binds_now(elf: ElfFile) -> bool:
    last = dict(elf.entries)  # DF_BIND_NOW and DF_1_NOW mean DT_BIND_NOW (get-dynamic-info.h)
    return DT_BIND_NOW in last or bool(last.get(DT_FLAGS, 0) & 8 or last.get(DT_FLAGS_1, 0) & 1)


class _Reader:
    """One file's tables behind its dynamic section."""

    def __init__(self, source: ByteSource, elf: ElfFile) -> None:
        self.source, self.machine = source, elf.machine
        self.loads = [segment for segment in elf.segments if segment.p_type == PT_LOAD]
        self.last = dict(elf.entries)  # the last entry of a tag counts, as in l_info
        self.wide = self.machine.bits == 64
        self.swap = self.machine.byteorder != sys.byteorder
        self.mark = "<" if self.machine.byteorder == "little" else ">"

    def symbols(self) -> Symbols:
        strings = b""
        if DT_STRTAB in self.last:
            strings = self.at(self.last[DT_STRTAB], self.strings_size(), "DT_STRTAB")
        first, count, hashes = self.counted()
        table = self.symbol_table(count)
        words, halves = self.array("I", table), self.array("H", table)
        if self.wide:
            quads = self.array("Q", table)
            columns = (words[0::6], table[4::24], table[5::24], halves[3::12], quads[1::3], quads[2::3])
        else:
            columns = (words[0::4], table[12::16], table[13::16], halves[7::8], words[1::4], words[2::4])
        versyms, versions = None, self.versions(strings)
        if DT_VERSYM in self.last and versions is not None:
            versyms = self.array("H", self.at(self.last[DT_VERSYM], count * 2, "DT_VERSYM"))
        return Symbols(count, min(first, count), hashes, *columns, strings, versyms, versions or {})

    def counted(self) -> tuple[int, int, Sequence[int]]:
        """What `hashed` gives, with a number of symbols that is theirs also where the hash table is empty."""
        first, count, hashes = self.hashed()
        # An empty hash table does not tell how many symbols there are; whoever needs one has a relocation for it.
        if DT_SYMTAB not in self.last:
            first, count, hashes = 0, 0, ()
        elif count <= 1:
            count = max(count, self.highest() + 1)
        if count > MAX_SYMBOLS:
            raise ElfError(f"malformed: {count} dynamic symbols, more than {MAX_SYMBOLS}")
        return first, count, hashes

    def symbol_table(self, count: int) -> bytes:
        return self.at(self.last[DT_SYMTAB], count * (24 if self.wide else 16), "DT_SYMTAB") if count else b""

    def imported_names(self) -> frozenset[str]:
        _, count, _ = self.counted()
        table = self.symbol_table(count)
        entry, info, section = (24, 4, 3) if self.wide else (16, 12, 7)
        sections, words = [*self.array("H", table)[section :: entry // 2]], self.array("I", table)
        wanted, index = [], -1
        for _ in range(sections.count(SHN_UNDEF)):  # both search hundreds of times as quickly as a loop looks
            index = sections.index(SHN_UNDEF, index + 1)
            at = entry * index + info
            if table[at] & 15 != STT_REGISTER and _binds(table[at], table[at + 1]):
                wanted.append(words[entry // 4 * index])
        # Decoded all at once; no name has a NUL.
        return frozenset(_text(b"\0".join(self.strings_at(wanted))).split("\0")) - {""}

    def strings_size(self) -> int:
        size = self.last.get(DT_STRSZ, 0)
        if not 0 <= size <= MAX_STRINGS:
            raise ElfError(f"malformed: {size} bytes of dynamic strings, more than {MAX_STRINGS}")
        return size

    def strings_at(self, offsets: Sequence[int]) -> list[bytes]:
        """The strings at `offsets`, each once: near each other, in a table that may have megabytes."""
        size = self.strings_size()
        limit = left = 4 * size + MAX_REPEATED  # as in `_names`
        found = []
        run, run_at = b"", 0
        for offset in sorted({*offsets}):
            start = offset - run_at
            end = run.find(b"\0", start) if start < len(run) else -1
            for length in (4096, MAX_NAME):
                if end < 0 and offset < size and DT_STRTAB in self.last:
                    run = self.some(self.last[DT_STRTAB] + offset, min(length, size - offset), "DT_STRTAB")
                    run_at, start, end = offset, 0, run.find(b"\0")
            if end < 0:
                raise ElfError(f"malformed: string offset {offset} outside of DT_STRTAB, or without an end")
            left -= end - start
            if left < 0:
                raise ElfError(f"malformed: more than {limit} bytes of symbol names")
            found.append(run[start:end])
        return found

    def hashed(self) -> tuple[int, int, Sequence[int]]:
        """The first index that the hash table leads to, the number of symbols, and the words of GNU_HASH's chains.

        GNU_HASH goes before HASH (elf/dl-setup_hash.c).
        """
        if (address := self.last.get(DT_GNU_HASH)) is not None:
            buckets, first, bloom, _ = self.array("I", self.at(address, 16, "DT_GNU_HASH"))
            if buckets > MAX_BUCKETS or bloom > MAX_BUCKETS:
                raise ElfError(f"malformed: DT_GNU_HASH of {buckets} buckets, more than {MAX_BUCKETS}")
            address += 16 + bloom * (self.machine.bits // 8)
            highest = max(self.array("I", self.at(address, buckets * 4, "DT_GNU_HASH")), default=0)
            if highest < first:
                return first, first, ()
            address += buckets * 4
            count = self.chain_end(address - first * 4, highest) + 1
            return first, count, self.array("I", self.at(address, (count - first) * 4, "DT_GNU_HASH"))
        if (address := self.last.get(DT_HASH)) is not None:
            # Elf_Symndx has 64 bits on s390x alone of the machines here (sysdeps/s390/s390-64).
            code: Literal["I", "Q"] = "Q" if self.machine.e_machine == EM_S390 and self.wide else "I"
            size = 16 if code == "Q" else 8
            buckets, count = self.array(code, self.at(address, size, "DT_HASH"))
            return (1 if buckets else count), count, ()
        count = self.last.get(DT_MIPS_SYMTABNO, 0) if self.machine.e_machine == EM_MIPS else 0
        return count, count, ()

    def chain_end(self, chain: int, index: int) -> int:
        """The index of the symbol that ends the chain at `index`: the one whose word is odd."""
        while index < MAX_SYMBOLS:
            piece = self.array("I", self.some(chain + index * 4, 4096, "DT_GNU_HASH"))
            for word in piece:
                if word & 1:
                    return index
                index += 1
            if not piece:
                raise ElfError("malformed: a chain of DT_GNU_HASH without an end")
        raise ElfError(f"malformed: more than {MAX_SYMBOLS} dynamic symbols")

    def highest(self) -> int:
        return max((info[0] for _, pairs in self.tables(lazy=False) for info in pairs.values()), default=0)

    def versions(self, strings: bytes) -> dict[int, Version] | None:
        """Names by index (_dl_check_map_versions); None where there are neither needs nor definitions."""
        if DT_VERNEED not in self.last and DT_VERDEF not in self.last:
            return None
        found: dict[int, Version] = {}
        names: dict[int, str] = {}
        total = 0

        def name(offset: int) -> str:
            nonlocal total
            if offset not in names:
                names[offset] = _text(_names(strings, (offset,))[0])
                total += len(names[offset])
                if total > MAX_VERSION_NAMES:
                    raise ElfError(f"malformed: more than {MAX_VERSION_NAMES} bytes of version names")
            return names[offset]

        for file, vernaux in self.chains(DT_VERNEED, DT_VERNEEDNUM):
            for flags_other, version in vernaux:
                found[flags_other & 0x7FFF] = Version(name(version), name(file), bool(flags_other & 0x8000))
        for other, version in self.definitions():
            found[other & 0x7FFF] = Version(name(version))
        return found

    def chains(self, tag: int, number: int) -> Iterator[tuple[int, list[tuple[int, int]]]]:
        """Of each verneed record the file, and of its vernaux `vna_other` and name."""
        if tag not in self.last:
            return
        table = self.version_table(tag)
        at, left = 0, MAX_VERSIONS
        for _ in range(min(self.last.get(number, MAX_VERSIONS), MAX_VERSIONS)):
            _, count, file, aux, following = self.record("HHIII", table, at)
            place, found = at + aux, []
            for _ in range(count):
                left -= 1
                if left < 0:
                    raise ElfError("malformed: too many version needs")
                _, _, other, version, step = self.record("IHHII", table, place)
                found.append((other, version))
                if not step:
                    break
                place += step
            yield file, found
            if not following:
                return
            at += following

    def definitions(self) -> Iterator[tuple[int, int]]:
        """Of each verdef record but the file's own (VER_FLG_BASE) the index and the name."""
        if DT_VERDEF not in self.last:
            return
        table, at = self.version_table(DT_VERDEF), 0
        for _ in range(min(self.last.get(DT_VERDEFNUM, MAX_VERSIONS), MAX_VERSIONS)):
            _, flags, index, _, _, aux, following = self.record("HHHHIII", table, at)
            if not flags & 1:
                yield index, self.record("I", table, at + aux)[0]
            if not following:
                return
            at += following

    def version_table(self, tag: int) -> bytes:
        return self.some(self.last[tag], 1 << 18, "a version table")

    def record(self, layout: str, table: bytes, at: int) -> tuple[int, ...]:
        structure = Struct(self.mark + layout)
        if at + structure.size > len(table):
            raise ElfError("malformed: a version record outside of its table")
        return structure.unpack_from(table, at)

    def references(self, symbols: Symbols, *, lazy: bool) -> References:
        tables = list(self.tables(lazy=lazy, symbols=symbols))
        if self.machine.e_machine == EM_MIPS:
            tables.insert(0, self.global_got(symbols, lazy=lazy))
        unique = frozenset(pair for _, pairs in tables for pair in pairs.values())
        if any(index >= symbols.count for index, _ in unique):
            raise ElfError("malformed: a relocation of a symbol outside of DT_SYMTAB")
        return References(unique, tuple(tables))

    def tables(
        self, *, lazy: bool, symbols: Symbols | None = None
    ) -> Iterator[tuple[Sequence[int], dict[int, tuple[int, int]]]]:
        """The relocation tables with what their `r_info` mean, in the order of ELF_DYNAMIC_RELOCATE."""
        kinds = relocation_types(self.machine)
        plt, copy, silent = kinds.plt, kinds.copy, kinds.silent
        symbol_shift, symbol_mask, type_shift, type_mask = self.info_layout()
        # With a special calling convention a function is not bound at its first call.
        others = symbols.others if symbols and self.machine.e_machine in _VARIANT_MACHINES else b""
        for address, size, step, at_call in self.ranges():
            infos = self.array("Q" if self.wide else "I", self.at(address, size, "a relocation table"))[1::step]
            pairs = {}
            for info in dict.fromkeys(infos):
                index = info >> symbol_shift & symbol_mask
                r_type = info >> type_shift & type_mask
                if not index or r_type in silent:
                    continue
                variant = index < len(others) and others[index] & VARIANT
                if lazy and at_call and r_type != kinds.descriptor and not variant:
                    continue  # a jump slot, for the first call
                pairs[info] = index, PLT if r_type in plt else COPY if r_type == copy else ORDINARY
            yield infos, pairs

    def ranges(self) -> Iterator[tuple[int, int, int, bool]]:
        """Address, size in bytes, words per entry, and whether it is the table of the jump slots."""
        word = self.machine.bits // 8
        plain = self.last.get(DT_PLTREL, 0)
        kinds = ((DT_REL, DT_RELSZ, DT_RELCOUNT, 2), (DT_RELA, DT_RELASZ, DT_RELACOUNT, 3))
        for tag, size_tag, count_tag, step in kinds:
            start, size = self.last.get(tag, 0), self.last.get(size_tag, 0) if tag in self.last else 0
            slots, slots_size = (self.last.get(DT_JMPREL, 0), self.last.get(DT_PLTRELSZ, 0)) if plain == tag else (0, 0)
            if slots_size and start + size == slots + slots_size:
                size -= slots_size  # SPARC counts the jump slots into DT_RELASZ
            skip = self.last.get(count_tag, 0) * step * word  # relative ones come first
            for address, length, at_call in ((start + skip, size - skip, False), (slots, slots_size, True)):
                if length > MAX_RELOCATIONS * step * word:
                    raise ElfError(f"malformed: a relocation table of {length} bytes")
                if length > 0:
                    yield address, length - length % (step * word), step, at_call

    def info_layout(self) -> tuple[int, int, int, int]:
        """Where `r_info` has the symbol and the type: shift and mask of each (ELF32_R_SYM and the like)."""
        if not self.wide:
            return 8, 0xFFFFFF, 0, 0xFF
        if self.machine.e_machine == EM_MIPS and self.machine.byteorder == "little":
            # r_sym, r_ssym, r_type3, r_type2, r_type: a word and four bytes, in that order whatever the byte order
            return 0, 0xFFFFFFFF, 56, 0xFF
        # Of MIPS the two types before the last, of SPARC 24 bits of data (ELF64_R_TYPE_ID) are no matter here.
        return 32, 0xFFFFFFFF, 0, 0xFF if self.machine.e_machine in (EM_MIPS, EM_SPARCV9) else 0xFFFFFFFF

    def global_got(self, symbols: Symbols, *, lazy: bool) -> tuple[Sequence[int], dict[int, tuple[int, int]]]:
        """The symbols from DT_MIPS_GOTSYM on have one GOT entry each (elf_machine_got_rel of mips/dl-machine.h)."""
        first = self.last.get(DT_MIPS_GOTSYM, symbols.count)
        end = min(self.last.get(DT_MIPS_SYMTABNO, 0), symbols.count)
        word = self.machine.bits // 8
        got: Sequence[int] = ()
        if first < end and DT_PLTGOT in self.last:
            address = self.last[DT_PLTGOT] + self.last.get(DT_MIPS_LOCAL_GOTNO, 0) * word
            got = self.array("Q" if self.wide else "I", self.at(address, (end - first) * word, "the global GOT"))
        pairs = {}
        for index, entry in zip(range(first, end), got, strict=False):
            kind, other = symbols.infos[index] & 15, symbols.others[index]
            section, address = symbols.sections[index], symbols.values[index]
            stub = kind == STT_FUNC and (
                bool(address and not other & STO_MIPS_PLT) if section == SHN_UNDEF
                else section != SHN_COMMON and entry != address
            )  # fmt: skip
            if (stub and lazy) or (kind == STT_SECTION and section not in (SHN_UNDEF, SHN_COMMON)):
                continue
            pairs[index] = index, PLT if stub else ORDINARY
        return range(first, end), pairs

    def array(self, code: Literal["H", "I", "Q"], piece: bytes) -> Sequence[int]:
        """The numbers in `piece`, as many as are whole; a view of it where the byte order is ours."""
        whole = memoryview(piece)[: len(piece) - len(piece) % _SIZES[code]]
        if not self.swap:
            return whole.cast(code)
        from array import array  # brings `collections`, which a build need not import

        items = array(code)
        items.frombytes(whole)
        items.byteswap()
        return items

    def at(self, address: int, size: int, what: str) -> bytes:
        """Exactly `size` bytes of the memory image at `address`."""
        piece = self.some(address, size, what) if size else b""
        if len(piece) != size:
            raise ElfError(f"truncated: {what} of {size} bytes is not whole in the file")
        return piece

    def some(self, address: int, size: int, what: str) -> bytes:
        """At most `size` bytes at `address`, a multiple of 4: as many as the file has there."""
        for load in self.loads:
            if load.p_vaddr <= address < load.p_vaddr + load.p_filesz:
                offset, left = address - load.p_vaddr + load.p_offset, load.p_vaddr + load.p_filesz - address
                return self.source.read_at(offset, min(size, left)) if offset < self.source.size else b""
        raise ElfError(f"malformed: {what} points to an address that no PT_LOAD maps from the file")


def gnu_hash(name: bytes) -> int:
    """The hash of GNU_HASH (dl_new_hash) with its lowest bit set, which in a chain marks the end."""
    result = 5381
    for byte in name:
        result = result * 33 + byte
    return result & 0xFFFFFFFF | 1


def _names(strings: bytes, offsets: Sequence[int]) -> list[bytes]:
    """The strings at `offsets`. Nearly all start behind another's NUL, so one split finds them; a linker lets a name be
    the end of a longer one, and those are cut out one by one."""
    by_offset: dict[int, bytes] = {}
    if len(offsets) > 100 and strings.count(b"\0") <= 4 * len(offsets) + 4096:
        pieces = strings.split(b"\0")
        if pieces.pop():
            raise ElfError("malformed: a dynamic string without an end")
        by_offset = dict(zip(map(add, accumulate(map(len, pieces), initial=0), count()), pieces, strict=False))
    found = list(map(by_offset.get, offsets))
    # What a linker writes is hardly longer than its table; one long name a thousand times would fill the memory.
    limit = left = 4 * len(strings) + MAX_REPEATED
    if None in found:
        for place, offset in enumerate(offsets):
            if found[place] is None:
                end = strings.find(b"\0", offset, offset + MAX_NAME)
                if end < 0:
                    raise ElfError(f"malformed: string offset {offset} outside of DT_STRTAB, or without an end")
                left -= end - offset
                if left < 0:
                    break
                found[place] = strings[offset:end]
    if left < 0 or sum(map(len, found)) > limit:  # type: ignore[arg-type]  # no None is left
        raise ElfError(f"malformed: more than {limit} bytes of symbol names")
    return found  # type: ignore[return-value]


def _text(raw: bytes) -> str:
    # Names are bytes to a loader; what is no UTF-8 survives (PEP 383).
    return raw.decode("utf-8", "surrogateescape")
