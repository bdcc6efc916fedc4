"""Projects with a Makefile or a CMakeLists.txt, compiled by their own rules, with the tree as it was."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.engines.compiling import HELLO_CPP, compiled, elf_of, said_by

MAIN = '#include <stdio.h>\n#include <part.h>\nint main(void) { printf("%s %d %s\\n", NAME, part(), __FILE__); }\n'
# As people write them: flags that the sources do not compile without, a library of its own, debug information.
MAKEFILE = """
CFLAGS = -g -O2 -Iinclude -DNAME='"made"'
program: main.o libpart.a
	$(CC) $(CFLAGS) -o $@ $^ $(LDFLAGS)
libpart.a: part.o
	$(AR) rcs $@ $^
other: other.c
	$(CC) -o $@ $<
both: program other
"""
CMAKE = """
cmake_minimum_required(VERSION 3.10)
project(program C)
add_library(part part.c)
target_include_directories(part PUBLIC include)
add_executable(program main.c)
target_compile_definitions(program PRIVATE NAME="made")
target_link_libraries(program part)
"""


def tree_of(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "include").mkdir(parents=True)
    (folder / "include/part.h").write_text("int part(void);\n")
    (folder / "part.c").write_text("#include <part.h>\nint part(void) { return 42; }\n")
    (folder / "main.c").write_text(MAIN)
    (folder / "other.c").write_text("int main(void) { return 3; }\n")
    return folder


def test_a_makefile_keeps_its_flags_and_its_folder(project: Path) -> None:
    (project / "Makefile").write_text(MAKEFILE)
    before = tree_of(project)
    told = compiled(project.parent, "project", "-o", "made").stderr
    assert "GNU Make" in told
    assert "the same bytes from another folder" in told
    assert said_by(project.parent / "made") == "made 42 main.c\n"
    assert elf_of(project.parent / "made").linkage == "static"
    assert (project.parent / "made").stat().st_size < 50_000
    assert tree_of(project) == before


def test_what_an_earlier_build_left_is_made_anew(project: Path) -> None:
    (project / "Makefile").write_text(MAKEFILE)
    subprocess.run(["make", "-s"], cwd=project, check=True)
    assert elf_of(project / "program").interpreter is not None
    before = tree_of(project)
    compiled(project.parent, "project", "-o", "made", "--once")
    assert elf_of(project.parent / "made").linkage == "static"
    assert tree_of(project) == before


def test_of_several_programs_one_is_named(project: Path) -> None:
    (project / "Makefile").write_text(MAKEFILE)
    failed = compiled(project.parent, "project", "-o", "made", "--once", "--", "both", status=12).stderr
    assert "makes several programs: other, program" in failed
    assert not (project.parent / "made").exists()
    compiled(project.parent, "project", "-o", "made", "--once", "--program", "program", "--", "both")
    assert said_by(project.parent / "made") == "made 42 main.c\n"


def test_with_zig_objects_are_not_stripped_before_they_are_linked(project: Path) -> None:
    (project / "Makefile").write_text(MAKEFILE)
    compiled(project.parent, "project", "-o", "made", "--once", "--libc", "glibc:2.17")
    assert said_by(project.parent / "made") == "made 42 main.c\n"
    assert elf_of(project.parent / "made").interpreter == "/lib64/ld-linux-x86-64.so.2"


def test_a_makefile_that_calls_gcc_by_name_is_told_about(project: Path) -> None:
    (project / "Makefile").write_text(MAKEFILE.replace("$(CC)", "gcc"))
    failed = " ".join(compiled(project.parent, "project", "-o", "made", status=12).stderr.split())
    assert "what was made is not static: it asks for the interpreter /lib64/ld-linux-x86-64.so.2" in failed
    assert "its Makefile may call a compiler by name" in failed
    assert not (project.parent / "made").exists()


def test_makes_own_message_comes_before_the_hint(project: Path) -> None:
    (project / "Makefile").write_text(MAKEFILE)
    failed = compiled(project.parent, "project", "-o", "made", "--", "nothing", status=12).stderr
    assert failed.index("No rule to make target 'nothing'") < failed.index("hint: ")


def test_a_configure_script_is_for_the_user_to_run(project: Path) -> None:
    (project / "configure").write_text("#!/bin/sh\ntouch ran\n")
    (project / "configure").chmod(0o755)
    failed = compiled(project.parent, "project", "-o", "made", status=13).stderr
    assert "./configure" in failed
    assert not (project / "ran").exists()


def test_the_printed_commands_of_a_project_find_its_program(project: Path) -> None:
    (project / "Makefile").write_text(MAKEFILE)
    script = compiled(project.parent, "project", "-o", "made", "--program", "program", "--print").stdout
    subprocess.run(["sh", "-e"], input=script, text=True, cwd=project.parent, check=True)
    assert said_by(project.parent / "made") == "made 42 main.c\n"


def test_cmake_builds_beside_the_folder(project: Path) -> None:
    (project / "CMakeLists.txt").write_text(CMAKE)
    before = tree_of(project)
    told = compiled(project.parent, "project", "-o", "made").stderr
    assert "cmake version" in told
    assert "the same bytes from another folder" in told
    assert said_by(project.parent / "made") == "made 42 ./main.c\n"
    assert elf_of(project.parent / "made").linkage == "static"
    assert tree_of(project) == before


def test_cmake_compiles_cpp_and_c_with_one_compiler(tmp_path: Path) -> None:
    (tmp_path / "hello.cc").write_text(HELLO_CPP)
    (tmp_path / "part.c").write_text("int part(int class) { return class; }\n")
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.10)\nproject(hello C CXX)\n"
        "add_library(part part.c)\nadd_executable(hello hello.cc)\ntarget_link_libraries(hello part)\n"
    )
    told = compiled(tmp_path, "CMakeLists.txt", "-o", "made", "--once").stderr
    assert "zig" in told
    assert elf_of(tmp_path / "made").linkage == "static"
    assert said_by(tmp_path / "made") == "hello from C++\n"


def test_cmake_compiles_for_another_machine(project: Path) -> None:
    (project / "CMakeLists.txt").write_text(CMAKE)
    compiled(project.parent, "project", "-o", "arm", "--once", "--platform", "linux/arm64")
    elf = elf_of(project.parent / "arm")
    assert (elf.machine.name, elf.linkage) == ("arm64", "static")
    said = said_by(Path("/usr/bin/qemu-aarch64-static"), str(project.parent / "arm"))
    assert said.replace("./", "") == "made 42 main.c\n"  # GCC maps a folder to ".", Clang to nothing


def test_cmakes_own_message_comes_before_the_hint(project: Path) -> None:
    (project / "CMakeLists.txt").write_text(CMAKE + "find_package(NothingOfThatName REQUIRED)\n")
    failed = compiled(project.parent, "project", "-o", "made", status=12).stderr
    assert failed.index("NothingOfThatName") < failed.index("hint: ")
    assert not (project.parent / "made").exists()
