"""The nouns of a package database: Package, and Packages, which every kind of database answers alike.

Versions of dependencies are left aside: the distribution's own tool has checked them when it installed the packages.
"""

from __future__ import annotations

from needed.errors import SourceError
from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import NoReturn, Protocol

    from needed.root import Root, RootPath, Walker

    class Packages(Protocol):
        """The packages that are installed in a Root."""

        root: Root
        walker: Walker

        def find(self, name: str, /) -> Package:
            """The package that NAME, or NAME:ARCHITECTURE, means. Raises SourceError if it is not installed."""

        def provider(self, name: str, /) -> Package | None:
            """The installed package of that name, else the first that provides it."""

        def files(self, package: Package, /) -> tuple[RootPath, ...]:
            """What the package's list names, directories too, as it spells it: parents may hold links. ReadError."""

        def owner(self, path: str, /) -> Package | None:
            """The package that alone lists what stands at `path`; None for none, and for a directory of several."""

        def registered(self, package: Package, /) -> tuple[RootPath, ...]:
            """Configuration files that its list does not name, since scripts made them, and that are known as its."""

        def alternatives(self) -> Iterable[RootPath]:
            """The links by which alternatives are chosen, which no package lists (`/usr/bin/vim`)."""


@value
class Package:
    """An installed package. `installed_size` in bytes, as the package tells it; `depends` with pre-dependencies, each
    a tuple of alternatives by name; `source` the name of the source that it was built from; `section` without the
    archive's area, and `priority`, are "" where a distribution has none."""

    name: str
    version: str
    architecture: str
    installed_size: int = 0
    depends: tuple[tuple[str, ...], ...] = ()
    provides: tuple[str, ...] = ()
    conffiles: tuple[RootPath, ...] = ()
    source: str = ""
    section: str = ""
    priority: str = ""
    essential: bool = False

    def __str__(self) -> str:
        return f"{self.name} {self.version} ({self.architecture})"


def refuse_unknown(name: str, known: Iterable[str], install: str) -> NoReturn:
    """Raise SourceError for a package that is not installed; `install` is the command that installs one."""
    from difflib import get_close_matches

    plain = name.partition(":")[0]
    # Comparing costs the square of the length.
    near = get_close_matches(plain, list(known)[:20_000], 3, 0.7) if len(plain) <= 100 else []
    hints = [f"did you mean {' or '.join(near)}?"] if near else []
    shown = name[:100]
    raise SourceError(f"{shown}: no such package is installed in the root", hints=[*hints, f"{install} {shown}"])
