"""What `needed verify` says: a line for each thing that was asked, what failed and what would help; and an object.

No line is longer than 80 columns.
"""

from __future__ import annotations

from needed.report.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from needed.verify.judge import Run, Verdict
    from needed.verify.missing import Missing
    from needed.verify.probes import Answer
    from needed.verify.static import StaticProof

WIDTH = 80
INDENT = "       "


def render_verdict(verdict: Verdict, image: str) -> Iterator[str]:
    """The lines, the last of them the verdict."""
    for proof in verdict.proofs:
        yield from _proof(proof)
    for run in verdict.runs:
        yield from _run(run)
    yield from _missing(verdict.missing)
    for line in verdict.details:
        yield from _wrapped(line)
    for hint in dict.fromkeys((*_flags(verdict.missing), *verdict.hints)):
        yield from _wrapped(f"hint: {hint}")
    yield from _wrapped(f"{verdict.answer}: {image}" + (f": {verdict.why}" if verdict.why else ""))


def _proof(proof: StaticProof) -> Iterator[str]:
    for finding in proof.findings:
        subject = f"{proof.program}: " if proof.program and finding.kind != "program" else ""
        yield from _wrapped(f"FAIL   static  {subject}{finding.message}")
    if proof.holds:
        what = "it needs no library"
        if proof.script:
            what = f"a script; its interpreters and their {_count(proof.libraries)} are inside"
        elif proof.libraries:
            what = f"its {_count(proof.libraries)} and their symbols are inside"
        yield from _wrapped(f"ok     static  {proof.program}  {what}")
    for note in proof.notes:
        yield from _wrapped(f"note   {note}")


def _count(libraries: int) -> str:
    return "library" if libraries == 1 else f"{libraries} libraries"


def _run(run: Run) -> Iterator[str]:
    if run.check.name:
        yield from _wrapped(f"check  {run.check.name}")
    for answer in run.answers:
        subject = f" {answer.subject}" if answer.subject else ""
        yield from _wrapped(f"{'ok' if answer.passed else 'FAIL':<7}{answer.kind}{subject}  {answer.detail}")
    if run.tail:
        yield _cut(f"{INDENT}the last lines of {printable(' '.join(run.argv)[:WIDTH])}:")
        yield from (_cut(f"{INDENT}| {printable(line)}") for line in run.tail)
    yield from _missing(run.missing)
    for hint in dict.fromkeys(run.hints):
        yield from _wrapped(f"hint: {hint}")


def _missing(missing: Iterable[Missing]) -> Iterator[str]:
    for one in missing:
        where = f"the source root has {one.path}" if one.path and one.path != one.name else ""
        if one.path == one.name:
            where = "the source root has it"
        elif not one.path and one.kind in ("library", "command", "file"):
            where = "the source root has none"
        yield from _wrapped(f"missing {one.kind} {one.name}" + (f": {where}" if where else ""))


def _flags(missing: Iterable[Missing]) -> Iterator[str]:
    return (f"build it with {one.flag}" for one in missing if one.flag)


def _wrapped(text: str) -> list[str]:
    from textwrap import wrap

    indent = " " * (len(text) - len(text.lstrip()))
    lines = wrap(
        printable(text), WIDTH, drop_whitespace=True, replace_whitespace=False, subsequent_indent=indent + INDENT,
        break_on_hyphens=False,
    )  # fmt: skip
    return lines or [""]


def _cut(line: str) -> str:
    return line if len(line) <= WIDTH else line[: WIDTH - 1] + "…"


def verdict_object(verdict: Verdict, image: str) -> dict[str, object]:
    """The same for `--json`."""
    return {
        "image": image,
        "verdict": verdict.answer,
        "exit_code": verdict.exit_code,
        "static": [
            {
                "program": proof.program,
                "machine": proof.machine,
                "libraries": proof.libraries,
                "findings": [
                    {"kind": one.kind, "subject": one.subject, "message": one.message} for one in proof.findings
                ],
                "notes": list(proof.notes),
            }
            for proof in verdict.proofs
        ],
        "checks": [
            {
                "name": run.check.name,
                "argv": list(run.argv),
                "passed": run.passed,
                "seconds": round(run.seconds, 3),
                "answers": [_answer(answer) for answer in run.answers],
                "last_lines": [printable(line) for line in run.tail],
                "missing": [_missing_object(one) for one in run.missing],
                "hints": list(run.hints),
            }
            for run in verdict.runs
        ],
        "missing": [_missing_object(one) for one in verdict.missing],
        "why": verdict.why,
        "details": list(verdict.details),
        "hints": [*verdict.hints, *dict.fromkeys(_flags(verdict.missing))],
    }


def _answer(answer: Answer) -> dict[str, object]:
    return {
        "kind": answer.kind,
        "subject": answer.subject,
        "passed": answer.passed,
        "detail": answer.detail,
    }


def _missing_object(one: Missing) -> dict[str, object]:
    return {"kind": one.kind, "name": one.name, "path": one.path or None, "flag": one.flag or None}
