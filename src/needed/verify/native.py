"""A command in a sandbox: an image's tree, each time a fresh copy, or a source root shown read-only.

Changes neither. A program that the kernel cannot execute since it is for another machine is a SandboxError, and no
failure of the image.
"""

from __future__ import annotations

import os

from needed.errors import SandboxError
from needed.root import DirectoryRoot, MemoryRoot, RootPath
from needed.value import replace
from needed.verify.bundle import Bundle, check_mount_points
from needed.verify.command import Mount
from needed.verify.kernel import may_map_users
from needed.verify.process import capture, run_command
from needed.verify.sandbox import begin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from needed.root import Root
    from needed.verify.command import Command, Limits, Outcome
    from needed.verify.process import Running

    Probe = Callable[[Running], bool]

_BECOMING = (b"chown", b"setuid", b"setgid", b"setgroups", b"initgroups", b"setresuid", b"setresgid")
_REFUSED = "{}: Exec format error\n"  # what `namespaces` says of ENOEXEC


class Native:
    """`folder` is where trees wait, `name` the sandbox that was asked for, "" for the first that works. A source root
    is shown in name spaces whatever is asked for: an engine has no way to show one that it may not change."""

    def __init__(self, folder: str, name: str = "") -> None:
        self.folder, self.name = folder, name

    def run(self, root: Root, command: Command, limits: Limits, probe: Probe | None = None) -> Outcome:
        """Run `command` in a fresh copy of `root`. Raises SandboxError where nothing here can run it, ImageError,
        OutputError, ReadError."""
        outcome = capture(
            lambda streams: begin(self.name, root, command, limits, streams, self.folder), limits, probe=probe
        )
        problem = _of_engine(outcome.stderr)
        if problem:
            raise SandboxError(problem, hints=["choose another: --sandbox unshare"])
        if outcome.stderr == _REFUSED.format(command.argv[0]).encode("utf-8", "surrogateescape"):
            raise SandboxError(
                f"{command.argv[0]} is for a machine that this one is not",
                hints=["install qemu-user-static, or verify it on such a machine"],
            )
        if command.user[0] == 0 and not self._may_become(command) and _became_another(outcome):
            raise SandboxError(
                "the image's root becomes another user, and may not here",
                hints=["as root or in an engine: --capabilities root", "or name its user: --user UID"],
            )
        return outcome

    def _may_become(self, command: Command) -> bool:
        """Whether the image's root could become another user."""
        has_others = self.name in ("docker", "podman") or (self.name != "bubblewrap" and may_map_users())
        return command.capabilities == "root" and has_others

    def run_on_source(self, source: Root, command: Command, limits: Limits) -> Outcome:
        """Run `command` on the source root: a directory is shown as it is, read-only but for an empty /tmp. Raises as
        `run`."""
        if not isinstance(source, DirectoryRoot):
            return self.run(source, command, limits)
        check_mount_points(source)
        with Bundle(MemoryRoot({}), command.user, self.folder) as bundle:
            mounts = [Mount(os.path.abspath(source.path), "/", read_only=True)]
            if _is_folder(source, "/tmp"):  # noqa: S108  (of the sandbox)
                empty = os.path.join(os.path.dirname(bundle.path), "tmp")
                os.mkdir(empty, 0o700)
                mounts.append(Mount(empty, "/tmp"))  # noqa: S108
            directory = command.directory if _is_folder(source, command.directory) else "/"
            there = replace(command, mounts=(*command.mounts, *mounts), directory=directory)
            return run_command(bundle, there, limits)


def _of_engine(stderr: bytes) -> str:
    """What an engine says where it could not start a container; "" where a program ran, whatever it said."""
    first = stderr.partition(b"\n")[0].decode("utf-8", "replace").strip()
    return first if first.startswith(("Error: OCI runtime error:", "docker: Error response from daemon:")) else ""


def _became_another(outcome: Outcome) -> bool:
    """Whether a program ended over a user or a group that its name space does not have (EINVAL, EPERM)."""
    if outcome.status == 0 or outcome.ended != "exited":
        return False
    said = outcome.stdout + outcome.stderr
    refused = any(text in said for text in (b"Invalid argument", b"Operation not permitted"))
    return refused and any(text in said for text in _BECOMING)


def _is_folder(root: Root, path: str) -> bool:
    entry = root.entry(RootPath(path))
    return entry is not None and entry.kind == "directory"
