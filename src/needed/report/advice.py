"""What `needed advise` says: for people, and as an object."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.advice import Advice
    from needed.rootfs import Rootfs

NOTHING = "nothing found that would make it smaller"


def render_advice(found: tuple[Advice, ...], rootfs: Rootfs) -> Iterator[str]:
    """The image as it is; then for each advice the bytes, how they were found and what it is about, how it is done, and
    the details."""
    files = rootfs.files
    yield f"{rootfs.size:>12,}  bytes in {files:,} file{'s' * (files != 1)} as it is"
    if not found:
        yield NOTHING
        return
    for one in found:
        yield f"{one.size:>12,}  {one.found:<8}  {one.what}"
        yield f"{'':>14}how: {one.how}"
        yield from (f"{'':>14}{detail}" for detail in one.details)
    if len(found) > 1:
        yield "These do not add up: what one takes away is not there for another."


def advice_object(found: tuple[Advice, ...], rootfs: Rootfs) -> dict[str, object]:
    """The same for `--json`."""
    return {
        "bytes": rootfs.size,
        "files": rootfs.files,
        "advice": [
            {
                "kind": one.kind,
                "bytes": one.size,
                "found": one.found,
                "what": one.what,
                "how": one.how,
                "details": list(one.details),
            }
            for one in found
        ],
    }
