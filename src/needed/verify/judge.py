"""The Verdict on an image: the static proof, then each Check in a sandbox, and what came of it in plain words.

An image is "verified" only if it ran and showed all that was asked; where nothing could run it, it is "not verified".
What a failed program says that it lacks is named, with the flag that adds it (`missing`). Starts nothing itself: a
Sandbox does, and which one is the caller's choice.
"""

from __future__ import annotations

from needed.errors import SandboxError
from needed.value import replace, value
from needed.verify.checks import Check
from needed.verify.command import Limits, command_of
from needed.verify.missing import find_missing, missing_library, missing_program
from needed.verify.probes import Answer, Probing
from needed.verify.static import StaticProof, prove_static

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Protocol

    from needed.image.model import ImageConfig
    from needed.root import Root
    from needed.verify.command import Command, Outcome
    from needed.verify.missing import Missing
    from needed.verify.process import Running

    class Sandbox(Protocol):
        """What runs a command in an image, or on the source root. Raises SandboxError where it cannot."""

        def run(
            self, root: Root, command: Command, limits: Limits, probe: Callable[[Running], bool] | None = None, /
        ) -> Outcome: ...

        def run_on_source(self, source: Root, command: Command, limits: Limits, /) -> Outcome: ...


VERIFIED, FAILED, NOT_VERIFIED = "verified", "failed", "not verified"
EXIT_CODES = {VERIFIED: 0, FAILED: 11, NOT_VERIFIED: 10}
TAIL = 12  # lines
ONE_ROOT = "take program and libraries from one root: build it again from the one that the program is from"
_SIGNALS = {4: "SIGILL", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE", 9: "SIGKILL", 11: "SIGSEGV", 13: "SIGPIPE",
            15: "SIGTERM", 31: "SIGSYS"}  # fmt: skip


@value
class Subject:
    """What is verified: a tree, its config (None: only files), and the root it was taken from, if that is known."""

    root: Root
    config: ImageConfig | None = None
    source: Root | None = None


@value
class Run:
    """What came of one Check. `tail` are the last lines that a failed program printed."""

    check: Check
    argv: tuple[str, ...]
    answers: tuple[Answer, ...]
    seconds: float = 0.0
    tail: tuple[str, ...] = ()
    missing: tuple[Missing, ...] = ()
    hints: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return all(answer.passed for answer in self.answers)


@value
class Verdict:
    """`answer` is "verified", "failed" or "not verified"; `proofs` one for each command, `runs` one for each check that
    was run; `missing` what the proofs miss; `why`, with `details`, is what stood in the way of a run,
    `hints` what would help."""

    answer: str
    proofs: tuple[StaticProof, ...]
    runs: tuple[Run, ...] = ()
    missing: tuple[Missing, ...] = ()
    why: str = ""
    details: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.answer]


def verify(subject: Subject, checks: Iterable[Check], sandbox: Sandbox) -> Verdict:
    """Prove, then run each of `checks` in `sandbox`.

    Raises UsageError where the image names no program, or a user that it does not have; ImageError, ReadError,
    OutputError.
    """
    asked = [(check, command_of_check(check, subject.config, subject.root)) for check in checks]
    by_command: dict[tuple[object, ...], StaticProof] = {}
    for _, command in asked:
        key = (command.argv[0], command.env, command.directory)
        if key not in by_command:
            by_command[key] = prove_static(subject.root, command)
    proofs = tuple(by_command.values())
    if not all(proof.holds for proof in proofs):
        absent = tuple(one for proof in proofs for one in _absent(proof, subject.source))
        older = [one for proof in proofs for one in proof.findings if one.kind in ("version", "symbol")]
        return Verdict(FAILED, proofs, missing=absent, hints=(ONE_ROOT,) if older else ())
    runs: list[Run] = []
    try:
        for check, command in asked:
            runs.append(_run(subject, check, command, sandbox))
    except SandboxError as error:
        answer = NOT_VERIFIED if all(run.passed for run in runs) else FAILED
        why = error.message.removeprefix(f"{NOT_VERIFIED}: ")
        return Verdict(answer, proofs, tuple(runs), why=why, details=error.details, hints=error.hints)
    return Verdict(VERIFIED if runs and all(run.passed for run in runs) else FAILED, proofs, tuple(runs))


def command_of_check(check: Check, config: ImageConfig | None, root: Root) -> Command:
    """What `check` runs in an image of `root`. Raises UsageError as `command_of`."""
    command = command_of(config, root, check.args, user=check.user, env=check.env)
    return replace(command, network=check.network, capabilities=check.capabilities)


def _absent(proof: StaticProof, source: Root | None) -> Iterable[Missing]:
    for finding in proof.findings:
        if finding.kind == "library":
            yield missing_library(finding.subject, source)
        elif finding.kind in ("interpreter", "program"):
            yield missing_program(finding.subject, source)


def _run(subject: Subject, check: Check, command: Command, sandbox: Sandbox) -> Run:
    limits = Limits(seconds=check.seconds)
    probing = Probing(check) if check.serves else None
    outcome = sandbox.run(subject.root, command, limits, probing)
    answers = [*_ending(check, outcome), *(probing.answers(_end(outcome)) if probing else ())]
    if check.stays_up and not check.starts:
        stayed = outcome.ended == "stopped" or (probing is not None and probing.stayed)
        detail = f"still running after {outcome.seconds:.2f} s" if stayed else _end(outcome)
        answers.append(Answer("stays up", f"{check.stays_up:g} s", detail, passed=stayed))
    for stream, texts, said in (
        ("stdout", check.stdout_contains, outcome.stdout),
        ("stderr", check.stderr_contains, outcome.stderr),
    ):
        for text in texts:
            there = text.encode("utf-8", "surrogateescape") in said
            answers.append(Answer(stream, text, "is printed" if there else "is not printed", passed=there))
    if check.same_as_host:
        answers.append(_same(subject, command, limits, (sandbox, outcome)))
    if all(answer.passed for answer in answers):
        return Run(check, command.argv, tuple(answers), outcome.seconds)
    missing = find_missing(outcome.stdout + b"\n" + outcome.stderr, subject.root, subject.source)
    hints = tuple(_hints(check, outcome, missing))
    return Run(check, command.argv, tuple(answers), outcome.seconds, _tail(outcome), missing, hints)


def _ending(check: Check, outcome: Outcome) -> Iterable[Answer]:
    if check.starts:
        running = outcome.ended == "stopped"
        passed = running or (outcome.ended == "exited" and outcome.status == 0)
        detail = f"still running after {outcome.seconds:.2f} s" if running else _end(outcome)
        yield Answer("starts", "", detail, passed=passed)
    elif check.exit is not None:
        passed = outcome.ended == "exited" and outcome.status == check.exit
        expected = "" if passed else f", expected exit {check.exit}"
        yield Answer("exit", str(check.exit), f"{_end(outcome)}{expected}", passed=passed)


def _end(outcome: Outcome) -> str:
    """How a run ended, in a few words."""
    after = f"{outcome.seconds:.2f} s"
    if outcome.ended == "time":
        return f"did not end within {after}"
    if outcome.ended == "memory":
        return f"used more memory than it may, after {after}"
    if outcome.ended == "stopped":
        return f"was stopped after {after}"
    name = _SIGNALS.get(outcome.status - 128)
    return f"ended with {outcome.status}{f' ({name})' if name else ''} after {after}"


def _same(subject: Subject, command: Command, limits: Limits, ran: tuple[Sandbox, Outcome]) -> Answer:
    """Whether the same command on the source root says and ends the same."""
    sandbox, outcome = ran
    if subject.source is None:
        raise SandboxError("the root that the image was taken from is not known", hints=["name it: --root DIR"])
    there = sandbox.run_on_source(subject.source, command, limits)
    if (outcome.ended, outcome.status) != (there.ended, there.status):
        return Answer("same as host", "", f"{_end(outcome)}; there it {_end(there)}", passed=False)
    if outcome.stdout != there.stdout:
        return Answer("same as host", "", _difference(outcome.stdout, there.stdout), passed=False)
    same = f"{len(outcome.stdout)} bytes of output and status {outcome.status}"
    return Answer("same as host", "", same, passed=True)


def _difference(here: bytes, there: bytes) -> str:
    """The first line in which two outputs differ."""
    ours, theirs = here.split(b"\n"), there.split(b"\n")
    number = next(
        (at for at, (one, other) in enumerate(zip(ours, theirs, strict=False)) if one != other),
        min(len(ours), len(theirs)),
    )
    one, other = (_text(lines[number])[:60] if number < len(lines) else "nothing" for lines in (ours, theirs))
    return f"line {number + 1} is {one!r}, and there {other!r}"


def _tail(outcome: Outcome) -> tuple[str, ...]:
    said = [line for stream in (outcome.stdout, outcome.stderr) for line in stream.split(b"\n")[-TAIL - 1 :] if line]
    return tuple(_text(line[:1000]) for line in said[-TAIL:])


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _hints(check: Check, outcome: Outcome, missing: tuple[Missing, ...]) -> Iterable[str]:
    for one in missing:
        if one.flag:
            yield f"build it with {one.flag}"
        elif one.kind in ("version", "symbol"):
            yield ONE_ROOT
    if outcome.ended == "time" and not check.serves:
        yield "a program that does not end is asked to stay up, or what it serves: --stays-up 2, --http 8080/"
        yield f"one that takes long gets more time: --time {check.seconds * 2:g}"
    if outcome.ended == "exited" and outcome.status == 0 and check.serves:
        yield "it ended, or went to the background: tell it to stay in the foreground"
