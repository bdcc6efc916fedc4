"""Rust by the real cargo and rustc: static, the same twice, and told how where a target is missing.

The standard library for musl comes from rustup alone, which is no package index: where it is missing, static is a glibc
inside. What is asked for there is asked of Debian's rustc, of which is known that it has none.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.engines.compiling import MANIFEST, SERVER_RUST, answer_of_image, compiled, elf_of, said_by
from tests.engines.conftest import Needed

DEBIAN = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
HELLO = 'fn main() {\n    println!("hello from Rust");\n}\n'


@pytest.fixture
def crate(tmp_path: Path) -> Path:
    folder = tmp_path / "web"
    (folder / "src").mkdir(parents=True)
    (folder / "Cargo.toml").write_text(MANIFEST)
    (folder / "src/main.rs").write_text(SERVER_RUST)
    return folder


def files_of(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_web_server_in_rust_is_static_and_answers(crate: Path, needed: Needed) -> None:
    told = " ".join(compiled(crate.parent, "web", "-o", "server", env=DEBIAN).stderr.split())
    assert "the same bytes from another folder" in told
    assert "glibc inside, since the standard library for x86_64-unknown-linux-musl is not here" in told
    elf = elf_of(crate.parent / "server")
    assert (elf.interpreter, elf.needed, elf.linkage) == (None, (), "static-pie")
    assert files_of(crate) == ["Cargo.toml", "src/main.rs"]
    needed("build", crate.parent / "server", "-q", "-o", "oci-archive:web.tar")
    assert (crate.parent / "web.tar").stat().st_size < 1_000_000
    assert answer_of_image("oci-archive:web.tar", crate.parent) == "hello from Rust"
    assert str(crate).encode() not in (crate.parent / "server").read_bytes()


def test_the_rust_that_comes_first_on_the_path_compiles_it(crate: Path) -> None:
    told = compiled(crate.parent, "web", "-o", "server").stderr
    assert "the same bytes from another folder" in told
    assert elf_of(crate.parent / "server").interpreter is None


def test_dynamic_against_glibc_and_against_an_old_one(crate: Path) -> None:
    (crate / "src/main.rs").write_text(HELLO)
    compiled(crate.parent, "web", "-o", "dynamic", "--libc", "glibc", "--once", env=DEBIAN)
    assert elf_of(crate.parent / "dynamic").interpreter == "/lib64/ld-linux-x86-64.so.2"
    told = compiled(crate.parent, "web", "-o", "old", "--libc", "glibc:2.17", "--once", env=DEBIAN).stderr
    assert "zig" in told
    assert said_by(crate.parent / "dynamic") == said_by(crate.parent / "old") == "hello from Rust\n"


def test_a_lock_file_is_kept_and_the_crate_is_compiled_where_it_is(crate: Path) -> None:
    lock = '# made by hand\nversion = 3\n\n[[package]]\nname = "web"\nversion = "0.1.0"\n'
    (crate / "Cargo.lock").write_text(lock)
    told = compiled(crate.parent, "web", "-o", "server", "--once", env=DEBIAN).stderr
    assert "--locked" in told
    assert (crate / "Cargo.lock").read_text() == lock
    assert files_of(crate) == ["Cargo.lock", "Cargo.toml", "src/main.rs"]
    (crate / "Cargo.toml").write_text(MANIFEST.replace("0.1.0", "0.2.0"))
    failed = compiled(crate.parent, "web", "-o", "later", env=DEBIAN, status=12).stderr
    assert failed.index("--locked") < failed.index("hint: ")
    assert (crate / "Cargo.lock").read_text() == lock


@pytest.mark.parametrize("table", ["build", "target.x86_64-unknown-linux-gnu"])
def test_flags_of_the_crates_own_configuration_stay(crate: Path, table: str) -> None:
    (crate / "src/main.rs").write_text('fn main() { println!("{} from Rust", if cfg!(special) { 1 } else { 0 }); }')
    (crate / ".cargo").mkdir()
    (crate / ".cargo/config.toml").write_text(f'[{table}]\nrustflags = ["--cfg", "special"]\n')
    compiled(crate.parent, "web", "-o", "server", "--once", env=DEBIAN)
    assert said_by(crate.parent / "server") == "1 from Rust\n"
    assert elf_of(crate.parent / "server").interpreter is None


def test_of_several_programs_one_is_named(crate: Path) -> None:
    (crate / "src/bin").mkdir()
    (crate / "src/bin/hello.rs").write_text(HELLO)
    failed = compiled(crate.parent, "web", "-o", "made", env=DEBIAN, status=12).stderr
    assert "makes several programs: hello, web" in failed
    compiled(crate.parent, "web", "-o", "made", "--program", "hello", "--once", env=DEBIAN)
    assert said_by(crate.parent / "made") == "hello from Rust\n"


def test_a_single_file_needs_no_crate(tmp_path: Path) -> None:
    (tmp_path / "hello.rs").write_text(HELLO)
    told = compiled(tmp_path, "hello.rs", env=DEBIAN).stderr
    assert "the same bytes from another folder" in told
    assert said_by(tmp_path / "hello") == "hello from Rust\n"


def test_without_the_target_rustcs_own_message_comes_first_and_then_what_works_here(crate: Path) -> None:
    failed = compiled(crate.parent, "web", "-o", "made", "--libc", "musl", env=DEBIAN, status=13).stderr
    wanted = ("can't find crate for `std`", "rustup target add", "works here: --libc glibc")
    places = [failed.index(text) for text in wanted]
    assert places == sorted(places)
    assert not (crate.parent / "made").exists()


def test_a_mistake_is_told_by_the_compiler_and_nothing_is_written(crate: Path) -> None:
    (crate / "src/main.rs").write_text("fn main() { nothing(); }\n")
    failed = compiled(crate.parent, "web", "-o", "made", env=DEBIAN, status=12).stderr
    assert failed.index("cannot find function `nothing` in this scope") < failed.index("hint: ")
    (crate / "Cargo.toml").write_text("[package\n")
    failed = compiled(crate.parent, "web", "-o", "made", env=DEBIAN, status=12).stderr
    assert "Cargo.toml" in failed
    assert files_of(crate) == ["Cargo.toml", "src/main.rs"]
    assert os.listdir(crate.parent) == ["web"]
