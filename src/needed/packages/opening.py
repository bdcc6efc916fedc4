"""Which package database a Root has."""

from __future__ import annotations

from needed.packages.apk import open_apk
from needed.packages.dpkg import open_dpkg

TYPE_CHECKING = False
if TYPE_CHECKING:
    from needed.packages.model import Packages
    from needed.root import Root, Walker


def open_packages(root: Root, walker: Walker) -> Packages | None:
    """The packages of dpkg, else of apk; None if the root has neither. `walker` follows links in the same root.
    Raises ReadError for a database that is damaged or beyond a limit."""
    return open_dpkg(root, walker) or open_apk(root, walker)
