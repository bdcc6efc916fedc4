"""Runs a root's own programs in it: chroot, an unprivileged user, and qemu's user-mode emulation where foreign.

The product never does this; only the oracle asks a loader. It needs to be root, for chroot(2).
"""

from __future__ import annotations

import filecmp
import os
import platform
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from needed.value import value

# Debian's architecture -> the emulator, of the package qemu-user-static.
EMULATORS = {
    "amd64": "qemu-x86_64-static",
    "arm64": "qemu-aarch64-static",
    "armhf": "qemu-arm-static",
    "i386": "qemu-i386-static",
    "ppc64el": "qemu-ppc64le-static",
    "riscv64": "qemu-riscv64-static",
    "s390x": "qemu-s390x-static",
}
NATIVE = {"x86_64": "amd64", "aarch64": "arm64", "ppc64le": "ppc64el"}.get(platform.machine(), platform.machine())
FOLDER = ".emulators"  # in the root; no loader looks there
_NOBODY = 65534
_SECONDS = 120


@value
class Command:
    """What to run inside a root: `architecture` is Debian's name of the machine whose code it is, `words` the path in
    the root and the arguments, `environment` all of its variables."""

    architecture: str
    words: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()


@value
class Outcome:
    """What a command left: the exit status and both streams."""

    status: int
    output: str
    errors: str


def can_run(architecture: str) -> bool:
    """Whether this machine runs the architecture's code, emulated or not."""
    return architecture == NATIVE or architecture in EMULATORS


def run_all(root: Path, commands: Iterable[Command], jobs: int) -> Iterator[Outcome]:
    """The outcomes in order, `jobs` commands at a time, as nobody in `root`.

    Raises FileNotFoundError for an emulator that is not installed.
    """
    wanted = list(commands)
    place_emulators(root, {command.architecture for command in wanted})
    with ProcessPoolExecutor(jobs, get_context("fork"), initializer=_enter, initargs=(root, _NOBODY)) as workers:
        yield from workers.map(_run, wanted, chunksize=8)


def run_as_root(root: Path, command: Command) -> Outcome:
    """The outcome of a command that writes to the root."""
    place_emulators(root, {command.architecture})
    with ProcessPoolExecutor(1, get_context("fork"), initializer=_enter, initargs=(root, 0)) as workers:
        return workers.submit(_run, command).result()


def place_emulators(root: Path, architectures: Iterable[str]) -> None:
    """Static emulators need no more than their own file."""
    for architecture in architectures:
        if architecture == NATIVE:
            continue
        installed = shutil.which(EMULATORS[architecture])
        if installed is None:
            raise FileNotFoundError(f"{EMULATORS[architecture]} is not installed (Debian: qemu-user-static)")
        place = root / FOLDER / EMULATORS[architecture]
        if not place.exists() or not filecmp.cmp(installed, place):
            place.parent.mkdir(exist_ok=True)
            shutil.copy(installed, place)


def _enter(root: Path, user: int) -> None:
    os.chroot(root)
    os.chdir("/")
    if user:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)


def _run(command: Command) -> Outcome:
    words, environment = command.words, dict(command.environment)
    if command.architecture != NATIVE:
        words = (f"/{FOLDER}/{EMULATORS[command.architecture]}", *words)
    # Bytes, since a decoder may be imported late, and the standard library is outside; so is /dev/null.
    done = subprocess.run(words, capture_output=True, env=environment, input=b"", timeout=_SECONDS, check=False)
    output, errors = (stream.decode("utf-8", "surrogateescape") for stream in (done.stdout, done.stderr))
    return Outcome(done.returncode, output, errors)
