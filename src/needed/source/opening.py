"""Which image is meant by a text, in skopeo's words, and the one function that opens it as a Root.

    oci:DIR[:TAG]  oci-archive:FILE[:NAME]  docker-archive:FILE[:NAME]  tar:FILE  dir:DIR
    docker-daemon:NAME[:TAG]  containers-storage:NAME[:TAG]

As in containers-transports(5), the first colon ends DIR and FILE where a TAG or NAME may follow. In a layout and an
OCI archive `@DIGEST` pins the manifest. Anything else is a directory of this machine; so is a text that is one's name.
"""

from __future__ import annotations

import os
import stat

from needed.errors import ReadError, SourceError, UsageError
from needed.image.limits import DEFAULT_LIMITS, Limits
from needed.image.reference import parse_reference
from needed.root import DirectoryRoot, HostFile
from needed.source.blob import BlobReader
from needed.source.spool import Spool
from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from needed.image.model import Platform
    from needed.image.reference import Reference
    from needed.image.root import ImageRoot
    from needed.root import OpenFile, Root

FORMS = {
    "oci": "oci:DIR[:TAG]",
    "oci-archive": "oci-archive:FILE[:NAME]",
    "docker-archive": "docker-archive:FILE[:NAME]",
    "tar": "tar:FILE",
    "dir": "dir:DIR",
    "docker-daemon": "docker-daemon:NAME[:TAG]",
    "containers-storage": "containers-storage:NAME[:TAG]",
}


@value
class Source:
    """`transport` is a key of FORMS; `path` is empty for engines; `name` is what chooses among several images."""

    transport: str
    path: str = ""
    name: str = ""


@value
class Surroundings:
    """What this machine has: Docker's address (DOCKER_HOST), Podman's command, where what is decompressed waits.
    `machine` is its platform where that one is meant in an image for several, unless another is asked for."""

    docker_host: str = "unix:///var/run/docker.sock"
    podman: str = "podman"
    spool: str = "/tmp"  # noqa: S108  (unnamed files only)
    limits: Limits = DEFAULT_LIMITS
    machine: Platform | None = None


DEFAULT_SURROUNDINGS = Surroundings()


def parse_source(text: str) -> Source | None:
    """The Source in `text`, or None if it is a path. Raises UsageError on half a one."""
    transport, colon, rest = text.partition(":")
    if not colon or transport not in FORMS:
        return None
    if transport in ("docker-daemon", "containers-storage"):
        return Source(transport, "", str(parse_reference(rest)))
    path, named, name = (rest, "", "") if transport in ("tar", "dir") else _divide(rest)
    if not path or (named and not name):
        raise UsageError(f"{text!r} is not complete", hints=[f"write it {FORMS[transport]}"])
    return Source(transport, path, name)


def open_root(
    text: str, platform: Platform | None = None, surroundings: Surroundings = DEFAULT_SURROUNDINGS
) -> Root:
    """The tree of files that `text` names: an image's by a transport, else a directory's.

    `platform` chooses in an image for several, and is what any image must then be for. Raises UsageError, SourceError
    if a file is not there, ImageError if it is not a sound image or not one only, EngineError, ReadError; OutputError
    if what is decompressed finds no room.
    """
    source = None if os.path.isdir(text) else parse_source(text)
    if source is None:
        return DirectoryRoot(text)
    if source.transport == "dir":
        return DirectoryRoot(source.path)
    return open_image(source, text, platform, surroundings)


def open_image(source: Source, label: str, platform: Platform | None, surroundings: Surroundings) -> ImageRoot:
    """The image in `source`; `label` is what errors call it. Raises as `open_root`."""
    from needed.source.docker_archive import open_docker_archive
    from needed.source.layout import open_layout, parse_wanted

    spool = Spool(surroundings.spool, limit=surroundings.limits.total)
    reader = BlobReader(spool, surroundings.limits)
    match source.transport:
        case "oci":
            wanted = parse_wanted(source.name, platform, surroundings.machine)
            return open_layout(_layout_root(source.path), label, wanted, reader)
        case "oci-archive":
            wanted = parse_wanted(source.name, platform, surroundings.machine)
            return open_layout(reader.open_archive(_open(source.path, spool), source.path), label, wanted, reader)
        case "docker-archive":
            reference = parse_reference(source.name) if source.name else None
            members = reader.open_archive(_open(source.path, spool), source.path)
            return open_docker_archive(members, label, reference, platform, reader)
        case "tar":
            return reader.open_archive(_open(source.path, spool), label)
        case _:
            _save(source.transport, parse_reference(source.name), surroundings, spool)
            return open_docker_archive(reader.open_archive(spool, label), label, None, platform, reader)


def _divide(rest: str) -> tuple[str, str, str]:
    """Path and name at the first colon, or at an `@` where a digest follows."""
    path, colon, name = rest.partition(":")
    above, pinned, digest = path.rpartition("@")
    if colon and pinned and name and digest in ("sha256", "sha512"):
        return above, ":", f"@{digest}:{name}"
    return path, colon, name


def _layout_root(path: str) -> Root:
    if not os.path.isdir(path):
        raise SourceError(f"{path}: no such directory", hints=["name an OCI layout: oci:DIR[:TAG]"])
    return DirectoryRoot(path)


def _open(path: str, spool: Spool) -> OpenFile:
    """The file, or what comes out of it if it is a pipe, in the spool."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except PermissionError as error:
        raise ReadError(f"{path}: cannot be read: {error.strerror}", hints=["run as a user who may read it"]) from None
    except (OSError, ValueError) as error:
        raise SourceError(f"{path}: cannot be opened: {getattr(error, 'strerror', error)}") from None
    kind = stat.S_IFMT(os.fstat(descriptor).st_mode)
    if kind == stat.S_IFDIR:
        os.close(descriptor)
        raise SourceError(f"{path}: is a directory, not an archive", hints=["an OCI layout is named oci:DIR"])
    if kind == stat.S_IFREG:
        return HostFile(path, descriptor)
    with open(descriptor, "rb", buffering=0) as pipe:
        spool.fill(iter(lambda: pipe.read(1 << 20), b""), path)
    return spool


def _save(transport: str, reference: Reference, surroundings: Surroundings, spool: Spool) -> None:
    from needed.source.engines import save_from_docker, save_from_podman

    if transport == "docker-daemon":
        chunks = save_from_docker(reference, surroundings.docker_host)
    else:
        chunks = save_from_podman(reference, surroundings.podman)
    spool.fill(chunks, f"{transport}:{reference}")
