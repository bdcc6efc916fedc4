"""Files that a configuration includes, found as glob(3) finds them, and never without end."""

from __future__ import annotations

import pytest

from needed.closure import Closure
from needed.root import MemoryRoot, Walker
from needed.rules import includes
from needed.rules.choices import DEFAULTS
from needed.rules.includes import Includes
from needed.rules.view import View


def of(tree: dict[str, bytes | str]) -> Includes:
    view = View(Walker(MemoryRoot(tree)), DEFAULTS, Closure((), ()), lambda _, __: False)
    return Includes(view)


TREE: dict[str, bytes | str] = {
    "/etc/a/one.conf": b"1",
    "/etc/a/two.conf": b"22",
    "/etc/a/.hidden.conf": b"",
    "/etc/b/three.conf": "-> ../a/one.conf",
    "/etc/b/dangling.conf": "-> nowhere",
    "/etc/b/folder.conf/x": b"",
}


@pytest.mark.parametrize(
    ("pattern", "files"),
    [
        ("/etc/a/*.conf", ["/etc/a/one.conf", "/etc/a/two.conf"]),
        ("/etc/a/.h*", ["/etc/a/.hidden.conf"]),
        ("/etc/a/[!o]*", ["/etc/a/two.conf"]),
        ("/etc/?/*.conf", ["/etc/a/one.conf", "/etc/a/two.conf", "/etc/b/three.conf"]),
        ("/etc/*/one.conf", ["/etc/a/one.conf"]),
        ("/etc/a/one.conf", ["/etc/a/one.conf"]),
        ("/etc/none/*", []),
        ("/*", []),
    ],
)
def test_wildcards_of_the_last_two_parts_find_files(pattern: str, files: list[str]) -> None:
    assert [*of(TREE).matching(pattern)] == files


def test_a_file_is_read_once_and_remembered() -> None:
    found = of(TREE)
    assert [found.read("/etc/a/two.conf"), found.read("/etc/a/two.conf"), found.read("/etc/none")] == ["22", "", ""]
    assert [*found.files] == ["/etc/a/two.conf"]


@pytest.mark.parametrize(("name", "limit"), [("MAX_FILES", 1), ("MAX_TEXT", 1)])
def test_files_and_their_text_have_an_end(monkeypatch: pytest.MonkeyPatch, name: str, limit: int) -> None:
    monkeypatch.setattr(includes, name, limit)
    found = of(TREE)
    assert [found.read("/etc/a/one.conf"), found.read("/etc/a/two.conf")] == ["1", ""]


def test_what_is_looked_at_in_folders_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(includes, "MAX_NAMES", 3)
    found = of(TREE)
    assert [*found.matching("/etc/a/two*")] == ["/etc/a/two.conf"]
    assert [*found.matching("/etc/a/two*")] == []
