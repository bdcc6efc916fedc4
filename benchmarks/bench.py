"""`make bench`: what `needed` costs beside what people do today. One run, interleaved, medians.

The builds are here, the loader's part is in `loader` (ARGS=loader for that alone), the rules' in `rules`. Nothing here
passes or fails: a person reads the ratios. magicpak, the nearest peer, is not among them: it cannot be built without
the network.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks import loader, rules, running
from benchmarks.measuring import MEGABYTE, NEEDED, Cost, folder, interleaved, measure, milliseconds, row
from tests.engines.engines import Docker

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
    cost = measure(NEEDED, "build", "ls", "--no-cache", "--add", f"{work}/large:/srv/large", "-o", f"oci:{work}/layout")
    row(f"(d) {size // MEGABYTE} MB by --add", f"{cost.wall:.1f} s")
    row("    its peak memory", f"{cost.peak / MEGABYTE:.0f} MB", "", "< 100 MB")


def builds() -> None:
    with folder() as work:
        build_small(work)
    start_up()
    with folder() as work:
        large_tree(work)
    print(
        "(a): the target is for the first row, where the layer is compressed anew; the second shows what a rebuild\n"
        "costs. umoci compresses (gzip); docker import compresses nothing, as the third row does."
    )
    print("magicpak is not compared: it cannot be built without the network.\n")


def main() -> int:
    parts: dict[str, Callable[[], None]] = {
        "builds": builds,
        "loader": loader.rows,
        "rules": rules.rows,
        "run": running.rows,
    }
    row("", "median", "ratio", "target")
    for name in sys.argv[1:] or parts:
        parts[name]()
    print(f"\n{os.cpu_count()} CPUs, Python {sys.version.split()[0]}. Ratio: needed / the other. Target: the issue's.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
