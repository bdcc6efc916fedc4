"""Knows that libselinux opens libsepol only to load a policy, which is init's task and no container's.

Recognises: libselinux, which `ls`, `cp`, `mkdir` and many others are linked to.
Adds: nothing.
Costs: nothing; libsepol, which is left out, has 764,192 bytes.
Choices: `--with libsepol.so.2` takes it along for a program that loads policies.
Source: libselinux src/load_policy.c, the one place that calls dlopen(3).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "selinux"


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:  # noqa: ARG001  (every rule is asked alike)
    return iter(())
