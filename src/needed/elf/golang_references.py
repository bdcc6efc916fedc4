"""Whether a function of a Go program is there only because of references to others that are known to be idle.

Go's linker keeps what anything reachable refers to, whether or not it ever runs. In a finished program the table of the
functions says where each one is, and code and data say who refers to it (`elf.code_references`). So the walk goes from
a function to those that refer to it, to theirs, and so on, and asks whether every way ends at an idle reference.

It is careful in one direction: False wherever it does not know. Not known is another machine, a program that is
relocated (PIE) or dynamic, a table before Go 1.18, a method that an interface of the program has or that reflection may
find, a pointer in data that is not a variable whose users are seen, a reference from outside of the table, a function
that nothing refers to (where all begins), and what goes on for too long. An address that is computed it does not see,
nor a function that the compiler put into another one, which is then asked about by what it refers to itself.

The tables are `pcHeader`, `moduledata` and `functab` of Go's src/runtime/symtab.go, `_func` and `funcval` of
runtime2.go, `ITab` of src/internal/abi/iface.go, `Method` and `InterfaceType` of src/internal/abi/type.go.
"""

from __future__ import annotations

from struct import Struct, error

from needed.elf.code_references import MACHINES, Budget, Code, TooMuch, Words
from needed.elf.model import ET_EXEC, PT_LOAD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from needed.elf.model import ByteSource, ElfFile, Segment

MAX_FILE = 64 << 20  # bytes of code and data; a larger program is not decided
MAX_FUNCTIONS = 300_000
MAX_NAME = 4096
MAX_METHODS = 1024  # of an interface
MAX_WALK = 500  # functions on the way up
_MAGICS = (0xFFFFFFF0, 0xFFFFFFF1)  # of Go 1.18 and 1.20
_PCLNTABLE, _MINPC, _MAXPC, _TEXT = 13, 20, 21, 22  # words of moduledata; they stand there since Go 1.18


def is_only_there_by(
    source: ByteSource, elf: ElfFile, table: tuple[int, int], name: str, idle: tuple[tuple[str, str], ...]
) -> bool:
    """Whether the function `name` is in the program only because of `idle`: what is referred to, and by what.

    `table` is the offset of the pclntab and the size of its section, 0 if there is none. False where it is not certain.
    """
    if elf.machine.bits != 64 or elf.machine.e_machine not in MACHINES or elf.e_type != ET_EXEC:
        return False
    if elf.dynamic or elf.interpreter is not None or (elf.machine.byteorder == "big") != (elf.machine.e_machine == 22):
        return False
    try:
        program = _read(source, elf, *table)
        return program is not None and program.walk(name, idle)
    except (TooMuch, error):  # error: a table that says that it goes on beyond the file
        return False


class _Functions:
    """The functions of a pclntab by their number, in the order of their addresses."""

    def __init__(self, content: bytes, mark: str) -> None:
        word = Struct(mark + "I").unpack_from
        words = Struct(mark + "8Q").unpack_from(content, 8)
        if word(content)[0] not in _MAGICS:
            raise ValueError
        count, names, end, start = words[0], words[3], words[4], words[7]
        if not 0 < count <= MAX_FUNCTIONS or not 0 < names <= end <= start <= len(content):
            raise ValueError
        # entry and record of each one, and the end of the last one
        numbers = Struct(f"{mark}{2 * count + 1}I").unpack_from(content, start)
        self.entries, records = numbers[::2], numbers[1::2]
        if any(map(int.__ge__, self.entries, self.entries[1:])):
            raise ValueError
        self.name_offsets = [word(content, start + record + 4)[0] for record in records]
        self.names = b"\0" + content[names:end]

    def find(self, name: str) -> list[int]:
        """The numbers of the functions that are called that: two of one that is called in two manners."""
        at = self.names.find(b"\0" + name.encode() + b"\0")
        return [number for number, offset in enumerate(self.name_offsets) if offset == at] if at >= 0 else []

    def name(self, number: int) -> bytes:
        at = self.name_offsets[number] + 1
        return self.names[at : at + MAX_NAME].partition(b"\0")[0]

    def is_entry(self, offset: int) -> bool:
        number = self.at(offset)
        return number is not None and self.entries[number] == offset

    def at(self, offset: int) -> int | None:
        """The function that has the byte at `offset` of the code."""
        from bisect import bisect_right

        if not self.entries[0] <= offset < self.entries[-1]:
            return None
        return bisect_right(self.entries, offset) - 1


class _Program:
    def __init__(self, functions: _Functions, text: int, code: Code, data: list[Words], typed: list[Words]) -> None:
        """`data` is all that is mapped beside the code and the table, `typed` that of it which can hold types."""
        self.functions, self.text, self.code, self.data, self.typed = functions, text, code, data, typed

    def walk(self, name: str, idle: tuple[tuple[str, str], ...]) -> bool:
        """What `is_only_there_by` promises. Raises TooMuch."""
        waiting = self.functions.find(name)
        find = self.functions.find
        ends = {(one, other) for used, user in idle for one in find(used) for other in find(user)}
        seen = {*waiting}
        while waiting:
            one = waiting.pop()
            users = self.users(one)
            if not users:
                return False
            for other in users - seen:
                if (one, other) not in ends:
                    seen.add(other)
                    waiting.append(other)
            if len(seen) > MAX_WALK:
                return False
        return bool(seen)

    def users(self, number: int) -> set[int]:
        """The other functions that refer to this one; empty if that is not known, or if there are none."""
        offset = self.functions.entries[number]
        address = self.text + offset
        sites: list[int] = []
        for words in self.typed:
            if any(self.is_asked_for(number, words, place) for place in words.places(offset, 4)):
                return set()
        for words in self.data:
            for slot in words.places(address, 8):
                taken = None if self.in_itab(words, slot) else self.users_of_funcval(slot)
                if not taken:
                    return set()
                sites += taken
        sites += self.code.sites(address)
        users = {self.functions.at(site - self.text) for site in sites} - {number}
        return set() if None in users else {user for user in users if user is not None}

    def is_asked_for(self, number: int, words: Words, place: int) -> bool:
        """Whether somebody can get at the function by the number at `place`, if that is the `Ifn` or `Tfn` of a Method.

        Reflection finds exported ones; interfaces what they have with that `Name` and `Mtyp`. Where neither is in the
        program, the linker leaves out the type (-1: R_METHODOFF in deadcode.go) unless something else is of that type.
        """
        read = Struct((">" if words.big else "<") + "i").unpack_from
        content, at = words.content, place - words.start
        first = self.functions.name(number).rpartition(b".")[2][:1]
        for method, partner in ((at - 8, at + 4), (at - 12, at - 4)):
            if method < 0 or partner + 4 > len(content) or not self.functions.is_entry(read(content, partner)[0]):
                continue  # the other one of `Ifn` and `Tfn` is a function as well
            if read(content, method + 4)[0] == -1:
                continue
            if not first.islower():
                return True
            pair = content[method : method + 8]
            if any(self.in_interface(one, found) for one in self.typed for found in one.repeated(pair)):
                return True
        return False

    def in_interface(self, words: Words, at: int) -> bool:
        """Whether what stands at `at` in the content is in the `Methods` of an InterfaceType: the slice's address and
        length are its last words, and the slice follows it, or an UncommonType of 16 bytes that does."""
        read = Struct((">" if words.big else "<") + "QQ").unpack_from
        self.code.budget.spend(2 * MAX_METHODS)
        for number in range(MAX_METHODS):
            start = at - 8 * number
            for back in (24, 40):
                if start < back:
                    continue
                address, count = read(words.content, start - back)
                if address == words.start + start and count > number:
                    return True
        return False

    def users_of_funcval(self, slot: int) -> list[int]:
        """The code that takes the address of this variable, none if data does: what reads that is not known."""
        for words in self.data:
            for _ in words.places(slot, 8):
                return []
        return list(self.code.sites(slot))

    def in_itab(self, words: Words, slot: int) -> bool:
        """Whether the code pointer at `slot` is one of the `Fun` of an ITab: there are as many as the interface has
        methods, and its address stands before them. The variables of functions stand in rows just the same."""
        read = Struct((">" if words.big else "<") + "Q").unpack_from
        end, number, at = self.text + self.functions.entries[-1], 0, slot - words.start
        while at >= 24:
            self.code.budget.spend()
            interface, concrete = (int(read(words.content, at - back)[0]) for back in (24, 16))
            if self.is_data(concrete) and number < self.methods(interface):
                return True
            if not self.text <= read(words.content, at - 8)[0] < end:
                return False
            number, at = number + 1, at - 8
        return True

    def methods(self, interface: int) -> int:
        """How many an InterfaceType has: the length of its slice, behind a Type of 48 bytes and a name."""
        for words in self.data:
            at = interface - words.start
            if 0 <= at <= len(words.content) - 80:
                return int(Struct((">" if words.big else "<") + "Q").unpack_from(words.content, at + 64)[0])
        return 0

    def is_data(self, address: int) -> bool:
        return any(words.start <= address < words.start + len(words.content) for words in self.data)


def _read(source: ByteSource, elf: ElfFile, at: int, size: int) -> _Program | None:
    segments = [segment for segment in elf.segments if segment.p_type == PT_LOAD and segment.p_filesz]
    holder = next((one for one in segments if one.p_offset <= at < one.p_offset + one.p_filesz), None)
    executed = [segment for segment in segments if segment.p_flags & 1]
    if holder is None or len(executed) != 1 or holder is executed[0]:
        return None
    if sum(segment.p_filesz for segment in segments) > MAX_FILE:
        return None
    if any(segment.p_vaddr % 8 or segment.p_offset + segment.p_filesz > source.size for segment in segments):
        return None
    content = source.read_at(at, holder.p_offset + holder.p_filesz - at)
    mark = ">" if elf.machine.byteorder == "big" else "<"
    try:
        functions = _Functions(content, mark)
    except (ValueError, error):
        return None
    budget = Budget()
    others = [_words(source, one, elf, budget) for one in segments if one not in (holder, executed[0])]
    table = holder.p_vaddr + at - holder.p_offset
    module = _moduledata(others, table, functions, mark)
    if module is None:
        return None
    text, end = module[_TEXT], module[_PCLNTABLE] + module[_PCLNTABLE + 1]
    if not table < end <= table + len(content):
        return None
    # The table itself is full of the offsets of functions, and the rest of its section holds no types.
    behind = (end - table + 7) // 8 * 8
    types = max(behind, size // 8 * 8)
    raw = source.read_at(holder.p_offset, at - holder.p_offset)
    parts = ((raw, holder.p_vaddr), (content[types:], table + types), (content[behind:types], table + behind))
    data = [*others, *(Words(part, start, big=mark == ">", budget=budget) for part, start in parts)]
    code = source.read_at(executed[0].p_offset, executed[0].p_filesz)
    return _Program(functions, text, Code(code, executed[0].p_vaddr, elf.machine.e_machine, budget), data, data[:-1])


def _words(source: ByteSource, segment: Segment, elf: ElfFile, budget: Budget) -> Words:
    content = source.read_at(segment.p_offset, segment.p_filesz)
    return Words(content, segment.p_vaddr, big=elf.machine.byteorder == "big", budget=budget)


def _moduledata(data: list[Words], table: int, functions: _Functions, mark: str) -> tuple[int, ...] | None:
    """Its first words, of which one points to the table and others agree with it."""
    layout = Struct(mark + "24Q")
    found = []
    for words in data:
        for place in words.places(table, 8):
            at = place - words.start
            if at + layout.size <= len(words.content):
                module = layout.unpack_from(words.content, at)
                first, last = module[_TEXT] + functions.entries[0], module[_TEXT] + functions.entries[-1]
                if (module[_MINPC], module[_MAXPC]) == (first, last):
                    found.append(module)
    return found[0] if len(found) == 1 else None
