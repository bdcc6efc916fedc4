"""`tar:FILE`: the layer's tar itself, compressed as the image was built. Knows nothing of images' JSON."""

from __future__ import annotations

from needed.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from needed.image.build import Image, Layer


def only_layer(image: Image) -> Layer:
    """The one layer whose bytes are the tree. Raises UsageError if there are several."""
    if len(image.layers) != 1:
        raise UsageError(
            f"tar: writes one layer, and this image has {len(image.layers)}",
            hints=["write an archive: oci-archive:FILE"],
        )
    return image.layers[0]
