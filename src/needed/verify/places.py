"""Where the files of this machine that a user mounts stand in an image's tree (`-v SOURCE:DESTINATION`).

A destination is followed inside the image (CVE-2024-21626 and its kind), and made in the tree's copy where there is
none. The image is not changed by it.
"""

from __future__ import annotations

import os

from needed.errors import SourceError, UsageError
from needed.root import Walker, encode_path
from needed.value import replace
from needed.verify.command import Mount

TYPE_CHECKING = False
if TYPE_CHECKING:
    from needed.verify.bundle import Bundle
    from needed.verify.command import Command

TAKEN = ("/", "/dev", "/proc", "/sys")


def with_places(bundle: Bundle, command: Command) -> Command:
    """`command` whose mounts name places of the tree without links, all of them there."""
    walker = Walker(bundle.root)
    return replace(command, mounts=tuple(_place(bundle, walker, one) for one in command.mounts))


def _place(bundle: Bundle, walker: Walker, one: Mount) -> Mount:
    source = os.path.realpath(one.source)
    if not os.path.exists(source):
        raise SourceError(f"{one.source}: no such file or directory to mount", hints=["make it, or name another"])
    if ".." in one.destination.split("/"):
        raise UsageError(f"{one.destination}: a place to mount at has no .. in it")
    path, missing = "/", [part for part in one.destination.split("/") if part not in ("", ".")]
    while missing:
        found = walker.find(f"{path.rstrip('/')}/{missing[0]}")
        if found is None:
            break
        path = found.path
        del missing[0]
    at = "/".join([path.rstrip("/"), *missing]) or "/"
    if at in TAKEN or at.startswith(("/dev/", "/proc/")):
        raise UsageError(f"{one.destination}: the sandbox has something of its own there")
    folder = os.path.isdir(source)
    host = bundle.path + os.fsdecode(encode_path(at))
    if os.path.lexists(host):
        if os.path.islink(host) or os.path.isdir(host) != folder:
            kinds = ("folder", "file") if folder else ("file", "folder")
            raise UsageError(f"{one.destination} of the image is no {kinds[0]}, and {one.source} is one")
    else:
        _make(bundle.path + os.fsdecode(encode_path(path)), host, folder=folder)
    return Mount(source, os.fsdecode(encode_path(at)), one.read_only)


def _make(above: str, path: str, *, folder: bool) -> None:
    """`path` and the folders down to it from `above`, whose mode is as before afterwards."""
    if not os.path.isdir(above) or os.path.islink(above):
        raise UsageError(f"{path}: a file of the image stands above this place to mount at")
    mode = os.stat(above).st_mode & 0o7777
    os.chmod(above, 0o700)
    try:
        os.makedirs(path if folder else os.path.dirname(path), 0o755, exist_ok=True)
        if not folder:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o644))
    finally:
        os.chmod(above, mode)
