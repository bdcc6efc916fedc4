"""Synthetic ELF files, and what the machine must have for the tests that ask another tool."""

from __future__ import annotations

import os
import shutil
import struct
from collections.abc import Callable

import pytest

VADDR = 0x10000


def build_elf(  # noqa: PLR0913  (each has a default that makes a good file)
    *,
    bits: int = 64,
    order: str = "little",
    e_machine: int = 62,
    e_type: int = 3,
    e_flags: int = 0,
    interpreter: bytes | None = None,
    strings: bytes = b"",
    entries: tuple[tuple[int, int], ...] | None = None,
    strtab: int | None = None,
    strsz: int | None = None,
    more: bytes = b"",
    **header: int,
) -> bytes:
    """One PT_LOAD over the whole file at VADDR; `strings` after a NUL is the string table, `more` the file's end.

    `header` replaces what the file would hold: e_phoff, e_phentsize, e_phnum, e_shoff, interp_size, interp_offset,
    load_size, version.
    """
    mark = "<" if order == "little" else ">"
    wide = bits == 64
    head, each = (64, 56) if wide else (52, 32)
    count = 1 + (interpreter is not None) + (entries is not None)
    interp_at = head + count * each
    table_at = interp_at + len(interpreter or b"")
    table = b"\0" + strings
    dynamic_at = -(-(table_at + len(table)) // 8) * 8
    pairs: tuple[tuple[int, int], ...] = ()
    if entries is not None:
        at = VADDR + table_at if strtab is None else strtab
        pairs = (*entries, (5, at), (10, len(table) if strsz is None else strsz), (0, 0))
    dynamic = b"".join(struct.pack(mark + ("QQ" if wide else "II"), *pair) for pair in pairs)
    size = dynamic_at + len(dynamic) + len(more)

    def segment(p_type: int, offset: int, length: int) -> bytes:
        if wide:
            return struct.pack(mark + "IIQQQQQQ", p_type, 6, offset, VADDR + offset, 0, length, length, 1)
        return struct.pack(mark + "IIIIIIII", p_type, offset, VADDR + offset, 0, length, length, 6, 1)

    segments = segment(1, 0, header.get("load_size", size))
    if interpreter is not None:
        segments += segment(3, header.get("interp_offset", interp_at), header.get("interp_size", len(interpreter)))
    if entries is not None:
        segments += segment(2, dynamic_at, len(dynamic))
    ident = b"\x7fELF" + bytes([2 if wide else 1, 1 if order == "little" else 2, 1]) + bytes(9)
    layout = mark + ("HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH")
    start = struct.pack(
        layout,
        e_type,
        e_machine,
        header.get("version", 1),
        0,
        header.get("e_phoff", head),
        header.get("e_shoff", 0),
        e_flags,
        head,
        header.get("e_phentsize", each),
        header.get("e_phnum", count),
        64 if wide else 40,
        0,
        0,
    )
    body = (ident + start + segments + (interpreter or b"") + table).ljust(dynamic_at, b"\0")
    return body + dynamic + more


@pytest.fixture(scope="session")
def build() -> Callable[..., bytes]:
    return build_elf


@pytest.fixture(scope="session")
def tool() -> Callable[[str], str]:
    """The path of a program of this machine: a failure in CI if it is missing, elsewhere a skip."""

    def find(name: str) -> str:
        path = shutil.which(name)
        if path is None:
            if os.environ.get("CI"):
                pytest.fail(f"{name} is not installed")
            pytest.skip(f"{name} is not installed")
        return path

    return find
