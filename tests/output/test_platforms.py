"""Where an image index goes, and what of it lies there."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from typing import TYPE_CHECKING

from tests.image.test_index import IMAGES, an_image

from needed.image.index import ImageIndex, build_index
from needed.image.model import INDEX_TYPE
from needed.image.reference import Reference
from needed.output.destination import Written, parse_destination
from needed.output.oci_layout import write_oci_layout
from needed.output.platforms import write_index

if TYPE_CHECKING:
    from pathlib import Path

NAME = Reference("team/tool", "1")
INDEX = build_index(IMAGES)


def take(text: str, index: ImageIndex = INDEX) -> tuple[Written, bytes]:
    stdout = io.BytesIO()
    return write_index(index, parse_destination(text), NAME, stdout=stdout), stdout.getvalue()


def members(stream: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(stream)) as archive:
        return {one.name: archive.extractfile(one).read() for one in archive if one.isfile()}  # type: ignore[union-attr]


def test_in_a_layout_the_tag_names_the_nested_index(tmp_path: Path) -> None:
    written, _ = take(f"oci:{tmp_path}/out:v2")
    assert written == Written(f"oci:{tmp_path}/out:v2", INDEX.index.digest)
    [entry] = json.loads((tmp_path / "out/index.json").read_bytes())["manifests"]
    assert (entry["mediaType"], entry["digest"]) == (INDEX_TYPE, INDEX.index.digest)
    assert "platform" not in entry
    assert entry["annotations"] == {
        "org.opencontainers.image.ref.name": "v2",
        "io.containerd.image.name": "docker.io/team/tool:1",
    }
    for descriptor, blob in INDEX.blobs():
        assert (tmp_path / "out/blobs/sha256" / descriptor.digest[7:]).read_bytes() == b"".join(blob.chunks())


def test_another_tag_of_the_layout_stays(tmp_path: Path) -> None:
    write_oci_layout(IMAGES[0], f"{tmp_path}/out", "one")
    take(f"oci:{tmp_path}/out:all")
    take(f"oci:{tmp_path}/out:all", build_index(IMAGES[:2]))
    entries = json.loads((tmp_path / "out/index.json").read_bytes())["manifests"]
    assert [entry["annotations"]["org.opencontainers.image.ref.name"] for entry in entries] == ["one", "all"]


def test_an_archive_holds_the_layout_and_no_choice_among_its_images() -> None:
    written, stream = take("oci-archive:-")
    assert written == Written("oci-archive:-", INDEX.index.digest)
    content = members(stream)
    assert set(content) == {"oci-layout", "index.json"} | {f"blobs/sha256/{one.digest[7:]}" for one, _ in INDEX.blobs()}
    for name, blob in content.items():
        if name.startswith("blobs/"):
            assert name.endswith(hashlib.sha256(blob).hexdigest())


def test_equal_images_give_an_equal_archive_with_each_blob_once() -> None:
    one = build_index([an_image("linux/amd64", b"same"), an_image("linux/s390x", b"same")])
    other = build_index([an_image("linux/s390x", b"same"), an_image("linux/amd64", b"same")])
    stream = take("oci-archive:-", one)[1]
    assert stream == take("oci-archive:-", other)[1]
    with tarfile.open(fileobj=io.BytesIO(stream)) as archive:
        names = archive.getnames()
    assert len(names) == len(set(names))
