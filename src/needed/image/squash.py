"""Layers applied one over the other: the tree that a container sees, as nodes in memory. Writes no file.

layer.md of image-spec 1.1.1, with what it leaves open decided as umoci and Podman do: parents are resolved as after
chroot(2), through symlinks of this and of lower layers; the last component never is. (Docker's overlay2 unpacks a layer
alone, so there a directory takes the symlink's place.) What is not there is made, mode 0755; what stands in the way of
a directory is replaced by it. Of two entries with one name the later holds, a directory over a directory keeps what is
in it. Whiteouts hide lower layers only, wherever in their layer they stand, and are resolved in what these made. Hard
links are further names of what is there already. No recursion: a tree may be as deep as a path is long.
"""

from __future__ import annotations

from needed.errors import ImageError
from needed.image.limits import DEFAULT_LIMITS, Limits
from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import NoReturn

    from needed.image.untar import Member
    from needed.root import OpenFile

WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"


@value
class IndexedLayer:
    """`members` in the archive's order, a list that applying empties; their offsets are into `content`, the tar."""

    label: str
    members: list[Member]
    content: OpenFile


class Node:
    """What stands in the tree under one name or, with hard links, under several. `children` is None but in directories.

    Changes while layers are applied, and never after. Not a value: there may be a million.
    """

    __slots__ = ("children", "content", "kind", "mode", "modified", "number", "offset", "owner", "size", "target")

    def __init__(self, kind: str, mode: int, number: int) -> None:
        self.kind, self.mode, self.number = kind, mode, number
        self.size = self.offset = self.modified = 0
        self.target, self.owner = "", (0, 0)
        self.content: OpenFile | None = None
        self.children: dict[str, Node] | None = {} if kind == "directory" else None


def squash(layers: Iterable[IndexedLayer], limits: Limits = DEFAULT_LIMITS) -> Node:
    """The root of the tree that `layers`, lowest first, make. Raises ImageError on a layer that cannot be applied."""
    tree = _Tree(limits)
    for layer in layers:
        tree.apply(layer)
    return tree.top


class _Tree:
    def __init__(self, limits: Limits) -> None:
        self.top = Node("directory", 0o755, 1)
        self._limits, self._count, self._label = limits, 1, ""
        self._owners: dict[tuple[int, int], tuple[int, int]] = {}  # one object for each, of a million nodes
        self._last: tuple[str, Node] | None = None  # most entries stand in the directory of the entry before

    def apply(self, layer: IndexedLayer) -> None:
        """Take everything of `layer` over; its list of members is empty afterwards, to spare the memory."""
        self._label, self._last = layer.label, None
        self._apply_whiteouts(layer.members)
        layer.members.reverse()
        while layer.members:
            self._add(layer.members.pop(), layer.content)

    def _apply_whiteouts(self, members: list[Member]) -> None:
        """All of a layer's before its entries, and each resolved before one is applied: so their order is nothing."""
        hidden: list[tuple[dict[str, Node], str | None]] = []
        for member in members:
            if WHITEOUT not in member.name:
                continue
            above, _, name = member.name.rpartition("/")
            if f"/{above}".find(f"/{WHITEOUT}") >= 0:
                self._refuse(f"has an entry below a whiteout: {_shown(member.name)}")
            if not name.startswith(WHITEOUT):
                continue
            inner = name.removeprefix(WHITEOUT)
            if member.kind not in ("file", "link") or inner in ("", ".", "..") or (
                inner.startswith(WHITEOUT) and name != OPAQUE
            ):  # fmt: skip
                self._refuse(f"has a malformed whiteout: {_shown(member.name)}")
            directory = self._directory(above, make=False)
            if directory is not None:
                assert directory.children is not None
                hidden.append((directory.children, None if name == OPAQUE else inner))
        for children, lower in hidden:
            if lower is None:
                children.clear()
            else:
                children.pop(lower, None)

    def _add(self, member: Member, content: OpenFile) -> None:
        above, _, name = member.name.rpartition("/")
        if name.startswith(WHITEOUT):
            return
        if not name:
            self.top.mode, self.top.owner = member.mode, self._owner(member)
            return
        if member.kind == "link":
            node = self._linked(member)
        if self._last is not None and self._last[0] == above:
            directory = self._last[1]
        else:
            found = self._directory(above, make=True)
            assert found is not None
            directory = found
            self._last = (above, directory)
        assert directory.children is not None
        there = directory.children.get(name)
        if member.kind == "directory" and there is not None and there.children is not None:
            there.mode, there.modified, there.owner = member.mode, member.modified, self._owner(member)
            return
        if member.kind != "link":
            node = self._node(member.kind, member.mode)
            node.size, node.offset, node.modified = member.size, member.offset, member.modified
            node.target, node.owner = member.target, self._owner(member)
            node.content = content if member.kind == "file" else None
        directory.children[name] = node
        if there is not None:  # the path may now lead elsewhere; a new name changes no path that led somewhere
            self._last = None

    def _linked(self, member: Member) -> Node:
        """What the hard link is one more name of."""
        above, _, name = member.target.rpartition("/")
        directory = self._directory(above, make=False)
        node = directory.children.get(name) if directory is not None and directory.children is not None else None
        if node is None or node.children is not None:
            fault = "nothing" if node is None else "a directory"
            self._refuse(f"has a hard link {_shown(member.name)} to {fault}: {_shown(member.target)}")
        return node

    def _directory(self, path: str, *, make: bool) -> Node | None:
        """The directory that `path` leads to inside the tree, made where it is missing; without `make` None then."""
        above, length, hops = [self.top], [0], 0
        ahead = path.split("/")[::-1]
        while ahead:
            name = ahead.pop()
            if name in ("", "."):
                continue
            if name == "..":
                if len(above) > 1:
                    above.pop()
                    length.pop()
                continue
            children = above[-1].children
            assert children is not None
            node = children.get(name)
            if node is not None and node.kind == "symlink":
                hops += 1
                if hops > self._limits.hops:
                    self._refuse(f"has an entry behind more than {self._limits.hops} symlinks: {_shown(path)}")
                ahead += node.target.split("/")[::-1]
                if node.target.startswith("/"):
                    del above[1:], length[1:]
                continue
            if node is None or node.children is None:
                if not make:
                    return None
                node = children[name] = self._node("directory", 0o755)
            above.append(node)
            size = len(name) if name.isascii() else len(name.encode("utf-8", "surrogateescape"))
            length.append(length[-1] + 1 + size)
            if length[-1] > self._limits.path:
                self._refuse(f"has an entry whose path, without symlinks, is too long: {_shown(path)}")
        return above[-1]

    def _owner(self, member: Member) -> tuple[int, int]:
        owner = (member.uid, member.gid)
        return self._owners.setdefault(owner, owner)

    def _node(self, kind: str, mode: int) -> Node:
        self._count += 1
        return Node(kind, mode, self._count)

    def _refuse(self, fault: str) -> NoReturn:
        raise ImageError(f"{self._label}: {fault}")


def _shown(name: str) -> str:
    return ascii(name[:60]) + ("…" if len(name) > 60 else "")
