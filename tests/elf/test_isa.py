"""The processor level in GNU_PROPERTY_X86_ISA_1_NEEDED."""

from __future__ import annotations

from pathlib import Path
from struct import pack

import pytest

from needed.elf import Bytes, parse_elf
from needed.elf.isa import parse_isa_level


def with_property(content: bytes) -> bytes:
    """An x86-64 ET_DYN with a PT_GNU_PROPERTY of `content` and nothing else."""
    header = b"\x7fELF\2\1\1" + bytes(9) + pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    return header + pack("<IIQQQQQQ", 0x6474E553, 4, 120, 120, 120, len(content), len(content), 8) + content


def note(*properties: tuple[int, int]) -> bytes:
    body = b"".join(pack("<IIIxxxx", kind, 4, bits) for kind, bits in properties)
    return pack("<III4s", 4, len(body), 5, b"GNU\0") + body


@pytest.mark.parametrize(
    ("bits", "level"), [(1, "x86-64"), (3, "x86-64-v2"), (5, "x86-64-v3"), (8, "x86-64-v4"), (0, None), (16, None)]
)
def test_the_highest_level_counts(bits: int, level: str | None) -> None:
    content = with_property(note((0xC0000002, 3), (0xC0008002, bits)))
    assert parse_isa_level(Bytes(content), parse_elf(content)) == level


@pytest.mark.parametrize("cut", range(0, 44, 3))
def test_a_damaged_note_says_nothing(cut: int) -> None:
    content = with_property(note((0xC0000002, 3), (0xC0008002, 5))[:cut])
    assert parse_isa_level(Bytes(content), parse_elf(content)) is None


def test_a_file_without_one_says_nothing() -> None:
    content = with_property(b"")
    assert parse_isa_level(Bytes(content), parse_elf(content)) is None
    true = Path("/bin/true").read_bytes()
    assert parse_isa_level(Bytes(true), parse_elf(true)) in (None, "x86-64")
