"""What `--root` and `--against` may name: a directory of this machine, or an image in skopeo's words."""

from __future__ import annotations

import os

from needed.cli.paths import to_host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from needed.root import Root


def open_root_option(text: str, platform: str = "") -> Root:
    """The tree that `text` names (see `needed.source.opening`), of `platform` ("linux/arm64") if that is given.

    A directory costs no import of what reads images.
    """
    if ":" not in text:
        from needed.root import DirectoryRoot

        return DirectoryRoot(to_host(text))
    from needed.image.model import parse_platform
    from needed.source.opening import Surroundings, open_root

    surroundings = Surroundings(docker_host(), "podman", temporary_folder())
    return open_root(to_host(text), parse_platform(platform) if platform else None, surroundings)


def docker_host() -> str:
    """The engine's address, as Docker's own command finds it."""
    return os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"


def temporary_folder() -> str:
    """Where what is too large for memory waits, in a file without a name."""
    return os.environ.get("TMPDIR") or "/tmp"  # noqa: S108  (unnamed files only)
