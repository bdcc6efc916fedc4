"""What a server's configuration includes: files by glob(3), all of them together within bounds. Knows no syntax.

One Includes is for one configuration: its budgets are of all that it is asked for, so that a file which names itself,
or a million others, ends. Wildcards count in the last part of a path and in the name of its folder; glob(7).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.view import View

MAX_FILES = 1_000
MAX_TEXT = 8 << 20  # bytes of all files
MAX_NAMES = 100_000  # looked at in folders
COST_OF_PATTERN = 10  # names that are looked at in the time that a pattern takes
WILD = "*?["


class Includes:
    """The files that were read, `files` in order, each once."""

    def __init__(self, view: View) -> None:
        self.files: dict[str, None] = {}
        self._view, self._text, self._names = view, MAX_TEXT, MAX_NAMES

    def read(self, path: str) -> str:
        """The text of a file; nothing if it was read already, is not there, or a budget is used up."""
        if path in self.files or len(self.files) >= MAX_FILES or self._text <= 0 or not self._view.is_file(path):
            return ""
        self.files[path] = None
        text = self._view.read(path, self._text)
        self._text -= len(text)
        return text.decode("utf-8", "surrogateescape")

    def matching(self, pattern: str) -> Iterator[str]:
        """The files that an absolute `pattern` stands for, in the order of their names."""
        folder, _, last = pattern.rpartition("/")
        above, _, name = folder.rpartition("/")
        wild = any(letter in folder for letter in WILD)
        for one in [f"{above}/{found}" for found in self._names_like(above, name)] if wild else [folder]:
            if any(letter in last for letter in WILD):
                found = (f"{one}/{inside}" for inside in self._names_like(one, last))
                yield from (path for path in found if self._view.is_file(path))
            elif self._view.is_file(f"{one}/{last}"):
                yield f"{one}/{last}"

    def _names_like(self, folder: str, pattern: str) -> Iterator[str]:
        from fnmatch import fnmatchcase

        if self._names <= 0:
            return
        names = self._view.names(folder or "/")
        self._names -= len(names) + COST_OF_PATTERN
        for name in names:
            if (pattern.startswith(".") or not name.startswith(".")) and fnmatchcase(name, pattern):
                yield name
