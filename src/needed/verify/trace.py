"""What a traced program asked a root for, as a value and as a file: JSON that says the same on every machine.

Paths are the program's own, links not followed, each with the programs that asked. Nothing of a process, a time or a
machine is in it, so the same run gives the same bytes. Knows no tracer: `strace` makes one of these, `build` reads it.
"""

from __future__ import annotations

from needed.errors import UsageError
from needed.rules.finding import Traced
from needed.value import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Protocol

    from needed.verify.bundle import BundleTree
    from needed.verify.command import Command, Limits
    from needed.verify.host_tree import HostTree
    from needed.verify.namespaces import Started

    class Tracer(Protocol):
        """A way to see what a program asks the kernel for."""

        name: str

        def problem(self) -> str:
            """Why it does not work here, "" if it does."""

        def trace(
            self, tree: HostTree | BundleTree, command: Command, limits: Limits,
            probe: Callable[[Started], bool] | None = None, /, *, quiet: bool = False,
        ) -> Trace:  # fmt: skip
            """Run `command` in `tree` to its end, or until `probe` has seen enough, its children included. Streams are
            ours, or /dev/null where it is to be `quiet`."""


VERSION = 1
MAX_FILE = 256 << 20  # bytes of a trace that is read
# What is recorded of a path, in the order of the file.
KINDS = ("executed", "loaded", "opened", "listed", "seen", "missed")


@value
class Run:
    """A program that was traced: its command line and its exit status as a shell has it."""

    command: tuple[str, ...]
    status: int


@value
class Trace:
    """Paths with who asked for them, by what was done: `executed`; `loaded` as code (mmap(2), PROT_EXEC); `opened`;
    `listed`, of folders; `seen`, where only its existence was asked for; `missed`, what was looked for in vain.
    `untraced` says what could not be followed, or was denied."""

    runs: tuple[Run, ...]
    executed: Mapping[str, tuple[str, ...]]
    loaded: Mapping[str, tuple[str, ...]]
    opened: Mapping[str, tuple[str, ...]]
    listed: Mapping[str, tuple[str, ...]]
    seen: Mapping[str, tuple[str, ...]]
    missed: Mapping[str, tuple[str, ...]]
    untraced: tuple[str, ...] = ()


def trace_of(
    runs: tuple[Run, ...], paths: Mapping[str, Mapping[str, tuple[str, ...]]], untraced: Iterable[str]
) -> Trace:
    """The Trace with `paths` by kind."""
    executed, loaded, opened, listed, seen, missed = (paths[kind] for kind in KINDS)
    return Trace(runs, executed, loaded, opened, listed, seen, missed, tuple(untraced))


def merge_traces(traces: Iterable[Trace]) -> Trace:
    """What any of `traces`, at least one, says."""
    first, *others = traces
    for one in others:
        changes: dict[str, object] = {kind: _merged(getattr(first, kind), getattr(one, kind)) for kind in KINDS}
        changes["runs"] = tuple(dict.fromkeys((*first.runs, *one.runs)))
        changes["untraced"] = tuple(dict.fromkeys((*first.untraced, *one.untraced)))
        first = replace(first, **changes)
    return first


def render_trace(trace: Trace) -> str:
    """The file: sorted, one path a line; bytes that are no UTF-8 as the lone surrogates of PEP 383."""
    import json

    def sorted_paths(paths: Mapping[str, tuple[str, ...]]) -> dict[str, list[str]]:
        return {path: sorted(paths[path]) for path in sorted(paths)}

    document: dict[str, object] = {
        "needed_trace": VERSION,
        "runs": [{"command": list(run.command), "status": run.status} for run in trace.runs],
        "untraced": sorted(trace.untraced),
    }
    parts = [f"{json.dumps(name)}: {json.dumps(item)}" for name, item in document.items()]
    for kind in KINDS:
        lines = [f"  {json.dumps(path)}: {json.dumps(by)}" for path, by in sorted_paths(getattr(trace, kind)).items()]
        parts.append(f"{json.dumps(kind)}: {{\n" + ",\n".join(lines) + ("\n}" if lines else "}"))
    return "{\n" + ",\n".join(parts) + "\n}\n"


def parse_trace(content: bytes, name: str) -> Trace:
    """The Trace in a file. Raises UsageError for anything else."""
    import json

    hint = "make one: needed trace -o FILE -- PROGRAM ARGUMENTS"
    if len(content) > MAX_FILE:
        raise UsageError(f"{name}: is larger than any trace, {MAX_FILE:,} bytes", hints=[hint])
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or "needed_trace" not in found:
        raise UsageError(f"{name}: is not what `needed trace` writes", hints=[hint])
    if found["needed_trace"] != VERSION:
        raise UsageError(f"{name}: was written by a release of needed with another form of traces", hints=[hint])
    try:
        runs = tuple(Run(_words(run["command"]), int(run["status"])) for run in found["runs"])
        paths = {kind: {_path(path): _words(by) for path, by in found[kind].items()} for kind in KINDS}
        return trace_of(runs, paths, _words(found["untraced"]))
    except (AttributeError, KeyError, TypeError, ValueError):
        raise UsageError(f"{name}: is not whole", hints=[hint]) from None


def traced_paths(trace: Trace) -> tuple[Traced, ...]:
    """All that was found, each for the rules to look at; what was looked for in vain is not there to be taken."""
    command = command_line(trace)
    kinds = (kind for kind in KINDS if kind != "missed")
    return tuple(
        Traced(path, kind, by, command) for kind in kinds for path, by in sorted(getattr(trace, kind).items())
    )


def command_line(trace: Trace) -> str:
    """What was run, for a reason: "python3 app.py", of several "… and N more"."""
    from shlex import join

    if not trace.runs:
        return ""
    more = f" and {len(trace.runs) - 1} more" if len(trace.runs) > 1 else ""
    words = join(trace.runs[0].command)
    return (words if len(words) <= 200 else f"{words[:200]}…") + more


def _merged(one: Mapping[str, tuple[str, ...]], other: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    found = {**one}
    for path, by in other.items():
        found[path] = tuple(sorted({*found.get(path, ()), *by}))
    return found


def _path(text: str) -> str:
    if not text.startswith("/") or "\0" in text:
        raise ValueError(text)
    text.encode("utf-8", "surrogateescape")  # UnicodeEncodeError, a ValueError, for surrogates that are no bytes
    return text


def _words(items: object) -> tuple[str, ...]:
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise TypeError
    for item in items:
        item.encode("utf-8", "surrogateescape")
    return tuple(items)
