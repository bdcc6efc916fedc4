"""An image index where a destination holds one: `oci:` and `oci-archive:`. The others hold the image of one platform.

`docker load` of before 28 refuses an archive without a `manifest.json`, which knows no platforms; engines keep the
image of their own. Podman, skopeo and buildx read the index, which the name leads to by one more step.
"""

from __future__ import annotations

from needed.output.archive import index_archive
from needed.output.destination import Written, write_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from needed.image.index import ImageIndex
    from needed.image.reference import Reference
    from needed.output.destination import Destination, Stream

WHOLE = ("oci", "oci-archive")  # transports that hold an index
TREES = ("tar", "dir")  # transports that hold the files of an image without its platform


def write_index(index: ImageIndex, destination: Destination, reference: Reference, *, stdout: Stream) -> Written:
    """Take `index` to `destination`, of a transport in WHOLE, named `reference` unless that names it itself.

    Raises OutputError; BrokenPipeError of standard output passes through.
    """
    name, path = destination.reference or reference, destination.path
    if destination.transport == "oci":
        from needed.output.oci_layout import write_oci_layout

        tag = destination.tag or name.tag
        write_oci_layout(index, path, tag, name)
        return Written(f"oci:{path}:{tag}", index.index.digest)
    write_file(path, index_archive(index, name, destination.tag), stdout)
    return Written(f"oci-archive:{path}", index.index.digest)
