"""What a compiled file is by reading it, and what is refused."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from struct import pack

import pytest

from needed.errors import CompileError
from needed.image.model import Platform
from needed.toolchain import Outcome, Target
from needed.toolchain.outcome import check_outcome, find_program, read_outcome
from tests.loader.synthetic import ET_EXEC, PIE, Writer
from tests.toolchain.chains import STATIC

GLIBC, MUSL = "/lib64/ld-linux-x86-64.so.2", "/lib/ld-musl-x86_64.so.1"
AMD64 = Platform("linux", "amd64")


def dynamic(interpreter: str, *needed: str, versions: tuple[str, ...] = ()) -> bytes:
    writer = Writer([("needed", name) for name in needed], interpreter=interpreter, flags_1=PIE, starts=True)
    writer.versions((), {needed[0]: versions} if versions else {})
    return writer.finish()


def with_sections(program: bytes, *types: int) -> bytes:
    """`program` with section headers of these types behind it."""
    headers = b"".join(pack("<IIQQQQIIQQ", 0, sh_type, 0, 0, 0, 0, 0, 0, 0, 0) for sh_type in (0, *types))
    made = bytearray(program + headers)
    made[40:48] = pack("<Q", len(program))
    made[58:64] = pack("<HHH", 64, 1 + len(types), 0)
    return bytes(made)


def read(tmp_path: Path, content: bytes) -> Outcome:
    (tmp_path / "program").write_bytes(content)
    return read_outcome(str(tmp_path / "program"))[0]


def check(tmp_path: Path, content: bytes, target: Target) -> None:
    (tmp_path / "program").write_bytes(content)
    check_outcome(*read_outcome(str(tmp_path / "program")), target)


def test_a_static_program_asks_for_nothing(tmp_path: Path) -> None:
    found = read(tmp_path, STATIC)
    assert found == Outcome(len(STATIC), f"sha256:{sha256(STATIC).hexdigest()}", "", (), "", True, None)


def test_a_symbol_table_means_not_stripped(tmp_path: Path) -> None:
    assert read(tmp_path, with_sections(STATIC, 1, 3)).stripped
    assert not read(tmp_path, with_sections(STATIC, 1, 2)).stripped


def test_the_newest_release_of_glibc_is_by_number_and_not_by_letter(tmp_path: Path) -> None:
    asked = ("GLIBC_2.4", "GLIBC_2.17", "GLIBC_2.3.4", "GLIBC_PRIVATE", "GLIBC_2.99 weak")
    assert read(tmp_path, dynamic(GLIBC, "libc.so.6", versions=asked)).glibc == "2.17"


def test_static_is_right_whatever_was_asked_for(tmp_path: Path) -> None:
    for target in (Target(AMD64), Target(AMD64, "musl"), Target(AMD64, "glibc", "2.17")):
        check(tmp_path, STATIC, target)


def test_a_static_pie_is_static(tmp_path: Path) -> None:
    check(tmp_path, Writer(flags_1=PIE, starts=True).finish(), Target(AMD64))


@pytest.mark.parametrize("content", [dynamic(GLIBC, "libc.so.6"), dynamic(GLIBC), Writer([("needed", "x")]).finish()])
def test_what_asks_for_an_interpreter_or_a_library_is_not_static(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(CompileError, match="is not static"):
        check(tmp_path, content, Target(AMD64))


def test_what_was_found_is_named(tmp_path: Path) -> None:
    with pytest.raises(CompileError, match=f"interpreter {GLIBC} and needs libm.so.6, libc.so.6"):
        check(tmp_path, dynamic(GLIBC, "libm.so.6", "libc.so.6"), Target(AMD64))


def test_musl_and_glibc_are_told_apart_by_the_interpreter(tmp_path: Path) -> None:
    check(tmp_path, dynamic(MUSL, "libc.so"), Target(AMD64, "musl"))
    check(tmp_path, dynamic(GLIBC, "libc.so.6"), Target(AMD64, "glibc"))
    with pytest.raises(CompileError, match="not for musl"):
        check(tmp_path, dynamic(GLIBC, "libc.so.6"), Target(AMD64, "musl"))
    with pytest.raises(CompileError, match="for musl, not for glibc"):
        check(tmp_path, dynamic(MUSL, "libc.so"), Target(AMD64, "glibc"))


def test_a_newer_glibc_than_asked_for_is_refused(tmp_path: Path) -> None:
    program = dynamic(GLIBC, "libc.so.6", versions=("GLIBC_2.34",))
    check(tmp_path, program, Target(AMD64, "glibc"))
    check(tmp_path, program, Target(AMD64, "glibc", "2.34"))
    with pytest.raises(CompileError, match=r"needs glibc 2.34, newer than the 2.17"):
        check(tmp_path, program, Target(AMD64, "glibc", "2.17"))


def test_a_program_of_another_machine_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CompileError, match="is for x86-64, not for linux/arm64"):
        check(tmp_path, STATIC, Target(Platform("linux", "arm64")))


def test_a_library_and_an_object_file_are_no_programs(tmp_path: Path) -> None:
    with pytest.raises(CompileError, match="no program: a shared object"):
        check(tmp_path, Writer([("soname", "libx.so")]).finish(), Target(AMD64))
    with pytest.raises(CompileError, match="no program: a relocatable file"):
        check(tmp_path, Writer(e_type=1).finish(), Target(AMD64))


def test_what_is_no_elf_file_or_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CompileError, match="something that is no program"):
        read(tmp_path, b"#!/bin/sh\n")
    with pytest.raises(CompileError, match="left no program"):
        read_outcome(str(tmp_path / "nothing"))


def test_in_a_folder_the_only_program_is_the_product(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    for name, content in (("tool", STATIC), ("lib/x.so", Writer([]).finish()), ("run.sh", b"#!")):
        (tmp_path / name).write_bytes(content)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "link").symlink_to("tool")
    (tmp_path / "not-executable").write_bytes(STATIC)
    assert find_program(str(tmp_path), "") == str(tmp_path / "tool")
    with pytest.raises(CompileError, match="makes no program other: tool"):
        find_program(str(tmp_path), "other")


def test_of_several_programs_one_is_named(tmp_path: Path) -> None:
    with pytest.raises(CompileError, match="left no program"):
        find_program(str(tmp_path), "")
    for name in ("one", "two"):
        (tmp_path / name).write_bytes(Writer(e_type=ET_EXEC, starts=True).finish())
        (tmp_path / name).chmod(0o755)
    assert find_program(str(tmp_path), "two") == str(tmp_path / "two")
    with pytest.raises(CompileError, match="makes several programs: one, two"):
        find_program(str(tmp_path), "")


def test_a_program_and_its_copy_are_one_program_and_two_of_one_name_are_told(tmp_path: Path) -> None:
    for folder in ("bin", "build"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "tool").write_bytes(STATIC)
        (tmp_path / folder / "tool").chmod(0o755)
    assert find_program(str(tmp_path), "") == find_program(str(tmp_path), "tool") == str(tmp_path / "bin/tool")
    with (tmp_path / "build/tool").open("ab") as file:
        file.write(b"more")
    with pytest.raises(CompileError, match="several programs of one name: bin/tool, build/tool"):
        find_program(str(tmp_path), "tool")
