"""Synthetic files: what is read, and each malformed case with its reason."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from needed.elf import Machine, parse_elf, parse_machine
from needed.elf.model import Bytes
from needed.elf.sections import parse_sections
from needed.errors import ElfError

Build = Callable[..., bytes]
STRINGS = b"libc.so.6\0libone.so\0$ORIGIN/lib\0/old\0GLIBC_2.34\0"
ONE, ORIGIN, OLD, VERSION = 11, 21, 33, 38  # offsets in the string table


@pytest.mark.parametrize(
    ("header", "name", "platform"),
    [
        ((64, "little", 62, 0), "x86-64", "linux/amd64"),
        ((32, "little", 62, 0), "x32", "linux/amd64"),
        ((32, "little", 3, 0), "i386", "linux/386"),
        ((64, "little", 183, 0), "arm64", "linux/arm64/v8"),
        ((32, "little", 40, 0x5000400), "armhf", "linux/arm/v7"),
        ((32, "little", 40, 0x5000200), "armel", "linux/arm/v5"),
        ((64, "little", 243, 5), "riscv64", "linux/riscv64"),
        ((64, "little", 21, 2), "ppc64le", "linux/ppc64le"),
        ((64, "big", 22, 0), "s390x", "linux/s390x"),
        ((64, "little", 8, 0), "mips64el", "linux/mips64le"),
        ((64, "little", 258, 3), "loongarch64", "linux/loong64"),
        ((64, "big", 43, 0), "sparc64", "linux/sparc64"),
        ((64, "little", 999, 0), "machine 999 (64-bit, little-endian)", None),
    ],
)
def test_machine_names(build: Build, header: tuple[int, str, int, int], name: str, platform: str | None) -> None:
    bits, order, e_machine, e_flags = header
    machine = parse_machine(build(bits=bits, order=order, e_machine=e_machine, e_flags=e_flags))
    assert (machine.name, machine.platform) == (name, platform)


def test_float_abis_of_riscv_do_not_mix_and_those_of_arm_do() -> None:
    assert not Machine(64, "little", 243, "double-float").loads(Machine(64, "little", 243, "soft-float"))
    assert Machine(32, "little", 40, "hard-float").loads(Machine(32, "little", 40))


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("order", ["little", "big"])
def test_classes_and_byte_orders(build: Build, bits: int, order: str) -> None:
    entries = ((1, 1), (1, ONE), (14, ONE), (15, OLD), (29, ORIGIN), (0x6FFFFFFB, 1))
    found = parse_elf(build(bits=bits, order=order, interpreter=b"/ld.so\0", strings=STRINGS, entries=entries))
    assert (found.machine.bits, found.machine.byteorder) == (bits, order)
    assert found.interpreter == "/ld.so"
    assert found.needed == ("libc.so.6", "libone.so")
    assert (found.soname, found.rpath, found.runpath) == ("libone.so", "/old", "$ORIGIN/lib")
    assert found.flags_1 == 1
    assert found.entries[: len(entries)] == entries


@pytest.mark.parametrize(
    ("e_type", "interpreter", "entries", "linkage"),
    [
        (2, None, None, "static"),
        (2, b"/ld.so\0", ((1, 1),), "dynamic"),
        (3, b"/ld.so\0", ((1, 1),), "dynamic"),
        (3, None, ((1, 1),), "shared object"),
        (3, None, ((0x6FFFFFFB, 0x08000000),), "static-pie"),
        (3, b"/ld.so\0", ((14, 1),), "shared object"),
        (1, None, None, "relocatable"),
    ],
)
def test_linkage(
    build: Build, e_type: int, interpreter: bytes | None, entries: tuple[tuple[int, int], ...] | None, linkage: str
) -> None:
    found = parse_elf(build(e_type=e_type, interpreter=interpreter, entries=entries, strings=STRINGS))
    assert found.linkage == linkage


def test_pn_xnum_takes_the_number_from_section_header_0(build: Build) -> None:
    plain = build(interpreter=b"/ld.so\0")
    section = struct.pack("<IIQQQQIIQQ", 0, 0, 0, 0, 0, 0, 0, 2, 0, 0)
    found = parse_elf(build(interpreter=b"/ld.so\0", e_phnum=0xFFFF, e_shoff=len(plain), more=section))
    assert len(found.segments) == 2
    assert found.interpreter == "/ld.so"


def test_pn_xnum_of_four_billion_is_refused(build: Build) -> None:
    section = struct.pack("<IIQQQQIIQQ", 0, 0, 0, 0, 0, 0, 0, 0xFFFFFFFF, 0, 0)
    with pytest.raises(ElfError, match="4294967295 program headers"):
        parse_elf(build(e_phnum=0xFFFF, e_shoff=len(build()), more=section))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"e_phoff": 1 << 20}, "truncated: the program headers"),
        ({"e_phoff": 1 << 63}, "truncated: the program headers"),
        ({"e_phoff": (1 << 64) - 1}, "truncated: the program headers"),
        ({"e_phentsize": 0}, "program headers of 0 bytes"),
        ({"e_phentsize": 1}, "program headers of 1 bytes"),
        ({"e_phnum": 0xFFFF}, "65535 program headers"),
        ({"e_phnum": 4096}, "truncated: the program headers"),
        ({"version": 2}, "ELF version 2"),
        ({"interpreter": b"/ld.so\0", "interp_size": 1 << 63}, "PT_INTERP of 9223372036854775808 bytes"),
        ({"interpreter": b"/ld.so\0", "interp_size": 1 << 20}, "PT_INTERP of 1048576 bytes"),
        ({"interpreter": b"/ld.so\0", "interp_offset": 1 << 62}, "truncated: PT_INTERP"),
        ({"interpreter": b"/ld.so"}, "does not end with a NUL"),
        ({"interpreter": b"\0"}, "PT_INTERP of 1 bytes"),
        ({"interpreter": b"\0\0"}, "PT_INTERP is empty"),
        ({"interpreter": b""}, "PT_INTERP of 0 bytes"),
        ({"entries": ((1, 1),), "strtab": 0xDEAD0000}, "DT_STRTAB points to an address"),
        ({"entries": ((1, 1),), "strtab": (1 << 64) - 1}, "DT_STRTAB points to an address"),
        ({"entries": ((1, 1),), "strsz": 0}, "string offset 1 outside"),
        ({"entries": ((1, 1 << 62),)}, "string offset 4611686018427387904 outside"),
        ({"entries": ((1, 1 << 62),), "strsz": (1 << 64) - 1}, "without an end"),
        ({"entries": ((1, 1), (0x6FFFFFFE, 0x10000), (0x6FFFFFFF, 1 << 40))}, "malformed"),
        ({"entries": ((1, 1), (0x6FFFFFFE, 1), (0x6FFFFFFF, 1))}, "DT_VERNEED points to"),
        ({"entries": ((1, 1),) * 10_001}, "more than 10000 DT_NEEDED"),
    ],
)
def test_malformed(build: Build, change: dict[str, object], reason: str) -> None:
    with pytest.raises(ElfError, match=reason):
        parse_elf(build(**({"strings": STRINGS} | change)))


def test_a_huge_string_table_is_not_read_as_a_whole(build: Build) -> None:
    content = build(strings=STRINGS, entries=((1, 1),), strsz=1 << 63, load_size=1 << 40)
    asked: list[int] = []

    class Counted:
        size = 1 << 40

        def read_at(self, offset: int, size: int) -> bytes:
            asked.append(size)
            return Bytes(content).read_at(offset, size)

    assert parse_elf(Counted()).needed == ("libc.so.6",)
    assert max(asked) <= 65536


def test_overlapping_strings_do_not_fill_the_memory(build: Build) -> None:
    entries = tuple((1, offset) for offset in range(1, 9000))
    with pytest.raises(ElfError, match="bytes of dynamic strings"):
        parse_elf(build(strings=b"a" * 60000 + b"\0", entries=entries))


@pytest.mark.parametrize("name", [b"", b"a/b", b"../x", b"a\nb", b"\xff\xfe", b"x" * 65000])
def test_names_keep_their_bytes(build: Build, name: bytes) -> None:
    found = parse_elf(build(strings=name + b"\0", entries=((1, 1),)))
    assert found.needed[0].encode("utf-8", "surrogateescape") == name


def test_the_first_of_two_interpreters_counts(build: Build) -> None:
    content = bytearray(build(interpreter=b"/ld.so\0", strings=b"/xx.so\0", entries=()))
    interp_at, second = 64 + 3 * 56, 64 + 2 * 56
    content[second : second + 56] = struct.pack("<IIQQQQQQ", 3, 6, interp_at + 8, 0, 0, 7, 7, 1)
    assert parse_elf(bytes(content)).interpreter == "/ld.so"


@pytest.mark.parametrize("path", ["/bin/ls", "/lib64/ld-linux-x86-64.so.2"])
def test_a_truncated_file_is_refused_or_read(path: str) -> None:
    content = Path(path).read_bytes()
    for size in (*range(0, 1200, 7), *range(1200, len(content), 997)):
        for read in (parse_elf, parse_sections):
            try:
                read(content[:size])
            except ElfError as error:
                assert str(error).startswith(("truncated", "malformed", "not an ELF"))
            else:
                assert size > 64


def test_truncated_in_the_header() -> None:
    content = Path("/bin/ls").read_bytes()
    for size, reason in ((0, "not an ELF file"), (3, "not an ELF"), (51, "shorter than"), (63, "shorter than")):
        with pytest.raises(ElfError, match=reason):
            parse_elf(content[:size])


def test_a_long_name_that_is_there_thousands_of_times_does_not_fill_the_memory(build: Build) -> None:
    with pytest.raises(ElfError, match="bytes of dynamic strings"):
        parse_elf(build(strings=b"a" * 60000 + b"\0", entries=((1, 1),) * 9000))


def test_the_versions_of_a_file_end_where_there_is_no_next(build: Build) -> None:
    need = struct.pack("<HHIII", 1, 60000, 1, 16, 0) + struct.pack("<IHHII", 0, 0, 2, VERSION, 0)
    plain = build(strings=STRINGS, entries=((0x6FFFFFFE, 0), (0x6FFFFFFF, 1)), more=need)
    at = 0x10000 + len(plain) - len(need)
    found = parse_elf(build(strings=STRINGS, entries=((0x6FFFFFFE, at), (0x6FFFFFFF, 1)), more=need))
    assert [item.versions for item in found.version_needs] == [("GLIBC_2.34",)]
