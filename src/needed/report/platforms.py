"""What went into an image index: each image as if it were built alone, then the index."""

from __future__ import annotations

from needed.report.build import image_object, render_summary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.image.build import Image
    from needed.image.index import ImageIndex


def render_image(image: Image, name: str) -> Iterator[str]:
    """The lines of one image; where it is written stands with the index."""
    return render_summary(image, name, [])


def render_index(index: ImageIndex, name: str, written: list[tuple[str, str]]) -> Iterator[str]:
    """Its lines; `written` are places, each with the platform whose image alone is there, "" for the whole index."""
    count = len(index.images)
    yield f"index   {name}  {count} image{'s' * (count != 1)}"
    yield f"digest  {index.index.digest}"
    for place, platform in written:
        yield f"written {place}" + (f"  (the image for {platform})" if platform else "")


def index_object(index: ImageIndex, name: str, more: list[dict[str, object]]) -> dict[str, object]:
    """The index for `--json`; `more` says further things of each of its images, in their order."""
    images = []
    for image, also in zip(index.images, more, strict=True):
        found = image_object(image, name, [])
        del found["name"], found["written"]
        images.append(found | also)
    return {"name": name, "digest": index.index.digest, "images": images}
