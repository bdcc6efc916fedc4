"""An image's tree as a private folder of this machine, for a sandbox to show, and gone when it was run.

Everything is ours on the disk, and the sandbox maps us to the image's one user. (Where we and he are root, files may
have their `owners` of the image instead, for a sandbox that has all users.) So that this user may do there what he
may do in an engine, modes are translated: where he is not the owner he gets no more than group or others have, and what
he may write to is listed, for all else is shown read-only. Links are made and never followed; devices, pipes and
sockets are not made at all.
"""

from __future__ import annotations

import fcntl
import os
import time

from needed.errors import ImageError, OutputError
from needed.root import RootPath, encode_path, join
from needed.value import value
from needed.verify.command import IDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from needed.root import Entry, Root

MOUNT_POINTS = ("/dev", "/proc", "/sys", "/etc")
MAX_WRITABLE = 1000  # further places that one user may write to, besides those below others
PIECE = 1 << 20
PREFIX, LEFT = "needed-", 60.0
# What an engine puts into each container.
_ETC = {
    "/etc/hosts": b"127.0.0.1\tlocalhost\n::1\tlocalhost\n",
    "/etc/hostname": b"needed\n",
    "/etc/resolv.conf": b"",
}


@value
class Translated:
    """`mode` for the disk, and whether the user may write there."""

    mode: int
    writable: bool


def translate(entry: Entry, user: tuple[int, int]) -> Translated:
    """What `user` may do with `entry`, as the owner's bits of a file that is his (path_resolution(7))."""
    owner = entry.mode >> 6 & 7
    if user[0] == 0:
        allowed = 6 | (1 if entry.mode & 0o111 or entry.kind == "directory" else 0)
        return Translated(entry.mode & 0o1077 | allowed << 6, writable=True)
    if entry.owner[0] == user[0]:
        allowed = owner
    elif entry.owner[1] == user[1]:
        allowed = entry.mode >> 3 & 7
    else:
        allowed = entry.mode & 7
    # The owner's write bit may stay as it is: what is not listed as writable is shown read-only.
    return Translated(entry.mode & 0o1077 | (owner & 2 | allowed & 5) << 6, bool(allowed & 2))


@value
class BundleTree:
    """The tree of a Bundle as a sandbox shows it at `path`, where it stands. Nothing in it is hidden."""

    path: str
    writable: tuple[str, ...]
    owners: bool = False
    noun: str = "image"

    def show(self) -> None:
        """Make a mount of it, in a name space of mounts that is the sandbox's alone. Raises OSError."""
        from needed.verify import kernel

        kernel.mount(self.path, self.path, flags=kernel.MS_BIND)

    def hides(self, path: str) -> bool:  # noqa: ARG002  (as of a HostTree)
        """Whether a program that names `path` does not get what stands there in the tree."""
        return False

    def place(self, path: str) -> str:
        """Where `path` of the image, without links in it, stands on this machine."""
        return self.path + path


class Bundle:
    """The tree in a folder of its own. `writable` are the places that the user may write to, "/" for all."""

    noun = "image"  # what a message calls it

    def __init__(self, root: Root, user: tuple[int, int], folder: str, *, owners: bool = False) -> None:
        """With `owners`, which root alone can, each file has its owner and mode. Raises ImageError for a tree that no
        sandbox can show, OutputError, ReadError."""
        self.root, self.user, self.owners = root, user, owners
        self.writable: list[str] = []
        check_mount_points(root)
        try:
            _remove_left(folder)
            self.path, self._lock = _private_folder(folder)
            try:
                self._write()
            except BaseException:
                self.remove()
                raise
        except OSError as error:
            raise OutputError(
                f"{folder}: the image's files cannot be written there to be run: {error.strerror}",
                hints=["name another folder: TMPDIR=/var/tmp"],
            ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.remove()

    def show(self) -> None:
        """Make a mount of it, in a name space of mounts that is the sandbox's alone. Raises OSError."""
        self.tree().show()

    def place(self, path: str) -> str:
        """Where `path` of the image, without links in it, stands on this machine."""
        return self.tree().place(path)

    def tree(self) -> BundleTree:
        """What of it a sandbox must know, which another process may be told."""
        return BundleTree(self.path, tuple(self.writable), self.owners)

    def remove(self) -> None:
        """Take the tree away, whatever its modes."""
        remove_tree(os.path.dirname(self.path))
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def hand_over(self, path: str) -> int:
        """Rename the folder that the tree stands in to `path`, and let go of it: the lock is the caller's. Raises
        OSError."""
        os.rename(os.path.dirname(self.path), path)
        lock, self._lock = self._lock, -1
        return lock

    def _write(self) -> None:
        modes: list[tuple[bytes, int]] = []
        top = os.fsencode(self.path)
        if self.user[0] == 0:
            self.writable.append("/")
        pending = [(RootPath("/"), self.user[0] == 0)]
        while pending:
            folder, above_writable = pending.pop()
            for name in self.root.names(folder):
                path = join(folder, name)
                entry = self.root.entry(path)
                if entry is None or entry.kind == "special":
                    continue
                place = top + encode_path(path)
                if entry.kind == "symlink":
                    os.symlink(encode_path(entry.target), place)
                    continue
                found = translate(entry, self.user)
                if found.writable and not above_writable and len(self.writable) < MAX_WRITABLE:
                    self.writable.append(path)
                if entry.kind == "directory":
                    os.mkdir(place, 0o700)
                    pending.append((path, above_writable or found.writable))
                else:
                    self._write_file(path, place)
                if self.owners and max(entry.owner) < IDS:
                    os.chown(place, *entry.owner)
                modes.append((place, entry.mode & 0o1777 if self.owners else found.mode))
        self._write_etc(top)
        for place, mode in reversed(modes):  # last: a folder that nobody may write to takes no files
            os.chmod(place, mode)

    def _write_file(self, path: RootPath, place: bytes) -> None:
        content = self.root.open(path)
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            offset = 0
            while piece := content.read_at(offset, PIECE):
                offset += len(piece)
                while piece:
                    piece = piece[os.write(descriptor, piece) :]
        finally:
            os.close(descriptor)
            content.close()

    def _write_etc(self, top: bytes) -> None:
        """Mount points, and the files that an engine puts beside an image's own."""
        for point in MOUNT_POINTS:
            if not os.path.lexists(top + point.encode()):
                os.mkdir(top + point.encode(), 0o755)
        for path, content in _ETC.items():
            place = top + path.encode()
            if not os.path.lexists(place):
                with open(place, "wb") as file:
                    file.write(content)


def check_mount_points(root: Root) -> None:
    """Raise ImageError where a link or a file stands where the sandbox has something of its own (CVE-2023-28642)."""
    for path in MOUNT_POINTS:
        entry = root.entry(RootPath(path))
        if entry is not None and entry.kind != "directory":
            raise ImageError(
                f"{path} of the image is a {entry.kind}, and a container has a folder there",
                hints=["build it again with a folder, or nothing, in its place"],
            )


def remove_tree(top: str) -> None:
    """Take `top` away, whatever the modes in it."""
    from shutil import rmtree

    _open_up(top)
    rmtree(top, ignore_errors=True)


def _open_up(top: str) -> None:
    """Give us back each folder below `top`, so that it can be taken away."""
    for folder, names, _ in os.walk(os.fsencode(top)):
        for name in names:
            inside = os.path.join(folder, name)
            if not os.path.islink(inside):
                os.chmod(inside, 0o700)


def _private_folder(folder: str) -> tuple[str, int]:
    """A tree's place, and the lock that says that somebody still needs it: open in us and in whom we fork."""
    path = os.path.join(os.path.realpath(folder), f"{PREFIX}{os.urandom(8).hex()}")
    os.mkdir(path, 0o700)
    os.chmod(path, 0o700)
    lock = os.open(f"{path}/lock", os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    tree = os.path.join(path, "tree")
    os.mkdir(tree, 0o755)
    return tree, lock


def _remove_left(folder: str) -> None:
    """Take away trees of runs that were killed (SIGKILL): ours, older than LEFT seconds, and locked by nobody."""
    with os.scandir(folder) as entries:
        left = [entry for entry in entries if entry.name.startswith(PREFIX) and _is_left(entry)]
    for entry in left:
        try:
            lock = os.open(f"{entry.path}/lock", os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove_tree(entry.path)
        except OSError:
            continue  # somebody runs in it, or it cannot be taken away: it harms nobody
        finally:
            os.close(lock)


def _is_left(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder as `_private_folder` makes them, of ours, and not of this moment."""
    name = entry.name.removeprefix(PREFIX)
    if len(name) != 16 or name.strip("0123456789abcdef") or not entry.is_dir(follow_symlinks=False):
        return False
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError:
        return False
    return status.st_uid == os.geteuid() and status.st_mode & 0o777 == 0o700 and time.time() - status.st_mtime > LEFT
