"""How `make bench` measures: whole processes, as a user would wait for them, in turns, and a table of 80 columns."""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

NEEDED = str(Path(sys.executable).with_name("needed"))
MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Cost:
    """One process and its children: seconds on the wall, seconds of CPU, and the largest resident set in bytes."""

    wall: float
    cpu: float
    peak: int


def measure(
    *command: str,
    stdin: str = "",
    env: dict[str, str] | None = None,
    cwd: Path | None = None,
    statuses: tuple[int, ...] = (0,),
) -> Cost:
    """What the command costs. Raises RuntimeError if it ends with a status that is none of `statuses`."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=env, cwd=cwd
    )
    assert process.stdin is not None
    assert process.stderr is not None
    process.stdin.write(stdin.encode())
    process.stdin.close()
    errors = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stderr.close()
    if process.returncode not in statuses:
        raise RuntimeError(f"{' '.join(command)}: exit {process.returncode}\n{errors[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(wall, cpu, usage.ru_maxrss * 1024)


def interleaved(times: int, **candidates: Callable[[], Cost]) -> dict[str, Cost]:
    """The medians of each candidate; every round runs them all, so that a slow moment hits all of them."""
    taken: dict[str, list[Cost]] = {name: [] for name in candidates}
    for candidate in candidates.values():
        candidate()  # warm the page cache
    for _ in range(times):
        for name, candidate in candidates.items():
            taken[name].append(candidate())
    return {
        name: Cost(
            statistics.median(cost.wall for cost in costs),
            statistics.median(cost.cpu for cost in costs),
            max(cost.peak for cost in costs),
        )
        for name, costs in taken.items()
    }


def row(what: str, amount: str, ratio: str = "", target: str = "") -> None:
    print(f"{what:<54}{amount:>9}{ratio:>7}{target:>10}", flush=True)


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


@contextmanager
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="needed-bench-"))
    try:
        yield made
    finally:
        shutil.rmtree(made)
