"""`--add SRC[:DEST]`: a file or folder of the root, and where it goes."""

from __future__ import annotations

import os

from needed.cli.paths import absolute, to_host
from needed.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from needed.rootfs import Addition


def parse_addition(text: str, root: str) -> Addition:
    """The Addition in `text`; a colon may be a part of a name that is there. Raises UsageError."""
    from needed.rootfs import Addition

    there = os.path.lexists(to_host(f"{root}/{text}" if root != "/" else text))
    source, _, destination = (text, "", "") if there else text.rpartition(":") if ":" in text else (text, "", "")
    inside = absolute(source) if root == "/" else f"/{source.lstrip('/')}".rstrip("/") or "/"
    if destination and not destination.startswith("/"):
        raise UsageError(f"--add {text}: expected an absolute destination", hints=[f"--add {source}:/{destination}"])
    return Addition(inside, destination.rstrip("/") or ("/" if destination else inside))
