"""Dynamic symbols and relocations of each machine, against readelf; and what is imported and exported."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from struct import pack_into

import pytest
from tests.loader.synthetic import Writer

from needed.elf import Bytes, parse_elf
from needed.elf.symbols import Import, exports, imported_names, parse_references, parse_symbols, undefined_imports
from needed.errors import ElfError
from needed.loader import Resolver, Settings
from needed.loader.binding import Binder
from needed.root import DirectoryRoot, MemoryRoot, RootPath

# Debian's cross libraries: class, byte order, r_info layout and kind of relocation differ.
MACHINES = {
    "aarch64-linux-gnu": "libc6-arm64-cross",
    "arm-linux-gnueabihf": "libc6-armhf-cross",
    "i686-linux-gnu": "libc6-i386-cross",
    "mips64el-linux-gnuabi64": "libc6-mips64el-cross",
    "powerpc-linux-gnu": "libc6-powerpc-cross",
    "powerpc64le-linux-gnu": "libc6-ppc64el-cross",
    "riscv64-linux-gnu": "libc6-riscv64-cross",
    "s390x-linux-gnu": "libc6-s390x-cross",
}
HERE = Path("/lib/x86_64-linux-gnu")


def library_folder(triplet: str) -> Path:
    folder = Path("/usr", triplet, "lib")
    if not folder.exists() or shutil.which("readelf") is None:
        assert "CI" not in os.environ, f"{MACHINES[triplet]} or readelf is missing"
        pytest.skip(f"{MACHINES[triplet]} or readelf is missing")
    return folder


def readelf(option: str, path: Path) -> list[str]:
    command, surroundings = ["readelf", option, "-W", str(path)], {**os.environ, "LC_ALL": "C"}
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=surroundings)
    return run.stdout.splitlines()


def symbol_rows(path: Path) -> list[tuple[int, int, str, str, str, str, str]]:
    """Value, size, type, binding, visibility, section and name with version, of each symbol of .dynsym."""
    rows = []
    for line in readelf("--dyn-syms", path):
        words = re.sub(r"\[[^]]*\]", "", line).split()
        if len(words) >= 7 and words[0].rstrip(":").isdigit() and words[0] != "0:" and words[3] != "SECTION":
            name = words[7] if len(words) > 7 else ""
            rows.append((int(words[1], 16), int(words[2], 0), *words[3:7], name))
    return rows  # type: ignore[return-value]  # seven, as said


TYPES = {0: "NOTYPE", 1: "OBJECT", 2: "FUNC", 3: "SECTION", 5: "COMMON", 6: "TLS", 10: "IFUNC", 13: "REGISTER"}
BINDINGS = {0: "LOCAL", 1: "GLOBAL", 2: "WEAK", 10: "UNIQUE"}
VISIBILITIES = ("DEFAULT", "INTERNAL", "HIDDEN", "PROTECTED")


def our_rows(path: Path) -> list[tuple[int, int, str, str, str, str, str]]:
    source = Bytes(path.read_bytes())
    table = parse_symbols(source, parse_elf(source))
    rows = []
    for index, raw in enumerate(table.all_names(1), 1):
        section = {0: "UND", 0xFFF1: "ABS"}.get(table.sections[index], str(table.sections[index]))
        name, version = raw.decode(), table.version(index)
        if table.infos[index] & 15 == 3:  # of a section; readelf shows the section's name
            continue
        if version and version.name != name:  # what names a version is shown without one
            wanted = version.file is not None or table.versyms is None or table.versyms[index] & 0x8000
            name += ("@" if wanted else "@@") + version.name
        info = table.infos[index]
        rows.append((
            table.values[index], table.sizes[index], TYPES[info & 15], BINDINGS[info >> 4],
            VISIBILITIES[table.others[index] & 3], section, name,
        ))  # fmt: skip
    return rows


@pytest.mark.parametrize("triplet", MACHINES)
@pytest.mark.parametrize("name", ["libc.so.6", "libm.so.6", "libthread_db.so.1"])
def test_the_symbols_are_those_that_readelf_shows(triplet: str, name: str) -> None:
    path = library_folder(triplet) / name
    assert our_rows(path) == symbol_rows(path)


def test_the_symbols_of_a_program_of_this_machine() -> None:
    if shutil.which("readelf") is None:
        assert "CI" not in os.environ, "readelf is missing"
        pytest.skip("readelf is missing")
    assert our_rows(Path("/bin/ls")) == symbol_rows(Path("/bin/ls"))


@pytest.mark.parametrize("triplet", sorted(MACHINES.keys() - {"mips64el-linux-gnuabi64"}))
@pytest.mark.parametrize("name", ["libc.so.6", "libm.so.6", "libthread_db.so.1"])
def test_the_references_are_the_relocations_with_a_symbol(triplet: str, name: str) -> None:
    path = library_folder(triplet) / name
    source = Bytes(path.read_bytes())
    elf = parse_elf(source)
    table = parse_symbols(source, elf)
    references = parse_references(source, elf, table, lazy=False)
    names = table.all_names()
    ours = sorted(names[index].decode() for index, _ in references.ordered())
    theirs = []
    for line in readelf("-r", path):
        words = line.split()
        # Offset, Info, Type, Sym. Value, Sym. Name + Addend
        relative = len(words) < 5 or words[2].endswith(("RELATIVE", "RELATIV"))
        if not relative and re.fullmatch("[0-9a-f]{8,}", words[0]):
            theirs.append(words[4].partition("@")[0])
    assert ours == sorted(theirs)
    assert ours != []


def test_mips_takes_its_references_from_the_global_got() -> None:
    path = library_folder("mips64el-linux-gnuabi64") / "libm.so.6"
    source = Bytes(path.read_bytes())
    elf = parse_elf(source)
    table = parse_symbols(source, elf)
    # Address, Access, Initial, Sym.Val., Type, Ndx, Name
    lines = [line for line in readelf("-A", path) if re.search(r"\(gp\) [0-9a-f]{16} [0-9a-f]{16} \w", line)]
    got = {line.split()[6].partition("@")[0] for line in lines}
    known = table.all_names()
    names = {known[index].decode() for index, _ in parse_references(source, elf, table, lazy=False).unique}
    assert len(got) > 10
    assert names - got == {"errno"}  # thread-local, by a relocation
    assert got <= names
    calls = {known[index].decode() for index, _ in parse_references(source, elf, table, lazy=True).unique}
    assert calls < names


@pytest.mark.parametrize("triplet", MACHINES)
def test_the_c_library_of_each_machine_is_complete(triplet: str) -> None:
    folder = library_folder(triplet)
    resolver = Resolver(DirectoryRoot(f"/usr/{triplet}"), Settings(("/lib",)))
    binder = Binder(resolver.root, lazy=False)
    for path in sorted(folder.glob("lib*.so.*")):
        mapped = resolver.load_list(RootPath(f"/lib/{path.name}"))
        undefined = {item.symbol for item in binder.check(mapped).undefined}
        if path.name.startswith("libthread_db"):  # a debugger has the rest
            assert all(name.startswith("ps_") for name in undefined)
            assert undefined != set()
        elif not mapped.missing:
            assert undefined == set(), path


@pytest.mark.parametrize("triplet", MACHINES)
def test_without_the_c_library_all_that_is_not_weak_is_undefined(triplet: str) -> None:
    content = (library_folder(triplet) / "libm.so.6").read_bytes()
    root = MemoryRoot({"/lib/libm.so.6": content})
    said = Binder(root, lazy=False).check(Resolver(root, Settings(("/lib",))).load_list(RootPath("/lib/libm.so.6")))
    elf = parse_elf(content)
    wanted = {item.name for item in undefined_imports(Bytes(content), elf) if not item.weak}
    assert {item.symbol for item in said.undefined} == wanted != set()


def test_imports_and_exports_have_versions() -> None:
    content = (HERE / "libm.so.6").read_bytes()
    source, elf = Bytes(content), parse_elf(content)
    imports = {item.name: item for item in undefined_imports(source, elf)}
    assert imports["fputs"] == Import("fputs", "GLIBC_2.2.5", weak=False, file="libc.so.6")
    assert imports["__cxa_finalize"].weak
    offered = {(item.name, item.version): item.default for item in exports(source, elf)}
    assert offered["pow", "GLIBC_2.29"]
    assert not offered["pow", "GLIBC_2.2.5"]
    assert "fputs" not in {name for name, _ in offered}


@pytest.mark.parametrize("triplet", MACHINES)
def test_the_imported_names_are_those_of_the_imports(triplet: str) -> None:
    paths = [path for path in library_folder(triplet).glob("*.so*") if path.read_bytes()[:4] == b"\x7fELF"]
    for path in (*paths, Path("/bin/ls"), Path("/bin/bash")):  # programs have undefined symbols that are hashed
        source = Bytes(path.read_bytes())
        elf = parse_elf(source)
        assert imported_names(source, elf) == {item.name for item in undefined_imports(source, elf)}, path
    assert len(paths) > 5


def test_a_file_without_symbols_imports_nothing() -> None:
    content = Writer([("needed", "libx.so")]).finish()
    assert imported_names(Bytes(content), parse_elf(content)) == frozenset()


@pytest.mark.parametrize(("offset", "said"), [(1 << 20, "outside of DT_STRTAB"), (None, "bytes of symbol names")])
def test_imported_names_are_bounded(offset: int | None, said: str) -> None:
    writer = Writer()
    at = writer.string("a" * 60000)
    writer.export(f"{number}" for number in range(1000))
    content = bytearray(writer.finish())
    table = dict(parse_elf(bytes(content)).entries)[6]
    for number in range(1000):
        pack_into("<IBBH", content, table + 24 * (number + 1), at + number if offset is None else offset, 0x12, 0, 0)
    with pytest.raises(ElfError, match=said):
        imported_names(Bytes(bytes(content)), parse_elf(bytes(content)))


@pytest.mark.parametrize("step", [0, 1], ids=["the same name", "names that overlap"])
def test_a_long_name_of_many_symbols_does_not_fill_the_memory(step: int) -> None:
    writer = Writer()
    count, at = 1000, writer.string("a" * 60000)
    writer.export(f"{number}" for number in range(count))
    content = bytearray(writer.finish())
    elf = parse_elf(bytes(content))
    table = dict(elf.entries)[6]
    for number in range(count):
        pack_into("<I", content, table + 24 * (number + 1), at + step * number)
    with pytest.raises(ElfError, match="bytes of symbol names"):
        exports(Bytes(bytes(content)), elf)
