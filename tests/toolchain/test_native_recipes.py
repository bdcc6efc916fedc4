"""Which compiler and which words: C, C++, Makefiles, CMake and Rust, by what is on the PATH."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from needed.errors import CompileError, ToolchainError
from needed.image.model import Platform
from needed.toolchain import Options, Recipe, Source, Target, plan, recognise
from needed.toolchain.c import triple_of
from needed.toolchain.hints import hints_for, hints_for_outcome
from needed.toolchain.rust import triple_for
from needed.toolchain.tools import this_platform
from tests.toolchain.chains import fake_zig, script

FOREIGN = Platform("linux", "s390x")
HERE = this_platform()
# As a compiler answers what it is asked: its machine (uname's name is what GNU calls the usual ones) and its release.
_GCC = """#!/bin/sh
case "$*" in
*-dumpmachine) echo "{machine}" ;;
*-print-file-name=libc.a) echo "{libc}" ;;
*) echo 12.2.0 ;;
esac
"""
_RUSTC = """#!/bin/sh
case "$*" in
--version) echo "rustc 1.63.0" ;;
"--print target-libdir --target "*) echo "{folder}/$4" ;;
*) echo "error[E0463]: can't find crate for \\`std\\`" >&2; exit 1 ;;
esac
"""
_CARGO = """#!/bin/sh
case $1 in
--version) echo "cargo 1.65.0" ;;
metadata) cat "{folder}/metadata.json" ;;
esac
"""


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is all of PATH; `cat` alone is there."""
    folder = tmp_path / "tools"
    script(folder, "cat", '#!/bin/sh\nexec /bin/cat "$@"\n')
    monkeypatch.setenv("PATH", str(folder))
    # The engines' environment has zig among its packages.
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    monkeypatch.setattr(sys, "path", [path for path in sys.path if "packages" not in path])
    for name in ("CC", "CXX", "CFLAGS", "CXXFLAGS", "CPPFLAGS", "LDFLAGS", "LDLIBS", "RUSTFLAGS"):
        monkeypatch.delenv(name, raising=False)
    return folder


def gcc(tools: Path, name: str = "gcc", machine: str = "", libc: str = "libc.a") -> Path:
    return script(tools, name, _GCC.format(machine=machine or triple_of(HERE), libc=libc))


def rust(tools: Path, *triples: str) -> None:
    script(tools, "rustc", _RUSTC.format(folder=tools))
    script(tools, "cargo", _CARGO.format(folder=tools))
    for triple in triples:
        (tools / triple).mkdir()
        (tools / triple / "libstd-1.rlib").touch()


def crate(tmp_path: Path, tools: Path, *programs: str, lock: bool = True) -> Source:
    folder = tmp_path / "crate"
    folder.mkdir()
    (folder / "Cargo.toml").write_text('[package]\nname = "x"\n')
    if lock:
        (folder / "Cargo.lock").touch()
    targets = [{"name": name, "kind": ["bin"]} for name in programs]
    package = {"manifest_path": str(folder / "Cargo.toml"), "targets": targets}
    (tools / "metadata.json").write_text(json.dumps({"packages": [package], "workspace_root": str(folder)}))
    return Source("cargo", str(folder), (), "x")


def files(tmp_path: Path, *names: str) -> Source:
    for name in names:
        (tmp_path / name).touch()
    first, *more = (str(tmp_path / name) for name in names)
    found = recognise(first, tuple(more))
    assert found is not None
    return found


def recipe_of(tmp_path: Path, source: Source, target: Target, *words: str, program: str = "") -> Recipe:
    work = tmp_path / "work"
    work.mkdir(exist_ok=True)
    return plan(source, target, Options((), words, program), str(work))


def test_c_for_this_machine_is_static_by_musl_gcc(tmp_path: Path, tools: Path) -> None:
    gcc(tools, "musl-gcc")
    gcc(tools)
    fake_zig(tools)
    recipe = recipe_of(tmp_path, files(tmp_path, "a.c", "b.c"), Target(HERE))
    (step,) = recipe.steps
    assert step.words[0] == str(tools / "musl-gcc")
    assert {"-static", "-Os", "-s", f"-ffile-prefix-map={tmp_path}=.", "a.c", "b.c"} <= {*step.words}
    assert (step.folder, recipe.product) == (str(tmp_path), str(tmp_path / "work/a"))


def test_for_musl_dynamically_musl_gcc_is_not_told_static(tmp_path: Path, tools: Path) -> None:
    gcc(tools, "musl-gcc")
    (step,) = recipe_of(tmp_path, files(tmp_path, "a.c"), Target(HERE, "musl")).steps
    assert (step.words[0], "-static" in step.words) == (str(tools / "musl-gcc"), False)


@pytest.mark.parametrize(
    ("target", "name", "triple"),
    [(Target(HERE), "a.cc", "linux-musl"), (Target(FOREIGN), "a.c", "s390x-linux-musl"),
     (Target(FOREIGN, "glibc"), "a.c", "s390x-linux-gnu"), (Target(HERE, "glibc", "2.17"), "a.c", "linux-gnu.2.17")],
    ids=str,
)  # fmt: skip
def test_zig_compiles_cpp_other_machines_and_other_releases(
    tmp_path: Path, tools: Path, target: Target, name: str, triple: str
) -> None:
    gcc(tools, "musl-gcc")
    gcc(tools)
    fake_zig(tools)
    words = recipe_of(tmp_path, files(tmp_path, name), target).steps[0].words
    assert words[:2] == (str(tools / "zig"), "c++" if name == "a.cc" else "cc")
    assert words[words.index("-target") + 1].endswith(triple)
    assert "-fno-sanitize=undefined" in words
    assert ("-static" in words) is (target.libc == "static")


def test_without_musl_and_zig_static_is_a_glibc_inside_and_said_so(tmp_path: Path, tools: Path) -> None:
    gcc(tools)
    recipe = recipe_of(tmp_path, files(tmp_path, "a.c"), Target(HERE))
    assert "with a static glibc" in recipe.tool
    assert "-static" in recipe.steps[0].words


def test_on_a_musl_machine_gcc_makes_musl_programs_and_none_for_glibc(tmp_path: Path, tools: Path) -> None:
    gcc(tools, machine="x86_64-alpine-linux-musl")
    source = files(tmp_path, "a.c")
    assert "glibc" not in recipe_of(tmp_path, source, Target(HERE)).tool
    assert recipe_of(tmp_path, source, Target(HERE, "musl")).steps[0].words[0] == str(tools / "gcc")
    with pytest.raises(ToolchainError):
        recipe_of(tmp_path, source, Target(HERE, "glibc"))


def test_a_cross_compiler_serves_where_there_is_no_zig(tmp_path: Path, tools: Path) -> None:
    gcc(tools, "s390x-linux-gnu-gcc", machine="s390x-linux-gnu")
    recipe = recipe_of(tmp_path, files(tmp_path, "a.c"), Target(FOREIGN, "glibc"))
    assert recipe.steps[0].words[0] == str(tools / "s390x-linux-gnu-gcc")


@pytest.mark.parametrize(
    ("target", "name", "hint"),
    [(Target(HERE), "a.c", "musl-tools"), (Target(HERE), "a.cc", "apt-get install g++"),
     (Target(FOREIGN), "a.c", "gcc-s390x-linux-gnu"), (Target(HERE, "glibc", "2.17"), "a.c", "only zig knows")],
    ids=str,
)  # fmt: skip
def test_a_missing_compiler_is_said_with_what_installs_one(
    tmp_path: Path, tools: Path, target: Target, name: str, hint: str
) -> None:
    with pytest.raises(ToolchainError) as caught:
        recipe_of(tmp_path, files(tmp_path, name), target)
    assert str(tmp_path / name) in caught.value.message
    assert caught.value.hints[0] == "pip install 'needed[zig]'"
    assert hint in caught.value.hints[1]


def test_the_users_words_come_after_ours(tmp_path: Path, tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gcc(tools, "musl-gcc")
    monkeypatch.setenv("CPPFLAGS", "-DA='a b'")
    monkeypatch.setenv("CFLAGS", "-O3")
    monkeypatch.setenv("LDFLAGS", "-Wl,-z,now")
    words = recipe_of(tmp_path, files(tmp_path, "a.c"), Target(HERE), "-lm").steps[0].words
    order = [words.index(word) for word in ("-Os", "-DA=a b", "-O3", "a.c", "-s", "-Wl,-z,now", "-lm")]
    assert order == sorted(order)


def test_open_quotes_in_a_variable_are_said(
    tmp_path: Path, tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gcc(tools, "musl-gcc")
    monkeypatch.setenv("CFLAGS", "-DA='a")
    with pytest.raises(ToolchainError, match="CFLAGS: No closing quotation"):
        recipe_of(tmp_path, files(tmp_path, "a.c"), Target(HERE))


def test_the_users_compiler_is_taken_for_its_own_machine_only(
    tmp_path: Path, tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gcc(tools, "mine")
    gcc(tools, "musl-gcc")
    fake_zig(tools)
    monkeypatch.setenv("CC", "mine -X")
    source = files(tmp_path, "a.c")
    assert recipe_of(tmp_path, source, Target(HERE)).steps[0].words[:2] == (str(tools / "mine"), "-X")
    assert recipe_of(tmp_path, source, Target(FOREIGN)).steps[0].words[0] == str(tools / "zig")
    monkeypatch.setenv("CC", "absent -X")
    with pytest.raises(ToolchainError, match="CC=absent: there is no such command"):
        recipe_of(tmp_path, source, Target(HERE))


def test_a_name_like_an_option_is_none(tmp_path: Path, tools: Path) -> None:
    gcc(tools, "musl-gcc")
    assert "./-x.c" in recipe_of(tmp_path, files(tmp_path, "-x.c"), Target(HERE)).steps[0].words


def test_c_and_cpp_together_are_compiled_each_by_its_own(tmp_path: Path, tools: Path) -> None:
    fake_zig(tools)
    *compiling, linking = recipe_of(tmp_path, files(tmp_path, "a.cc", "b.c"), Target(HERE)).steps
    assert [step.words[1] for step in compiling] == ["c++", "cc"]
    assert (linking.words[1], "-c" in linking.words) == ("c++", False)


def test_make_works_on_a_copy_without_what_was_built_before(tmp_path: Path, tools: Path) -> None:
    gcc(tools, "musl-gcc")
    script(tools, "make", "#!/bin/sh\necho GNU Make 4.3\n")
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "Makefile").touch()
    head = b"\x7fELF\x02\x01\x01" + bytes(9)
    (folder / "main.o").write_bytes(head + b"\x01\x00")
    (folder / "program").write_bytes(head + b"\x03\x00")
    (folder / "libx.so.1").write_bytes(head + b"\x03\x00")
    recipe = recipe_of(tmp_path, Source("make", str(folder), (), "project"), Target(HERE), "all")
    copying, removing, making = recipe.steps
    assert copying.words == ("cp", "-a", f"{folder}/.", f"{tmp_path / 'work'}/tree")
    assert removing.words == ("rm", "-f", "--", "main.o", "program")
    assert {removing.folder, making.folder, recipe.product.rstrip("/")} == {f"{tmp_path / 'work'}/tree"}
    assert (making.words[1].startswith(f"CC={tools}/musl-gcc -Os"), making.words[-1]) == (True, "all")
    assert not any(word.startswith(("CFLAGS", "LDFLAGS", "CXX")) for word in making.words)


def test_make_with_zig_calls_a_script_that_strips_only_when_it_links(tmp_path: Path, tools: Path) -> None:
    script(tools, "zig", '#!/bin/sh\ncase $1 in version) echo 0.17.1 ;; *) echo "$@" ;; esac\n')
    script(tools, "make", "#!/bin/sh\necho GNU Make 4.3\n")
    (tmp_path / "Makefile").touch()
    recipe = recipe_of(tmp_path, Source("make", str(tmp_path), (), "project"), Target(FOREIGN))
    writing = recipe.steps[0]
    subprocess.run(writing.words, cwd=tmp_path, check=True, env={"PATH": "/usr/bin:/bin"})
    said = {
        words: subprocess.run([tmp_path / "work/cc", *words], capture_output=True, text=True, check=True).stdout.split()
        for words in (("-c", "a b.c"), ("a.o",))
    }
    assert ["-s" in words for words in said.values()] == [False, True]
    assert f"CC={tmp_path / 'work'}/cc" in recipe.steps[-1].words


def test_a_configure_script_is_for_the_user_to_run(tmp_path: Path, tools: Path) -> None:
    (tmp_path / "configure").touch()
    source = recognise(str(tmp_path))
    assert source is not None
    with pytest.raises(ToolchainError, match="has a configure script and no Makefile") as caught:
        recipe_of(tmp_path, source, Target(HERE))
    assert "./configure" in caught.value.hints[0]


def test_cmake_is_told_the_machine_only_if_it_is_another(tmp_path: Path, tools: Path) -> None:
    gcc(tools, "musl-gcc")
    fake_zig(tools)
    script(tools, "cmake", "#!/bin/sh\necho cmake version 3.25.1\n")
    script(tools, "ninja", "#!/bin/sh\n")
    project = tmp_path / "project"
    project.mkdir()
    source = Source("cmake", str(project), (), "project")
    configure, build, cleaning = recipe_of(tmp_path, source, Target(HERE), "-DX=1").steps
    assert {"-DCMAKE_BUILD_TYPE=MinSizeRel", "-DBUILD_SHARED_LIBS=OFF", "Ninja", "-DX=1"} <= {*configure.words}
    assert not any("CMAKE_SYSTEM" in word for word in configure.words)
    assert dict(configure.env) == {"CC": str(tools / "musl-gcc")}
    assert build.words[1:] == ("--build", f"{tmp_path / 'work'}/build")
    assert cleaning.words[-1].endswith("CMakeFiles")
    *_, configure, _, _ = recipe_of(tmp_path, source, Target(FOREIGN)).steps
    assert {"-DCMAKE_SYSTEM_NAME=Linux", "-DCMAKE_SYSTEM_PROCESSOR=s390x"} <= {*configure.words}


def test_rust_takes_musl_where_its_library_is(tmp_path: Path, tools: Path) -> None:
    musl, gnu = triple_for(HERE, "musl"), triple_for(HERE, "gnu")
    gcc(tools)
    rust(tools, musl, gnu)
    recipe = recipe_of(tmp_path, crate(tmp_path, tools, "x"), Target(HERE))
    words = recipe.steps[-1].words
    assert (words[words.index("--target") + 1], "--locked" in words) == (musl, True)
    assert recipe.product == f"{tmp_path / 'work'}/target/{musl}/release/x"
    assert any("target-feature=+crt-static" in word for word in words)
    fake_zig(tools)
    step = recipe_of(tmp_path, Source("cargo", str(tmp_path / "crate"), (), "x"), Target(HERE, "musl")).steps[-1]
    assert any("target-feature=-crt-static" in word for word in step.words)
    assert f"{tmp_path / 'work'}/linker" in dict(step.env).values()


def test_rust_without_it_takes_a_glibc_inside_where_there_is_a_libc_a(tmp_path: Path, tools: Path) -> None:
    gcc(tools, libc="/usr/lib/libc.a")
    rust(tools, triple_for(HERE, "gnu"))
    recipe = recipe_of(tmp_path, crate(tmp_path, tools, "x"), Target(HERE))
    assert "glibc inside" in recipe.tool
    assert recipe.product.split("/")[-3] == triple_for(HERE, "gnu")


@pytest.mark.parametrize("libc", ["static", "musl"])
def test_rust_without_either_says_rustcs_words_and_what_works_here(tmp_path: Path, tools: Path, libc: str) -> None:
    gcc(tools)
    rust(tools, triple_for(HERE, "gnu"))
    with pytest.raises(ToolchainError) as caught:
        recipe_of(tmp_path, crate(tmp_path, tools, "x"), Target(HERE, libc))
    assert "can't find crate for `std`" in caught.value.details[0]
    assert f"rustup target add {triple_for(HERE, 'musl')}" in caught.value.hints[0]
    assert "--libc glibc" in caught.value.hints[1]


def test_a_crate_without_a_lock_is_compiled_in_a_copy(tmp_path: Path, tools: Path) -> None:
    gcc(tools)
    rust(tools, triple_for(HERE, "musl"))
    copying, building = recipe_of(tmp_path, crate(tmp_path, tools, "x", lock=False), Target(HERE)).steps
    assert copying.words[0] == "cp"
    # Where it runs is where cargo looks for its configuration, and rustup for rust-toolchain.toml.
    assert (building.folder, "--locked" in building.words) == (f"{tmp_path}/crate", False)
    assert building.words[building.words.index("--manifest-path") + 1] == f"{tmp_path / 'work'}/tree/Cargo.toml"


def test_rustflags_of_the_user_come_after_ours(tmp_path: Path, tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gcc(tools)
    rust(tools, triple_for(HERE, "musl"))
    monkeypatch.setenv("RUSTFLAGS", "-C opt-level=1")
    step = recipe_of(tmp_path, crate(tmp_path, tools, "x"), Target(HERE)).steps[-1]
    assert dict(step.env)["RUSTFLAGS"].endswith(" -C opt-level=1")
    assert "--config" not in step.words


def test_of_several_programs_of_a_crate_one_is_named(tmp_path: Path, tools: Path) -> None:
    gcc(tools)
    rust(tools, triple_for(HERE, "musl"))
    source = crate(tmp_path, tools, "x", "y")
    with pytest.raises(CompileError, match="makes several programs: x, y"):
        recipe_of(tmp_path, source, Target(HERE))
    with pytest.raises(CompileError, match="makes no program z, but x, y"):
        recipe_of(tmp_path, source, Target(HERE), program="z")
    assert recipe_of(tmp_path, source, Target(HERE), program="y").product.endswith("/release/y")


def test_a_library_is_no_program(tmp_path: Path, tools: Path) -> None:
    gcc(tools)
    rust(tools, triple_for(HERE, "musl"))
    with pytest.raises(CompileError, match="no program is in this crate"):
        recipe_of(tmp_path, crate(tmp_path, tools), Target(HERE))


def test_a_hint_is_for_what_the_compiler_said(tmp_path: Path) -> None:
    def hint(builder: str, line: str) -> str:
        return hints_for(Source(builder, "/x", (), "x"), (line,))[0]

    assert "-lNAME" in hint("cc", "x.c: undefined reference to `deflate'")
    assert "all files" in hint("make", "undefined reference to `main'")
    assert "lib*.a" in hint("cmake", "ld: cannot find -lz")
    assert "cargo update" in hint("cargo", "the lock file needs to be updated but --locked was passed")
    assert "--print" in hint("cargo", "undefined reference to `deflate'")
    assert "$(CC)" in hints_for_outcome(Source("make", "/x", (), "x"))[0]
    assert hints_for_outcome(Source("cc", "/x", (), "x")) == ()
