"""What dynamic tags and their flag bits are called: the words of `elf.h` without `DT_` and `DF_`.

Sources: gABI "Dynamic Section", glibc's elf/elf.h, the processor supplements. Knows no file and no layout of a report.
"""

from __future__ import annotations

_FIRST = (
    "NULL", "NEEDED", "PLTRELSZ", "PLTGOT", "HASH", "STRTAB", "SYMTAB", "RELA", "RELASZ", "RELAENT", "STRSZ", "SYMENT",
    "INIT", "FINI", "SONAME", "RPATH", "SYMBOLIC", "REL", "RELSZ", "RELENT", "PLTREL", "DEBUG", "TEXTREL", "JMPREL",
    "BIND_NOW", "INIT_ARRAY", "FINI_ARRAY", "INIT_ARRAYSZ", "FINI_ARRAYSZ", "RUNPATH", "FLAGS",
)  # fmt: skip
_GENERIC = dict(enumerate(_FIRST)) | {
    0x20: "PREINIT_ARRAY", 0x21: "PREINIT_ARRAYSZ", 0x22: "SYMTAB_SHNDX", 0x23: "RELRSZ", 0x24: "RELR", 0x25: "RELRENT",
    0x6FFFFDF5: "GNU_PRELINKED", 0x6FFFFDF6: "GNU_CONFLICTSZ", 0x6FFFFDF7: "GNU_LIBLISTSZ", 0x6FFFFDF8: "CHECKSUM",
    0x6FFFFDF9: "PLTPADSZ", 0x6FFFFDFA: "MOVEENT", 0x6FFFFDFB: "MOVESZ", 0x6FFFFDFC: "FEATURE", 0x6FFFFDFD: "POSFLAG_1",
    0x6FFFFDFE: "SYMINSZ", 0x6FFFFDFF: "SYMINENT", 0x6FFFFEF5: "GNU_HASH", 0x6FFFFEF6: "TLSDESC_PLT",
    0x6FFFFEF7: "TLSDESC_GOT", 0x6FFFFEF8: "GNU_CONFLICT", 0x6FFFFEF9: "GNU_LIBLIST", 0x6FFFFEFA: "CONFIG",
    0x6FFFFEFB: "DEPAUDIT", 0x6FFFFEFC: "AUDIT", 0x6FFFFEFD: "PLTPAD", 0x6FFFFEFE: "MOVETAB", 0x6FFFFEFF: "SYMINFO",
    0x6FFFFFF0: "VERSYM", 0x6FFFFFF9: "RELACOUNT", 0x6FFFFFFA: "RELCOUNT", 0x6FFFFFFB: "FLAGS_1", 0x6FFFFFFC: "VERDEF",
    0x6FFFFFFD: "VERDEFNUM", 0x6FFFFFFE: "VERNEED", 0x6FFFFFFF: "VERNEEDNUM", 0x7FFFFFFD: "AUXILIARY",
    0x7FFFFFFE: "USED", 0x7FFFFFFF: "FILTER",
}  # fmt: skip

# e_machine -> tags from DT_LOPROC on, by their distance from it.
_PROCESSOR = {
    183: {1: "AARCH64_BTI_PLT", 3: "AARCH64_PAC_PLT", 5: "AARCH64_VARIANT_PCS"},
    20: {0: "PPC_GOT", 1: "PPC_OPT"},
    21: {0: "PPC64_GLINK", 1: "PPC64_OPD", 2: "PPC64_OPDSZ", 3: "PPC64_OPT"},
    43: {1: "SPARC_REGISTER"},
    243: {1: "RISCV_VARIANT_CC"},
    8: {
        0x01: "MIPS_RLD_VERSION", 0x02: "MIPS_TIME_STAMP", 0x03: "MIPS_ICHECKSUM", 0x04: "MIPS_IVERSION",
        0x05: "MIPS_FLAGS", 0x06: "MIPS_BASE_ADDRESS", 0x07: "MIPS_MSYM", 0x08: "MIPS_CONFLICT", 0x09: "MIPS_LIBLIST",
        0x0A: "MIPS_LOCAL_GOTNO", 0x0B: "MIPS_CONFLICTNO", 0x10: "MIPS_LIBLISTNO", 0x11: "MIPS_SYMTABNO",
        0x12: "MIPS_UNREFEXTNO", 0x13: "MIPS_GOTSYM", 0x14: "MIPS_HIPAGENO", 0x16: "MIPS_RLD_MAP",
        0x17: "MIPS_DELTA_CLASS", 0x18: "MIPS_DELTA_CLASS_NO", 0x19: "MIPS_DELTA_INSTANCE",
        0x1A: "MIPS_DELTA_INSTANCE_NO", 0x1B: "MIPS_DELTA_RELOC", 0x1C: "MIPS_DELTA_RELOC_NO", 0x1D: "MIPS_DELTA_SYM",
        0x1E: "MIPS_DELTA_SYM_NO", 0x20: "MIPS_DELTA_CLASSSYM", 0x21: "MIPS_DELTA_CLASSSYM_NO", 0x22: "MIPS_CXX_FLAGS",
        0x23: "MIPS_PIXIE_INIT", 0x24: "MIPS_SYMBOL_LIB", 0x25: "MIPS_LOCALPAGE_GOTIDX", 0x26: "MIPS_LOCAL_GOTIDX",
        0x27: "MIPS_HIDDEN_GOTIDX", 0x28: "MIPS_PROTECTED_GOTIDX", 0x29: "MIPS_OPTIONS", 0x2A: "MIPS_INTERFACE",
        0x2B: "MIPS_DYNSTR_ALIGN", 0x2C: "MIPS_INTERFACE_SIZE", 0x2D: "MIPS_RLD_TEXT_RESOLVE_ADDR",
        0x2E: "MIPS_PERF_SUFFIX", 0x2F: "MIPS_COMPACT_SIZE", 0x30: "MIPS_GP_VALUE", 0x31: "MIPS_AUX_DYNAMIC",
        0x32: "MIPS_PLTGOT", 0x34: "MIPS_RWPLT", 0x35: "MIPS_RLD_MAP_REL", 0x36: "MIPS_XHASH",
    },
}  # fmt: skip

DT_LOOS, DT_HIOS, DT_LOPROC, DT_HIPROC = 0x6000000D, 0x6FFFF000, 0x70000000, 0x7FFFFFFF

# Bit -> word, lowest first: DF_* of DT_FLAGS, DF_1_* of DT_FLAGS_1, DTF_1_* of DT_FEATURE, DF_P1_* of DT_POSFLAG_1.
FLAGS = {1: "ORIGIN", 2: "SYMBOLIC", 4: "TEXTREL", 8: "BIND_NOW", 16: "STATIC_TLS"}
_WORDS_1 = (
    "NOW", "GLOBAL", "GROUP", "NODELETE", "LOADFLTR", "INITFIRST", "NOOPEN", "ORIGIN", "DIRECT", "TRANS", "INTERPOSE",
    "NODEFLIB", "NODUMP", "CONFALT", "ENDFILTEE", "DISPRELDNE", "DISPRELPND", "NODIRECT", "IGNMULDEF", "NOKSYMS",
    "NOHDR", "EDITED", "NORELOC", "SYMINTPOSE", "GLOBAUDIT", "SINGLETON", "STUB", "PIE", "KMOD", "WEAKFILTER",
    "NOCOMMON",
)  # fmt: skip
FLAGS_1 = {1 << bit: word for bit, word in enumerate(_WORDS_1)}
FEATURES = {1: "PARINIT", 2: "CONFEXP"}
POSITION_FLAGS = {1: "LAZYLOAD", 2: "GROUPPERM"}
_MIPS_WORDS = (
    "QUICKSTART", "NOTPOT", "NO_LIBRARY_REPLACEMENT", "NO_MOVE", "SGI_ONLY", "GUARANTEE_INIT", "DELTA_C_PLUS_PLUS",
    "GUARANTEE_START_INIT", "PIXIE", "DEFAULT_DELAY_LOAD", "REQUICKSTART", "REQUICKSTARTED", "CORD", "NO_UNRES_UNDEF",
    "RLD_ORDER_SAFE",
)  # fmt: skip
MIPS_FLAGS = {1 << bit: word for bit, word in enumerate(_MIPS_WORDS)}


def tag_name(tag: int, e_machine: int) -> str | None:
    """The name of the tag, "NEEDED" and the like, or None for one without a name here. `tag` is unsigned."""
    name = _GENERIC.get(tag)
    return name if name is not None else _PROCESSOR.get(e_machine, {}).get(tag - DT_LOPROC)


def flag_names(flags: int, words: dict[int, str]) -> tuple[tuple[str, ...], int]:
    """The words of the set bits, lowest bit first, and what is left of `flags` without a word."""
    names = tuple(word for bit, word in words.items() if flags & bit)
    return names, flags & ~sum(words)
