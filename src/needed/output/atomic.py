"""A file appears under its name whole, or the name keeps what it had: open(2) O_TMPFILE, linkat(2), rename(2).

A killed run leaves no temporary, except between link and rename, or where the file system has no O_TMPFILE; these are
named `.needed-…` and `output.oci_layout` cleans them up in its own folders.
"""

from __future__ import annotations

import errno
import os
import stat

from needed.errors import OutputError
from needed.source.spool import TEMPORARY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_NO_TMPFILE = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL)  # EISDIR: kernels before O_TMPFILE

_HINTS = {
    errno.EACCES: "choose a place that you may write to",
    errno.EPERM: "choose a place that you may write to",
    errno.EROFS: "choose a place on a file system that is not read-only",
    errno.ENOENT: "create the directory first: mkdir -p DIR",
    errno.ENOTDIR: "a part of the path is a file: choose another path",
    errno.EISDIR: "name a file in it",
    errno.ENAMETOOLONG: "choose a shorter name",
}


def write_atomically(path: str, chunks: Iterable[bytes], *, size: int | None = None, mode: int = 0o666) -> None:
    """`chunks` as the file `path`, `mode` less the umask, on disk when this returns. `size` is told on a full disk.

    Through a symlink its target is replaced; a device or a pipe is written to. Raises OutputError; what `chunks`
    raises passes through, and `path` is then as it was.
    """
    target = os.path.realpath(path) if os.path.islink(path) else path
    try:
        kind = stat.S_IFMT(os.stat(target).st_mode) if os.path.lexists(target) else stat.S_IFREG
        if kind == stat.S_IFDIR:
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
        if kind != stat.S_IFREG:
            _write_special(target, chunks)
            return
        folder, name = os.path.split(target)
        directory = os.open(folder or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            replace_file(directory, name, chunks, mode)
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise
        raise unwritable(path, error, size) from None


def replace_file(directory: int, name: str, chunks: Iterable[bytes], mode: int = 0o666) -> None:
    """`chunks` as `name` in the open `directory`, which the caller syncs. Raises OSError."""
    replace_files(((directory, name, chunks),), mode)


def replace_files(files: Iterable[tuple[int, str, Iterable[bytes]]], mode: int = 0o666) -> None:
    """Each of `files` (directory, name, chunks) as `replace_file` does; all are on the disk before one has its name."""
    drafts: list[_Draft] = []
    try:
        for directory, name, chunks in files:
            draft = _Draft(directory, name, mode)
            drafts.append(draft)
            for chunk in chunks:
                write_all(draft.descriptor, chunk)
        sync_all([draft.descriptor for draft in drafts])
        for draft in drafts:
            draft.publish()
    finally:
        for draft in drafts:
            draft.close()


def sync_all(descriptors: list[int]) -> None:
    """fsync(2) of all at once, so that they share what a disk does for each: on a busy one a third of the time.

    Raises OSError when none is under way any more.
    """
    from _queue import SimpleQueue
    from _thread import start_new_thread

    ended: SimpleQueue[OSError | None] = SimpleQueue()

    def sync(descriptor: int) -> None:
        try:
            os.fsync(descriptor)
        except OSError as error:
            ended.put(error)
        else:
            ended.put(None)

    for number, descriptor in enumerate(descriptors, 1):
        if number == len(descriptors):
            sync(descriptor)  # here, while the others are under way
        else:
            try:
                start_new_thread(sync, (descriptor,))
            except RuntimeError:  # no more threads for us
                sync(descriptor)
    errors = [error for _ in descriptors if (error := ended.get())]
    if errors:
        raise errors[0]


class _Draft:
    """A file without a name, or with a temporary one, until it is published as `name` in `directory`."""

    def __init__(self, directory: int, name: str, mode: int) -> None:
        self._directory, self._name = directory, name
        self._temporary = f"{TEMPORARY}{os.urandom(8).hex()}"
        self.descriptor, self._linked = _open_unnamed(directory, self._temporary, mode)

    def publish(self) -> None:
        """What was written appears under the name."""
        directory, temporary = self._directory, self._temporary
        if not self._linked:
            # Both flags of linkat(2): src_dir_fd makes Python call it, follow_symlinks sets AT_SYMLINK_FOLLOW.
            source = f"/proc/self/fd/{self.descriptor}"
            self._linked = True  # before the call: an interrupt right after it must not leave the name
            os.link(source, temporary, src_dir_fd=directory, dst_dir_fd=directory, follow_symlinks=True)
        os.rename(temporary, self._name, src_dir_fd=directory, dst_dir_fd=directory)
        self._linked = False

    def close(self) -> None:
        """Without `publish` nothing is left."""
        os.close(self.descriptor)
        if self._linked:
            _remove(self._directory, self._temporary)


def write_all(descriptor: int, content: bytes) -> None:
    """Every byte, however few write(2) takes at once. Raises OSError."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def unwritable(path: str, error: OSError, size: int | None = None) -> OutputError:
    """The sentence for an OSError met while writing `path`."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        needed = f": {size} bytes are needed" if size is not None else ""
        return OutputError(f"{path}: no space is left{needed}", hints=["free some space, or choose another disk"])
    hint = _HINTS.get(error.errno or 0)
    return OutputError(f"{path}: cannot be written: {error.strerror}", hints=[hint] if hint else [])


def _open_unnamed(directory: int, temporary: str, mode: int) -> tuple[int, bool]:
    """A new file in `directory`, and whether it has the name `temporary` there."""
    flags = os.O_WRONLY | os.O_CLOEXEC
    if os.path.exists("/proc/self/fd"):  # without it an unnamed file can never get a name
        try:
            return os.open(".", flags | os.O_TMPFILE, mode, dir_fd=directory), False
        except OSError as error:
            if error.errno not in _NO_TMPFILE:
                raise
    return os.open(temporary, flags | os.O_CREAT | os.O_EXCL, mode, dir_fd=directory), True


def _remove(directory: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=directory)
    except FileNotFoundError:
        return


def _write_special(path: str, chunks: Iterable[bytes]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        for chunk in chunks:
            write_all(descriptor, chunk)
    finally:
        os.close(descriptor)
