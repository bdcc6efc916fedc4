"""dpkg's database in a Root: what is installed, whose a file is, and what a stranger's database may not do."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from needed.errors import ReadError, SourceError
from needed.packages import open_packages
from needed.packages.dpkg import parse_depends
from needed.root import DirectoryRoot, MemoryRoot, Walker

if TYPE_CHECKING:
    from pathlib import Path

    from needed.packages.model import Packages

D = "/var/lib/dpkg"
STATUS = b"""\
Package: web
Status: install ok installed
Priority: optional
Section: universe/httpd
Installed-Size: 1336
Architecture: amd64
Source: websource (1.2-3)
Version: 1.2-3+b1
Provides: httpd, httpd-cgi (= 1.2)
Pre-Depends: init-system-helpers (>= 1.54~)
Depends: libc6 (>= 2.34), web-common (<< 2) | web-common-old, perl:any <!nodoc>,
 zlib1g
Conffiles:
 /etc/web.conf d41d8cd98f00b204e9800998ecf8427e
 /etc/with space.conf d41d8cd98f00b204e9800998ecf8427e
 /etc/gone.conf d41d8cd98f00b204e9800998ecf8427e obsolete
Description: a server
 Package: not-a-package

Package: removed
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: libx
Status: install ok installed
Architecture: amd64
Multi-Arch: same
Version: 1

Package: libx
Status: install ok installed
Architecture: arm64
Multi-Arch: same
Version: 1


Package: dpkg
Essential: yes
Status: install ok installed
Architecture: arm64
Version: 1
"""
TREE: dict[str, bytes | str] = {
    f"{D}/status": STATUS,
    f"{D}/info/web.list": b"/.\n/etc\n/etc/web.conf\n/lib\n/lib/web\n/lib/web/module.so\n/usr/bin\n/usr/bin/web\n",
    f"{D}/info/libx:amd64.list": b"/.\n/usr\n/usr/lib\n/usr/lib/libx.so.1\n/usr/share/doc/libx/copyright\n",
    f"{D}/info/libx:arm64.list": b"/.\n/usr\n/usr/lib\n/usr/lib/arm/libx.so.1\n/usr/share/doc/libx/copyright\n",
    f"{D}/info/dpkg.list": b"/.\n/usr\n/usr/bin\n/usr/bin/dpkg\n/usr/bin/web\n",
    f"{D}/diversions": b"/usr/bin/web\n/usr/bin/web.distrib\ndpkg\n",
    "/usr/lib/web/module.so": b"",
    "/lib": "-> usr/lib",
}


def packages_of(tree: dict[str, bytes | str]) -> Packages:
    root = MemoryRoot(tree)
    found = open_packages(root, Walker(root))
    assert found is not None
    return found


def test_a_root_without_a_database_has_no_packages() -> None:
    root = MemoryRoot({"/bin/sh": b""})
    assert open_packages(root, Walker(root)) is None


def test_a_package_is_what_its_paragraph_says() -> None:
    web = packages_of(TREE).find("web")
    assert (web.name, web.version, web.architecture, web.installed_size) == ("web", "1.2-3+b1", "amd64", 1336 * 1024)
    assert (web.source, web.section, web.priority, web.essential) == ("websource", "httpd", "optional", False)
    assert web.depends == (
        ("init-system-helpers",), ("libc6",), ("web-common", "web-common-old"), ("perl",), ("zlib1g",)
    )  # fmt: skip
    assert web.provides == ("httpd", "httpd-cgi")
    assert web.conffiles == ("/etc/web.conf", "/etc/with space.conf")


def test_a_removed_package_is_not_installed() -> None:
    with pytest.raises(SourceError, match="removed: no such package is installed"):
        packages_of(TREE).find("removed")


def test_an_unknown_package_is_told_with_the_names_near_it() -> None:
    with pytest.raises(SourceError) as caught:
        packages_of(TREE).find("wbe")
    assert caught.value.hints[-1] == "apt-get install wbe"
    with pytest.raises(SourceError) as caught:
        packages_of(TREE).find("dpgk")
    assert caught.value.hints == ("did you mean dpkg?", "apt-get install dpgk")


def test_of_two_architectures_the_roots_own_is_meant_unless_one_is_named() -> None:
    packages = packages_of(TREE)
    assert packages.find("libx").architecture == "arm64"
    assert packages.find("libx:amd64").architecture == "amd64"
    assert packages_of({**TREE, f"{D}/arch": b"amd64\narm64\n"}).find("libx").architecture == "amd64"
    with pytest.raises(SourceError):
        packages.find("libx:riscv64")


def test_a_virtual_package_is_met_by_what_provides_it() -> None:
    packages = packages_of(TREE)
    found = packages.provider("httpd")
    assert found is not None and found.name == "web"
    assert packages.provider("nothing") is None


def test_the_lists_of_two_architectures_are_two() -> None:
    packages = packages_of(TREE)
    assert "/usr/lib/arm/libx.so.1" in packages.files(packages.find("libx:arm64"))
    assert "/usr/lib/arm/libx.so.1" not in packages.files(packages.find("libx:amd64"))


def test_an_owner_is_found_whichever_name_of_a_merged_usr_is_asked_for() -> None:
    packages = packages_of(TREE)
    for path in ("/lib/web/module.so", "/usr/lib/web/module.so"):
        found = packages.owner(path)
        assert found is not None and found.name == "web"
    found = packages.owner("/lib/libx.so.1")
    assert found is not None and found.name == "libx"
    assert packages.owner("/usr/bin/nobodys") is None


def test_a_file_of_a_package_in_two_architectures_is_that_packages_and_a_shared_folder_is_nobodys() -> None:
    packages = packages_of(TREE)
    found = packages.owner("/usr/share/doc/libx/copyright")
    assert found is not None and found.name == "libx"
    assert packages.owner("/usr/bin") is None
    folder = packages.owner("/usr/lib/web")
    assert folder is not None and folder.name == "web"


def test_a_diverted_file_stands_where_it_was_diverted_to() -> None:
    packages = packages_of(TREE)
    assert "/usr/bin/web.distrib" in packages.files(packages.find("web"))
    owners = [packages.owner(path) for path in ("/usr/bin/web", "/usr/bin/web.distrib")]
    assert [owner and owner.name for owner in owners] == ["dpkg", "web"]


def test_distroless_keeps_one_file_for_each_package_with_its_files_as_sums() -> None:
    packages = packages_of({
        f"{D}/status.d/base": b"Package: base-files\nVersion: 12\nArchitecture: arm64\n",
        f"{D}/status.d/base.md5sums": b"d41d8cd98f00b204e9800998ecf8427e  usr/share/a b\n",
    })  # fmt: skip
    assert packages.files(packages.find("base-files")) == ("/usr/share/a b",)
    found = packages.owner("/usr/share/a b")
    assert found is not None and str(found) == "base-files 12 (arm64)"


def test_a_package_without_a_list_has_no_files() -> None:
    packages = packages_of({f"{D}/status": STATUS})
    assert packages.files(packages.find("web")) == ()


@pytest.mark.parametrize(
    ("field", "names"),
    [
        ("", ()),
        (", ,|,", ()),
        ("a(>=1)|b [amd64], c:any (= 2), a(>=1)|b", (("a", "b"), ("c",))),
        ("libc6:amd64", (("libc6:amd64",),)),
    ],
)
def test_relations_are_read_by_their_names(field: str, names: tuple[tuple[str, ...], ...]) -> None:
    assert parse_depends(field) == names


@pytest.mark.parametrize("line", ["/usr/../../etc/shadow", "usr/bin/x", "/a\0b", "/a//b", "/./a", "/" + "a" * 5000])
def test_a_list_that_names_what_no_package_has_is_refused(line: str) -> None:
    packages = packages_of({**TREE, f"{D}/info/web.list": f"/.\n{line}\n".encode()})
    for ask in (lambda: packages.files(packages.find("web")), lambda: packages.owner("/x")):
        with pytest.raises(ReadError, match=r"info/web\.list: names '.*', which is no path that a package has"):
            ask()


@pytest.mark.parametrize("name", ["../../../etc/passwd", "a/b", "", ".hidden", "x" * 300, "a b"])
def test_a_name_that_no_package_has_is_refused_or_none(name: str) -> None:
    tree: dict[str, bytes | str] = {f"{D}/status": f"Package: {name}\nStatus: install ok installed\n".encode()}
    if name:
        with pytest.raises(ReadError, match="names a package"):
            packages_of(tree)
    else:
        with pytest.raises(SourceError):
            packages_of(tree).find("")


def test_a_paragraph_of_a_million_lines_is_refused() -> None:
    tree: dict[str, bytes | str] = {f"{D}/status": b"Package: x\nDescription: y\n" + b" .\n" * 1_000_000}
    with pytest.raises(ReadError, match="has a paragraph of 3000026 bytes, and 1048576 are the limit"):
        packages_of(tree)


def test_too_many_paragraphs_are_refused() -> None:
    with pytest.raises(ReadError, match="has more than 100000 paragraphs"):
        packages_of({f"{D}/status": b"\n" * 1_000_000})


def test_too_many_files_are_refused() -> None:
    packages = packages_of({**TREE, f"{D}/info/web.list": b"/a\n" * 300_001})
    with pytest.raises(ReadError, match="names more than 300000 files"):
        packages.files(packages.find("web"))


def test_a_status_of_a_gibibyte_is_refused_unread(tmp_path: Path) -> None:
    (tmp_path / "var/lib/dpkg").mkdir(parents=True)
    with (tmp_path / "var/lib/dpkg/status").open("wb") as file:
        os.truncate(file.fileno(), 1 << 30)
    root = DirectoryRoot(tmp_path)
    with pytest.raises(ReadError, match="status: has 1073741824 bytes, and 33554432 are the limit"):
        open_packages(root, Walker(root))


def test_links_of_the_database_lead_nowhere_outside(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "status").write_bytes(STATUS)
    (tmp_path / "root/var/lib").mkdir(parents=True)
    (tmp_path / "root/var/lib/dpkg").symlink_to(outside)
    root = DirectoryRoot(tmp_path / "root")
    assert open_packages(root, Walker(root)) is None
