"""The image: one layer of a Rootfs, its config, its manifest; and `validate_image`, which believes none of them.

Follows OCI image-spec 1.1.1 (config.md, manifest.md). Where the layer's bytes stay is the store's decision.
"""

from __future__ import annotations

from needed.errors import NeededError, UsageError
from needed.image.layer import MEMBER_MAX, Packing, pack_layer
from needed.image.model import (
    CONFIG_TYPE,
    MANIFEST_TYPE,
    Descriptor,
    ImageConfig,
    Manifest,
    Platform,
    canonical_json,
    sha256_digest,
)
from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Protocol

    from needed.image.model import Pairs
    from needed.rootfs import Rootfs

    class Blob(Protocol):
        """Bytes that can be read more than once."""

        @property
        def size(self) -> int:
            """The length in bytes."""

        def chunks(self) -> Iterator[bytes]:
            """All bytes, in pieces of at most 1 MiB."""

    class LayerStore(Protocol):
        """Where a layer's bytes go while they are made. Dropped without `finish` it keeps nothing."""

        def write(self, chunk: bytes, /) -> None:
            """Append."""

        def finish(self) -> Blob:
            """What was written; nothing is written after it."""


CODEC_ANNOTATION = "dev.needed.codec"
LAST_SECOND = 253402300799  # 9999-12-31T23:59:59Z, the last that RFC 3339 can write


@value
class Configuration:
    """Docker's words: what runs, as whom, with what around it. `created` is in seconds since 1970, and every file's
    time too; `labels` are (name, value); `created_by` is the line of history (see `needed.request`)."""

    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    working_dir: str = ""
    user: str = "65532:65532"
    exposed_ports: tuple[str, ...] = ()
    labels: Pairs = ()
    volumes: tuple[str, ...] = ()
    stop_signal: str = ""
    created: int = 0
    created_by: str = "needed build"


@value
class Layer:
    """A layer's descriptor (of the compressed bytes), its diff ID and size as a tar, and the bytes."""

    descriptor: Descriptor
    diff_id: str
    tar_size: int
    blob: Blob


@value
class Image:
    """All that a destination writes. `files` and `content_size` count the Rootfs' regular files and their bytes."""

    platform: Platform
    config: Descriptor
    config_blob: bytes
    manifest: Descriptor
    manifest_blob: bytes
    layers: tuple[Layer, ...]
    files: int
    content_size: int

    def blobs(self) -> tuple[tuple[Descriptor, Blob], ...]:
        """Layers, config and manifest, in the order in which they may be published."""
        own = ((self.config, MemoryBlob((self.config_blob,))), (self.manifest, MemoryBlob((self.manifest_blob,))))
        return (*((layer.descriptor, layer.blob) for layer in self.layers), *own)

    def listed(self) -> Descriptor:
        """As a layout's index.json lists it: with its platform."""
        manifest = self.manifest
        return Descriptor(manifest.media_type, manifest.digest, manifest.size, (), self.platform)


@value
class MemoryBlob:
    """A Blob over bytes."""

    parts: tuple[bytes, ...]

    @property
    def size(self) -> int:
        return sum(map(len, self.parts))

    def chunks(self) -> Iterator[bytes]:
        for part in self.parts:
            if len(part) <= MEMBER_MAX:
                yield part
            else:
                yield from (part[start : start + MEMBER_MAX] for start in range(0, len(part), MEMBER_MAX))


class MemoryStore:
    """A LayerStore that keeps all in memory."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, chunk: bytes) -> None:
        self._parts.append(chunk)

    def finish(self) -> Blob:
        return MemoryBlob(tuple(self._parts))


DEFAULT_CONFIGURATION = Configuration()
DEFAULT_PACKING = Packing()


def build_image(
    rootfs: Rootfs,
    platform: Platform,
    configuration: Configuration = DEFAULT_CONFIGURATION,
    packing: Packing = DEFAULT_PACKING,
    store: LayerStore | None = None,
) -> Image:
    """The Image of `rootfs`; equal arguments give equal bytes. The layer goes to `store`, or stays in memory.

    Raises UsageError on a word that JSON cannot hold, before any file is read, and ReadError if a file changes.
    """
    draft = config_of(platform, configuration, ())
    canonical_json(draft.document())
    store = store or MemoryStore()
    packed = pack_layer(rootfs, packing, configuration.created, store.write)
    codec = packing.codec
    layer = Layer(
        Descriptor(codec.media_type, packed.digest, packed.size, ((CODEC_ANNOTATION, codec.describe()),)),
        packed.diff_id,
        packed.tar_size,
        store.finish(),
    )
    config_blob = canonical_json(config_of(platform, configuration, (layer.diff_id,)).document())
    config = Descriptor(CONFIG_TYPE, sha256_digest(config_blob), len(config_blob))
    manifest_blob = canonical_json(Manifest(config, (layer.descriptor,)).document())
    manifest = Descriptor(MANIFEST_TYPE, sha256_digest(manifest_blob), len(manifest_blob))
    return Image(platform, config, config_blob, manifest, manifest_blob, (layer,), rootfs.files, rootfs.size)


def validate_image(image: Image) -> None:
    """Derive every digest and size again from the bytes. Raises NeededError on the first that differs."""
    import json

    _expect("config", image.config, sha256_digest(image.config_blob), len(image.config_blob))
    _expect("manifest", image.manifest, sha256_digest(image.manifest_blob), len(image.manifest_blob))
    for layer in image.layers:
        _validate_layer(layer)
    wanted = Manifest(image.config, tuple(layer.descriptor for layer in image.layers)).document()
    if json.loads(image.manifest_blob) != wanted:
        raise NeededError("the manifest does not describe its config and layers")
    config = json.loads(image.config_blob)
    if config["rootfs"] != {"type": "layers", "diff_ids": [layer.diff_id for layer in image.layers]}:
        raise NeededError("the config does not name the layers' diff IDs")
    if {key: config.get(key, "") for key in ("os", "architecture")} != {
        "os": image.platform.os,
        "architecture": image.platform.architecture,
    }:
        raise NeededError(f"the config is not of {image.platform}")


def _validate_layer(layer: Layer) -> None:
    from needed.image.codec import decompress
    from needed.image.model import sha256

    outside, inside, size, tar_size = sha256(), sha256(), 0, 0
    for chunk in layer.blob.chunks():
        outside.update(chunk)
        size += len(chunk)
    _expect("layer", layer.descriptor, f"sha256:{outside.hexdigest()}", size)
    try:
        for piece in decompress(layer.descriptor.media_type, layer.blob.chunks()):
            inside.update(piece)
            tar_size += len(piece)
    except ValueError as error:
        raise NeededError(f"the layer cannot be read back: {error}") from None
    found = (f"sha256:{inside.hexdigest()}", tar_size)
    if found != (layer.diff_id, layer.tar_size) or layer.blob.size != size:
        raise NeededError(f"the layer's tar is {found}, and {(layer.diff_id, layer.tar_size)} was promised")


def _expect(what: str, descriptor: Descriptor, digest: str, size: int) -> None:
    if (descriptor.digest, descriptor.size) != (digest, size):
        promised = f"{descriptor.digest} of {descriptor.size} bytes was promised"
        raise NeededError(f"the {what} is {digest} of {size} bytes, and {promised}")


def config_of(platform: Platform, words: Configuration, diff_ids: tuple[str, ...]) -> ImageConfig:
    return ImageConfig(
        platform,
        rfc3339(words.created),
        words.entrypoint,
        words.cmd,
        words.env,
        words.working_dir,
        words.user,
        words.exposed_ports,
        words.labels,
        words.volumes,
        words.stop_signal,
        diff_ids,
        (words.created_by,),
    )


def rfc3339(seconds: int) -> str:
    """Seconds since 1970 as "2026-11-22T05:34:18Z". Raises UsageError."""
    from time import gmtime, strftime

    if not 0 <= seconds <= LAST_SECOND:
        raise UsageError(f"{seconds} is not a time of creation", hints=["give seconds since 1970, at least 0"])
    return strftime("%Y-%m-%dT%H:%M:%SZ", gmtime(seconds))
