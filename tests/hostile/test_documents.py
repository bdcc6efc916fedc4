"""Group 5: digests, sizes, and JSON that is not what it says or not what it should be."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from tests.hostile.test_archives import measure
from tests.images import INDEX, LAYER, MANIFEST, REF_NAME, F, Layout, digest, tar

import needed
from needed.errors import NeededError, SourceError, UsageError
from needed.image.limits import Limits
from needed.image.model import Platform
from needed.image.root import ImageRoot

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.hostile.conftest import Refuse

CONTENT = tar(F("f", "x" * 1000))
AMD64, ARM64 = {"os": "linux", "architecture": "amd64"}, {"os": "linux", "architecture": "arm64", "variant": "v8"}


@pytest.fixture
def made(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "image")


@pytest.mark.parametrize("what", ["layer", "config", "manifest"])
@pytest.mark.parametrize(
    "change",
    [lambda old: old + b"\0", lambda old: bytes([old[0] ^ 1]) + old[1:], lambda old: old[:-1], lambda old: b""],
    ids=["O01-appended", "O01-flipped", "O01-cut", "O01-emptied"],
)
def test_o01_bytes_that_were_changed_are_refused(
    made: Layout, refused: Refuse, what: str, change: Callable[[bytes], bytes]
) -> None:
    entry = made.image(CONTENT)
    text = made.index(entry)
    manifest = json.loads(made.path(entry).read_bytes())
    path = made.path({"layer": manifest["layers"][0], "config": manifest["config"], "manifest": entry}[what])
    path.write_bytes(change(path.read_bytes()))
    message = refused(text)
    assert "were promised" in message or "was promised" in message


def test_o01_a_blob_that_is_gone_is_told(made: Layout, refused: Refuse) -> None:
    entry = made.image(CONTENT)
    made.path(json.loads(made.path(entry).read_bytes())["layers"][0]).unlink()
    assert "is not there" in refused(made.index(entry))


def test_o01_a_blob_that_is_a_symlink_out_is_not_followed(made: Layout, refused: Refuse, tmp_path: Path) -> None:
    entry = made.image(CONTENT)
    path = made.path(json.loads(made.path(entry).read_bytes())["layers"][0])
    path.rename(tmp_path / "outside")
    path.symlink_to(tmp_path / "outside")
    assert "is not there" in refused(made.index(entry))


def test_o01_another_diff_id_than_the_layers_is_refused(made: Layout, refused: Refuse) -> None:
    def config(document: dict[str, Any]) -> None:
        document["rootfs"]["diff_ids"] = [digest(b"other")]

    assert "its diff ID is" in refused(made.index(made.image(CONTENT, config=config, compression="+gzip")))


def test_o01_an_uncompressed_layer_that_changes_after_it_was_checked_is_told(made: Layout) -> None:
    entry = made.image(CONTENT)
    root = needed.open_root(made.index(entry))
    file = root.open("/f")  # type: ignore[arg-type]
    file.check_unchanged()
    path = made.path(json.loads(made.path(entry).read_bytes())["layers"][0])
    path.write_bytes(CONTENT.replace(b"x", b"y"))
    os.utime(path, (1, 1))
    with pytest.raises(needed.ReadError, match="changed"):
        file.check_unchanged()


@pytest.mark.parametrize("keep_type", [True, False])
@pytest.mark.parametrize("key", ["manifests", "layers", "config"])
def test_o03_a_document_that_is_a_manifest_and_an_index_is_refused(
    made: Layout, refused: Refuse, keep_type: bool, key: str
) -> None:
    def change(document: dict[str, Any]) -> None:
        document[key] = document.get(key, [] if key != "config" else {})
        if not keep_type:
            del document["mediaType"]

    if key == "manifests":
        text = made.index(made.image(CONTENT, manifest=change))
    else:
        text = made.index(made.image(CONTENT), change=change)
    assert "at once" in refused(text)


@pytest.mark.parametrize(("said", "is_"), [(INDEX, MANIFEST), (MANIFEST, INDEX), ("", MANIFEST), ("text/plain", INDEX)])
def test_o03_a_type_that_is_not_the_descriptors_is_refused(made: Layout, refused: Refuse, said: str, is_: str) -> None:
    entry = made.image(CONTENT, manifest=lambda document: document.update(mediaType=is_))
    assert refused(made.index(entry | {"mediaType": said}))


@pytest.mark.parametrize(
    "change",
    [
        lambda old: old[:-1] + b',"layers":[]}',
        lambda old: old[:-1] + b',"Layers":[]}',
        lambda old: old[:-1] + b',"CONFIG":{}}',
        lambda old: old[:-1] + ',"layer\u017f":[]}'.encode(),
        lambda old: old.replace(b'"size"', b'"Size":1,"size"', 1),
        lambda old: old.replace(b'"digest"', b'"digest":"x","digest"', 1),
        lambda old: old[:-1] + b',"annotations":{"a":"1","a":"2"}}',
        lambda old: old + b"{}",
        lambda old: b"\xef\xbb\xbf" + old,
        lambda old: old.decode().encode("utf-16"),
        lambda old: old[:-1] + b',"x":NaN}',
        lambda old: old[:-1] + b',"x":"\xff"}',
        lambda old: old[:-1] + b',"x":' + b"9" * 10_000 + b"}",
        lambda old: old[:-1] + b',"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        lambda old: b"[]",
        lambda old: b"",
        lambda old: b"null",
    ],
    ids=lambda _: "O05",
)
def test_o05_json_that_readers_understand_differently_is_refused(
    made: Layout, refused: Refuse, change: Callable[[bytes], bytes]
) -> None:
    assert refused(made.index(made.image(CONTENT, written=change)))


@pytest.mark.parametrize("what", ["manifest", "config", "index"])
def test_o07_a_document_of_64_mib_is_refused_with_little_memory(made: Layout, what: str) -> None:
    def change(document: dict[str, Any]) -> None:
        document["annotations"] = {"a": "x" * (64 << 20)}

    changes: dict[str, Any] = {what: change} if what != "index" else {}
    text = made.index(made.image(CONTENT, **changes), **({"change": change} if what == "index" else {}))
    outcome, peak = measure(text)
    assert "4194304 are the limit" in outcome and peak < 100


BAD_DIGESTS = [
    "sha256:../../x", "md5:" + "0" * 32, "sha256:" + "A" * 64, "sha256:" + "0" * 63, "sha256:" + "0" * 65, "0" * 64,
    "", "sha512:" + "0" * 64, "sha256:" + "0" * 63 + "/", "sha256:" + "0" * 63 + "\u0661", ":", "sha256", "../x",
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD_DIGESTS)
@pytest.mark.parametrize("where", ["layer", "config", "index", "diff ID"])
def test_o09_a_digest_is_refused_by_its_grammar(made: Layout, refused: Refuse, bad: str, where: str) -> None:
    def manifest(document: dict[str, Any]) -> None:
        (document["layers"][0] if where == "layer" else document["config"])["digest"] = bad

    def config(document: dict[str, Any]) -> None:
        document["rootfs"]["diff_ids"] = [bad]

    if where == "index":
        text = made.index(made.image(CONTENT) | {"digest": bad})
    elif where == "diff ID":
        text = made.index(made.image(CONTENT, config=config))
    else:
        text = made.index(made.image(CONTENT, manifest=manifest))
    assert "digest" in (message := refused(text)) or "malformed diff ID" in message


@pytest.mark.parametrize("size", [-1, True, "5", 1.5, None, 10**30, 4 << 30])
def test_o09_a_size_is_a_number_and_the_blobs(made: Layout, refused: Refuse, size: object) -> None:
    assert refused(made.index(made.image(CONTENT) | {"size": size}))


@pytest.mark.parametrize(("depth", "fine"), [(3, True), (4, False), (2000, False)])
def test_o11_indexes_are_nested_only_so_deep(made: Layout, refused: Refuse, depth: int, fine: bool) -> None:
    entry = made.image(CONTENT)
    for _ in range(depth):
        document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}
        entry = made.blob(json.dumps(document).encode(), INDEX)
    text = made.index(entry)
    if fine:
        assert needed.open_root(text).names("/") == ("f",)  # type: ignore[arg-type]
    else:
        assert "nested more than 4 deep" in refused(text)


def test_o11_an_index_of_too_many_manifests_is_refused(made: Layout, refused: Refuse) -> None:
    entry = {"mediaType": MANIFEST, "digest": digest(b""), "size": 0}
    assert "more than 10000" in refused(made.index(*[entry] * 10_001))


@pytest.mark.parametrize("count", [128, 20_000])
def test_o12_too_many_layers_are_refused(made: Layout, refused: Refuse, count: int) -> None:
    def manifest(document: dict[str, Any]) -> None:
        document["layers"] *= count

    assert f"{count} layers, and 127 are the limit" in refused(made.index(made.image(CONTENT, manifest=manifest)))


def test_o12_as_many_layers_as_engines_take_are_read(made: Layout) -> None:
    layers = [tar(F(f"f{number:03}")) for number in range(127)]
    assert len(needed.open_root(made.index(made.image(*layers))).names("/")) == 127  # type: ignore[arg-type]


def test_o12_layers_and_diff_ids_are_as_many(made: Layout, refused: Refuse) -> None:
    def config(document: dict[str, Any]) -> None:
        document["rootfs"]["diff_ids"] *= 2

    assert "its config tells of 2" in refused(made.index(made.image(CONTENT, config=config)))


def test_o14_embedded_data_is_ignored(made: Layout) -> None:
    def manifest(document: dict[str, Any]) -> None:
        document["config"]["data"] = "e30="

    root = needed.open_root(made.index(made.image(CONTENT, manifest=manifest)))
    assert isinstance(root, ImageRoot) and root.config and root.config.entrypoint == ("/bin/x",)


@pytest.mark.parametrize(
    "content", [None, '{"imageLayoutVersion":"2.0.0"}', "{}", "null", '{"imageLayoutVersion":1}', ""]
)
def test_o15_a_layout_of_no_known_version_is_refused(made: Layout, refused: Refuse, content: str | None) -> None:
    text = made.index(made.image(CONTENT))
    (made.folder / "oci-layout").unlink()
    if content is not None:
        (made.folder / "oci-layout").write_text(content)
    assert refused(text)


@pytest.mark.parametrize(
    "content",
    [None, "null", "{}", '{"manifests":[]}', '{"manifests":null}', '{"manifests":{}}', '{"manifests":[1]}', "[]", "\0",
     '{"manifests":[{}]}', '{"mediaType":"x","manifests":[]}'],
)  # fmt: skip
def test_o15_an_index_without_an_image_is_refused(made: Layout, refused: Refuse, content: str | None) -> None:
    if content is not None:
        (made.folder / "index.json").write_text(content)
    assert refused(made.text)


def test_o15_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such directory"):
        needed.open_root(f"oci:{tmp_path}/none")


def named(entry: dict[str, Any], name: str, **more: object) -> dict[str, Any]:
    return entry | {"annotations": {REF_NAME: name}} | more


def test_o16_the_same_tag_twice_is_ambiguous(made: Layout, refused: Refuse) -> None:
    one, two = made.image(CONTENT), made.image(tar(F("g")))
    text = made.index(named(one, "a"), named(two, "a"))
    assert "nothing tells which is meant" in refused(f"{text}:a")
    assert "nothing tells which is meant" in refused(text)
    text = made.index(named(one, "a", platform=AMD64), named(two, "a", platform=AMD64))
    assert "nothing tells which is meant" in refused(f"{text}:a")


def test_o16_the_same_image_twice_is_one(made: Layout) -> None:
    one = made.image(CONTENT)
    text = made.index(named(one, "a"), named(one, "b"))
    for name in ("", ":a", ":b", f"@{one['digest']}", f":a@{one['digest']}"):
        assert needed.open_root(text + name).names("/") == ("f",)  # type: ignore[arg-type]


def test_several_names_are_told(made: Layout) -> None:
    text = made.index(named(made.image(CONTENT), "a"), named(made.image(tar(F("g"))), "b"))
    assert needed.open_root(f"{text}:b").names("/") == ("g",)  # type: ignore[arg-type]
    with pytest.raises(needed.ImageError, match="holds 2 images") as caught:
        needed.open_root(text)
    assert caught.value.hints == ("choose one: a, b",)
    with pytest.raises(needed.ImageError, match="no image named c") as caught:
        needed.open_root(f"{text}:c")
    assert caught.value.hints == ("its images: a, b",)


def test_several_platforms_are_told_and_one_is_chosen(made: Layout) -> None:
    def arm(document: dict[str, Any]) -> None:
        document.update(ARM64)

    unknown = {"os": "unknown", "architecture": "unknown"}
    entries = [
        made.image(CONTENT) | {"platform": AMD64},
        made.image(tar(F("g")), config=arm) | {"platform": ARM64},
        made.image(tar(F("attestation"))) | {"platform": unknown},
    ]
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}
    text = made.index(made.blob(json.dumps(index).encode(), INDEX))
    with pytest.raises(needed.ImageError, match="has 2 platforms") as caught:
        needed.open_root(text)
    assert caught.value.hints == ("choose a platform: linux/amd64, linux/arm64/v8",)
    for platform in (Platform("linux", "arm64"), Platform("linux", "arm64", "v8")):
        assert needed.open_root(text, platform).names("/") == ("g",)  # type: ignore[arg-type]
    with pytest.raises(needed.ImageError, match="no image for linux/s390x"):
        needed.open_root(text, Platform("linux", "s390x"))
    with pytest.raises(needed.ImageError, match="is for linux/amd64, and linux/arm64 was asked for"):
        needed.open_root(made.index(made.image(CONTENT)), Platform("linux", "arm64"))


@pytest.mark.parametrize(
    ("key", "bad"),
    [("Cmd", "/bin/sh"), ("Env", 5), ("Env", [5]), ("Entrypoint", {}), ("User", 0), ("User", "2147483648"),
     ("User", "0x0"), ("User", "1:4294967296"), ("User", "-1"), ("User", "9" * 5000), ("WorkingDir", []),
     ("Labels", []), ("Labels", {"a": 1}), ("ExposedPorts", ["80"]), ("Volumes", "x"), ("StopSignal", 9),
     ("cmd", ["x"]), ("Env", ["\ud800"])],
)  # fmt: skip
def test_o17_a_config_of_wrong_types_is_refused(made: Layout, refused: Refuse, key: str, bad: object) -> None:
    def config(document: dict[str, Any]) -> None:
        document["config"][key] = bad

    assert refused(made.index(made.image(CONTENT, config=config)))


@pytest.mark.parametrize(
    ("key", "bad"),
    [("os", None), ("os", 5), ("architecture", ["amd64"]), ("rootfs", None), ("rootfs", []), ("config", "x"),
     ("history", {}), ("history", [1]), ("history", [{"created_by": 1}]), ("history", [{"empty_layer": "no"}]),
     ("rootfs", {"type": "layers", "diff_ids": "x"}), ("rootfs", {"type": "x", "diff_ids": []}), ("created", 5)],
)  # fmt: skip
def test_o17_a_config_around_it_of_wrong_types_is_refused(
    made: Layout, refused: Refuse, key: str, bad: object
) -> None:
    assert refused(made.index(made.image(CONTENT, config=lambda document: document.update({key: bad}))))


def test_o17_what_engines_write_is_read(made: Layout) -> None:
    def config(document: dict[str, Any]) -> None:
        null = dict.fromkeys(("Cmd", "Env", "ExposedPorts", "Labels", "Volumes"))
        document["config"] = {**null, "Entrypoint": None, "User": "www-data:33", "WorkingDir": "", "Image": "x"}

    root = needed.open_root(made.index(made.image(CONTENT, config=config)))
    assert isinstance(root, ImageRoot) and root.config
    assert (root.config.user, root.config.cmd, root.config.history) == ("www-data:33", (), ("a test",))
    assert str(root.config.platform) == "linux/amd64"


@pytest.mark.parametrize("media_type", ["application/x-evil", f"{LAYER}+lz4", "", f"{LAYER}+encrypted", None, 5])
def test_o18_an_unknown_layer_type_is_refused(made: Layout, refused: Refuse, media_type: object) -> None:
    def manifest(document: dict[str, Any]) -> None:
        document["layers"][0]["mediaType"] = media_type

    assert refused(made.index(made.image(CONTENT, manifest=manifest)))


def test_o18_an_artifact_is_no_image(made: Layout, refused: Refuse) -> None:
    def manifest(document: dict[str, Any]) -> None:
        document["config"]["mediaType"] = "application/vnd.cncf.helm.config.v1+json"

    assert "artifact" in refused(made.index(made.image(CONTENT, manifest=manifest)))


@pytest.mark.parametrize(
    "name",
    [":../../x", ":a b", ":" + "x" * 10_000, ":name:tag@sha256:" + "0" * 63, ":a/B", ":@md5:00", ":", ":a@", ":-x",
     ":\0"],
)
def test_o20_a_name_is_refused_by_its_grammar(made: Layout, name: str) -> None:
    text = made.index(named(made.image(CONTENT), "a"))
    with pytest.raises(UsageError):
        needed.open_root(text + name)


@pytest.mark.parametrize("transport", ["docker-daemon", "containers-storage"])
@pytest.mark.parametrize("name", ["", "../../x", "a b", "x?y=z", "a#b", "a%2fb", "--help", "a@sha256:" + "0" * 64])
def test_o20_an_engine_is_asked_for_names_only(transport: str, name: str) -> None:
    with pytest.raises(UsageError):
        needed.open_root(f"{transport}:{name}")


def test_o20_a_pinned_digest_is_checked(made: Layout, refused: Refuse) -> None:
    text = made.index(named(made.image(CONTENT), "a"))
    assert "has no image a@sha256:0" in refused(f"{text}:a@{'sha256:' + '0' * 64}")
    assert "has no image @sha256:0" in refused(f"{text}@{'sha256:' + '0' * 64}")


def test_no_change_of_one_byte_of_a_document_raises_anything_else(made: Layout) -> None:
    entry = named(made.image(CONTENT), "a", platform=AMD64)
    text = made.index(entry)
    path = made.folder / "index.json"
    whole = path.read_bytes()
    for position in range(len(whole)):
        for other in b"\0\"{}[],:0a\xff":
            path.write_bytes(whole[:position] + bytes([other]) + whole[position + 1 :])
            try:
                needed.open_root(text)
            except NeededError:
                continue


def test_limits_are_the_callers(made: Layout, refused: Refuse) -> None:
    text = made.index(made.image(CONTENT, CONTENT))
    assert "1 are the limit" in refused(text, limits=Limits(layers=1))
    assert "20 are the limit" in refused(text, limits=Limits(document=20))
