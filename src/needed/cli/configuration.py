"""`needed.toml`, the file of a project: its rules and its checks, which stand in one file, read in one way."""

from __future__ import annotations

import os

from needed.cli.paths import to_host
from needed.errors import UsageError

CONFIGURATION = "needed.toml"


def read_configuration(file: str | None, what: str, limit: int) -> tuple[str, bytes] | None:
    """The name and at most `limit` bytes of `file`, or of this folder's needed.toml; None if that is no regular file.

    `what` is what it is read for, and the option that names another. Raises UsageError for one that was named.
    """
    if file is None and not os.path.isfile(CONFIGURATION):  # a pipe of that name would be waited for
        return None
    name = file or CONFIGURATION
    try:
        with open(to_host(name), "rb") as opened:
            return name, opened.read(limit)
    except OSError as error:
        hint = f"name a file of {what}: --{what} FILE"
        raise UsageError(f"{name}: cannot be read: {error.strerror}", hints=[hint]) from None
