"""C and C++ by the real compilers: small, static, the same twice, and what the other C libraries make of them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.engines.compiling import HELLO_C, HELLO_CPP, SERVER_C, answer_of_image, compiled, elf_of, said_by
from tests.engines.conftest import Needed

MUSL = Path("/lib/x86_64-linux-musl/libc.so")  # of Debian's package musl


@pytest.fixture
def hello(tmp_path: Path) -> Path:
    (tmp_path / "hello.c").write_text(HELLO_C)
    return tmp_path


@pytest.fixture
def musl_root(tmp_path: Path) -> Path:
    """A root that has musl's loader, which is its C library too, and nothing else."""
    root = tmp_path / "only-musl"
    (root / "lib").mkdir(parents=True)
    shutil.copyfile(MUSL, root / "lib/ld-musl-x86_64.so.1")
    (root / "lib/ld-musl-x86_64.so.1").chmod(0o755)
    return root


@pytest.fixture(scope="session")
def old_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The libraries of glibc 2.17 as zig makes them to link by: names, versions and symbols are all there, code is not.

    It is what `check` reads. A root with a real glibc of that age is nowhere in the package indexes.
    """
    folder = tmp_path_factory.mktemp("old")
    (folder / "hello.c").write_text(HELLO_C)
    cache = folder / "cache"
    command = [sys.executable, "-m", "ziglang", "cc", "-target", "x86_64-linux-gnu.2.17", "-O1", "hello.c", "-o", "x"]
    subprocess.run(command, cwd=folder, env={"ZIG_GLOBAL_CACHE_DIR": str(cache), "HOME": str(folder)}, check=True)
    (made,) = cache.glob("o/*/libc.so.6")
    root = folder / "root"
    (root / "lib64").mkdir(parents=True)
    for library in made.parent.glob("lib*.so.*"):
        shutil.copyfile(library, root / "lib64" / library.name.replace("libld.so.2", "ld-linux-x86-64.so.2"))
    return root


def test_a_web_server_in_c_is_an_image_under_100_kb_that_answers(tmp_path: Path, needed: Needed) -> None:
    (tmp_path / "web.c").write_text(SERVER_C)
    told = compiled(tmp_path, "web.c").stderr
    assert "musl-gcc" in told
    assert "the same bytes from another folder" in told
    elf = elf_of(tmp_path / "web")
    assert (elf.interpreter, elf.needed) == (None, ())
    assert (tmp_path / "web").stat().st_size < 20_000
    needed("build", tmp_path / "web", "-q", "-o", "oci-archive:web.tar")
    assert (tmp_path / "web.tar").stat().st_size < 30_000
    assert answer_of_image("oci-archive:web.tar", tmp_path) == "hello from C"


def test_several_files_of_c_and_cpp_are_one_program_of_two_languages(tmp_path: Path) -> None:
    # `class` is no word for a name in C++, and `this` none in C.
    (tmp_path / "main.cc").write_text(
        'extern "C" int twice(int);\n#include <iostream>\nint main() { std::cout << twice(21) << std::endl; }\n'
    )
    (tmp_path / "part.c").write_text("int twice(int class) { return 2 * class; }\n")
    compiled(tmp_path, "main.cc", "part.c", "-o", "both")
    assert said_by(tmp_path / "both") == "42\n"
    assert elf_of(tmp_path / "both").linkage == "static"


def test_cpp_is_static_with_its_streams_inside(tmp_path: Path) -> None:
    (tmp_path / "hello.cc").write_text(HELLO_CPP)
    told = compiled(tmp_path, "hello.cc").stderr
    assert "zig c++" in told
    assert "the same bytes from another folder" in told
    assert said_by(tmp_path / "hello") == "hello from C++\n"
    assert (elf_of(tmp_path / "hello").linkage, (tmp_path / "hello").stat().st_size < 600_000) == ("static", True)


def test_for_another_machine_zig_compiles(hello: Path) -> None:
    compiled(hello, "hello.c", "--platform", "linux/arm64", "-o", "arm")
    elf = elf_of(hello / "arm")
    assert (elf.machine.name, elf.linkage) == ("arm64", "static")
    assert said_by(Path("/usr/bin/qemu-aarch64-static"), str(hello / "arm")) == "hello from C\n"


def test_for_musl_it_starts_where_only_musl_is(hello: Path, musl_root: Path, needed: Needed) -> None:
    compiled(hello, "hello.c", "--libc", "musl", "-o", musl_root / "hello", "--once")
    elf = elf_of(musl_root / "hello")
    assert (elf.interpreter, elf.needed) == ("/lib/ld-musl-x86_64.so.1", ("libc.so",))
    assert "starts in" in needed("check", "/hello", "--root", musl_root, "--against", musl_root).stdout
    done = subprocess.run(["chroot", str(musl_root), "/hello"], capture_output=True, text=True, check=True)
    assert done.stdout == "hello from C\n"
    needed("build", "/hello", "--root", musl_root, "-q", "-o", "oci:image")
    assert needed("run", "oci:image").stdout == "hello from C\n"


def test_the_build_for_glibc_does_not_start_there_and_check_says_why(
    hello: Path, musl_root: Path, needed: Needed
) -> None:
    compiled(hello, "hello.c", "--libc", "glibc", "-o", musl_root / "hello", "--once")
    refused = needed("check", musl_root / "hello", "--against", musl_root, status=1).stdout
    assert "interpreter missing: it is linked against glibc" in " ".join(refused.split())
    done = subprocess.run(["chroot", str(musl_root), "/hello"], capture_output=True, text=True, check=False)
    assert (done.returncode, "No such file or directory" in done.stderr) == (127, True)


def test_pinned_to_an_old_glibc_it_passes_check_there(hello: Path, old_root: Path, needed: Needed) -> None:
    told = compiled(hello, "hello.c", "--libc", "glibc:2.17", "-o", "pinned").stderr
    assert "the same bytes from another folder" in told
    assert said_by(hello / "pinned") == "hello from C\n"
    assert "starts in" in needed("check", "./pinned", "--against", old_root).stdout
    compiled(hello, "hello.c", "--libc", "glibc", "-o", "unpinned", "--once")
    refused = " ".join(needed("check", "./unpinned", "--against", old_root, status=1).stdout.split())
    assert "libc.so.6, and /lib64/libc.so.6 here ends at GLIBC_2.17: it is older" in refused


def test_a_function_that_the_old_glibc_has_not_is_not_there_to_be_called(tmp_path: Path) -> None:
    (tmp_path / "new.c").write_text("#include <stdlib.h>\nint main(void) { return arc4random() & 0; }\n")
    compiled(tmp_path, "new.c", "--libc", "glibc", "--once")
    failed = compiled(tmp_path, "new.c", "--libc", "glibc:2.17", "-o", "old", status=12).stderr
    assert "arc4random" in failed
    assert not (tmp_path / "old").exists()


def test_a_mistake_is_told_by_the_compiler_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "bad.c").write_text("int main(void) { return nothing; }\n")
    failed = compiled(tmp_path, "bad.c", status=12).stderr
    assert "bad.c:1:25: error: 'nothing' undeclared" in failed
    assert "hint: " in failed
    assert [path.name for path in tmp_path.iterdir()] == ["bad.c"]


def test_the_users_flags_come_last(hello: Path) -> None:
    (hello / "square.c").write_text(
        '#include <math.h>\n#include <stdio.h>\nint main(int n, char **v) { printf("%s %g\\n", NAME, sqrt(n + 8)); }\n'
    )
    env = {"CPPFLAGS": "-DNAME='\"the name\"'", "CFLAGS": "-O1", "LDFLAGS": "-Wl,--build-id=sha1"}
    told = compiled(hello, "square.c", "--once", env=env).stderr
    assert told.index("-Os") < told.index("-O1")
    assert said_by(hello / "square") == "the name 3\n"
    notes = subprocess.run(["readelf", "-n", "square"], cwd=hello, capture_output=True, text=True, check=True).stdout
    assert "Build ID" in notes


def test_the_users_compiler_comes_first_where_it_makes_programs_of_that_machine(hello: Path) -> None:
    told = compiled(hello, "hello.c", "--once", env={"CC": "gcc -DX"}).stderr
    assert "CC=gcc -DX" in told
    assert elf_of(hello / "hello").linkage == "static"
    told = compiled(hello, "hello.c", "--once", "--platform", "linux/arm64", env={"CC": "gcc"}).stderr
    assert "zig" in told


def test_no_path_of_this_machine_is_in_the_program(tmp_path: Path) -> None:
    (tmp_path / "where.c").write_text('#include <stdio.h>\n#include "where.h"\n')
    (tmp_path / "include").mkdir()
    (tmp_path / "include/where.h").write_text("int main(void) { return puts(__FILE__) < 0; }\n")
    compiled(tmp_path, "where.c", "--", f"-I{tmp_path}/include", "-g")
    assert said_by(tmp_path / "where") == "./include/where.h\n"


def test_the_printed_commands_make_the_same_program(hello: Path) -> None:
    compiled(hello, "hello.c", "-o", "by-us", "--once")
    script = compiled(hello, "hello.c", "-o", "by-shell", "--print").stdout
    assert not (hello / "by-shell").exists()
    subprocess.run(["sh", "-e"], input=script, text=True, cwd=hello, check=True)
    assert (hello / "by-shell").read_bytes() == (hello / "by-us").read_bytes()
