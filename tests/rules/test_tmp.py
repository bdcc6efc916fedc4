"""A place for temporary files, where something asks for one."""

from __future__ import annotations

import pytest

from needed.rootfs import Directory
from needed.rules.table import TEMPORARY
from tests.rules.server_trees import planned
from tests.rules.trees import LIBC, library, program


@pytest.mark.parametrize("symbol", TEMPORARY)
def test_what_imports_a_maker_of_temporary_files_gets_a_place_for_them(symbol: str) -> None:
    found = planned({"/app": program(symbol)}, "/app")
    assert found.rootfs.entries["/tmp"] == Directory(0o1777)
    assert str(found.rootfs.reasons["/tmp"][0]) == f"rule tmp: /app imports {symbol}"


@pytest.mark.parametrize("path", ["/bin/python3.13", "/bin/sshd", "/bin/postgres", "/bin/vim.basic"])
def test_programs_that_write_there_by_name_get_it_too(path: str) -> None:
    assert planned({path: program()}, path).rootfs.entries["/tmp"] == Directory(0o1777)


def test_what_the_root_has_there_stays_there() -> None:
    found = planned({"/app": program("mkstemp"), "/tmp/secret": b"of somebody"}, "/app")
    assert [path for path in found.rootfs.entries if path.startswith("/tmp")] == ["/tmp"]


def test_that_the_c_library_itself_can_make_them_says_nothing() -> None:
    libc = {LIBC: library("libc.so.6", "tmpfile", needed=())}
    assert "/tmp" not in planned({"/app": program(), **libc}, "/app").rootfs.entries
    other = {"/lib/libx.so": library("libx.so", "tmpfile")}
    assert "/tmp" in planned({"/app": program(needed=("libx.so",)), **other}, "/app").rootfs.entries
