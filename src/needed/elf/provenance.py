"""Where a file comes from: its language, its C library, and whether its symbols were removed. All of it is evidence.

Nothing here decides what a program needs; it is for people. Reads at most a few MiB of a file of any size.
"""

from __future__ import annotations

from needed.elf.golang import parse_build_info
from needed.elf.isa import parse_isa_level
from needed.elf.model import Bytes
from needed.elf.pieces import pieces
from needed.elf.sections import SHT_NOBITS, SHT_SYMTAB, parse_sections
from needed.errors import ElfError
from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from needed.elf.model import ByteSource, ElfFile
    from needed.elf.sections import Section

MAX_SEARCH = 8 << 20  # bytes searched for a trace of rustc, in each section
MAX_COMMENT = 65536
MAX_LANGUAGE_VERSION = 256


@value
class Provenance:
    """`language` is "go", "rust" or None (C and the rest leave no trace); `language_version` the compiler's, if known.

    `stripped`: there is no symbol table; None if the section headers are damaged. `libc` is "glibc", "musl", "bionic"
    or None, `libc_version` the newest version that is asked for, as "2.34"; only glibc has any. `isa_level` is the
    processor that it asks for ("x86-64-v3"), None if it does not say.
    """

    language: str | None
    language_version: str | None
    stripped: bool | None
    libc: str | None
    libc_version: str | None
    isa_level: str | None = None


def parse_provenance(source: ByteSource | bytes, elf_file: ElfFile) -> Provenance:
    """What the traces in `source`, of which `elf_file` was read, say. Raises ElfError."""
    source = Bytes(source) if isinstance(source, bytes) else source
    try:
        sections: tuple[Section, ...] = parse_sections(source)
        stripped: bool | None = all(section.sh_type != SHT_SYMTAB for section in sections)
    except ElfError:  # no loader reads them, so the file may well run
        sections, stripped = (), None
    language, language_version = _language(source, elf_file, sections)
    return Provenance(language, language_version, stripped, *_libc(elf_file), parse_isa_level(source, elf_file))


def _libc(elf_file: ElfFile) -> tuple[str | None, str | None]:
    interpreter = (elf_file.interpreter or "").rpartition("/")[2]
    named = {*elf_file.needed, elf_file.soname or ""}
    asked = (version for need in elf_file.version_needs for version in (*need.versions, *need.weak))
    versions = [version.removeprefix("GLIBC_") for version in asked if version.startswith("GLIBC_")]
    if versions or any(name.startswith(("libc.so.6", "ld-linux", "ld64.so")) for name in {*named, interpreter}):
        numbers = [parts for version in versions if (parts := _numbers(version))]  # not GLIBC_PRIVATE
        return "glibc", ".".join(map(str, max(numbers))) if numbers else None
    if interpreter.startswith("ld-musl-") or any(name.startswith(("libc.musl-", "ld-musl-")) for name in named):
        return "musl", None
    if (elf_file.interpreter or "").startswith("/system/bin/linker"):  # Android's library is called libc.so as well
        return "bionic", None
    return ("musl" if "libc.so" in named else None), None


def _numbers(version: str) -> tuple[int, ...] | None:
    """(2, 3, 4) of "2.3.4"; None if it is not numbers and dots."""
    parts = version.split(".")
    if all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts):
        return tuple(map(int, parts))
    return None


def _language(source: ByteSource, elf_file: ElfFile, sections: tuple[Section, ...]) -> tuple[str | None, str | None]:
    by_name = {section.name: section for section in sections if section.sh_type != SHT_NOBITS}
    build_info = parse_build_info(source, elf_file, sections)
    if build_info is not None:
        return "go", build_info.version
    if ".note.go.buildid" in by_name:
        return "go", None
    if (comment := by_name.get(".comment")) is not None:
        content = source.read_at(comment.sh_offset, min(comment.sh_size, MAX_COMMENT))
        _, found, rest = content.partition(b"rustc version ")
        if found:
            return "rust", _word(rest)
    for name, trace in ((".rodata", _rustc_path), (".strtab", _rust_symbol)):
        section = by_name.get(name)
        if section is not None and any(map(trace, pieces(source, section.sh_offset, min(section.sh_size, MAX_SEARCH)))):
            return "rust", None
    return None, None


def _word(text: bytes) -> str | None:
    return text[:MAX_LANGUAGE_VERSION].partition(b"\0")[0].partition(b" ")[0].decode("utf-8", "replace") or None


def _rustc_path(piece: bytes) -> bool:
    """Whether a path of the standard library's sources, "/rustc/" and a commit, is there: panic messages hold one."""
    at = piece.find(b"/rustc/")
    while at >= 0:
        commit = piece[at + 7 : at + 47]
        if len(commit) == 40 and not commit.strip(b"0123456789abcdef") and piece[at + 47 : at + 48] == b"/":
            return True
        at = piece.find(b"/rustc/", at + 1)
    return False


def _rust_symbol(piece: bytes) -> bool:
    return b"\0rust_panic\0" in piece
