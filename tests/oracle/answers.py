"""What each side says about one file, in one shape: the objects in their order, what is missing, what is fatal.

The loader's is read from `ld.so --list` (glibc elf/rtld.c, `state.mode == rtld_mode_trace`; musl ldso/dynlink.c).
Two things are the trace's own and no part of a load list: the vDSO's line, and, where nothing asks for the loader by
name, the loader's line in the list of a library.
"""

from __future__ import annotations

import re

from needed.errors import SourceError
from needed.loader import Resolver
from needed.loader.search import VDSO
from needed.root import RootPath
from needed.value import value
from tests.oracle.chroot_run import Outcome

_LINE = re.compile(r"\t(.*?)(?: => (.*?))? \((?:0x[0-9a-f]+|nil)\)")
_MISSING = re.compile(r"\t(.*) => not found")
# The message of _dl_signal_error: the program, this text, the file, what is wrong with it.
_FATAL = re.compile(r": error while loading shared libraries: (.*?): (cannot open shared object file)?")
_PASSED_OVER = ("absent", "wrong machine", "not readable")


@value
class Answer:
    """`objects` are the path strings of what is mapped after the program, in order; `missing` the names not found, once
    for each object that asks, in order; `fatal` the file that ends the load, with nothing else told then; `absent` the
    name at which a list that does not go on has stopped; `odd` what could not be understood."""

    objects: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    fatal: str = ""
    absent: str = ""
    odd: str = ""


def read_listing(outcome: Outcome) -> Answer:
    """The loader's answer."""
    objects, missing, odd = [], [], []
    for line in outcome.output.splitlines():
        if found := _MISSING.fullmatch(line):
            missing.append(found[1])
        elif found := _LINE.fullmatch(line):
            if found[1] not in VDSO:
                objects.append(found[2] or found[1])
        elif line.strip() != "statically linked":
            odd.append(line)
    fatal = _FATAL.search(outcome.errors)
    if fatal:
        return Answer(absent=fatal[1]) if fatal[2] else Answer(fatal=fatal[1], odd=outcome.errors.strip())
    if outcome.status not in (0, 1) or odd:  # 1: a version or a library is missing
        odd.append(f"exit {outcome.status}: {outcome.errors.strip()}")
    return Answer(tuple(objects), tuple(missing), odd="\n".join(odd))


def read_verdict(outcome: Outcome) -> Answer:
    """The loader's answer about a static program, to `--verify`: exit 1 is "no dynamic program" (elf/rtld.c)."""
    return Answer() if outcome.status == 1 else Answer(odd=f"--verify: exit {outcome.status}: {outcome.errors.strip()}")


def resolved(resolver: Resolver, path: str) -> Answer:
    """Our answer."""
    try:
        mapped = resolver.load_list(RootPath(path))
    except SourceError as error:
        return Answer(fatal=path, odd=error.message)
    if mapped.missing_interpreter is not None:
        return Answer(fatal=mapped.missing_interpreter)
    for need in mapped.missing:
        if need.attempts and need.attempts[-1].outcome not in _PASSED_OVER:
            return Answer(fatal=need.attempts[-1].path)
    return Answer(tuple(item.path for item in mapped.objects[1:]), tuple(need.name for need in mapped.missing))


def agree(ours: Answer, theirs: Answer, interpreter: str) -> bool:
    """Whether both say the same."""
    if ours.fatal or theirs.fatal:
        return ours.fatal == theirs.fatal
    listed = theirs.objects
    if interpreter in listed and interpreter not in ours.objects:
        listed = tuple(path for path in listed if path != interpreter)
    return not theirs.odd and (ours.objects, ours.missing) == (listed, theirs.missing)
