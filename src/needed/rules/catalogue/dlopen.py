"""Opens the libraries that a file names in its own bytes: in a dlopen note, or as a string that is a library's name.

Recognises: an object other than the C library's own that imports dlopen or dlmopen.
Adds: of a `.note.dlopen`, what is required or recommended, the first name of each entry that the root has; of strings
    of the read-only data, whole names with a version (`libfoo.so.1`) and absolute paths. A name that the loader finds
    nowhere is opened nowhere, and one that is for a task of the host's is left out (`SELDOM`). What is suggested only,
    and names without a version (`foo.so`), which may be links for developers, are told with the option that adds them.
    An object that puts names together while it runs leaves the
    closure open, and is named there.
Costs: what is named: a library and its own closure.
Choices: `--with NAME` takes a library or a plugin along; `--rule dlopen=required` adds what notes require and no more.
Source: dlopen(3); the UAPI group's "ELF dlopen metadata" for the note.
"""

from __future__ import annotations

from needed.closure import Reason
from needed.elf.dlopen_names import find_dlopen_names
from needed.elf.dlopen_notes import parse_dlopen_notes
from needed.rules.finding import Load, Settled, Tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.elf.dlopen_names import DlopenName
    from needed.elf.dlopen_notes import DlopenNote
    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "dlopen"
SHOWN = 4  # names in one sentence
# What a library opens for a task that no container has, by the beginnings of both names.
SELDOM = (
    ("libselinux.so", "libsepol.so"),  # to load a policy, as init does: src/load_policy.c
    ("libmount.so", "libcryptsetup.so"),  # to mount what dm-verity protects: libmount/src/hook_veritydev.c
)
OPENERS = frozenset({"dlopen"})


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    required_only = view.choices.value(NAME) == "required"
    for item in evidence:
        if view.is_covered(item.path):  # a rule knows the library, and better than its strings
            continue
        notes = view.parse(item.path, parse_dlopen_notes) or ()
        yield from _noted(view, item, notes, required_only=required_only)
        names = view.parse(item.path, lambda file, elf: find_dlopen_names(file, elf, OPENERS)) or ()
        if required_only:
            continue
        said = {soname for note in notes for soname in note.sonames}
        yield from _named(view, item, [name for name in names if name.name not in said])


def _noted(view: View, item: Evidence, notes: tuple[DlopenNote, ...], *, required_only: bool) -> Iterator[Finding]:
    for note in notes:
        what = f"notes {{}} as {note.priority}" + (f" for {note.feature}" if note.feature else "")
        there = next((name for name in note.sonames if view.opens(item.path, name)), None)
        if there is None:
            if note.priority == "required":
                yield Tell(f"{item.path} {what.format(' or '.join(note.sonames))}, and the root has none")
        elif note.priority == "suggested" or (required_only and note.priority != "required"):
            yield Tell(f"{item.path} {what.format(there)}: left out", f"--with {there}")
        else:
            yield Load(there, item.path, Reason("rule", item.path, NAME, what.format(there)))


def _named(view: View, item: Evidence, names: list[DlopenName]) -> Iterator[Finding]:
    likely: list[str] = []
    computed = False
    for name in names:
        if name.grade == "pattern":
            computed = True
        elif not _is_seldom(item.path, name.name) and view.opens(item.path, name.name):
            if name.grade == "plain":
                likely.append(name.name)
            else:
                reason = Reason("rule", item.path, NAME, f"imports dlopen and holds the name {name.name}")
                yield Load(name.name, item.path, reason)
    if likely:
        yield Tell(f"{item.path} may open {_some(likely)}: left out", f"--with {','.join(likely)}")
    if names and not computed and not likely:
        yield Settled(item.path)


def _is_seldom(path: str, name: str) -> bool:
    return any(path.rpartition("/")[2].startswith(one) and name.startswith(other) for one, other in SELDOM)


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
