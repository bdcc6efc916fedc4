"""Images of one thing for several platforms, as one: an image index (image-index.md of image-spec 1.1.1).

Each image in it is the one that would be built alone, to the byte. Does not choose for an engine what it runs: `output`
does, by the engine's platform.
"""

from __future__ import annotations

from needed.errors import NeededError, UsageError
from needed.image.build import MemoryBlob, validate_image
from needed.image.model import INDEX_TYPE, Descriptor, Index, canonical_json, choose_platform, sha256_digest
from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from needed.image.build import Blob, Image
    from needed.image.model import Platform


@value
class ImageIndex:
    """`images` by their platforms' names, each platform once; `index` describes `index_blob`, the JSON document."""

    images: tuple[Image, ...]
    index: Descriptor
    index_blob: bytes

    def blobs(self) -> tuple[tuple[Descriptor, Blob], ...]:
        """All that the images are made of, each digest once, and the index; in the order in which they may be
        published."""
        own: list[tuple[Descriptor, Blob]] = [pair for image in self.images for pair in image.blobs()]
        own.append((self.index, MemoryBlob((self.index_blob,))))
        return tuple({descriptor.digest: (descriptor, blob) for descriptor, blob in own}.values())

    def listed(self) -> Descriptor:
        """As a layout's index.json lists it."""
        return self.index

    def image_for(self, platform: Platform) -> Image | None:
        """The image that a machine of `platform` runs, None if there is none."""
        chosen = choose_platform(tuple(image.platform for image in self.images), platform)
        return next((image for image in self.images if image.platform == chosen), None)


def build_index(images: Iterable[Image]) -> ImageIndex:
    """The ImageIndex of `images`, in whatever order. Raises UsageError if two are for one platform, or there is
    none."""
    ordered = tuple(sorted(images, key=lambda image: str(image.platform)))
    if not ordered:
        raise UsageError("an image index needs an image")
    seen: set[Platform] = set()
    for image in ordered:
        if image.platform in seen:
            raise UsageError(f"two images for {image.platform} in one index", hints=["name each platform once"])
        seen.add(image.platform)
    entries = [
        Descriptor(image.manifest.media_type, image.manifest.digest, image.manifest.size, (), image.platform)
        for image in ordered
    ]
    blob = canonical_json(Index(tuple(entries)).document())
    return ImageIndex(ordered, Descriptor(INDEX_TYPE, sha256_digest(blob), len(blob)), blob)


def validate_index(index: ImageIndex) -> None:
    """Derive every digest and size again from the bytes. Raises NeededError on the first that differs."""
    for image in index.images:
        validate_image(image)
    if index != build_index(index.images):
        raise NeededError("the index does not describe its images")
