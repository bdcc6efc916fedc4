"""The config of an image from outside, as the value that `image.model` writes (config.md of image-spec 1.1.1)."""

from __future__ import annotations

from needed.image.model import ImageConfig, Platform

TYPE_CHECKING = False
if TYPE_CHECKING:
    from needed.source.document import Document

MAX_USER = 2**31 - 1  # engines wrap around beyond it, to root (CVE-2024-40635)


def parse_config(document: Document) -> ImageConfig:
    """The config. `history` has what created each layer that is one. Raises ImageError on a wrong type."""
    words, rootfs = document.inner("config"), document.inner("rootfs")
    if rootfs.text("type") != "layers":
        rootfs.refuse("type is not `layers`")
    history = document.each("history")
    return ImageConfig(
        Platform(document.text("os"), document.text("architecture"), document.text("variant", "")),
        document.text("created", ""),
        words.texts("Entrypoint"),
        words.texts("Cmd"),
        words.texts("Env"),
        words.text("WorkingDir", ""),
        _user(words),
        words.inner("ExposedPorts").keys(),
        words.inner("Labels").pairs(),
        words.inner("Volumes").keys(),
        words.text("StopSignal", ""),
        rootfs.texts("diff_ids"),
        tuple(item.text("created_by", "") for item in history if not item.flag("empty_layer")),
    )


def _user(words: Document) -> str:
    """`USER[:GROUP]`, each a name or a number: what begins with a digit is a decimal number that fits."""
    user = words.text("User", "")
    for part in user.split(":", 1):
        number = part.isascii() and part.isdigit()
        if (part[:1].isdigit() and not number) or part[:1] in ("-", "+") or (number and int(part[:20]) > MAX_USER):
            words.refuse(f"User {user[:60]!a} is neither a name nor a user's number")
    return user
