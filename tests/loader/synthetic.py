"""Writes ELF files without a compiler: x86-64 objects that a real loader maps and a real kernel starts.

A linker decides what goes into a dynamic section, and in which order; here the test does, also where no linker would do
so: RPATH beside RUNPATH, a filter before a DT_NEEDED, versions without symbols, a file with a flaw. One segment maps
the whole file; a program's code prints the path of each object of its own load list, in order, and exits with 0.

Follows the gABI and the psABI, for symbol versions the LSB ("Symbol Versioning"). Not here: relocations, sections.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from struct import pack, pack_into

TAGS = {
    "needed": 1, "soname": 14, "rpath": 15, "runpath": 29,
    "depaudit": 0x6FFFFEFB, "audit": 0x6FFFFEFC, "auxiliary": 0x7FFFFFFD, "filter": 0x7FFFFFFF,
}  # fmt: skip
DT_HASH, DT_STRTAB, DT_SYMTAB, DT_STRSZ, DT_SYMENT, DT_INIT, DT_DEBUG = 4, 5, 6, 10, 11, 12, 21
DT_VERSYM, DT_FLAGS_1 = 0x6FFFFFF0, 0x6FFFFFFB
DT_VERDEF, DT_VERDEFNUM, DT_VERNEED, DT_VERNEEDNUM = 0x6FFFFFFC, 0x6FFFFFFD, 0x6FFFFFFE, 0x6FFFFFFF
PT_LOAD, PT_DYNAMIC, PT_INTERP, PT_PHDR, PT_GNU_STACK = 1, 2, 3, 6, 0x6474E551
ET_EXEC, ET_DYN = 2, 3
NODEFLIB, PIE = 0x800, 0x08000000
VER_FLG_BASE, VER_FLG_WEAK = 1, 2
EXEC_BASE = 0x400000

# Walks r_debug of <link.h>, which the loader leaves at DT_DEBUG, and writes l_name of each object. The two holes are
# the distances to the value of DT_DEBUG and to a newline.
_PRINT_LOAD_LIST = (
    "48 8b 1d {debug}"  # mov   rbx, [rip + DT_DEBUG]
    "48 8b 5b 08"  #      mov   rbx, [rbx + 8]       r_map
    "48 8b 73 08"  # next: mov  rsi, [rbx + 8]       l_name
    "31 d2"  #            xor   edx, edx
    "80 3c 16 00"  # len: cmp   byte [rsi + rdx], 0
    "74 04"  #            je    write
    "ff c2"  #            inc   edx
    "eb f6"  #            jmp   len
    "bf 01 00 00 00 89 f8 0f 05"  # write(1, rsi, edx)
    "48 8d 35 {newline}"  # lea rsi, [rip + newline]
    "ba 01 00 00 00 bf 01 00 00 00 89 f8 0f 05"  # write(1, rsi, 1)
    "48 8b 5b 18"  #      mov   rbx, [rbx + 24]      l_next
    "48 85 db"  #         test  rbx, rbx
    "75 c9"  #            jne   next
    "31 ff b8 e7 00 00 00 0f 05"  # exit_group(0)
)
_EXIT = bytes.fromhex("31ff b8e7000000 0f05")
# write(2, text, size), return: what a constructor may do before anything is relocated
_WRITE_TEXT = "48 8d 35 {text} ba {size} bf 02 00 00 00 b8 01 00 00 00 0f 05 c3"


class Writer:
    """One file: `Writer(...).finish()`. Values of `dynamic` are strings of DT_NEEDED and the like, in order.

    `defines` are the versions that it defines, `requires` the versions that it asks for, by file ("V1", "V1 weak");
    `exports` are names of objects in its symbol table; `message` is what its DT_INIT writes to standard error.
    """

    def __init__(
        self,
        dynamic: Iterable[tuple[str, str]] = (),
        *,
        interpreter: str = "",
        e_type: int = ET_DYN,
        flags_1: int = 0,
        starts: bool = False,
    ) -> None:
        self.base = EXEC_BASE if e_type == ET_EXEC else 0
        self.interpreter, self.e_type = interpreter, e_type
        self.strings = bytearray(b"\0")
        self.entries: list[tuple[int, int]] = []
        self.soname = ""
        self.starts = starts
        for tag, text in dynamic:
            self.entries.append((TAGS[tag], self.string(text)))
            self.soname = text if tag == "soname" else self.soname
        if flags_1:
            self.entries.append((DT_FLAGS_1, flags_1))
        self.segments = 3 + 2 * bool(interpreter)
        self.content = bytearray(64 + 56 * self.segments)
        self.interpreter_at = self.put(interpreter.encode() + b"\0", 1) if interpreter else 0
        self.symbols = 1

    def string(self, text: str) -> int:
        self.strings += text.encode("utf-8", "surrogateescape") + b"\0"
        return len(self.strings) - len(text.encode("utf-8", "surrogateescape")) - 1

    def put(self, piece: bytes, alignment: int = 8) -> int:
        """Where in the file `piece` stands from now on, which is its address as well."""
        self.content += bytes(-len(self.content) % alignment)
        self.content += piece
        return len(self.content) - len(piece)

    def export(self, names: Iterable[str], imports: Iterable[str] = ()) -> None:
        """A symbol table with data objects of these names and functions that are wanted of others, and its hash table
        with one bucket. Always needed."""
        names, imports = tuple(names), tuple(imports)
        table = bytes(24) + b"".join(pack("<IBBHQQ", self.string(name), 0x11, 0, 1, 64, 8) for name in names)
        table += b"".join(pack("<IBBHQQ", self.string(name), 0x12, 0, 0, 0, 0) for name in imports)
        self.symbols = 1 + len(names) + len(imports)
        chain = [0, *range(2, self.symbols), 0][: self.symbols]
        self.entries.append((DT_SYMTAB, self.base + self.put(table)))
        self.entries.append((DT_SYMENT, 24))
        buckets = pack("<III", 1, self.symbols, 1 if names else 0)
        self.entries.append((DT_HASH, self.base + self.put(buckets + pack(f"<{self.symbols}I", *chain))))

    def message(self, text: str) -> None:
        raw = text.encode()
        at = self.put(raw, 1)
        start = len(self.content) + (-len(self.content) % 8)
        code = _WRITE_TEXT.format(text=_le(at - start - 7), size=_le(len(raw)))
        self.entries.append((DT_INIT, self.put(bytes.fromhex(code))))

    def versions(self, defines: tuple[str, ...], requires: Mapping[str, Iterable[str]]) -> None:
        if defines:
            table = b""
            names = (self.soname, *defines)
            for index, name in enumerate(names, 1):
                flags, following = (VER_FLG_BASE if index == 1 else 0), (28 if index < len(names) else 0)
                table += pack("<HHHHIII", 1, flags, index, 1, _elf_hash(name), 20, following)
                table += pack("<II", self.string(name), 0)
            self.entries += [(DT_VERDEF, self.base + self.put(table)), (DT_VERDEFNUM, len(names))]
        if requires:
            table, index = b"", 2 + len(defines)
            for number, (file, wanted) in enumerate(requires.items(), 1):
                words = [item.split() for item in wanted]
                following = 16 + 16 * len(words) if number < len(requires) else 0
                table += pack("<HHIII", 1, len(words), self.string(file), 16, following)
                for place, (name, *weak) in enumerate(words, 1):
                    flags = VER_FLG_WEAK if weak else 0
                    step = 16 if place < len(words) else 0
                    table += pack("<IHHII", _elf_hash(name), flags, index, self.string(name), step)
                    index += 1
            self.entries += [(DT_VERNEED, self.base + self.put(table)), (DT_VERNEEDNUM, len(requires))]
        if defines or requires:
            self.entries.append((DT_VERSYM, self.base + self.put(pack(f"<{self.symbols}H", *[1] * self.symbols))))

    def finish(self) -> bytes:
        """The file. Nothing can be added any more."""
        if not any(tag == DT_SYMTAB for tag, _ in self.entries):
            self.export(())
        self.entries += [(DT_STRSZ, len(self.strings)), (DT_STRTAB, self.base + self.put(bytes(self.strings)))]
        prints = self.starts and bool(self.interpreter)
        if prints:
            self.entries.append((DT_DEBUG, 0))
        table = b"".join(pack("<QQ", *entry) for entry in [*self.entries, (0, 0)])
        dynamic_at = self.put(table, 16)
        entry = 0
        if prints:
            newline = self.put(b"\n", 1)
            entry = len(self.content) + (-len(self.content) % 8)
            debug = dynamic_at + 16 * len(self.entries) - 8
            # Counted from the end of the instruction: the code's first ends at 7 and the other at 43.
            code = _PRINT_LOAD_LIST.format(debug=_le(debug - entry - 7), newline=_le(newline - entry - 43))
            self.put(bytes.fromhex(code))
        elif self.starts:
            entry = self.put(_EXIT)
        self.head(dynamic_at, len(table), self.base + entry if entry else 0)
        return bytes(self.content)

    def head(self, dynamic_at: int, dynamic_size: int, entry: int) -> None:
        header = b"\x7fELF\2\1\1" + bytes(9)
        header += pack("<HHIQQQIHHHHHH", self.e_type, 62, 1, entry, 64, 0, 0, 64, 56, self.segments, 64, 0, 0)
        size = len(self.content)
        segments = [
            (PT_LOAD, 7, 0, size, 4096),
            (PT_DYNAMIC, 6, dynamic_at, dynamic_size, 8),
            (PT_GNU_STACK, 6, 0, 0, 16),
        ]
        if self.interpreter:
            # before PT_LOAD, as the gABI wants both
            segments.insert(0, (PT_INTERP, 4, self.interpreter_at, len(self.interpreter.encode()) + 1, 1))
            segments.insert(0, (PT_PHDR, 4, 64, 56 * self.segments, 8))
        for p_type, flags, at, length, alignment in segments:
            address = 0 if p_type == PT_GNU_STACK else self.base + at
            header += pack("<IIQQQQQQ", p_type, flags, at, address, address, length, length, alignment)
        pack_into(f"{len(header)}s", self.content, 0, header)


def shared_object(*, needed: tuple[str, ...] = (), soname: str = "", interpreter: str = "") -> bytes:
    """An x86-64 ET_DYN that asks for `needed`."""
    dynamic = [("needed", name) for name in needed] + ([("soname", soname)] if soname else [])
    return Writer(dynamic, interpreter=interpreter).finish()


def _le(number: int) -> str:
    return number.to_bytes(4, "little", signed=True).hex()


def _elf_hash(name: str) -> int:
    """gABI, "Hash Table"."""
    value = 0
    for byte in name.encode():
        value = (value << 4) + byte
        value = (value ^ (value & 0xF0000000) >> 24) & 0x0FFFFFFF
    return value
