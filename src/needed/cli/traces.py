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
    from needed.root import Walker
    from needed.verify.secrets import refuse_secrets, what_secret
    from needed.verify.trace import traced_paths

    found = [traced for file in files for traced in traced_paths(read_trace(file))]
    permitted = {*allowed}
    # What was only looked at was not read, and is left out in silence.
    refuse_secrets(root, (one.path for one in found if one.how != "seen"), permitted)
    walker = Walker(root)
    return tuple(
        one for one in found if one.how != "seen" or one.path in permitted or not what_secret(root, walker, one.path)
    )
