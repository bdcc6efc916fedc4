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


def render_script(recipe: Recipe, work: str, output: str, program: str) -> str:
    """All commands, from making the scratch folder to the program at `output`, which a project calls `program`: empty
    where it makes only one. Each goes on only if the one before ended well."""

    def directed(word: str) -> str:
        """What says where the product goes, as a word of its own or behind `=`, says `output`."""
        head, equals, tail = word.rpartition("=")
        return f"{head}{equals}{output}" if tail == recipe.product else word

    steps = [replace(step, words=tuple(map(directed, step.words))) for step in recipe.steps]
    arrives = steps != list(recipe.steps)
    commands = [f"(cd {_quote(step.folder, work)} && {render_step(step, work)})" for step in steps]
    if recipe.product.endswith("/"):
        named = f" -name {_quote(program, work)}" if program else ""
        commands.append(f'cp "$(find {_quote(recipe.product, work)} -type f -perm -100{named})" {_quote(output, work)}')
    elif not arrives:
        commands.append(f"cp {_quote(recipe.product, work)} {_quote(output, work)}")
    if any("$work" in command for command in commands):
        commands = ["work=$(mktemp -d)", *commands, 'rm -rf "$work"']
    return " &&\n".join(commands)


def _quote(word: str, work: str) -> str:
    from shlex import quote

    if work not in word:
        return quote(word)
    return '"$work"'.join(quote(piece) if piece else "" for piece in word.split(work))
