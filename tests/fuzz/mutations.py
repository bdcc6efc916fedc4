"""Changes of an ELF file that a reader has to follow: a field is put in its place, not a byte somewhere.

The header, a program or section header, an entry of the dynamic section, a word of what an entry points to. Without the
parser under test: a change must not depend on it.
"""

from __future__ import annotations

from random import Random
from struct import Struct, error

PT_LOAD, PT_DYNAMIC = 1, 2
NUMBERS = (
    0, 1, 2, 3, 7, 8, 16, 24, 0xFF, 0xFFFF, 0xFFFE, 0x10000, 1 << 20, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 62,
    (1 << 63) - 1, 1 << 63, (1 << 64) - 1,
)  # fmt: skip
TAGS = (
    0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 14, 15, 17, 18, 20, 23, 24, 29, 30, 0x6FFFFEF5, 0x6FFFFFF0, 0x6FFFFFF9,
    0x6FFFFFFA, 0x6FFFFFFB, 0x6FFFFFFC, 0x6FFFFFFD, 0x6FFFFFFE, 0x6FFFFFFF, 0x6FFFFEFB, 0x6FFFFEFC, 0x7FFFFFFD,
    0x7FFFFFFF, 0x7000000A, 0x70000011, 0x70000013,
)  # fmt: skip
NAMES = (b"libx.so\0", b"/lib/libx.so\0", b"$ORIGIN/../lib\0", b"${LIB}:$PLATFORM:\0", b"\xff\n\x1b[0m\0", b":" * 40)
MACHINES = (3, 8, 20, 21, 22, 40, 43, 62, 183, 243, 258)


class _View:
    """Where the tables of a file stand. Raises `error`, IndexError, OverflowError if they do not."""

    def __init__(self, content: bytearray) -> None:
        self.wide, self.mark = content[4] == 2, "<" if content[5] == 1 else ">"
        self.word = "Q" if self.wide else "I"
        header = Struct(self.mark + ("HHIQQQIHHHHHH" if self.wide else "HHIIIIIHHHHHH"))
        fields = header.unpack_from(content, 16)
        self.programs, self.sections = fields[4], fields[5]
        self.program_count, self.section_count = min(fields[9], 64), min(fields[11], 64)
        self.program_size, self.section_size = (56, 64) if self.wide else (32, 40)
        segment = Struct(self.mark + ("IIQQQQQQ" if self.wide else "IIIIIIII"))
        self.loads, self.dynamic, self.dynamic_size = [], 0, 0
        for number in range(self.program_count):
            found = segment.unpack_from(content, self.programs + number * self.program_size)
            offset, address, size = (found[2], found[3], found[5]) if self.wide else (found[1], found[2], found[4])
            if found[0] == PT_LOAD:
                self.loads.append((offset, address, size))
            elif found[0] == PT_DYNAMIC:
                self.dynamic, self.dynamic_size = offset, size
        self.entry = Struct(self.mark + self.word * 2)

    def entries(self, content: bytearray) -> list[tuple[int, int, int]]:
        """(place, tag, value) of the dynamic section up to its end, no more than 200."""
        found = []
        for number in range(min(self.dynamic_size // self.entry.size, 200)):
            place = self.dynamic + number * self.entry.size
            tag, item = self.entry.unpack_from(content, place)
            found.append((place, tag, item))
            if not tag:
                break
        return found

    def offset(self, address: int) -> int | None:
        for offset, start, size in self.loads:
            if start <= address < start + size:
                return int(offset + address - start)
        return None


def mutate(content: bytes, random: Random) -> bytes:
    """`content` with one to four fields changed; as it is where it has none."""
    changed = bytearray(content)
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        try:
            _change(changed, _View(changed), random)
        except (error, IndexError, OverflowError):
            break
    return bytes(changed)


def _change(content: bytearray, view: _View, random: Random) -> None:
    match random.randrange(8):
        case 0:
            _header(content, random)
        case 1:
            place = view.programs + random.randrange(view.program_count or 1) * view.program_size
            _put(content, view, place + random.randrange(0, view.program_size, 4), _number(content, view, random))
        case 2:
            place = view.sections + random.randrange(view.section_count or 1) * view.section_size
            _put(content, view, place + random.randrange(0, view.section_size, 4), _number(content, view, random))
        case 3 | 4:
            place, _, _ = random.choice(view.entries(content))
            tag = random.choice((True, False))
            number = random.choice(TAGS) if tag else _number(content, view, random)
            _put(content, view, place + (0 if tag else view.entry.size // 2), number)
        case 5:  # two entries change places, or one is there twice
            one, other = random.choice(view.entries(content)), random.choice(view.entries(content))
            view.entry.pack_into(content, one[0], *other[1:])
            if random.random() < 0.5:
                view.entry.pack_into(content, other[0], *one[1:])
        case 6:
            tables = [at for _, tag, item in view.entries(content) if tag and (at := view.offset(item)) is not None]
            place = random.choice(tables) + 4 * random.randrange(64)
            _put(content, view, place, _number(content, view, random), random.choice("BHIQ"))
        case _:
            strings = [at for _, tag, item in view.entries(content) if tag == 5 and (at := view.offset(item))]
            place = random.choice(strings) + random.randrange(64)
            name = random.choice(NAMES)
            content[place : place + len(name)] = name[: max(len(content) - place, 0)]


def _header(content: bytearray, random: Random) -> None:
    """A field of the header; the class, byte order and machine as often as all the others."""
    match random.randrange(4):
        case 0:
            content[random.choice((4, 5))] = random.choice((1, 2, 2, 1, 0, 255))
        case 1:
            content[18:20] = random.choice(MACHINES).to_bytes(2, "little" if content[5] == 1 else "big")
        case _:
            place = random.randrange(16, 64, 2)
            content[place : place + 2] = random.choice((0, 1, 32, 40, 56, 64, 0xFFFF, 0x8000)).to_bytes(2, "little")


def _number(content: bytearray, view: _View, random: Random) -> int:
    """A number that a reader may stumble over: a limit, a place in the file, an address of the file or beside it."""
    match random.randrange(5):
        case 0 | 1:
            return random.choice(NUMBERS)
        case 2:
            return random.randrange(len(content) + 64)
        case 3 if view.loads:
            offset, address, size = random.choice(view.loads)
            return int(address + random.choice((0, size, size - 1, offset)) + random.randrange(-8, 9))
        case _:
            return len(content) + random.randrange(-16, 17)


def _put(content: bytearray, view: _View, place: int, number: int, code: str = "") -> None:
    field = Struct(view.mark + (code or view.word))
    if 0 <= place <= len(content) - field.size:
        field.pack_into(content, place, number & ((1 << 8 * field.size) - 1))
