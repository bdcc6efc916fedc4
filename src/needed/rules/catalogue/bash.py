"""Knows that bash opens a library only for `enable -f`, whose argument a script gives.

Recognises: bash.
Adds: nothing: its own builtins are in it, and loadable ones are a package of their own (bash-builtins).
Costs: nothing.
Choices: `--with /usr/lib/bash/sleep` takes a loadable builtin along.
Source: bash(1), `enable`; bash builtins/enable.def.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "bash"


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:  # noqa: ARG001  (every rule is asked alike)
    return iter(())
