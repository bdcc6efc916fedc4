"""An image where a root is asked for: `--root IMAGE` as a user types it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.cli.test_build import root, run  # noqa: F401  (root is a fixture)
from tests.images import F, layout

if TYPE_CHECKING:
    from pathlib import Path

PLACES = ("oci:layout:tag", "oci-archive:a.tar", "docker-archive:d.tar", "tar:t.tar", "dir:tree")


@pytest.fixture
def images(root: Path, tmp_path: Path) -> str:  # noqa: F811
    """The same small image in every place of the test's folder. What `build` printed for the first."""
    outputs = [word for place in PLACES for word in ("-o", place)]
    words = ("build", "/bin/prog", "/bin/other", "--root", str(root), "-t", "name:1", "-q", "--no-cache", *outputs)
    result = run(*words, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()[0]


@pytest.mark.parametrize("place", PLACES)
def test_an_image_is_a_root_to_build_from(images: str, tmp_path: Path, place: str) -> None:
    words = ("build", "/bin/prog", "/bin/other", "--root", place, "-t", "name:1", "-q", "-o", "oci:again:tag")
    result = run(*words, "--no-cache", cwd=tmp_path)
    assert (result.stderr, result.stdout) == ("", f"{images}\n")


@pytest.mark.parametrize("place", PLACES)
def test_a_program_in_an_image_is_inspected(images: str, tmp_path: Path, place: str) -> None:
    result = run("inspect", "--json", "--root", place, "bin/prog", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert [item["needed"] for item in json.loads(result.stdout)] == [["liba.so.1"]]


def test_an_image_for_another_platform_is_refused(images: str, tmp_path: Path) -> None:
    words = ("build", "/bin/prog", "--root", "oci:layout", "--platform", "linux/arm64", "-n")
    result = run(*words, cwd=tmp_path)
    assert result.returncode == 8 and "is for linux/amd64" in result.stderr


def test_a_damaged_image_has_its_exit_code_and_no_raw_bytes(tmp_path: Path) -> None:
    layout(tmp_path / "image", [F("a\x1b[31m/../x")])
    for words in (("inspect", "x"), ("build", "x", "-t", "x")):
        result = run(*words, "--root", "oci:image", cwd=tmp_path)
        assert result.returncode == 8 and result.stdout == ""
        assert "error: oci:image: layer 1: has a name that leads out" in result.stderr and "\x1b" not in result.stderr
        assert "Traceback" not in result.stderr


def test_a_damaged_image_is_told_as_an_object(tmp_path: Path) -> None:
    layout(tmp_path / "image", [F("../x")])
    result = run("build", "x", "-t", "x", "--json", "--root", "oci:image", cwd=tmp_path)
    error = json.loads(result.stderr)["error"]
    assert (error["kind"], error["exit_code"]) == ("image", 8)


def test_an_engine_that_does_not_answer_is_told(tmp_path: Path) -> None:
    result = run("inspect", "x", "--root", "docker-daemon:x", cwd=tmp_path, DOCKER_HOST="unix:///nowhere")
    assert result.returncode == 6 and "does not answer at unix:///nowhere" in result.stderr
