"""Checks spelling: the dictionaries of the languages that the image's locale or you name.

Recognises: a library libhunspell.
Adds: the .aff and .dic files of the language that LC_ALL, LC_MESSAGES or LANG of the image says ("en_GB"); without one
    none, and the root's are told.
Costs: 863,512 bytes for en_US.
Choices: `--rule dictionaries=en_US,de_DE`, or `all`.
Source: hunspell(1), its path of libraries; `strace -e %file hunspell -D`.
"""

from __future__ import annotations

from needed.closure import Reason
from needed.rules.finding import Take, Tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "dictionaries"
FOLDERS = ("/usr/share/hunspell", "/usr/share/myspell", "/usr/share/myspell/dicts")


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    item = evidence[0]
    reason = Reason("rule", item.path, NAME, item.detail)
    said = next(filter(None, map(view.choices.variable, ("LC_ALL", "LC_MESSAGES", "LANG"))), "").partition(".")[0]
    wanted = (view.choices.value(NAME) or said).split(",")
    there = {}
    for folder in FOLDERS:
        for name in view.names(folder):
            if name.endswith((".aff", ".dic")):
                there[f"{folder}/{name}"] = name[:-4]
    for path, language in there.items():
        if language in wanted or "all" in wanted:
            yield Take(path, reason)
    if there and not {*there.values(), "all"} & {*wanted}:
        languages = ", ".join(sorted({*there.values()})[:8])
        yield Tell(f"no dictionary is taken; the root has {languages}", f"--rule {NAME}=NAME,NAME")
