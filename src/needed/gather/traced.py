"""`--trace FILE`: what a program was seen to ask for, each as what it is: a program, a plugin, a file, a folder.

A trace was made of a run, perhaps long ago or elsewhere: what the root does not have is passed over. A folder that was
listed comes empty, since what the program opened in it is in the trace too.
"""

from __future__ import annotations

from needed.closure import Reason
from needed.errors import ReadError
from needed.root import read_head
from needed.rules.finding import ROOT_OWNER, Execute, Link, Load, Take

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from needed.root import Found
    from needed.rules.finding import Finding, Traced
    from needed.rules.view import View

KIND = "traced"
# What an engine puts into each container, and what makes one machine of many: never this machine's.
OF_MACHINE = ("/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/etc/mtab", "/etc/machine-id")


def find_traced(view: View, traced: Iterable[Traced]) -> Iterator[Finding]:
    """What of `traced` ships. What was executed is to be taken in before the rest is asked about, for it is looked at
    in the processes of those programs."""
    there = {item.found.path for item in view.closure.objects}
    there |= {script.found.path for script in view.closure.scripts}
    there |= {program.interpreter.found.path for program in view.closure.programs if program.interpreter}
    # Which libraries are found where is the resolver's to say, who writes a cache of its own.
    passed_over = {program.cache_path for program in view.closure.programs} | {*OF_MACHINE}
    loaded: set[str] = set()
    for one in sorted(traced, key=lambda item: item.how != "loaded"):
        if "/" not in one.path:  # a library that was looked for by its name
            asker = next((by for name in one.by if (by := _process(view, name)) and view.opens(by, one.path)), "")
            if asker:
                yield Load(one.path, asker, Reason(KIND, one.command))
            continue
        found = view.find(one.path)
        if found is None or found.entry.kind == "special" or found.path == "/" or one.path in passed_over:
            continue
        reason = Reason(KIND, one.command)
        if one.how == "same":
            yield Link(one.path, one.by[0], reason)
        elif one.how == "executed":
            yield Execute(one.path, reason)
        elif one.how == "loaded" and found.path not in there:
            loaded.add(found.path)
            yield _loaded(view, one, reason)
        elif found.path in there | loaded:
            # The closure has the file; a name of its own that leads to it is a link that must be there.
            if found.links:
                yield Take(one.path, reason)
        elif one.how != "seen" or not _is_elf(view, found):
            yield Take(one.path, reason, view.choices.user if one.how == "written" else ROOT_OWNER)


def _loaded(view: View, one: Traced, reason: Reason) -> Load | Take:
    """As dlopen(3) by the program that mapped it; where no loader would take it, as a file."""
    for by in one.by:
        asker = _process(view, by)
        if asker and view.opens(asker, one.path):
            return Load(one.path, asker, reason)
    return Take(one.path, reason)


def _process(view: View, program: str) -> str:
    """The program of the closure that the process of `program` is: itself, or what reads it if it is a script."""
    real = view.canonical(program)
    for script in view.closure.scripts:
        if program == script.path or real == script.found.path:
            program, real = script.interpreter, view.canonical(script.interpreter)
            break
    for listed in view.closure.programs:
        if program == listed.path or real == listed.program.found.path:
            return listed.path
    return ""


def _is_elf(view: View, found: Found) -> bool:
    """Whether it is a program or a library: one that is only looked at is not started, and would lack its own."""
    if found.entry.kind != "file":
        return False
    try:
        return read_head(view.walker.root, found.path, 4) == b"\x7fELF"
    except ReadError:
        return False
