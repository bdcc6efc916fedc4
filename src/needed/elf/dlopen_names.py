"""Names of libraries among the strings of a file that calls dlopen: evidence of what it may open, no proof.

A C compiler leaves the name that is given to dlopen as a string in the data that is not written to; so it leaves names
in messages and tables, and a name put together at run time has only its pieces there. Hence the grades. Not read: the
names of the dynamic section (DT_STRTAB) and the interpreter, which are no secret; data that is written to; strings that
do not end with a NUL byte, as Go's and most of Rust's. Which of the names is a library of the root, others decide.
"""

from __future__ import annotations

from needed.elf.model import PT_INTERP, PT_LOAD
from needed.elf.pieces import pieces
from needed.elf.sections import parse_sections
from needed.errors import ElfError
from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.elf.model import ByteSource, ElfFile

OPENERS = frozenset({"dlopen", "dlmopen"})
MAX_NAME = 256  # bytes; half of what pieces overlap by
MAX_NAMES = 1000
MAX_SEARCH = 64 << 20  # bytes that are searched
MAX_CANDIDATES = 100_000  # places with ".so" that are looked at
SHT_PROGBITS = 1
SHF_WRITE, SHF_ALLOC, SHF_EXECINSTR = 1, 2, 4
PF_W = 2
DT_STRTAB, DT_STRSZ = 5, 10

_PRINTABLE = bytes(range(0x20, 0x7F))
_STARTS = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"
_NAME = _STARTS + b"/+-.~"
_NO_STRINGS = (".eh_frame", ".eh_frame_hdr", ".gcc_except_table", ".interp")


@value
class DlopenName:
    """A string of the file. `grade` is "literal" for a name with a version (`libfoo.so.1`), "plain" for one without
    (`libfoo.so`, `foo.so`), "path" for an absolute path or one from `$ORIGIN`, and "pattern" for a piece of a name that
    is put together at run time (`%s/%s.so`, `plugins/foo.so`, `.so`)."""

    name: str
    grade: str


def find_dlopen_names(source: ByteSource, elf: ElfFile, imported: frozenset[str]) -> tuple[DlopenName, ...]:
    """The names, each once, in the order of the file; none unless dlopen or dlmopen is `imported`
    (`symbols.imported_names`). Beyond MAX_NAMES, MAX_SEARCH and MAX_CANDIDATES nothing is looked at."""
    if OPENERS.isdisjoint(imported):
        return ()
    found: dict[bytes, str] = {}
    left = MAX_CANDIDATES
    for offset, size in _areas(source, elf):
        first = True
        for piece in pieces(source, offset, size):
            for candidate in _candidates(piece, first=first):
                left -= 1
                if left < 0 or len(found) >= MAX_NAMES:
                    return _values(found)
                if candidate and candidate not in found and (grade := grade_of(candidate)) is not None:
                    found[candidate] = grade
            first = False
    return _values(found)


def _values(found: dict[bytes, str]) -> tuple[DlopenName, ...]:
    return tuple(DlopenName(name.decode("ascii"), grade) for name, grade in found.items())


def grade_of(string: bytes) -> str | None:
    """The grade of a string with ".so" in it, None if it is no name of a library: a sentence, `foo.sock`, `*.so`."""
    stem, _, version = string.rpartition(b".so")
    if version and (version[:1] != b"." or version[1:2].isalpha()):  # "foo.so.conf"; "libfoo.so.1d" is a name
        return None
    path = stem.removeprefix(b"$ORIGIN").removeprefix(b"${ORIGIN}")
    computed = b"%" in string
    if (path + version).translate(None, _NAME + b"%*{}$" if computed else _NAME):
        return None
    if computed or not path or version == b".":
        return "pattern"
    if path[:1] == b"/":
        return "path"
    if b"/" in path or path[:1] not in _STARTS:  # "-linux-gnu.so" is the end of a name
        return "pattern"
    return "literal" if version else "plain"


def _candidates(piece: bytes, *, first: bool) -> Iterator[bytes]:
    """The strings with ".so" in a piece, from behind a byte that is not printable to a NUL; an empty one for what is no
    such string, so that who counts them counts all. One that a piece cuts is whole in the next or the one before."""
    at = piece.find(b".so")
    while at >= 0:
        end = piece.find(b"\0", at, at + MAX_NAME)
        if end < 0:  # too long, or cut
            at = piece.find(b".so", at + MAX_NAME - 3)
            continue
        head = piece[max(end - MAX_NAME - 1, 0) : end]
        string = head[len(head.rstrip(_PRINTABLE)) :]
        whole = len(string) < len(head) or (first and len(head) == end)
        yield string if whole and len(string) >= end - at else b""  # a control character stands behind ".so"
        at = piece.find(b".so", end)


def _areas(source: ByteSource, elf: ElfFile) -> Iterator[tuple[int, int]]:
    """Offset and size of what to search, MAX_SEARCH bytes at most: the read-only data by the section headers, or what
    the segments map and no process may write, without DT_STRTAB and the interpreter."""
    left = min(MAX_SEARCH, source.size)  # areas may lie upon each other
    for offset, size in _by_sections(source) or _by_segments(elf):
        if left > 0:
            yield offset, min(size, left)
        left -= size


def _by_sections(source: ByteSource) -> list[tuple[int, int]]:
    try:
        sections = parse_sections(source)
    except ElfError:  # no loader reads them, so the file may well run
        return []
    return [
        (section.sh_offset, section.sh_size)
        for section in sections
        if section.sh_type == SHT_PROGBITS and section.name not in _NO_STRINGS
        and section.sh_flags & (SHF_WRITE | SHF_ALLOC | SHF_EXECINSTR) == SHF_ALLOC
    ]  # fmt: skip


def _by_segments(elf: ElfFile) -> list[tuple[int, int]]:
    last = dict(elf.entries)
    strings = last.get(DT_STRTAB, 0)
    strings_end = strings + last.get(DT_STRSZ, 0)
    segments = elf.segments
    holes = [(one.p_vaddr, one.p_vaddr + one.p_filesz) for one in segments if one.p_type == PT_INTERP]
    holes = sorted([*holes, (strings, strings_end)])
    areas = []
    for segment in segments:
        if segment.p_type == PT_LOAD and not segment.p_flags & PF_W:
            start, end = segment.p_vaddr, segment.p_vaddr + segment.p_filesz
            for hole, hole_end in (*holes, (end, end)):
                if start < hole <= end:
                    areas.append((segment.p_offset + start - segment.p_vaddr, hole - start))
                if hole <= end:
                    start = max(start, hole_end)
    return areas
