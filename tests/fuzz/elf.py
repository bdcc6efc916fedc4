"""`make fuzz`: coverage-guided bytes for everything that reads a file of a root (`readers`), by libFuzzer in Atheris.

A finding is any exception but the errors made on purpose, more than MAX_SECONDS of processor time for one file, or more
than 512 MB of memory. It stops the run, and its file stands in FINDINGS. libFuzzer's own limit is of wall time, which
passes while a machine sleeps, and is only for what never comes back to Python. The options of libFuzzer can be given:
`-max_total_time=60`, or the path of a finding to see it once more.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from random import Random
from signal import ITIMER_VIRTUAL, SIGVTALRM, setitimer, signal

import atheris

with atheris.instrument_imports(include=["needed"]):
    import needed.loader.ldconfig  # noqa: F401  (elsewhere it is imported when it is used)
    from tests.fuzz.readers import read

from tests.fuzz.mutations import mutate
from tests.fuzz.seeds import seeds

WORK = Path(__file__).resolve().parents[2] / ".fuzz"
SEEDS, CORPUS, FINDINGS = WORK / "seeds", WORK / "corpus", WORK / "findings"
MAX_SECONDS = 5
OPTIONS = ("-max_total_time=3600", "-timeout=600", "-rss_limit_mb=512", "-max_len=81920", "-print_final_stats=1")


class TooSlow(Exception):
    """A file that took more than MAX_SECONDS of processor time, however busy the machine is."""


def too_slow(_number: int, _frame: object) -> None:
    raise TooSlow


def test_one_input(content: bytes) -> None:
    setitimer(ITIMER_VIRTUAL, MAX_SECONDS)
    try:
        read(content)
    finally:
        setitimer(ITIMER_VIRTUAL, 0)


def custom_mutator(content: bytes, max_size: int, seed: int) -> bytes:
    random = Random(seed)
    if content[:4] == b"\x7fELF" and random.random() < 0.7:
        return mutate(content, random)[:max_size]
    with suppress(ValueError):  # nothing to mutate
        return bytes(atheris.Mutate(content, max_size))
    return content


def main() -> None:
    for folder in (SEEDS, CORPUS, FINDINGS):
        folder.mkdir(parents=True, exist_ok=True)
    for content in seeds():
        (SEEDS / sha256(content).hexdigest()[:16]).write_bytes(content)
    signal(SIGVTALRM, too_slow)
    given = sys.argv[1:]
    folders = [] if any(not word.startswith("-") for word in given) else [str(CORPUS), str(SEEDS)]
    options = [*OPTIONS, f"-artifact_prefix={FINDINGS}/", *given, *folders]
    atheris.Setup([sys.argv[0], *options], test_one_input, custom_mutator=custom_mutator)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
