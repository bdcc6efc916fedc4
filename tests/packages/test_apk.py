"""apk's database in a Root."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from needed.errors import ReadError, SourceError
from needed.packages import open_packages, select_files
from needed.root import MemoryRoot, Walker

if TYPE_CHECKING:
    from needed.packages.model import Packages

INSTALLED = b"""\
C:Q1abc=
P:nginx
V:1.26.2-r0
A:x86_64
S:500000
I:1300000
o:nginx
D:!old /bin/sh so:libc.musl-x86_64.so.1 nginx-data>=1.2 mailcap
p:cmd:nginx=1.26.2-r0
F:etc/nginx
R:nginx.conf
a:0:0:644
F:usr/sbin
R:nginx
F:var/lib/nginx
M:100:101:750

P:nginx-data
V:1.26.2-r0
A:x86_64
I:100
o:nginx
F:usr/share/nginx
R:index.html
F:usr/share/man/man8
R:nginx.8.gz

P:musl
V:1.2.5-r0
A:x86_64
I:600000
o:musl
p:so:libc.musl-x86_64.so.1=1
F:lib
R:ld-musl-x86_64.so.1

P:busybox
V:1.36-r0
A:x86_64
o:busybox
F:bin
R:busybox
R:sh
"""
TREE: dict[str, bytes | str] = {
    "/lib/apk/db/installed": INSTALLED,
    "/etc/nginx/nginx.conf": b"x",
    "/usr/sbin/nginx": b"xx",
    "/usr/share/nginx/index.html": b"xxx",
    "/usr/share/man/man8/nginx.8.gz": b"xxxx",
    "/bin/sh": "-> busybox",
    "/bin/busybox": b"",
    "/var/lib/nginx/tmp/x": b"state",
}


def packages_of(tree: dict[str, bytes | str]) -> Packages:
    root = MemoryRoot(tree)
    found = open_packages(root, Walker(root))
    assert found is not None
    return found


def test_a_package_is_what_its_paragraph_says() -> None:
    nginx = packages_of(TREE).find("nginx")
    assert (nginx.version, nginx.architecture, nginx.installed_size) == ("1.26.2-r0", "x86_64", 1_300_000)
    assert nginx.depends == (("/bin/sh",), ("so:libc.musl-x86_64.so.1",), ("nginx-data",), ("mailcap",))
    assert nginx.provides == ("cmd:nginx",)


def test_its_files_are_folders_and_what_is_in_them() -> None:
    packages = packages_of(TREE)
    assert packages.files(packages.find("nginx")) == (
        "/etc/nginx", "/etc/nginx/nginx.conf", "/usr/sbin", "/usr/sbin/nginx", "/var/lib/nginx"
    )  # fmt: skip


def test_an_owner_is_found_whichever_name_of_a_merged_usr_is_asked_for() -> None:
    merged = {**TREE, "/lib": "-> usr/lib", "/usr/lib/apk/db/installed": INSTALLED}
    del merged["/lib/apk/db/installed"]
    packages = packages_of({**merged, "/usr/lib/ld-musl-x86_64.so.1": b""})
    for path in ("/lib/ld-musl-x86_64.so.1", "/usr/lib/ld-musl-x86_64.so.1"):
        found = packages.owner(path)
        assert found is not None and found.name == "musl"


def test_a_dependency_is_met_by_a_name_by_a_provided_one_and_by_a_path() -> None:
    packages = packages_of(TREE)
    met = [packages.provider(name) for name in ("nginx-data", "so:libc.musl-x86_64.so.1", "/bin/sh", "mailcap")]
    assert [found and found.name for found in met] == ["nginx-data", "musl", "busybox", None]


def test_an_unknown_package_is_told_how_to_install() -> None:
    with pytest.raises(SourceError) as caught:
        packages_of(TREE).find("nginxx")
    assert caught.value.hints == ("did you mean nginx?", "apk add nginxx")


def test_a_companion_comes_along_and_manual_pages_and_data_of_the_service_do_not() -> None:
    selection = select_files(packages_of(TREE), "nginx")
    assert [item.path for item in selection.selected] == [
        "/etc/nginx/nginx.conf", "/usr/sbin/nginx", "/usr/share/nginx/index.html", "/var/lib/nginx",
        "/var/lib/nginx/tmp",
    ]  # fmt: skip
    assert {one.name: one.kind for one in selection.dependencies} == {
        "busybox": "essential", "musl": "essential", "nginx-data": "companion", "mailcap": "absent"
    }  # fmt: skip


@pytest.mark.parametrize("line", [b"F:../etc", b"F:usr\nR:../../x", b"F:a\0b"])
def test_a_path_that_no_package_has_is_refused(line: bytes) -> None:
    packages = packages_of({"/lib/apk/db/installed": b"P:evil\nV:1\n" + line + b"\n"})
    with pytest.raises(ReadError, match="which is no path that a package has"):
        packages.files(packages.find("evil"))
