"""Images made in a test: tars member by member, however wrong; layouts and archives around them; trees as text."""

from __future__ import annotations

import gzip
import json
from hashlib import sha256
from itertools import count
from typing import TYPE_CHECKING, Any

from needed.image.tar import END, padding, tar_header
from needed.root import RootPath, join

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from needed.root import Root

    Change = Callable[[dict[str, Any]], object]

LAYER = "application/vnd.oci.image.layer.v1.tar"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
REF_NAME = "org.opencontainers.image.ref.name"


def encoded(name: str | bytes) -> bytes:
    return name.encode("utf-8", "surrogateescape") if isinstance(name, str) else name


def F(name: str | bytes, content: bytes | str = b"", mode: int = 0o644) -> bytes:  # noqa: N802
    """A file."""
    return tar_header(encoded(name), b"0", mode, 0, len(content)) + encoded(content) + padding(len(content))


def D(name: str | bytes, mode: int = 0o755) -> bytes:  # noqa: N802
    """A directory."""
    return tar_header(encoded(name), b"5", mode, 0)


def S(name: str | bytes, target: str | bytes) -> bytes:  # noqa: N802
    """A symlink."""
    return tar_header(encoded(name), b"2", 0o777, 0, 0, encoded(target))


def L(name: str | bytes, target: str | bytes, mode: int = 0o644) -> bytes:  # noqa: N802
    """A hard link."""
    return tar_header(encoded(name), b"1", mode, 0, 0, encoded(target))


def raw(name: bytes = b"f", kind: bytes = b"0", *, magic: bytes = b"ustar\x0000", **fields: bytes) -> bytes:
    """A header with any of its fields as they are given, and a right checksum."""
    parts = {
        "name": (name, 100), "mode": (b"0000644\0", 8), "uid": (b"0000000\0", 8), "gid": (b"0000000\0", 8),
        "size": (b"00000000000\0", 12), "mtime": (b"00000000000\0", 12), "checksum": (b" " * 8, 8),
        "kind": (kind, 1), "target": (b"", 100), "magic": (magic, 8), "rest": (b"", 247),
    }  # fmt: skip
    block = b"".join(fields.get(key, content).ljust(width, b"\0") for key, (content, width) in parts.items())
    assert len(block) == 512
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def pax(*records: tuple[bytes, bytes], kind: bytes = b"x") -> bytes:
    """An extended header."""
    body = b""
    for key, content in records:
        rest = b" " + key + b"=" + content + b"\n"
        length = len(rest) + 1
        while len(str(length)) + len(rest) != length:
            length += 1
        body += b"%d" % length + rest
    return extended(kind, body)


def extended(kind: bytes, body: bytes) -> bytes:
    """A header of type x, g, L or K with its content."""
    magic = b"ustar  \0" if kind in (b"L", b"K") else b"ustar\x0000"
    return raw(b"@", kind, size=b"%011o\0" % len(body), magic=magic) + body + padding(len(body))


def tar(*members: bytes) -> bytes:
    """An archive."""
    return b"".join(members) + END


def digest(content: bytes) -> str:
    return f"sha256:{sha256(content).hexdigest()}"


def nothing(document: dict[str, Any]) -> None:
    """No change."""


class Layout:
    """An OCI layout in a folder. Each document can be changed before the one above takes its digest and size."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "blobs/sha256").mkdir(parents=True)
        (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')

    @property
    def text(self) -> str:
        return f"oci:{self.folder}"

    def blob(self, content: bytes, media_type: str = "") -> dict[str, Any]:
        """Its descriptor."""
        (self.folder / "blobs/sha256" / digest(content)[7:]).write_bytes(content)
        return {"mediaType": media_type, "digest": digest(content), "size": len(content)}

    def path(self, descriptor: dict[str, Any]) -> Path:
        """Where it lies."""
        name: str = descriptor["digest"][7:]
        return self.folder / "blobs/sha256" / name

    def image(
        self,
        *tars: bytes,
        compression: str = "",
        config: Change = nothing,
        manifest: Change = nothing,
        written: Callable[[bytes], bytes] = bytes,
    ) -> dict[str, Any]:
        """The descriptor of an image with these layers; `written` changes the bytes of the manifest."""
        packed = [gzip.compress(item, 1, mtime=0) if compression == "+gzip" else item for item in tars]
        document: dict[str, Any] = {
            "os": "linux",
            "architecture": "amd64",
            "config": {"Entrypoint": ["/bin/x"], "Env": ["A=b"], "User": "1:1"},
            "rootfs": {"type": "layers", "diff_ids": [digest(item) for item in tars]},
            "history": [{"created_by": "a test"}, {"created_by": "ENV", "empty_layer": True}],
        }
        config(document)
        described: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.blob(json.dumps(document).encode(), CONFIG),
            "layers": [self.blob(item, LAYER + compression) for item in packed],
        }
        manifest(described)
        return self.blob(written(json.dumps(described).encode()), MANIFEST)

    def index(self, *manifests: dict[str, Any], change: Change = nothing) -> str:
        """Write index.json. What to open."""
        document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": list(manifests)}
        change(document)
        (self.folder / "index.json").write_text(json.dumps(document))
        return self.text


def layout(folder: Path, *layers: tuple[bytes, ...] | list[bytes], compression: str = "") -> str:
    """A layout of one image whose layers have these members. What to open."""
    made = Layout(folder)
    return made.index(made.image(*(tar(*members) for members in layers), compression=compression))


def tree(root: Root) -> dict[str, str]:
    """Every path with what stands there: "directory 0755", "file 0644 content", "symlink -> target", "special 0600"."""
    found: dict[str, str] = {}
    ahead = [RootPath("/")]
    while ahead:
        path = ahead.pop()
        entry = root.entry(path)
        assert entry is not None, path
        if entry.kind == "directory":
            found[path] = f"directory {entry.mode:04o}"
            ahead += [join(path, name) for name in root.names(path)]
        elif entry.kind == "file":
            content = root.open(path).read_at(0, entry.size + 1)
            assert len(content) == entry.size
            found[path] = f"file {entry.mode:04o} {content.decode('utf-8', 'surrogateescape')}"
        elif entry.kind == "symlink":
            found[path] = f"symlink -> {entry.target}"
        else:
            found[path] = f"{entry.kind} {entry.mode:04o}"
    return dict(sorted(found.items()))


def numbered(row: str) -> Callable[[object], str | None]:
    """Names of a row's vectors, "T24-1" and on, for pytest's `ids`: bytes would be named after themselves."""
    numbers = count(1)
    return lambda vector: f"{row}-{next(numbers)}" if isinstance(vector, bytes | list) else None
