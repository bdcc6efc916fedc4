"""The victim: a folder outside of every root, whose bytes must not turn up inside and which nothing may change."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.images import layout, tree

import needed
from needed.errors import ImageError
from needed.image.limits import DEFAULT_LIMITS, Limits
from needed.source.opening import Surroundings

if TYPE_CHECKING:
    from needed.root import Root

CANARY = "canary-7f3a"

Open = Callable[..., dict[str, str]]
Refuse = Callable[..., str]


class Victim:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "sub").mkdir(parents=True)
        (folder / "hello").write_text(CANARY)
        self.before = self.snapshot()

    @property
    def path(self) -> str:
        return str(self.folder)

    def snapshot(self) -> list[tuple[str, int, int, int]]:
        found = [self.folder, *sorted(self.folder.rglob("*"))]
        return [(str(path), (status := path.lstat()).st_mode, status.st_mtime_ns, status.st_size) for path in found]


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[Victim]:
    made = Victim(tmp_path / "victim")
    yield made
    assert made.snapshot() == made.before


def open_limited(text: str, limits: Limits = DEFAULT_LIMITS) -> Root:
    return needed.open_root(text, None, Surroundings(limits=limits))


@pytest.fixture
def opened(tmp_path: Path, victim: Victim) -> Open:
    """The tree of an image of these layers, none of it the victim's."""

    def call(*layers: list[bytes]) -> dict[str, str]:
        root = needed.open_root(layout(tmp_path / "image", *layers))
        found = tree(root)
        assert not any(CANARY in text for text in found.values())
        return {path: text for path, text in found.items() if path != "/"}

    return call


@pytest.fixture
def refused(tmp_path: Path, victim: Victim) -> Refuse:
    """The one sentence with which an image of these layers (or what is named by a text) is refused."""

    def call(*layers: list[bytes] | str, limits: Limits = DEFAULT_LIMITS) -> str:
        before = set(os.listdir("/proc/self/fd"))
        text = layers[0] if isinstance(layers[0], str) else layout(tmp_path / "image", *layers)  # type: ignore[arg-type]
        with pytest.raises(ImageError) as caught:
            open_limited(text, limits)
        message = caught.value.message.replace(text, "IMAGE")
        assert message.isprintable() and len(message) < 400
        del caught
        assert set(os.listdir("/proc/self/fd")) <= before
        return message

    return call
