"""What a compiled file really is: read, never believed, and never run.

Static is a program without PT_INTERP and DT_NEEDED (a static-pie has a PT_DYNAMIC all the same), stripped one without
a SHT_SYMTAB, and the release of glibc that it asks for stands in its verneed (gABI; LSB, "Symbol Versioning").
"""

from __future__ import annotations

import os

from needed.elf import parse_elf
from needed.errors import CompileError, ElfError
from needed.toolchain.model import Outcome
from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from needed.elf import ElfFile
    from needed.toolchain.model import Target

MAX_ENTRIES = 50_000  # names looked at where a tool leaves its programs in a folder


@value
class _Opened:
    """A ByteSource on an open file."""

    descriptor: int

    @property
    def size(self) -> int:
        return os.fstat(self.descriptor).st_size

    def read_at(self, offset: int, size: int) -> bytes:
        return os.pread(self.descriptor, size, offset)


def read_outcome(path: str, repeated: bool | None = None) -> tuple[Outcome, ElfFile]:  # noqa: FBT001
    """What the file at `path` says of itself. Raises CompileError if it is no ELF file."""
    from hashlib import sha256

    from needed.elf.sections import SHT_SYMTAB, parse_sections

    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise CompileError(f"the tool chain ended well, but left no program: {error.strerror}") from None
    try:
        source = _Opened(descriptor)
        elf = parse_elf(source)
        stripped = all(section.sh_type != SHT_SYMTAB for section in parse_sections(source))
        digest, size, offset = sha256(), source.size, 0
        while piece := source.read_at(offset, 1 << 20):
            digest.update(piece)
            offset += len(piece)
    except ElfError as error:
        raise CompileError(f"the tool chain made something that is no program: {error.message}") from None
    finally:
        os.close(descriptor)
    outcome = Outcome(
        size, f"sha256:{digest.hexdigest()}", elf.interpreter or "", elf.needed, glibc_of(elf), stripped, repeated
    )
    return outcome, elf


def glibc_of(elf: ElfFile) -> str:
    """The newest release of glibc that `elf` asks for, "2.34", or empty."""
    found = [
        release
        for need in elf.version_needs
        for version in need.versions
        if version not in need.weak and version.startswith("GLIBC_") and (release := numbers(version[6:]))
    ]
    return ".".join(map(str, max(found))) if found else ""


def numbers(release: str) -> tuple[int, ...]:
    """ "2.17" as (2, 17); empty for what is no release, like the PRIVATE of GLIBC_PRIVATE."""
    parts = release.split(".")
    return tuple(map(int, parts)) if all(part.isascii() and part.isdigit() for part in parts) else ()


def check_outcome(outcome: Outcome, elf: ElfFile, target: Target) -> None:
    """Raises CompileError if the program is not what was asked for, naming what was found.

    A static program is what every target can run, so it is right whatever C library was asked for.
    """
    if not _starts(elf):
        raise CompileError(f"what was made is no program: a {elf.linkage}{' file' * (elf.linkage == 'relocatable')}")
    platform = elf.machine.platform
    if platform is None or platform.split("/")[1] != target.platform.architecture:
        raise CompileError(f"what was made is for {elf.machine.name}, not for {target.platform}")
    if not outcome.interpreter and not outcome.needed:
        return
    found = _found(outcome)
    musl = os.path.basename(outcome.interpreter).startswith("ld-musl-")
    if target.libc == "static":
        hint = "--libc musl or --libc glibc compiles it dynamically on purpose"
        raise CompileError(f"what was made is not static: {found}", hints=[hint])
    if target.libc == "musl" and not musl:
        raise CompileError(f"what was made is not for musl: {found}")
    if target.libc == "glibc" and musl:
        raise CompileError(f"what was made is for musl, not for glibc: {found}")
    if target.glibc and numbers(outcome.glibc) > numbers(target.glibc):
        raise CompileError(f"what was made needs glibc {outcome.glibc}, newer than the {target.glibc} asked for")


def _found(outcome: Outcome) -> str:
    interpreter = (
        f"it asks for the interpreter {outcome.interpreter}" if outcome.interpreter else "it has no interpreter"
    )
    return f"{interpreter} and needs {', '.join(outcome.needed) or 'no library'}"


def find_program(product: str, wanted: str) -> str:
    """The program in what a recipe leaves: `product` itself, or the one in that folder (called `wanted`, if there are
    several). Raises CompileError naming them."""
    if not os.path.isdir(product):
        return product
    programs: list[str] = []
    seen = 0
    for folder, folders, names in os.walk(product):
        folders.sort()
        for name in sorted(names):
            seen += 1
            path = os.path.join(folder, name)
            # A plugin may be executable, and without a soname it looks like a static-pie.
            if seen <= MAX_ENTRIES and ".so" not in name and os.access(path, os.X_OK) and _is_program(path):
                programs.append(path)
    named = [path for path in programs if not wanted or os.path.basename(path) == wanted]
    if named and _are_one(named):
        return named[0]
    names = sorted({os.path.basename(path) for path in programs})
    if len(named) > 1 and len({os.path.basename(path) for path in named}) == 1:
        places = ", ".join(os.path.relpath(path, product) for path in named)
        raise CompileError(f"this project makes several programs of one name: {places}")
    if not names:
        raise CompileError("the tool chain ended well, but left no program")
    if wanted:
        raise CompileError(
            f"this project makes no program {wanted}: {', '.join(names)}", hints=[f"--program {names[0]}"]
        )
    raise CompileError(f"this project makes several programs: {', '.join(names)}", hints=[f"--program {names[0]}"])


def _are_one(paths: list[str]) -> bool:
    """Whether it is the same program each time: once where it was linked, and once where it was installed."""
    from filecmp import cmp

    return all(os.path.basename(path) == os.path.basename(paths[0]) for path in paths) and all(
        cmp(paths[0], path, shallow=False) for path in paths[1:]
    )


def _is_program(path: str) -> bool:
    """A regular file that is a program."""
    if os.path.islink(path) or not os.path.isfile(path):
        return False
    try:
        with open(path, "rb") as file:
            elf = parse_elf(_Opened(file.fileno()))
    except (OSError, ElfError):
        return False
    return _starts(elf)


def _starts(elf: ElfFile) -> bool:
    """Whether a kernel would start it. A static-pie of a linker that sets no DF_1_PIE looks like a library without a
    name."""
    return elf.linkage in ("dynamic", "static", "static-pie") or (elf.linkage == "shared object" and elf.soname is None)
