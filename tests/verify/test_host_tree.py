"""Of this machine's tree a traced program sees all but temporary folders and homes, and of these its own folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from needed.errors import SandboxError
from needed.root import DirectoryRoot
from needed.verify.host_tree import HostTree, host_tree, mount_point


def tree(top: Path, *wanted: str, home: str = "/home/me", scratch: tuple[str, ...] = ()) -> HostTree:
    for folder in ("dev", "proc", "tmp", "home/me/app/data", "home/other", "usr/bin"):
        (top / folder).mkdir(parents=True, exist_ok=True)
    return host_tree(DirectoryRoot(top), "/nowhere", home, wanted, scratch)


def test_temporary_folders_and_homes_are_hidden_once(tmp_path: Path) -> None:
    assert tree(tmp_path).hidden == ("/tmp", "/home")


def test_a_home_elsewhere_is_hidden_too(tmp_path: Path) -> None:
    assert tree(tmp_path, home="/usr").hidden == ("/tmp", "/home", "/usr")


@pytest.mark.parametrize("home", ["/", "/nowhere", "relative", ""])
def test_a_home_that_is_none_hides_nothing_more(tmp_path: Path, home: str) -> None:
    assert tree(tmp_path, home=home).hidden == ("/tmp", "/home")


def test_what_the_program_needs_of_it_is_shown_once(tmp_path: Path) -> None:
    found = tree(tmp_path, "/home/me/app", "/home/me/app/data", "/usr/bin", "/home/me/none")
    assert found.shown == ("/home/me/app",)
    assert [found.hides(path) for path in ("/home/me", "/home/me/app/x", "/home/other", "/tmp/x", "/usr/bin/x")] == [
        True, False, True, True, False,
    ]  # fmt: skip


def test_a_folder_to_write_to_is_empty_even_in_one_that_is_shown(tmp_path: Path) -> None:
    found = tree(tmp_path, "/home/me/app", scratch=("/home/me/app/data", "/usr/none"))
    assert found.scratch == ("/home/me/app/data",)
    assert (found.hides("/home/me/app/data/x"), found.hides("/home/me/app/x")) == (True, False)


def test_a_home_that_the_program_starts_in_is_there_and_empty(tmp_path: Path) -> None:
    found = tree(tmp_path, "/home/me", "/home/me/app")
    assert (found.kept, found.shown) == (("/home/me",), ("/home/me/app",))
    assert found.hides("/home/me/other")


def test_hidden_links_to_what_is_shown_are_there(tmp_path: Path) -> None:
    """As of an interpreter of a user's own: `~/bin/python` is one."""
    tree(tmp_path)
    (tmp_path / "home/me/latest").symlink_to("app")
    (tmp_path / "usr/bin/app").symlink_to("/home/me/latest/data")
    found = tree(tmp_path, "/usr/bin/app")
    assert (found.shown, found.links) == (("/home/me/app/data",), (("/home/me/latest", "app"),))


def test_a_whole_hidden_folder_is_not_shown_by_the_way(tmp_path: Path) -> None:
    assert tree(tmp_path, "/home", "/tmp").shown == ()


@pytest.mark.parametrize("name", ["dev", "proc"])
def test_a_root_without_folders_for_devices_and_processes_is_refused(tmp_path: Path, name: str) -> None:
    tree(tmp_path)
    (tmp_path / name).rmdir()
    (tmp_path / name).symlink_to("usr")
    with pytest.raises(SandboxError, match=f"^/{name}: ") as caught:
        host_tree(DirectoryRoot(tmp_path), "/nowhere", "", ())
    assert caught.value.exit_code == 10


def test_a_mount_point_is_ours_alone(tmp_path: Path) -> None:
    place = Path(mount_point(str(tmp_path)))
    assert (place.parent, place.stat().st_mode & 0o777, list(place.iterdir())) == (tmp_path, 0o700, [])
