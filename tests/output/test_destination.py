"""The words for destinations, and what each of them leaves behind."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest

from needed.errors import EngineError, OutputError, ReadError, UsageError
from needed.image.build import Image, build_image
from needed.image.codec import Codec
from needed.image.layer import Packing
from needed.image.model import Platform
from needed.image.reference import Reference
from needed.output.archive import image_archive
from needed.output.containers_storage import load_into_podman
from needed.output.destination import Destination, Written, parse_destination, write_image
from needed.rootfs import Directory, File, GeneratedContent, Rootfs, Symlink

if TYPE_CHECKING:
    from pathlib import Path

ROOTFS = Rootfs(
    {
        "/bin": Directory(0o555),
        "/bin/tool": File(0o4755, 4, GeneratedContent(b"tool")),
        "/bin/link": Symlink("tool"),
        "/tmp": Directory(0o1777),
        "/\udcff": File(0o600, 0, GeneratedContent(b"")),
    },
    {},
)
NAME = Reference("team/tool", "1")


def an_image(codec: Codec = Codec()) -> Image:  # noqa: B008
    return build_image(ROOTFS, Platform("linux", "amd64"), packing=Packing(codec))


def take(text: str, image: Image | None = None, rootfs: Rootfs = ROOTFS) -> tuple[Written, bytes]:
    stdout = io.BytesIO()
    written = write_image(
        image or an_image(), rootfs, parse_destination(text), NAME, docker_host="unix:///nowhere", stdout=stdout
    )
    return written, stdout.getvalue()


@pytest.mark.parametrize(
    ("text", "destination"),
    [
        ("oci:out", Destination("oci", "out")),
        ("oci:out:v1", Destination("oci", "out", None, "v1")),
        ("oci-archive:f.tar", Destination("oci-archive", "f.tar")),
        ("oci-archive:f.tar:a/b:1", Destination("oci-archive", "f.tar", Reference("a/b", "1"), "a/b:1")),
        ("docker-archive:f:ls", Destination("docker-archive", "f", Reference("ls"))),
        ("docker-archive:-", Destination("docker-archive", "-")),
        ("tar:a:b", Destination("tar", "a:b")),
        ("dir:/x", Destination("dir", "/x")),
        ("docker-daemon:ls:1", Destination("docker-daemon", "", Reference("ls", "1"))),
        ("docker-daemon:", Destination("docker-daemon")),
        ("containers-storage:h:5/ls", Destination("containers-storage", "", Reference("h:5/ls"))),
    ],
)
def test_a_destination_is_said_in_skopeos_words(text: str, destination: Destination) -> None:
    assert parse_destination(text) == destination


@pytest.mark.parametrize(
    "text",
    ["", "out.tar", "zip:a", "oci:", "oci::v", "oci:a:", "oci:-", "dir:-", "tar:", "oci:a:é", "docker-archive:f:LS"],
)
def test_other_words_are_refused_with_a_hint(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_destination(text)
    assert caught.value.hints


def test_an_unknown_transport_lists_all() -> None:
    with pytest.raises(UsageError) as caught:
        parse_destination("./out")
    assert "containers-storage:" in caught.value.hints[0]


def test_an_archive_says_the_same_to_docker_and_to_oci(tmp_path: Path) -> None:
    image = an_image()
    written, stream = take("oci-archive:-", image)
    assert written.digest == image.manifest.digest and len(stream) == image_archive(image, NAME).size
    take(f"docker-archive:{tmp_path}/f.tar", image)
    assert (tmp_path / "f.tar").read_bytes() == stream
    with tarfile.open(fileobj=io.BytesIO(stream)) as archive:
        content = {one.name: archive.extractfile(one).read() for one in archive if one.isfile()}  # type: ignore[union-attr]
    for name, blob in content.items():
        if name.startswith("blobs/"):
            assert name.endswith(hashlib.sha256(blob).hexdigest())
    [docker] = json.loads(content["manifest.json"])
    [oci] = json.loads(content["index.json"])["manifests"]
    manifest = json.loads(content[f"blobs/sha256/{oci['digest'][7:]}"])
    assert docker["Config"] == f"blobs/sha256/{manifest['config']['digest'][7:]}" and docker["Config"] in content
    assert docker["Layers"] == [f"blobs/sha256/{layer['digest'][7:]}" for layer in manifest["layers"]]
    assert docker["RepoTags"] == ["team/tool:1"] and oci["platform"] == {"os": "linux", "architecture": "amd64"}
    assert oci["annotations"] == {
        "org.opencontainers.image.ref.name": "1",
        "io.containerd.image.name": "docker.io/team/tool:1",
    }


def test_tar_is_the_layer_itself() -> None:
    image = an_image(Codec("none", 0))
    written, stream = take("tar:-", image)
    assert written.digest == f"sha256:{hashlib.sha256(stream).hexdigest()}" == image.layers[0].diff_id
    with tarfile.open(fileobj=io.BytesIO(stream)) as archive:
        assert archive.getnames()[:2] == ["bin", "bin/tool"]


def test_a_tree_has_its_modes_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        written, _ = take(f"dir:{tmp_path}/out")
    finally:
        os.umask(before)
    out = os.fsencode(tmp_path / "out")
    modes = {name: os.lstat(out + name).st_mode & 0o7777 for name in (b"", b"/bin", b"/bin/tool", b"/tmp", b"/\xff")}
    assert modes == {b"": 0o755, b"/bin": 0o555, b"/bin/tool": 0o4755, b"/tmp": 0o1777, b"/\xff": 0o600}
    assert os.readlink(out + b"/bin/link") == b"tool" and written.digest == an_image().layers[0].diff_id
    with pytest.raises(OutputError, match="not empty"):
        take(f"dir:{tmp_path}/out")
    (tmp_path / "empty").mkdir()
    take(f"dir:{tmp_path}/empty")
    assert sorted(os.listdir(tmp_path)) == ["empty", "out"]


def test_a_tree_that_cannot_be_read_leaves_nothing(tmp_path: Path) -> None:
    short = Rootfs({**ROOTFS.entries, "/z": File(0o644, 9, GeneratedContent(b"short"))}, {})
    with pytest.raises(ReadError, match="/z"):
        take(f"dir:{tmp_path}/out", rootfs=short)
    assert os.listdir(tmp_path) == []


def test_a_full_standard_output_is_an_output_error() -> None:
    with open("/dev/full", "wb", buffering=0) as full, pytest.raises(OutputError, match=r"no space.*\d+ bytes"):
        write_image(an_image(), ROOTFS, parse_destination("tar:-"), NAME, docker_host="", stdout=full)


def test_podman_is_asked_for_the_id(tmp_path: Path) -> None:
    script = tmp_path / "podman"
    script.write_text(f'#!/bin/sh\n[ $1 = load ] && cat > {tmp_path}/got || echo "${{5}}"\n')
    script.chmod(0o755)
    archive = image_archive(an_image(), NAME)
    assert load_into_podman(archive, NAME, str(script)) == "sha256:docker.io/team/tool:1"
    assert (tmp_path / "got").read_bytes() == b"".join(archive.chunks())
    script.write_text("#!/bin/sh\necho no thanks >&2; exit 1\n")
    with pytest.raises(EngineError) as caught:
        load_into_podman(archive, NAME, str(script))
    assert caught.value.details == ("no thanks",) and caught.value.hints
    with pytest.raises(EngineError, match="cannot be started"):
        load_into_podman(archive, NAME, str(tmp_path / "absent"))


def test_importing_the_way_out_brings_nothing_heavy() -> None:
    heavy = ["json", "re", "dataclasses", "typing", "tarfile", "tempfile", "subprocess", "http", "pathlib", "threading"]
    modules = "needed.image.tar, needed.image.codec, needed.output.destination"
    code = f"import sys, {modules}\nprint([name for name in {heavy} if name in sys.modules])"
    import sys

    answer = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, env=_paths(), check=True
    )
    assert answer.stdout.strip() == "[]"


def _paths() -> dict[str, str]:
    import needed

    return {"PYTHONPATH": os.path.dirname(os.path.dirname(needed.__file__))}
