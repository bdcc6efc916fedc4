"""`oci:DIR:TAG`: a directory by image-layout.md 1.0.0, which may hold many images and be written by many at once.

All writing happens under flock(2) on the directory, so whoever holds it may remove temporaries that killed runs left.
Blobs reach the disk before the index that names them. Removes no blob: another image may need it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat

from needed.errors import OutputError
from needed.image.model import INDEX_TYPE, canonical_json
from needed.output.archive import OCI_LAYOUT, REF_NAME, named_manifest
from needed.output.atomic import replace_file, replace_files, sync_all, unwritable
from needed.source.spool import TEMPORARY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from needed.image.build import Image
    from needed.image.index import ImageIndex
    from needed.image.model import Document
    from needed.image.reference import Reference

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW


def write_oci_layout(
    image: Image | ImageIndex, directory: str, tag: str = "latest", reference: Reference | None = None
) -> None:
    """`image` as `tag` in the layout `directory`, made if it is missing; other tags stay. Raises OutputError.

    Of an ImageIndex the tag names the nested index, as in what buildx and skopeo write.
    """
    size = sum(blob.size for _, blob in image.blobs())
    try:
        os.makedirs(directory, exist_ok=True)
        top = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(top, fcntl.LOCK_EX)
            index = _read_index(top, directory)
            _remove_leftovers(top)
            _write_blobs(top, image)
            _replace_tag(index, named_manifest(image, tag, reference).document(), tag)
            replace_file(top, "index.json", (canonical_json(index),))
            os.fsync(top)
        finally:
            os.close(top)
    except OSError as error:
        raise unwritable(directory, error, size) from None


def _read_index(top: int, directory: str) -> Document:
    """The index that is there, or a new one. What is there must be ours to change: a layout, or nothing."""
    names = {name for name in os.listdir(top) if not name.startswith(TEMPORARY)}
    if "oci-layout" not in names:
        if names - {"blobs"} or (names and not _is_begun(top)):
            raise OutputError(
                f"{directory}: is not empty and not an OCI layout", hints=["name a new directory: oci:DIR:TAG"]
            )
        return _new_index()
    import json  # a new layout does without: the import takes as long as the writing

    damaged = OutputError(f"{directory}: its oci-layout or index.json is damaged", hints=["name a new directory"])
    try:
        layout = json.loads(_read(top, "oci-layout"))
        index = json.loads(_read(top, "index.json")) if "index.json" in names else _new_index()
    except (ValueError, RecursionError):
        raise damaged from None
    if not isinstance(layout, dict) or not _is_index(index):
        raise damaged
    version = layout.get("imageLayoutVersion")
    if version != "1.0.0":
        raise OutputError(
            f"{directory}: is an OCI layout of version {version!r}, and only 1.0.0 is known",
            hints=["name a new directory"],
        )
    return index


def _is_begun(top: int) -> bool:
    """Whether `blobs` can be from a run that was killed before it wrote anything else: only blobs are in it."""
    try:
        folder = os.open("blobs", _FOLDER, dir_fd=top)
    except OSError:
        return False
    try:
        return set(os.listdir(folder)) <= {"sha256"}
    finally:
        os.close(folder)


def _is_index(index: object) -> bool:
    """image-index.md: a schema version, and descriptors."""
    if not isinstance(index, dict) or index.get("schemaVersion") != 2:
        return False
    manifests = index.get("manifests")
    return isinstance(manifests, list) and all(
        isinstance(entry, dict)
        and isinstance(entry.get("digest"), str)
        and isinstance(entry.get("annotations") or {}, dict)
        for entry in manifests
    )


def _new_index() -> Document:
    return {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": []}


def _replace_tag(index: Document, entry: Document, tag: str) -> None:
    """What others wrote into the index stays, word for word."""
    manifests = index["manifests"]
    assert isinstance(manifests, list)
    index["manifests"] = [one for one in manifests if (one.get("annotations") or {}).get(REF_NAME) != tag] + [entry]


def _write_blobs(top: int, image: Image | ImageIndex) -> None:
    """All that the index needs, with names and on the disk: the blobs that are missing, the folders, `oci-layout`."""
    blobs = _open_folder(top, "blobs")
    try:
        folder = _open_folder(blobs, "sha256")
        try:
            _remove_leftovers(folder)
            replace_files(_missing(top, folder, image))
            sync_all([folder, blobs, top])
        finally:
            os.close(folder)
    finally:
        os.close(blobs)


def _missing(top: int, folder: int, image: Image | ImageIndex) -> Iterator[tuple[int, str, Iterable[bytes]]]:
    for descriptor, blob in image.blobs():
        name = descriptor.digest.removeprefix("sha256:")
        if not _has_size(folder, name, descriptor.size):
            yield folder, name, blob.chunks()
    if not _is_there(top, "oci-layout"):
        yield top, "oci-layout", (OCI_LAYOUT,)


def _open_folder(above: int, name: str) -> int:
    if not _is_there(above, name):
        os.mkdir(name, dir_fd=above)
    return os.open(name, _FOLDER, dir_fd=above)


def _has_size(folder: int, name: str, size: int) -> bool:
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    if stat.S_ISDIR(status.st_mode):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
    return stat.S_ISREG(status.st_mode) and status.st_size == size


def _is_there(folder: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _read(top: int, name: str) -> bytes:
    with open(os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=top), "rb") as file:
        return file.read()


def _remove_leftovers(folder: int) -> None:
    for name in os.listdir(folder):
        if name.startswith(TEMPORARY):
            os.unlink(name, dir_fd=folder)
