"""What `docker save` and `podman save` write: `manifest.json`, which names a config and layers in the archive.

Three shapes, told apart by nothing but the names in it: a folder per layer with `layer.tar` (Docker before 25, where a
repeated layer is a symlink), `HASH.tar` (Podman), and `blobs/sha256/HASH` (Docker 25 and later, and ours). A layer is
checked against the config's diff ID, and against its own digest where its name is one. moby's image/spec/v1.2.md.
"""

from __future__ import annotations

from needed.errors import ImageError
from needed.image.root import ImageRoot
from needed.image.squash import squash
from needed.root import Walker
from needed.source.blob import Expected, is_digest
from needed.source.config import parse_config
from needed.source.document import Document, parse_document, parse_json
from needed.source.layout import canonical_name, check_config

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.image.model import Platform
    from needed.image.reference import Reference
    from needed.image.squash import IndexedLayer
    from needed.root import OpenFile, Root
    from needed.source.blob import BlobReader


def open_docker_archive(
    root: Root, label: str, reference: Reference | None, platform: Platform | None, reader: BlobReader
) -> ImageRoot:
    """The image called `reference`, or the only one, of the archive whose members are in `root`. Raises ImageError."""
    archive = _Archive(root, label)
    image = _choose(label, _images(archive, reader), reference)
    config_path, paths = image.text("Config"), image.texts("Layers")
    if len(paths) > reader.limits.layers:
        image.refuse(f"has {len(paths)} layers, and {reader.limits.layers} are the limit")
    content = reader.read_document(archive.open(config_path), f"{label}: config", _digest_in(config_path))
    config = parse_config(parse_document(f"{label}: config", content))
    check_config(label, config, len(paths), platform)

    def layers() -> Iterator[IndexedLayer]:
        for number, (path, diff_id) in enumerate(zip(paths, config.diff_ids, strict=True), 1):
            digest = _digest_in(path) if path.startswith("blobs/") else ""  # Podman's HASH.tar is the diff ID
            expected = Expected(f"{label}: layer {number}", None, digest, diff_id)
            yield reader.index_layer(archive.open(path), expected)

    return ImageRoot(squash(layers(), reader.limits), config, label)


class _Archive:
    """The members by name; links among them are followed inside the archive."""

    def __init__(self, root: Root, label: str) -> None:
        self.label = label
        self._root, self._walker = root, Walker(root)

    def open(self, name: str) -> OpenFile:
        """Raises ImageError if there is no such member, or the name leads upwards."""
        if ".." in name.split("/"):
            raise ImageError(f"{self.label}: names a file with `..`: {name[:100]!a}")
        found = self._walker.find(f"/{name}")
        if found is None or found.entry.kind != "file":
            hints = []
            if name == "manifest.json":
                layout = self._walker.find("/oci-layout") is not None
                hints = ["it is an OCI archive: name it oci-archive:FILE"] if layout else ["write it with docker save"]
            raise ImageError(f"{self.label}: has no file {name[:100]!a}", hints=hints)
        return self._root.open(found.path)


def _images(archive: _Archive, reader: BlobReader) -> list[Document]:
    label = f"{archive.label}: manifest.json"
    found = parse_json(label, reader.read_document(archive.open("manifest.json"), label))
    if not isinstance(found, list) or not found or not all(isinstance(item, dict) for item in found):
        raise ImageError(f"{label}: is not a list of images")
    if len(found) > reader.limits.manifests:
        raise ImageError(f"{label}: lists more than {reader.limits.manifests} images")
    return [Document(f"{label}: image {number}", item) for number, item in enumerate(found, 1)]


def _choose(label: str, images: list[Document], reference: Reference | None) -> Document:
    tags = [image.texts("RepoTags") for image in images]
    if reference is not None:
        wanted = reference.canonical
        found = [image for image, names in zip(images, tags, strict=True) if wanted in map(canonical_name, names)]
        fault = f"has no image named {reference}" if not found else f"has {len(found)} images named {reference}"
    else:
        found, fault = images, f"holds {len(images)} images"
    if len(found) != 1:
        names = sorted({name[:80] for several in tags for name in several})[:10]
        raise ImageError(f"{label}: {fault}", hints=[f"its images: {', '.join(names)}"] if names else [])
    return found[0]


def _digest_in(path: str) -> str:
    """The sha256 that a member is named after, if it is: `HASH.json`, `blobs/sha256/HASH`."""
    digest = f"sha256:{path.rpartition('/')[2].removesuffix('.json')}"
    return digest if is_digest(digest) else ""
