"""One root: our load list of every executable and library beside the list of the root's own loader.

`ld.so --list` is asked so that both answer the same question:

- by the real path, since until glibc 2.42 `--list` takes $ORIGIN from the path given (BZ 25263), execve(2) from the
  file;
- with no glibc-hwcaps directory active but those of the settings, whatever this CPU can do: an unknown name in
  `--glibc-hwcaps-mask` leaves none, and what is prepended is active without a look at the CPU; before glibc 2.37, which
  had further directories, with LD_HWCAP_MASK and, on x86-64, without the "haswell" that AVX2 stands for;
- without any other environment.
"""

from __future__ import annotations

import sys
from pathlib import Path

from needed.loader import Resolver, Settings
from needed.loader.settings import DEFAULTS
from needed.root import DirectoryRoot
from needed.value import value
from tests.oracle.answers import Answer, agree, read_listing, read_musl_listing, read_verdict, resolved
from tests.oracle.chroot_run import Command, Outcome, can_run, run_all
from tests.oracle.subjects import Subject, choose, find_subjects

CACHE, PRELOAD = "etc/ld.so.cache", "etc/ld.so.preload"

# HWCAP_X86_64 (sysdeps/x86_64/dl-hwcap.h of 2.36) is set on every CPU; of the other bits none is.
_LEGACY_MASK = {"amd64": "2"}
_LEGACY_PLATFORM = ("GLIBC_TUNABLES", "glibc.cpu.hwcaps=-AVX2,-AVX2_Usable")


@value
class Disagreement:
    """A file that the two sides see differently."""

    subject: Subject
    ours: Answer
    theirs: Answer


@value
class Comparison:
    """One root compared: how many of each kind, how many have libraries `missing`, how many nobody here can ask about,
    and where the two differ."""

    name: str
    executables: int
    libraries: int
    not_asked: int
    missing: int
    disagreements: tuple[Disagreement, ...]

    @property
    def compared(self) -> int:
        return self.executables + self.libraries


@value
class How:
    """How to compare: `sample` files (0: all) of those `below` a folder, on `jobs` processors, under `settings`, which
    the loader is told by its environment and options; with or without the root's ld.so.cache, and with this content of
    ld.so.preload.

    `settings.ldconfig` is ours alone: the loader reads what the root's own ldconfig wrote, we simulate it.
    """

    sample: int = 0
    jobs: int = 2
    settings: Settings = DEFAULTS
    cached: bool = True
    preload_file: str = ""
    below: str = "/"


def compare(root: Path, name: str, how: How) -> Comparison:
    """Both answers for a root. Its configuration is changed meanwhile as `how` says."""
    cache, aside, preload = root / CACHE, root / f"{CACHE}.aside", root / PRELOAD
    if aside.exists():  # an earlier run was killed
        aside.rename(cache)
    preload.unlink(missing_ok=True)
    try:
        if not how.cached:
            cache.rename(aside)
        if how.preload_file:
            preload.write_text(how.preload_file)
        return _compare(root, name, how)
    finally:
        preload.unlink(missing_ok=True)
        if aside.exists():
            aside.rename(cache)


def _compare(root: Path, name: str, how: How) -> Comparison:
    subjects = choose([item for item in find_subjects(root) if item.path.startswith(how.below)], how.sample)
    asked = [item for item in subjects if can_run(item.architecture) and _is_there(root, item.interpreter)]
    theirs = _ask(root, asked, how, name)
    resolver, different = Resolver(DirectoryRoot(root), how.settings), []
    for subject, their in zip(asked, theirs, strict=True):
        ours = resolved(resolver, subject.path)
        if not agree(ours, their, subject.interpreter):
            different.append(Disagreement(subject, ours, their))
    executables = sum(item.kind == "executable" for item in asked)
    missing = sum(bool(their.missing) for their in theirs)
    left = len(subjects) - len(asked)
    return Comparison(name, executables, len(asked) - executables, left, missing, tuple(different))


def _ask(root: Path, subjects: list[Subject], how: How, name: str) -> list[Answer]:
    """The loader's answers. Where a library is missing, `--list` stops as a start would; then the trace is asked, which
    goes on, and the name at which the list stopped must be the first that the trace misses."""
    answers = []
    outcomes = run_all(root, [_question(subject, how) for subject in subjects], how.jobs)
    for subject, outcome in zip(subjects, outcomes, strict=True):
        answers.append(_read(subject, outcome))
        if sys.stderr.isatty():
            end = "\r" if len(answers) < len(subjects) else "\r\033[K"
            print(f"{name}  {len(answers)} of {len(subjects)}", end=end, file=sys.stderr)
    stopped = [place for place, answer in enumerate(answers) if answer.absent]
    traces = run_all(root, [_question(subjects[place], how, traced=True) for place in stopped], how.jobs)
    for place, outcome in zip(stopped, traces, strict=True):
        first, answers[place] = answers[place].absent, read_listing(outcome)
        if answers[place].missing[:1] != (first,):
            answers[place] = Answer(odd=f"--list stops at {first}, the trace at {answers[place].missing[:1]}")
    return answers


def _read(subject: Subject, outcome: Outcome) -> Answer:
    if subject.musl:
        return read_musl_listing(outcome, subject.interpreter)
    return read_listing(outcome) if subject.dynamic else read_verdict(outcome)


def _question(subject: Subject, how: How, *, traced: bool = False) -> Command:
    told = (("LD_LIBRARY_PATH", how.settings.library_path), ("LD_PRELOAD", how.settings.preload))
    environment = [(name, ":".join(value)) for name, value in told if value]
    if subject.musl:
        return Command(subject.architecture, (subject.interpreter, "--list", subject.path), tuple(environment))
    if not subject.dynamic:  # a list of it would map it, over the loader perhaps
        return Command(subject.architecture, (subject.interpreter, "--verify", subject.path))
    environment += [("LD_HWCAP_MASK", _LEGACY_MASK.get(subject.architecture, "0")), _LEGACY_PLATFORM]
    environment += [("LD_TRACE_LOADED_OBJECTS", "1")] if traced else []
    options = ["--glibc-hwcaps-mask", "none"]
    if how.settings.hwcaps:
        options += ["--glibc-hwcaps-prepend", ":".join(how.settings.hwcaps)]
    words = (subject.interpreter, *options, *(() if traced else ("--list",)), subject.path)
    return Command(subject.architecture, words, tuple(environment))


def _is_there(root: Path, path: str) -> bool:
    found = Resolver(DirectoryRoot(root)).walker.find(path)
    return found is not None
