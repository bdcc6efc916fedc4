"""Names of libraries among the strings: their grades, where they are looked for, and where not."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.elf.conftest import build_elf

from needed.elf import Bytes, parse_elf
from needed.elf.dlopen_names import MAX_NAMES, DlopenName, find_dlopen_names, grade_of
from needed.elf.pieces import OVERLAP, PIECE, pieces
from needed.elf.symbols import imported_names

Tool = Callable[[str], str]
OPENS = frozenset({"dlopen"})


def read_only(content: bytes) -> bytes:
    """The same with its only PT_LOAD read-only, as `build` does not make it."""
    made = bytearray(content)
    struct.pack_into("<I", made, 68, 4)
    return bytes(made)


def names(content: bytes, imported: frozenset[str] = OPENS) -> list[str]:
    return [found.name for found in find_dlopen_names(Bytes(content), parse_elf(content), imported)]


@pytest.mark.parametrize(
    ("string", "grade"),
    [
        ("libfoo.so.1", "literal"),
        ("libfoo.so.1.0.0-x", "literal"),
        ("libfoo.so.1d", "literal"),
        ("libfoo-2.0.so.0", "literal"),
        ("libstdc++.so.6", "literal"),
        ("libfoo.so", "plain"),
        ("foo_plugin.so", "plain"),
        ("/usr/lib/x/foo.so", "path"),
        ("/usr/lib/libfoo.so.1", "path"),
        ("$ORIGIN/foo.so", "path"),
        ("${ORIGIN}/../lib/libfoo.so.2", "path"),
        ("%s/%s.so", "pattern"),
        ("%s.so.%d", "pattern"),
        ("lib%s.so", "pattern"),
        (".so", "pattern"),
        (".so.", "pattern"),
        (".so.1", "pattern"),
        ("-linux-gnu.so", "pattern"),
        ("plugins/foo.so", "pattern"),
        ("cannot open libfoo.so.1", None),
        ("foo.sock", None),
        ("foo.some.thing", None),
        ("foo.so.conf", None),
        ("foo.so2", None),
        ("*.so", None),
        ("libfoo.so.1: not found", None),
        ("(libfoo.so.1)", None),
        ("cannot open %s.so", None),
    ],
)
def test_grades(string: str, grade: str | None) -> None:
    assert grade_of(string.encode()) == grade


def test_only_a_file_that_imports_dlopen_has_names() -> None:
    content = read_only(build_elf(more=b"\0libfoo.so.1\0"))
    assert names(content) == ["libfoo.so.1"]
    assert names(content, frozenset({"dlmopen"})) == ["libfoo.so.1"]
    assert names(content, frozenset({"dlsym", "open"})) == []


def test_what_is_written_to_is_not_searched() -> None:
    assert names(build_elf(more=b"\0libfoo.so.1\0")) == []


def test_names_of_the_dynamic_section_and_the_interpreter_are_left_out() -> None:
    content = build_elf(
        interpreter=b"/lib/ld.so.1\0", strings=b"libneeded.so.1\0libself.so.2\0", entries=((1, 1), (14, 16)),
        more=b"\0libfoo.so.1\0",
    )  # fmt: skip
    assert names(read_only(content)) == ["libfoo.so.1"]


def test_a_string_ends_with_nul_and_begins_behind_what_is_not_printable() -> None:
    more = b"\xff\xff\xff\xfflibone.so.1\0libtwo.so.2\nlibthree.so.3\xff\0libfour.so.4\0libfive.so.5"
    assert names(read_only(build_elf(more=more))) == ["libone.so.1", "libfour.so.4"]


def test_a_name_is_found_wherever_pieces_meet() -> None:
    start = len(build_elf())
    for place in (PIECE, PIECE - OVERLAP):
        for shift in range(-14, 3):
            more = b"x" * (place - start + shift) + b"\0libfoo.so.1\0" + bytes(600)
            assert names(read_only(build_elf(more=more))) == ["libfoo.so.1"], (place, shift)
    # Not the end of a longer one that a piece begins in.
    more = b"\0" * (PIECE - OVERLAP - start - 3) + b"liblibfoo.so.1\0" + bytes(600)
    assert names(read_only(build_elf(more=more))) == ["liblibfoo.so.1"]


def test_pieces_overlap_and_are_the_whole() -> None:
    content = bytes(range(256)) * (3 * PIECE // 256) + b"end"
    found = list(pieces(Bytes(content), 5, 1 << 60))
    assert found[0] + b"".join(piece[OVERLAP:] for piece in found[1:]) == content[5:]
    assert list(pieces(Bytes(b"abc"), 3, 10)) == list(pieces(Bytes(b"abc"), 0, 0)) == []


@pytest.mark.parametrize(
    "more", [b".so" * 400_000, b".so\0" * 300_000, b"a" * 300 + b".so.1\0", b".so\n\0" * 200_000],
    ids=["no NUL", "the same again", "too long", "no end"],
)
def test_what_looks_like_names_and_is_none(more: bytes) -> None:
    assert names(read_only(build_elf(more=b"\0" + more))) in ([], [".so"])


def test_there_is_an_end_to_names() -> None:
    more = b"".join(b"\0lib%d.so.1" % number for number in range(3 * MAX_NAMES)) + b"\0"
    assert len(names(read_only(build_elf(more=more)))) == MAX_NAMES


@pytest.mark.parametrize(
    ("p_offset", "p_filesz"), [(1 << 63, 1 << 62), (0, 1 << 63), (100, 1 << 40), ((1 << 64) - 1, 9)]
)
def test_segments_beyond_the_file_are_searched_as_far_as_it_goes(p_offset: int, p_filesz: int) -> None:
    content = bytearray(read_only(build_elf(more=b"\0libfoo.so.1\0")))
    struct.pack_into("<Q", content, 64 + 8, p_offset)
    struct.pack_into("<QQ", content, 64 + 32, p_filesz, p_filesz)
    assert names(bytes(content)) == (["libfoo.so.1"] if p_offset < len(content) else [])


def test_a_compiled_program_and_the_same_without_section_headers(tool: Tool, tmp_path: Path) -> None:
    (tmp_path / "x.c").write_text(
        "#include <dlfcn.h>\n#include <stdio.h>\n"
        'int main(int argc, char **argv) { char path[99]; snprintf(path, 99, "%s/%s.so", argv[0], argv[1]);\n'
        '  puts("usage: x [libusage.so.1]"); return !dlopen(path, 1) + !dlopen("libfoo.so.1", 1)\n'
        '    + !dlopen("/opt/x/libbar.so", 1) + !dlopen("libbaz.so", argc); }\n'
    )
    expected = {
        DlopenName("%s/%s.so", "pattern"), DlopenName("libfoo.so.1", "literal"), DlopenName("/opt/x/libbar.so", "path"),
        DlopenName("libbaz.so", "plain"),
    }  # fmt: skip
    for options in ((), ("-Wl,-z,noseparate-code",), ("-no-pie",)):
        subprocess.run([tool("gcc"), *options, "-o", tmp_path / "x", tmp_path / "x.c"], check=True)
        content = bytearray((tmp_path / "x").read_bytes())
        for _ in range(2):
            source = Bytes(bytes(content))
            elf = parse_elf(source)
            assert {*find_dlopen_names(source, elf, imported_names(source, elf))} == expected
            content[40:48] = bytes(8)  # e_shoff
