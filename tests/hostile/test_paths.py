"""Group 1, path escape: names and links that lead out lead inside, or the image is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.images import D, F, L, S, numbered

if TYPE_CHECKING:
    from tests.hostile.conftest import Open, Refuse, Victim


def test_t01_a_leading_slash_means_nothing(opened: Open, victim: Victim) -> None:
    found = opened([F(f"{victim.path}/pwn", "x")])
    assert found[f"{victim.path}/pwn"] == "file 0644 x"


@pytest.mark.parametrize(
    "name",
    ["..", ".", "", "/", "../x", "a/../../x", "a/..", "./../x", "/../x", "//..//x"],
    ids=lambda name: f"T03-{name}",
)
def test_t03_a_file_that_is_no_name_is_refused(refused: Refuse, name: str) -> None:
    assert "name" in refused([F(name, "x")])


@pytest.mark.parametrize("name", [".", "/", "./", "//"], ids=lambda name: f"T03-{name}")
def test_t03_the_root_itself_may_have_an_entry(opened: Open, name: str) -> None:
    assert opened([D(name, 0o700), F("f")]) == {"/f": "file 0644 "}


@pytest.mark.parametrize("target", ["../../victim", "/", "../../../../../../../.."], ids=lambda name: f"T05-{name}")
def test_t05_a_symlink_out_of_the_root_is_written_through_inside(opened: Open, target: str) -> None:
    found = opened([S("esc", target), F("esc/pwn", "x")])
    assert found["/victim/pwn" if "victim" in target else "/pwn"] == "file 0644 x"
    assert found["/esc"] == f"symlink -> {target}"


def test_t05_an_absolute_symlink_out_of_the_root_stays_as_it_is(opened: Open, victim: Victim) -> None:
    found = opened([S("esc", victim.path), F("esc/pwn", "x"), S("hello", f"{victim.path}/hello")])
    assert found[f"{victim.path}/pwn"] == "file 0644 x" and found["/hello"].startswith("symlink -> ")
    assert f"{victim.path}/hello" not in found


def test_t07_a_path_longer_than_the_kernels_after_expansion_is_refused(refused: Refuse) -> None:
    step, members, folder = "d" * 247, [], ""
    for letter in "abcdefghijklmnop":
        members += [D(f"{folder}{step}"), S(f"{folder}{letter}", step)]
        folder += f"{step}/"
    long = "/".join("abcdefghijklmnop")
    members += [S(f"{long}/{'l' * 254}", "../" * 16), S("escape", f"{long}/{'l' * 254}/../../../../victim")]
    assert "path, without symlinks, is too long" in refused([*members, F(f"{long}/{'l' * 254}x/pwn", "x")])


def test_t07_expansion_that_climbs_ends_at_the_root(opened: Open) -> None:
    found = opened([D("a/b/c"), S("up", "a/b/c/" + "../" * 40 + "victim"), F("up/pwn", "x")])
    assert found["/victim/pwn"] == "file 0644 x"


@pytest.mark.parametrize(
    "target", ["../../victim/hello", "..", "a/../../victim/hello"], ids=lambda target: f"T09-{target}"
)
def test_t09_a_hard_link_out_of_the_root_is_refused(refused: Refuse, target: str) -> None:
    assert "`..`" in refused([L("grab", target), F("grab", "x")])


def test_t09_a_hard_link_to_a_path_outside_is_a_link_to_nothing(refused: Refuse, victim: Victim) -> None:
    assert "to nothing" in refused([L("grab", f"{victim.path}/hello"), F("grab", "x")])


def test_t09_a_hard_link_through_a_symlink_out_is_a_link_to_nothing(refused: Refuse, victim: Victim) -> None:
    assert "to nothing" in refused([S("esc", victim.path), L("grab", "esc/hello")])


def test_t09_overwriting_one_name_leaves_the_others(opened: Open) -> None:
    found = opened([F("a", "old"), L("b", "a"), F("b", "new")], [L("c", "a"), F("a", "newer")])
    assert found == {"/a": "file 0644 newer", "/b": "file 0644 new", "/c": "file 0644 old"}


def test_t11_a_hard_link_to_a_symlink_is_that_symlink_and_is_replaced(opened: Open, victim: Victim) -> None:
    members = [S("s", f"{victim.path}/new"), L("h", "s")]
    assert opened(members)["/h"] == f"symlink -> {victim.path}/new"


def test_t11_writing_to_a_hard_link_to_a_symlink_replaces_it(opened: Open, victim: Victim) -> None:
    found = opened([S("s", f"{victim.path}/new"), L("h", "s"), F("h", "x")])
    assert found["/h"] == "file 0644 x" and f"{victim.path}/new" not in found


@pytest.mark.parametrize("members", [[D("d"), L("h", "d")], [L("h", "/")], [L("h", "f"), F("f")]], ids=numbered("T11"))
def test_t11_a_hard_link_to_a_directory_or_to_what_comes_later_is_refused(
    refused: Refuse, members: list[bytes]
) -> None:
    assert "hard link" in refused(members)


def test_t13_a_symlink_of_one_layer_holds_in_the_next(opened: Open, victim: Victim) -> None:
    found = opened([S("esc", victim.path), S("rel", "a/../../b")], [F("esc/pwn", "x"), F("rel/pwn", "y")])
    assert found[f"{victim.path}/pwn"] == "file 0644 x" and found["/b/pwn"] == "file 0644 y"
    assert found["/esc"] == f"symlink -> {victim.path}"


def test_t15_a_directory_over_a_symlink_replaces_it(opened: Open, victim: Victim) -> None:
    found = opened([S("d", victim.path), D("d/", 0o777), S("ep", f"{victim.path}/hello"), L("sk", "ep", 0o7777)])
    assert found["/d"] == "directory 0777" and found["/sk"] == f"symlink -> {victim.path}/hello"


def test_t17_backslashes_and_drives_are_plain_bytes(opened: Open) -> None:
    assert opened([F("..\\..\\evil", "x"), F("C:/x", "y")]) == {
        "/..\\..\\evil": "file 0644 x",
        "/C:": "directory 0755",
        "/C:/x": "file 0644 y",
    }
