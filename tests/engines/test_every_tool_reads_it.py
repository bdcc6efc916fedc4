"""The default archive is one file that every tool reads, and all of them find the same image in it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.engines.conftest import Needed
from tests.engines.engines import Docker, Podman, run

PROGRAMS = ("/bin/bash", "/bin/ls")


def skopeo(*arguments: str | Path) -> str:
    return run("skopeo", "--insecure-policy", *arguments)


def config_in(directory: Path) -> str:
    """The config's digest in what skopeo calls `dir:`."""
    return str(json.loads((directory / "manifest.json").read_bytes())["config"]["digest"])


def test_docker_podman_and_skopeo_agree_on_the_config_digest(
    needed: Needed, docker: Docker, podman: Podman, tmp_path: Path
) -> None:
    needed("build", *PROGRAMS, "-t", "agreed")
    archive = tmp_path / "agreed.tar"
    docker("load", "-i", archive)
    podman("load", "-i", archive)
    skopeo("copy", f"oci-archive:{archive}", f"dir:{tmp_path}/oci")
    skopeo("copy", f"docker-archive:{archive}", f"dir:{tmp_path}/docker")
    digests = {
        "docker load": docker("inspect", "--format", "{{.Id}}", "agreed").strip(),
        "podman load": "sha256:" + podman("inspect", "--format", "{{.Id}}", "agreed").strip().removeprefix("sha256:"),
        "skopeo oci-archive": config_in(tmp_path / "oci"),
        "skopeo docker-archive": config_in(tmp_path / "docker"),
    }
    assert len(set(digests.values())) == 1, digests


def test_skopeo_inspects_the_archive_and_finds_the_printed_digest(needed: Needed, tmp_path: Path) -> None:
    printed = needed("build", *PROGRAMS, "-t", "inspected").stdout.strip()
    seen = json.loads(skopeo("inspect", f"oci-archive:{tmp_path}/inspected.tar"))
    assert printed == f"inspected@{seen['Digest']}"
    assert (seen["Os"], len(seen["Layers"])) == ("linux", 1)


def test_umoci_unpacks_the_layout_into_the_tree_that_was_built(needed: Needed, tmp_path: Path) -> None:
    needed("build", *PROGRAMS, "-t", "unpacked", "-o", "oci:layout:latest")
    needed("build", *PROGRAMS, "-t", "unpacked", "-o", "dir:tree")
    run("umoci", "unpack", "--image", f"{tmp_path}/layout:latest", tmp_path / "bundle")
    assert run("diff", "-r", "--no-dereference", tmp_path / "tree", tmp_path / "bundle/rootfs") == ""


def test_umoci_unpacks_what_skopeo_copies_out_of_the_archive(needed: Needed, tmp_path: Path) -> None:
    needed("build", *PROGRAMS, "-t", "copied")
    skopeo("copy", f"oci-archive:{tmp_path}/copied.tar", f"oci:{tmp_path}/layout:x")
    run("umoci", "unpack", "--image", f"{tmp_path}/layout:x", tmp_path / "bundle")
    assert (tmp_path / "bundle/rootfs/bin/bash").exists()


def test_load_gives_docker_the_same_image_as_the_archive(needed: Needed, docker: Docker, tmp_path: Path) -> None:
    needed("build", *PROGRAMS, "-t", "loaded", "--load")
    loaded = docker("inspect", "--format", "{{.Id}}", "loaded")
    needed("build", *PROGRAMS, "-t", "loaded", "-o", "docker-archive:loaded.tar")
    docker("load", "-i", tmp_path / "loaded.tar")
    assert docker("inspect", "--format", "{{.Id}}", "loaded") == loaded


def test_an_engine_that_does_not_answer_is_one_sentence_a_hint_and_exit_6(needed: Needed) -> None:
    failed = needed("build", "/bin/ls", "-t", "x", "--load", status=6)
    assert "/nonexistent" in failed.stderr
    assert "hint:" in failed.stderr
    message = failed.stderr.split("hint:")[0].strip()
    assert len(message.splitlines()) == 1, failed.stderr
