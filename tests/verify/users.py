"""The command as different users: as us, and where we are root as nobody too."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

NOBODY = 65534
USERS = [os.geteuid(), NOBODY] if os.geteuid() == 0 else [os.geteuid()]
NEEDED = [sys.executable, "-m", "needed"]
PATHS = os.pathsep.join([str(Path(__file__).parents[2] / "src"), *filter(None, sys.path)])


def by(user: int) -> dict[str, object]:
    """How subprocess starts something as `user`."""
    return {"user": user, "group": user, "extra_groups": []} if user != os.geteuid() else {}


@cache
def command_of(user: int) -> list[str]:
    """`needed` by an interpreter that `user` may run: the tests' own may be root's alone."""
    for python in (sys.executable, "/usr/bin/python3"):
        try:
            subprocess.run([python, "-c", "pass"], check=True, **by(user))  # type: ignore[call-overload]
        except OSError:
            continue
        return [python, "-m", "needed"]
    raise AssertionError("no Python that nobody may run")


def popen(user: int, place: Path, *words: str | Path, **settings: object) -> subprocess.Popen[str]:
    folders = {"TMPDIR": str(place / "tmp"), "XDG_RUNTIME_DIR": str(place), "XDG_CACHE_HOME": str(place / "cache")}
    env = {**os.environ, **folders, "PYTHONPATH": PATHS}
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    # A job in the background of a shell ignores Ctrl-C, and so would all that it starts.
    command = ["env", "--default-signal=INT", *command_of(user), *map(str, words)]
    return subprocess.Popen(command, text=True, env=env, **{**pipes, **by(user), **settings})  # type: ignore[call-overload, no-any-return]
