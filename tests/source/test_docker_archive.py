"""The three shapes of what `docker save` and `podman save` write, and which image of an archive is meant."""

from __future__ import annotations

import gzip
import json
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest
from tests.images import D, F, S, digest, tar

import needed
from needed.image.root import ImageRoot
from needed.root import RootPath

if TYPE_CHECKING:
    from pathlib import Path

LOWER, UPPER = tar(F("f", "low"), F("g", "low")), tar(F("f", "up"), F(".wh.g"))
EMPTY = tar()


def packed(content: bytes) -> bytes:
    """The same bytes at any time of day."""
    return gzip.compress(content, mtime=0)


def config_of(*layers: bytes) -> bytes:
    rootfs = {"type": "layers", "diff_ids": [digest(layer) for layer in layers]}
    return json.dumps({"os": "linux", "architecture": "amd64", "config": {"Cmd": ["x"]}, "rootfs": rootfs}).encode()


def manifest(*images: dict[str, Any]) -> bytes:
    return F("manifest.json", json.dumps(list(images)))


def docker_20() -> bytes:
    """A folder for each layer; the third layer is the first one again, as a symlink."""
    config = config_of(LOWER, UPPER, LOWER)
    name = f"{digest(config)[7:]}.json"
    layers = [f"{letter * 64}/layer.tar" for letter in "abc"]
    return tar(
        D("a" * 64), F("a" * 64 + "/VERSION", "1.0"), F(layers[0], LOWER), F(layers[1], UPPER),
        S(layers[2], f"../{layers[0]}"), F(name, config), F("repositories", "{}"),
        manifest({"Config": name, "RepoTags": ["name:1"], "Layers": layers}),
    )  # fmt: skip


def podman_4() -> bytes:
    config = config_of(LOWER, UPPER, LOWER)
    layers = [f"{digest(layer)[7:]}.tar" for layer in (LOWER, UPPER, LOWER)]
    name = f"{digest(config)[7:]}.json"
    image = {"Config": name, "RepoTags": ["docker.io/library/name:1"], "Layers": layers}
    return tar(F(layers[0], LOWER), F(layers[1], UPPER), F(name, config), manifest(image))


def docker_25(*, compressed: bool = False) -> bytes:
    config = config_of(LOWER, UPPER, LOWER)
    blobs = [packed(layer) if compressed else layer for layer in (LOWER, UPPER)]
    names = [f"blobs/sha256/{digest(blob)[7:]}" for blob in (*blobs, blobs[0], config)]
    image = {"Config": names[3], "RepoTags": ["name:1"], "Layers": names[:3], "LayerSources": {"x": {"size": 1}}}
    return tar(F(names[0], blobs[0]), F(names[1], blobs[1]), F(names[3], config), manifest(image))


SHAPES = {
    "Docker 20": docker_20(),
    "Podman 4": podman_4(),
    "Docker 25": docker_25(),
    "ours": docker_25(compressed=True),
}


def opened(folder: Path, content: bytes, name: str = "") -> ImageRoot:
    (folder / "a.tar").write_bytes(content)
    root = needed.open_root(f"docker-archive:{folder}/a.tar{name}")
    assert isinstance(root, ImageRoot)
    return root


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("whole", [False, True])
def test_each_shape_is_read(tmp_path: Path, shape: str, whole: bool) -> None:
    for name in ("", ":name:1", ":docker.io/library/name:1"):
        root = opened(tmp_path, packed(SHAPES[shape]) if whole else SHAPES[shape], name)
        assert root.names(RootPath("/")) == ("f", "g")
        assert root.open(RootPath("/f")).read_at(0, 9) == b"low" and root.config and root.config.cmd == ("x",)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_changed_layer_is_refused(tmp_path: Path, shape: str) -> None:
    with pytest.raises(needed.ImageError, match="was promised"):
        opened(tmp_path, SHAPES[shape].replace(LOWER, LOWER.replace(b"low", b"LOW")).replace(
            packed(UPPER), packed(tar(F("f", "up"), F(".wh.f"))))
        )  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_a_changed_config_is_refused(tmp_path: Path, shape: str) -> None:
    with pytest.raises(needed.ImageError, match="was promised"):
        opened(tmp_path, SHAPES[shape].replace(b'{"Cmd": ["x"]}', b'{"Cmd": ["y"]}'))


def test_of_several_images_the_name_chooses(tmp_path: Path) -> None:
    one, two = config_of(LOWER), config_of(EMPTY)
    content = tar(
        F("1.json", one), F("2.json", two), F("l", LOWER), F("e", EMPTY),
        manifest({"Config": "1.json", "RepoTags": ["one:1"], "Layers": ["l"]},
                 {"Config": "2.json", "RepoTags": ["two:latest", "three:3"], "Layers": ["e"]}),
    )  # fmt: skip
    assert opened(tmp_path, content, ":one:1").names(RootPath("/")) == ("f", "g")
    assert opened(tmp_path, content, ":two").names(RootPath("/")) == ()
    for name, fault in (("", "holds 2 images"), (":four", "no image named four:latest")):
        with pytest.raises(needed.ImageError, match=fault) as caught:
            opened(tmp_path, content, name)
        assert caught.value.hints == ("its images: one:1, three:3, two:latest",)


@pytest.mark.parametrize(
    "document",
    ["null", "{}", "[]", "[1]", '[{"Config":5}]', '[{"Config":"c","Layers":"x"}]', '[{"Config":"../c","Layers":["l"]}]',
     '[{"Config":"c","Layers":["../../l"]}]', '[{"Config":"c","Layers":["d"]}]', '[{"Config":"c","layers":["l"]}]',
     '[{"Config":"c","Layers":["l"],"Layers":["l"]}]', '[{"Config":"c","Layers":["l","l"]}]', "x",
     '[{"Config":"c","Layers":["loop"]}]', '[{"Config":"d","Layers":["l"]}]',
     '[{"Config":"c","RepoTags":5,"Layers":["l"]}]'],
)  # fmt: skip
def test_a_manifest_that_names_no_config_and_layers_is_refused(tmp_path: Path, document: str) -> None:
    content = tar(F("c", config_of(LOWER)), F("l", LOWER), D("d"), S("loop", "loop"), F("manifest.json", document))
    with pytest.raises(needed.ImageError):
        opened(tmp_path, content)


def test_another_kind_of_archive_says_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(needed.ImageError, match=r"manifest\.json") as caught:
        opened(tmp_path, tar(F("oci-layout", "{}"), F("index.json", "{}")))
    assert "oci-archive:" in caught.value.hints[0]
    (tmp_path / "a.tar").write_bytes(docker_20())
    with pytest.raises(needed.ImageError, match="no OCI layout") as caught:
        needed.open_root(f"oci-archive:{tmp_path}/a.tar")
    assert "docker-archive:" in caught.value.hints[0]
    (tmp_path / "a.tar").write_bytes(b"\x7fELF" + bytes(1000))
    with pytest.raises(needed.ImageError, match="no tar"):
        needed.open_root(f"docker-archive:{tmp_path}/a.tar")


def test_an_archive_comes_through_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(docker_25(),))
    writer.start()
    root = needed.open_root(f"docker-archive:{tmp_path}/pipe")
    writer.join()
    assert root.open(RootPath("/f")).read_at(0, 9) == b"low"
