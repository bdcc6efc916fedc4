"""Advice: what would make an image smaller. Each number is held against an image that was planned that way."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from needed.advice import Advice, Ground, advise
from needed.advice.libraries import forget_needed
from needed.advice.lighter import LIGHTER
from needed.elf import parse_elf
from needed.loader import Resolver
from needed.loader.binding import Binder
from needed.pipeline import plan
from needed.report.advice import advice_object, render_advice
from needed.report.rules import parse_about
from needed.root import DirectoryRoot, MemoryRoot
from needed.rootfs import Addition
from needed.rules.choices import DEFAULTS, NONE, Choices
from needed.rules.table import TABLE
from needed.toolchain.strip import Stripper
from tests.loader.synthetic import shared_object
from tests.rules.trees import LOADER, library, program, tree
from tests.test_strip import compiled

if TYPE_CHECKING:
    from needed.root import Root

NEEDED = str(Path(sys.executable).with_name("needed"))
PADDING = b"\0" * 10_000  # so that a file is worth a line


def ground(
    root: Root, programs: tuple[str, ...], *, choices: Choices = DEFAULTS, add: tuple[str, ...] = (),
    path: str | None = None,
) -> Ground:  # fmt: skip
    additions = [Addition(one, one) for one in add]
    planned = plan(root, programs, additions, choices=choices)
    return Ground(
        root, planned.requested, planned.closure, planned.rootfs, planned.platform, planned.applied,
        planned.completeness, choices,
        lambda other, chosen: plan(other, programs, additions, choices=chosen).rootfs,
        Stripper("/tmp", path),
    )  # fmt: skip


def of_kind(found: tuple[Advice, ...], kind: str) -> list[Advice]:
    return [one for one in found if one.kind == kind]


def test_of_what_is_small_already_nothing_is_said() -> None:
    root = MemoryRoot({"/server": shared_object()})
    given = ground(root, (), add=("/server",))
    found = advise(given)
    assert found == ()
    assert list(render_advice(found, given.rootfs))[1:] == ["nothing found that would make it smaller"]


def test_a_library_of_which_no_symbol_is_bound_is_measured_with_all_behind_it() -> None:
    files = tree() | {
        "/bin/prog": program(needed=("libused.so", "libidle.so", "libc.so.6")),
        "/lib64/libused.so": library("libused.so", needed=("libboth.so",)),
        "/lib64/libidle.so": library("libidle.so", needed=("libboth.so", "libbehind.so")) + PADDING,
        "/lib64/libboth.so": library("libboth.so") + PADDING,
        "/lib64/libbehind.so": library("libbehind.so") + PADDING,
    }
    found = of_kind(advise(ground(MemoryRoot(files), ("/bin/prog",))), "unused library")
    behind = len(files["/lib64/libidle.so"]) + len(files["/lib64/libbehind.so"])
    assert (found[0].size, found[0].found) == (behind, "measured")
    assert found[0].what == "libidle.so, and 1 library behind it: needed by prog, and no symbol is bound to it"
    assert "patchelf --remove-needed libidle.so COPY" in found[0].how


def linked(folder: Path, main: str, *flags: str) -> Path:
    """A program of `main` with a library that defines one, two, three and four."""
    source = "".join(f"int {name}(void) {{ return 1; }}\n" for name in ("one", "two", "three", "four"))
    source += "char big[20000] = {1};"
    compiled(folder / "libnumbers.so", "-shared", "-fPIC", "-s", "-Wl,-soname,libnumbers.so", source=source)
    # The library stands behind the source: a linker takes only what was asked for before.
    (folder / "numbers.c").write_text(main)
    flags = (*flags, f"-Wl,-rpath,{folder}", str(folder / "numbers.c"), str(folder / "libnumbers.so"))
    return compiled(folder / "prog", "-s", *flags, source="")


def advice_on(program: Path) -> tuple[Advice, ...]:
    return advise(ground(DirectoryRoot("/"), (str(program),), choices=NONE))


@pytest.mark.parametrize(
    ("calls", "said"),
    [("one()", "libnumbers.so: there for 1 symbol"), ("one() + two() + three()", "libnumbers.so: there for 3 symbols")],
)
def test_a_library_that_is_there_for_few_symbols_is_told_with_who_uses_them(
    tmp_path: Path, calls: str, said: str
) -> None:
    declared = "int one(void), two(void), three(void), four(void);"
    program = linked(tmp_path, f"{declared} int main(void) {{ return {calls}; }}")
    (found,) = of_kind(advice_on(program), "library")
    assert (found.what, found.found) == (said, "at most")
    assert found.size == (tmp_path / "libnumbers.so").stat().st_size
    assert found.details[0].startswith("prog uses one")


def test_of_a_library_with_many_symbols_bound_nothing_is_said(tmp_path: Path) -> None:
    declared = "int one(void), two(void), three(void), four(void);"
    program = linked(tmp_path, f"{declared} int main(void) {{ return one() + two() + three() + four(); }}")
    assert not of_kind(advice_on(program), "library")


def test_a_program_linked_as_needed_saves_what_was_told(tmp_path: Path) -> None:
    over = linked(tmp_path, "int main(void) { return 0; }", "-Wl,--no-as-needed")
    (found,) = of_kind(advice_on(over), "unused library")
    before = plan(DirectoryRoot("/"), [str(over)], choices=NONE).rootfs.size
    slim = linked(tmp_path, "int main(void) { return 0; }", "-Wl,--as-needed")
    after = plan(DirectoryRoot("/"), [str(slim)], choices=NONE).rootfs.size
    assert found.found == "measured" and 0 <= before - after - found.size < 500  # the names in the program itself


def test_edges_name_what_is_bound_between_two_objects(tmp_path: Path) -> None:
    program = linked(tmp_path, "int one(void), two(void); int main(void) { return one() + two(); }")
    resolver = Resolver(DirectoryRoot("/"))
    edges = Binder(resolver.root, lazy=False).edges(resolver.load_list(resolver.find_program(str(program))))
    bound = {(edge.by.rpartition("/")[2], edge.to.rpartition("/")[2]): edge.symbols for edge in edges}
    assert bound["prog", "libnumbers.so"] == ("one", "two")
    assert "__libc_start_main" in bound["prog", "libc.so.6"]


def test_a_forgotten_name_is_the_only_change() -> None:
    before = shared_object(needed=("liba.so", "libb.so", "libc.so"), soname="liba.so", interpreter="/ld")
    after = forget_needed(before, ("libb.so",))
    assert after is not None and len(after) == len(before)
    assert parse_elf(after).needed == ("liba.so", "libc.so") and parse_elf(after).soname == "liba.so"
    assert forget_needed(before, ("libx.so",)) is None and forget_needed(b"nothing", ("liba.so",)) is None


def test_symbols_are_stripped_on_a_copy_to_know_what_that_saves(tmp_path: Path) -> None:
    program = compiled(tmp_path / "prog", "-static")
    given = ground(DirectoryRoot(tmp_path), ("/prog",))
    (found,) = of_kind(advise(given), "strip")
    assert (found.how, found.found) == ("--strip", "measured")
    assert found.size == given.rootfs.size - given.stripper.strip(given.rootfs).rootfs.size > 0
    assert program.stat().st_size == given.rootfs.size


def test_without_a_tool_the_bytes_of_sections_are_an_estimate(tmp_path: Path) -> None:
    compiled(tmp_path / "prog", "-static")
    given = ground(DirectoryRoot(tmp_path), ("/prog",), path=str(tmp_path))
    (found,) = of_kind(advise(given), "strip")
    assert found.found == "estimated" and found.how.startswith("apt-get install binutils-")
    exact = Stripper("/tmp").strip(given.rootfs).size
    assert abs(found.size - exact) < exact / 10


def test_the_same_content_twice_is_told_and_hard_links_save_as_much(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).write_bytes(b"same" * 5000)
    (tmp_path / "other").write_bytes(b"else" * 5000)
    add = ("/a", "/b", "/c", "/other")
    given = ground(DirectoryRoot(tmp_path), (), add=add)
    (found,) = advise(given)
    assert (found.kind, found.size, found.found) == ("duplicates", 40_000, "measured")
    assert found.details == ("/a = /b, /c",) and found.what == "2 files have the content of another"
    for name in ("b", "c"):
        (tmp_path / name).unlink()
        (tmp_path / name).hardlink_to(tmp_path / "a")
    assert given.rootfs.size - ground(DirectoryRoot(tmp_path), (), add=add).rootfs.size == found.size


def test_two_libraries_of_one_content_are_two_libraries(tmp_path: Path) -> None:
    for name in ("liba.so", "libb.so.1"):
        (tmp_path / name).write_bytes(b"same" * 5000)
    assert advise(ground(DirectoryRoot(tmp_path), (), add=("/liba.so", "/libb.so.1"))) == ()


def test_a_rule_is_told_with_what_the_image_has_without_it() -> None:
    files = tree() | {
        "/bin/prog": program("getservbyname"),
        "/etc/services": b"http 80/tcp\n" * 1000,
        "/etc/protocols": b"tcp 6\n",
    }
    (found,) = of_kind(advise(ground(MemoryRoot(files), ("/bin/prog",))), "rule")
    assert found.what == "rule services: Knows the names of ports and protocols"
    assert found.how == "--no-rule services, where that is not wanted"
    less = plan(MemoryRoot(files), ["/bin/prog"], choices=Choices(off=frozenset({"services"}))).rootfs.size
    assert found.size == plan(MemoryRoot(files), ["/bin/prog"]).rootfs.size - less


def test_a_rule_that_is_off_is_not_told_again() -> None:
    files = tree() | {"/bin/prog": program("getservbyname"), "/etc/services": b"http 80/tcp\n" * 1000}
    off = Choices(off=frozenset({"services"}))
    assert not of_kind(advise(ground(MemoryRoot(files), ("/bin/prog",), choices=off)), "rule")
    assert not of_kind(advise(ground(MemoryRoot(files), ("/bin/prog",), choices=NONE)), "rule")


def test_lighter_choices_are_those_of_the_rules_manuals() -> None:
    rows = {row.name: row for row in TABLE}
    for name, choices in LIGHTER.items():
        manual = dict(parse_about(__import__(rows[name].module, fromlist=["find"]).__doc__ or "").parts)["Choices"]
        for given, _ in choices:
            assert f"{name}={given}" in manual


def test_a_static_build_saves_at_most_what_the_loader_maps_for_no_other_program() -> None:
    files = tree() | {
        "/bin/prog": program(needed=("liba.so", "libc.so.6")),
        "/bin/more": program(needed=("liba.so", "libb.so", "libc.so.6")),
        "/lib64/liba.so": library("liba.so") + PADDING,
        "/lib64/libb.so": library("libb.so") + PADDING,
    }
    root = MemoryRoot(files)
    (found,) = of_kind(advise(ground(root, ("/bin/prog",), choices=NONE)), "static")
    gone = ("/lib64/liba.so", "/lib64/libc.so.6", LOADER)
    assert found.size == sum(len(files[path]) for path in gone) and found.found == "at most"
    along = Choices(along=("/bin/more",), off=NONE.off)
    assert not of_kind(advise(ground(root, ("/bin/prog",), choices=along)), "static")
    (both,) = of_kind(advise(ground(root, ("/bin/prog", "/bin/more"), choices=NONE)), "static")
    assert both.what == "prog, more compiled statically"
    assert both.size == found.size + len(files["/lib64/libb.so"])


def test_busybox_in_place_of_programs_is_measured() -> None:
    files = tree() | {
        "/bin/ls": program() + PADDING,
        "/bin/cp": program() + PADDING,
        "/bin/other": program() + PADDING,
        "/bin/busybox": program() + b"\0[\0[[\0cp\0ls\0\0",
    }
    root = MemoryRoot(files)
    (found,) = of_kind(advise(ground(root, ("/bin/ls", "/bin/cp", "/bin/other"))), "busybox")
    assert found.what == "busybox in place of cp, ls"
    assert found.size == len(files["/bin/ls"]) + len(files["/bin/cp"]) - len(files["/bin/busybox"])
    del files["/bin/busybox"]
    assert not of_kind(advise(ground(MemoryRoot(files), ("/bin/ls", "/bin/cp"))), "busybox")


def test_compression_is_measured_when_it_is_asked_for() -> None:
    root = MemoryRoot({"/text": b"".join(b"%d " % (number * number) for number in range(50_000))})
    assert not of_kind(advise(ground(root, (), add=("/text",))), "compression")
    found = of_kind(advise(ground(root, (), add=("/text",)), measure=True), "compression")
    assert {one.how for one in found} <= {"--compression gzip:12", "--compression zstd:19"} and found
    assert all(one.size > 0 for one in found)


def test_the_most_bytes_stand_first_and_each_number_says_how_it_was_found(tmp_path: Path) -> None:
    given = ground(DirectoryRoot("/"), (str(linked(tmp_path, "int one(void); int main(void) { return one(); }")),))
    found = advise(given)
    assert [one.size for one in found] == sorted((one.size for one in found), reverse=True)
    lines = list(render_advice(found, given.rootfs))
    assert lines[1].split()[1:3] == ["at", "most"] and lines[1].endswith("prog compiled statically")
    assert lines[2].strip().startswith("how: needed compile")
    objects = advice_object(found, given.rootfs)["advice"]
    assert isinstance(objects, list) and {one["found"] for one in objects} <= {"measured", "at most", "estimated"}


def test_the_command_prints_lines_or_an_object(tmp_path: Path) -> None:
    compiled(tmp_path / "prog", "-static")
    words = [NEEDED, "advise", "/prog", "--root", str(tmp_path)]
    said = subprocess.run(words, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "measured  symbol tables and debug information in 1 file\n" in said.stdout and said.stderr == ""
    shown = subprocess.run([*words, "--json"], capture_output=True, text=True, check=True, cwd=tmp_path)
    found = json.loads(shown.stdout)
    (strip,) = (one for one in found["advice"] if one["kind"] == "strip")
    words = [NEEDED, "build", "/prog", "--root", str(tmp_path), "--strip", "-n", "--json"]
    built = json.loads(subprocess.run(words, capture_output=True, text=True, check=True, cwd=tmp_path).stdout)
    size = sum(one.get("size", 0) for one in built["files"])
    assert found["bytes"] - size == strip["bytes"]
