"""From source to a program, with the tool chains that are there; starts compilers, and reads what they made.

The tool chain does the work and says its own mistakes; this room chooses it, gives it the words that make a program
small, static and the same every time, and then reads the outcome instead of hoping.
"""

from __future__ import annotations

import os

from needed.toolchain.model import Compiled, Options, Outcome, Recipe, Source, Step, Target
from needed.toolchain.sources import SUFFIXES, recognise

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from needed.toolchain.run import Tell

    class Builder(Protocol):
        """A module that knows one tool chain."""

        def plan(self, source: Source, target: Target, options: Options, work: str) -> Recipe:
            """The commands that compile `source`, whose product and leftovers go into the folder `work`. Starts nothing
            but questions to the tool. Raises ToolchainError or CompileError, with hints."""


__all__ = [
    "SUFFIXES",
    "Compiled",
    "Options",
    "Outcome",
    "Recipe",
    "Source",
    "Step",
    "Target",
    "compile_source",
    "plan",
    "recognise",
]

# A Source's builder to the module that plans for it, imported when it is asked for.
BUILDERS = {
    "go": "golang",
    "zig": "zig",
    "cc": "c",
    "make": "projects",
    "cmake": "projects",
    "cargo": "rust",
}
WARNINGS = 10  # lines of a tool that ended well that are told


def plan(source: Source, target: Target, options: Options, work: str) -> Recipe:
    """How `source` is compiled for `target`; see Builder."""
    builder: Builder = __import__(f"needed.toolchain.{BUILDERS[source.builder]}", fromlist=["plan"])
    return builder.plan(source, target, options, work)


def compile_source(
    source: Source, target: Target, options: Options, output: str, *, tell: Tell | None = None, once: bool = False
) -> Compiled:
    """Compile `source` in a scratch folder, read what came of it, and put it at `output`, which is as before if not.

    Unless `once`, it is compiled again in a copy of the project and compared: see `outcome.repeated`.
    `tell(kind, text)` hears "tool" (which one), "run" (a command, for a shell), "tick" (the last line that it printed,
    several times a second), "warning" (such a line, after it ended well), "again" (why it was not compiled once more).
    Raises ToolchainError, CompileError (its details are the tool's own last lines) and OutputError.
    """
    from needed.errors import CompileError
    from needed.toolchain.hints import hints_for_outcome
    from needed.toolchain.outcome import check_outcome, read_outcome
    from needed.toolchain.run import check_output, publish, scratch_folder
    from needed.value import replace

    check_output(output)
    with scratch_folder() as scratch:
        recipe, product = _compile(source, target, options, os.path.join(scratch, "work"), tell)
        outcome, elf = read_outcome(product)
        try:
            check_outcome(outcome, elf, target)
        except CompileError as error:
            message, hints = f"{_named(source)}: {error.message}", (*hints_for_outcome(source), *error.hints)
            raise CompileError(message, hints=hints) from None
        if not once:
            digest = _digest_elsewhere(source, target, options, scratch, tell)
            outcome = replace(outcome, repeated=None if digest is None else digest == outcome.digest)
        publish(product, output)
    return Compiled(source, target, recipe, output, outcome)


def _compile(
    source: Source, target: Target, options: Options, work: str, tell: Tell | None, *, quiet: bool = False
) -> tuple[Recipe, str]:
    """Plan and run: the recipe, and where its program is."""
    from needed.errors import CompileError
    from needed.toolchain.hints import hints_for
    from needed.toolchain.outcome import find_program
    from needed.toolchain.printing import render_step
    from needed.toolchain.run import run_step
    from needed.value import replace

    temporary = os.path.join(work, "tmp")  # what a compiler leaves there when it is ended goes with the rest
    os.makedirs(temporary)
    recipe = plan(source, target, options, work)
    if tell is not None and not quiet:
        tell("tool", recipe.tool)
    for step in recipe.steps:
        if tell is not None and not quiet:
            tell("run", render_step(step, work))
        try:
            said = run_step(replace(step, env=(("TMPDIR", temporary), *step.env)), tell)
        except CompileError as error:
            message = f"{_named(source)}: does not compile: {error.message}"
            raise CompileError(message, details=error.details, hints=hints_for(source, error.details)) from None
        if tell is not None and not quiet:
            for line in [line for line in said if "warning:" in line][:WARNINGS]:
                tell("warning", line)
    return recipe, find_program(recipe.product, options.program)


def _digest_elsewhere(source: Source, target: Target, options: Options, scratch: str, tell: Tell | None) -> str | None:
    """The digest of the program as compiled in a copy of the project, or None, and `tell` hears why.

    The names of both folders differ in length, so that also what a path merely moves shows.
    """
    from needed.errors import CompileError, ToolchainError
    from needed.toolchain.copying import NotCopied, copy_project
    from needed.toolchain.outcome import read_outcome

    try:
        copied = copy_project(source, os.path.join(scratch, "compiled-once-more-here", "project"))
        _, product = _compile(copied, target, options, os.path.join(scratch, "work-again"), tell, quiet=True)
        return read_outcome(product)[0].digest
    except NotCopied as error:
        reason = error.message
    except (CompileError, ToolchainError):
        reason = "it does not compile in a copy of its folder: something outside of that belongs to it"
    if tell is not None:
        tell("again", reason)
    return None


def _named(source: Source) -> str:
    return source.files[0] if source.files else source.folder
