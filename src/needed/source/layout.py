"""An OCI layout (image-layout.md 1.0.0) in a directory or an archive, and which of its images is meant.

From `index.json` down every document is read by its digest and size. Of several images the name chooses, of several
platforms the platform; what is left must be one.
"""

from __future__ import annotations

from needed.errors import ImageError, UsageError
from needed.image.model import CONFIG_TYPE, INDEX_TYPE, LAYER_TYPE, MANIFEST_TYPE, Platform, choose_platform
from needed.image.reference import is_tag, parse_reference
from needed.image.root import ImageRoot
from needed.image.squash import squash
from needed.root import Walker
from needed.source.blob import Expected, algorithm, is_digest
from needed.source.config import parse_config
from needed.source.document import parse_document
from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.image.model import ImageConfig
    from needed.image.squash import IndexedLayer
    from needed.root import OpenFile, Root
    from needed.source.blob import BlobReader
    from needed.source.document import Document

_DOCKER = "application/vnd.docker."
_MANIFESTS = (MANIFEST_TYPE, f"{_DOCKER}distribution.manifest.v2+json")
_INDEXES = (INDEX_TYPE, f"{_DOCKER}distribution.manifest.list.v2+json")
_CONFIGS = (CONFIG_TYPE, f"{_DOCKER}container.image.v1+json")
_OCI_LAYERS = (LAYER_TYPE, "application/vnd.oci.image.layer.nondistributable.v1.tar")
_DOCKER_LAYERS = (f"{_DOCKER}image.rootfs.diff.tar", f"{_DOCKER}image.rootfs.foreign.diff.tar")
LAYERS = {f"{base}{end}": end[1:] or "none" for base in _OCI_LAYERS for end in ("", "+gzip", "+zstd")} | {
    f"{base}{end}": end[1:] or "none" for base in _DOCKER_LAYERS for end in ("", ".gzip", ".zstd")
}
REF_NAME = "org.opencontainers.image.ref.name"  # annotations.md
IMAGE_NAME = "io.containerd.image.name"  # what containerd, Docker and Podman name an image after


@value
class Wanted:
    """Which image: `name` (a tag or a whole name) or "" for the only one, `digest` the manifest's or "", `platform`
    or None for the only one, where there are several that of `machine`, if that is not None."""

    name: str = ""
    digest: str = ""
    platform: Platform | None = None
    machine: Platform | None = None


@value
class _Described:
    """A descriptor of an index or a manifest, its grammar checked."""

    media_type: str
    digest: str
    size: int
    names: frozenset[str]
    platform: Platform | None

    @property
    def canonical(self) -> frozenset[str]:
        """The whole names among its names, each in one spelling."""
        return frozenset(map(canonical_name, self.names))


def parse_wanted(text: str, platform: Platform | None, machine: Platform | None = None) -> Wanted:
    """The Wanted in "TAG", "NAME:TAG", either with "@DIGEST", or "@DIGEST" alone. Raises UsageError."""
    name, at, digest = text.partition("@")
    if at and not is_digest(digest):
        raise UsageError(f"{digest[:80]!r} is not a digest", hints=["a digest is sha256: and 64 hexadecimal digits"])
    if name and not is_tag(name):
        parse_reference(name)
    return Wanted(name, digest, platform, machine)


def open_layout(root: Root, label: str, wanted: Wanted, reader: BlobReader) -> ImageRoot:
    """The image that is `wanted` of the layout whose files are in `root`. Raises ImageError, ReadError."""
    return _Layout(root, label, reader).open(wanted)


class _Layout:
    def __init__(self, root: Root, label: str, reader: BlobReader) -> None:
        self._root, self._walker, self._label, self._reader = root, Walker(root), label, reader
        self._blobs: list[str] = []

    def open(self, wanted: Wanted) -> ImageRoot:
        version = self._document("oci-layout").text("imageLayoutVersion")
        if version != "1.0.0":
            raise ImageError(f"{self._label}: is an OCI layout of version {version[:40]!a}, and 1.0.0 is known")
        index = self._document("index.json")
        _expect_type(index, (*_INDEXES, ""))
        entry = self._choose(index, wanted)
        for _ in range(self._reader.limits.index_depth):
            if entry.media_type in _MANIFESTS:
                return self._open_manifest(entry, wanted)
            index = self._blob_document(entry, "index")
            _expect_type(index, (entry.media_type, ""))
            entry = self._choose(index, Wanted("", "", wanted.platform, wanted.machine))
        raise ImageError(f"{self._label}: its indexes are nested more than {self._reader.limits.index_depth} deep")

    def _choose(self, index: Document, wanted: Wanted) -> _Described:
        """The one entry of `index` that is wanted."""
        if "layers" in index or "config" in index:
            index.refuse("is an index and a manifest at once")
        if index.length("manifests") > self._reader.limits.manifests:
            index.refuse(f"lists more than {self._reader.limits.manifests} images")
        entries = [_described(item) for item in index.each("manifests")]
        for entry in entries:
            if entry.media_type not in (*_MANIFESTS, *_INDEXES):
                index.refuse(f"lists something of the type {entry.media_type[:80]!a}, which is no image")
        # What buildx attaches to an image, signatures and SBOMs, stands beside it as of no platform.
        entries = every = [entry for entry in entries if str(entry.platform) != "unknown/unknown"]
        if not entries:
            index.refuse("lists no image")
        if wanted.name:
            spellings = {wanted.name, canonical_name(wanted.name)} - {""}
            entries = [entry for entry in entries if entry.names & spellings or entry.canonical & spellings]
            if not entries:
                index.refuse(f"has no image named {wanted.name}", f"its images: {_listed(every)}")
        if wanted.digest:
            entries = [entry for entry in entries if entry.digest == wanted.digest]
            if not entries:
                index.refuse(f"has no image {wanted.name}@{wanted.digest}")
        found = list({entry.digest: entry for entry in entries}.values())
        return found[0] if len(found) == 1 else _of_platform(index, found, wanted)

    def _open_manifest(self, entry: _Described, wanted: Wanted) -> ImageRoot:
        manifest = self._blob_document(entry, "manifest")
        if "manifests" in manifest:
            manifest.refuse("is a manifest and an index at once")
        _expect_type(manifest, (entry.media_type, ""))
        config_entry = _described(manifest.inner("config"))
        if config_entry.media_type not in _CONFIGS:
            manifest.refuse(f"is of an artifact ({config_entry.media_type[:80]!a}), not of an image")
        count = manifest.length("layers")
        if count > self._reader.limits.layers:
            manifest.refuse(f"has {count} layers, and {self._reader.limits.layers} are the limit")
        layers = [_described(item) for item in manifest.each("layers")]
        for layer in layers:
            if layer.media_type not in LAYERS:
                manifest.refuse(f"has a layer of the unknown type {layer.media_type[:80]!a}")
        config = parse_config(self._blob_document(config_entry, "config"))
        check_config(self._label, config, count, wanted.platform)
        top = squash(self._layers(layers, config.diff_ids), self._reader.limits)
        return ImageRoot(top, config, self._label, tuple(self._blobs))

    def _layers(self, layers: list[_Described], diff_ids: tuple[str, ...]) -> Iterator[IndexedLayer]:
        for number, (layer, diff_id) in enumerate(zip(layers, diff_ids, strict=True), 1):
            label = f"{self._label}: layer {number}"
            blob = self._open(layer, label)
            yield self._reader.index_layer(blob, Expected(label, LAYERS[layer.media_type], layer.digest, diff_id))

    def _document(self, name: str) -> Document:
        """A file of the layout that no digest tells of."""
        found = self._walker.find(f"/{name}")
        if found is None or found.entry.kind != "file":
            raise ImageError(f"{self._label}: is no OCI layout: it has no file {name}", hints=self._hints())
        label = f"{self._label}: {name}"
        return parse_document(label, self._reader.read_document(self._root.open(found.path), label))

    def _hints(self) -> list[str]:
        """What it may be instead."""
        docker = self._walker.find("/manifest.json") is not None
        return ["it has a manifest.json: name it docker-archive:FILE"] if docker else ["name an OCI layout or archive"]

    def _blob_document(self, entry: _Described, what: str) -> Document:
        label = f"{self._label}: {what} {entry.digest[:19]}"
        return parse_document(label, self._reader.read_document(self._open(entry, label), label, entry.digest))

    def _open(self, entry: _Described, label: str) -> OpenFile:
        """The blob of a descriptor, of the size that this says."""
        path = f"/blobs/{algorithm(entry.digest)}/{entry.digest.partition(':')[2]}"
        found = self._walker.find(path)
        if found is None or found.entry.kind != "file":
            raise ImageError(f"{label}: its blob {entry.digest} is not there")
        file = self._root.open(found.path)
        if file.size != entry.size:
            raise ImageError(f"{label}: has {file.size} bytes, and {entry.size} were promised")
        self._blobs.append(entry.digest)
        return file


def check_config(label: str, config: ImageConfig, layers: int, platform: Platform | None) -> None:
    """Raise ImageError if the config is not of as many layers, names a malformed diff ID, or another platform."""
    if len(config.diff_ids) != layers:
        raise ImageError(f"{label}: has {layers} layers, and its config tells of {len(config.diff_ids)}")
    if not all(map(is_digest, config.diff_ids)):
        raise ImageError(f"{label}: its config has a malformed diff ID")
    if platform is not None and not _fits(config.platform, platform):
        raise ImageError(f"{label}: is for {config.platform}, and {platform} was asked for")


def _described(document: Document) -> _Described:
    digest = document.text("digest")
    if not is_digest(digest):
        document.refuse(f"{digest[:80]!a} is not a digest")
    names = document.inner("annotations")
    platform = document.inner("platform")
    return _Described(
        document.text("mediaType"),
        digest,
        document.integer("size"),
        frozenset(found for key in (REF_NAME, IMAGE_NAME) if (found := names.text(key, ""))),
        Platform(platform.text("os"), platform.text("architecture"), platform.text("variant", ""))
        if "platform" in document
        else None,
    )


def _expect_type(document: Document, types: tuple[str, ...]) -> None:
    found = document.text("mediaType", "")
    if found not in types:
        document.refuse(f"says that it is {found[:80]!a}, and {types[0]} was expected")


def canonical_name(name: str) -> str:
    """A whole name as containerd writes it, or "" for a tag and for what is no name."""
    if is_tag(name):
        return ""
    try:
        return parse_reference(name).canonical
    except UsageError:
        return ""


def _of_platform(index: Document, entries: list[_Described], wanted: Wanted) -> _Described:
    """The one of several entries that is for the platform. Raises ImageError if that is not one."""
    if not wanted.name and len({entry.names for entry in entries}) > 1:
        index.refuse(f"holds {len(entries)} images", f"choose one: {_listed(entries)}")
    platforms = [str(entry.platform) for entry in entries if entry.platform]
    named = f" named {wanted.name}" if wanted.name else ""
    if len(set(platforms)) < len(entries):
        index.refuse(f"lists {len(entries)} images{named}, and nothing tells which is meant", "choose one by @DIGEST")
    choices = ", ".join(sorted(platforms))
    if wanted.platform is not None:
        found = [entry for entry in entries if entry.platform and _fits(entry.platform, wanted.platform)]
    elif wanted.machine is not None:
        ours = choose_platform(tuple(entry.platform for entry in entries if entry.platform), wanted.machine)
        found = [entry for entry in entries if ours is not None and entry.platform == ours]
    else:
        index.refuse(f"has {len(entries)} platforms{named}", f"choose a platform: {choices}")
    if len(found) != 1:
        fault = "several images" if found else "no image"
        hint = f"its platforms: {choices}" if wanted.platform else f"choose one: --platform {min(platforms)}"
        index.refuse(f"has {fault} for {wanted.platform or wanted.machine}", hint)
    return found[0]


def _fits(found: Platform, wanted: Platform) -> bool:
    """Whether the platform is the one asked for; arm64 is v8 where nothing is said."""
    variant = found.variant or ("v8" if found.architecture == "arm64" else "")
    return (found.os, found.architecture) == (wanted.os, wanted.architecture) and wanted.variant in ("", variant)


def _listed(entries: list[_Described]) -> str:
    names = sorted({name[:80] for entry in entries for name in entry.names})
    return (", ".join(names[:10]) or "none") + (f" and {len(names) - 10} more" if len(names) > 10 else "")
