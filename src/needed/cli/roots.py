"""The root that a word of the command line names."""

from __future__ import annotations

from needed.cli.paths import to_host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from needed.root import Root


def open_root_named(text: str) -> Root:
    """The tree that `text` names: a directory of this machine."""
    from needed.root import DirectoryRoot

    return DirectoryRoot(to_host(text))
