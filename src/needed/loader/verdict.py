"""What a loader makes of a file that it has opened as a candidate: take it, pass it over, or give up the start.

glibc: `open_verify` and `_dl_map_object_from_fd` of elf/dl-load.c; another class or machine is passed over, everything
else that is wrong is fatal, even if a later directory has a good file. musl: `map_library` of ldso/dynlink.c, which
looks at less and passes nothing over.
"""

from __future__ import annotations

from needed.elf import is_elf, parse_machine
from needed.elf.model import DF_1_PIE, ET_DYN, ET_EXEC
from needed.errors import ElfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from needed.elf import ElfFile, Machine

# Outcomes of an Attempt; what begins with NOT_LOADABLE ends a start.
FOUND, ABSENT, UNREADABLE, LOOP = "found", "absent", "not readable", "a loop of links"
RELATIVE = "relative: not looked at"
WRONG_MACHINE, NOT_LOADABLE = "wrong machine", "not loadable"

ELFOSABI_SYSV, ELFOSABI_GNU = 0, 3
EM_386, EM_MIPS, EM_PPC64, EM_X86_64 = 3, 8, 21, 62
# LIBC_ABI_MAX (libc-abis): what EI_ABIVERSION must be below. MIPS marks its own on SYSV files too (dl-machine.h).
_ABI_MAX = {EM_386: 4, EM_X86_64: 4, EM_PPC64: 4, EM_MIPS: 6}


def glibc_verdict(elf: ElfFile, wanted: Machine) -> str:
    """The outcome for a whole ELF file in a process of `wanted`."""
    problem = _header_problem(elf.ident, elf.machine, wanted)
    if problem:
        return problem
    if elf.e_type not in (ET_DYN, ET_EXEC):
        return f"{NOT_LOADABLE}: neither ET_DYN nor ET_EXEC"
    if elf.e_type == ET_EXEC or elf.flags_1 & DF_1_PIE:
        return f"{NOT_LOADABLE}: a program, no library"
    return FOUND if elf.dynamic else f"{NOT_LOADABLE}: no dynamic section"


def glibc_damaged(head: bytes, error: ElfError, wanted: Machine) -> str:
    """The outcome for a file that `error` says is no whole ELF file. Its class and machine are looked at first."""
    if len(head) < (64 if wanted.bits == 64 else 52) or not is_elf(head):
        return f"{NOT_LOADABLE}: {error.message}"
    if head[4] != (2 if wanted.bits == 64 else 1):
        return f"{WRONG_MACHINE}: ELF class {head[4]}"
    try:
        problem = _header_problem(head[:16], parse_machine(head), wanted)
    except ElfError:
        problem = ""
    return problem or f"{NOT_LOADABLE}: {error.message}"


def musl_verdict(elf: ElfFile, wanted: Machine) -> str:
    """The outcome for a whole ELF file: musl does not look at the machine, so that one of another breaks the start."""
    if not wanted.loads(elf.machine):
        return f"{NOT_LOADABLE}: {_foreign(elf.machine, wanted)}"
    if elf.e_type not in (ET_DYN, ET_EXEC) or not elf.dynamic:
        return f"{NOT_LOADABLE}: no dynamic section"
    return FOUND


def _header_problem(ident: bytes, machine: Machine, wanted: Machine) -> str:
    """The outcome for a header that glibc does not take, "" for one that it does, in the order of `open_verify`."""
    if machine.bits != wanted.bits:
        return _foreign(machine, wanted)
    if machine.byteorder != wanted.byteorder:
        return f"{NOT_LOADABLE}: {machine.byteorder}-endian"
    osabi, version = ident[7], ident[8]
    if osabi not in (ELFOSABI_SYSV, ELFOSABI_GNU):  # on ARM too, whose ELFOSABI_ARM is for programs without a system
        return f"{NOT_LOADABLE}: for another operating system (EI_OSABI {osabi})"
    known = osabi == ELFOSABI_GNU or wanted.e_machine == EM_MIPS
    if version and (version >= _ABI_MAX.get(wanted.e_machine, 3) or not known):
        return f"{NOT_LOADABLE}: ABI version {version}"
    if any(ident[9:]):
        return f"{NOT_LOADABLE}: padding of e_ident that is not zero"
    return "" if wanted.loads(machine) else _foreign(machine, wanted)


def _foreign(machine: Machine, wanted: Machine) -> str:
    return f"{WRONG_MACHINE}: {machine.name if machine.name != wanted.name else 'another ABI'}"
