"""`dir:DIR`: the tree of a Rootfs itself, made beside DIR and renamed there when it is whole and on the disk.

A killed run can leave what it had made, `.needed-…` beside DIR: no directory can be made without a name. Modes are the
Rootfs', whatever the umask; owner is whoever builds; times are those of the writing.
"""

from __future__ import annotations

import errno
import os

from needed.errors import OutputError, ReadError
from needed.output.atomic import unwritable, write_all
from needed.root import encode_path
from needed.rootfs import Directory, File, HardLink, Symlink
from needed.rules.finding import ROOT_OWNER
from needed.source.spool import TEMPORARY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from needed.rootfs import Rootfs

PIECE = 1 << 20


def write_directory(rootfs: Rootfs, directory: str) -> None:
    """The tree as `directory`, which must be missing or empty. Raises OutputError, and ReadError if a file changes."""
    target = os.path.realpath(directory)
    beside = os.path.join(os.path.dirname(target), f"{TEMPORARY}{os.urandom(8).hex()}")
    try:
        if os.path.lexists(target) and os.listdir(target):
            raise OSError(errno.ENOTEMPTY, "it is not empty")
        above = os.open(os.path.dirname(target), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.mkdir(beside, 0o700)
            _write_tree(rootfs, beside.encode("utf-8", "surrogateescape"))
            os.chmod(beside, 0o755)  # noqa: S103  (what `/` has)
            _sync_file_system(above)
            os.rename(beside, target)
            os.fsync(above)
        except BaseException:
            _remove_tree(rootfs, beside.encode("utf-8", "surrogateescape"))
            raise
        finally:
            os.close(above)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            raise OutputError(f"{directory}: is not empty", hints=["name a new directory: dir:DIR"]) from None
        raise unwritable(directory, error, rootfs.size) from None


def _sync_file_system(descriptor: int) -> None:
    """syncfs(2), which Python does not offer: for 2,000 files a hundredth of the time of an fsync(2) of each."""
    import ctypes

    if ctypes.CDLL(None, use_errno=True).syncfs(descriptor) == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _write_tree(rootfs: Rootfs, top: bytes) -> None:
    for path, entry in rootfs.entries.items():
        place = top + encode_path(path)
        match entry:
            case File():
                _write_file(path, entry, place)
            case HardLink():
                os.link(top + encode_path(entry.target), place)
            case Symlink():
                os.symlink(encode_path(entry.target), place)
            case Directory():
                os.mkdir(place, 0o700)
    for path, entry in reversed(rootfs.entries.items()):  # last: a directory of mode 0555 takes no more files
        if isinstance(entry, Directory):
            _give(top + encode_path(path), entry.owner)
            os.chmod(top + encode_path(path), entry.mode)


def _give(place: bytes | int, owner: tuple[int, int]) -> None:
    """To its owner in the image, where we may; without privilege everything is ours, as after `cp`."""
    if owner != ROOT_OWNER and os.geteuid() == 0:
        os.chown(place, *owner)


def _write_file(path: str, entry: File, place: bytes) -> None:
    content = entry.content.open()
    descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        offset = 0
        while piece := content.read_at(offset, PIECE):
            write_all(descriptor, piece)
            offset += len(piece)
        if offset != entry.size:
            raise ReadError(
                f"{path}: changed while it was read: {entry.size} bytes were expected and {offset} found",
                hints=["build again when nothing writes to it"],
            )
        content.check_unchanged()
        _give(descriptor, entry.owner)
        os.fchmod(descriptor, entry.mode)  # after the bytes: writing clears setuid
    finally:
        os.close(descriptor)
        content.close()


def _remove_tree(rootfs: Rootfs, top: bytes) -> None:
    """What `_write_tree` made, as far as it came; nothing else is touched."""
    directories = [path for path, entry in rootfs.entries.items() if isinstance(entry, Directory)]
    for path in ("", *directories):
        _quietly(lambda place: os.chmod(place, 0o700), top + encode_path(path))
    for path, entry in reversed(rootfs.entries.items()):
        _quietly(os.rmdir if isinstance(entry, Directory) else os.unlink, top + encode_path(path))
    _quietly(os.rmdir, top)


def _quietly(action: object, place: bytes) -> None:
    try:
        action(place)  # type: ignore[operator]
    except OSError:
        return
