"""A layer's bytes, checked and indexed in one pass: digest, compression, diff ID, limits, and the tar inside.

What is not compressed stays where it is. What is compressed is decompressed once, into the image's Spool. Knows no
JSON and no transport.
"""

from __future__ import annotations

from needed.errors import ImageError
from needed.image.codec import decompress
from needed.image.limits import DEFAULT_LIMITS, Limits
from needed.image.model import sha256
from needed.image.root import ImageRoot, Region
from needed.image.squash import IndexedLayer, squash
from needed.image.untar import ChunkStream, FileStream, read_tar
from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from hashlib import _Hash

    from needed.root import OpenFile
    from needed.source.spool import Spool

PIECE = 1 << 20
_DIGITS = {"sha256": 64, "sha512": 128}
_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"\xfd7zXZ": "xz", b"BZh": "bzip2"}


@value
class Expected:
    """What was promised of a blob: `label` names it in errors; `compression` None is not told, "" no promise."""

    label: str
    compression: str | None = None
    digest: str = ""
    diff_id: str = ""


class BlobReader:
    """Reads the blobs of one image, counting what they hold together."""

    def __init__(self, spool: Spool, limits: Limits = DEFAULT_LIMITS) -> None:
        self.spool, self.limits = spool, limits
        self._entries = self._total = 0

    def index_layer(self, blob: OpenFile, expected: Expected) -> IndexedLayer:
        """The layer in `blob`. Raises ImageError if it is not what was `expected`, or no layer."""
        compression = sniff(blob)
        label = expected.label
        if compression in ("xz", "bzip2"):
            raise ImageError(f"{label}: is compressed by {compression}, which no layer may be")
        if expected.compression not in (None, compression):
            raise ImageError(f"{label}: is {compression} by its bytes and {expected.compression} by its media type")
        outer = _hash(expected.digest)
        shared = compression == "none" and algorithm(expected.digest) == algorithm(expected.diff_id)
        inner = outer if shared else _hash(expected.diff_id)
        start = self.spool.size
        raw = _Raw(blob, outer)
        pieces = iter(raw) if compression == "none" else self._decompressed(compression, raw, label)
        try:
            hashed = pieces if shared or inner is None else _hashed(pieces, inner)
            members = list(read_tar(ChunkStream(hashed), label, self.limits, self._entries))
        except (ImageError, ValueError) as error:
            raw.finish()  # of damaged bytes the digest says more than what the damage hit
            _check(label, "digest", expected.digest, outer)
            raise error if isinstance(error, ImageError) else ImageError(f"{label}: {error}") from None
        raw.finish()
        _check(label, "digest", expected.digest, outer)
        _check(label, "diff ID", expected.diff_id, inner)
        self._entries += len(members)
        content = blob if compression == "none" else Region(self.spool, start, self.spool.size - start)
        return IndexedLayer(label, members, content)

    def open_archive(self, file: OpenFile, label: str) -> ImageRoot:
        """The members of a tar, of which nothing was promised, as a Root; content is not read if it is in place."""
        if sniff(file) == "none":
            layer = IndexedLayer(label, list(read_tar(FileStream(file), label, self.limits)), file)
        else:
            layer = self.index_layer(file, Expected(label))
        return ImageRoot(squash([layer], self.limits), None, label)

    def read_document(self, file: OpenFile, label: str, digest: str = "") -> bytes:
        """All of a small file. Raises ImageError if it is too large, or not what `digest` promises."""
        if file.size > self.limits.document:
            raise ImageError(f"{label}: has {file.size} bytes, and {self.limits.document} are the limit")
        content = file.read_at(0, file.size)
        found = _hash(digest)
        if found is not None:
            found.update(content)
        _check(label, "digest", digest, found)
        return content

    def _decompressed(self, compression: str, raw: _Raw, label: str) -> Iterator[bytes]:
        """The pieces that come out, each kept in the spool; stopped at the limits."""
        given = 0
        for piece in decompress(f"+{compression}", raw, self.limits.empty_members):
            given += len(piece)
            self._total += len(piece)
            if self._total > self.limits.total:
                raise ImageError(f"{label}: unpacks to more than the limit of {self.limits.total} bytes in all")
            if given > self.limits.ratio_after and given > self.limits.ratio * raw.count:
                raise ImageError(f"{label}: unpacks to more than {self.limits.ratio} times its size")
            self.spool.write(piece)
            yield piece


class _Raw:
    """A blob's bytes as they lie there, hashed on the way."""

    def __init__(self, blob: OpenFile, found: _Hash | None) -> None:
        self.count = 0
        self._blob, self._found = blob, found

    def __iter__(self) -> Iterator[bytes]:
        while piece := self._blob.read_at(self.count, PIECE):
            self.count += len(piece)
            if self._found is not None:
                self._found.update(piece)
            yield piece

    def finish(self) -> None:
        """Hash what was not read."""
        if self._found is not None:
            for _ in self:
                pass


def sniff(blob: OpenFile) -> str:
    """ "gzip", "zstd" (and "xz", "bzip2", which no layer may be) or "none", by the first bytes."""
    first = blob.read_at(0, 6)
    return next((name for magic, name in _MAGIC.items() if first.startswith(magic)), "none")


def is_digest(text: str) -> bool:
    """descriptor.md, Digests: a registered algorithm and as many lower-case hexadecimal digits as it gives."""
    name, _, digits = text.partition(":")
    return _DIGITS.get(name) == len(digits) and set(digits) <= frozenset("0123456789abcdef")


def algorithm(digest: str) -> str:
    """ "sha256" of "sha256:…"."""
    return digest.partition(":")[0]


def _hash(digest: str) -> _Hash | None:
    if not digest:
        return None
    name = algorithm(digest)
    if name == "sha256":
        return sha256()
    import hashlib

    return hashlib.new(name)


def _hashed(pieces: Iterator[bytes], found: _Hash) -> Iterator[bytes]:
    for piece in pieces:
        found.update(piece)
        yield piece


def _check(label: str, what: str, promised: str, found: _Hash | None) -> None:
    if found is not None and promised and promised.partition(":")[2] != found.hexdigest():
        raise ImageError(f"{label}: its {what} is {found.name}:{found.hexdigest()}, and {promised} was promised")
