"""Language, C library, stripped: from synthetic traces and from files of this machine."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from needed.elf import Machine, parse_elf
from needed.elf.golang import GO_MAGIC
from needed.elf.model import ElfFile, VersionNeed
from needed.elf.provenance import Provenance, parse_provenance
from needed.elf.sections import parse_sections
from needed.errors import ElfError

Build = Callable[..., bytes]
GO_INFO = GO_MAGIC + b"\x08\x02" + bytes(16) + b"\x08go1.24.3\0\0"


def with_sections(build: Build, **sections: bytes) -> bytes:
    """A file with these sections ("_" for "." in their names) and a name table."""
    start = len(build())
    content, names, headers = b"", b"\0", [bytes(64)]
    for key, body in sections.items():
        headers.append(struct.pack("<IIQQQQIIQQ", len(names), 1, 0, 0, start + len(content), len(body), 0, 0, 1, 0))
        names += key.replace("_", ".").encode() + b"\0"
        content += body
    headers.append(struct.pack("<IIQQQQIIQQ", 0, 3, 0, 0, start + len(content), len(names), 0, 0, 1, 0))
    content += names
    made = bytearray(build(e_shoff=start + len(content), more=content + b"".join(headers)))
    made[60:64] = struct.pack("<HH", len(headers), len(headers) - 1)
    return bytes(made)


def provenance(content: bytes) -> Provenance:
    return parse_provenance(content, parse_elf(content))


def linked(*, interpreter: str | None = None, needed: tuple[str, ...] = (), versions: tuple[str, ...] = ()) -> ElfFile:
    from needed.elf.model import Dependency

    needs = (VersionNeed("libc.so.6", versions),) if versions else ()
    names = tuple(Dependency("NEEDED", name) for name in needed)
    machine = Machine(64, "little", 62)
    return ElfFile(machine, 3, bytes(16), b"", interpreter, True, (), names, None, None, None, (), 0, needs, ())


def test_section_names(build: Build) -> None:
    content = with_sections(build, _comment=b"GCC\0", _rodata=b"12345")
    found = parse_sections(content)
    assert [(section.name, section.sh_size) for section in found[1:3]] == [(".comment", 4), (".rodata", 5)]
    assert parse_sections(build()) == ()


@pytest.mark.parametrize("e_shoff", [1 << 20, 1 << 63, (1 << 64) - 1])
def test_damaged_section_headers_do_not_hide_the_rest(build: Build, e_shoff: int) -> None:
    content = build(e_shoff=e_shoff)
    with pytest.raises(ElfError, match="truncated: the section headers"):
        parse_sections(content)
    assert provenance(content).stripped is None


@pytest.mark.parametrize(
    ("sections", "language", "version"),
    [
        ({"_go_buildinfo": GO_INFO}, "go", "1.24.3"),
        ({"_go_buildinfo": GO_MAGIC + b"\x08\0" + bytes(16)}, "go", None),
        ({"_go_buildinfo": GO_INFO[:33]}, "go", None),
        ({"_go_buildinfo": b"something else"}, None, None),
        ({"_note_go_buildid": b"x"}, "go", None),
        ({"_comment": b"GCC: (GNU) 9.5.0\0rustc version 1.93.1 (01f6ddf75 2026-02-11)\0"}, "rust", "1.93.1"),
        ({"_comment": b"GCC: (GNU) 9.5.0\0"}, None, None),
        ({"_rodata": b"at /rustc/" + b"0123456789abcdef" * 2 + b"01234567/library/core"}, "rust", None),
        ({"_rodata": b"see /rustc/ or /rustc/book/"}, None, None),
        ({"_strtab": b"\0main\0rust_panic\0"}, "rust", None),
    ],
)
def test_language(build: Build, sections: dict[str, bytes], language: str | None, version: str | None) -> None:
    found = provenance(with_sections(build, **sections))
    assert (found.language, found.language_version) == (language, version)


def test_go_build_info_without_a_section(build: Build) -> None:
    start = -(-len(build()) // 16) * 16
    content = build(more=bytes(start - len(build())) + GO_INFO)
    assert provenance(content).language_version == "1.24.3"
    assert provenance(build(more=b"\0" * (start - len(build()) + 1) + GO_INFO)).language is None


@pytest.mark.parametrize(
    ("elf_file", "libc", "version"),
    [
        (linked(needed=("libc.so.6",), versions=("GLIBC_2.9", "GLIBC_2.34", "GLIBC_2.2.5")), "glibc", "2.34"),
        (linked(needed=("libc.so.6",), versions=("GLIBC_PRIVATE", "GLIBC_ABI_DT_RELR")), "glibc", None),
        (linked(interpreter="/lib64/ld-linux-x86-64.so.2"), "glibc", None),
        (linked(interpreter="/lib/ld-musl-x86_64.so.1", needed=("libc.so",)), "musl", None),
        (linked(needed=("libc.musl-x86_64.so.1",)), "musl", None),
        (linked(needed=("libc.so",)), "musl", None),
        (linked(interpreter="/system/bin/linker64", needed=("libc.so",)), "bionic", None),
        (linked(needed=("libm.so.6",)), None, None),
    ],
)
def test_c_library(build: Build, elf_file: ElfFile, libc: str | None, version: str | None) -> None:
    found = parse_provenance(build(), elf_file)
    assert (found.libc, found.libc_version) == (libc, version)


def test_segments_beyond_the_file_are_not_searched(build: Build) -> None:
    content = build()
    plain = parse_elf(content)
    header = struct.pack("<IIQQQQQQ", 1, 6, 1 << 63, 0, 0, 1 << 63, 1 << 63, 0)
    changed = ElfFile(*(plain.machine, 3, bytes(16), header, None, False, (), (), None, None, None, (), 0, (), ()))
    assert parse_provenance(content, changed).language is None


def test_bash_is_glibc_and_stripped() -> None:
    found = provenance(Path("/bin/bash").read_bytes())
    assert (found.libc, found.stripped, found.language) == ("glibc", True, None)
