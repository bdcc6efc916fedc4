"""`#!` lines with env: what we say it starts, and what the real kernel and the real env do."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from needed.errors import SourceError
from needed.loader import resolve
from needed.loader.shebang import HEAD, parse_shebang
from needed.root import MemoryRoot
from tests.loader.synthetic import shared_object

# The line behind `#!/usr/bin/env`, and the program that is started; None for a line that starts nothing, or only
# the script again.
LINES = [
    (" prog", "prog"), ("  prog \t", "prog"), (" -S prog a", "prog"), (" -Sprog", "prog"), (" -S  prog  ", "prog"),
    (" -S -i A=1 PATH=$P prog x", None), (" -S -u X prog", "prog"), (" -S -uX -- prog", "prog"), (" -- prog", None),
    (" --split-string=prog x", "prog"), (" --split-string prog", None), (" -vS prog x", "prog"), (" -vvSprog", "prog"),
    (r" -S \_prog\_a", "prog"), (r' -S "prog" b', "prog"), (r" -S 'prog' b", "prog"), (" -S pr''og b", "prog"),
    (r" -S prog\c x", "prog"), (" -S prog#b #c", "prog#b"), (" -S prog #c", "prog"), (" -S A=1 B='x y' prog", "prog"),
    (" -S --unset=X --chdir=/ prog", "prog"), (" -S -C / prog", "prog"), (" -S -S'prog b' c", "prog"),
    (" -S --debug prog", "prog"), (" -S --default-signal=PIPE prog", "prog"), (" prog -u", None), (" -i prog", None),
    (" A=1 prog", None), ("", None), (" -S", None), (' -S "prog', None), (r" -S prog \q", None),
    (" -S $prog", None), (" -S -x prog", None), (" -S A=1", None), (" -S ./prog", "./prog"), (r" -S 'p\'rog", None),
]  # fmt: skip


def said(line: str) -> str | None:
    try:
        words = parse_shebang(f"#!/usr/bin/env{line}\n".encode()[:HEAD])
    except SourceError:
        return None
    assert words is not None
    return words[1]


@pytest.mark.parametrize(("line", "program"), LINES)
def test_env_starts_what_the_line_names(line: str, program: str | None) -> None:
    assert said(line) == program


@pytest.mark.parametrize(("line", "program"), LINES)
def test_the_real_env_agrees(tmp_path: Path, line: str, program: str | None) -> None:
    """A copy of `true` is the program, so that only its exit code is asked. Some lines start the script for ever."""
    (tmp_path / "prog").symlink_to("/bin/true")
    script = tmp_path / "script"
    script.write_text(f"#!/usr/bin/env{line}\n")
    script.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    try:
        code = subprocess.run(
            [script], env=environment, cwd=tmp_path, capture_output=True, timeout=60 if program else 1, check=False
        ).returncode  # fmt: skip
    except subprocess.TimeoutExpired:
        code = -1
    assert (code == 0) == (program in ("prog", "./prog"))


def test_env_that_only_prints_is_refused() -> None:
    with pytest.raises(SourceError, match="start nothing"):
        parse_shebang(b"#!/usr/bin/env -u\n")  # the script's own path becomes the argument of -u


def test_one_argument_is_all_that_the_kernel_gives() -> None:
    with pytest.raises(SourceError, match="a program named 'python3 -u'") as raised:
        parse_shebang(b"#!/usr/bin/env python3 -u\n")
    assert raised.value.hints == ("write #!/usr/bin/env -S python3 -u",)


def test_what_the_environment_decides_is_told() -> None:
    with pytest.raises(SourceError, match="only the environment tells"):
        parse_shebang(b"#!/usr/bin/env -S ${HOME}/x y\n")


def test_scripts_that_start_each_other_through_env_are_refused() -> None:
    env = shared_object(interpreter="/ld.so")
    tree: dict[str, bytes | str] = {
        "/usr/bin/env": env, "/bin": "-> /usr/bin", "/ld.so": shared_object(),
        "/usr/bin/a": b"#!/usr/bin/env b\n", "/usr/bin/b": b"#!/bin/env a\n",
    }  # fmt: skip
    for path in ("/usr/bin/a", "/bin/a", "b"):
        with pytest.raises(SourceError, match="its own interpreter"):
            resolve(MemoryRoot(tree), [path])
