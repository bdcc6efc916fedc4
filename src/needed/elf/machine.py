"""What two files must share to be loaded together: class, byte order, `e_machine` and the ABI bits of `e_flags`."""

from __future__ import annotations

from needed.value import value

EM_386, EM_PPC, EM_PPC64, EM_S390, EM_ARM, EM_X86_64, EM_AARCH64, EM_RISCV, EM_LOONGARCH, EM_MIPS, EM_SPARCV9 = (
    3, 20, 21, 22, 40, 62, 183, 243, 258, 8, 43,
)  # fmt: skip

# (e_machine, bits, byte order, ABI) -> the name that distributions and toolchains use.
_NAMES = {
    (EM_X86_64, 64, "little"): "x86-64",
    (EM_X86_64, 32, "little"): "x32",
    (EM_386, 32, "little"): "i386",
    (EM_AARCH64, 64, "little"): "arm64",
    (EM_AARCH64, 64, "big"): "arm64-be",
    (EM_ARM, 32, "little"): "arm",
    (EM_ARM, 32, "big"): "arm-be",
    (EM_RISCV, 64, "little"): "riscv64",
    (EM_RISCV, 32, "little"): "riscv32",
    (EM_PPC64, 64, "little"): "ppc64le",
    (EM_PPC64, 64, "big"): "ppc64",
    (EM_PPC, 32, "big"): "powerpc",
    (EM_S390, 64, "big"): "s390x",
    (EM_S390, 32, "big"): "s390",
    (EM_MIPS, 64, "little"): "mips64el",
    (EM_MIPS, 64, "big"): "mips64",
    (EM_MIPS, 32, "little"): "mipsel",
    (EM_MIPS, 32, "big"): "mips",
    (EM_LOONGARCH, 64, "little"): "loongarch64",
    (EM_SPARCV9, 64, "big"): "sparc64",
}

# OCI image-spec, "Platform": GOARCH and GOARM values of Go's documentation.
PLATFORMS = {
    "x86-64": "amd64",
    "x32": "amd64",
    "i386": "386",
    "arm64": "arm64/v8",
    "armhf": "arm/v7",
    "armel": "arm/v5",
    "arm": "arm/v7",
    "riscv64": "riscv64",
    "ppc64le": "ppc64le",
    "ppc64": "ppc64",
    "s390x": "s390x",
    "mips64el": "mips64le",
    "mips64": "mips64",
    "mipsel": "mipsle",
    "mips": "mips",
    "loongarch64": "loong64",
    "sparc64": "sparc64",
}


@value
class Machine:
    """`bits` is 32 or 64, `byteorder` "little" or "big"; `abi` is "" where `e_flags` say nothing that matters."""

    bits: int
    byteorder: str
    e_machine: int
    abi: str = ""

    @property
    def name(self) -> str:
        """The short name in use: "x86-64", "armhf", "s390x"; "machine 999" for one without a name here."""
        name = _NAMES.get((self.e_machine, self.bits, self.byteorder))
        if name is None:
            return f"machine {self.e_machine} ({self.bits}-bit, {self.byteorder}-endian)"
        if self.e_machine == EM_ARM and self.byteorder == "little":
            return {"hard-float": "armhf", "soft-float": "armel"}.get(self.abi, name)
        return name

    @property
    def platform(self) -> str | None:
        """ "linux/arm64/v8" and the like in image-spec's words, or None for a machine that has no such name."""
        architecture = PLATFORMS.get(self.name)
        return None if architecture is None else f"linux/{architecture}"

    def loads(self, other: Machine) -> bool:
        """Whether a process of this machine can map `other`.

        glibc's `elf_machine_matches_host` and `elf_machine_reject_phdr_p` look at the float ABI on RISC-V and at the
        ABI on MIPS and ppc64, but not on ARM; "no flag" is compatible with each ppc64 ABI.
        """
        if (self.bits, self.byteorder, self.e_machine) != (other.bits, other.byteorder, other.e_machine):
            return False
        if self.e_machine == EM_ARM or (self.e_machine == EM_PPC64 and "" in (self.abi, other.abi)):
            return True
        return self.abi == other.abi


def abi_of(e_machine: int, e_flags: int) -> str:
    """The ABI that `e_flags` state, in words (processor supplements; binutils' include/elf/*.h)."""
    match e_machine:
        case 40:  # EM_ARM: EF_ARM_ABI_FLOAT_HARD, EF_ARM_ABI_FLOAT_SOFT
            return "hard-float" if e_flags & 0x400 else "soft-float" if e_flags & 0x200 else ""
        case 243:  # EM_RISCV: EF_RISCV_FLOAT_ABI (bits 1..2), EF_RISCV_RVE
            name = ("soft-float", "single-float", "double-float", "quad-float")[e_flags >> 1 & 3]
            return name + "+rve" * bool(e_flags & 8)
        case 21:  # EM_PPC64: EF_PPC64_ABI
            return ("", "ELFv1", "ELFv2", "ABI 3")[e_flags & 3]
        case 258:  # EM_LOONGARCH: EF_LOONGARCH_ABI_MODIFIER_MASK
            return ("", "soft-float", "single-float", "double-float")[e_flags & 3] if e_flags & 7 < 4 else ""
        case 8:  # EM_MIPS: EF_MIPS_ABI2 (n32), EF_MIPS_ABI (o32 = 1), EF_MIPS_NAN2008, EF_MIPS_FP64
            name = "n32" if e_flags & 0x20 else "o32" if e_flags & 0xF000 == 0x1000 else "n64"
            return name + "+nan2008" * bool(e_flags & 0x400) + "+fp64" * bool(e_flags & 0x200)
    return ""
