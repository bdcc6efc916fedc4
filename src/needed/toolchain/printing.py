"""A recipe as a shell could run it (POSIX sh): quoted words, what each command sets in its environment, its folder.

The scratch folder is `$work` there, since each run has another one.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from needed.toolchain.model import Recipe, Step


def render_step(step: Step, work: str) -> str:
    """One command on one line, without its folder."""
    settings = [f"{name}={_quote(text, work)}" for name, text in step.env]
    return " ".join([*settings, *(_quote(word, work) for word in step.words)])


def render_script(recipe: Recipe, work: str, output: str) -> str:
    """All commands, from making the scratch folder to the program at `output`."""
    words = [word for step in recipe.steps for word in (*step.words, *(text for _, text in step.env), step.folder)]
    rest = [word for word in words if work in word and word != recipe.product]
    lines = ["work=$(mktemp -d)"] if rest or recipe.product not in words else []
    for step in recipe.steps:
        direct = [output if word == recipe.product else word for word in step.words]
        command = " ".join([*(f"{name}={_quote(text, work)}" for name, text in step.env),
                            *(_quote(word, work) for word in direct)])  # fmt: skip
        lines.append(f"(cd {_quote(step.folder, work)} && {command})")
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


def short(path: str) -> str:
    """`path` from the working directory on, where that is shorter."""
    relative = os.path.relpath(path)
    return relative if len(relative) < len(path) and not relative.startswith("..") else path
