"""Group 8, ELF parsing: each verb refuses in a sentence what cannot be read, and the kernel judges the rest."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from random import Random
from struct import pack

import pytest
from tests.elf.conftest import build_elf
from tests.fuzz.mutations import mutate
from tests.fuzz.readers import read
from tests.fuzz.seeds import seeds
from tests.hostile.command import refuses, run
from tests.loader import sandbox
from tests.loader.synthetic import ET_EXEC, Writer, shared_object

LD = "/lib64/ld-linux-x86-64.so.2"
STRINGS = b"libc.so.6\0"
NEEDS = ((1, 1),)
XNUM_4G = pack("<IIQQQQIIQQ", 0, 0, 0, 0, 0, 0, 0, 0xFFFFFFFF, 0, 0)


def program(**changes: object) -> bytes:
    """A program with one DT_NEEDED and a flaw."""
    return build_elf(**({"interpreter": LD.encode() + b"\0", "strings": STRINGS, "entries": NEEDS} | changes))  # type: ignore[arg-type]


MALFORMED = [
    ("E02-phoff-beyond", program(e_phoff=1 << 20), "truncated: the program headers would end"),
    ("E02-phoff-2^63", program(e_phoff=1 << 63), "truncated: the program headers would end"),
    ("E02-phoff-2^64-1", program(e_phoff=(1 << 64) - 1), "truncated: the program headers would end"),
    ("E03-ffff", program(e_phnum=0xFFFF), "65535 program headers, more than"),
    ("E03-4G", program(e_phnum=0xFFFF, e_shoff=len(program()), more=XNUM_4G), "4294967295 program headers"),
    ("E04-0", program(e_phentsize=0), "program headers of 0 bytes"),
    ("E04-1", program(e_phentsize=1), "program headers of 1 bytes"),
    ("E06-2^63", program(interp_size=1 << 63), "PT_INTERP of 9223372036854775808 bytes"),
    ("E06-no-NUL", program(interpreter=LD.encode()), "does not end with a NUL"),
    ("E06-nothing", program(interpreter=b"\0"), "PT_INTERP of 1 bytes"),
    ("E06-empty", program(interpreter=b"\0\0"), "PT_INTERP is empty"),
    ("E06-1MB", program(interpreter=b"/" * (1 << 20) + b"\0"), "PT_INTERP of 1048577 bytes"),
    ("E08-strtab-unmapped", program(strtab=0xDEAD0000), "DT_STRTAB points to an address"),
    ("E08-strsz-0", program(strsz=0), "string offset 1 outside"),
    ("E08-needed-2^62", program(entries=((1, 1 << 62),)), "string offset 4611686018427387904 outside"),
    ("E08-strsz-2^64", program(entries=((1, 1 << 62),), strsz=(1 << 64) - 1), "a dynamic string without an end"),
    ("E10-1MB", program(strings=b"x" * (1 << 20) + b"\0"), "a dynamic string without an end"),
]


@pytest.mark.parametrize(
    ("content", "reason"), [pytest.param(content, reason, id=name) for name, content, reason in MALFORMED]
)
def test_each_verb_refuses_it_in_a_sentence(tmp_path: Path, content: bytes, reason: str) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    file.chmod(0o755)
    for status, words in ((2, ["inspect"]), (1, ["ldd"]), (2, ["build", "-o", f"dir:{tmp_path}/out"])):
        sentence = refuses(status, *words, str(file))
        assert reason in sentence and "\n" not in sentence and len(sentence) < 300
    assert not (tmp_path / "out").exists()


def test_e03_more_program_headers_than_the_field_holds_are_counted_in_section_header_0(tmp_path: Path) -> None:
    section = pack("<IIQQQQIIQQ", 0, 0, 0, 0, 0, 0, 0, 3, 0, 0)
    (tmp_path / "x").write_bytes(program(e_phnum=0xFFFF, e_shoff=len(program()), more=section))
    assert f"interpreter  {LD}" in run("inspect", str(tmp_path / "x")).out


def test_e08_a_string_table_said_to_be_huge_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(program(strsz=1 << 63))
    assert "needed       libc.so.6" in run("inspect", str(tmp_path / "x")).out


@pytest.mark.parametrize(
    "name", [b"", b"a/b.so", b"../x.so", b"a\nb", b"\xff\xfe", b"\x1b[31m"], ids=lambda name: f"E10-{name!r}"
)
def test_e10_a_strange_name_keeps_its_bytes_and_is_shown_on_one_line(tmp_path: Path, name: bytes) -> None:
    (tmp_path / "x").write_bytes(program(strings=name + b"\0"))
    found = json.loads(run("inspect", "--json", str(tmp_path / "x")).out)
    assert [text.encode("utf-8", "surrogateescape") for text in found[0]["needed"]] == [name]
    shown = run("inspect", "--root", str(tmp_path), "/x").out  # where no loader is: nothing is said of its closure
    assert len(shown.splitlines()) == (7 if name else 6)
    answer = run("ldd", "--root", str(tmp_path), "/x")
    assert (answer.status, answer.err) == (0, "")


# Places for the program headers of synthetic files: PT_PHDR, PT_INTERP, PT_LOAD, PT_DYNAMIC, PT_GNU_STACK.
INTERP, STACK = 64 + 56, 64 + 56 * 4


def with_interpreter(text: bytes, *, size: int | None = None, second: bytes | None = None) -> bytes:
    """A program that starts, whose PT_INTERP holds `text`, of `size` bytes; `second` is another PT_INTERP."""
    content = bytearray(Writer((), interpreter=LD, starts=True).finish())
    at = len(content)
    content += text + (second or b"")
    content[INTERP + 8 : INTERP + 40] = pack("<QQQQ", at, at, at, len(text) if size is None else size)
    if second is not None:
        content[STACK : STACK + 56] = pack("<IIQQQQQQ", 3, 4, at + len(text), 0, 0, len(second), len(second), 1)
    return bytes(content)


GOOD, MISSING = LD.encode() + b"\0", b"/nothing\0"
INTERPRETERS = {
    "good": with_interpreter(GOOD),
    "2^63": with_interpreter(GOOD, size=1 << 63),
    "no-NUL": with_interpreter(GOOD[:-1]),
    "empty": with_interpreter(b"\0\0"),
    "NUL": with_interpreter(b"\0"),
    "NUL-inside": with_interpreter(GOOD + b"junk\0"),
    "missing": with_interpreter(MISSING),
    "PATH_MAX": with_interpreter(b"/" * (4096 - len(GOOD)) + GOOD),
    "PATH_MAX+1": with_interpreter(b"/" * (4097 - len(GOOD)) + GOOD),
    "1MB": with_interpreter(b"/" * (1 << 20) + GOOD),
    "first-is-good": with_interpreter(GOOD, second=MISSING),
    "first-is-missing": with_interpreter(MISSING, second=GOOD),
}

STARTING = ("good", "NUL-inside", "PATH_MAX", "first-is-good")


def need_a_kernel(root: Path) -> None:
    """The kernel and the loader of this machine, with a folder as their root."""
    if os.uname().machine != "x86_64" or not Path(LD).exists() or not sandbox.works(root):
        assert "CI" not in os.environ, "needs x86-64 with glibc, and a user who may make name spaces"
        pytest.skip("needs x86-64 with glibc, and a user who may make name spaces")


def with_loader(root: Path) -> Path:
    (root / "lib64").mkdir(parents=True)
    shutil.copy(LD, root / LD[1:])
    return root


def starts(root: Path, program: str) -> bool:
    try:
        return sandbox.run_in(root, [program], {}).returncode == 0
    except OSError:
        return False


@pytest.mark.parametrize("name", INTERPRETERS, ids=lambda name: f"E06-{name}")
def test_e06_what_is_built_is_what_the_kernel_starts(tmp_path: Path, name: str) -> None:
    need_a_kernel(tmp_path)
    root = with_loader(tmp_path / "root")
    (root / "x").write_bytes(INTERPRETERS[name])
    (root / "x").chmod(0o755)
    answer = run("build", "--root", str(root), "/x", "-o", f"dir:{tmp_path}/out")
    assert (answer.status == 0) == starts(root, "/x") == (name in STARTING), answer.err
    if answer.status:
        assert answer.status in (2, 3) and answer.sentence
    else:
        assert starts(tmp_path / "out", "/x")


def test_e06_a_relative_interpreter_is_the_working_directorys_and_nobody_elses(tmp_path: Path) -> None:
    need_a_kernel(tmp_path)
    root = with_loader(tmp_path / "root")
    (root / "x").write_bytes(with_interpreter(LD[1:].encode() + b"\0"))
    (root / "x").chmod(0o755)
    assert starts(root, "/x")  # in /; in an image the folder is anything
    assert f"nowhere in the root: {LD[1:]}" in refuses(3, "build", "--root", str(root), "/x", "-o", f"dir:{tmp_path}/o")


@pytest.mark.parametrize(
    "entry",
    [("runpath", "$ORIGIN/lib"), ("rpath", "/a:${ORIGIN}"), ("needed", "$ORIGIN/l.so")],
    ids=lambda entry: f"E12-{entry[0]}",
)
def test_e12_a_setuid_program_with_origin_is_warned_of(tmp_path: Path, entry: tuple[str, str]) -> None:
    file = tmp_path / "x"
    file.write_bytes(Writer([entry], interpreter=LD).finish())
    file.chmod(0o755)
    assert "warning" not in run("inspect", str(file)).out
    assert json.loads(run("inspect", "--json", str(file)).out)[0]["warnings"] == []
    for mode in (0o4755, 0o2755):
        file.chmod(mode)
        assert "warning      setuid or setgid: $ORIGIN is ignored unless" in run("inspect", str(file)).out
        (warning,) = json.loads(run("inspect", "--json", str(file)).out)[0]["warnings"]
        assert "$ORIGIN" in warning


def test_e12_without_origin_or_with_musl_there_is_nothing_to_warn_of(tmp_path: Path) -> None:
    plain = Writer([("rpath", "$ORIGIN"), ("runpath", "/opt")], interpreter=LD).finish()
    musl = Writer([("runpath", "$ORIGIN")], interpreter="/lib/ld-musl-x86_64.so.1").finish()
    for content in (plain, musl):
        (tmp_path / "x").write_bytes(content)
        (tmp_path / "x").chmod(0o4755)
        assert "warning" not in run("inspect", str(tmp_path / "x")).out


LOAD = 64 + 56 * 2


def with_load(offset: int, address: int, filesz: int, memsz: int) -> bytes:
    """A program that starts, with a further PT_LOAD in the place of PT_GNU_STACK."""
    content = bytearray(Writer((), interpreter=LD, starts=True).finish())
    content[STACK : STACK + 56] = pack("<IIQQQQQQ", 1, 6, offset, address, address, filesz, memsz, 4096)
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(with_load(0, 1 << 16, 1 << 20, 1 << 20), "a PT_LOAD would end at", id="E13-filesz>file"),
        pytest.param(with_load(0, 1 << 16, 1 << 62, 1 << 62), "a PT_LOAD would end at", id="E13-filesz-2^62"),
        pytest.param(with_load(0, 1 << 16, 64, 1), "64 bytes in the file and 1 in memory", id="E13-filesz>memsz"),
        pytest.param(with_load(0, (1 << 64) - 4096, 64, 8192), "beyond the address space", id="E13-wraps"),
        pytest.param(with_load(0, 1 << 16, (1 << 64) - 1, (1 << 64) - 1), "beyond the address space", id="E13-2^64-1"),
    ],
)
def test_e13_a_program_that_cannot_be_mapped_whole_is_warned_of_and_not_built(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    root = with_loader(tmp_path / "root")
    (root / "x").write_bytes(content)
    (root / "x").chmod(0o755)
    answer = run("inspect", "--root", str(root), "/x")
    assert answer.status == 0 and "warning" in answer.out and reason in answer.out
    assert reason in refuses(2, "build", "--root", str(root), "/x", "-o", f"dir:{tmp_path}/out")


def test_e13_a_library_that_was_cut_off_is_not_built(tmp_path: Path) -> None:
    root = with_loader(tmp_path / "root")
    (root / "x").write_bytes(Writer([("needed", "/l.so")], interpreter=LD, starts=True).finish())
    (root / "x").chmod(0o755)
    library = bytearray(shared_object())
    library[64 + 32 : 64 + 48] = pack("<QQ", 1 << 20, 1 << 20)
    (root / "l.so").write_bytes(library)
    assert "/l.so: truncated" in refuses(2, "build", "--root", str(root), "/x", "-o", f"dir:{tmp_path}/out")


def test_e13_segments_over_each_other_are_the_kernels_business(tmp_path: Path) -> None:
    need_a_kernel(tmp_path)
    root = with_loader(tmp_path / "root")
    base = Writer((), interpreter=LD, starts=True, e_type=ET_EXEC).finish()
    content = bytearray(base)
    content[STACK : STACK + 56] = content[LOAD : LOAD + 56]  # the same PT_LOAD once more
    (root / "x").write_bytes(content)
    (root / "x").chmod(0o755)
    assert run("build", "--root", str(root), "/x", "-o", f"dir:{tmp_path}/out").status == 0
    assert starts(root, "/x") and starts(tmp_path / "out", "/x")


FOREIGN = {
    "i386": build_elf(bits=32, e_machine=3, strings=b"libx.so\0", entries=((14, 1),)),
    "x32": build_elf(bits=32, e_machine=62, strings=b"libx.so\0", entries=((14, 1),)),
    "arm64": build_elf(e_machine=183, strings=b"libx.so\0", entries=((14, 1),)),
}


@pytest.mark.parametrize("foreign", [pytest.param(content, id=f"E15-{name}") for name, content in FOREIGN.items()])
def test_e15_a_library_of_another_machine_is_passed_over_as_ld_so_does(tmp_path: Path, foreign: bytes) -> None:
    need_a_kernel(tmp_path)
    root = with_loader(tmp_path / "root")
    files = {"one/libx.so": foreign, "two/libx.so": shared_object(soname="libx.so")}
    files["x"] = Writer([("needed", "libx.so"), ("runpath", "/one:/two")], interpreter=LD, starts=True).finish()
    for name, content in files.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(content)
        (root / name).chmod(0o755)
    said = sandbox.run_in(root, [LD, "--list", "/x"], {}).stdout
    ours = run("ldd", "--root", str(root), "/x").out
    assert "libx.so => /two/libx.so" in said and "libx.so => /two/libx.so" in ours
    assert run("build", "--root", str(root), "/x", "-o", f"dir:{tmp_path}/out").status == 0
    assert starts(tmp_path / "out", "/x")


def test_e16_two_libraries_that_need_each_other_are_loaded_once(tmp_path: Path) -> None:
    root = with_loader(tmp_path / "root")
    for one, other in ("ab", "ba"):
        (root / f"lib{one}.so").write_bytes(shared_object(needed=(f"/lib{other}.so",)))
    (root / "x").write_bytes(shared_object(needed=("/liba.so",), interpreter=LD))
    (root / "x").chmod(0o755)
    assert run("ldd", "--root", str(root), "/x").out.split() == ["/liba.so", "/libb.so", LD]
    assert run("ldd", "--tree", "--root", str(root), "/x").status == 0
    assert run("build", "--root", str(root), "/x", "-o", f"dir:{tmp_path}/out").status == 0


def test_e16_a_chain_of_ten_thousand_libraries_needs_no_recursion(tmp_path: Path) -> None:
    depth = 10_000
    root = with_loader(tmp_path / "root")
    for number in range(depth):
        needed = (f"/l{number + 1}",) if number < depth - 1 else ()
        (root / f"l{number}").write_bytes(shared_object(needed=needed))
    (root / "x").write_bytes(shared_object(needed=("/l0",), interpreter=LD))
    (root / "x").chmod(0o755)
    listed = run("ldd", "--root", str(root), "/x", max_memory=200 << 20)
    assert len(listed.out.splitlines()) == depth + 1
    tree = run("ldd", "--tree", "--root", str(root), "/x", max_memory=300 << 20)
    assert f"/l{depth - 1} => /l{depth - 1}" in tree.out
    assert run("build", "--dry-run", "--root", str(root), "/x", max_memory=300 << 20).status == 0


@pytest.mark.parametrize("part", range(8), ids=lambda part: f"E18-{part}")
def test_e18_changed_files_lead_to_an_answer_or_an_error_of_ours(part: int) -> None:
    """A small, repeatable part of `make fuzz`, which looks further and for an hour."""
    random = Random(part)
    for content in list(seeds())[part::8]:
        for _ in range(12):
            read(mutate(content, random))
