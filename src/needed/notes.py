"""What a user should know of a closure that is whole: what was left out, and what the image asks of a machine.

Nothing here stops a build. Each Note says what is so and, where there is one, the option that changes it.
"""

from __future__ import annotations

from needed.elf.isa import parse_isa_level
from needed.loader.hwcaps import NAMES
from needed.value import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from needed.closure import Closure, LoadedObject, LoadList
    from needed.loader import Resolver, Settings


@value
class Note:
    """A sentence, and what changes it ("" for nothing)."""

    message: str
    hint: str = ""


def find_notes(resolver: Resolver, closure: Closure, settings: Settings) -> Iterator[Note]:
    """The notes on `closure`, which `resolver` resolved as `settings` has it on the baseline, each once."""
    found: dict[Note, None] = {}
    for program in closure.programs:
        found.update(dict.fromkeys(_of_program(resolver, program, settings)))
    objects = {item.found.path: item for program in closure.programs for item in program.objects}
    found.update(dict.fromkeys(_of_objects(resolver, objects.values())))
    yield from found


def _of_program(resolver: Resolver, program: LoadList, settings: Settings) -> Iterator[Note]:
    if program.program.found.entry.mode & 0o6000:
        yield Note(f"{program.path} is setuid or setgid, and is not in the image", "run it as the user that it needs")
    for name in program.audit:
        yield Note(f"{program.path} asks for the audit module {name}, which is left out", f"--add {name}")
    for need in program.needs:
        if need.path is None and need.optional and not need.needed_by.startswith("/"):
            yield Note(f"{need.needed_by} names {need.name}, which is nowhere: the loader says so at each start")
    if program.interpreter is None:
        return
    if program.damaged_cache:
        message = f"{program.cache_path} is damaged, and ignored as the loader ignores it"
        yield Note(message, "ldconfig -r ROOT repairs it")
    if not settings.preload_file:
        path, names = resolver.preloads_of(program.interpreter)
        if names:
            yield Note(f"what {path} preloads is left out: {', '.join(names)}", "--preload takes it along")
    levels = NAMES.get(program.machine.name, ())
    if levels and not settings.hwcaps and resolver.has_hwcaps(program.interpreter):
        best = resolver.under(replace(settings, hwcaps=levels))
        usual = {item.path for item in program.objects}
        better = [item.path for item in best.load_list(program.path).objects if item.path not in usual]
        if better:
            level = next((one for one in levels if any(f"/{one}/" in path for path in better)), levels[0])
            yield Note(f"variants for better processors are left out: {', '.join(better)}", f"--hwcaps {level}")


def _of_objects(resolver: Resolver, objects: Iterable[LoadedObject]) -> Iterator[Note]:
    for item in objects:
        if item.elf.machine.e_machine in (3, 62):  # EM_386, EM_X86_64
            level = _isa_level(resolver, item)
            if level not in (None, "x86-64"):
                yield Note(f"{item.path} starts only on processors of {level} and better")
        tokens = (item.elf.rpath or "") + (item.elf.runpath or "")
        if item.elf.machine.name == "x86-64" and ("$PLATFORM" in tokens or "${PLATFORM}" in tokens):
            yield Note(
                f"{item.path} searches $PLATFORM, taken as x86_64: glibc before 2.37 has haswell or xeon_phi on some "
                "processors"
            )


def _isa_level(resolver: Resolver, item: LoadedObject) -> str | None:
    file = resolver.root.open(item.found.path)
    try:
        return parse_isa_level(file, item.elf)
    finally:
        file.close()
