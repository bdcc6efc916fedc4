"""One tar that both worlds read: an OCI layout (image-layout.md 1.0.0) with a `manifest.json` for `docker load`.

What Docker 25 and later save, and what Docker from 20.10, Podman, containerd and skopeo load. Deterministic: names,
modes and times are fixed, and nothing tells when or where it was made.
"""

from __future__ import annotations

from needed.image.build import MemoryBlob
from needed.image.model import Descriptor, Index, canonical_json
from needed.image.tar import BLOCK, DIRECTORY, END, FILE, padding, tar_header
from needed.value import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.image.build import Blob, Image
    from needed.image.index import ImageIndex
    from needed.image.model import Pairs
    from needed.image.reference import Reference

OCI_LAYOUT = canonical_json({"imageLayoutVersion": "1.0.0"})
REF_NAME = "org.opencontainers.image.ref.name"  # annotations.md
IMAGE_NAME = "io.containerd.image.name"  # what containerd, Docker and Podman name an image after


@value
class Archive:
    """A Blob: members by name, where a name that ends in a slash is a directory."""

    members: tuple[tuple[str, Blob], ...]

    @property
    def size(self) -> int:
        """The length in bytes, known before anything is read."""
        return sum(BLOCK + blob.size + len(padding(blob.size)) for _, blob in self.members) + len(END)

    def chunks(self) -> Iterator[bytes]:
        """All bytes, in pieces of at most 1 MiB."""
        for name, blob in self.members:
            if name.endswith("/"):
                yield tar_header(name.encode(), DIRECTORY, 0o755, 0)
                continue
            yield tar_header(name.encode(), FILE, 0o644, 0, blob.size)
            yield from blob.chunks()
            yield padding(blob.size)
        yield END


def image_archive(image: Image, reference: Reference, tag: str | None = None) -> Archive:
    """The archive of `image` as `reference`; `tag` is what the index calls it, if not the reference's tag."""
    docker = {
        "Config": f"blobs/sha256/{image.config.digest[7:]}",
        "RepoTags": [reference.familiar],
        "Layers": [f"blobs/sha256/{layer.descriptor.digest[7:]}" for layer in image.layers],
    }
    return _archive(image, reference, tag, {"manifest.json": MemoryBlob((canonical_json([docker]),))})


def index_archive(index: ImageIndex, reference: Reference, tag: str | None = None) -> Archive:
    """The archive of all images of `index`, which `docker load` of before 28 does not read: a `manifest.json` knows no
    platforms, and one of this machine's image would make the bytes depend on who builds."""
    return _archive(index, reference, tag, {})


def _archive(image: Image | ImageIndex, reference: Reference, tag: str | None, more: dict[str, Blob]) -> Archive:
    listed = Index((named_manifest(image, tag or reference.tag, reference),))
    members: dict[str, Blob] = {
        "oci-layout": MemoryBlob((OCI_LAYOUT,)),
        **more,
        "index.json": MemoryBlob((canonical_json(listed.document()),)),
        "blobs/": MemoryBlob(()),
        "blobs/sha256/": MemoryBlob(()),
        **{f"blobs/sha256/{descriptor.digest[7:]}": blob for descriptor, blob in image.blobs()},
    }
    return Archive(tuple(members.items()))


def named_manifest(image: Image | ImageIndex, tag: str, reference: Reference | None) -> Descriptor:
    """The descriptor as a layout's index.json lists it: with the image's names."""
    names: Pairs = ((REF_NAME, tag),)
    if reference is not None:
        names += ((IMAGE_NAME, reference.canonical),)
    return replace(image.listed(), annotations=names)
