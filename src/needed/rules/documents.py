"""The documents of a web server: a folder with all that is in it, up to a size that nobody is surprised by."""

from __future__ import annotations

from needed.rules.finding import Take, Tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.closure import Reason
    from needed.rules.finding import Finding
    from needed.rules.view import View

MAX_PAGES = 5_000  # of one folder


def find_documents(view: View, folder: str, reason: Reason, limit: int) -> Iterator[Finding]:
    """The folder, or what to do about one of more than `limit` bytes or MAX_PAGES paths."""
    below, size = [], 0
    for path, kind in view.tree(folder):
        below.append(path)
        size += view.size(path) if kind == "file" else 0
        if size > limit or len(below) > MAX_PAGES:
            yield Tell(f"{folder} is large, and is left out", f"--add {folder}, or docker run -v {folder}:{folder}:ro")
            return
    if view.is_folder(folder):
        yield Take(folder, reason)
        for path in below:
            yield Take(path, reason)
