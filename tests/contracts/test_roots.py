"""One suite for every Root: what a directory, an image and memory answer about the same tree."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.images import F, L, S, layout, raw

import needed
from needed.root import DirectoryRoot, MemoryRoot, RootPath, Walker, encode_path, list_kinds, read_head

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from needed.root import Entry, Root

RAW = "/caf\udce9"
DEEP = "/".join(["", *"d" * 1500, "f"])
TREE: dict[str, bytes | str] = {
    "/usr/bin/tool": b"tool",
    "/usr/lib/libx.so.1": b"x" * 70_000,
    "/bin": "-> usr/bin",
    "/etc/alternatives/tool": "-> /bin/tool",
    "/loop": "-> loop",
    "/dangling": "-> nowhere",
    "/up": "-> ../../usr/lib",
    "/usr/bin/empty": b"",
    "/usr/bin/é": b"e",
    "/usr/bin/\u007f": b"d",
    RAW: b"raw",
    DEEP: b"deep",
    **{f"/chain/{number}": f"-> {number + 1}" for number in range(45)},
    "/chain/45": b"end",
}


def on_disk(folder: Path) -> Root:
    for path, item in TREE.items():
        place = encode_path(f"{folder}{path}") if path != DEEP else b""
        if path == DEEP:  # longer than what mkdir(2) takes at once
            current = os.open(folder, os.O_RDONLY)
            for part in DEEP.split("/")[1:-1]:
                os.mkdir(part, dir_fd=current)
                below = os.open(part, os.O_RDONLY, dir_fd=current)
                os.close(current)
                current = below
            os.close(os.open("f", os.O_CREAT | os.O_WRONLY, 0o755, dir_fd=current))
            with open(os.open("f", os.O_WRONLY, dir_fd=current), "wb") as file:
                file.write(b"deep")
            os.close(current)
            continue
        os.makedirs(os.path.dirname(place), exist_ok=True)
        if isinstance(item, bytes):
            with open(place, "wb") as file:
                file.write(item)
            os.chmod(place, 0o755)
        else:
            os.symlink(item.removeprefix("-> "), place)
    return DirectoryRoot(folder)


def in_image(folder: Path, compression: str) -> Root:
    members = [
        F(path[1:], item, 0o755) if isinstance(item, bytes) else S(path[1:], item.removeprefix("-> "))
        for path, item in TREE.items()
        if len(path) < 4095
    ]
    half = len(members) // 2
    return needed.open_root(layout(folder / "image", members[:half], members[half:], compression=compression))


@pytest.fixture(scope="module", params=["directory", "memory", "image", "compressed image"])
def root(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Root]:
    folder = tmp_path_factory.mktemp("root")
    if request.param == "directory":
        yield on_disk(folder)
        subprocess.run(["rm", "-rf", folder], check=True)  # deeper than what shutil.rmtree removes
    elif request.param == "memory":
        yield MemoryRoot(TREE)
    else:
        yield in_image(folder, "+gzip" if "compressed" in request.param else "")


def entry(root: Root, path: str) -> Entry:
    found = root.entry(RootPath(path))
    assert found is not None
    return found


def test_an_entry_is_what_stands_there_itself(root: Root) -> None:
    assert (entry(root, "/").kind, entry(root, "/usr").kind) == ("directory", "directory")
    tool = entry(root, "/usr/bin/tool")
    assert (tool.kind, tool.mode, tool.size, tool.target) == ("file", 0o755, 4, "")
    link = entry(root, "/bin")
    assert (link.kind, link.size, link.target) == ("symlink", 0, "usr/bin")


@pytest.mark.parametrize("path", ["/no", "/usr/bin/tool/x", "/bin/tool", "/loop/x", "/no/such", "/dangling/x"])
def test_there_is_nothing_where_nothing_is_and_below_what_is_no_directory(root: Root, path: str) -> None:
    assert root.entry(RootPath(path)) is None


def test_names_are_sorted_by_their_bytes(root: Root) -> None:
    assert root.names(RootPath("/usr/bin")) == ("empty", "tool", "\u007f", "é")
    assert root.names(RootPath("/etc")) == ("alternatives",)
    assert set(root.names(RootPath("/"))) == {path.split("/")[1] for path in TREE}


def test_a_folder_is_listed_with_kinds_in_the_order_of_names(root: Root) -> None:
    for folder in (RootPath("/"), RootPath("/usr/bin"), RootPath("/etc/alternatives")):
        wanted = [(name, entry(root, f"{folder.rstrip('/')}/{name}").kind) for name in root.names(folder)]
        assert list_kinds(root, folder) == wanted


def test_the_head_of_a_file_is_its_first_bytes(root: Root) -> None:
    assert read_head(root, RootPath("/usr/bin/tool"), 2) == b"to"
    assert read_head(root, RootPath("/usr/bin/tool"), 64) == b"tool"
    assert read_head(root, RootPath("/usr/bin/empty"), 64) == b""
    for path in ("/usr", "/bin", "/no", "/dangling"):
        with pytest.raises(needed.ReadError):
            read_head(root, RootPath(path), 4)


def test_a_file_is_read_in_pieces_and_not_beyond_its_end(root: Root) -> None:
    file = root.open(RootPath("/usr/lib/libx.so.1"))
    assert file.size == 70_000
    assert file.read_at(0, 4) == b"xxxx" and file.read_at(69_998, 100) == b"xx"
    assert file.read_at(70_000, 1) == file.read_at(10**9, 1) == b""
    file.check_unchanged()
    file.close()
    assert root.open(RootPath("/usr/bin/empty")).read_at(0, 10) == b""


@pytest.mark.parametrize("path", ["/usr", "/bin", "/no", "/dangling", "/usr/bin/tool/x"])
def test_only_a_regular_file_is_opened(root: Root, path: str) -> None:
    with pytest.raises(needed.ReadError):
        root.open(RootPath(path))


def test_names_that_are_no_utf_8_are_held(root: Root) -> None:
    assert entry(root, RAW).size == 3 and root.open(RootPath(RAW)).read_at(0, 9) == b"raw"


def test_two_files_have_two_identities_and_one_keeps_its_own(root: Root) -> None:
    one, two = entry(root, "/usr/bin/tool").identity, entry(root, "/usr/bin/empty").identity
    assert one != two and one == entry(root, "/usr/bin/tool").identity


def test_the_owners_of_an_image_are_those_of_its_last_header(tmp_path: Path) -> None:
    def owned(name: str, kind: bytes, uid: int, gid: int) -> bytes:
        return raw(name.encode(), kind, uid=b"%07o\0" % uid, gid=b"%07o\0" % gid)

    lower = [owned("state/", b"5", 101, 102), owned("state/f", b"0", 33, 0), owned("one", b"0", 5, 6)]
    root = needed.open_root(layout(tmp_path / "image", lower, [owned("state/", b"5", 7, 8), L("two", "one")]))
    owners = [entry(root, path).owner for path in ("/", "/state", "/state/f", "/one", "/two")]
    assert owners == [(0, 0), (7, 8), (33, 0), (5, 6), (5, 6)]


def test_the_owners_in_a_directory_are_the_file_systems(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"")
    (tmp_path / "link").symlink_to("/etc/passwd")
    if os.geteuid() == 0:
        os.chown(tmp_path / "f", 33, 44)
        os.chown(tmp_path / "link", 55, 66, follow_symlinks=False)
    root = DirectoryRoot(tmp_path)
    for path in ("/", "/f", "/link"):
        status = os.lstat(f"{tmp_path}{path}".rstrip("/"))
        assert entry(root, path).owner == (status.st_uid, status.st_gid)


def test_links_are_followed_inside_the_root(root: Root) -> None:
    walker = Walker(root)
    found = walker.find("/etc/alternatives/tool")
    assert found is not None
    assert (found.path, found.links) == ("/usr/bin/tool", ("/etc/alternatives/tool", "/bin"))
    above = walker.find("/up/libx.so.1")
    assert above is not None and above.path == "/usr/lib/libx.so.1"
    assert walker.find("/loop") is walker.find("/dangling") is None
    end = walker.find("/chain/5")
    assert end is not None and (end.path, len(end.links)) == ("/chain/45", 40)
    assert walker.find("/chain/4") is None


def test_a_path_may_have_1500_parts(root: Root) -> None:
    found = Walker(root).find(DEEP)
    assert found is not None and root.open(found.path).read_at(0, 9) == b"deep"


def test_a_deep_path_is_found_again_when_its_folders_were_forgotten(root: Root) -> None:
    folder = RootPath(DEEP.removesuffix("/f"))
    assert list_kinds(root, folder) == [("f", "file")]
    for path in TREE:  # more folders than a DirectoryRoot keeps open
        root.entry(RootPath(path))
    assert list_kinds(root, folder) == [("f", "file")]


@pytest.fixture(params=["directory", "image"])
def linked(request: pytest.FixtureRequest, tmp_path: Path) -> Root:
    """A file of three names, in two layers where there are layers. Memory has no hard links."""
    if request.param == "image":
        return needed.open_root(layout(tmp_path / "image", [F("a", "x"), L("b", "a"), F("c", "x")], [L("d/e", "a")]))
    (tmp_path / "d").mkdir()
    (tmp_path / "a").write_bytes(b"x")
    (tmp_path / "c").write_bytes(b"x")
    for name in ("b", "d/e"):
        (tmp_path / name).hardlink_to(tmp_path / "a")
    return DirectoryRoot(tmp_path)


def test_the_names_of_one_file_share_its_identity(linked: Root) -> None:
    identities = {path: entry(linked, path).identity for path in ("/a", "/b", "/c", "/d/e")}
    assert identities["/a"] == identities["/b"] == identities["/d/e"] != identities["/c"]
    assert linked.open(RootPath("/d/e")).read_at(0, 9) == b"x"


def test_files_of_two_images_have_two_identities(tmp_path: Path) -> None:
    roots = [needed.open_root(layout(tmp_path / name, [F("a")])) for name in "ab"]
    assert entry(roots[0], "/a").identity != entry(roots[1], "/a").identity
