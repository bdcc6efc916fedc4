"""The rules of glibc's loader, each with programs made by gcc and checked against the loader of this machine.

Each case lists files to make; the answer expected of us is what the loader says of the same tree, run by the test.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from needed.loader import Settings, resolve
from needed.root import DirectoryRoot

LOADER = "/lib64/ld-linux-x86-64.so.2"


def need_gcc() -> None:
    if shutil.which("gcc") is None:
        assert "CI" not in os.environ, "gcc is missing"
        pytest.skip("gcc is missing")


def library(path: Path, *, needs: tuple[Path, ...] = (), flags: tuple[str, ...] = (), soname: str = "") -> Path:
    """A shared library that needs the others, and exports a symbol of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    symbol = path.name.replace(".", "_").replace("-", "_")
    source = path.with_suffix(".c")
    source.write_text(f"int {symbol}(void) {{ return 0; }}\n")
    name = (f"-Wl,-soname,{soname}",) if soname else ()
    compile_("-shared", "-fPIC", "-nostdlib", str(source), "-o", str(path), *name, *flags, *map(str, needs))
    source.unlink()
    return path


def program(path: Path, *, needs: tuple[Path, ...] = (), flags: tuple[str, ...] = ()) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    source = path.with_suffix(".c")
    source.write_text("int main(void) { return 0; }\n")
    compile_(str(source), "-o", str(path), *flags, *map(str, needs))
    source.unlink()
    return path


def compile_(*arguments: str) -> None:
    need_gcc()
    command = ["gcc", "-Wl,--no-as-needed,--allow-shlib-undefined,-z,lazy", *arguments]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def ours(path: Path, *library_path: str) -> list[str]:
    closure = resolve(DirectoryRoot("/"), [str(path)], Settings(library_path))
    mapped = [item.path for item in closure.programs[0].objects[1:]]
    return sorted(mapped + [f"{need.name} not found" for need in closure.missing])


def theirs(path: Path, *library_path: str) -> list[str]:
    # What ldd does; unlike `ld.so --list` it goes on after a library that is missing.
    surroundings = {"LD_TRACE_LOADED_OBJECTS": "1", "LD_LIBRARY_PATH": ":".join(library_path)}
    run = subprocess.run([str(path)], capture_output=True, text=True, check=False, env=surroundings)
    found = []
    for line in run.stdout.splitlines():
        words = line.split()
        if "vdso" in words[0]:
            continue
        found.append(f"{words[0]} not found" if "not found" in line else words[2] if "=>" in line else words[0])
    assert found, run.stderr
    return sorted(found)


def agree(path: Path, *library_path: str) -> list[str]:
    found = ours(path, *library_path)
    assert found == theirs(path, *library_path)
    return found


OLD, NEW = "-Wl,--disable-new-dtags", "-Wl,--enable-new-dtags"


def test_runpath_of_the_requester_is_searched(tmp_path: Path) -> None:
    lib = library(tmp_path / "a/liba.so", soname="liba.so")
    prog = program(tmp_path / "prog", needs=(lib,), flags=(NEW, f"-Wl,-rpath,{tmp_path}/a"))
    assert str(lib) in agree(prog)


def test_runpath_is_not_inherited(tmp_path: Path) -> None:
    deep = library(tmp_path / "b/libb.so", soname="libb.so")
    lib = library(tmp_path / "a/liba.so", needs=(deep,), soname="liba.so")
    prog = program(tmp_path / "prog", needs=(lib,), flags=(NEW, f"-Wl,-rpath,{tmp_path}/a:{tmp_path}/b"))
    assert "libb.so not found" in agree(prog)


def test_rpath_is_inherited(tmp_path: Path) -> None:
    deep = library(tmp_path / "b/libb.so", soname="libb.so")
    lib = library(tmp_path / "a/liba.so", needs=(deep,), soname="liba.so")
    prog = program(tmp_path / "prog", needs=(lib,), flags=(OLD, f"-Wl,-rpath,{tmp_path}/a:{tmp_path}/b"))
    assert str(deep) in agree(prog)


def test_rpath_is_inherited_from_a_library_in_the_middle_too(tmp_path: Path) -> None:
    deepest = library(tmp_path / "c/libc1.so", soname="libc1.so")
    deep = library(tmp_path / "b/libb.so", needs=(deepest,), soname="libb.so")
    path = f"-Wl,-rpath,{tmp_path}/b:{tmp_path}/c"
    lib = library(tmp_path / "a/liba.so", needs=(deep,), soname="liba.so", flags=(OLD, path))
    prog = program(tmp_path / "prog", needs=(lib,), flags=(OLD, f"-Wl,-rpath,{tmp_path}/a"))
    assert str(deepest) in agree(prog)


def test_a_requester_with_runpath_ignores_its_ancestors_rpath(tmp_path: Path) -> None:
    deep = library(tmp_path / "b/libb.so", soname="libb.so")
    lib = library(tmp_path / "a/liba.so", needs=(deep,), soname="liba.so", flags=(NEW, "-Wl,-rpath,/nowhere"))
    prog = program(tmp_path / "prog", needs=(lib,), flags=(OLD, f"-Wl,-rpath,{tmp_path}/a:{tmp_path}/b"))
    assert "libb.so not found" in agree(prog)


def test_rpath_comes_before_library_path_and_runpath_after(tmp_path: Path) -> None:
    first = library(tmp_path / "a/liba.so", soname="liba.so")
    second = library(tmp_path / "b/liba.so", soname="liba.so")
    old = program(tmp_path / "old", needs=(first,), flags=(OLD, f"-Wl,-rpath,{tmp_path}/a"))
    new = program(tmp_path / "new", needs=(first,), flags=(NEW, f"-Wl,-rpath,{tmp_path}/a"))
    assert str(first) in agree(old, f"{tmp_path}/b")
    assert str(second) in agree(new, f"{tmp_path}/b")


@pytest.mark.parametrize("token", ["$ORIGIN", "${ORIGIN}"])
def test_origin_is_the_folder_of_the_object(tmp_path: Path, token: str) -> None:
    lib = library(tmp_path / "lib/liba.so", soname="liba.so")
    prog = program(tmp_path / "bin/prog", needs=(lib,), flags=(NEW, f"-Wl,-rpath,{token}/../lib"))
    assert f"{tmp_path}/bin/../lib/liba.so" in agree(prog)


def test_originx_is_literal(tmp_path: Path) -> None:
    lib = library(tmp_path / "lib/liba.so", soname="liba.so")
    prog = program(tmp_path / "bin/prog", needs=(lib,), flags=(NEW, "-Wl,-rpath,$ORIGINX/../lib"))
    assert "liba.so not found" in agree(prog)


def test_origin_of_a_library_is_its_path_string_and_not_its_real_path(tmp_path: Path) -> None:
    deep = library(tmp_path / "links/libb.so", soname="libb.so")
    real = library(tmp_path / "real/liba.so", needs=(deep,), soname="liba.so", flags=(NEW, "-Wl,-rpath,$ORIGIN"))
    (tmp_path / "links/liba.so").symlink_to(real)
    prog = program(tmp_path / "prog", needs=(real,), flags=(NEW, f"-Wl,-rpath,{tmp_path}/links"))
    assert str(deep) in agree(prog)


def test_lib_is_read_from_the_loader_of_the_root(tmp_path: Path) -> None:
    lib = library(tmp_path / "lib/x86_64-linux-gnu/liba.so", soname="liba.so")
    prog = program(tmp_path / "prog", needs=(lib,), flags=(NEW, f"-Wl,-rpath,{tmp_path}/$LIB"))
    agree(prog)


def test_a_name_with_a_slash_is_opened_as_it_is(tmp_path: Path) -> None:
    lib = library(tmp_path / "liba.so")  # no soname: the linker records the path
    prog = program(tmp_path / "prog", needs=(lib,))
    assert str(lib) in agree(prog)


def test_a_soname_loaded_before_is_not_searched_for(tmp_path: Path) -> None:
    one = library(tmp_path / "a/libone.so", soname="libshared.so")
    user = library(tmp_path / "a/libuser.so", soname="libuser.so", flags=("-Wl,-soname,libuser.so",))
    stub = library(tmp_path / "stub/libshared.so", soname="libshared.so")
    user = library(tmp_path / "a/libuser.so", needs=(stub,), soname="libuser.so")
    (tmp_path / "a/libshared.so").symlink_to("libone.so")
    prog = program(tmp_path / "prog", needs=(one, user), flags=(NEW, f"-Wl,-rpath,{tmp_path}/a"))
    assert f"{tmp_path}/a/libshared.so" in agree(prog)


def test_a_library_of_another_machine_is_passed_over(tmp_path: Path) -> None:
    good = library(tmp_path / "b/liba.so", soname="liba.so")
    foreign = tmp_path / "a/liba.so"
    foreign.parent.mkdir()
    content = bytearray(good.read_bytes())
    content[18] = 183  # EM_AARCH64
    foreign.write_bytes(content)
    prog = program(tmp_path / "prog", needs=(good,), flags=(NEW, f"-Wl,-rpath,{tmp_path}/a:{tmp_path}/b"))
    assert str(good) in agree(prog)


def test_a_file_that_is_no_library_ends_the_search(tmp_path: Path) -> None:
    good = library(tmp_path / "b/liba.so", soname="liba.so")
    (tmp_path / "a").mkdir()
    (tmp_path / "a/liba.so").write_text("not ELF")
    prog = program(tmp_path / "prog", needs=(good,), flags=(NEW, f"-Wl,-rpath,{tmp_path}/a:{tmp_path}/b"))
    run = subprocess.run([LOADER, "--list", str(prog)], capture_output=True, text=True, check=False)
    assert run.returncode != 0
    missing = resolve(DirectoryRoot("/"), [str(prog)]).missing
    assert [need.name for need in missing] == ["liba.so"]
    assert missing[0].attempts[-1].path == f"{tmp_path}/a/liba.so"


def test_breadth_comes_before_depth(tmp_path: Path) -> None:
    near = library(tmp_path / "near/libx.so", soname="libx.so")
    far = library(tmp_path / "far/libx.so", soname="libx.so")
    own = (NEW, f"-Wl,-rpath,{tmp_path}/far")
    user = library(tmp_path / "libuser.so", needs=(far,), soname="libuser.so", flags=own)
    path = f"-Wl,-rpath,{tmp_path}:{tmp_path}/near"
    prog = program(tmp_path / "prog", needs=(user, near), flags=(NEW, path))
    found = agree(prog)
    assert str(near) in found
    assert str(far) not in found


def test_hard_links_are_one_object_and_both_names_ship(tmp_path: Path) -> None:
    one = library(tmp_path / "liba.so")
    os.link(one, tmp_path / "libb.so")
    flags = (NEW, f"-Wl,-rpath,{tmp_path}", f"-L{tmp_path}", "-la", "-lb")
    one_named = program(tmp_path / "prog", flags=flags)
    agree(one_named)
    aliases = resolve(DirectoryRoot("/"), [str(one_named)]).programs[0].aliases
    assert [item.path for item in aliases] == [f"{tmp_path}/libb.so"]


def test_thousands_of_libraries_in_a_chain_need_no_recursion() -> None:
    from needed.root import MemoryRoot
    from tests.loader.synthetic import shared_object

    depth = 2000
    tree: dict[str, bytes | str] = {
        f"/lib/l{number}": shared_object(needed=(f"/lib/l{number + 1}",)) for number in range(depth)
    }
    tree[f"/lib/l{depth}"] = shared_object()
    tree["/lib64/ld-linux-x86-64.so.2"] = shared_object(soname="ld-linux-x86-64.so.2")
    tree["/prog"] = shared_object(needed=("/lib/l0",), interpreter="/lib64/ld-linux-x86-64.so.2")
    mapped = resolve(MemoryRoot(tree), ["/prog"]).programs[0]
    assert len(mapped.objects) == depth + 3
    assert not mapped.missing


LD = "/lib64/ld-linux-x86-64.so.2"


def in_memory(tree: dict[str, bytes | str], path: str) -> list[str]:
    from needed.root import MemoryRoot
    from tests.loader.synthetic import shared_object

    loader = {LD: shared_object(soname="ld-linux-x86-64.so.2")}
    mapped = resolve(MemoryRoot(loader | tree), [path]).programs[0]
    assert not mapped.missing
    return [item.path for item in mapped.objects]


def test_a_cycle_back_to_main_ends() -> None:
    from tests.loader.synthetic import shared_object

    tree: dict[str, bytes | str] = {
        "/lib/main": shared_object(needed=("libb.so",), interpreter=LD),
        "/lib/libb.so": shared_object(needed=("main", "libc.so")),
        "/lib/libc.so": shared_object(needed=("libb.so",)),
    }
    assert in_memory(tree, "/lib/main") == ["/lib/main", "/lib/libb.so", "/lib/main", "/lib/libc.so", LD]


def test_origin_of_a_program_at_the_top_is_the_root(tmp_path: Path) -> None:
    from needed.root import MemoryRoot

    lib = library(tmp_path / "liba.so", soname="liba.so")
    prog = program(tmp_path / "prog", needs=(lib,), flags=(NEW, "-Wl,-rpath,$ORIGIN", "-nostdlib", "-Wl,-emain"))
    tree: dict[str, bytes | str] = {
        "/prog": prog.read_bytes(),
        "/liba.so": lib.read_bytes(),
        LD: Path(LD).read_bytes(),
    }
    mapped = resolve(MemoryRoot(tree), ["/prog"])
    assert not mapped.missing
    assert mapped.programs[0].objects[1].path == "/liba.so"
