"""The finished tree is resolved again, and what loads otherwise is told."""

from __future__ import annotations

import pytest

from needed.errors import MissingError, ProofError
from needed.loader import Resolver, Settings
from needed.pipeline import plan
from needed.proof import RootfsRoot, prove
from needed.root import MemoryRoot, RootPath
from needed.rootfs import Addition, HardLink, assemble
from tests.loader.synthetic import Writer, shared_object

LD = "/lib64/ld-linux-x86-64.so.2"
LOADER = shared_object(soname="ld-linux-x86-64.so.2")
PROGRAM = Writer([("needed", "libx.so"), ("runpath", "/opt/a:/opt/b")], interpreter=LD).finish()
TREE: dict[str, bytes | str] = {LD: LOADER, "/prog": PROGRAM, "/opt/b/libx.so": shared_object()}


def test_a_tree_that_loads_the_same_is_proven() -> None:
    planned = plan(MemoryRoot(TREE), ["/prog"])
    assert "/opt/b/libx.so" in planned.rootfs.entries


def test_a_file_added_in_an_earlier_directory_is_a_difference() -> None:
    tree = {**TREE, "/other/libx.so": shared_object(soname="libx.so")}
    with pytest.raises(ProofError) as caught:
        plan(MemoryRoot(tree), ["/prog"], [Addition("/other/libx.so", "/opt/a/libx.so")])
    assert caught.value.details == ("/prog: /other/libx.so is loaded in the image instead of /opt/b/libx.so",)
    assert caught.value.exit_code == 9


def test_another_environment_is_a_difference() -> None:
    program = Writer([("needed", "libx.so")], interpreter=LD).finish()
    root = MemoryRoot({**TREE, "/prog": program})
    source = Resolver(root, Settings(("/opt/b",)))
    closure = source.resolve(["/prog"])
    rootfs = assemble(root, closure)
    prove(source, closure, rootfs, Settings(("/opt/b",)))
    with pytest.raises(ProofError, match="resolves otherwise"):
        prove(source, closure, rootfs, Settings())


def test_hard_links_stay_one_object_in_the_image(tmp_path: object) -> None:
    import os
    from pathlib import Path

    from needed.root import DirectoryRoot

    top = Path(str(tmp_path))
    program = Writer([("needed", "/a.so"), ("needed", "/b.so")], interpreter=LD).finish()
    for path, content in ((LD, LOADER), ("/prog", program), ("/a.so", shared_object())):
        (top / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        (top / path[1:]).write_bytes(content)
        (top / path[1:]).chmod(0o755)
    os.link(top / "a.so", top / "b.so")
    rootfs = plan(DirectoryRoot(top), ["/prog"]).rootfs
    assert rootfs.entries["/b.so"] == HardLink("/a.so", 0o755)
    seen = RootfsRoot(rootfs)
    one, other = seen.entry(RootPath("/a.so")), seen.entry(RootPath("/b.so"))
    assert one and other and one.identity == other.identity
    assert [item.path for item in Resolver(seen).load_list(RootPath("/prog")).objects] == ["/prog", "/a.so", LD]


def test_a_version_that_is_nowhere_ends_the_build() -> None:
    program = Writer([("needed", "libx.so"), ("runpath", "/opt/b")], interpreter=LD)
    program.versions((), {"libx.so": ["X_2"]})
    library = Writer([("soname", "libx.so")])
    library.versions(("X_1",), {})
    tree = {LD: LOADER, "/prog": program.finish(), "/opt/b/libx.so": library.finish()}
    with pytest.raises(MissingError, match="defined nowhere in the root: X_2") as caught:
        plan(MemoryRoot(tree), ["/prog"])
    assert caught.value.details == ("version X_2 of /opt/b/libx.so, needed by /prog: not defined there",)
