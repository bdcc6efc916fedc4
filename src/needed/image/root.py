"""The tree of an image as a Root, read in place: nothing is unpacked, and no file of this machine is looked at.

Everything was checked when the tree was made (see `needed.source`): digests, sizes, limits. Knows no transport.
"""

from __future__ import annotations

from itertools import count

from needed.errors import ReadError
from needed.root import Entry, encode_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from needed.image.model import ImageConfig
    from needed.image.squash import Node
    from needed.root import OpenFile, RootPath

_devices = count(-1, -1)  # no file system has these numbers


class ImageRoot:
    """The layers of one image, squashed. `config` is the image's, None where there was only a tar of files; `name` is
    what was asked for; `blobs` the digests of what was read of a layout."""

    def __init__(
        self, top: Node, config: ImageConfig | None = None, name: str = "", blobs: tuple[str, ...] = ()
    ) -> None:
        self.config, self.name, self.blobs = config, name, blobs
        self._top, self._device = top, next(_devices)

    def entry(self, path: RootPath) -> Entry | None:
        node = self._node(path)
        if node is None:
            return None
        identity = (self._device, node.number)
        modified = node.modified if node.kind == "file" else 0
        return Entry(node.kind, node.mode, node.size, node.target, identity, modified, node.owner)

    def names(self, path: RootPath) -> tuple[str, ...]:
        node = self._node(path)
        if node is None or node.children is None:
            raise ReadError(f"{path}: cannot be read: {'No such file' if node is None else 'Not a'} directory")
        return tuple(sorted(node.children, key=encode_path))

    def open(self, path: RootPath) -> OpenFile:
        node = self._node(path)
        if node is None or node.content is None:
            raise ReadError(f"{path}: {'no such file' if node is None else 'not a regular file'}")
        return Region(node.content, node.offset, node.size)

    def _node(self, path: str) -> Node | None:
        """What stands at `path`, whose parents hold no link."""
        node = self._top
        for name in path.split("/"):
            if name:
                found = node.children.get(name) if node.children is not None else None
                if found is None:
                    return None
                node = found
        return node


class Region:
    """An OpenFile that is a part of another, which stays open: a file in a tar, a layer in an archive."""

    def __init__(self, whole: OpenFile, start: int, size: int) -> None:
        self.size = size
        self._whole, self._start = whole, start

    def read_at(self, offset: int, size: int) -> bytes:
        wanted = min(size, self.size - offset)
        if offset < 0 or wanted <= 0:
            return b""
        return self._whole.read_at(self._start + offset, wanted)

    def check_unchanged(self) -> None:
        self._whole.check_unchanged()

    def close(self) -> None:
        """The whole is not closed: others read it."""
