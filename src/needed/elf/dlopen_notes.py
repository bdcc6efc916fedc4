"""The libraries that a file says it opens with dlopen: the note `.note.dlopen`.

Follows "ELF dlopen metadata" of the UAPI Group (note type 0x407c0c0a, owner "FDO", a JSON array of objects in each).
Decides nothing about what a priority is worth, and does not look whether the file calls dlopen.
"""

from __future__ import annotations

from struct import Struct

from needed.elf.model import PT_NOTE
from needed.elf.sections import parse_sections
from needed.errors import ElfError
from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.elf.model import ByteSource, ElfFile

NOTE_TYPE, OWNER = 0x407C0C0A, b"FDO\0"
PRIORITIES = ("required", "recommended", "suggested")
SHT_NOTE = 7
MAX_NOTES_SIZE = 1 << 20  # bytes of notes that are read of one file
MAX_AREAS = 64  # segments and sections with notes
MAX_DLOPEN_NOTES = 1000
MAX_SONAME = 256
MAX_TEXT = 4096


@value
class DlopenNote:
    """What is wanted together for a feature: any one of `sonames`, the first that is there.

    `priority` is "required" (nothing works without), "recommended" or "suggested". `feature` is a keyword and
    `description` a sentence; both may be missing.
    """

    sonames: tuple[str, ...]
    priority: str
    feature: str | None = None
    description: str | None = None


def parse_dlopen_notes(source: ByteSource, elf: ElfFile) -> tuple[DlopenNote, ...]:
    """The entries of all notes, in the order of the file. Raises ElfError if such a note is damaged."""
    found: list[DlopenNote] = []
    for content in _descriptions(source, elf):
        found += _entries(content)
        if len(found) > MAX_DLOPEN_NOTES:
            raise ElfError(f"malformed: .note.dlopen with more than {MAX_DLOPEN_NOTES} entries")
    return tuple(found)


def _descriptions(source: ByteSource, elf: ElfFile) -> list[bytes]:
    """The JSON texts, by their place in the file: a note in a segment is mostly in a section as well."""
    by_place: dict[int, bytes] = {}
    left = MAX_NOTES_SIZE
    for offset, size in dict.fromkeys(_areas(source, elf)):
        if offset >= source.size:
            continue
        if size > left:
            raise ElfError(f"malformed: more than {MAX_NOTES_SIZE} bytes of notes")
        left -= size
        content = source.read_at(offset, size)
        by_place.update((offset + at, text) for at, text in _notes(content, elf.machine.byteorder))
    return [by_place[place] for place in sorted(by_place)]


def _areas(source: ByteSource, elf: ElfFile) -> Iterator[tuple[int, int]]:
    """Offset and size of what holds notes. The specification has them in a segment, and objcopy puts them nowhere."""
    areas = [(segment.p_offset, segment.p_filesz) for segment in elf.segments if segment.p_type == PT_NOTE]
    try:
        sections = parse_sections(source)
    except ElfError:  # no loader reads them, so the file may well run
        sections = ()
    areas += [
        (section.sh_offset, section.sh_size)
        for section in sections
        if section.name == ".note.dlopen" and not any(at <= section.sh_offset < at + size for at, size in areas)
    ]
    return iter(areas[:MAX_AREAS])


def _notes(content: bytes, byteorder: str) -> Iterator[tuple[int, bytes]]:
    """Place and description of each dlopen note in an area (gABI, "Note Section"); the others are stepped over.

    Both fields are padded to 4 bytes, in 64-bit files as well. Where the one note that is not (NT_GNU_PROPERTY_TYPE_0)
    stands, its size is a multiple of 8.
    """
    header = Struct("<III" if byteorder == "little" else ">III")
    at = 0
    while at + header.size <= len(content):
        namesz, descsz, kind = header.unpack_from(content, at)
        name_at = at + header.size
        start = name_at + (namesz + 3 & ~3)
        if kind == NOTE_TYPE and content[name_at : name_at + namesz] == OWNER:
            if start + descsz > len(content):
                raise ElfError(f"malformed: .note.dlopen of {descsz} bytes, of which {len(content) - start} are there")
            yield at, content[start : start + descsz]
        at = start + (descsz + 3 & ~3)


def _entries(content: bytes) -> Iterator[DlopenNote]:
    from json import loads

    try:
        text = content.partition(b"\0")[0].decode()
        entries = loads(text)
        if not isinstance(entries, list):
            raise ElfError("malformed: .note.dlopen is not a JSON array")
        for entry in entries:
            sonames = entry.get("soname") if isinstance(entry, dict) else None
            if not isinstance(sonames, list) or not sonames or not all(map(_is_soname, sonames)):
                raise ElfError('malformed: an entry of .note.dlopen without an array of names "soname"')
            priority = entry.get("priority")
            # What the specification has a reader assume where it is not said. A later one may know more words.
            priority = priority if priority in PRIORITIES else "recommended"
            yield DlopenNote(tuple(sonames), priority, _text(entry.get("feature")), _text(entry.get("description")))
    except (ValueError, RecursionError) as problem:
        raise ElfError("malformed: .note.dlopen is not JSON") from problem


def _is_soname(name: object) -> bool:
    return isinstance(name, str) and 0 < len(name) <= MAX_SONAME and name.isprintable()


def _text(text: object) -> str | None:
    """A text for people; one with control characters, which the specification forbids, is not there."""
    return text if isinstance(text, str) and len(text) <= MAX_TEXT and text.isprintable() else None
