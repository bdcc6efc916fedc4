"""`.note.dlopen`: of synthetic files, and of what a compiler makes of the specification's example."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.elf.conftest import build_elf
from tests.elf.test_provenance import with_sections

from needed.elf import Bytes, parse_elf
from needed.elf.dlopen_notes import DlopenNote, parse_dlopen_notes
from needed.errors import ElfError

Tool = Callable[[str], str]
FOO = b'[{"soname":["libfoo.so.1"]}]\0'
# As in the specification's example and sd-dlopen.h.
SOURCE = r"""
#include <stdint.h>
#define NOTE(name, json) \
  __attribute__((used, section(".note.dlopen"), aligned(4))) static const struct { \
    uint32_t namesz, descsz, type; char owner[4]; char text[(sizeof(json) + 3) / 4 * 4]; \
  } name = {4, sizeof(json), 0x407c0c0a, "FDO", json}
NOTE(one, "[{\"soname\":[\"libfoo.so.2\",\"libfoo.so.1\"],\"feature\":\"foo\",\"description\":\"Enables foo\","
          "\"priority\":\"required\"},{\"soname\":[\"libbar.so.1\"],\"priority\":\"suggested\"}]");
NOTE(two, "[{\"soname\":[\"libbaz.so\"]}]");
int main(void) { return 0; }
"""


def note(text: bytes, *, order: str = "<", owner: bytes = b"FDO\0", kind: int = 0x407C0C0A, size: int = -1) -> bytes:
    head = struct.pack(order + "III", len(owner), len(text) if size < 0 else size, kind)
    return head + owner + bytes(-len(owner) % 4) + text + bytes(-len(text) % 4)


def with_notes(*notes: bytes, bits: int = 64, order: str = "little") -> bytes:
    """A file with a PT_NOTE segment of these notes: the second segment of `build`, changed."""
    area = b"".join(notes)
    made = bytearray(build_elf(bits=bits, order=order, interpreter=b"/x\0"))
    made += bytes(-len(made) % 4)
    mark, head, each = ("<" if order == "little" else ">"), *((64, 56) if bits == 64 else (52, 32))
    layout = mark + ("IIQQQQQQ" if bits == 64 else "IIIIIIII")
    size = len(area)
    fields = (4, 4, len(made), 0, 0, size, size, 4) if bits == 64 else (4, len(made), 0, 0, size, size, 4, 4)
    struct.pack_into(layout, made, head + each, *fields)
    return bytes(made) + area


def notes_of(content: bytes) -> tuple[DlopenNote, ...]:
    return parse_dlopen_notes(Bytes(content), parse_elf(content))


@pytest.mark.parametrize(("bits", "order"), [(64, "little"), (64, "big"), (32, "little"), (32, "big")])
def test_every_entry_of_every_note_is_read_on_each_machine(bits: int, order: str) -> None:
    mark = "<" if order == "little" else ">"
    text = (
        b'[{"soname":["libfoo.so.2","libfoo.so.1"],"feature":"foo","description":"\xc3\xa4","priority":"required"},'
        b'{"soname":["libbar.so.1"],"priority":"suggested","unknown":{"x":1}}]\0'
    )
    other = note(b"12345678", order=mark, owner=b"GNU\0", kind=3)
    content = with_notes(other, note(text, order=mark), note(FOO, order=mark), bits=bits, order=order)
    assert notes_of(content) == (
        DlopenNote(("libfoo.so.2", "libfoo.so.1"), "required", "foo", "ä"),
        DlopenNote(("libbar.so.1",), "suggested"),
        DlopenNote(("libfoo.so.1",), "recommended"),
    )


def test_a_section_is_read_where_no_segment_holds_it() -> None:
    assert notes_of(with_sections(build_elf, _note_dlopen=note(FOO))) == (DlopenNote(("libfoo.so.1",), "recommended"),)


def test_a_note_in_a_segment_and_in_a_section_is_one(tool: Tool, tmp_path: Path) -> None:
    (tmp_path / "x.c").write_text(SOURCE)
    subprocess.run([tool("gcc"), "-o", tmp_path / "x", tmp_path / "x.c"], check=True)
    expected = (
        DlopenNote(("libfoo.so.2", "libfoo.so.1"), "required", "foo", "Enables foo"),
        DlopenNote(("libbar.so.1",), "suggested"),
        DlopenNote(("libbaz.so",), "recommended"),
    )
    content = bytearray((tmp_path / "x").read_bytes())
    assert notes_of(bytes(content)) == expected
    struct.pack_into("<Q", content, 40, 1 << 60)  # e_shoff: no loader reads section headers
    assert notes_of(bytes(content)) == expected


@pytest.mark.parametrize("priority", ['"vital"', "null", "7", '["required"]'])
def test_a_priority_that_is_none_is_recommended(priority: str) -> None:
    text = f'[{{"soname":["libfoo.so.1"],"priority":{priority}}}]'.encode()
    assert notes_of(with_notes(note(text)))[0].priority == "recommended"


def test_a_text_with_control_characters_is_left_out() -> None:
    text = b'[{"soname":["libfoo.so.1"],"feature":"a\\u001b[31m","description":"\\ud800"}]'
    assert notes_of(with_notes(note(text))) == (DlopenNote(("libfoo.so.1",), "recommended"),)


@pytest.mark.parametrize(
    "other",
    [note(FOO, kind=0x407C0C0B), note(FOO, owner=b"GNU\0"), note(FOO, owner=b"FDO"), b"\0" * 100, b"\xff" * 99],
    ids=["type", "owner", "owner without NUL", "zeros", "ones"],
)
def test_other_notes_are_stepped_over(other: bytes) -> None:
    assert notes_of(with_notes(other)) == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"9" * 100_000, "not JSON"),
        (b'{"soname":["libfoo.so.1"]}', "not a JSON array"),
        (b"[7]", '"soname"'),
        (b'[{"feature":"x"}]', '"soname"'),
        (b'[{"soname":[]}]', '"soname"'),
        (b'[{"soname":"libfoo.so.1"}]', '"soname"'),
        (b'[{"soname":["a\\u0000b"]}]', '"soname"'),
        (b'[{"soname":["' + b"a" * 300 + b'"]}]', '"soname"'),
        (b"[" + b",".join([FOO[1:-2]] * 1001) + b"]", "more than 1000 entries"),
    ],
    ids=range(12),
)
def test_damage_is_one_sentence(text: bytes, said: str) -> None:
    with pytest.raises(ElfError, match=said):
        notes_of(with_notes(note(text)))


def test_a_note_that_is_cut_off_is_damage() -> None:
    with pytest.raises(ElfError, match="of 4000000000 bytes, of which 32 are there"):
        notes_of(with_notes(note(FOO, size=4_000_000_000)))


def test_notes_without_end_are_not_read() -> None:
    with pytest.raises(ElfError, match="more than 1048576 bytes of notes"):
        notes_of(with_notes(bytes(1 << 21)))
