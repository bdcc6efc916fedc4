"""A dynamic section in the layout of `readelf -d -W` (GNU binutils 2.40), for people who know that layout by heart.

Equal byte for byte, but for this: control characters in names are escaped; of the strings of DT_CONFIG and DT_USED,
which no loader reads, the offset is shown; and times (prelink's, IRIX's) are numbers. Opens and prints nothing.
"""

from __future__ import annotations

from needed.elf.model import PT_DYNAMIC
from needed.elf.parse import DT_AUDIT, DT_DEPAUDIT, MAX_STRINGS
from needed.elf.tags import (
    DT_HIOS,
    DT_HIPROC,
    DT_LOOS,
    DT_LOPROC,
    FEATURES,
    FLAGS,
    FLAGS_1,
    MIPS_FLAGS,
    POSITION_FLAGS,
    flag_names,
    tag_name,
)
from needed.report.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from needed.elf import ElfFile

ABSENT = "\nThere is no dynamic section in this file.\n"
_TITLE = "  Tag        Type                         Name/Value\n"
_LABELS = {
    "NEEDED": "Shared library", "SONAME": "Library soname", "RPATH": "Library rpath", "RUNPATH": "Library runpath",
    "AUXILIARY": "Auxiliary library", "FILTER": "Filter library", "CONFIG": "Configuration file",
    "DEPAUDIT": "Dependency audit library", "AUDIT": "Audit library",
}  # fmt: skip
_OUTSIDE = ("AUXILIARY", "FILTER", "CONFIG", "DEPAUDIT", "AUDIT")  # their label stands even before a bare offset
_BYTES = (
    "PLTRELSZ", "RELASZ", "STRSZ", "RELSZ", "RELAENT", "SYMENT", "RELENT", "RELRSZ", "RELRENT", "PLTPADSZ", "MOVEENT",
    "MOVESZ", "INIT_ARRAYSZ", "FINI_ARRAYSZ", "GNU_CONFLICTSZ", "GNU_LIBLISTSZ", "PREINIT_ARRAYSZ",
)  # fmt: skip
_COUNTS = (
    "VERDEFNUM", "VERNEEDNUM", "RELACOUNT", "RELCOUNT", "MIPS_RLD_VERSION", "MIPS_LOCAL_GOTNO", "MIPS_CONFLICTNO",
    "MIPS_LIBLISTNO", "MIPS_SYMTABNO", "MIPS_UNREFEXTNO", "MIPS_HIPAGENO",
    "MIPS_DELTA_CLASS_NO", "MIPS_DELTA_INSTANCE_NO", "MIPS_DELTA_RELOC_NO", "MIPS_DELTA_SYM_NO",
    "MIPS_DELTA_CLASSSYM_NO", "MIPS_COMPACT_SIZE",
)  # fmt: skip
_FLAG_WORDS = {"FLAGS_1": FLAGS_1, "FEATURE": FEATURES, "POSFLAG_1": POSITION_FLAGS}


def render_dynamic(elf_file: ElfFile) -> str:
    """The whole section with its two lines of heading, DT_NULL included."""
    segment = next((s for s in reversed(elf_file.segments) if s.p_type == PT_DYNAMIC), None)
    if segment is None or segment.p_filesz == 0:
        return ABSENT
    rows = list(dynamic_rows(elf_file))
    if (len(rows) + 1) * elf_file.machine.bits // 4 <= segment.p_filesz:  # else no DT_NULL ends it
        rows.append(("NULL", 0, 0, "0x0"))
    digits, width = (16, 19) if elf_file.machine.bits == 64 else (8, 27)
    noun = "entry" if len(rows) == 1 else "entries"
    return "".join((
        f"\nDynamic section at offset 0x{segment.p_offset:x} contains {len(rows)} {noun}:\n",
        _TITLE,
        # A width below zero is C's left alignment: one space, or as many as the width lacks.
        *(
            f" 0x{tag:0{digits}x} ({name}){' ' * max(abs(width - len(name)), 1)}{words}\n"
            for name, tag, _, words in rows
        ),
    ))  # fmt: skip


def dynamic_rows(elf_file: ElfFile) -> tuple[tuple[str, int, int, str], ...]:
    """(name, tag, value, the words of readelf's third column) for each entry before DT_NULL."""
    mask = (1 << elf_file.machine.bits) - 1
    strings = _strings(elf_file)
    rows = []
    for index, (signed, item) in enumerate(elf_file.entries):
        tag = signed & mask
        name = _type(tag, elf_file.machine.e_machine)
        rows.append((name, tag, item, _words(elf_file, name, item, strings.get(index))))
    return tuple(rows)


def _strings(elf_file: ElfFile) -> dict[int, str]:
    """Which entry, by its index, stands for which string. Of a repeated one of a kind the parser keeps the last; of a
    long one that is there thousands of times some go without."""
    dependencies = iter(elf_file.dependencies)
    last = dict(elf_file.entries)
    audits = zip((tag for tag in (DT_AUDIT, DT_DEPAUDIT) if tag in last), elf_file.audit, strict=True)
    single = {14: elf_file.soname, 15: elf_file.rpath, 29: elf_file.runpath, **dict(audits)}
    found: dict[int, str] = {}
    left = MAX_STRINGS
    for index, (tag, item) in enumerate(elf_file.entries):
        text: str | None = None
        match tag_name(tag, 0):
            case "NEEDED" | "FILTER" | "AUXILIARY":
                text = next(dependencies).name
            case "SONAME" | "RPATH" | "RUNPATH" | "AUDIT" | "DEPAUDIT" if last[tag] == item:
                text = single[tag]
        left -= len(text or "")
        if text is not None and left >= 0:
            found[index] = text
    return found


def _type(tag: int, e_machine: int) -> str:
    name = tag_name(tag, e_machine)
    if name is not None:
        return name
    if DT_LOPROC <= tag <= DT_HIPROC:
        return f"Processor Specific: {tag:x}"
    return f"Operating System specific: {tag:x}" if DT_LOOS <= tag <= DT_HIOS else f"<unknown>: {tag:x}"


def _words(elf_file: ElfFile, name: str, item: int, string: str | None) -> str:
    if string is not None:
        words = f"{_LABELS[name]}: [{printable(string)}]"
        return words + " program interpreter" * (name == "NEEDED" and string == elf_file.interpreter)
    if name in _OUTSIDE:
        return f"{_LABELS[name]}: 0x{item:x}"
    if name in _BYTES:
        return f"{item} (bytes)"
    if name in _COUNTS:
        return str(item)
    if name in _FLAG_WORDS:
        known, rest = flag_names(item, _FLAG_WORDS[name])
        return " ".join(("Flags:", *known, *([f"{rest:x}"] if rest else []))) if item else "Flags: None"
    match name:
        case "FLAGS":
            known, rest = flag_names(item, FLAGS)
            return " ".join((*known, *(["unknown"] if rest else [])))
        case "MIPS_FLAGS":
            return " ".join(flag_names(item, MIPS_FLAGS)[0]) if item else "NONE"
        case "PLTREL":
            return _type(item, elf_file.machine.e_machine)
        case "BIND_NOW" | "AARCH64_BTI_PLT" | "AARCH64_PAC_PLT":  # their presence is what counts
            return ""
    return f"0x{item:x}"
