"""An image index: what it says of its images, and that it says the same every time."""

from __future__ import annotations

import json
from itertools import permutations

import pytest

from needed.errors import NeededError, UsageError
from needed.image.build import Image, build_image
from needed.image.index import build_index, validate_index
from needed.image.model import INDEX_TYPE, MANIFEST_TYPE, Descriptor, Platform, choose_platform, parse_platform
from needed.rootfs import File, GeneratedContent, Rootfs
from needed.value import replace


def an_image(platform: str, content: bytes = b"") -> Image:
    text = content or platform.encode()
    return build_image(Rootfs({"/f": File(0o755, len(text), GeneratedContent(text))}, {}), parse_platform(platform))


IMAGES = tuple(an_image(text) for text in ("linux/s390x", "linux/amd64", "linux/arm64/v8"))


def test_it_lists_each_image_with_its_platform() -> None:
    index = build_index(IMAGES)
    document = json.loads(index.index_blob)
    assert (document["schemaVersion"], document["mediaType"]) == (2, INDEX_TYPE)
    assert [entry["platform"] for entry in document["manifests"]] == [
        {"os": "linux", "architecture": "amd64"},
        {"os": "linux", "architecture": "arm64", "variant": "v8"},
        {"os": "linux", "architecture": "s390x"},
    ]
    for entry, image in zip(document["manifests"], index.images, strict=True):
        expected = (MANIFEST_TYPE, image.manifest.digest, image.manifest.size)
        assert (entry["mediaType"], entry["digest"], entry["size"]) == expected
    validate_index(index)


def test_the_order_of_the_request_changes_no_byte() -> None:
    assert len({build_index(images).index.digest for images in permutations(IMAGES)}) == 1


def test_what_two_images_share_is_there_once_and_the_index_comes_last() -> None:
    index = build_index([an_image("linux/amd64", b"same"), an_image("linux/arm64/v8", b"same")])
    digests = [descriptor.digest for descriptor, _ in index.blobs()]
    assert len(digests) == len(set(digests)) == 6  # one layer, two configs, two manifests, the index
    assert digests[-1] == index.index.digest


def test_one_platform_twice_and_none_are_refused() -> None:
    with pytest.raises(UsageError, match="two images for linux/amd64"):
        build_index([IMAGES[1], an_image("linux/amd64", b"other")])
    with pytest.raises(UsageError):
        build_index([])


def test_an_index_that_does_not_describe_its_images_is_found() -> None:
    index = build_index(IMAGES)
    wrong = replace(index, index=Descriptor(INDEX_TYPE, index.index.digest, index.index.size + 1))
    for broken in (wrong, replace(index, images=index.images[:2]), replace(index, images=index.images[::-1])):
        with pytest.raises(NeededError, match="does not describe"):
            validate_index(broken)


@pytest.mark.parametrize(
    ("offered", "machine", "chosen"),
    [
        ("amd64 arm64/v8", "arm64", "arm64/v8"),
        ("amd64 arm64/v8", "arm64/v8", "arm64/v8"),
        ("arm64 amd64", "arm64/v8", "arm64"),
        ("arm/v5 arm/v7 arm/v6", "arm/v6", "arm/v6"),
        ("arm/v5 arm/v7", "arm/v6", "arm/v5"),
        ("arm/v7", "arm/v6", None),
        ("amd64/v3 amd64", "amd64", "amd64"),  # what runs on every one, where the machine does not say what it can
        ("amd64 s390x", "riscv64", None),
        ("", "amd64", None),
    ],
)
def test_a_machine_takes_the_best_that_it_runs(offered: str, machine: str, chosen: str | None) -> None:
    def platform(text: str) -> Platform:
        return parse_platform(f"linux/{text}")

    found = choose_platform(tuple(map(platform, offered.split())), platform(machine))
    assert found == (platform(chosen) if chosen else None)
