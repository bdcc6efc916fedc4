"""What of a closure could not start or be mapped, though nothing of it is missing. Reads headers and modes alone.

The kernel's rules: execve(2), and fs/binfmt_elf.c for an interpreter of another machine.
"""

from __future__ import annotations

from needed.elf.mapping import mapping_problem
from needed.errors import MachineError, SourceError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from needed.closure import Closure, LoadedObject


def check_programs(closure: Closure) -> None:
    """Raise UsageError for a library that was named in a program's place."""
    for item in closure.programs:
        elf = item.program.elf
        if elf.linkage in ("shared object", "relocatable") and elf.interpreter is None:
            raise UsageError(
                f"{item.path}: is a library or an object file, not a program",
                hints=[f"take it along beside a program with --add {item.path}"],
            )


def check_startable(closure: Closure) -> None:
    """Raise SourceError for what the kernel would refuse or nothing could map whole: no execute permission, a file that
    was cut off; MachineError for an interpreter of another machine."""
    started = [(script.path, script.found) for script in closure.scripts]
    for program in closure.programs:
        started.append((program.path, program.program.found))
        check_whole(program.objects)
        if program.interpreter:
            started.append((program.interpreter.path, program.interpreter.found))
            if not program.machine.loads(program.interpreter.elf.machine):
                other = f"its interpreter {program.interpreter.path} is for {program.interpreter.elf.machine.name}"
                raise MachineError(
                    f"{program.path}: is for {program.machine.name}, and {other}",
                    hints=["name the tree of that machine with --root"],
                )
    for path, found in started:
        if not found.entry.mode & 0o111:
            raise SourceError(f"{path}: nobody may execute it", hints=[f"chmod +x {path}"])


def check_whole(objects: Iterable[LoadedObject]) -> None:
    """Raise SourceError for an object that was cut off."""
    for item in objects:
        problem = mapping_problem(item.elf, item.found.entry.size)
        if problem:
            hint = "copy the file again: it is damaged or was cut off"
            raise SourceError(f"{item.path}: {problem}", hints=[hint])
