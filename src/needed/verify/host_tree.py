"""A tree of this machine as a sandbox shows it while a program is traced: in place, read-only, private parts hidden.

Beside a Bundle it copies nothing: the tree itself is mounted, with all that is mounted below, and nothing in it can be
written to (mount_setattr(2), AT_RECURSIVE). Temporary folders, `/run` and homes are empty and in memory; what in them
the program needs, its own folder and the one it starts in, is shown again, read-only too; a home itself never is.
"""

from __future__ import annotations

import os

from needed.errors import OutputError, SandboxError
from needed.root import Walker
from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from needed.root import DirectoryRoot

HIDDEN = ("/tmp", "/var/tmp", "/run", "/home", "/root", "/sys")  # noqa: S108  (hidden, not used)
MOUNT_POINTS = ("/dev", "/proc")


@value
class HostTree:
    """The tree at `source` of this machine, shown at the empty folder `path`. `hidden` and `shown` are paths inside it
    without a link in them, folders or files, `scratch` folders that are empty even there, `kept` hidden ones that are
    there, empty, and `links` hidden links that lead to what is shown, with their targets. Nothing else is `writable`.
    `noun` is what a message calls it, `owners` as of a Bundle."""

    source: str
    path: str
    hidden: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()
    scratch: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    writable: tuple[str, ...] = ()
    noun: str = "root"
    owners: bool = False

    def show(self) -> None:
        """Mount it, in a name space of mounts that is ours alone. Raises OSError."""
        from needed.verify import kernel

        kernel.mount(self.source, self.path, flags=kernel.MS_BIND | kernel.MS_REC)
        kernel.make_read_only(self.path)
        for place in self.hidden:
            self._empty(place)
        for place in self.kept:
            os.makedirs(self.path + place, exist_ok=True)
        for place in self.shown:
            origin, target = self.source.rstrip("/") + place, self.path + place
            if os.path.isdir(origin):
                os.makedirs(target, exist_ok=True)
            else:
                os.makedirs(os.path.dirname(target), exist_ok=True)
                with open(target, "wb"):
                    pass
            kernel.mount(origin, target, flags=kernel.MS_BIND | kernel.MS_REC)
            kernel.make_read_only(target)
        for place, leads_to in self.links:
            os.makedirs(os.path.dirname(self.path + place), exist_ok=True)
            os.symlink(leads_to, self.path + place)
        for place in self.scratch:
            if _is_below(place, self.hidden) and not _is_below(place, self.shown):
                os.makedirs(self.path + place, exist_ok=True)
            self._empty(place)

    def _empty(self, place: str) -> None:
        from needed.verify import kernel

        flags = kernel.MS_NOSUID | kernel.MS_NODEV
        kernel.mount("tmpfs", self.path + place, "tmpfs", flags, "mode=1777,size=25%")

    def hides(self, path: str) -> bool:
        """Whether a program that names `path` does not get what stands there in the tree."""
        hidden = _is_below(path, self.hidden) and not _is_below(path, self.shown)
        return hidden or _is_below(path, self.scratch)

    def place(self, path: str) -> str:
        """Where `path` of the tree, without links in it, is shown."""
        return self.path + path


def host_tree(
    root: DirectoryRoot, point: str, home: str, wanted: Iterable[str], scratch: Iterable[str] = ()
) -> HostTree:
    """The tree of `root` to be shown at `point`, `home` hidden too, `wanted` paths shown wherever they are, and the
    folders `scratch` empty, to be written to.

    Raises SandboxError for a tree that has no folder for devices and processes.
    """
    walker = Walker(root)
    for name in MOUNT_POINTS:
        found = walker.find(name)
        if found is None or found.entry.kind != "directory" or found.path != name:
            hint = f"mkdir {root.path.rstrip('/')}{name}"
            raise SandboxError(f"{name}: the root has no such folder, which every program has", hints=[hint])
    hidden: dict[str, None] = {}
    for name in (*HIDDEN, home):
        found = walker.find(name) if name.startswith("/") else None
        if found is not None and found.entry.kind == "directory" and found.path != "/":
            hidden[found.path] = None
    # Of two that are one in the other the outer hides both.
    outer = tuple(one for one in hidden if not _is_below(one, [other for other in hidden if other != one]))
    shown: dict[str, None] = {}
    kept: dict[str, None] = {}
    links: dict[str, str] = {}
    for name in wanted:
        found = walker.find(name)
        if found is not None and _is_below(found.path, outer):
            (kept if found.path in hidden else shown)[found.path] = None
        for link in found.links if found is not None else ():
            entry = root.entry(link) if _is_below(link, outer) else None
            if entry is not None:
                links[link] = entry.target
    apart = (one for one in sorted(shown) if not _is_below(one, [other for other in shown if other != one]))
    hops = tuple((link, target) for link, target in links.items() if not _is_below(link, shown))
    places = filter(None, map(walker.find, scratch))
    empty = dict.fromkeys(one.path for one in places if one.entry.kind == "directory" and one.path != "/")
    return HostTree(root.path, point, outer, tuple(apart), tuple(empty), tuple(kept), hops)


def mount_point(folder: str) -> str:
    """An empty folder that nobody else looks into. Raises OutputError."""
    path = os.path.join(os.path.realpath(folder), f"needed-{os.urandom(8).hex()}")
    try:
        os.mkdir(path, 0o700)
    except OSError as error:
        hint = "name another folder: TMPDIR=/var/tmp"
        raise OutputError(f"{folder}: cannot be written to: {error.strerror}", hints=[hint]) from None
    return path


def _is_below(path: str, folders: Iterable[str]) -> bool:
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)
