"""What `needed trace` costs beside `strace -f -c`, which stops at every call and counts it, and beside no tracer."""

from __future__ import annotations

import shutil
from functools import partial

from benchmarks.measuring import MEGABYTE, NEEDED, folder, interleaved, measure, milliseconds, row

PROGRAMS = {
    "python3 -c 'import sqlite3, ssl'": ("/usr/bin/python3", "-c", "import sqlite3, ssl"),
    "sh, 200 times cat": ("sh", "-c", "i=0; while [ $i -lt 200 ]; do i=$((i+1)); cat /etc/passwd; done"),
    "find /usr/share/doc": ("find", "/usr/share/doc", "-name", "copyright"),
}


def rows() -> None:
    """A block for each program."""
    if shutil.which("strace") is None:
        print("(t) needed trace: strace is not installed")
        return
    with folder() as work:
        for name, words in PROGRAMS.items():
            medians = interleaved(
                7,
                needed=partial(measure, NEEDED, "trace", "-o", f"{work}/it.trace", "--", *words),
                strace=partial(measure, "strace", "-f", "-c", "-o", f"{work}/counts", *words),
                plain=partial(measure, *words),
            )
            mine, strace, plain = medians["needed"], medians["strace"], medians["plain"]
            row(f"(t) needed trace: {name}", milliseconds(mine.wall))
            row("    strace -f -c", milliseconds(strace.wall), f"{mine.wall / strace.wall:.2f}")
            row("    no tracer", milliseconds(plain.wall), f"{mine.wall / plain.wall:.2f}")
            row("    its peak memory", f"{mine.peak / MEGABYTE:.0f} MB", "", "< 500 MB")
