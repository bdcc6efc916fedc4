"""`--trace`: what a program was seen to ask for becomes programs, plugins, files and folders, each with its reason."""

from __future__ import annotations

from needed.pipeline import Plan, plan
from needed.request import Request, parse_request, render_request
from needed.root import MemoryRoot
from needed.rootfs import Directory, File, Symlink
from needed.rules.choices import Choices
from needed.rules.finding import Traced
from tests.rules.trees import library, program, tree

FILES: dict[str, bytes | str] = {
    "/bin/app": program(),
    "/opt/plug.so": library("plug.so", needed=("libz.so.1",)),
    "/lib64/libz.so.1": library("libz.so.1"),
    "/usr/bin/tool": program(needed=("libz.so.1",)),
    "/usr/bin/script": b"#!/bin/interpret\n",
    "/bin/interpret": program(),
    "/srv/data": b"data",
    "/srv/link": "data",
    "/srv/full/inside": b"x",
    "/etc/hosts": b"10.0.0.1 here\n",
    "/etc/ld.so.cache": b"cache",
}


def planned(*found: tuple[str, str] | tuple[str, str, str]) -> Plan:
    traced = tuple(Traced(item[0], item[1], item[2:] or ("/bin/app",), "app -x") for item in found)
    return plan(MemoryRoot({**tree(), **FILES}), ["/bin/app"], choices=Choices(traced=traced))


def test_a_file_that_was_opened_ships_and_says_for_which_run() -> None:
    rootfs = planned(("/srv/data", "opened")).rootfs
    assert isinstance(rootfs.entries["/srv/data"], File)
    assert [str(reason) for reason in rootfs.reasons["/srv/data"]] == ["traced app -x"]


def test_a_link_on_the_way_ships_too() -> None:
    assert planned(("/srv/link", "opened")).rootfs.entries["/srv/link"] == Symlink("data")


def test_a_plugin_is_opened_by_the_program_that_loaded_it() -> None:
    found = planned(("/opt/plug.so", "loaded"), ("/opt/plug.so", "opened"))
    assert [(item.by, item.name) for item in found.closure.opened] == [("/bin/app", "/opt/plug.so")]
    assert "/lib64/libz.so.1" in found.rootfs.entries


def test_a_plugin_of_a_script_is_opened_by_what_reads_the_script() -> None:
    found = planned(("/usr/bin/script", "executed"), ("/opt/plug.so", "loaded", "/usr/bin/script"))
    assert [item.by for item in found.closure.opened] == ["/bin/interpret"]


def test_what_no_loader_takes_ships_as_a_file() -> None:
    found = planned(("/srv/data", "loaded"))
    assert found.closure.opened == ()
    assert "/srv/data" in found.rootfs.entries


def test_a_library_that_was_looked_for_by_its_name_is_found_as_the_loader_finds_it() -> None:
    found = planned(("libz.so.1", "loaded"), ("libnone.so.1", "loaded"))
    assert [(item.by, item.name) for item in found.closure.opened] == [("/bin/app", "libz.so.1")]


def test_a_folder_to_write_to_is_the_image_s_user_s() -> None:
    entries = planned(("/srv/full", "written")).rootfs.entries
    assert entries["/srv/full"] == Directory(owner=Choices().user)
    assert "/srv/full/inside" not in entries


def test_what_was_executed_ships_with_its_closure_and_is_found_by_its_name() -> None:
    found = planned(("/usr/bin/tool", "executed"))
    assert {"/usr/bin/tool", "/lib64/libz.so.1"} <= found.rootfs.entries.keys()
    assert found.requested == ("/bin/app",)


def test_a_folder_that_was_listed_comes_empty() -> None:
    found = planned(("/srv/full", "listed")).rootfs
    assert isinstance(found.entries["/srv/full"], Directory)
    assert "/srv/full/inside" not in found.entries


def test_a_program_that_was_only_looked_at_stays_behind_and_a_file_does_not() -> None:
    entries = planned(("/usr/bin/tool", "seen"), ("/srv/data", "seen")).rootfs.entries
    assert "/usr/bin/tool" not in entries
    assert "/srv/data" in entries


def test_what_the_root_does_not_have_any_more_is_passed_over() -> None:
    assert planned(("/gone", "opened"), ("/gone", "executed")).rootfs.entries.keys() == planned().rootfs.entries.keys()


def test_what_is_this_machines_or_the_loaders_own_stays_behind() -> None:
    entries = planned(("/etc/hosts", "opened"), ("/etc/ld.so.cache", "opened")).rootfs.entries
    assert entries.keys() == planned().rootfs.entries.keys()


def test_the_image_remembers_the_line_that_was_run() -> None:
    request = Request(("/bin/app",), traces=("app -x 'a b'",))
    assert parse_request(render_request(request)) == request


def test_in_the_image_the_reasons_are_the_same() -> None:
    image = MemoryRoot({**tree(), **FILES})
    rootfs = plan(image, ["/bin/app"], choices=Choices(commands=("app -x",))).rootfs
    assert "traced app -x" in [str(reason) for reason in rootfs.reasons["/srv/data"]]
