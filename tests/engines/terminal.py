"""A container on a terminal: what a person at `docker run -t` sees, and keys typed when the screen rests."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time
from pathlib import Path

from tests.engines.jobs import Job

RESTS = 0.4  # seconds without output, once there was some
DEADLINE = 60


def watch(job: Job, *words: str | Path, keys: tuple[str, ...] = (), options: tuple[str, ...] = ()) -> str:
    """All that the job writes to its terminal. Each of `keys` is typed when the screen rests; the last must end it."""
    command = ["docker", "--host", job.docker.host, "run", "--rm", "-it", "--network", "none", *options, job.image]
    control, terminal = pty.openpty()
    process = subprocess.Popen(
        [*command, *map(str, words)], stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True
    )
    os.close(terminal)
    try:
        return _talk(control, process, [key.encode() for key in keys])
    finally:
        process.kill()
        process.wait()
        os.close(control)


def _talk(control: int, process: subprocess.Popen[bytes], keys: list[bytes]) -> str:
    seen = b""
    until = time.monotonic() + DEADLINE
    while time.monotonic() < until:
        if select.select([control], [], [], RESTS)[0]:
            try:
                seen += os.read(control, 1 << 16)
            except OSError:  # EIO: nobody has the terminal open any more
                break
        elif process.poll() is not None:
            break
        elif seen and keys:
            os.write(control, keys.pop(0))
    assert process.wait(10) is not None
    return seen.decode("utf-8", "replace")
