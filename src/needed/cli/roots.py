"""What `--root` and `--against` may name: a directory of this machine, or an image in skopeo's words."""

from __future__ import annotations

import os

from needed.cli.paths import to_host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from needed.image.model import Platform
    from needed.root import Root


def open_root_option(text: str, platform: str = "", *, ours: bool = False) -> Root:
    """The tree that `text` names (see `needed.source.opening`), of `platform` ("linux/arm64") if that is given, or of
    this machine's with `ours`: what is built must not depend on who builds it, what is run or looked at may.

    A directory costs no import of what reads images.
    """
    if ":" not in text:
        from needed.errors import ReadError
        from needed.root import DirectoryRoot

        try:
            return DirectoryRoot(to_host(text))
        except ReadError as error:
            raise ReadError(error.message, hints=[*error.hints, _image_hint(text)]) from None
    from needed.image.model import parse_platform
    from needed.source.opening import Surroundings, open_root

    surroundings = Surroundings(docker_host(), "podman", temporary_folder(), machine=this_machine() if ours else None)
    return open_root(to_host(text), parse_platform(platform) if platform else None, surroundings)


def root_for(words: list[str], platform: str) -> str:
    """Of the words of `--root` the ROOT for `platform`, `/` if there is none. Raises UsageError."""
    if not words:
        return "/"
    if len(words) == 1 and "=" not in words[0]:
        return words[0]
    from needed.cli.platforms import choose_root

    return choose_root(words, platform)


def _image_hint(text: str) -> str:
    """How an image is named that may have been meant by `text`, which is no directory."""
    if os.path.isfile(to_host(text)) or text.endswith(".tar"):
        return f"or say what kind of archive it is: docker-archive:{text}, oci-archive:{text}, tar:{text}"
    return f"or an image: oci:DIR[:TAG], docker-archive:FILE, docker-daemon:{text or 'NAME'}"


def library_path(option: str | None, root: Root) -> tuple[str, ...]:
    """The elements of LD_LIBRARY_PATH: what the option says, else what a process of `root` has if that is an image
    that sets it. Never what our own environment has."""
    from needed.root import DirectoryRoot

    text = option
    if text is None and not isinstance(root, DirectoryRoot):
        from needed.image.root import ImageRoot

        config = root.config if isinstance(root, ImageRoot) else None
        words = dict(item.split("=", 1) for item in config.env if "=" in item) if config else {}
        text = words.get("LD_LIBRARY_PATH")
    return tuple(text.replace(";", ":").split(":")) if text else ()


def this_machine() -> Platform | None:
    """The platform whose images run here, None where it has no name."""
    from needed.errors import ToolchainError
    from needed.toolchain.tools import this_platform

    try:
        return this_platform()
    except ToolchainError:
        return None


def docker_host() -> str:
    """The engine's address, as Docker's own command finds it."""
    return os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"


def temporary_folder() -> str:
    """Where what is too large for memory waits, in a file without a name."""
    return os.environ.get("TMPDIR") or "/tmp"  # noqa: S108  (unnamed files only)
