"""A recipe as a shell could run it (POSIX sh): quoted words, what each command sets in its environment, its folder.

The scratch folder is `$work` there, since each run has another one.
"""

from __future__ import annotations

import os

from needed.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from needed.toolchain.model import Recipe, Step


def render_step(step: Step, work: str) -> str:
    """One command on one line, without its folder."""
    settings = [f"{name}={_quote(text, work)}" for name, text in step.env]
    return " ".join([*settings, *(_quote(word, work) for word in (_command(step.words[0]), *step.words[1:]))])


def _command(path: str) -> str:
    """A command by its name, where that is what a shell finds."""
    from needed.toolchain.tools import on_path

    name = os.path.basename(path)
    return name if on_path(name) == path else path


def render_script(recipe: Recipe, work: str, output: str) -> str:
    """All commands, from making the scratch folder to the program at `output`."""
    words = [word for step in recipe.steps for word in (*step.words, *(text for _, text in step.env), step.folder)]
    rest = [word for word in words if work in word and word != recipe.product]
    lines = ["work=$(mktemp -d)"] if rest or recipe.product not in words else []
    for step in recipe.steps:
        direct = replace(step, words=tuple(output if word == recipe.product else word for word in step.words))
        lines.append(f"(cd {_quote(step.folder, work)} && {render_step(direct, work)})")
    if recipe.product not in words:
        lines.append(f"cp {_quote(recipe.product, work)} {_quote(output, work)}")
    if rest or recipe.product not in words:
        lines.append('rm -rf "$work"')
    return "\n".join(lines)


def _quote(word: str, work: str) -> str:
    from shlex import quote

    if work not in word:
        return quote(word)
    return '"$work"'.join(quote(piece) if piece else "" for piece in word.split(work))
