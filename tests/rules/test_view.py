"""What rules see of a root."""

from __future__ import annotations

from typing import TYPE_CHECKING

from needed.closure import Closure
from needed.root import DirectoryRoot, MemoryRoot, Walker
from needed.rules.choices import DEFAULTS
from needed.rules.view import View

if TYPE_CHECKING:
    from pathlib import Path

    from needed.root import Root

TREE: dict[str, bytes | str] = {
    "/lib/a.pm": b"1" * 10,
    "/lib/a.pod": b"1" * 100,
    "/lib/deep/b.pm": b"1" * 1000,
    "/lib/deep/pod/c.pm": b"1" * 10_000,
    "/lib/again.pm": "-> a.pm",  # counted where it stands
    "/lib/twice.pm": "-> ../other/d.pm",
    "/lib/thrice.pm": "-> /other/d.pm",
    "/lib/text.pm": "-> deep/pod/c.pm",  # what is left out there, and not here
    "/lib/words.pm": "-> a.pod",
    "/lib/nothing.pm": "-> nowhere",
    "/lib/round": "-> .",
    "/other/d.pm": b"1" * 100_000,
    "/also": "-> lib",
}


def below(root: Root) -> int:
    view = View(Walker(root), DEFAULTS, Closure((), ()), lambda _, __: False)
    return view.bytes_below(["/lib", "/also", "/lib/deep", "/absent", "/other/d.pm"], (".pod", "/pod"))


def test_bytes_are_counted_once_whatever_leads_to_them(tmp_path: Path) -> None:
    for path, item in TREE.items():
        place = tmp_path / path[1:]
        place.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(item, bytes):
            place.write_bytes(item)
        else:
            place.symlink_to(item.removeprefix("-> "))
    assert below(MemoryRoot(TREE)) == below(DirectoryRoot(tmp_path)) == 111_110
