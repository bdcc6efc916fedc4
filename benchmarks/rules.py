"""What the rules cost in time: a build with them, beside a build of the same files that are simply added.

The second takes the finished tree as its root, asks no rule, and adds everything: it reads, packs and hashes the same
bytes. The difference is what recognising, reading and resolving take. Both compress anew.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from benchmarks.measuring import NEEDED, Cost, folder, interleaved, measure, milliseconds, row

POSTGRES = "/usr/lib/postgresql/15/bin"
SCRIPT = "#!/bin/sh\nmkdir -p /tmp/a\nmv /tmp/a /tmp/b\ncp -r /tmp/b /tmp/c\nsed -n 1p <<END\nhello\nEND\n"
JOBS: dict[str, tuple[str, ...]] = {
    "bash ls": ("bash", "ls"),
    "curl": ("curl",),
    "git": ("git",),
    "nginx": ("nginx",),
    "redis-server": ("redis-server",),
    "postgres initdb": (f"{POSTGRES}/postgres", f"{POSTGRES}/initdb"),
    "sshd": ("sshd",),
    "python3": ("/usr/bin/python3",),
    "perl": ("perl",),
    "node": ("node",),
    "java": ("java",),
    "iconv": ("iconv",),
    "vim": ("vim",),
}


def rows() -> None:
    """A row for each job that this machine has."""
    for name, words in JOBS.items():
        if all(os.path.exists(word) or shutil.which(word) for word in words):
            with folder() as work:
                _row(name, words, work)
        else:
            print(f"{name}: not installed here")
    with folder() as work:
        script = work / "entrypoint.sh"
        script.write_text(SCRIPT)
        script.chmod(0o755)
        _row("a shell script of 6 commands", (str(script),), work)


def _row(name: str, words: tuple[str, ...], work: Path) -> None:
    tree = work / "tree"
    measure(NEEDED, "build", *words, "-o", f"dir:{tree}")
    inside = [word if "/" in word else str(shutil.which(word)) for word in words]
    parts = [option for entry in sorted(tree.iterdir()) for option in ("--add", f"/{entry.name}")]

    def with_rules() -> Cost:
        shutil.rmtree(work / "with", ignore_errors=True)
        return measure(NEEDED, "build", *words, "--no-cache", "-o", f"oci:{work}/with")

    def without() -> Cost:
        shutil.rmtree(work / "without", ignore_errors=True)
        where = ("--root", str(tree), "--no-rule", "all", "--no-cache", "-o", f"oci:{work}/without")
        return measure(NEEDED, "build", *inside, *parts, *where)

    medians = interleaved(5, rules=with_rules, added=without)
    ratio = medians["rules"].wall / medians["added"].wall
    row(f"(rules) {name}", milliseconds(medians["rules"].wall), f"{ratio:.2f}", "<= 1.5")
