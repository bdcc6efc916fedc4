"""Each way in which a program does not start over there, on trees in memory."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from needed.compatibility import Compatibility, check_program, find_loaders
from needed.errors import ReadError, SourceError
from needed.report.compatibility import compatibility_object, render_compatibility
from needed.root import MemoryRoot, RootPath
from tests.loader.synthetic import Writer, shared_object

TYPE_CHECKING = False
if TYPE_CHECKING:
    from needed.root import OpenFile

GLIBC, MUSL = "/lib64/ld-linux-x86-64.so.2", "/lib/ld-musl-x86_64.so.1"
LIBC = "/lib/libc.so.6"
GLIBC_LOADER = shared_object(soname="ld-linux-x86-64.so.2")
PROGRAM = shared_object(needed=("libc.so.6",), interpreter=GLIBC)


def libc(*versions: str) -> bytes:
    writer = Writer([("soname", "libc.so.6")])
    writer.versions(versions, {})
    return writer.finish()


def asking(*versions: str) -> bytes:
    writer = Writer([("needed", "libc.so.6")], interpreter=GLIBC)
    writer.versions((), {"libc.so.6": versions})
    return writer.finish()


def check(
    program: bytes, there: Mapping[str, bytes | str], travels: Mapping[str, bytes | str] | None = None
) -> Compatibility:
    with_it = dict(travels or {})
    home = MemoryRoot({"/bin/app": program, GLIBC: GLIBC_LOADER, LIBC: libc("GLIBC_2.2"), **with_it})
    return check_program(home, "/bin/app", MemoryRoot(there), {path: path for path in with_it})


def told(answer: Compatibility) -> list[str]:
    return [f"{one.kind} {one.subject}" for one in answer.findings]


def test_it_starts_where_all_that_it_asks_for_is() -> None:
    answer = check(PROGRAM, {GLIBC: GLIBC_LOADER, LIBC: libc("GLIBC_2.2")})
    assert answer.starts
    assert list(render_compatibility(answer, "there")) == ["/bin/app: starts in there"]


def test_a_static_program_starts_in_an_empty_root() -> None:
    static = Writer(flags_1=0x08000000).finish()
    answer = check(static, {"/etc/motd": b""})
    assert "static and needs nothing there" in next(render_compatibility(answer, "there"))


def test_without_any_loader_only_static_programs_start() -> None:
    answer = check(PROGRAM, {"/etc/motd": b""})
    assert told(answer) == [f"interpreter {GLIBC}"]
    assert "no dynamic loader here at all" in answer.findings[0].message


def test_a_loader_that_is_no_loader_is_told_as_such() -> None:
    answer = check(PROGRAM, {f"{GLIBC}/x": b""})
    assert answer.findings[0].message == f"it asks for {GLIBC}, which is here and is a directory"
    assert "is no ELF file" in check(PROGRAM, {GLIBC: b"text"}).findings[0].message


def test_a_glibc_program_on_a_musl_system() -> None:
    answer = check(PROGRAM, {MUSL: shared_object()})
    assert told(answer) == [f"interpreter {GLIBC}"]
    assert "this is a musl system (Alpine is one): it has /lib/ld-musl-x86_64.so.1" in answer.findings[0].message
    assert any("compile it for musl" in hint for hint in answer.findings[0].hints)


def test_a_loader_that_is_elsewhere_is_named() -> None:
    answer = check(PROGRAM, {"/usr/lib/ld-linux-x86-64.so.2": GLIBC_LOADER, LIBC: libc("GLIBC_2.2")})
    assert answer.findings[0].hints[0] == f"make it a link there: ln -s /usr/lib/ld-linux-x86-64.so.2 {GLIBC}"


def test_a_missing_library_is_told_with_the_one_that_is_there_instead() -> None:
    program = shared_object(needed=("libssl.so.3", "libc.so.6"), interpreter=GLIBC)
    there = {GLIBC: GLIBC_LOADER, LIBC: libc("GLIBC_2.2"), "/usr/lib/libssl.so.1.1": shared_object()}
    answer = check(program, there)
    assert told(answer) == ["library libssl.so.3"]
    assert "libssl.so.1.1 is there, which is another version" in answer.findings[0].message


def test_a_library_that_travels_is_there() -> None:
    program = shared_object(needed=("libx.so",), interpreter=GLIBC)
    there = {GLIBC: GLIBC_LOADER}
    assert told(check(program, there)) == ["library libx.so"]
    assert check(program, there, {"/usr/lib/libx.so": shared_object()}).starts


def test_a_version_that_is_too_new_is_told_with_the_newest_that_is_there() -> None:
    asked = asking("GLIBC_2.2", "GLIBC_2.38", "GLIBC_ABI_DT_RELR")
    answer = check(asked, {GLIBC: GLIBC_LOADER, LIBC: libc("GLIBC_2.2", "GLIBC_2.4")})
    assert told(answer) == ["version GLIBC_2.38, GLIBC_ABI_DT_RELR"]
    assert "ends at GLIBC_2.4: it is older" in answer.findings[0].message


def test_an_interpreter_of_another_machine_does_not_start_it() -> None:
    foreign = bytearray(GLIBC_LOADER)
    foreign[18] = 183  # EM_AARCH64
    answer = check(PROGRAM, {GLIBC: bytes(foreign), "/lib/ld-linux-x86-64.so.2": GLIBC_LOADER, LIBC: libc("GLIBC_2.2")})
    assert told(answer) == [f"interpreter {GLIBC}"]
    assert "is for arm64" in answer.findings[0].message


def test_a_library_that_is_newer_and_dropped_a_version_is_not_called_older() -> None:
    answer = check(asking("GLIBC_2.3"), {GLIBC: GLIBC_LOADER, LIBC: libc("GLIBC_2.2", "GLIBC_2.17")})
    assert "libc.so.6 here does not define it" in answer.findings[0].message
    assert not any("as old as" in hint for hint in answer.findings[0].hints)


def test_another_machine_is_the_only_reason_that_is_told() -> None:
    foreign = bytearray(shared_object(needed=("libnone.so",), interpreter="/lib/ld-linux-aarch64.so.1"))
    foreign[18] = 183  # EM_AARCH64
    answer = check(bytes(foreign), {GLIBC: GLIBC_LOADER})
    assert told(answer) == ["machine arm64"]
    assert "it is for arm64, and this system is for x86-64" in answer.findings[0].message


def test_the_machine_over_there_is_not_told_by_the_program_itself() -> None:
    foreign = bytearray(Writer(flags_1=0x08000000).finish())
    foreign[18] = 183  # EM_AARCH64
    there: dict[str, bytes | str] = {"/bin/sh": "-> app", "/bin/app": shared_object(interpreter=GLIBC)}
    assert told(check(bytes(foreign), there)) == ["machine arm64"]


def test_a_script_needs_its_interpreter_over_there() -> None:
    script = b"#!/bin/sh\n"
    assert told(check(script, {GLIBC: GLIBC_LOADER})) == ["interpreter /bin/sh"]
    there = {GLIBC: GLIBC_LOADER, LIBC: libc("GLIBC_2.2"), "/bin/sh": PROGRAM}
    assert check(script, there).starts


def test_what_is_not_there_at_all_is_an_error() -> None:
    with pytest.raises(SourceError, match="no such file"):
        check_program(MemoryRoot({}), "/bin/none", MemoryRoot({}))


def test_a_library_that_may_not_be_read_is_not_called_missing() -> None:
    class Closed(MemoryRoot):
        def open(self, path: RootPath) -> OpenFile:
            if path == LIBC:
                raise ReadError(f"{path}: cannot be read: Permission denied")
            return super().open(path)

    home = MemoryRoot({"/bin/app": PROGRAM, GLIBC: GLIBC_LOADER})
    answer = check_program(home, "/bin/app", Closed({GLIBC: GLIBC_LOADER, LIBC: b""}))
    assert told(answer) == ["library libc.so.6"]
    assert f"may be at {LIBC}, which cannot be read" in answer.findings[0].message


def test_an_object_file_is_no_program() -> None:
    content = bytearray(Writer().finish())
    content[16] = 1  # ET_REL
    with pytest.raises(SourceError, match="is an object file, not a program"):
        check(bytes(content), {})


def test_loaders_are_found_once_each_by_name() -> None:
    root = MemoryRoot({GLIBC: GLIBC_LOADER, "/lib/ld-linux-x86-64.so.2": "-> ../lib64/ld-linux-x86-64.so.2",
                       MUSL: shared_object()})  # fmt: skip
    assert sorted(str(loader) for loader in find_loaders(root)) == ["glibc for x86-64", "musl for x86-64"]


def test_the_object_says_the_same() -> None:
    found = compatibility_object(check(PROGRAM, {MUSL: shared_object()}), "there")
    assert (found["starts"], found["against"]) == (False, "there")
