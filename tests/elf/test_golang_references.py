"""Who refers to a function, in synthetic Go programs; `tests/engines/test_golang_certificates.py` asks the linker."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping

import pytest
from tests.elf.test_golang import build_info

from needed.elf import Bytes, parse_elf
from needed.elf.golang import parse_go_program
from needed.elf.golang_references import is_only_there_by

TEXT, RODATA, DATA = 0x401000, 0x420000, 0x440000  # within a MiB, which is how far JAL and ADR reach
E_MACHINES = {"x86-64": 62, "arm64": 183, "riscv64": 243, "s390x": 22}
IDLE = (("handshake", "serve"),)
Refer = Callable[[int, int], bytes]


def rel32(opcode: bytes) -> Refer:
    return lambda at, to: opcode + struct.pack("<i", to - at - len(opcode) - 4)


def ril(opcode: int) -> Refer:
    return lambda at, to: struct.pack(">Hi", opcode, (to - at) // 2)


def branch(word: int) -> Refer:
    return lambda at, to: struct.pack("<I", word | (to - at) // 4 & 0x3FFFFFF)


def adrp(at: int, to: int) -> bytes:
    pages = (to >> 12) - (at >> 12)
    word = 0x90000000 | (pages & 3) << 29 | (pages >> 2 & 0x7FFFF) << 5
    return struct.pack("<II", word, 0x91000000 | (to & 0xFFF) << 10)


def adr(at: int, to: int) -> bytes:
    return struct.pack("<I", 0x10000000 | (to - at & 3) << 29 | (to - at >> 2 & 0x7FFFF) << 5)


def auipc(after: int) -> Refer:
    def refer(at: int, to: int) -> bytes:
        low = (to - at + 0x800 & 0xFFF) - 0x800
        return struct.pack("<II", to - at - low & 0xFFFFF000 | 0x297, (low & 0xFFF) << 20 | after)

    return refer


def jal(at: int, to: int) -> bytes:
    d = to - at
    return struct.pack("<I", (d >> 20 & 1) << 31 | (d >> 1 & 0x3FF) << 21 | (d >> 11 & 1) << 20 | d & 0xFF000 | 0xEF)


REFERENCES = {
    "x86-64": {"call": rel32(b"\xe8"), "jump": rel32(b"\xe9"), "jz": rel32(b"\x0f\x84"), "lea": rel32(b"\x48\x8d\x05"),
               "load": rel32(b"\x48\x8b\x15"), "mov": lambda at, to: b"\xbb" + struct.pack("<I", to),
               "movabs": lambda at, to: b"\x48\xbb" + struct.pack("<Q", to)},
    "arm64": {"bl": branch(0x94000000), "b": branch(0x14000000), "adrp": adrp, "adr": adr},
    "riscv64": {"jal": jal, "jalr": auipc(0x280E7), "addi": auipc(0x28293), "ld": auipc(0x2B283)},
    "s390x": {"brasl": ril(0xC0E5), "larl": ril(0xC010), "brcl": ril(0xC0F4), "lgrl": ril(0xC418)},
}  # fmt: skip
EACH = [(machine, kind) for machine, kinds in REFERENCES.items() for kind in kinds]
# Who refers to whom: the leaf is asked about.
CHAIN = {"main": ("serve",), "serve": ("handshake",), "handshake": ("leaf",), "leaf": (), "other": ()}


class Program:
    """A Go program with these functions in this order, which refer to each other as `machine` does with `kind`.

    A name that begins with "&" is that of the variable of a function, which holds its address; one with "@" is an
    address. `types` are what stands
    behind them, and `data` what is writable; both are made of where the functions are, each of which has `room` bytes.
    """

    def __init__(
        self, functions: Mapping[str, tuple[str, ...]], machine: str, kind: str = "",
        types: Callable[[Program], bytes] = lambda program: b"", data: Callable[[Program], bytes] = lambda program: b"",
        room: int = 256,
    ) -> None:  # fmt: skip
        self.big, self.names, self.room = machine == "s390x", list(functions), room
        self.mark = ">" if self.big else "<"
        refer = REFERENCES[machine][kind or next(iter(REFERENCES[machine]))]
        table = self.table()
        self.slots = RODATA + len(table) + 64
        self.taken = list(dict.fromkeys(to[1:] for row in functions.values() for to in row if to.startswith("&")))
        code = b"".join(self.body(at, to, refer) for at, to in functions.items())
        slots = self.words(*map(self.entry, self.taken))
        self.after = self.slots + len(slots)
        rodata = table + bytes(64) + slots + types(self)
        pointers = [RODATA, *[0] * 12, RODATA, len(table), *[0] * 5, TEXT, TEXT + len(code), TEXT, TEXT + len(code)]
        written = build_info().ljust(1024, b"\0") + self.words(*pointers) + data(self)
        self.content = self.file(E_MACHINES[machine], ((5, TEXT, code), (4, RODATA, rodata), (6, DATA, written)))

    def words(self, *numbers: int) -> bytes:
        return struct.pack(f"{self.mark}{len(numbers)}Q", *numbers)

    def halves(self, *numbers: int) -> bytes:
        return struct.pack(f"{self.mark}{len(numbers)}i", *numbers)

    def entry(self, name: str) -> int:
        if name.startswith("@"):
            return int(name[1:])
        if name.startswith("&"):
            return self.slots + 8 * self.taken.index(name[1:])
        return TEXT + self.room * self.names.index(name)

    def body(self, name: str, targets: tuple[str, ...], refer: Refer) -> bytes:
        code = bytes(8)
        for target in targets:
            code += refer(self.entry(name) + len(code), self.entry(target))
            code += bytes(-len(code) % 4)
        return code.ljust(self.room, b"\0")

    def table(self) -> bytes:
        """A pclntab as of Go 1.20."""
        names = b"".join(name.encode() + b"\0" for name in self.names)
        count, first = len(self.names), 72
        functions = -(-(first + len(names)) // 8) * 8
        head = struct.pack(self.mark + "IHBB", 0xFFFFFFF1, 0, 1, 8)
        head += self.words(count, 1, 0, first, first + len(names), 0, 0, functions)
        rows, records, name_at = b"", b"", 0
        for number, name in enumerate(self.names):
            rows += self.halves(number * self.room, 8 * count + 4 + 8 * number)
            records += self.halves(number * self.room, name_at)
            name_at += len(name) + 1
        content = (head + names).ljust(functions, b"\0") + rows + self.halves(count * self.room) + records
        return content.ljust(-(-len(content) // 8) * 8, b"\0")

    def file(self, e_machine: int, segments: tuple[tuple[int, int, bytes], ...]) -> bytes:
        headers, content, offset = b"", b"", 0x1000
        for flags, address, part in segments:
            layout = self.mark + "IIQQQQQQ"
            headers += struct.pack(layout, 1, flags, offset, address, 0, len(part), len(part), 0x1000)
            content += part.ljust(-(-len(part) // 0x1000) * 0x1000, b"\0")
            offset = 0x1000 + len(content)
        ident = b"\x7fELF\2" + (b"\2" if self.big else b"\1") + b"\1" + bytes(9)
        layout = self.mark + "HHIQQQIHHHHHH"
        start = struct.pack(layout, 2, e_machine, 1, TEXT, 64, 0, 0, 64, 56, len(segments), 64, 0, 0)
        return (ident + start + headers).ljust(0x1000, b"\0") + content

    @property
    def place(self) -> int:
        """Where the table stands in the file."""
        return self.content.index(self.table()[:80])


def decided(program: Program, *, content: bytes | None = None, idle: tuple[tuple[str, str], ...] = IDLE) -> bool:
    source = Bytes(content or program.content)
    return is_only_there_by(source, parse_elf(source), (program.place, 0), "leaf", idle)


@pytest.mark.parametrize(("machine", "kind"), EACH)
def test_each_kind_of_reference_is_seen(machine: str, kind: str) -> None:
    assert decided(Program(CHAIN, machine, kind))
    for user in ("main", "other"):
        for used in ("leaf", "handshake", "&leaf", "&handshake"):
            found = Program(CHAIN | {user: (*CHAIN[user], used)}, machine, kind)
            assert not decided(found), (user, used)


TAKES = {"x86-64": "lea", "arm64": "adrp", "riscv64": "addi", "s390x": "larl"}
TAKEN = {"main": ("serve",), "serve": ("handshake",), "handshake": ("&leaf",), "leaf": ()}
MACHINES = pytest.mark.parametrize("machine", REFERENCES)


@MACHINES
def test_variables_of_functions_are_followed(machine: str) -> None:
    assert decided(Program(TAKEN, machine, TAKES[machine]))
    more = Program(TAKEN | {"other": ("&leaf",)}, machine, TAKES[machine])
    assert not decided(more)
    assert not decided(Program(TAKEN, machine, TAKES[machine], data=lambda made: made.words(made.entry("&leaf"))))


@MACHINES
def test_a_pointer_in_data_is_no_variable_if_nothing_takes_its_address(machine: str) -> None:
    for name in ("leaf", "handshake"):
        assert not decided(Program(CHAIN, machine, data=lambda made, name=name: made.words(made.entry(name))))  # type: ignore[misc]
    assert decided(Program(CHAIN, machine, data=lambda made: made.words(made.entry("serve"), made.entry("leaf") + 8)))


@MACHINES
@pytest.mark.parametrize("methods", [1, 2])
def test_a_method_of_an_itab_is_not_followed(machine: str, methods: int) -> None:
    """What stands behind the last one is the variable of a function again, and does stand in one row with them."""
    after = Program(CHAIN, machine).after

    def types(made: Program) -> bytes:
        interface = made.words(*[0] * 6, 0, after + 80, methods, methods).ljust(96, b"\0")
        return interface + made.words(after, after, 7, made.entry("serve"), made.entry("leaf"))

    taking = Program(CHAIN | {"handshake": ("leaf", f"@{after + 96 + 32}")}, machine, TAKES[machine], types=types)
    assert decided(taking) is (methods == 1)


@MACHINES
@pytest.mark.parametrize(("mtyp", "name", "found"), [(-1, "leaf", True), (5, "leaf", True), (5, "Leaf", False)])
def test_a_method_is_followed_if_nobody_can_ask_for_it(machine: str, mtyp: int, name: str, found: bool) -> None:
    chain = {"main": ("serve",), "serve": ("handshake",), "handshake": (f"(*T).{name}",), f"(*T).{name}": ()}

    def method(made: Program) -> bytes:
        offset = made.entry(f"(*T).{name}") - TEXT
        return made.halves(3, mtyp, offset, offset)

    def interface(made: Program) -> bytes:
        return made.words(*[0] * 6, 0, made.after + 80, 1, 1) + made.halves(3, mtyp) + method(made)

    def is_only_there(types: Callable[[Program], bytes]) -> bool:
        program = Program(chain, machine, types=types)
        source = Bytes(program.content)
        return is_only_there_by(source, parse_elf(source), (program.place, 0), f"(*T).{name}", IDLE)

    assert is_only_there(method) is found
    assert is_only_there(lambda made: method(made)[:8] + made.halves(made.entry("main") + 4, 0) + method(made)) is found
    if mtyp != -1:
        assert not is_only_there(interface)


@pytest.mark.parametrize(("machine", "kind"), [each for each in EACH if each[1] not in ("jal", "adr")])
def test_references_from_afar_are_seen(machine: str, kind: str) -> None:
    """Beyond the pieces that the code is read in, from each of their ends."""
    for room in ((1 << 20) - 8, 1 << 19):
        assert decided(Program(CHAIN, machine, kind, room=room))
        assert not decided(Program(CHAIN | {"other": ("leaf",)}, machine, kind, room=room))
        assert not decided(Program({"other": ()} | CHAIN | {"other": ("leaf",)}, machine, kind, room=room))


@MACHINES
def test_what_is_in_no_table_or_begins_by_itself_is_not_known(machine: str) -> None:
    assert not decided(Program(CHAIN, machine), idle=())
    assert not decided(Program({"serve": ("handshake",), "handshake": (), "leaf": ()}, machine))
    assert not decided(Program({"serve": ("handshake",), "handshake": ()}, machine))
    turning = {"serve": ("handshake",), "handshake": ("leaf", "handshake"), "leaf": ("leaf", "handshake")}
    assert decided(Program(turning, machine))


@pytest.mark.parametrize("e_machine", [3, 8, 21, 40, 258])
def test_another_machine_is_not_known(e_machine: int) -> None:
    content = bytearray(Program(CHAIN, "x86-64").content)
    assert decided(Program(CHAIN, "x86-64"), content=bytes(content))
    content[18:20] = struct.pack("<H", e_machine)
    assert not decided(Program(CHAIN, "x86-64"), content=bytes(content))


def test_a_program_that_is_relocated_is_not_known() -> None:
    content = bytearray(Program(CHAIN, "x86-64").content)
    content[16:18] = struct.pack("<H", 3)
    assert not decided(Program(CHAIN, "x86-64"), content=bytes(content))


@MACHINES
def test_a_damaged_table_is_not_known(machine: str) -> None:
    program = Program(CHAIN, machine)
    assert decided(program)
    for at in range(program.place, program.place + len(program.table()), 8):
        for word in (0, 0x7FFFFFFF, 0xFFFFFFFF):
            content = bytearray(program.content)
            content[at : at + 4] = struct.pack(program.mark + "I", word)
            decided(program, content=bytes(content))
    for length in range(0x1000, len(program.content), 1021):
        decided(program, content=program.content[:length])


SERVER = {
    "main": ("net/http.(*conn).serve",),
    "net/http.(*conn).serve": ("net/http.(*conn).maybeServeUnencryptedHTTP2",),
    "net/http.(*conn).maybeServeUnencryptedHTTP2": ("crypto/tls.(*Conn).clientHandshake-fm",),
    "crypto/tls.(*Conn).clientHandshake-fm": ("crypto/tls.(*Conn).clientHandshake",),
    "crypto/tls.(*Conn).handleRenegotiation": ("crypto/tls.(*Conn).clientHandshake",),
    "crypto/tls.(*Conn).clientHandshake": ("crypto/x509.loadSystemRoots",),
    "crypto/x509.loadSystemRoots": (),
}


def abilities(functions: Mapping[str, tuple[str, ...]]) -> frozenset[str]:
    content = Program(functions, "x86-64").content
    found = parse_go_program(Bytes(content), parse_elf(content))
    assert found is not None
    assert found.abilities is not None
    return found.abilities


def test_a_server_without_tls_verifies_no_certificates() -> None:
    assert abilities(SERVER) == frozenset()
    for name in ("clientHandshake-fm", "clientHandshake"):
        assert abilities(SERVER | {"main.init": (f"crypto/tls.(*Conn).{name}",)}) == {"certificates"}
    assert abilities(SERVER | {"crypto/x509.SystemCertPool": ("crypto/x509.loadSystemRoots",)}) == {"certificates"}


def test_places_that_look_like_references_everywhere_end() -> None:
    program = Program(CHAIN, "arm64")
    content = bytearray(program.content)
    many = struct.pack("<I", 0x90000000) * (9 << 20 >> 2)
    at = len(content)
    content += many + bytes(-len(many) % 0x1000)
    content[64 + 8 : 64 + 16] = struct.pack("<Q", at)
    content[64 + 32 : 64 + 48] = struct.pack("<QQ", len(many), len(many))
    assert not decided(program, content=bytes(content))
