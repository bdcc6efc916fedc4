"""ELF files as bytes, for any machine of the oracle: what a loader maps and lists, without a compiler.

One segment over the whole file, a dynamic section, an empty symbol table; no code. A loader that is asked for a list
never runs them. gABI chapters 4 and 5.
"""

from __future__ import annotations

from struct import pack

from needed.value import value

_EM = {"i386": 3, "ppc64el": 21, "s390x": 22, "armhf": 40, "amd64": 62, "arm64": 183, "riscv64": 243}
_FLAGS = {"armhf": 0x05000400, "ppc64el": 2, "riscv64": 5}  # EABI 5 with hard float; ELFv2; compressed and double float
_NARROW = ("i386", "armhf")
_BIG = ("s390x",)
_DT = {"NEEDED": 1, "SONAME": 14, "RPATH": 15, "RUNPATH": 29, "AUXILIARY": 0x7FFFFFFD, "FILTER": 0x7FFFFFFF}
_DT_FLAGS_1 = 0x6FFFFFFB
_PAGE = 0x10000  # the largest page of these machines


@value
class Elf:
    """A file to craft: `entries` are (tag, string) in their order, with the tags' names without DT_; a `program` has
    an interpreter; segments of the types `without` are PT_NULL; `patches` are (offset, bytes) to put over the finished
    file, which ends at `length` if that is not 0."""

    entries: tuple[tuple[str, str], ...] = ()
    flags_1: int = 0
    e_type: int = 3
    program: bool = False
    without: tuple[int, ...] = ()
    patches: tuple[tuple[int, bytes], ...] = ()
    length: int = 0


@value
class Target:
    """Debian's `architecture`, and the `interpreter` of its programs."""

    architecture: str
    interpreter: str


def craft(elf: Elf, target: Target) -> bytes:
    """The file's bytes."""
    architecture = target.architecture
    wide, mark = architecture not in _NARROW, ">" if architecture in _BIG else "<"
    word, size = ("Q", 8) if wide else ("I", 4)
    header, entry = (64, 56) if wide else (52, 32)
    names, offsets = b"\0", []
    for tag, text in elf.entries:
        offsets.append((_DT[tag], len(names)))
        names += text.encode() + b"\0"
    interp = target.interpreter.encode() + b"\0" if elf.program else b""
    count = 4 if elf.program else 3
    interp_at = header + entry * count
    names_at = interp_at + len(interp)
    symbols_at = names_at + len(names) + 7 & ~7
    hash_at = symbols_at + 24
    # The words of DT_HASH are 64 bits wide on s390x, against the gABI.
    table = pack(f"{mark}4{'Q' if architecture == 's390x' else 'I'}", 1, 1, 0, 0)
    dynamic_at = hash_at + len(table)
    pairs = [*offsets, (5, names_at), (10, len(names)), (6, symbols_at), (11, 24 if wide else 16), (4, hash_at)]
    pairs += [(_DT_FLAGS_1, elf.flags_1)] if elf.flags_1 else []
    dynamic = b"".join(pack(f"{mark}2{word}", *pair) for pair in [*pairs, (0, 0)])
    whole = dynamic_at + len(dynamic)

    def segment(p_type: int, flags: int, offset: int, length: int, align: int) -> bytes:
        p_type = 0 if p_type in elf.without else p_type
        if wide:
            return pack(f"{mark}II6Q", p_type, flags, offset, offset, offset, length, length, align)
        return pack(f"{mark}8I", p_type, offset, offset, offset, length, length, flags, align)

    segments = segment(1, 6, 0, whole, _PAGE) + segment(2, 6, dynamic_at, len(dynamic), size)
    segments += segment(0x6474E551, 6, 0, 0, 16)  # PT_GNU_STACK: without it an executable stack is asked for
    if elf.program:
        segments += segment(3, 4, interp_at, len(interp), 1)
    ident = b"\x7fELF" + bytes((2 if wide else 1, 2 if mark == ">" else 1, 1)) + bytes(9)
    fields = (
        elf.e_type,
        _EM[architecture],
        1,
        0,
        header,
        0,
        _FLAGS.get(architecture, 0),
        header,
        entry,
        count,
        0,
        0,
        0,
    )
    head = ident + pack(f"{mark}HHI3{word}I6H", *fields)
    body = (head + segments + interp + names).ljust(symbols_at, b"\0") + bytes(24) + table + dynamic
    for at, content in elf.patches:
        body = body[:at] + content + body[at + len(content) :]
    return body[: elf.length] if elf.length else body
