"""What `needed inspect` says of one file: text for people, an object for programs. Opens and prints nothing."""

from __future__ import annotations

from needed.elf.mapping import mapping_problem
from needed.report.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.elf import ElfFile
    from needed.elf.provenance import Provenance
    from needed.root import Entry

_WIDTH = 13  # the longest label and two spaces
_LANGUAGES = {"go": "Go", "rust": "Rust"}
ET_CORE = 4


def render_text(
    name: str, elf_file: ElfFile, provenance: Provenance, entry: Entry, closure: str | None = None
) -> str:
    """The file's name and a line for each thing that there is to say, ended by a newline; `closure` is what is known of
    all that it can load."""
    rows = [
        ("machine", elf_file.machine.name),
        ("processor", f"{provenance.isa_level} or better" if provenance.isa_level not in (None, "x86-64") else None),
        ("linkage", _linkage(elf_file)),
        ("C library", _libc(provenance)),
        ("interpreter", elf_file.interpreter),
        ("needed", ", ".join(elf_file.needed) or None),
        ("filter", ", ".join(item.name for item in elf_file.dependencies if item.tag != "NEEDED") or None),
        ("audit", ", ".join(elf_file.audit) or None),
        ("closure", closure),
        ("soname", elf_file.soname),
        ("rpath", elf_file.rpath),
        ("runpath", elf_file.runpath),
        ("language", _language(provenance)),
        ("stripped", {True: "yes", False: "no", None: "unknown (damaged section headers)"}[provenance.stripped]),
        ("setuid", "yes" if entry.mode & 0o4000 else None),
        ("setgid", "yes" if entry.mode & 0o2000 else None),
        *(("warning", text) for text in _warnings(elf_file, provenance, entry)),
    ]
    lines = [f"  {label:{_WIDTH}}{printable(words)}\n" for label, words in rows if words is not None]
    return "".join((printable(name) + "\n", *lines))


def render_object(name: str, elf_file: ElfFile, provenance: Provenance, entry: Entry) -> dict[str, object]:
    """The same as a JSON object. Its keys are always there; null stands for what the file does not have."""
    return {
        "file": name,
        "size": entry.size,
        "machine": elf_file.machine.name,
        "platform": elf_file.machine.platform,
        "isa_level": provenance.isa_level,
        "linkage": _linkage(elf_file),
        "libc": _named(provenance.libc, provenance.libc_version),
        "interpreter": elf_file.interpreter,
        "needed": list(elf_file.needed),
        "audit": list(elf_file.audit),
        "soname": elf_file.soname,
        "rpath": elf_file.rpath,
        "runpath": elf_file.runpath,
        "language": _named(provenance.language, provenance.language_version),
        "stripped": provenance.stripped,
        "setuid": bool(entry.mode & 0o4000),
        "setgid": bool(entry.mode & 0o2000),
        "warnings": list(_warnings(elf_file, provenance, entry)),
    }


def _warnings(elf_file: ElfFile, provenance: Provenance, entry: Entry) -> Iterator[str]:
    """What the file asks for and will not get."""
    problem = mapping_problem(elf_file, entry.size)
    if problem:
        yield problem
    if entry.mode & 0o6000 and provenance.libc != "musl":
        # glibc elf/dl-load.c, _dl_dst_substitute and fillin_rpath; musl's fixup_rpath replaces it all the same.
        search = elf_file.rpath if elf_file.runpath is None else elf_file.runpath
        if any(token in text for text in (search or "", *elf_file.needed) for token in ("$ORIGIN", "${ORIGIN}")):
            yield "setuid or setgid: $ORIGIN is ignored unless it leads to a trusted directory, see ld.so(8)"


def _named(name: str | None, version: str | None) -> dict[str, str | None] | None:
    return None if name is None else {"name": name, "version": version}


def _linkage(elf_file: ElfFile) -> str:
    return "core" if elf_file.e_type == ET_CORE else elf_file.linkage


def _libc(provenance: Provenance) -> str:
    if provenance.libc is None:
        return "none"
    version = provenance.libc_version
    return provenance.libc if version is None else f"{provenance.libc} {version} or newer"


def _language(provenance: Provenance) -> str | None:
    if provenance.language is None:
        return None
    return " ".join(filter(None, (_LANGUAGES[provenance.language], provenance.language_version)))
