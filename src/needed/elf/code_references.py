"""What in a file's machine code refers to an address (calls, jumps, addresses that are taken), and pointers in data.

For x86-64, arm64, riscv64 and s390x, where an address is said relative to the instruction: `rel32` (Intel SDM volume 2,
2.2.1.6), B, BL, ADR and ADRP (Arm ARM, C6.2), JAL and AUIPC (RISC-V unprivileged ISA, 2.5), and the RIL formats of z
(Principles of Operation, 5). It does not disassemble: each place where such a number can stand is looked at, so that it
finds what is no instruction as well, but misses none of those. What goes through a register or memory is not here, nor
are conditional branches of arm64 and RISC-V, which reach no other function.

A few megabytes take a tenth of a second: the sums "where it stands + the number" of a whole piece are made as one
addition of two long integers, and of each sum the byte that names its 64 KiB is kept. Only where that byte is the
address's is an instruction decoded.
"""

from __future__ import annotations

from struct import Struct

from needed.elf.machine import EM_AARCH64, EM_RISCV, EM_S390, EM_X86_64
from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Literal

    Decode = Callable[[bytes, int], int | None]

MACHINES = frozenset({EM_X86_64, EM_AARCH64, EM_RISCV, EM_S390})  # each of 64 bits
PIECE = 1 << 20  # bytes of code in one addition
MAX_LOOKS = 2_000_000  # places looked at one by one, for all addresses together


class TooMuch(Exception):
    """The file is made so, or so large, that an answer would take seconds."""


class Budget:
    """How many places may still be looked at."""

    def __init__(self, left: int = MAX_LOOKS) -> None:
        self.left = left

    def spend(self, number: int = 1) -> None:
        self.left -= number
        if self.left < 0:
            raise TooMuch


class Code:
    """The machine code `content` that is mapped at `start`, of one of MACHINES in its 64-bit form."""

    def __init__(self, content: bytes, start: int, e_machine: int, budget: Budget) -> None:
        self.content, self.start, self.budget = content, start, budget
        self.big = e_machine == EM_S390
        self.absolute = e_machine == EM_X86_64
        self.forms = [_Sums(form, content, big=self.big) for form in _FORMS[e_machine]]
        self.pages, self.near = _Found(), _Found()
        if e_machine == EM_AARCH64:
            self.read_addresses()
        self.pool = Words(content, start, big=self.big, budget=budget)

    def sites(self, address: int) -> Iterator[int]:
        """The addresses of the code that refers to `address`; a place may come twice. Raises TooMuch."""
        start, content, target = self.start, self.content, address - self.start
        for form in self.forms:
            for at in form.sites(target, self.budget):
                yield start + at
        for at in self.pages.of(address >> 12):
            if _completes(content, at, address & 0xFFF):
                yield start + at
        for at in self.near.of(target):
            yield start + at
        yield from self.pool.places(address, 8)  # constants between the functions
        if self.absolute:
            yield from self._immediates(address)

    def read_addresses(self) -> None:
        """Of arm64: the places of ADRP by the page (of 4 KiB) that they name, and those of ADR by what they name."""
        content, start = self.content, self.start
        tops = content[3::4]
        for top in (0x90, 0xB0, 0xD0, 0xF0, 0x10, 0x30, 0x50, 0x70):
            index = tops.find(top)
            while index >= 0:
                self.budget.spend()
                at = 4 * index
                word = int(_LITTLE_WORD(content, at)[0])
                number = _signed(word >> 3 & 0x1FFFFC | word >> 29 & 3, 21)
                if top & 0x80:
                    self.pages.add((start + at >> 12) + number, at)
                else:
                    self.near.add(at + number, at)
                index = tops.find(top, index + 1)

    def _immediates(self, address: int) -> Iterator[int]:
        """`mov r32, imm32` and `mov [..], imm32`, which a program below 2 GiB could use."""
        if address >= 1 << 31:
            return
        wanted, content = address.to_bytes(4, "little"), self.content
        at = content.find(wanted, 1)
        while at > 0:
            self.budget.spend()
            if content[at - 1] & 0xF8 == 0xB8 or 0xC7 in content[max(at - 7, 0) : at - 1]:
                yield self.start + at
            at = content.find(wanted, at + 1)


class _Found:
    """Places by what they refer to, in little room."""

    def __init__(self) -> None:
        from array import array

        self.targets, self.places = array("q"), array("q")

    def add(self, target: int, place: int) -> None:
        self.targets.append(target)
        self.places.append(place)

    def of(self, target: int) -> Iterator[int]:
        index = -1
        for _ in range(self.targets.count(target)):
            index = self.targets.index(target, index + 1)
            yield self.places[index]


class Words:
    """Aligned numbers of data that is mapped at `start`, a multiple of eight: pointers and offsets."""

    def __init__(self, content: bytes, start: int, *, big: bool, budget: Budget) -> None:
        self.content, self.start, self.big, self.budget = content, start, big, budget
        self.bytes: dict[int, bytes] = {}

    def places(self, number: int, size: int) -> Iterator[int]:
        """Where `number` stands in `size` bytes, as addresses. Raises TooMuch."""
        if not 0 <= number < 1 << 8 * size:
            return
        wanted = number.to_bytes(size, "big" if self.big else "little")
        place = size - 3 if self.big else 2
        index = self.bytes.get(place)  # of the byte that counts 64 KiB, which tells addresses best
        if index is None:
            index = self.bytes[place] = self.content[place::4]
        self.budget.spend(len(index) >> 12)
        at = index.find(wanted[place : place + 1])
        while at >= 0:
            self.budget.spend()
            where = 4 * at
            if self.content.startswith(wanted, where):
                yield self.start + where
            at = index.find(wanted[place : place + 1], at + 1)

    def repeated(self, wanted: bytes) -> Iterator[int]:
        """Where these bytes stand, at a multiple of four in the content. Raises TooMuch."""
        self.budget.spend(len(self.content) >> 10)
        at = self.content.find(wanted)
        while at >= 0:
            self.budget.spend()
            if at % 4 == 0:
                yield at
            at = self.content.find(wanted, at + 1)


@value
class _Form:
    """One way to say an address, in 32 bits that begin at places which are `aligned`, modulo 4.

    `numbers` makes of a row of such words, and of a row of ones, a row of numbers, each of which counts `unit` bytes
    from `zero` bytes behind its place; the address is within `slack` bytes of that. `decode` says of a place what it
    refers to, as an offset in the content, None if it is no such instruction.
    """

    aligned: tuple[int, ...]
    unit: int
    zero: int
    slack: int
    numbers: Callable[[int, int], int]
    decode: Decode


class _Sums:
    """The code read as one form."""

    def __init__(self, form: _Form, content: bytes, *, big: bool) -> None:
        self.form, self.content = form, content
        self.known: dict[int, _Found] = {}
        self.rows: list[tuple[int, bytes]] = []
        size = min(PIECE, -(-len(content) // 4) * 4)
        order: Literal["little", "big"] = "big" if big else "little"
        lanes = Struct(f"{'>' if big else '<'}{size // 4}I")
        own = int.from_bytes(lanes.pack(*range(0, size // form.unit, 4 // form.unit)), order)
        ones = int.from_bytes(lanes.pack(*[1] * (size // 4)), order)
        for start in range(0, len(content), PIECE):
            for shift in form.aligned:
                piece = content[start + shift : start + shift + size].ljust(size, b"\0")
                sums = form.numbers(int.from_bytes(piece, order), ones)
                sums += own + ones * (shift // form.unit)
                self.rows.append((start + shift, sums.to_bytes(size, order)[1 if big else 2 :: 4]))

    def sites(self, target: int, budget: Budget) -> Iterator[int]:
        """The places that refer to what is `target` bytes behind the beginning of the content."""
        form = self.form
        first, last = ((target + slack - form.zero) // form.unit >> 16 for slack in (-form.slack, form.slack))
        for page in {first, last}:
            if page not in self.known:
                self.known[page] = self.decoded(page, budget)
            yield from self.known[page].of(target)

    def decoded(self, page: int, budget: Budget) -> _Found:
        """What the places refer to whose sums are in these 65,536 units: a package's functions are near each other."""
        unit, decode, content, end = self.form.unit, self.form.decode, self.content, len(self.content) - 4
        found = _Found()
        add = found.add
        for start, row in self.rows:
            budget.spend(len(row) >> 12)
            byte = page - (start // unit >> 16) & 0xFF
            budget.spend(row.count(byte))
            index = row.find(byte)
            while index >= 0:
                at = start + 4 * index
                target = decode(content, at) if at <= end else None
                if target is not None:
                    add(target, at)
                index = row.find(byte, index + 1)
        return found


_LITTLE, _LITTLE_WORD, _BIG = Struct("<i").unpack_from, Struct("<I").unpack_from, Struct(">i").unpack_from


def _lower_three(words: int, ones: int) -> int:
    return words & ones * 0xFFFFFF


def _upper_twenty(words: int, ones: int) -> int:
    """The number modulo 16 MiB, like each of these: what it says beyond that is looked at when it is decoded."""
    return words & ones * 0xFFF000


def _jal(words: int, ones: int) -> int:
    """imm[20|10:1|11|19:12] in order, plus a MiB so that none is negative."""
    parts = words & ones * 0xFF000 | words >> 9 & ones * 0x800 | words >> 20 & ones * 0x7FE
    return (parts | words >> 11 & ones * 0x100000) ^ ones * 0x100000


def _decode_x86(code: bytes, at: int) -> int | None:
    """E8 and E9, 0F 8x, or a ModRM byte that says "relative to rip", before the number."""
    before = code[at - 1] if at else 0
    if before not in (0xE8, 0xE9) and before & 0xC7 != 0x05 and not (before & 0xF0 == 0x80 and code[at - 2] == 0x0F):
        return None
    return at + 4 + int(_LITTLE(code, at)[0])


def _decode_branch(code: bytes, at: int) -> int | None:
    word = int(_LITTLE_WORD(code, at)[0])
    return at + 4 * _signed(word, 26) if word & 0x7C000000 == 0x14000000 else None


def _decode_jal(code: bytes, at: int) -> int | None:
    word = int(_LITTLE_WORD(code, at)[0])
    if word & 0x7F != 0x6F:
        return None
    return at + _signed(word & 0xFF000 | word >> 9 & 0x800 | word >> 20 & 0x7FE | word >> 11 & 0x100000, 21)


def _decode_auipc(code: bytes, at: int) -> int | None:
    word = int(_LITTLE_WORD(code, at)[0])
    if word & 0x7F != 0x17 or at + 8 > len(code):
        return None
    upper, after = at + _signed(word >> 12, 20) * 4096, int(_LITTLE_WORD(code, at + 4)[0])
    if after & 0x7F in (0x23, 0x27):  # stores
        return upper + _signed(after >> 20 & 0xFE0 | after >> 7 & 0x1F, 12)
    return upper + _signed(after >> 20, 12)  # JALR, ADDI and loads


def _decode_ril(code: bytes, at: int) -> int | None:
    """LARL, BRASL and BRCL are C0, loads relative C4, EXRL and compares C6, BRCTH and branches on the high word CC."""
    if at < 2 or code[at - 2] not in (0xC0, 0xC4, 0xC6, 0xCC):
        return None
    return at - 2 + 2 * int(_BIG(code, at)[0])


def _signed(number: int, bits: int) -> int:
    number &= (1 << bits) - 1
    return number - (1 << bits) if number >> bits - 1 else number


_FORMS = {
    EM_X86_64: (_Form((0, 1, 2, 3), 1, 4, 0, _lower_three, _decode_x86),),
    EM_AARCH64: (_Form((0,), 4, 0, 0, _lower_three, _decode_branch),),
    EM_RISCV: (
        _Form((0, 2), 1, 0, 2048, _upper_twenty, _decode_auipc),
        _Form((0, 2), 1, -0x100000, 0, _jal, _decode_jal),
    ),
    EM_S390: (_Form((0, 2), 2, -2, 0, _lower_three, _decode_ril),),
}


def _completes(code: bytes, at: int, low: int) -> bool:
    """Whether what follows the ADRP at `at` adds `low`, as ADD or as the offset of a load or store; True as well if it
    is neither, for then nothing tells."""
    if at + 8 > len(code):
        return True
    word, after = _LITTLE_WORD(code, at)[0], int(_LITTLE_WORD(code, at + 4)[0])
    if after >> 5 & 31 != word & 31:  # another register
        return True
    number = after >> 10 & 0xFFF
    if after & 0xFFC00000 == 0x91000000:
        return bool(number == low)
    if after & 0x3B000000 == 0x39000000:
        scale = 4 if after & 0x04800000 == 0x04800000 else after >> 30
        return bool(number << scale == low)
    return True
