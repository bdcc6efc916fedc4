"""Whatever the bytes: a value or an ElfError, within bounds, and what can be printed of it.

`make fuzz` asks the same (`tests/fuzz`), guided by coverage and for an hour.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from random import Random

from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.fuzz.mutations import mutate
from tests.fuzz.readers import ASKING, read
from tests.fuzz.seeds import seeds

from needed.elf import parse_elf
from needed.elf.model import Bytes
from needed.elf.parse import MAX_DEPENDENCIES, MAX_DYNAMIC_ENTRIES, MAX_STRINGS
from needed.elf.symbols import parse_symbols
from needed.errors import ElfError
from needed.loader.cache import Cache, CacheEntry, compare_names, render_cache

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
MACHINE = parse_elf(ASKING).machine
SEEDS = list(seeds())
ELF_SEEDS = [content for content in SEEDS if content.startswith(b"\x7fELF")]
OTHER_SEEDS = [content for content in SEEDS if not content.startswith(b"\x7fELF")]


class Counted:
    """A file that knows how much of it was read."""

    def __init__(self, content: bytes) -> None:
        self.content, self.size, self.read = content, len(content), 0

    def read_at(self, offset: int, size: int) -> bytes:
        piece = self.content[offset : offset + size]
        self.read += len(piece)
        return piece


def check_bounds(content: bytes) -> None:
    """No more is read, and no more comes out, than a file of that size may cost."""
    source = Counted(content)
    with suppress(ElfError):
        elf = parse_elf(source)
        names = [item.name for item in elf.dependencies] + [elf.soname or "", elf.rpath or "", elf.runpath or ""]
        names += [name for need in elf.version_needs for name in (need.file, *need.versions, *need.weak)]
        names += elf.version_definitions
        assert sum(map(len, names)) <= MAX_STRINGS
        assert len(elf.entries) <= MAX_DYNAMIC_ENTRIES and len(elf.dependencies) <= MAX_DEPENDENCIES
        table = parse_symbols(Bytes(content), elf)
        assert table.count * 16 <= len(content)
        for name in table.all_names():
            assert name in content
    assert source.read <= 64 * len(content) + (1 << 20)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
@example(b"\x7fELF")
def test_any_bytes(content: bytes) -> None:
    read(content)
    check_bounds(content)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([1, 2]), st.sampled_from([1, 2]), st.binary(max_size=800))
def test_any_bytes_after_a_good_start(bits: int, order: int, content: bytes) -> None:
    read(b"\x7fELF" + bytes([bits, order, 1]) + content)
    check_bounds(b"\x7fELF" + bytes([bits, order, 1]) + content)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(PLACES, st.one_of(WORDS, st.binary(min_size=1, max_size=8))), min_size=1, max_size=6))
def test_a_changed_program(changes: list[tuple[int, bytes]]) -> None:
    content = bytearray(LS)
    for place, word in changes:
        content[place : place + len(word)] = word
    read(bytes(content))
    check_bounds(bytes(content))


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(ELF_SEEDS), st.integers(0, 1 << 32), st.integers(1, 3))
def test_changed_fields_in_files_of_many_machines(content: bytes, seed: int, times: int) -> None:
    random = Random(seed)
    for _ in range(times):
        content = mutate(content, random)
    read(content)
    check_bounds(content)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(OTHER_SEEDS), st.data())
def test_changed_caches_and_configurations(content: bytes, data: st.DataObject) -> None:
    changed = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(changed)))
        changed[place : place + data.draw(st.integers(0, 8))] = data.draw(st.one_of(WORDS, st.binary(max_size=8)))
    read(bytes(changed))


LIBRARIES = st.from_regex(rb"lib[a-c0-2.\x80\xff]{1,4}", fullmatch=True).map(
    lambda raw: raw.decode("utf-8", "surrogateescape")
)


def raw(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


@settings(max_examples=300, deadline=None)
@given(st.lists(LIBRARIES, max_size=12, unique=True), LIBRARIES)
def test_a_name_is_found_by_bisection_where_reading_all_would_find_it(names: list[str], wanted: str) -> None:
    entries = [CacheEntry(name, f"/{number}") for number, name in enumerate(names)]
    cache = Cache(render_cache(entries, MACHINE), MACHINE)
    assert not cache.damaged
    for name in (*names, wanted):
        alike = {item.path for item in entries if compare_names(raw(name), raw(item.name), signed=True) == 0}
        found = cache.find(name)
        assert (found.path in alike) if found else not alike
