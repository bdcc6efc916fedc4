"""Paths between the command line, the Root and the operating system.

Arguments are bytes to the kernel. Inside, every path is those bytes read as UTF-8 with surrogates (see `root`); where
one reaches `os`, it is turned into what the locale's encoding makes of the same bytes.
"""

from __future__ import annotations

import os

from needed.errors import SourceError


def absolute(path: str) -> str:
    """`path` seen from the working directory; `..` is taken away only where that leads to the same place.

    After a symlink `..` is the parent of where the link leads, so there it stays for the Walker.
    """
    try:
        start = "" if path.startswith("/") else os.getcwdb().decode("utf-8", "surrogateescape")
    except OSError:
        raise SourceError(f"{path}: the working directory is gone", hints=["give an absolute path"]) from None
    parts: list[str] = []
    for part in f"{start}/{path}".split("/"):
        if part in ("", "."):
            continue
        above = "/" + "/".join(parts)
        if part == ".." and (not parts or (parts[-1] != ".." and not os.path.islink(to_host(above)))):
            parts = parts[:-1]
        else:
            parts.append(part)
    return "/" + "/".join(parts)


def to_host(path: str) -> str:
    """The same bytes as the functions of `os` want them under this locale."""
    return os.fsdecode(path.encode("utf-8", "surrogateescape"))


def cache_folder(name: str) -> str:
    """Our own `name` in the user's cache folder (XDG base directories); "" for a user without a home."""
    home = os.environ.get("HOME", "")
    folder = os.environ.get("XDG_CACHE_HOME", "") or (f"{home}/.cache" if home else "")
    return f"{folder}/needed/{name}" if folder.startswith("/") else ""
