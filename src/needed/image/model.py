"""The nouns of OCI image-spec 1.1.1, as values that turn into JSON documents; canonical JSON; digests.

Reads no JSON: what another tool wrote is read where it is found, in `output`.
"""

from __future__ import annotations

from _json import encode_basestring

from needed.errors import UsageError
from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hashlib import _Hash

    Document = dict[str, object]
    Pairs = tuple[tuple[str, str], ...]

CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"


@value
class Platform:
    """GOOS, GOARCH and the variant of the processor ("v8", or empty): the platform object of image-index.md."""

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(self._values_given())

    def document(self) -> Document:
        """The platform object."""
        return dict(zip(("os", "architecture", "variant"), self._values_given(), strict=False))

    def _values_given(self) -> tuple[str, ...]:
        return (self.os, self.architecture, self.variant) if self.variant else (self.os, self.architecture)


def parse_platform(text: str) -> Platform:
    """The Platform in "linux/arm64/v8". Raises UsageError."""
    parts = text.split("/")
    if len(parts) not in (2, 3) or not all(map(_is_platform_word, parts)):
        raise UsageError(f"{text!r} is not a platform", hints=["for example: linux/amd64, linux/arm64/v8"])
    return Platform(*parts)


def choose_platform(offered: tuple[Platform, ...], machine: Platform) -> Platform | None:
    """Of `offered` what runs on `machine`, None if nothing does: the highest variant up to its own, and the lowest
    where its own is not known."""
    fitting = [one for one in offered if (one.os, one.architecture) == (machine.os, machine.architecture)]
    if not machine.variant:
        return min(fitting, key=lambda one: one.variant, default=None)
    return max((one for one in fitting if one.variant <= machine.variant), key=lambda one: one.variant, default=None)


def _is_platform_word(word: str) -> bool:
    return word.isascii() and word.isalnum() and word == word.lower()  # "386" has no letter at all


@value
class Descriptor:
    """descriptor.md: what a blob is, its digest ("sha256:…"), its size in bytes."""

    media_type: str
    digest: str
    size: int
    annotations: Pairs = ()
    platform: Platform | None = None

    def document(self) -> Document:
        """The descriptor object."""
        document: Document = {"mediaType": self.media_type, "digest": self.digest, "size": self.size}
        if self.annotations:
            document["annotations"] = dict(self.annotations)
        if self.platform:
            document["platform"] = self.platform.document()
        return document


@value
class ImageConfig:
    """config.md. `created` is RFC 3339 text; `exposed_ports` like "80/tcp"; `history` one line per layer."""

    platform: Platform
    created: str
    entrypoint: tuple[str, ...]
    cmd: tuple[str, ...]
    env: tuple[str, ...]
    working_dir: str
    user: str
    exposed_ports: tuple[str, ...]
    labels: Pairs
    volumes: tuple[str, ...]
    stop_signal: str
    diff_ids: tuple[str, ...]
    history: tuple[str, ...]

    def document(self) -> Document:
        """The config object; what is empty is left out."""
        words: Document = {
            "User": self.user,
            "ExposedPorts": {port: {} for port in self.exposed_ports},
            "Env": list(self.env),
            "Entrypoint": list(self.entrypoint),
            "Cmd": list(self.cmd),
            "Volumes": {volume: {} for volume in self.volumes},
            "WorkingDir": self.working_dir,
            "Labels": dict(self.labels),
            "StopSignal": self.stop_signal,
        }
        return {
            **self.platform.document(),
            "created": self.created,
            "config": {word: item for word, item in words.items() if item},
            "rootfs": {"type": "layers", "diff_ids": list(self.diff_ids)},
            "history": [{"created": self.created, "created_by": line} for line in self.history],
        }


@value
class Manifest:
    """manifest.md."""

    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: Pairs = ()

    def document(self) -> Document:
        """The manifest object."""
        document: Document = {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": self.config.document(),
            "layers": [layer.document() for layer in self.layers],
        }
        if self.annotations:
            document["annotations"] = dict(self.annotations)
        return document


@value
class Index:
    """image-index.md."""

    manifests: tuple[Descriptor, ...]

    def document(self) -> Document:
        """The index object."""
        manifests = [manifest.document() for manifest in self.manifests]
        return {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": manifests}


def canonical_json(item: object) -> bytes:
    """RFC 8785 for what these documents hold: no spaces, keys sorted by UTF-16. Raises UsageError on text that is none.

    Not the json module: importing it brings `re`, which costs more than all documents of an image.
    """
    parts: list[str] = []
    _append(parts, item)
    try:
        return "".join(parts).encode()
    except UnicodeEncodeError as error:
        fault = ascii(error.object[error.start : error.end])
        raise UsageError(
            f"an image's JSON holds only UTF-8, and {fault} is none", hints=["rename the file or change the value"]
        ) from None


def sha256(content: bytes | memoryview = b"") -> _Hash:
    """`hashlib.sha256`, without what `hashlib` imports for other hashes."""
    try:
        from _hashlib import openssl_sha256
    except ImportError:  # a Python without OpenSSL
        from hashlib import sha256 as openssl_sha256
    return openssl_sha256(content)


def sha256_digest(content: bytes) -> str:
    """descriptor.md, Digests: "sha256:" and 64 hexadecimal digits."""
    return f"sha256:{sha256(content).hexdigest()}"


def _append(parts: list[str], item: object) -> None:
    match item:
        case str():
            parts.append(encode_basestring(item))
        case None | bool():
            parts.append({None: "null", True: "true", False: "false"}[item])
        case int() | float():
            parts.append(repr(item))
        case dict():
            parts.append("{")
            # ASCII sorts alike in both; the encoding is a module of its own to import.
            keys = sorted(item) if all(map(str.isascii, item)) else sorted(item, key=_utf16)
            for number, key in enumerate(keys):
                parts += ("," if number else "", encode_basestring(key), ":")
                _append(parts, item[key])
            parts.append("}")
        case list() | tuple():
            parts.append("[")
            for number, inner in enumerate(item):
                parts.append("," if number else "")
                _append(parts, inner)
            parts.append("]")
        case _:
            raise TypeError(f"no JSON for {type(item).__name__}")


def _utf16(text: str) -> bytes:
    return text.encode("utf-16-be", "surrogatepass")
