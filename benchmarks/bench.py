"""`make bench`: what `needed` costs beside what people do today. One run, interleaved, medians; a table of 80 columns.

Whole processes, as a user would wait for them. Nothing here passes or fails: a person reads the ratios. magicpak, the
nearest peer, is not among them: it cannot be built without the network.
"""

from __future__ import annotations

import os
import random
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

from tests.engines.engines import Docker

NEEDED = str(Path(sys.executable).with_name("needed"))
MEGABYTE = 1 << 20

# What the tutorials say: copy what ldd prints, tar it, import it.
BY_HAND = """
set -e
tree=$(mktemp -d)
for program in /bin/bash /bin/ls; do
  cp --parents -L "$program" "$tree"
  ldd "$program" | grep -o '/[^ )]*' | while read -r library; do cp --parents -L "$library" "$tree"; done
done
tar -C "$tree" -c . | docker import - by-hand >/dev/null
rm -r "$tree"
"""
BY_UMOCI = """
set -e
umoci init --layout "$1"
umoci new --image "$1:x"
umoci insert --image "$1:x" "$2" /
"""
ALL_CLOSURES = """
import sys
from needed import DirectoryRoot, resolve
resolve(DirectoryRoot("/"), sys.stdin.read().splitlines())
"""


@dataclass(frozen=True)
class Cost:
    """One process and its children: seconds on the wall, seconds of CPU, and the largest resident set in bytes."""

    wall: float
    cpu: float
    peak: int


def measure(*command: str, stdin: str = "", env: dict[str, str] | None = None, cwd: Path | None = None) -> Cost:
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
    if process.returncode != 0:
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


def build_small(work: Path) -> None:
    """(a) bash and ls into an OCI layout, beside ldd+cp+tar+import and beside umoci given the finished tree."""
    tree = work / "tree"
    measure(NEEDED, "build", "bash", "ls", "-o", f"dir:{tree}")

    def ours() -> Cost:
        shutil.rmtree(work / "ours", ignore_errors=True)
        return measure(NEEDED, "build", "bash", "ls", "-o", f"oci:{work}/ours")

    def first() -> Cost:
        shutil.rmtree(work / "ours", ignore_errors=True)
        return measure(NEEDED, "build", "bash", "ls", "--no-cache", "-o", f"oci:{work}/ours")

    def umoci() -> Cost:
        shutil.rmtree(work / "umoci", ignore_errors=True)
        return measure("sh", "-c", BY_UMOCI, "sh", f"{work}/umoci", str(tree))

    def plain() -> Cost:
        shutil.rmtree(work / "ours", ignore_errors=True)
        return measure(NEEDED, "build", "bash", "ls", "--compression", "none", "-o", f"oci:{work}/ours")

    candidates = {"needed": ours, "first": first, "plain": plain}
    if shutil.which("umoci"):
        candidates["umoci"] = umoci
    if os.geteuid() == 0 and shutil.which("dockerd"):
        with Docker() as docker:
            candidates["hand"] = lambda: measure("sh", "-c", BY_HAND, env=docker.environment)
            medians = interleaved(15, **candidates)
    else:
        medians = interleaved(15, **candidates)

    for mine, what, has_target in (
        ("first", "nothing kept from before", True),
        ("needed", "built before (member cache)", True),
        ("plain", "without compression", False),
    ):
        row(f"(a) needed build bash ls, {what}", milliseconds(medians[mine].wall))
        for name, label, target in (
            ("hand", "    ldd + cp + tar | docker import", "<= 0.4"),
            ("umoci", "    umoci init+new+insert, tree there", "<= 1.0"),
        ):
            told = target if has_target else ""
            if name in medians:
                ratio = medians[mine].wall / medians[name].wall
                row(label, milliseconds(medians[name].wall), f"{ratio:.2f}", told)
            else:
                row(label, "not here", "", told)
    row("(d) its peak memory", f"{medians['needed'].peak / MEGABYTE:.0f} MB", "", "< 100 MB")


def dynamic_programs() -> list[str]:
    """The dynamic ELF executables of /usr/bin: those that ldd says something about."""
    found = []
    for path in sorted(Path("/usr/bin").iterdir()):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                start = file.read(4)
            if start == b"\x7fELF" and subprocess.run(["ldd", path], capture_output=True, check=False).returncode == 0:
                found.append(str(path))
    return found


def closures() -> None:
    """(b) the closure of every program of /usr/bin: ours in one process, theirs in a process each. CPU time."""
    programs = dynamic_programs()
    listed = "\n".join(programs)
    candidates = {
        "needed": lambda: measure(sys.executable, "-c", ALL_CLOSURES, stdin=listed),
        "ldd": lambda: measure("xargs", "-n1", "ldd", stdin=listed),
    }
    if shutil.which("libtree"):
        # libtree ends with 1 where a library is not found; its answer counts all the same.
        candidates["libtree"] = lambda: measure("xargs", "-n1", "sh", "-c", 'libtree "$0" || :', stdin=listed)
        candidates["sh"] = lambda: measure("xargs", "-n1", "sh", "-c", ": || :", stdin=listed)
    medians = interleaved(3, **candidates)
    mine = medians["needed"].cpu
    row(f"(b) closures of {len(programs)} programs, CPU", milliseconds(mine))
    row("    ldd on each", milliseconds(medians["ldd"].cpu), f"{mine / medians['ldd'].cpu:.3f}", "<= 0.1")
    if "libtree" in medians:
        libtree = medians["libtree"].cpu - medians["sh"].cpu  # without the shell that starts it
        row("    libtree on each", milliseconds(libtree), f"{mine / libtree:.3f}")
    else:
        row("    libtree on each", "not here")


def start_up() -> None:
    """(c) what it costs to start at all."""
    medians = interleaved(
        40,
        needed=lambda: measure(NEEDED, "--version"),
        python=lambda: measure(sys.executable, "-c", "pass"),
    )
    mine, python = medians["needed"].wall, medians["python"].wall
    row("(c) needed --version", f"{mine * 1000:.1f} ms")
    row("    python -c pass", f"{python * 1000:.1f} ms", f"{mine / python:.2f}", "<= 1.5")


def write_large_tree(tree: Path) -> None:
    """500 MB: half of it bytes that do not compress, half text that does; one file of 100 MB among them."""
    chance = random.Random(1)
    for number in range(50):
        inside = tree / f"{number % 7}"
        inside.mkdir(parents=True, exist_ok=True)
        size = 100 if number == 0 else 8
        if number % 2 == 0:
            content = chance.randbytes(size * MEGABYTE)
        else:
            line = b"%d the quick brown fox jumps over the lazy dog\n"
            content = b"".join(line % chance.randrange(10**9) for _ in range(size * MEGABYTE // 54))
        (inside / f"file{number}").write_bytes(content)


def large_tree(work: Path) -> None:
    """(d) the memory of a large build."""
    # In a process of its own: the kernel counts a parent's memory into its child's peak (getrusage(2), execve).
    if (child := os.fork()) == 0:
        write_large_tree(work / "large")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    size = sum(path.stat().st_size for path in (work / "large").rglob("*") if path.is_file())
    cost = measure(
        NEEDED, "build", "ls", "--no-cache", "--add", f"{work}/large:/srv/large", "-o", f"oci:{work}/layout"
    )
    row(f"(d) {size // MEGABYTE} MB by --add", f"{cost.wall:.1f} s")
    row("    its peak memory", f"{cost.peak / MEGABYTE:.0f} MB", "", "< 100 MB")


def main() -> int:
    row("", "median", "ratio", "target")
    with folder() as work:
        build_small(work)
    closures()
    start_up()
    with folder() as work:
        large_tree(work)
    print(f"\n{os.cpu_count()} CPUs, Python {sys.version.split()[0]}. Ratio: needed / the other. Target: the issue's.")
    print(
        "(a): the target is for the first row, where the layer is compressed anew; the second shows what a rebuild\n"
        "costs. umoci compresses (gzip); docker import compresses nothing, as the third row does."
    )
    print("magicpak is not compared: it cannot be built without the network.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
