"""The sandboxes, what each of them can, and the choice: the one that was asked for, else the first that works.

`unshare` needs nothing (`namespaces`), `bubblewrap` the program bwrap, `docker` and `podman` an engine. Each gives a
program the same: the image's files, no network but loopback, no capability, no new privilege, limits. Where a
command asks for the capabilities of root, the image's root may become another user (`kernel`), but not in bubblewrap,
nor in name spaces of who is not root: there is no other user. None is told
more of an image than its files and the one command to run: labels and annotations mean something to some engines
(CVE-2026-53488), so nobody ever sees them.
"""

from __future__ import annotations

from needed.errors import SandboxError, UsageError
from needed.verify.process import start_here

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Protocol

    from needed.root import Root
    from needed.verify.bundle import Bundle
    from needed.verify.command import Command, Limits
    from needed.verify.process import Running

    Streams = tuple[int, int, int]

    class Begin(Protocol):
        """Start a command on a tree. Raises SandboxError where that cannot be done here."""

        def __call__(self, root: Root, command: Command, limits: Limits, streams: Streams, folder: str) -> Running: ...

    class BeginInTree(Protocol):
        def __call__(self, bundle: Bundle, command: Command, limits: Limits, streams: Streams) -> Running: ...


NAMES = ("unshare", "bubblewrap", "docker", "podman")


def check_name(name: str) -> None:
    """Raise UsageError if there is no sandbox `name`."""
    if name not in NAMES:
        raise UsageError(f"there is no sandbox {name}", hints=[f"--sandbox {' or '.join(NAMES)}"])


def begin(
    name: str, root: Root, command: Command, limits: Limits, streams: Streams, folder: str
) -> Running:  # fmt: skip
    """Start `command` on the tree `root` in the sandbox `name`, in the first that works if that is "".

    `folder` is where a copy of the tree may stand; `close` of what is returned takes it away. Raises SandboxError with
    the reason of each sandbox if none works, UsageError, ImageError, OutputError, ReadError.
    """
    if name:
        return _begin_of(name)(root, command, limits, streams, folder)
    reasons: list[str] = []
    for each in NAMES:
        try:
            return _begin_of(each)(root, command, limits, streams, folder)
        except SandboxError as error:
            reasons += [f"{each}: {error.message}", *error.details]
    raise SandboxError("not verified: nothing here can run the image", details=reasons)


def has_own_terminal(name: str) -> bool:
    """Whether the sandbox makes a program's terminal itself, from ours."""
    return name in ("docker", "podman")


def _begin_of(name: str) -> Begin:
    check_name(name)
    if name == "unshare":
        return _in_name_spaces
    if name == "bubblewrap":
        return _in_bubblewrap
    from needed.verify.engine import begin_in_docker, begin_in_podman

    return begin_in_docker if name == "docker" else begin_in_podman


def _in_name_spaces(root: Root, command: Command, limits: Limits, streams: Streams, folder: str) -> Running:
    from needed.verify.kernel import may_map_users

    owners = command.user[0] == 0 and command.capabilities == "root" and may_map_users()
    return _in_tree(start_here, root, (command, limits, streams), folder, owners=owners)


def _in_bubblewrap(root: Root, command: Command, limits: Limits, streams: Streams, folder: str) -> Running:
    from needed.verify.bubblewrap import start_bubblewrap

    return _in_tree(start_bubblewrap, root, (command, limits, streams), folder)


def _in_tree(
    start: BeginInTree, root: Root, what: tuple[Command, Limits, Streams], folder: str, *, owners: bool = False
) -> Running:
    from needed.verify.bundle import Bundle
    from needed.verify.foreign import by_qemu

    command, limits, streams = what
    command = by_qemu(root, command)
    bundle = Bundle(root, command.user, folder, owners=owners)
    try:
        if command.mounts:
            from needed.verify.places import with_places

            command = with_places(bundle, command)
        return _InTree(start(bundle, command, limits, streams), bundle)
    except BaseException:
        bundle.remove()
        raise


class _InTree:
    """What runs on a copy of a tree, which goes with it."""

    def __init__(self, running: Running, bundle: Bundle) -> None:
        self._running, self._bundle = running, bundle
        self.keeper = running.keeper

    def connect(self, port: int) -> socket.socket | None:
        return self._running.connect(port)

    def ask(self, number: int) -> bool:
        return self._running.ask(number)

    def kill(self) -> None:
        self._running.kill()

    def close(self) -> None:
        self._running.close()
        self._bundle.remove()
