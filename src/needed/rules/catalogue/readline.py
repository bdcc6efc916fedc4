"""Edits lines: /etc/inputrc, which says what the keys of a terminal do.

Recognises: libreadline.so, and bash, which has it built in.
Adds: /etc/inputrc, if the root has one. Without it Home, End and Delete do nothing on some terminals.
Costs: 1,875 bytes.
Source: readline(3), INPUTRC.
"""

from __future__ import annotations

from needed.closure import Reason
from needed.rules.finding import Take

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "readline"


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    item = evidence[0]
    if view.is_file("/etc/inputrc"):
        yield Take("/etc/inputrc", Reason("rule", item.path, NAME, item.detail))
