"""Fixtures of the tests that run something as each user."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.verify.users import USERS


@pytest.fixture(params=USERS)
def user(request: pytest.FixtureRequest) -> int:
    found: int = request.param
    return found


@pytest.fixture
def place(user: int) -> Iterator[Path]:
    """A folder of the user's own: nothing may be left in it but what detached programs leave, their state."""
    folder = Path(tempfile.mkdtemp(prefix="run-place-", dir="/tmp"))
    (folder / "tmp").mkdir()
    for path in (folder, folder / "tmp"):
        os.chown(path, user, -1)
    yield folder
    left = os.listdir(folder / "tmp")
    shutil.rmtree(folder)
    assert left == []
