"""Build info and function names of synthetic Go programs; `tests/engines/test_golang.py` asks a real compiler."""

from __future__ import annotations

import struct

import pytest
from tests.elf.conftest import build_elf
from tests.elf.test_provenance import with_sections

from needed.elf import Bytes, parse_elf
from needed.elf.golang import GO_MAGIC, BuildInfo, GoProgram, parse_go_program
from needed.elf.pieces import OVERLAP, PIECE

MAGICS = {"1.2": 0xFFFFFFFB, "1.16": 0xFFFFFFFA, "1.18": 0xFFFFFFF0, "1.20": 0xFFFFFFF1}
MODULE = (
    "path\texample.org/x\nmod\texample.org/x\t(devel)\t\ndep\texample.org/y\tv1.0.0\th1:=\n"
    'build\t-tags="netgo osusergo"\nbuild\tCGO_ENABLED=0\nbuild\tGOARCH=s390x\nbuild\t-ldflags="-X \\"a=b\\""\n'
)


def build_info(version: str = "go1.27.3", module: str = MODULE) -> bytes:
    framed = b"s" * 16 + module.encode() + b"e" * 16 if module else b""
    strings = b"".join(bytes([len(raw) & 127 | 128, len(raw) >> 7]) + raw for raw in (version.encode(), framed))
    return GO_MAGIC + b"\x08\x02" + bytes(16) + strings


def pclntab(*names: str, layout: str = "1.20", mark: str = "<", word: int = 8) -> bytes:
    """A table with the names and nothing else that is read."""
    head = struct.pack(mark + "IHBB", MAGICS[layout], 0, 1, word)
    table = b"".join(name.encode() + b"\0" for name in names)
    if layout == "1.2":
        return head + b"\x01\x02\x03" + table.replace(b"\0", b"\0\x07\x07")
    words = [len(names), 1, *([0] if layout != "1.16" else [])]
    start = 8 + word * (len(words) + 5)
    words += [start, start + len(table), 0, 0, 0]
    return head + struct.pack(f"{mark}{len(words)}{'Q' if word == 8 else 'I'}", *words) + table + b"cutab"


def program(*names: str, layout: str = "1.20") -> GoProgram | None:
    return of(with_sections(build_elf, _go_buildinfo=build_info(), _gopclntab=pclntab(*names, layout=layout)))


def of(content: bytes) -> GoProgram | None:
    return parse_go_program(Bytes(content), parse_elf(content))


def abilities(found: GoProgram | None) -> set[str] | None:
    assert found is not None
    return None if found.abilities is None else {*found.abilities}


def test_the_build_info_has_version_module_and_settings() -> None:
    found = program("main.main")
    settings = (("-tags", "netgo osusergo"), ("CGO_ENABLED", "0"), ("GOARCH", "s390x"), ("-ldflags", '-X "a=b"'))
    assert found == GoProgram(BuildInfo("1.27.3", "example.org/x", settings), frozenset(), frozenset())
    assert found.cgo is False


@pytest.mark.parametrize(
    "content",
    [GO_MAGIC, GO_MAGIC + b"\x08\0" + bytes(16), build_info("", ""), build_info("go" * 200, ""), build_info()[:35],
     GO_MAGIC + b"\x08\x02" + bytes(16) + b"\xff" * 40],
    ids=range(6),
)  # fmt: skip
def test_damaged_build_info_says_nothing(content: bytes) -> None:
    found = of(with_sections(build_elf, _go_buildinfo=content))
    assert found == GoProgram(BuildInfo(None, None, ()), None, None)
    assert found.cgo is None


@pytest.mark.parametrize("layout", MAGICS)
@pytest.mark.parametrize(
    ("name", "ability"),
    [
        ("net.(*Resolver).lookupHost", "resolver"), ("crypto/x509.loadSystemRoots", "certificates"),
        ("time.LoadLocation", "zones"), ("os/user.lookupUser", "users"), ("os/user.Current", "users"),
        ("os.StartProcess", "exec"), ("syscall.Exec", "exec"), ("plugin.Open", "plugin"),
    ],
)  # fmt: skip
def test_a_function_is_an_ability_in_every_layout(layout: str, name: str, ability: str) -> None:
    assert abilities(program(name, "main.main", layout=layout)) == {ability}
    assert abilities(program("main.main", name, layout=layout)) == {ability}


@pytest.mark.parametrize(
    "name", ["time.loadLocation", "time.LoadLocationFromTZData", "mytime.LoadLocation", "net.ParseIP", "os/user.init",
             "crypto/x509.ParseCertificate", "x/net.(*Resolver).x", "os.StartProcessx"],
)  # fmt: skip
def test_other_functions_are_none(name: str) -> None:
    assert abilities(program(name)) == set()


def test_what_a_program_brings_along() -> None:
    for ability, names in (
        ("zones", ("time.LoadLocation", "time/tzdata.registerLoadFromEmbeddedTZData")),
        ("certificates", ("crypto/x509.loadSystemRoots", "golang.org/x/crypto/x509roots/fallback.init.0")),
    ):
        found = program(*names)
        assert found is not None
        assert found.abilities == found.embedded == frozenset({ability})


@pytest.mark.parametrize(("bits", "order"), [(64, "little"), (64, "big"), (32, "little"), (32, "big")])
@pytest.mark.parametrize("layout", MAGICS)
def test_the_table_is_found_without_section_headers_on_each_machine(bits: int, order: str, layout: str) -> None:
    start = -(-len(build_elf(bits=bits, order=order)) // 32) * 32 - len(build_elf(bits=bits, order=order))
    info = build_info().ljust(1024, b"\0")
    mark = "<" if order == "little" else ">"
    table = pclntab("time.LoadLocation", layout=layout, mark=mark, word=bits // 8)
    decoys = pclntab(layout=layout, mark=mark, word=12 - bits // 8).ljust(128, b"\0") + b"\0" + table[:6]
    more = bytes(start) + info + decoys.ljust(256, b"\0") + table
    assert abilities(of(build_elf(bits=bits, order=order, more=more))) == {"zones"}


@pytest.mark.parametrize("shift", range(-24, 4, 3))
def test_a_name_is_found_wherever_pieces_meet(shift: int) -> None:
    for place in (PIECE, PIECE - OVERLAP):
        names = ("x" * (place + shift), "time.LoadLocation", "y" * 1000)
        assert abilities(program(*names)) == {"zones"}


def test_the_build_info_is_found_wherever_pieces_meet() -> None:
    start = len(build_elf())
    for at in range(PIECE - 2 * OVERLAP, PIECE + 32, 16):
        content = build_elf(more=bytes(at - start) + build_info())
        found = of(content)
        assert found is not None
        assert found.build.version == "1.27.3", at
        assert of(content.replace(GO_MAGIC, b" " + GO_MAGIC)) is None  # not aligned


def test_no_go_program_is_none() -> None:
    assert of(build_elf()) is None
    assert of(with_sections(build_elf, _gopclntab=pclntab("time.LoadLocation"))) is None


@pytest.mark.parametrize(
    ("at", "number"), [(0, 0), (0, 0xFF), (6, 3), (7, 4), (32, 0), (32, 255), (40, 0), (45, 255), (47, 255)]
)
def test_a_damaged_table_is_no_table(at: int, number: int) -> None:
    table = bytearray(pclntab("time.LoadLocation"))
    table[at] = number
    found = of(with_sections(build_elf, _go_buildinfo=build_info(), _gopclntab=bytes(table)))
    assert abilities(found) is None


def test_magics_everywhere_end() -> None:
    head = struct.pack("<IHBB", MAGICS["1.20"], 0, 1, 8) + b"\xff" * 24
    more = bytes(-len(build_elf()) % 32) + build_info().ljust(1024, b"\0") + head * 50_000
    assert abilities(of(build_elf(more=more))) is None
