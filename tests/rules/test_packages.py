"""`--package`: what a distribution's package installs becomes programs, plugins, data and empty folders of an image."""

from __future__ import annotations

import pytest

from needed.errors import SourceError
from needed.pipeline import Plan, plan
from needed.root import Entry, MemoryRoot, RootPath
from needed.rootfs import Directory, File
from needed.rules.choices import Choices
from needed.value import replace
from tests.packages.test_selection import D, listing, paragraph
from tests.rules.trees import library, program, tree

FILES: dict[str, bytes | str] = {
    "/usr/sbin/web": program(needed=("libw.so.1",)),
    "/lib64/libw.so.1": library("libw.so.1"),
    "/usr/lib/web/mod.so": library("mod.so", needed=("libm.so.1",)),
    "/lib64/libm.so.1": library("libm.so.1"),
    "/usr/bin/web-helper": b"#!/bin/interpret\n",
    "/bin/interpret": program(),
    "/etc/web/web.conf": b"conf",
    "/usr/share/web/page": b"page",
    "/usr/share/doc/web/README": b"read",
}
FOLDERS = {"/var/log/web": (0o750, (33, 4))}


class Root(MemoryRoot):
    """With folders that have owners."""

    def entry(self, path: RootPath) -> Entry | None:
        found = super().entry(path)
        mode, owner = FOLDERS.get(path, (0, (0, 0)))
        return replace(found, mode=mode, owner=owner) if found and mode else found

    def names(self, path: RootPath) -> tuple[str, ...]:
        return () if path in FOLDERS else super().names(path)


def planned(*, user: tuple[int, int] = (65532, 65532), programs: tuple[str, ...] = ()) -> Plan:
    own = (path for path in FILES if not path.startswith(("/lib64/", "/bin/")))
    paths = " ".join((*own, *FOLDERS))
    files = {f"{D}/status": paragraph("web").encode(), "/var/log/web/keep": b"", **tree(), **FILES}
    root = Root({**files, **listing({"web": paths})})
    return plan(root, programs, choices=Choices(user=user, packages=("web",)))


def test_the_program_of_the_packages_name_leads() -> None:
    assert planned().requested == ("/usr/sbin/web",)


def test_programs_plugins_and_scripts_of_a_package_come_with_their_closures() -> None:
    paths = planned().rootfs.entries.keys()
    assert {"/usr/sbin/web", "/lib64/libw.so.1", "/usr/lib/web/mod.so", "/lib64/libm.so.1"} <= paths
    assert {"/usr/bin/web-helper", "/bin/interpret", "/etc/web/web.conf", "/usr/share/web/page"} <= paths


def test_documentation_is_left_out_and_told_in_bytes() -> None:
    found = planned()
    assert "/usr/share/doc/web/README" not in found.rootfs.entries
    assert found.applied[0].told[0].message == "4 bytes of web are left out: documentation and the like"


def test_a_folder_of_state_is_empty_and_the_images_users() -> None:
    folder = planned().rootfs.entries["/var/log/web"]
    assert folder == Directory(0o750, (65532, 65532))
    assert "/var/log/web/keep" not in planned().rootfs.entries


def test_where_the_image_is_roots_a_folder_keeps_its_owner() -> None:
    assert planned(user=(0, 0)).rootfs.entries["/var/log/web"] == Directory(0o750, (33, 4))


def test_each_file_says_of_which_package_it_is() -> None:
    rootfs = planned().rootfs
    assert str(rootfs.reasons["/usr/share/web/page"][0]) == "package web"
    assert str(rootfs.reasons["/lib64/libm.so.1"][0]) == "needed by /usr/lib/web/mod.so"
    page = rootfs.entries["/usr/share/web/page"]
    assert isinstance(page, File)


def test_a_root_without_a_package_database_is_told_in_a_sentence() -> None:
    with pytest.raises(SourceError, match="--package web: the root has no package database") as raised:
        plan(MemoryRoot(tree()), [], choices=Choices(packages=("web",)))
    assert raised.value.hints
