"""Groups 2 and 3: whiteouts, the order of entries, special entries and metadata."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from tests.images import D, F, L, S, layout, numbered, pax, raw, tree

import needed
from needed.report.text import printable

if TYPE_CHECKING:
    from pathlib import Path

    from tests.hostile.conftest import Open, Refuse, Victim


def test_t21_an_opaque_whiteout_through_a_symlink_stays_inside(opened: Open, victim: Victim) -> None:
    inside = f"{victim.path}/low"
    found = opened([S("esc", victim.path), F(inside, "x")], [F("esc/.wh..wh..opq"), F("esc/new", "y")])
    assert inside not in found and found[f"{victim.path}/new"] == "file 0644 y"


@pytest.mark.parametrize("first", [True, False])
def test_t23_a_whiteout_hides_lower_layers_only(opened: Open, first: bool) -> None:
    upper = [F("x", "new"), F(".wh.x")]
    assert opened([F("x", "low")], upper if first else upper[::-1]) == {"/x": "file 0644 new"}


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (1, 0, 3, 2)])
def test_t23_an_opaque_directory_hides_what_was_in_it_wherever_the_whiteout_stands(
    opened: Open, order: tuple[int, ...]
) -> None:
    upper = [D("d", 0o700), F("d/new", "new"), F("d/.wh..wh..opq"), F("d/sub/f", "x")]
    found = opened([F("d/low", "low"), F("d/sub/low", "low"), F("e")], [upper[number] for number in order])
    assert {path for path in found if not path.startswith("/e")} == {"/d", "/d/new", "/d/sub", "/d/sub/f"}
    assert found["/d"] == "directory 0700"


@pytest.mark.parametrize("order", [1, -1])
def test_t23_whiteouts_are_resolved_in_the_lower_layers(opened: Open, order: int) -> None:
    lower = [S("a", "b"), F("b/x"), F("b/y")]
    assert set(opened(lower, [F(".wh.a"), F("a/.wh.x")][::order])) == {"/b", "/b/y"}


def test_t23_a_removed_directory_comes_back_without_what_was_in_it(opened: Open) -> None:
    found = opened([D("d", 0o700), F("d/low")], [F("d/new"), F(".wh.d")], [F("d/more")])
    assert found == {"/d": "directory 0755", "/d/more": "file 0644 ", "/d/new": "file 0644 "}


def test_t23_a_whiteout_of_nothing_does_nothing(opened: Open) -> None:
    assert opened([F("f")], [F(".wh.x"), F("no/such/.wh.y"), F("f/.wh.z"), F("f/.wh..wh..opq")]) == {"/f": "file 0644 "}


def test_t23_a_whiteout_hides_one_name_of_a_file(opened: Open) -> None:
    assert opened([F("a", "x"), L("b", "a")], [F(".wh.a"), L("c", "b")]) == {"/b": "file 0644 x", "/c": "file 0644 x"}


@pytest.mark.parametrize(
    "entry",
    [F(".wh.etc/somefile"), D("a/.wh.b/"), F(".wh."), F(".wh..wh.aufs"), F(".wh.."), F(".wh..."), S(".wh.a", "b"),
     F("a/.wh.b/.wh.c"), D(".wh..wh..opq")],
    ids=numbered("T24"),
)  # fmt: skip
def test_t24_a_whiteout_that_is_none_is_refused(refused: Refuse, entry: bytes) -> None:
    assert "whiteout" in refused([entry])


def test_t24_a_name_that_only_holds_the_prefix_is_a_name(opened: Open) -> None:
    assert set(opened([F("a.wh.b"), F("d.wh./f")])) == {"/a.wh.b", "/d.wh.", "/d.wh./f"}


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([F("x", "f"), D("x/"), F("x/y")], {"/x": "directory 0755", "/x/y": "file 0644 "}),
        ([D("x/"), F("x/y"), F("x", "f")], {"/x": "file 0644 f"}),
        ([D("x/"), F("x/y"), S("x", "y")], {"/x": "symlink -> y"}),
        ([F("p"), F("p/child")], {"/p": "directory 0755", "/p/child": "file 0644 "}),
        ([F("x", "one"), F("x", "two", 0o600)], {"/x": "file 0600 two"}),
        ([D("d", 0o700), F("d/f"), D("d", 0o1777)], {"/d": "directory 1777", "/d/f": "file 0644 "}),
        ([F("f"), S("s", "f"), F("s/x")], {"/f": "directory 0755", "/f/x": "file 0644 ", "/s": "symlink -> f"}),
    ],
    ids=numbered("T26"),
)
def test_t26_the_last_of_two_entries_holds(
    opened: Open, layers: int, entries: list[bytes], expected: dict[str, str]
) -> None:
    assert opened(*([entries] if layers == 1 else [entries[:-1], entries[-1:]])) == expected


def test_t27_missing_parents_are_made(opened: Open) -> None:
    found = opened([F("no/such/dir/f"), S("dangling", "not/yet"), F("dangling/f")])
    assert found["/no/such/dir"] == found["/no"] == found["/not/yet"] == "directory 0755"
    assert found["/not/yet/f"] == "file 0644 "


@pytest.mark.parametrize("entries", [[S("a", "b"), S("b", "a"), F("a/x")], [S("a", "a"), F("a/x")],
                                     [S("a", "a"), F("a/.wh.x")], [S("a", "a"), L("l", "a/x")]],
                         ids=numbered("T29"))  # fmt: skip
def test_t29_a_symlink_loop_as_parent_is_refused(refused: Refuse, entries: list[bytes]) -> None:
    assert "more than 40 symlinks" in refused([entries[0], *entries[1:-1]], [entries[-1]])


@pytest.mark.parametrize("kind", [b"3", b"4", b"6"], ids=numbered("T31"))
def test_t31_fifos_and_devices_are_known_and_cannot_be_opened(tmp_path: Path, kind: bytes) -> None:
    root = needed.open_root(layout(tmp_path / "image", [raw(b"special", kind), L("name", "special")]))
    assert tree(root) == {"/": "directory 0755", "/name": "special 0644", "/special": "special 0644"}
    with pytest.raises(needed.ReadError, match="not a regular file"):
        root.open("/special")  # type: ignore[arg-type]


@pytest.mark.parametrize("key", ["security.capability", "trusted.overlay.opaque", "security.selinux"])
def test_t33_extended_attributes_change_nothing(opened: Open, key: str) -> None:
    record = (f"SCHILY.xattr.{key}".encode(), b"\x01\0\0\x02\n\xff")
    assert opened([F("d/low")], [pax(record), D("d"), pax(record), F("f", "x")]) == {
        "/d": "directory 0755",
        "/d/low": "file 0644 ",
        "/f": "file 0644 x",
    }


def test_t34_names_are_bytes_and_shown_without_control_characters(opened: Open) -> None:
    found = opened([F(b"caf\xe9-\xff"), F("a\x1b[31m\nrm -rf"), S("s", b"\xfe")])
    assert {os.fsencode(path) if path.isascii() else path.encode("utf-8", "surrogateescape") for path in found} == {
        b"/caf\xe9-\xff", b"/a\x1b[31m\nrm -rf", b"/s"
    }  # fmt: skip
    assert all(printable(path).isprintable() for path in found)


def test_t34_a_refused_name_is_shown_without_control_characters(refused: Refuse) -> None:
    assert r"\x1b[31m\n\udcff" in refused([raw(b"a\x1b[31m\n\xff", b"Z")])


@pytest.mark.parametrize(
    "name", ["d/" * 2100 + "f", "n" * 256, "a/" + "n" * 256 + "/b", "é" * 128], ids="T36-{:.4}".format
)
def test_t36_a_name_that_no_system_holds_is_refused_and_shortened(refused: Refuse, name: str) -> None:
    assert "…" in refused([F(name)])


def test_t36_a_name_of_255_bytes_and_a_path_of_4095_are_held(opened: Open) -> None:
    path = "/".join(["n" * 255] * 15 + ["m" * 255])
    assert len(path) == 4095 and opened([F(path)])[f"/{path}"] == "file 0644 "


def test_t37_names_that_differ_in_case_or_normal_form_are_two(opened: Open) -> None:
    names = ["README", "readme", "\u00e9", "e\u0301"]
    assert set(opened([F(name) for name in names])) == {f"/{name}" for name in names}


@pytest.mark.parametrize(
    "entry",
    [pax((b"mtime", b"1e400")) + F("f"), pax((b"mtime", b"nan")) + F("f"), pax((b"uid", b"%d" % 2**40)) + F("f"),
     pax((b"gid", b"-1")) + F("f"), raw(uid=b"\x80\0\0\1" + bytes(4)), raw(gid=b"\xff" * 8),
     raw(mtime=b"9" * 11), raw(mode=b"\x80" + bytes(7)), pax((b"mtime", b"1.x")) + F("f"),
     pax((b"mtime", b"9" * 400)) + F("f"), pax((b"uid", b"9" * 5000)) + F("f")],
    ids=numbered("T38"),
)  # fmt: skip
def test_t38_metadata_that_no_system_holds_is_refused(refused: Refuse, entry: bytes) -> None:
    assert refused([entry])


@pytest.mark.parametrize(
    "entry",
    [pax((b"mtime", b"-1.5")) + F("f"), pax((b"mtime", b"12345678901.25")) + F("f"), raw(mtime=b"\xff" * 12),
     raw(mtime=b"\x80" + bytes(6) + b"\1" + bytes(4)), raw(uid=b"\x80" + bytes(3) + b"\xff" * 3 + b"\0"),
     raw(uid=b"", gid=b"", mtime=b" " * 12), pax((b"uid", b"4294967294")) + F("f")],
    ids=numbered("T38"),
)  # fmt: skip
def test_t38_unusual_metadata_is_held(opened: Open, entry: bytes) -> None:
    assert opened([entry]) == {"/f": "file 0644 "}


@pytest.mark.parametrize("kind", [b"Z", b"7", b"S", b"V", b"M", b"D", b"N", b"X", b"\xff"], ids=numbered("T39"))
def test_t39_an_unknown_type_is_refused(refused: Refuse, kind: bytes) -> None:
    assert "sparse" in (message := refused([raw(kind=kind)])) or "unknown type" in message


def test_t26_a_directory_that_is_replaced_is_not_written_to_any_more(opened: Open) -> None:
    found = opened([F("d/f"), S("s", "d"), F("s/g"), S("s", "e"), F("s/h"), F("d/i"), S("d", "e"), F("d/j")])
    assert found == {"/d": "symlink -> e", "/s": "symlink -> e", "/e": "directory 0755", "/e/h": "file 0644 ",
                     "/e/j": "file 0644 "}  # fmt: skip
