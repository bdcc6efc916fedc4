"""Advice on rules: what each brings, what a lighter choice of it would save, and what doing without it costs.

Every number comes from planning the image again with that choice.
"""

from __future__ import annotations

from needed.advice.model import MEASURED, Advice
from needed.rules.choices import EVERY
from needed.rules.table import TABLE
from needed.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.advice.model import Ground

MOST = 24  # rules of which the image is planned again
WORDS = 60  # characters of what is said of a rule
# Choices that bring less than the rule does by itself, as its manual has them ("Choices:"), and what they leave out.
LIGHTER = {
    "apache": (("config", "the documents"),),
    "dlopen": (("required", "what notes only recommend or suggest"),),
    "fontconfig": (("none", "every font"),),
    "git": (("local", "what https needs"),),
    "java": (("small", "the archive of classes that makes it start sooner"),),
    "lua": (("imports", "all modules but those that scripts import"),),
    "mesa": (("none", "every driver"),),
    "nginx": (("config", "the documents"),),
    "perl": (("base", "all modules but the base and those of every day"), ("imports", "what scripts do not import")),
    "python": (("imports", "what the program does not import, found without running it"),),
    "shell-commands": (("busybox", "commands that busybox serves, through links"),),
}


def find_lighter(ground: Ground) -> Iterator[Advice]:
    """For each rule that found something: its lighter choices, then doing without it."""
    known = {row.name: row for row in TABLE}
    asked = [item.rule for item in ground.applied if item.evidence and item.rule in known]
    if EVERY in ground.choices.off:
        asked = [name for name in asked if ground.choices.value(name) is not None]
    for name in asked[:MOST]:
        if ground.choices.value(name) is None:
            for given, lacks in LIGHTER.get(name, ()):
                choices = replace(ground.choices, values=(*ground.choices.values, (name, given)))
                size = ground.without(choices=choices)
                yield Advice("rule", size, MEASURED, f"rule {name}, without {lacks}", f"--rule {name}={given}")
        values = tuple(one for one in ground.choices.values if one[0] != name)
        choices = replace(ground.choices, off=ground.choices.off | {name}, values=values)
        size = ground.without(choices=choices)
        does = _does(known[name].module)
        yield Advice("rule", size, MEASURED, f"rule {name}: {does}", f"--no-rule {name}, where that is not wanted")


def _does(module: str) -> str:
    """What a rule does, in the first words of its manual."""
    text = " ".join((__import__(module, fromlist=["find"]).__doc__ or "").partition("\n\n")[0].split())
    words = text.partition(":")[0].rstrip(".")
    return words if len(words) <= WORDS else words[:WORDS].rpartition(",")[0] or words
