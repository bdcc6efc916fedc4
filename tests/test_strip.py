"""Stripping: what may go, what stays as it is and why, and that no tool is believed. Files are made by gcc."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from needed.elf import Bytes, parse_elf
from needed.elf.sections import Section, parse_sections
from needed.errors import ToolchainError
from needed.pipeline import Plan, plan, stripped
from needed.request import Request, parse_request, render_request
from needed.root import DirectoryRoot, MemoryRoot
from needed.rootfs import Addition, File, HardLink, Rootfs
from needed.toolchain.ballast import Ballast, find_difference, weigh
from needed.toolchain.strip import Stripper

SOURCE = """
#include <stdio.h>
static int __attribute__((noinline)) triple(int x) { return 3 * x; }
int value(int x) { return triple(x) + 1; }
int main(void) { return printf("%d\\n", value(4)) < 0; }
"""


def compiled(path: Path, *flags: str, source: str = SOURCE) -> Path:
    """A file with symbols and debug information."""
    for name in ("gcc", "strip", "objcopy"):
        if shutil.which(name) is None:
            assert "CI" not in os.environ, f"{name} is missing"
            pytest.skip(f"{name} is missing")
    path.parent.mkdir(parents=True, exist_ok=True)
    written = path.parent / f"{path.name}.c"
    written.write_text(source)
    subprocess.run(["gcc", "-g", "-Wl,--build-id", *flags, "-o", str(path), str(written)], check=True)
    written.unlink()
    return path


def tree(folder: Path, *additions: str) -> Rootfs:
    """Files of a folder, as they are."""
    return plan(DirectoryRoot(folder), [], [Addition(path, path) for path in additions]).rootfs


def content(rootfs: Rootfs, path: str) -> bytes:
    entry = rootfs.entries[path]
    assert isinstance(entry, File)
    return entry.content.open().read_at(0, entry.size)


def weighed(path: Path) -> Ballast | None:
    return weigh(Bytes(path.read_bytes()))


def sections(raw: bytes) -> dict[str, Section]:
    return {section.name: section for section in parse_sections(raw)}


def fake(folder: Path, script: str) -> str:
    """A PATH with a `strip` that says that it knows x86-64, and does what `script` says with the files in and out."""
    folder.mkdir()
    tool = folder / "strip"
    known = 'case "$1" in --version) echo "fake 1";; --info) echo elf64-x86-64;; *)\n'
    tool.write_text(f"#!/bin/sh\n{known}{script}\n;; esac\n")
    tool.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def test_a_program_loses_symbols_and_keeps_its_build_id_and_runs(tmp_path: Path) -> None:
    before = compiled(tmp_path / "root/prog").read_bytes()
    done = Stripper(str(tmp_path)).strip(tree(tmp_path / "root", "/prog"))
    after = content(done.rootfs, "/prog")
    assert done.saved == {"/prog": len(before) - len(after)} and done.size > 0
    names = sections(after)
    assert ".symtab" not in names and not any(name.startswith(".debug") for name in names)
    note = names[".note.gnu.build-id"]
    assert after[note.sh_offset : note.sh_offset + note.sh_size] in before
    (tmp_path / "copy").write_bytes(after)
    (tmp_path / "copy").chmod(0o755)
    assert subprocess.run([tmp_path / "copy"], capture_output=True, text=True, check=True).stdout == "13\n"


def test_a_library_keeps_what_others_bind_to(tmp_path: Path) -> None:
    before = compiled(tmp_path / "root/lib.so", "-shared", "-fPIC").read_bytes()
    after = content(Stripper(str(tmp_path)).strip(tree(tmp_path / "root", "/lib.so")).rootfs, "/lib.so")
    assert b"\0value\0" in after and b"triple" in before and b"triple" not in after
    assert len(after) < len(before)


def test_the_root_is_not_changed_and_nothing_is_left_in_the_folder(tmp_path: Path) -> None:
    program, folder = compiled(tmp_path / "root/prog"), tmp_path / "work"
    folder.mkdir()
    before = (program.read_bytes(), program.stat().st_mtime_ns)
    Stripper(str(folder)).strip(tree(tmp_path / "root", "/prog"))
    assert (program.read_bytes(), program.stat().st_mtime_ns) == before
    assert list(folder.iterdir()) == []


def test_the_same_file_gives_the_same_bytes(tmp_path: Path) -> None:
    compiled(tmp_path / "root/prog")
    found = [content(Stripper(str(tmp_path)).strip(tree(tmp_path / "root", "/prog")).rootfs, "/prog") for _ in "12"]
    assert found[0] == found[1]


def test_names_of_one_file_stay_names_of_one_file(tmp_path: Path) -> None:
    os.link(compiled(tmp_path / "root/a"), tmp_path / "root/b")
    done = Stripper(str(tmp_path)).strip(tree(tmp_path / "root", "/a", "/b"))
    assert isinstance(done.rootfs.entries["/b"], HardLink) and list(done.saved) == ["/a"]


def test_what_is_stripped_already_starts_no_tool(tmp_path: Path) -> None:
    compiled(tmp_path / "root/prog", "-s", "-g0")
    rootfs = tree(tmp_path / "root", "/prog")
    done = Stripper(str(tmp_path), search_path=str(tmp_path)).strip(rootfs)
    assert done.rootfs == rootfs and (done.saved, done.left, done.tools) == ({}, {}, ())


def test_without_a_tool_for_the_machine_it_is_an_error_that_says_what_to_install(tmp_path: Path) -> None:
    compiled(tmp_path / "root/prog")
    with pytest.raises(ToolchainError, match=r"/prog: is for .*, and no program here strips that") as caught:
        Stripper(str(tmp_path), search_path=str(tmp_path)).strip(tree(tmp_path / "root", "/prog"))
    assert caught.value.exit_code == 13 and caught.value.hints[0].startswith("apt-get install binutils-")


@pytest.mark.parametrize(
    ("payload", "why"),
    [(b"PK\3\4archive", "11 bytes stand behind its end"), (b"\0" * 8 + b"x", "9 bytes stand behind its end")],
)
def test_a_file_with_bytes_behind_its_end_stays_as_it_is(tmp_path: Path, payload: bytes, why: str) -> None:
    program = compiled(tmp_path / "root/prog")
    program.write_bytes(program.read_bytes() + payload)
    done = Stripper(str(tmp_path)).strip(tree(tmp_path / "root", "/prog"))
    assert content(done.rootfs, "/prog") == program.read_bytes()
    assert done.left["/prog"].startswith(why)


def test_a_linkers_zeros_behind_the_end_are_no_payload(tmp_path: Path) -> None:
    program = compiled(tmp_path / "prog")
    program.write_bytes(program.read_bytes() + bytes(100))
    ballast = weighed(program)
    assert ballast is not None and ballast.stays == ""


def test_an_archive_in_a_section_stays_where_it_is(tmp_path: Path) -> None:
    program = compiled(tmp_path / "root/prog")
    (tmp_path / "data").write_bytes(b"python archive" * 100)
    subprocess.run(["objcopy", "--add-section", f"pydata={tmp_path / 'data'}", program], check=True)
    done = Stripper(str(tmp_path)).strip(tree(tmp_path / "root", "/prog"))
    assert list(done.saved) == ["/prog"] and b"python archive" * 100 in content(done.rootfs, "/prog")


def test_a_signed_program_is_left_alone(tmp_path: Path) -> None:
    program = compiled(tmp_path / "root/prog")
    (tmp_path / "signature").write_bytes(b"signature" * 20)
    subprocess.run(["objcopy", "--add-section", f".sha256_sig={tmp_path / 'signature'}", program], check=True)
    done = Stripper(str(tmp_path)).strip(tree(tmp_path / "root", "/prog"))
    assert (done.saved, done.left) == ({}, {"/prog": "it is signed"})


def test_objects_modules_and_archives_are_left_alone(tmp_path: Path) -> None:
    compiled(tmp_path / "root/a.o", "-c")
    compiled(tmp_path / "root/driver.ko", "-shared", "-fPIC")
    subprocess.run(["ar", "rc", tmp_path / "root/liba.a", tmp_path / "root/a.o"], check=True)
    done = Stripper(str(tmp_path)).strip(tree(tmp_path / "root", "/a.o", "/driver.ko", "/liba.a"))
    assert done.saved == {}
    assert done.left == {
        "/a.o": "it is relocatable: its symbols are what it is linked by",
        "/driver.ko": "it is a module of the kernel, which may be signed",
    }


@pytest.mark.parametrize(
    ("name", "beside"), [("libsoftokn3.so", "libsoftokn3.chk"), ("libx.so.1", ".libx.so.1.hmac"), ("fips.so", "x")]
)
def test_what_something_else_holds_a_digest_of_is_left_alone(tmp_path: Path, name: str, beside: str) -> None:
    compiled(tmp_path / "root" / name, "-shared", "-fPIC")
    (tmp_path / "root" / beside).write_bytes(b"digest")
    done = Stripper(str(tmp_path)).strip(tree(tmp_path / "root", f"/{name}", f"/{beside}"))
    assert done.saved == {} and "holds a digest of it" in done.left[f"/{name}"]


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo no room >&2; exit 3", "strip failed: no room"),
        ("exit 0", "strip failed: it wrote nothing"),
        ("cat in in > out", "stripping it saves nothing"),
        ("head -c 2000 in > out", "stripped it would be another program: it is damaged"),
        ("head -c 5 in > out", "stripped it would be another program: it is damaged: truncated"),
        ("exec yes > out", "strip failed"),
    ],
)
def test_a_tool_is_not_believed(tmp_path: Path, script: str, why: str) -> None:
    before = compiled(tmp_path / "root/prog").read_bytes()
    stripper = Stripper(str(tmp_path), search_path=fake(tmp_path / "bin", script))
    done = stripper.strip(tree(tmp_path / "root", "/prog"))
    assert done.left["/prog"].startswith(why) and done.saved == {}
    assert content(done.rootfs, "/prog") == before


def differing(tmp_path: Path, change: str) -> str:
    """What is found where a stripped file has one byte changed in a section."""
    program = compiled(tmp_path / "prog").read_bytes()
    (tmp_path / "prog.out").write_bytes(program)
    subprocess.run(["strip", tmp_path / "prog.out"], check=True)
    after = bytearray((tmp_path / "prog.out").read_bytes())
    assert find_difference(Bytes(program), Bytes(bytes(after))) == ""
    after[sections(bytes(after))[change].sh_offset + 1] ^= 1
    return find_difference(Bytes(program), Bytes(bytes(after)))


@pytest.mark.parametrize("section", [".text", ".data", ".dynsym", ".note.gnu.build-id", ".rodata"])
def test_one_other_byte_of_what_is_mapped_is_a_difference(tmp_path: Path, section: str) -> None:
    assert "has another content" in differing(tmp_path, section)


def test_one_other_byte_of_what_the_loader_reads_is_a_difference(tmp_path: Path) -> None:
    assert differing(tmp_path, ".dynamic") != "" and differing(tmp_path, ".dynstr") != ""


def test_another_entry_point_or_program_header_is_a_difference(tmp_path: Path) -> None:
    program = compiled(tmp_path / "prog").read_bytes()
    entry, flags = bytearray(program), bytearray(program)
    entry[24] ^= 1
    flags[64 + 56 + 4] ^= 1
    assert find_difference(Bytes(program), Bytes(bytes(entry))) == "its header says something else"
    assert find_difference(Bytes(program), Bytes(bytes(flags))) == "a program header says something else"


def test_a_section_that_is_no_symbol_table_may_not_go(tmp_path: Path) -> None:
    program = compiled(tmp_path / "prog")
    (tmp_path / "data").write_bytes(b"x" * 100)
    subprocess.run(["objcopy", "--add-section", f"payload={tmp_path / 'data'}", program, tmp_path / "more"], check=True)
    more, less = Bytes((tmp_path / "more").read_bytes()), Bytes(program.read_bytes())
    assert find_difference(more, less) == "the section payload is gone, or another one"


def test_damaged_files_are_nobodys_to_strip(tmp_path: Path) -> None:
    program = compiled(tmp_path / "prog").read_bytes()
    assert weigh(Bytes(b"")) is weigh(Bytes(b"#!/bin/sh\n")) is weigh(Bytes(program[:500])) is None
    for at in range(64):
        changed = bytearray(program)
        changed[at] ^= 0xFF
        weigh(Bytes(bytes(changed)))
        find_difference(Bytes(program), Bytes(bytes(changed)))
    overlapping = bytearray(program)
    (start,) = struct.unpack_from("<Q", program, 40)
    for number in range(1, struct.unpack_from("<H", program, 60)[0]):
        struct.pack_into("<Q", overlapping, start + 64 * number + 32, len(program) - 100)
    assert weigh(Bytes(bytes(overlapping))) is None


def test_the_weight_is_that_of_symbols_and_debug_information(tmp_path: Path) -> None:
    program = compiled(tmp_path / "prog")
    raw, found = program.read_bytes(), weighed(program)
    assert found is not None and found.program
    names = sections(raw)
    assert found.symbols == names[".symtab"].sh_size + names[".strtab"].sh_size
    assert found.debug == sum(one.sh_size for name, one in names.items() if name.startswith(".debug_"))
    library = weighed(compiled(tmp_path / "lib.so", "-shared", "-fPIC"))
    assert library is not None and not library.program


def test_a_plan_says_what_was_stripped_and_what_not(tmp_path: Path) -> None:
    program = compiled(tmp_path / "root/prog", "-static")
    (tmp_path / "root/packed").write_bytes(program.read_bytes() + b"payload")
    planned = plan(DirectoryRoot(tmp_path / "root"), ["/prog"], [Addition("/packed", "/packed")])
    done: Plan = stripped(planned, Stripper(str(tmp_path)))
    notes = [note.message for note in done.notes]
    assert notes[-2].startswith("stripped 1 file: ") and "GNU strip" in notes[-2]
    assert notes[-1].startswith("/packed is not stripped: 7 bytes stand behind its end")
    assert done.rootfs.size < planned.rootfs.size
    assert parse_elf(content(done.rootfs, "/prog")).interpreter is None
    nothing = stripped(plan(MemoryRoot({}), []), Stripper(str(tmp_path)))
    assert [note.message for note in nothing.notes] == ["there was nothing to strip"]


def test_the_request_of_an_image_says_that_it_was_stripped() -> None:
    request = Request(("/bin/a",), ("/etc/b",), preload=True, off=("tmp",), strip=True)
    line = render_request(request)
    assert line == "needed build /bin/a --add /etc/b --preload --strip --no-rule tmp"
    assert parse_request(line) == request
    assert parse_request("needed build /bin/a") == Request(("/bin/a",))
