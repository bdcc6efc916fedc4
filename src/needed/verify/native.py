"""A command in the sandbox of name spaces: an image's tree, each time a fresh copy, or a source root shown read-only.

Changes neither. A program that the kernel cannot execute since it is for another machine is a SandboxError, and no
failure of the image.
"""

from __future__ import annotations

import os

from needed.errors import OutputError, SandboxError
from needed.root import DirectoryRoot, RootPath
from needed.value import replace
from needed.verify.bundle import Bundle, check_mount_points, private_folder
from needed.verify.command import Mount
from needed.verify.process import run_command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from needed.root import Root
    from needed.verify.command import Command, Limits, Outcome
    from needed.verify.namespaces import Started

    Probe = Callable[[Started], bool]

_REFUSED = "{}: Exec format error\n"  # what `namespaces` says of ENOEXEC


class Native:
    """The sandbox that needs no program; `folder` is where trees wait."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def run(self, root: Root, command: Command, limits: Limits, probe: Probe | None = None) -> Outcome:
        """Run `command` in a fresh copy of `root`. Raises SandboxError where nothing here can run it, ImageError,
        OutputError, ReadError."""
        with Bundle(root, command.user, self.folder) as bundle:
            outcome = run_command(bundle, command, limits, probe=probe)
        if outcome.stderr == _REFUSED.format(command.argv[0]).encode("utf-8", "surrogateescape"):
            raise SandboxError(
                f"{command.argv[0]} is for a machine that this one is not",
                hints=["install qemu-user-static, or verify it on such a machine"],
            )
        return outcome

    def run_on_source(self, source: Root, command: Command, limits: Limits) -> Outcome:
        """Run `command` on the source root: a directory is shown as it is, read-only but for an empty /tmp."""
        if not isinstance(source, DirectoryRoot):
            return self.run(source, command, limits)
        with SourceTree(source, command.user, self.folder) as tree:
            there = replace(command, mounts=tree.mounts, directory=tree.folder_or_top(command.directory))
            return run_command(tree, there, limits)


class SourceTree(Bundle):
    """A directory of this machine in place of a copy. Nothing of it is written to."""

    def __init__(self, source: DirectoryRoot, user: tuple[int, int], folder: str) -> None:
        """Raises ImageError for a tree that no sandbox can show, OutputError."""
        self.root, self.user = source, user
        self.writable = []
        check_mount_points(source)
        self.mounts: tuple[Mount, ...] = (Mount(os.path.abspath(source.path), "/", read_only=True),)
        try:
            self.path = private_folder(folder)
            if self._is_folder("/tmp"):  # noqa: S108  (of the sandbox)
                empty = os.path.join(os.path.dirname(self.path), "tmp")
                os.mkdir(empty, 0o700)
                self.mounts = (*self.mounts, Mount(empty, "/tmp"))  # noqa: S108
        except OSError as error:
            raise OutputError(f"{folder}: no folder can be made there: {error.strerror}") from None

    def folder_or_top(self, path: str) -> str:
        """`path`, or the top if the source root has no such folder: an image has its own."""
        return path if self._is_folder(path) else "/"

    def _is_folder(self, path: str) -> bool:
        entry = self.root.entry(RootPath(path))
        return entry is not None and entry.kind == "directory"

