"""What `needed advise` says: for people, and as an object."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.advice import Advice
    from needed.rootfs import Rootfs

MIN_COLUMN = 20  # columns that are worth wrapping to
NOTHING = "nothing found that would make it smaller"


def render_advice(found: tuple[Advice, ...], rootfs: Rootfs, width: int = 0) -> Iterator[str]:
    """The image as it is; then for each advice the bytes, how they were found and what it is about, how it is done, and
    the details; in `width` columns, or as long as they are."""
    files = rootfs.files
    yield f"{rootfs.size:>12,}  bytes in {files:,} file{'s' * (files != 1)} as it is"
    if not found:
        yield NOTHING
        return
    for one in found:
        yield from _wrapped(f"{one.size:>12,}  {one.found:<8}  ", one.what, width)
        yield from _wrapped(f"{'':>24}how: ", one.how, width)
        for detail in one.details:
            yield from _wrapped(f"{'':>24}", detail, width)
    if len(found) > 1:
        yield "These do not add up: what one takes away is not there for another."


def _wrapped(start: str, text: str, width: int) -> list[str]:
    """`text` behind `start`, its further lines in the column of its first."""
    from textwrap import wrap

    if width < len(start) + MIN_COLUMN:
        return [start + text]
    return wrap(text, width, initial_indent=start, subsequent_indent=" " * len(start),
                break_on_hyphens=False, break_long_words=False)  # fmt: skip


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
