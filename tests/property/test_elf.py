"""Whatever the bytes: a value or an ElfError, and a dynamic section that can be printed."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from needed.elf import Bytes, parse_elf
from needed.elf.provenance import parse_provenance
from needed.elf.sections import parse_sections
from needed.elf.symbols import exports, parse_references, parse_symbols, undefined_imports
from needed.errors import ElfError
from needed.report.readelf import render_dynamic

LS = Path("/bin/ls").read_bytes()
# Where a change matters: headers, program headers, the dynamic section, section headers.
DYNAMIC = next(segment.p_offset for segment in parse_elf(LS).segments if segment.p_type == 2)
# The hash table, the symbols, their names and versions, and the relocations follow each other.
TABLES = [value for tag, value in parse_elf(LS).entries if tag in (5, 6, 7, 23, 0x6FFFFEF5, 0x6FFFFFF0, 0x6FFFFFFE)]
PLACES = st.one_of(
    st.integers(0, 1000),
    st.integers(min(TABLES), max(TABLES) + 400),
    st.integers(DYNAMIC, DYNAMIC + 600),
    st.integers(0, len(LS) - 1),
)
WORDS = st.sampled_from([b"\0", b"\xff", b"\xff" * 8, b"\0" * 8, b"\x7f" + b"\xff" * 7, b"\0" * 7 + b"\x80", b"\x01"])


def read(content: bytes) -> None:
    with suppress(ElfError):
        parse_sections(content)
    try:
        elf_file = parse_elf(content)
        parse_provenance(content, elf_file)
    except ElfError:
        return
    with suppress(ElfError):
        source = Bytes(content)
        table = parse_symbols(source, elf_file)
        for _ in parse_references(source, elf_file, table, lazy=False).ordered():
            pass
        undefined_imports(source, elf_file)
        exports(source, elf_file)
    assert render_dynamic(elf_file).startswith("\n")


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
@example(b"\x7fELF")
def test_any_bytes(content: bytes) -> None:
    read(content)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([1, 2]), st.sampled_from([1, 2]), st.binary(max_size=800))
def test_any_bytes_after_a_good_start(bits: int, order: int, content: bytes) -> None:
    read(b"\x7fELF" + bytes([bits, order, 1]) + content)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(PLACES, st.one_of(WORDS, st.binary(min_size=1, max_size=8))), min_size=1, max_size=6))
def test_a_changed_program(changes: list[tuple[int, bytes]]) -> None:
    content = bytearray(LS)
    for place, word in changes:
        content[place : place + len(word)] = word
    read(bytes(content))
