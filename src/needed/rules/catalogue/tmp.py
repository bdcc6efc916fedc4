"""Has a place for temporary files: an empty /tmp that everybody may write to.

Recognises: an object other than the C library's own that imports mkstemp, tmpfile or one of their kin; SQLite, and
    shells, interpreters and servers, which write there by a name of their own.
Adds: /tmp with mode 1777. What is there is the root's own, and none of it is taken.
Costs: nothing.
Source: hier(7), mkstemp(3), tmpfile(3).
"""

from __future__ import annotations

from needed.closure import Reason
from needed.rules.finding import Make

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "tmp"
FOLDER = "/tmp"  # noqa: S108 - that of the image


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    del view
    item = evidence[0]
    yield Make(FOLDER, None, Reason("rule", item.path, NAME, item.detail), 0o1777)
