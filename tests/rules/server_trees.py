"""Roots in memory for a rule's test, and what a plan of them says. The programs in them start nowhere."""

from __future__ import annotations

from struct import pack

from needed.pipeline import Plan, plan
from needed.root import MemoryRoot
from needed.rules.choices import DEFAULTS, Choices
from tests.loader.synthetic import DT_HASH, DT_SYMENT, DT_SYMTAB, Writer, shared_object

LD = "/lib64/ld-linux-x86-64.so.2"
LIBC: dict[str, bytes | str] = {LD: shared_object(soname="ld-linux-x86-64.so.2")}


def program(*needed: str, imports: tuple[str, ...] = ()) -> bytes:
    """A program for the loader of LIBC, which wants `imports` from others."""
    writer = Writer([("needed", name) for name in needed], interpreter=LD)
    table = bytes(24) + b"".join(pack("<IBBHQQ", writer.string(name), 0x12, 0, 0, 0, 0) for name in imports)
    chain = [0, *range(2, len(imports) + 1), 0][: len(imports) + 1]
    writer.entries.append((DT_SYMTAB, writer.put(table)))
    writer.entries.append((DT_SYMENT, 24))
    counts = pack("<III", 1, len(imports) + 1, 1 if imports else 0)
    writer.entries.append((DT_HASH, writer.put(counts + pack(f"<{len(imports) + 1}I", *chain))))
    return writer.finish()


def planned(tree: dict[str, bytes | str], *programs: str, choices: Choices = DEFAULTS) -> Plan:
    """The Plan of `programs` in `tree`, which has a loader."""
    return plan(MemoryRoot({**LIBC, **tree}), programs, choices=choices)


def of_rule(found: Plan, rule: str) -> list[str]:
    """The paths that are there for the sake of `rule`, in order."""
    reasons = found.rootfs.reasons.items()
    return [path for path, why in reasons if any(one.rule == rule for one in why)]


def told(found: Plan) -> list[str]:
    """All that the rules told, a sentence each."""
    return [tell.message for applied in found.applied for tell in applied.told]
