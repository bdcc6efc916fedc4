"""A scan of a root in memory: what is broken, what is only noted, and who needs a library."""

from __future__ import annotations

from struct import pack_into
from typing import TYPE_CHECKING

import pytest

from needed import MemoryRoot, ReadError, SourceError, scan_root
from needed.loader import Settings
from needed.root import MemoryFile, RootPath
from needed.scan import Problem, Scanned, Tally, Wanted
from needed.value import replace
from tests.loader.synthetic import ET_EXEC, Writer, shared_object

if TYPE_CHECKING:
    from collections.abc import Mapping

    from needed.root import Entry, OpenFile

LD = "/lib64/ld-linux-x86-64.so.2"
LOADER: dict[str, bytes | str] = {LD: shared_object(soname="ld-linux-x86-64.so.2")}
ARM = 183


def program(*needed: str, interpreter: str = LD) -> bytes:
    return shared_object(needed=needed, interpreter=interpreter)


def library(soname: str, *needed: str) -> bytes:
    return shared_object(needed=needed, soname=soname)


def versioned(soname: str, *defines: str) -> bytes:
    writer = Writer([("soname", soname)])
    writer.versions(defines, {})
    return writer.finish()


def asks_for_version(file: str, version: str, *, interpreter: str = "", soname: str = "") -> bytes:
    writer = Writer([("needed", file), *([("soname", soname)] if soname else [])], interpreter=interpreter)
    writer.versions((), {file: (version,)})
    return writer.finish()


def for_machine(content: bytes, machine: int) -> bytes:
    changed = bytearray(content)
    pack_into("<H", changed, 18, machine)
    return bytes(changed)


def of_type(content: bytes, e_type: int) -> bytes:
    changed = bytearray(content)
    pack_into("<H", changed, 16, e_type)
    return bytes(changed)


def scanned(tree: Mapping[str, bytes | str], *folders: str, settings: Settings | None = None) -> dict[str, Scanned]:
    root = MemoryRoot({**LOADER, **tree})
    return {item.path: item for item in scan_root(root, settings or Settings(), folders or ("/",))}


def problems(tree: Mapping[str, bytes | str], path: str) -> tuple[Problem, ...]:
    return scanned(tree)[path].problems


def test_every_elf_file_comes_out_once_in_the_order_of_its_folders() -> None:
    tree: dict[str, bytes | str] = {
        "/usr/b": program(),
        "/usr/a/x": program(),
        "/text": b"no ELF",
        "/link": "-> usr/b",
        "/e": b"",
    }
    assert list(scanned(tree)) == [LD, "/usr/b", "/usr/a/x"]


def test_a_library_that_is_nowhere_breaks_who_needs_it_and_who_loads_that() -> None:
    tree = {"/p": program("liba.so"), "/lib/liba.so": library("liba.so", "libno.so")}
    found = scanned(tree)
    wanted = (Problem("library", "libno.so", "is nowhere", "/lib/liba.so"),)
    assert found["/p"].problems == found["/lib/liba.so"].problems == wanted
    assert found["/p"].broken and found["/lib/liba.so"].broken and not found[LD].broken


def test_a_plugin_whose_library_is_elsewhere_is_a_note() -> None:
    tree = {"/opt/app/libcore.so": library("libcore.so"), "/opt/app/plugins/x.so": library("x.so", "libcore.so")}
    (problem,) = problems(tree, "/opt/app/plugins/x.so")
    assert (problem.broken, problem.kind, problem.places) == (False, "library", ("/opt/app/libcore.so",))


def test_a_soname_is_found_elsewhere_under_another_file_name() -> None:
    tree = {"/opt/core-1.2": library("libcore.so.1"), "/opt/x.so": library("x.so", "libcore.so.1")}
    assert [problem.broken for problem in problems(tree, "/opt/x.so")] == [False]


def test_a_library_of_another_machine_elsewhere_does_not_count() -> None:
    tree = {"/opt/libcore.so": for_machine(library("libcore.so"), ARM), "/opt/x.so": library("x.so", "libcore.so")}
    assert [problem.broken for problem in problems(tree, "/opt/x.so")] == [True]


def test_a_program_does_not_start_although_its_library_is_elsewhere() -> None:
    tree = {"/opt/app/libcore.so": library("libcore.so"), "/p": program("libcore.so")}
    (problem,) = problems(tree, "/p")
    assert (problem.broken, problem.message) == (True, "is not where its loader looks")
    assert problem.places == ("/opt/app/libcore.so",)


def test_the_library_path_of_the_settings_counts() -> None:
    tree = {"/opt/app/libcore.so": library("libcore.so"), "/p": program("libcore.so")}
    assert scanned(tree, settings=Settings(("/opt/app",)))["/p"].problems == ()


def test_an_interpreter_that_is_nowhere_is_told() -> None:
    assert problems({"/p": program(interpreter="/lib/ld-no.so.1")}, "/p") == (
        Problem("interpreter", "/lib/ld-no.so.1", "is nowhere", "/p"),
    )


def test_a_library_for_another_machine_only_is_told_as_that() -> None:
    (problem,) = problems({"/p": program("liba.so"), "/lib/liba.so": for_machine(library("liba.so"), ARM)}, "/p")
    assert (problem.kind, problem.broken) == ("machine", True)
    assert problem.message == "is not there for x86-64: /lib/liba.so is for arm64"


def test_a_file_of_that_name_that_is_no_library_is_told() -> None:
    (problem,) = problems({"/p": program("liba.so"), "/lib/liba.so": b"GROUP ( libb.so )" * 9}, "/p")
    assert problem.kind == "library" and problem.message.startswith("is at /lib/liba.so, and no library: ")


def test_a_version_that_is_not_defined_is_told() -> None:
    tree = {"/p": asks_for_version("liba.so", "V2", interpreter=LD), "/lib/liba.so": versioned("liba.so", "V1")}
    assert problems(tree, "/p") == (Problem("version", "V2", "is not defined by /lib/liba.so", "/p"),)


def test_a_version_that_a_library_elsewhere_defines_is_a_note_for_a_library() -> None:
    tree = {
        "/p": asks_for_version("liba.so", "V2", interpreter=LD),
        "/lib/x.so": asks_for_version("liba.so", "V2", soname="x.so"),
        "/lib/liba.so": versioned("liba.so", "V1"),
        "/opt/liba.so": versioned("liba.so", "V1", "V2"),
    }
    found = scanned(tree)
    assert [problem.broken for problem in found["/lib/x.so"].problems] == [False]
    assert [problem.broken for problem in found["/p"].problems] == [True]


def test_a_damaged_file_is_told_with_its_reason() -> None:
    found = scanned({"/cut": program()[:100], "/short": b"\x7fELF", "/whole": program()})
    assert [found[path].kind for path in ("/cut", "/short", "/whole")] == ["damaged", "damaged", "program"]
    assert found["/cut"].broken and "truncated" in found["/cut"].problems[0].message


@pytest.mark.parametrize("e_type", [0, 1, 4, 0xFE00])
def test_object_files_and_cores_are_not_looked_into(e_type: int) -> None:
    (item,) = scanned({"/f": of_type(program("libno.so"), e_type)}, "/f").values()
    assert (item.kind, item.broken, item.machine.name if item.machine else "") == ("other", False, "x86-64")


def test_a_file_for_no_machine_is_no_program() -> None:
    assert scanned({"/guile.go": for_machine(program("libno.so"), 0)})["/guile.go"].kind == "other"


def debug_file(content: bytes) -> bytes:
    """The same with section headers whose code is SHT_NOBITS, as `objcopy --only-keep-debug` leaves it."""
    changed = bytearray(content)
    pack_into("<Q", changed, 40, len(changed))
    pack_into("<HHH", changed, 58, 64, 2, 0)
    sections = bytearray(128)
    pack_into("<IIQ", sections, 64, 0, 8, 6)
    return bytes(changed + sections)


def test_separate_debug_symbols_are_not_broken() -> None:
    cut = bytearray(program("libno.so"))
    pack_into("<Q", cut, 64 + 56 + 32, 0)  # p_filesz of PT_INTERP, which stands second
    tree = {"/whole.debug": debug_file(program("libno.so")), "/cut.debug": debug_file(bytes(cut)), "/cut": bytes(cut)}
    found = scanned(tree)
    assert [found[path].kind for path in tree] == ["other", "other", "damaged"]


def test_what_is_linked_statically_lacks_nothing() -> None:
    static = Writer([], e_type=ET_EXEC, starts=True).finish()
    (item,) = scanned({"/f": static}, "/f").values()
    assert (item.kind, item.problems) == ("program", ())


def test_a_tree_is_walked_without_recursion() -> None:
    deep = "/d" * 3000
    assert f"{deep}/p" in scanned({f"{deep}/p": program()})


def test_what_is_the_kernels_is_left_out_at_the_top_only() -> None:
    tree = {f"/{folder}/{name}": program() for folder in ("proc", "sys", "dev", "run", "a/proc") for name in "p"}
    assert list(scanned(tree)) == ["/a/proc/p", LD]


def test_a_folder_that_is_not_there_is_an_error_before_anything_is_walked() -> None:
    with pytest.raises(SourceError, match="/no: no such file or folder"):
        scanned({}, "/", "/no")


def test_a_folder_named_twice_or_through_a_link_is_scanned_once() -> None:
    tree: dict[str, bytes | str] = {"/usr/bin/p": program(), "/bin": "-> usr/bin"}
    assert list(scanned(tree, "/bin", "/usr", "/usr/bin/p")) == ["/usr/bin/p"]


class Locked(MemoryRoot):
    """A Root of which a folder may not be read, and of one file no more than the start."""

    def open(self, path: RootPath) -> OpenFile:
        return Bad() if path == "/bad" else super().open(path)

    def names(self, path: RootPath) -> tuple[str, ...]:
        if path == "/secret":
            raise ReadError("/secret: cannot be read: Permission denied")
        return super().names(path)


class Bad(MemoryFile):
    """A program on a disk that gives its first 64 bytes and no more."""

    def __init__(self) -> None:
        super().__init__(program())

    def read_at(self, offset: int, size: int) -> bytes:
        if size > 64:
            raise ReadError("/bad: cannot be read: Input/output error")
        return super().read_at(offset, size)


def test_what_cannot_be_read_is_an_item_and_no_error() -> None:
    root = Locked({**LOADER, "/secret/p": program(), "/open/p": program(), "/bad": b"\x7fELF"})
    items = list(scan_root(root))
    assert [str(item.path) for item in items] == ["/bad", "/secret", LD, "/open/p"]
    found = {str(item.path): item for item in items}
    secret = found["/secret"]
    assert (secret.kind, secret.broken) == ("unreadable", False)
    assert secret.problems[0].message == "cannot be read: Permission denied"


class Closed(MemoryRoot):
    """One library may not be read."""

    def open(self, path: RootPath) -> OpenFile:
        if path == "/lib/liba.so":
            raise ReadError(f"{path}: cannot be read: Permission denied")
        return super().open(path)


def test_what_may_be_in_a_file_that_cannot_be_read_is_no_fault() -> None:
    root = Closed({**LOADER, "/bin/app": program("liba.so"), "/lib/liba.so": b""})
    found = {one.path: one for one in scan_root(root)}
    (problem,) = found[RootPath("/bin/app")].problems
    assert (problem.message, problem.broken) == ("may be at /lib/liba.so, which cannot be read", False)


class Mounted(MemoryRoot):
    """A Root with another file system at /mnt, and at /again the folder that /usr is."""

    def entry(self, path: RootPath) -> Entry | None:
        found = super().entry(path)
        if found is None:
            return None
        inode = hash("/usr" if path == "/again" else path)
        return replace(found, identity=(9 if f"{path}/".startswith("/mnt/") else 1, inode))


def test_one_file_system_is_not_left() -> None:
    root = Mounted({**LOADER, "/mnt/p": program(), "/usr/q": program()})
    assert [item.path for item in scan_root(root, one_file_system=True)] == [LD, "/usr/q"]
    assert [item.path for item in scan_root(root)] == [LD, "/mnt/p", "/usr/q"]
    assert [item.path for item in scan_root(root, folders=["/mnt"], one_file_system=True)] == ["/mnt/p"]


def test_a_folder_that_is_mounted_twice_is_walked_once() -> None:
    root = Mounted({**LOADER, "/again/p": program(), "/usr/p": program()})
    assert [item.path for item in scan_root(root)] == ["/again/p", LD]


def test_progress_counts_files_and_then_elf_files() -> None:
    calls: list[tuple[int, int]] = []
    root = MemoryRoot(LOADER | {"/p": program(), "/text": b""})
    assert len(list(scan_root(root, watch=lambda done, total: calls.append((done, total))))) == 2
    assert calls == [(2, 0), (3, 0), (0, 2), (1, 2)]


TREE = LOADER | {
    "/p": program("liba.so"),
    "/q": program("libb.so", "/opt/libc.so"),
    "/r": program("libno.so"),
    "/lib/liba.so": library("liba.so", "libb.so"),
    "/lib/libb.so": "-> libb.so.1.2",
    "/lib/libb.so.1.2": library("libb.so"),
    "/opt/libc.so": library(""),
}


@pytest.mark.parametrize("name", ["libb.so", "/lib/libb.so", "/lib/libb.so.1.2"])
def test_who_needs_a_library_by_its_soname_or_a_path(name: str) -> None:
    root = MemoryRoot(TREE)
    wanted = Wanted(root, name)
    found = [dependent for item in scan_root(root) if (dependent := wanted.dependent(item))]
    assert [(item.path, item.direct, item.through, item.found) for item in found] == [
        ("/p", False, "/lib/liba.so", "/lib/libb.so"),
        ("/q", True, "/q", "/lib/libb.so"),
        ("/lib/liba.so", True, "/lib/liba.so", "/lib/libb.so"),
    ]


@pytest.mark.parametrize(
    ("name", "paths"),
    [("/opt/libc.so", ["/q"]), ("libc.so", ["/q"]), ("libno.so", ["/r"]), (LD, ["/p", "/q", "/r"]), ("x", [])],
)
def test_who_needs_what_has_no_soname_is_missing_or_is_the_interpreter(name: str, paths: list[str]) -> None:
    root = MemoryRoot(TREE)
    wanted = Wanted(root, name)
    assert [item.path for item in scan_root(root) if wanted.dependent(item)] == paths


def test_who_needs_a_path_where_nothing_is_is_an_error() -> None:
    with pytest.raises(SourceError, match="/lib/no: no such file"):
        Wanted(MemoryRoot(TREE), "/lib/no")


def test_a_tally_groups_problems_by_what_is_missing_and_counts_files() -> None:
    tree = {
        "/p": program("liba.so"),
        "/q": program("libno.so"),
        "/lib/liba.so": library("liba.so", "libno.so"),
        "/opt/x.so": library("x.so", "libcore.so"),
        "/opt/app/libcore.so": library("libcore.so"),
    }
    tally = Tally()
    for item in scanned(tree).values():
        tally.add(item)
    assert [(group.problem.subject, group.askers, group.files) for group in tally.groups()] == [
        ("libno.so", ("/lib/liba.so", "/q"), 3),
        ("libcore.so", ("/opt/x.so",), 1),
    ]
    assert (tally.files, tally.broken, tally.noted) == (6, 3, 1)
    assert tally.kinds == {"program": 2, "library": 4}
