"""What the image's user may do with a file becomes what we, who own the copy, may do with it."""

from __future__ import annotations

import pytest

from needed.root import Entry
from needed.verify.bundle import Translated, translate

USER = (65532, 65532)


@pytest.mark.parametrize(
    ("mode", "owner", "expected"),
    [
        (0o644, (0, 0), Translated(0o644, writable=False)),
        (0o600, (0, 0), Translated(0o200, writable=False)),  # he may not read it, and so may not we
        (0o640, (0, 65532), Translated(0o640, writable=False)),
        (0o640, (33, 33), Translated(0o240, writable=False)),
        (0o600, USER, Translated(0o600, writable=True)),
        (0o1777, (0, 0), Translated(0o1777, writable=True)),
        (0o750, (33, 65532), Translated(0o750, writable=False)),
        (0o770, (33, 65532), Translated(0o770, writable=True)),
    ],
)
def test_a_mode_says_what_the_user_may(mode: int, owner: tuple[int, int], expected: Translated) -> None:
    assert translate(Entry("directory", mode, owner=owner), USER) == expected


def test_root_may_read_and_write_everything() -> None:
    assert translate(Entry("file", 0o000, owner=(33, 33)), (0, 0)) == Translated(0o600, writable=True)
