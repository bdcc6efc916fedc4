"""Knows what a Go program opens: nothing, unless it loads plugins; and whether it starts other programs.

Recognises: a Go program by its build info, static or dynamic, stripped or not.
Adds: nothing by itself: what package net, crypto/x509, time and os/user want is other rules', which a Go program calls
    too. A program that starts others is told, since nothing in it says which.
Costs: nothing.
Source: Go's runtime/debug and runtime/symtab: the build info, and the names of the functions that are linked in.
"""

from __future__ import annotations

from needed.elf.golang import parse_go_program
from needed.rules.finding import Settled, Tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "go"


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    for path in dict.fromkeys(item.path for item in evidence):
        program = view.parse(path, parse_go_program)
        if program is None or program.abilities is None:
            continue
        if "exec" in program.abilities:
            yield Tell(f"{path} is able to start programs (os/exec)", "--with NAME,NAME for those that it starts")
        if "plugin" not in program.abilities:
            yield Settled(path)
