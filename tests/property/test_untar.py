"""The strict reader against Python's `tarfile`: what ours accepts, both understand alike; no other error is raised."""

from __future__ import annotations

import io
import tarfile

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.images import D, F, L, S, extended, pax, raw, tar

from needed.errors import ImageError
from needed.image.untar import ChunkStream, FileStream, Member, read_tar
from needed.root import MemoryFile

KINDS = {tarfile.REGTYPE: "file", tarfile.AREGTYPE: "file", tarfile.DIRTYPE: "directory", tarfile.LNKTYPE: "link",
         tarfile.SYMTYPE: "symlink"} | dict.fromkeys((tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE), "special")
NAMES = st.sampled_from([b"a", b"b/c", b"./d", b"e/", b"caf\xe9", b"long/" * 30 + b"f", b"n" * 120, b"/g", b"h//i"])
SIZES = st.sampled_from([b"0", b"1", b"512", b"513", b"2048"])
RECORDS = st.one_of(
    st.tuples(st.just(b"path"), NAMES),
    st.tuples(st.just(b"linkpath"), NAMES),
    st.tuples(st.just(b"size"), SIZES),
    st.tuples(st.just(b"mtime"), st.sampled_from([b"1.5", b"0"])),
    st.tuples(st.just(b"comment"), st.binary(max_size=20)),
)
MEMBERS = st.one_of(
    st.builds(F, NAMES.filter(lambda name: not name.endswith(b"/")), st.binary(max_size=600)),
    st.builds(D, NAMES),
    st.builds(S, NAMES, NAMES),
    st.builds(L, NAMES, NAMES),
    st.builds(lambda records: pax(*records), st.lists(RECORDS, max_size=3)),
    st.builds(extended, st.sampled_from([b"L", b"K"]), NAMES.map(lambda name: name + b"\0")),
    st.builds(
        lambda kind, magic, size, rest: raw(b"r", kind, magic=magic, size=size, rest=rest, target=b"t"),
        st.sampled_from([b"0", b"\0", b"1", b"2", b"3", b"5", b"6", b"7", b"S"]),
        st.sampled_from([b"ustar\x0000", b"ustar  \0"]),
        SIZES.map(lambda size: b"%011o\0" % int(size)),
        st.sampled_from([b"", bytes(80) + b"prefix"]),
    ),
    st.binary(min_size=512, max_size=512),
    st.just(bytes(512)),
)


def ours(content: bytes) -> list[Member] | None:
    """None if it is refused. A stream of any pieces and a file give the same."""
    try:
        found = list(read_tar(FileStream(MemoryFile(content)), "x"))
    except ImageError:
        found = None
    for size in (1000, 7):
        pieces = [content[start : start + size] for start in range(0, len(content), size)]
        try:
            streamed = list(read_tar(ChunkStream(pieces), "x"))
        except ImageError:
            streamed = None
        assert streamed == found
    return found


def pythons(content: bytes) -> list[tuple[str, str, int, int]]:
    with tarfile.open(fileobj=io.BytesIO(content), encoding="utf-8", errors="surrogateescape") as opened:
        return [(item.name, KINDS[item.type], item.size, item.offset_data) for item in opened]


def plain(name: str) -> str:
    return "/".join(part for part in name.split("/") if part not in ("", "."))


@settings(max_examples=600, deadline=None)
@given(members=st.lists(MEMBERS, max_size=6))
def test_what_is_accepted_is_understood_by_both_alike(members: list[bytes]) -> None:
    content = tar(*members)
    found = ours(content)
    if found is not None:
        expected = [(plain(name), kind, size, offset) for name, kind, size, offset in pythons(content)]
        assert [(member.name, member.kind, member.size, member.offset) for member in found] == expected


@settings(max_examples=400, deadline=None)
@given(members=st.lists(MEMBERS, min_size=1, max_size=4), data=st.data())
def test_damage_is_refused_or_seen_alike_by_both_ways_of_reading(members: list[bytes], data: st.DataObject) -> None:
    content = bytearray(tar(*members))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    ours(bytes(content[: data.draw(st.integers(0, len(content)))]))
