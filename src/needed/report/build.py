"""What went into an image: a table for people, an object for programs, the files with their reasons."""

from __future__ import annotations

from needed.rootfs import Directory, File, HardLink, Symlink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from needed.closure import Reason
    from needed.image.build import Image
    from needed.notes import Note
    from needed.rootfs import Rootfs


def render_summary(image: Image, name: str, written: list[str]) -> Iterator[str]:
    """Files, bytes, compressed bytes and digest, a line each, none wider than 80 columns for its digest."""
    yield f"image   {name}  {image.platform}"
    yield f"files   {image.files:,}"
    yield f"bytes   {image.content_size:,}"
    kind = image.layers[0].descriptor.media_type.rpartition("+")[2]
    yield f"packed  {image.layers[0].descriptor.size:,}" + (f" ({kind})" if "tar" not in kind else " (not compressed)")
    yield f"digest  {image.manifest.digest}"
    for place in written:
        yield f"written {place}"


def render_notes(notes: Iterable[Note]) -> Iterator[str]:
    """A line for each note, and one for what changes it."""
    for note in notes:
        yield f"note    {note.message}"
        if note.hint:
            yield f"        {note.hint}"


def notes_object(notes: Iterable[Note]) -> list[dict[str, str]]:
    """The same for `--json`."""
    return [{"message": note.message, "hint": note.hint} for note in notes]


def render_files(rootfs: Rootfs) -> Iterator[str]:
    """A line for each path: size or link, path, reasons."""
    for path, entry in rootfs.entries.items():
        why = _some(rootfs.reasons[path]) or "folder on the way"
        match entry:
            case File():
                yield f"{entry.size:>12,}  {path}  ({why})"
            case HardLink():
                yield f"{'hard link':>12}  {path} = {entry.target}  ({why})"
            case Symlink():
                yield f"{'link':>12}  {path} -> {entry.target}  ({why})"
            case Directory():
                yield f"{'folder':>12}  {path}  ({why})"
    yield f"{rootfs.size:>12,}  bytes in {rootfs.files} file{'s' * (rootfs.files != 1)}"


def _some(reasons: tuple[Reason, ...]) -> str:
    """The first reasons; `needed why --all` has the others."""
    shown = "; ".join(map(str, reasons[:2]))
    return f"{shown}; and {len(reasons) - 2} more" if len(reasons) > 2 else shown


def files_object(rootfs: Rootfs) -> list[dict[str, object]]:
    """The same for `--json`."""
    found: list[dict[str, object]] = []
    for path, entry in rootfs.entries.items():
        item: dict[str, object] = {"path": path, "kind": type(entry).__name__.lower()}
        match entry:
            case File():
                item |= {"size": entry.size, "mode": f"{entry.mode:04o}"}
            case HardLink():
                item |= {"kind": "hard link", "target": entry.target}
            case Symlink():
                item |= {"target": entry.target}
            case Directory():
                item |= {"mode": f"{entry.mode:04o}"}
        reasons = [{"kind": reason.kind, "subject": reason.subject} for reason in rootfs.reasons[path]]
        found.append(item | {"reasons": reasons})
    return found


def image_object(image: Image, name: str, written: list[dict[str, str]]) -> dict[str, object]:
    """The image for `--json`."""
    layer = image.layers[0]
    return {
        "name": name,
        "platform": str(image.platform),
        "files": image.files,
        "bytes": image.content_size,
        "compressed_bytes": layer.descriptor.size,
        "digest": image.manifest.digest,
        "config_digest": image.config.digest,
        "layers": [
            {"digest": item.descriptor.digest, "size": item.descriptor.size, "diff_id": item.diff_id}
            for item in image.layers
        ],
        "written": written,
    }
