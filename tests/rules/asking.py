"""A closure with what rules found, for the tests of one rule: what it placed, opened and told."""

from __future__ import annotations

from collections.abc import Mapping

from needed.gather import Gathered, gather
from needed.loader import Resolver
from needed.root import MemoryRoot
from needed.rules.choices import Choices
from needed.rules.finding import Link, Make, Take
from tests.rules.trees import tree

Files = Mapping[str, bytes | str]


def ask(files: Files, program: str = "/bin/app", **choices: object) -> Gathered:
    """`program` with what rules find for it in a small glibc with `files`; `choices` are fields of Choices."""
    return gather(Resolver(MemoryRoot({**tree(), **files})), [program], Choices(**choices))  # type: ignore[arg-type]


def taken(found: Gathered, rule: str) -> dict[str, str | bytes | None]:
    """What the rule placed: a path to None (as the root has it), to a link's target or to what was made."""
    placed: dict[str, str | bytes | None] = {}
    for item in found.placed:
        if item.reason.rule == rule:
            match item:
                case Take():
                    placed[item.path] = None
                case Link():
                    placed[item.path] = item.target
                case Make():
                    placed[item.path] = item.content
    return placed


def opened(found: Gathered, rule: str) -> set[str]:
    """The plugins that the rule opened."""
    return {item.added.path for item in found.closure.opened if item.added.reason.rule == rule}


def told(found: Gathered, rule: str) -> list[str]:
    """What the rule said."""
    return [tell.message for item in found.applied if item.rule == rule for tell in item.told]
