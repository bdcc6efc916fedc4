"""Which relocation types ask for a symbol, and how they ask: per machine, as glibc's `dl-machine.h` sorts them.

Numbers are those of glibc's elf/elf.h and the processor supplements. What is written to the relocated place is nobody's
business here.
"""

from __future__ import annotations

from needed.elf.machine import (
    EM_386,
    EM_AARCH64,
    EM_ARM,
    EM_LOONGARCH,
    EM_MIPS,
    EM_PPC,
    EM_PPC64,
    EM_RISCV,
    EM_S390,
    EM_SPARCV9,
    EM_X86_64,
)
from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from needed.elf.machine import Machine

# How a reference is looked up (`elf_machine_type_class`). PLT: an undefined symbol with a value, which is a program's
# PLT entry, is no definition. COPY: neither is anything in the program itself.
ORDINARY, PLT, COPY = 0, 1, 2


@value
class RelocationTypes:
    """`plt` are the types of class PLT, `copy` the one of class COPY; `silent` ask for no symbol.

    `jump_slot` is left for the first call in lazy binding, with what else such a table holds but `descriptor` (TLS
    descriptors are made at once).
    """

    plt: frozenset[int]
    copy: int
    silent: frozenset[int]
    jump_slot: int
    descriptor: int = -1


def _types(copy: int, jump_slot: int, tls: tuple[int, ...], silent: tuple[int, ...], descriptor: int = -1) -> (
    RelocationTypes
):  # fmt: skip
    plt = frozenset((jump_slot, *tls, *((descriptor,) if descriptor >= 0 else ())))
    return RelocationTypes(plt, copy, frozenset((0, *silent)), jump_slot, descriptor)


# copy, jump slot, TLS types, relative types, TLS descriptor; NONE is 0 everywhere.
_BY_MACHINE = {
    EM_X86_64: _types(5, 7, (16, 17, 18), (8, 37, 38), 36),
    EM_386: _types(5, 7, (14, 35, 36, 37), (8, 42), 41),
    EM_AARCH64: _types(1024, 1026, (1028, 1029, 1030), (1027, 1032), 1031),
    EM_ARM: _types(20, 22, (17, 18, 19), (23, 160), 13),
    EM_RISCV: _types(4, 5, (6, 7, 8, 9, 10, 11), (3, 58), 12),
    EM_LOONGARCH: _types(4, 5, (6, 7, 8, 9, 10, 11), (3, 12), 14),
    EM_S390: _types(9, 11, (54, 55, 56), (12, 61)),
    EM_PPC: _types(19, 21, (2, 10, *range(68, 79)), (22, 248)),
    EM_PPC64: _types(19, 21, (2, *range(67, 107), *range(112, 116)), (22, 247, 248)),
    EM_SPARCV9: _types(19, 21, tuple(range(74, 80)), (22, 249)),
    # REL32 (3) and GLOB_DAT (51) take what the global GOT got; all else but these is refused.
    EM_MIPS: _types(126, 127, (), (2, 3, 18, 51)),
}
_UNKNOWN = RelocationTypes(frozenset(), -1, frozenset((0,)), -1)


def relocation_types(machine: Machine) -> RelocationTypes:
    """The types of `machine`; for one without a name here all types but 0 are ordinary references."""
    types = _BY_MACHINE.get(machine.e_machine, _UNKNOWN)
    if machine.e_machine == EM_PPC64 and machine.abi != "ELFv2":
        # ELFv1: no SHN_UNDEF symbol with a value, so each lookup is of class PLT (powerpc64/dl-machine.h).
        return RelocationTypes(frozenset(range(256)) - {types.copy}, types.copy, types.silent, types.jump_slot)
    return types
