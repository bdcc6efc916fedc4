"""A compiled program: for people, by what it says of itself, and as an object."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.toolchain.model import Compiled, Outcome, Recipe, Target


def render_compiled(compiled: Compiled) -> Iterator[str]:
    """What was read of the finished program, a line for each kind of thing."""
    outcome = compiled.outcome
    yield f"program {compiled.path}  {compiled.target.platform}"
    yield f"bytes   {outcome.size:,}{'' if outcome.stripped else ', with a symbol table (not stripped)'}"
    yield f"libc    {_linkage(outcome, compiled.target)}"
    if outcome.repeated is not None:
        yield f"twice   {'the same bytes from another folder' if outcome.repeated else DIFFERENT}"
    yield f"digest  {outcome.digest}"


DIFFERENT = "other bytes from another folder: this program is not reproducible"


def _linkage(outcome: Outcome, target: Target) -> str:
    if not outcome.interpreter and not outcome.needed:
        return "static" if target.libc == "static" else f"static: it uses no C library, of {target.libc} or any other"
    names = ", ".join(outcome.needed) or "no library"
    release = f"; glibc {outcome.glibc} or newer" if outcome.glibc else ""
    return f"dynamic: {outcome.interpreter or 'no interpreter'}, {names}{release}"


def compiled_object(compiled: Compiled) -> dict[str, object]:
    """One program for `--json`."""
    outcome = compiled.outcome
    return {
        "path": compiled.path,
        "platform": str(compiled.target.platform),
        "libc": compiled.target.libc,
        "builder": compiled.source.builder,
        **recipe_object(compiled.recipe),
        "size": outcome.size,
        "digest": outcome.digest,
        "static": not outcome.interpreter and not outcome.needed,
        "interpreter": outcome.interpreter or None,
        "needed": list(outcome.needed),
        "glibc": outcome.glibc or None,
        "stripped": outcome.stripped,
        "repeated": outcome.repeated,
    }


def recipe_object(recipe: Recipe) -> dict[str, object]:
    """The tool chain and its commands."""
    steps = [{"words": list(step.words), "env": dict(step.env), "folder": step.folder} for step in recipe.steps]
    return {"tool": recipe.tool, "steps": steps}
