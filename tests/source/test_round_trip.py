"""What is built is read back from every place that holds files, entry for entry and byte for byte."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from tests.images import tree

import needed
from needed.image.build import Configuration, build_image
from needed.image.codec import parse_compression
from needed.image.layer import Packing
from needed.image.model import Platform
from needed.image.reference import parse_reference
from needed.image.root import ImageRoot
from needed.output.destination import parse_destination, write_image
from needed.rootfs import Directory, File, GeneratedContent, Rootfs, Symlink

if TYPE_CHECKING:
    from pathlib import Path

LARGE = bytes(range(256)) * 20_000
LONG = "/".join(["long" * 40] * 4)
ENTRIES: dict[str, File | Symlink | Directory] = {
    "/bin": Symlink("usr/bin"),
    "/caf\udce9": File(0o600, 3, GeneratedContent(b"raw")),
    "/empty": File(0o644, 0, GeneratedContent(b"")),
    "/long": Symlink("x" * 300),
    "/usr": Directory(0o755),
    "/usr/bin": Directory(0o1777),
    "/usr/bin/large": File(0o755, len(LARGE), GeneratedContent(LARGE)),
    "/" + LONG.split("/", 1)[0]: Directory(0o700),
}
ENTRIES |= {"/" + LONG[: 160 + 161 * number]: Directory(0o700) for number in (1, 2, 3)}
ENTRIES[f"/{LONG}/f"] = File(0o644, 1, GeneratedContent(b"f"))
ROOTFS = Rootfs(dict(sorted(ENTRIES.items(), key=lambda item: item[0].encode("utf-8", "surrogateescape"))), {})
CONFIGURATION = Configuration(("/usr/bin/large",), ("-x",), ("A=b",), "/usr", "7:8", ("80/tcp",), (("l", "m"),))


def expected() -> dict[str, str]:
    found = {"/": "directory 0755"}
    for path, entry in ROOTFS.entries.items():
        match entry:
            case File():
                content = entry.content.open().read_at(0, entry.size).decode("utf-8", "surrogateescape")
                found[path] = f"file {entry.mode:04o} {content}"
            case Symlink():
                found[path] = f"symlink -> {entry.target}"
            case Directory():
                found[path] = f"directory {entry.mode:04o}"
    return dict(sorted(found.items()))


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
@pytest.mark.parametrize(
    ("to", "back"),
    [
        ("oci:{}/layout:tag", ("oci:{}/layout", "oci:{}/layout:tag")),
        ("oci-archive:{}/a", ("oci-archive:{}/a", "oci-archive:{}/a:1", "oci-archive:{}/a:name:1")),
        ("docker-archive:{}/d", ("docker-archive:{}/d", "docker-archive:{}/d:name:1", "oci-archive:{}/d")),
        ("tar:{}/t", ("tar:{}/t",)),
        ("dir:{}/tree", ("dir:{}/tree", "{}/tree")),
    ],
)
def test_what_is_written_is_read_back(tmp_path: Path, to: str, back: tuple[str, ...], compression: str) -> None:
    packing = Packing(parse_compression(compression), 1)
    image = build_image(ROOTFS, Platform("linux", "arm64", "v8"), CONFIGURATION, packing)
    place = parse_destination(to.format(tmp_path))
    write_image(image, ROOTFS, place, parse_reference("name:1"), docker_host="", stdout=io.BytesIO())
    for text in back:
        root = needed.open_root(text.format(tmp_path))
        assert tree(root) == expected()
        if isinstance(root, ImageRoot) and not text.startswith("tar:"):
            config = root.config
            assert config is not None
            assert (config.entrypoint, config.cmd, config.env) == (("/usr/bin/large",), ("-x",), ("A=b",))
            assert (config.working_dir, config.user, config.labels) == ("/usr", "7:8", (("l", "m"),))
            assert (str(config.platform), config.history) == ("linux/arm64/v8", ("needed build",))
