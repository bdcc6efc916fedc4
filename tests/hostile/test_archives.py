"""Group 4: bytes that two readers of tar may understand differently, damage, and bombs."""

from __future__ import annotations

import gzip
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.images import LAYER, D, F, L, Layout, S, digest, extended, numbered, pax, raw, tar

import needed
from needed.errors import ImageError
from needed.image.codec import Codec
from needed.image.limits import Limits
from needed.image.tar import END

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.hostile.conftest import Open, Refuse

INNER = F("hidden", "smuggled")


def image_of(folder: Path, blob: bytes, diff_id: str, compression: str) -> str:
    """A layout whose one layer is this blob, whatever it is."""
    made = Layout(folder / "image")

    def config(document: dict[str, dict[str, list[str]]]) -> None:
        document["rootfs"]["diff_ids"] = [diff_id]

    def manifest(document: dict[str, object]) -> None:
        document["layers"] = [made.blob(blob, LAYER + compression)]

    return made.index(made.image(config=config, manifest=manifest))


def test_t40_a_pax_size_that_differs_from_the_headers_is_refused(refused: Refuse) -> None:
    smuggled = pax((b"size", b"2048")) + raw(size=b"00000001000\0") + INNER + bytes(2048)
    assert "two sizes" in refused([smuggled])


def test_t40_a_pax_size_wins_over_a_header_that_says_nothing(opened: Open) -> None:
    content = INNER + bytes(1024)
    found = opened([pax((b"size", b"%d" % len(content))) + raw() + content])
    assert list(found) == ["/f"] and found["/f"].startswith("file 0644 hidden")


@pytest.mark.parametrize(
    "entry",
    [
        raw(kind=b"2", size=b"00000002000\0", target=b"x") + INNER,
        raw(kind=b"5", size=b"00000002000\0") + INNER,
        F("g") + raw(kind=b"1", size=b"00000002000\0", target=b"g") + INNER,
        raw(kind=b"6", size=b"00000002000\0") + INNER,
        pax((b"size", b"512")) + D("d"),
        pax((b"size", b"0x10")) + F("f"),
        pax((b"size", b"1_0")) + raw(),
        pax((b"size", b"-1")) + raw(),
        pax((b"size", b"1"), (b"size", b"2")) + raw(),
        pax((b"path", b"a")) + extended(b"L", b"b\0") + raw(),
        extended(b"L", b"a\0") + extended(b"L", b"b\0") + raw(),
        pax((b"path", b"a")) + pax((b"mtime", b"1")) + raw(),
        pax((b"path", b"a"), kind=b"g") + raw(),
        pax((b"size", b"5"), kind=b"g") + raw(),
        pax((b"mtime", b"5")) + pax((b"uid", b"5"), kind=b"g") + raw(),
        pax((b"path", b"a\0b")) + raw(),
        extended(b"L", b"a\0b\0") + raw(),
        pax((b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0")) + raw(),
        extended(b"x", b"11 path=abcd"),
        extended(b"x", b"8 path=a\n") + raw(),
        extended(b"x", b"-7 path=a\n") + raw(),
        extended(b"x", b"999999999999 path=a\n") + raw(),
        extended(b"x", b"11 pathisa\n") + raw(),
        extended(b"x", b"0 path=a\n") + raw(),
        raw(b"f/"),
        raw(b"f/", b"\0"),
        raw(magic=bytes(8)),
        raw(magic=b"ustar  \0", rest=bytes(80) + b"prefix"),
        raw(magic=b"ustar\x0001"),
        raw(size=b"000000+0001\0"),
        raw(size=b"0000000_001\0"),
        raw(size=b"00000000009\0"),
        raw(size=b"0000 000001\0"),
        raw(kind=b"1"),
        raw(kind=b"2"),
    ],
    ids=numbered("T40"),
)
def test_t40_what_readers_understand_differently_is_refused(refused: Refuse, entry: bytes) -> None:
    assert refused([F("first"), entry])


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        (pax((b"path", b"long/name")) + raw(), "/long/name"),
        (extended(b"L", b"long/name\0") + raw(magic=b"ustar  \0"), "/long/name"),
        (extended(b"K", b"f\0") + extended(b"L", b"long\0") + raw(kind=b"2", magic=b"ustar  \0"), "/long"),
        (pax((b"comment", b"x"), kind=b"g") + pax((b"path", b"")) + raw(), "/f"),
        (pax((b"hdrcharset", b"BINARY"), (b"path", b"\xff")) + raw(), "/\udcff"),
        (raw(kind=b"\0"), "/f"),
        (raw(rest=bytes(80) + b"pre/fix"), "/pre/fix/f"),
        (raw(size=b"         0 \0"), "/f"),
    ],
    ids=numbered("T40"),
)
def test_t40_the_forms_that_all_readers_agree_on_are_read(opened: Open, entry: bytes, name: str) -> None:
    assert name in opened([entry])


@pytest.mark.parametrize(
    "size",
    [b"\xff" * 12, b"\x80" + bytes(7) + b"\0\0\2\0", b"77777777777\0", b"\x80" + b"\x7f" * 11, b"-0000000001\0"],
    ids=numbered("T42"),
)
def test_t42_a_size_that_is_negative_binary_or_beyond_the_archive_is_refused(refused: Refuse, size: bytes) -> None:
    assert refused([raw(size=size) + bytes(512)])


def test_t42_a_wrong_checksum_is_refused(refused: Refuse) -> None:
    header = bytearray(F("f"))
    header[0] ^= 1
    assert "checksum" in refused([bytes(header)])


def test_t44_an_extended_header_beyond_1_mib_is_refused(refused: Refuse) -> None:
    assert "1048576 are the limit" in refused([raw(kind=b"x", size=b"10000000000\0") + bytes(4096)])


@pytest.mark.parametrize("size", [*range(0, 3072, 512), 1636, 1, 511, 1535, 3071], ids="T46-{}".format)
def test_t46_a_truncated_archive_is_refused(tmp_path: Path, refused: Refuse, size: int) -> None:
    whole = tar(F("a", "x" * 100), F("b"))
    assert len(whole) == 2560
    cut = whole[: min(size, 2559)]
    message = refused(image_of(tmp_path, cut, digest(cut), ""))
    assert "ends" in message or "one block" in message


@pytest.mark.parametrize("end", [bytes(512) + F("b") + END, bytes(512)], ids=numbered("T46"))
def test_t46_one_block_of_zeros_is_no_end(tmp_path: Path, refused: Refuse, end: bytes) -> None:
    content = F("a") + end
    assert "one block" in refused(image_of(tmp_path, content, digest(content), ""))


@pytest.mark.parametrize("after", [F("hidden") + END, bytes(100_000) + b"x", b"x"], ids=numbered("T48"))
def test_t48_bytes_after_the_end_are_refused(tmp_path: Path, refused: Refuse, after: bytes) -> None:
    content = tar(F("f")) + after
    assert "after its end" in refused(image_of(tmp_path, content, digest(content), ""))
    (tmp_path / "t.tar").write_bytes(content)
    assert "after its end" in refused(f"tar:{tmp_path}/t.tar")


def test_t48_zeros_after_the_end_are_the_records_of_a_tape(tmp_path: Path) -> None:
    content = tar(F("f")) + bytes(10240)
    assert needed.open_root(image_of(tmp_path, content, digest(content), "")).names("/") == ("f",)  # type: ignore[arg-type]


def test_t49_entries_of_all_layers_are_counted(refused: Refuse) -> None:
    layers = [[F(f"{layer}-{number}") for number in range(60)] for layer in "ab"]
    assert "more than 100 entries" in refused(*layers, limits=Limits(entries=100))


# Prints what came of it and the most memory that it took. Not of resource: its figure includes the parent's.
MEASURED = """
import sys, needed
try:
    needed.open_root(sys.argv[1])
    print("opened")
except needed.NeededError as error:
    print(error.message)
print(*[line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")])
"""


def measure(text: str) -> tuple[str, int]:
    """The outcome in a process of its own, and its peak memory in MiB."""
    result = subprocess.run([sys.executable, "-c", MEASURED, text], capture_output=True, text=True, check=True)
    outcome, peak = result.stdout.splitlines()
    return outcome, int(peak) // 1024


def test_z01_a_gzip_bomb_of_3_gb_stops_at_the_ratio_with_little_memory(tmp_path: Path) -> None:
    outcome, peak = measure(image_of(tmp_path, gzip.compress(bytes(100 << 20)) * 30, digest(b""), "+gzip"))
    assert "more than 1000 times its size" in outcome and peak < 100


def test_z01_a_zstd_bomb_stops_at_the_ratio_with_little_memory(tmp_path: Path) -> None:
    codec = Codec("zstd", 3)
    outcome, peak = measure(image_of(tmp_path, codec.compress(bytes(300 << 20)), digest(b""), "+zstd"))
    assert "more than 1000 times its size" in outcome and peak < 100


def test_z01_the_layers_together_stop_at_the_limit(tmp_path: Path, refused: Refuse) -> None:
    made = Layout(tmp_path / "image")
    layers = [tar(F("f", str(number) * 3000)) for number in range(3)]
    text = made.index(made.image(*layers, compression="+gzip"))
    assert "12000 bytes in all" in refused(text, limits=Limits(total=12_000))


def test_z01_a_file_stops_at_the_limit(refused: Refuse) -> None:
    assert "a file of 3000 bytes" in refused([F("f", "x" * 3000)], limits=Limits(file=2_000))


def test_z01_empty_members_are_counted(tmp_path: Path, refused: Refuse) -> None:
    content = tar(F("f"))
    blob = gzip.compress(b"") * 2000 + gzip.compress(content)
    assert "empty members" in refused(image_of(tmp_path, blob, digest(content), "+gzip"))


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
@pytest.mark.parametrize("garbage", [b"GARBAGE", bytes(512), b"\x1f", b"\x1f\x8b"], ids=numbered("Z03"))
def test_z03_bytes_after_the_compressed_stream_are_refused(
    tmp_path: Path, refused: Refuse, compression: str, garbage: bytes
) -> None:
    content = tar(F("f"))
    blob = Codec(compression, 3).compress(content) + garbage
    assert refused(image_of(tmp_path, blob, digest(content), f"+{compression}"))


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_z03_a_compressed_stream_that_is_cut_is_refused(tmp_path: Path, refused: Refuse, compression: str) -> None:
    content = tar(F("f"))
    blob = Codec(compression, 3).compress(content)[:-3]
    assert refused(image_of(tmp_path, blob, digest(content), f"+{compression}"))


@pytest.mark.parametrize("is_", ["", "gzip", "zstd", "bzip2"])
@pytest.mark.parametrize("says", ["", "gzip", "zstd"])
def test_z05_the_bytes_and_the_media_type_must_agree(tmp_path: Path, refused: Refuse, is_: str, says: str) -> None:
    if is_ == says:
        return
    import bz2

    content = tar(F("f"))
    blob = bz2.compress(content) if is_ == "bzip2" else Codec(is_ or "none", 3).compress(content)
    message = refused(image_of(tmp_path, blob, digest(content), f"+{says}" if says else ""))
    assert "by its media type" in message or "bzip2" in message


def test_z06_a_zstd_window_beyond_128_mib_is_refused(tmp_path: Path) -> None:
    # RFC 8878: magic, a frame header that asks for a window of 2 GiB and tells no size, one last raw block.
    frame = b"\x28\xb5\x2f\xfd\x00" + bytes([(31 - 10) << 3]) + (1 | 4 << 3).to_bytes(3, "little") + b"abcd"
    outcome, peak = measure(image_of(tmp_path, frame, digest(b"abcd"), "+zstd"))
    assert "damaged" in outcome and peak < 100


def test_z06_small_members_are_read_with_little_memory(tmp_path: Path) -> None:
    content = tar(*[F(f"f{number}", bytes(number)) for number in range(500)])
    blob = b"".join(gzip.compress(content[start : start + 100], 1) for start in range(0, len(content), 100))
    outcome, peak = measure(image_of(tmp_path, blob, digest(content), "+gzip"))
    assert outcome == "opened" and peak < 100


def members(size: int) -> Iterator[bytes]:
    yield from (F("f", "x" * 600), S("s", "t" * 200), L("l", "f"), pax((b"path", b"p")) + raw(), D("d"))
    yield extended(b"L", b"long\0") + raw(magic=b"ustar  \0")


def test_t46_no_cut_and_no_flipped_byte_goes_by_unseen_or_ends_in_anything_but_a_refusal(tmp_path: Path) -> None:
    """Of a plain tar, which has no digest: a flipped byte of a header is always seen, and nothing else is raised."""
    whole = tar(*members(0))
    path = tmp_path / "t.tar"
    for position in range(0, len(whole), 7):
        path.write_bytes(whole[:position])
        with pytest.raises(ImageError):
            needed.open_root(f"tar:{path}")
        changed = bytearray(whole)
        changed[position] ^= 0x41
        path.write_bytes(changed)
        try:
            needed.open_root(f"tar:{path}")
        except ImageError:
            continue
        assert position >= 512, "a damaged header was read"
