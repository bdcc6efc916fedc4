"""What a plan of a root in memory says for the sake of one rule, for the rules that are about a program by its name."""

from __future__ import annotations

from needed.pipeline import Plan, plan
from needed.root import MemoryRoot
from needed.rules.choices import DEFAULTS, Choices
from tests.rules.trees import tree as with_libc


def planned(tree: dict[str, bytes | str], *programs: str, choices: Choices = DEFAULTS) -> Plan:
    """The Plan of `programs` in `tree`, which gets the loader and the C library."""
    return plan(MemoryRoot(with_libc() | tree), programs, choices=choices)


def of_rule(found: Plan, rule: str) -> list[str]:
    """The paths that are there for the sake of `rule`, in order."""
    reasons = found.rootfs.reasons.items()
    return [path for path, why in reasons if any(one.rule == rule for one in why)]


def told(found: Plan) -> list[str]:
    """All that the rules told, a sentence each."""
    return [tell.message for applied in found.applied for tell in applied.told]
