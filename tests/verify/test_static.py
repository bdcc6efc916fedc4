"""The static proof: what keeps a command from starting is found in a tree, before anything is run."""

from __future__ import annotations

from needed.root import MemoryRoot
from needed.verify.command import Command
from needed.verify.static import StaticProof, find_command, prove_static
from tests.loader.synthetic import Writer, shared_object

LOADER, LIBC = "/lib64/ld-linux-x86-64.so.2", "/lib64/libc.so.6"


def libc(*versions: str, exports: tuple[str, ...] = ()) -> bytes:
    writer = Writer([("soname", "libc.so.6")])
    if exports:
        writer.export(exports)
    writer.versions(versions, {})
    return writer.finish()


def program(*versions: str, needed: tuple[str, ...] = ("libc.so.6",)) -> bytes:
    writer = Writer([("needed", name) for name in needed], interpreter=LOADER)
    if versions:
        writer.versions((), {"libc.so.6": versions})
    return writer.finish()


def tree() -> dict[str, bytes | str]:
    return {
        "/bin/app": program("GLIBC_2.2"),
        LOADER: shared_object(soname="ld-linux-x86-64.so.2"),
        LIBC: libc("GLIBC_2.2"),
    }


def prove(files: dict[str, bytes | str], *argv: str, env: tuple[tuple[str, str], ...] = ()) -> StaticProof:
    return prove_static(MemoryRoot(files), Command(argv or ("/bin/app",), env))


def told(proof: StaticProof) -> list[str]:
    return [f"{one.kind} {one.subject}" for one in proof.findings]


def test_it_holds_where_all_is_inside() -> None:
    proof = prove(tree())
    assert (proof.holds, proof.program, proof.machine, proof.libraries) == (True, "/bin/app", "x86-64", 2)


def test_a_library_that_is_not_there_is_named() -> None:
    files = tree()
    del files[LIBC]
    assert told(prove(files)) == ["library libc.so.6"]


def test_a_version_that_is_too_new_is_named() -> None:
    proof = prove(tree() | {"/bin/app": program("GLIBC_2.99")})
    assert told(proof) == ["version GLIBC_2.99"]
    assert "/bin/app asks for GLIBC_2.99 of libc.so.6" in proof.findings[0].message


def test_an_interpreter_that_is_not_there_is_named() -> None:
    files = tree()
    del files[LOADER]
    assert told(prove(files)) == [f"interpreter {LOADER}"]


def test_a_scripts_interpreter_is_part_of_it() -> None:
    files = tree() | {"/bin/start": b"#!/bin/app -x\n"}
    assert prove(files, "/bin/start").holds
    del files["/bin/app"]
    assert told(prove(files, "/bin/start")) == ["interpreter /bin/app"]


def test_a_program_that_is_not_there_is_named_with_where_it_was_looked_for() -> None:
    proof = prove(tree(), "nginx", env=(("PATH", "/bin:/opt/bin"),))
    assert told(proof) == ["program nginx"]
    assert proof.findings[0].message == "the image has no nginx on its PATH, /bin:/opt/bin"


def test_what_is_no_program_is_named() -> None:
    assert told(prove(tree() | {"/bin/app": b"hello\n"})) == ["program /bin/app"]
    assert told(prove(tree() | {"/bin/app": b""})) == ["program /bin/app"]


def test_the_images_library_path_is_searched() -> None:
    mine = shared_object(soname="libmine.so")
    files = tree() | {"/bin/app": program(needed=("libmine.so",)), "/opt/libmine.so": mine}
    assert told(prove(files)) == ["library libmine.so"]
    assert prove(files, env=(("LD_LIBRARY_PATH", "/opt"),)).holds


def test_a_program_that_is_named_through_a_link_has_its_libraries_beside_it() -> None:
    """$ORIGIN is where /proc/self/exe leads (elf/dl-origin.c)."""
    writer = Writer([("needed", "libmine.so"), ("runpath", "$ORIGIN/lib")], interpreter=LOADER)
    files = tree() | {"/opt/app": writer.finish(), "/opt/lib/libmine.so": shared_object(soname="libmine.so")}
    files["/bin/app"] = "/opt/app"
    assert told(prove(files)) == []


def test_a_name_is_looked_for_on_the_images_path_and_a_path_in_its_folder() -> None:
    root = MemoryRoot(tree())
    assert find_command(root, Command(("app",), (("PATH", "/usr/bin:/bin"),))) == "/bin/app"
    assert find_command(root, Command(("./app",), (), "/bin")) == "/bin/./app"
    assert find_command(root, Command(("bin/app",))) == "/bin/app"
    assert find_command(root, Command(("/bin",))) == ""
    assert find_command(root, Command(("app\0",))) == ""
    assert find_command(root, Command(("",))) == ""
