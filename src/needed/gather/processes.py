"""Which processes have which objects mapped, programs' own and what they opened: who may open a plugin next."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from needed.closure import Closure, LoadedObject


class Processes:
    """One process for each program of `closure`, to which what it opens is added."""

    def __init__(self, closure: Closure) -> None:
        self._programs: dict[str, dict[str, None]] = {}  # of each path, as a set in order
        self._names: dict[str, str] = {}
        for program in closure.programs:
            self.add(program.path, program.objects)

    def add(self, program: str, objects: Iterable[LoadedObject]) -> None:
        """The process of `program` has `objects` too."""
        for item in objects:
            for path in (item.path, item.found.path):
                self._programs.setdefault(path, {})[program] = None
                self._names.setdefault(path.rpartition("/")[2], path)

    def having(self, path: str) -> list[str]:
        """The programs whose process has the object at `path`."""
        return [*self._programs.get(path, ())]

    def variant(self, path: str) -> str:
        """`path`, or what is loaded in its place: a file of the same name, for better processors."""
        return path if path in self._programs else self._names.get(path.rpartition("/")[2], path)
