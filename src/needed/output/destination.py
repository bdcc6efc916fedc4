"""Where an image goes, in skopeo's words, and the one function that takes it there.

    oci:DIR[:TAG]  oci-archive:FILE[:NAME]  docker-archive:FILE[:NAME]  tar:FILE  dir:DIR
    docker-daemon:[NAME]  containers-storage:[NAME]

As in containers-transports(5), the first colon ends DIR and FILE where a TAG or NAME may follow. `-` as FILE is
standard output.
"""

from __future__ import annotations

import errno

from needed.errors import UsageError
from needed.image.reference import ALNUM, Reference, is_tag, parse_reference
from needed.output.archive import image_archive
from needed.output.atomic import unwritable, write_atomically
from needed.output.tarball import only_layer
from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from needed.image.build import Blob, Image
    from needed.rootfs import Rootfs

    class Stream(Protocol):
        """Standard output, in bytes."""

        def write(self, content: bytes, /) -> object:
            """Append."""

        def flush(self) -> object:
            """Hand everything on."""


FORMS = {
    "oci": "oci:DIR[:TAG]",
    "oci-archive": "oci-archive:FILE[:NAME]",
    "docker-archive": "docker-archive:FILE[:NAME]",
    "tar": "tar:FILE",
    "dir": "dir:DIR",
    "docker-daemon": "docker-daemon:[NAME[:TAG]]",
    "containers-storage": "containers-storage:[NAME[:TAG]]",
}


@value
class Destination:
    """`transport` is a key of FORMS; `path` is empty for engines and "-" for standard output; `reference` and `tag`
    are what the destination's own text says, where it does."""

    transport: str
    path: str = ""
    reference: Reference | None = None
    tag: str | None = None


@value
class Written:
    """`name` is what to run or read; `digest` the manifest's, for engines the image's Id, for `tar:` the file's and
    for `dir:` the tree's diff ID."""

    name: str
    digest: str


def parse_destination(text: str) -> Destination:
    """The Destination in `text`. Raises UsageError."""
    transport, colon, rest = text.partition(":")
    if not colon or transport not in FORMS:
        fault = f"{transport!r} is no kind of destination" if colon else "it does not say which kind"
        raise UsageError(f"{text!r}: {fault}", hints=[f"allowed: {', '.join(FORMS.values())}"])
    if transport in ("docker-daemon", "containers-storage"):
        return Destination(transport, "", parse_reference(rest) if rest else None)
    if transport in ("tar", "dir"):
        path, named, name = rest, "", ""
    else:
        path, named, name = rest.partition(":")
    if not path or (named and not name) or (path == "-" and transport in ("oci", "dir")):
        raise UsageError(f"{text!r} is not complete", hints=[f"write it {FORMS[transport]}"])
    if not name:
        return Destination(transport, path)
    if transport == "docker-archive":
        return Destination(transport, path, parse_reference(name))
    return _named(text, transport, path, name)


def write_image(
    image: Image,
    rootfs: Rootfs,
    destination: Destination,
    reference: Reference,
    *,
    docker_host: str,
    stdout: Stream,
) -> Written:
    """Take `image` (or, for `dir:`, its `rootfs`) to `destination`, named `reference` unless that names it itself.

    Raises OutputError, EngineError, ReadError; BrokenPipeError of standard output passes through.
    """
    name, path = destination.reference or reference, destination.path
    match destination.transport:
        case "oci":
            from needed.output.oci_layout import write_oci_layout

            tag = destination.tag or name.tag
            write_oci_layout(image, path, tag, name)
            return Written(f"oci:{path}:{tag}", image.manifest.digest)
        case "oci-archive" | "docker-archive":
            write_file(path, image_archive(image, name, destination.tag), stdout)
            return Written(f"{destination.transport}:{path}", image.manifest.digest)
        case "tar":
            layer = only_layer(image)
            write_file(path, layer.blob, stdout)
            return Written(f"tar:{path}", layer.descriptor.digest)
        case "dir":
            from needed.output.directory import write_directory

            write_directory(rootfs, path)
            return Written(f"dir:{path}", only_layer(image).diff_id)
        case "docker-daemon":
            from needed.output.docker_daemon import load_into_docker

            return Written(f"docker-daemon:{name}", load_into_docker(image_archive(image, name), name, docker_host))
        case _:
            from needed.output.containers_storage import load_into_podman

            return Written(f"containers-storage:{name}", load_into_podman(image_archive(image, name), name))


def _named(text: str, transport: str, path: str, name: str) -> Destination:
    """annotations.md lets `ref.name` be a tag or a whole name; a whole name also names the image in an engine."""
    if is_tag(name):
        return Destination(transport, path, None, name)
    if name[0] not in ALNUM or not set(name) <= ALNUM | set("-._:@/+"):
        raise UsageError(f"{text!r}: {name!r} is not a tag", hints=[f"write it {FORMS[transport]}"])
    return Destination(transport, path, parse_reference(name), name)


def write_file(path: str, blob: Blob, stdout: Stream) -> None:
    """`blob` as the file `path`, or on `stdout` where that is "-". Raises OutputError; a broken pipe passes through."""
    if path != "-":
        write_atomically(path, blob.chunks(), size=blob.size)
        return
    try:
        for chunk in blob.chunks():
            stdout.write(chunk)
        stdout.flush()
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise
        raise unwritable("standard output", error, blob.size) from None
