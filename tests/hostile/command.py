"""The command as a user types it, within bounds: memory is measured, and a limit of processor time ends what hangs."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

NEEDED = Path(sys.executable).with_name("needed")
MAX_MEMORY = 100 << 20
MAX_SECONDS = 20  # of processor time; what these tests run takes a tenth of a second
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2


class Answer:
    """What a run said: its exit status and what it wrote."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err

    @property
    def sentence(self) -> str:
        """The one sentence of an error; its hints and details stand on lines of their own."""
        first, *rest = self.err.splitlines()
        assert all(line.startswith(("hint: ", "  ")) for line in rest), self.err
        assert first.startswith(("error: ", "needed ldd: ")), self.err
        return first.partition(": ")[2]


def run(*words: str, cwd: Path | None = None, max_memory: int = MAX_MEMORY, powerless: bool = False) -> Answer:
    """`needed` with these words, with at most `max_memory` bytes of data (RLIMIT_DATA: all but files' pages).

    `powerless`: as root without root's power to read what permissions forbid.
    """
    limits = f'set -e; ulimit -d {max_memory >> 10}; ulimit -t {MAX_SECONDS}; ulimit -c 0; exec "$@"'
    limited = ["sh", "-c", limits, "sh", str(NEEDED), *words]
    result = subprocess.run(
        limited, stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=cwd, check=False, timeout=120,
        preexec_fn=_give_up_power if powerless and os.getuid() == 0 else None,
    )  # fmt: skip
    assert "Traceback" not in result.stderr, result.stderr
    assert result.returncode >= 0, f"killed by signal {-result.returncode}: {result.stderr}"
    # Nothing that a terminal obeys.
    assert all(line.replace("\t", "").isprintable() for line in (result.stdout + result.stderr).split("\n"))
    return Answer(result.returncode, result.stdout, result.stderr)


def refuses(status: int, *words: str, **options: bool) -> str:
    """The sentence with which it is refused: exit status `status`, nothing on standard output."""
    answer = run(*words, **options)  # type: ignore[arg-type]
    assert (answer.status, answer.out) == (status, ""), answer.err
    return answer.sentence


def _give_up_power() -> None:
    for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
        assert not ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
