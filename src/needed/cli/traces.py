"""`--trace FILE` and `--allow-secret PATH`: what a traced program asked for, as something to take along."""

from __future__ import annotations

from needed.cli.paths import to_host
from needed.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from needed.root import Root
    from needed.rules.finding import Traced
    from needed.verify.trace import Trace


def read_trace(file: str) -> Trace:
    """The Trace in `file`. Raises UsageError."""
    from needed.verify.trace import MAX_FILE, parse_trace

    try:
        with open(to_host(file), "rb") as opened:
            content = opened.read(MAX_FILE + 1)
    except OSError as error:
        hint = f"make it: needed trace -o {file} -- PROGRAM ARGUMENTS"
        raise UsageError(f"{file}: cannot be read: {error.strerror}", hints=[hint]) from None
    return parse_trace(content, file)


def traced_by(files: Iterable[str], root: Root, allowed: Iterable[str]) -> tuple[Traced, ...]:
    """What the traces in `files` say was found, if `root` holds no secret among it that is not `allowed` by its path.

    Raises UsageError with every such secret.
    """
    from needed.verify.secrets import refuse_secrets
    from needed.verify.trace import traced_paths

    traces = [read_trace(file) for file in files]
    refuse_secrets(root, frozenset().union(*(trace.paths for trace in traces)), [*allowed])
    return tuple(traced for trace in traces for traced in traced_paths(trace))
