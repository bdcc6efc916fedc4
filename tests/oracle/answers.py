"""What each side says about one file, in one shape: the objects in their order, what is missing, what is fatal.

The loader's is read from `ld.so --list` (glibc elf/rtld.c, `rtld_mode_list` and `rtld_mode_trace`; musl
ldso/dynlink.c). Some things are the list's own and no part of what a process maps: the vDSO's line; a line without a
name, which is the program (glibc 2.36 on arm64); the loader itself, which a list names only where something asks for it
or always, by release; what is placed before the program because the program is its filter, which a list leaves out; and
all that is preloaded into a program without DT_NEEDED, which is "statically linked" to glibc's list.
"""

from __future__ import annotations

import re

from needed.errors import SourceError
from needed.loader import Resolver
from needed.loader.verdict import NOT_LOADABLE
from needed.root import RootPath
from needed.value import value
from tests.oracle.chroot_run import Outcome

# vdso(7), and a line without a name.
_NO_FILE = ("linux-vdso.so.1", "linux-gate.so.1", "linux-vdso32.so.1", "linux-vdso64.so.1", "")
_LINE = re.compile(r"\t(.*?)(?: => (.*?))? \((?:0x[0-9a-f]+|nil)\)")
_MISSING = re.compile(r"\t(.*) => not found")
# The message of _dl_signal_error: the program, this text, the file, what is wrong with it.
_FATAL = re.compile(r": error while loading shared libraries: (.*?): (cannot open shared object file)?")
_MUSL_MISSING = re.compile(r"^Error loading shared library (.*): .* \(needed by .*\)$", re.MULTILINE)


@value
class Answer:
    """`objects` are the path strings of what is mapped after the program, in order; `missing` the names not found, once
    for each object that asks, in order; `fatal` the file that ends the load, with nothing else told then (`alias`: by
    the name that was asked for); `absent` the
    name at which a list that does not go on has stopped; `odd` what could not be understood."""

    objects: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    fatal: str = ""
    alias: str = ""
    absent: str = ""
    odd: str = ""


def read_listing(outcome: Outcome) -> Answer:
    """The loader's answer."""
    objects, missing, odd = [], [], []
    for line in outcome.output.splitlines():
        if found := _MISSING.fullmatch(line):
            missing.append(found[1])
        elif found := _LINE.fullmatch(line):
            if found[1] not in _NO_FILE:
                objects.append(found[2] or found[1])
        elif line.strip() != "statically linked":
            odd.append(line)
    fatal = _FATAL.search(outcome.errors)
    if fatal:
        return Answer(absent=fatal[1]) if fatal[2] else Answer(fatal=fatal[1], odd=outcome.errors.strip())
    if outcome.status not in (0, 1) or odd:  # 1: a version or a library is missing
        odd.append(f"exit {outcome.status}: {outcome.errors.strip()}")
    return Answer(tuple(objects), tuple(missing), odd="\n".join(odd))


def read_musl_listing(outcome: Outcome, interpreter: str) -> Answer:
    """The answer of musl's loader: what is mapped on one stream, what is missing on the other; nothing is fatal."""
    objects, odd = [], []
    for line in outcome.output.splitlines():
        found = _LINE.fullmatch(line)
        if found is None:
            odd.append(line)
        elif interpreter not in (found[1], found[2]):
            objects.append(found[2] or found[1])
    missing = tuple(_MUSL_MISSING.findall(outcome.errors))
    if outcome.status != (127 if missing else 0):
        odd.append(f"exit {outcome.status}: {outcome.errors.strip()}")
    return Answer(tuple(objects), missing, odd="\n".join(odd))


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
    musl = mapped.interpreter is not None and "/ld-musl-" in mapped.interpreter.path
    for need in () if musl else mapped.missing:
        if need.attempts and need.attempts[-1].outcome.startswith(NOT_LOADABLE):
            return Answer(fatal=need.attempts[-1].path, alias=need.name)
    missing = tuple(need.name for need in mapped.missing)
    main = mapped.program
    if not musl and not main.elf.needed:
        return Answer((), missing)
    filtees = {item.name for item in main.elf.dependencies if item.tag != "NEEDED"}
    before = {need.path for need in mapped.needs if need.needed_by == main.path and need.name in filtees}
    return Answer(tuple(item.path for item in mapped.objects[1:] if item.path not in before), missing)


def agree(ours: Answer, theirs: Answer, interpreter: str) -> bool:
    """Whether both say the same."""
    if ours.fatal or theirs.fatal:
        return bool(ours.fatal) and theirs.fatal in (ours.fatal, ours.alias)
    mapped, listed = ours.objects, theirs.objects
    if (interpreter in mapped) != (interpreter in listed):
        mapped, listed = (tuple(path for path in side if path != interpreter) for side in (mapped, listed))
    return not theirs.odd and (mapped, ours.missing) == (listed, theirs.missing)
