"""readelf and gcc as oracles."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from needed.elf import ElfFile, parse_elf
from needed.elf.tags import tag_name
from needed.report.readelf import ABSENT, render_dynamic

Build = Callable[..., bytes]
Tool = Callable[[str], str]


def parse(path: Path) -> ElfFile:
    return parse_elf(path.read_bytes())


def elf_files(folder: str, count: int) -> list[Path]:
    found = []
    for path in sorted(Path(folder).iterdir()):
        if path.is_file() and not path.is_symlink() and path.stat().st_size < 10_000_000:
            with path.open("rb") as file:
                if file.read(4) == b"\x7fELF":
                    found.append(path)
    return found[:: max(len(found) // count, 1)]


def readelf(tool: Tool, *paths: Path) -> dict[str, str]:
    """What `readelf -d -W` says of each file, by its path."""
    names = [str(path) for path in paths]
    command = [tool("readelf"), "-d", "-W", names[0], *names]  # the first twice, so that there is a heading in any case
    run = subprocess.run(command, capture_output=True, text=True, check=False, env={"LC_ALL": "C.UTF-8"})
    blocks = run.stdout.split("\nFile: ")[1:]
    return dict(block.split("\n", 1) for block in blocks)


def test_the_layout_is_readelfs(tool: Tool) -> None:
    fixed = [Path("/bin/bash"), *map(Path, ("/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"))]
    paths = [*filter(Path.exists, fixed), *elf_files("/usr/bin", 40)]
    said = readelf(tool, *paths)
    assert len(said) >= 20
    for path in paths:
        assert render_dynamic(parse(path)) == said[str(path)], path


@pytest.mark.parametrize(
    "header",
    [(64, "little", 62), (32, "little", 3), (64, "little", 183), (64, "little", 21), (32, "big", 20), (64, "big", 43),
     (32, "big", 8), (64, "big", 22), (64, "little", 243)],
)  # fmt: skip
def test_each_tag_and_flag_is_named_as_readelf_does(
    build: Build, tool: Tool, tmp_path: Path, header: tuple[int, str, int]
) -> None:
    bits, order, e_machine = header
    tags = [*range(1, 0x28), *range(0x6FFFFDF6, 0x6FFFFE00), *range(0x6FFFFEF5, 0x6FFFFF00),
            *range(0x6FFFFFF0, 0x70000040), 0x7FFFFFFD, 0x7FFFFFFF, 0x60000001, 0x6000000E, 0x70001234]  # fmt: skip
    left_out: tuple[str, ...] = ("STRTAB", "STRSZ", "CONFIG", "USED", "MIPS_TIME_STAMP", "MIPS_IVERSION", "SYMTAB")
    left_out += ("SYMENT", "HASH", "GNU_HASH", "SYMINFO", "SYMINSZ", "SYMINENT", "VERSYM", "VERDEF", "VERDEFNUM")
    left_out += ("VERNEED", "VERNEEDNUM")
    entries = [(tag, 7 if tag == 20 else 1) for tag in tags if tag_name(tag, e_machine) not in left_out]
    flag_tags = (0x1E, 0x6FFFFFFB, 0x6FFFFDFC, 0x6FFFFDFD)
    flags = [(tag, value) for tag in flag_tags for value in (0, 3, 0x7FFFFFFF if tag == 0x6FFFFFFB else 0x13)]
    strings = b"lib.so\0"
    content = build(bits=bits, order=order, e_machine=e_machine, strings=strings, entries=(*entries, *flags))
    path = tmp_path / "file"
    path.write_bytes(content)
    assert render_dynamic(parse(path)).splitlines() == readelf(tool, path)[str(path)].splitlines()


def test_no_dynamic_section(build: Build, tool: Tool, tmp_path: Path) -> None:
    path = tmp_path / "static"
    path.write_bytes(build(e_type=2))
    assert render_dynamic(parse(path)) == ABSENT == readelf(tool, path)[str(path)]


def test_needed_soname_and_runpath_are_those_that_readelf_prints(tool: Tool) -> None:
    paths = [*elf_files("/usr/bin", 100), *elf_files("/usr/lib/x86_64-linux-gnu", 100)]
    said = readelf(tool, *paths)
    for path in paths:
        found = parse(path)
        lines = said[str(path)].splitlines()

        def values(word: str, lines: list[str] = lines) -> list[str]:
            return [line.partition("[")[2].rpartition("]")[0] for line in lines if f"({word})" in line]

        assert list(found.needed) == values("NEEDED")
        assert found.soname == next(iter(values("SONAME")), None)
        assert found.rpath == next(iter(values("RPATH")), None)
        assert found.runpath == next(iter(values("RUNPATH")), None)


@pytest.mark.parametrize(
    ("options", "linkage"),
    [
        (["-static", "-no-pie"], "static"),
        (["-static-pie"], "static-pie"),
        (["-pie", "-fPIE"], "dynamic"),
        (["-no-pie"], "dynamic"),
        (["-shared", "-fPIC"], "shared object"),
        (["-shared", "-fPIC", "-Wl,-soname,libx.so.1"], "shared object"),
        (["-c"], "relocatable"),
    ],
)
def test_linkage_of_what_gcc_makes(tool: Tool, tmp_path: Path, options: list[str], linkage: str) -> None:
    source, made = tmp_path / "a.c", tmp_path / "a.out"
    source.write_text("int main(void) { return 0; }\n")
    subprocess.run([tool("gcc"), *options, "-o", made, source], check=True, capture_output=True)
    assert parse(made).linkage == linkage


def test_each_audit_entry_has_its_own_name_in_any_order(build: Build) -> None:
    entries = ((0x6FFFFEFB, 1), (0x6FFFFEFC, 3), (0x6FFFFEFC, 5))
    found = render_dynamic(parse_elf(build(strings=b"d\0a\0b\0", entries=entries)))
    assert "Dependency audit library: [d]" in found
    assert "Audit library: 0x3" in found  # the last of two counts, and is what the parser keeps
    assert "Audit library: [b]" in found


def test_a_long_soname_that_is_there_thousands_of_times_does_not_fill_the_memory(build: Build) -> None:
    found = render_dynamic(parse_elf(build(strings=b"a" * 60000 + b"\0", entries=((14, 1),) * 9000)))
    assert len(found) < 8 << 20
    assert found.count("\n") > 9000
