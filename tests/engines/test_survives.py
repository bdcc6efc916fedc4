"""Kills, races and a full disk, with the whole command and as root: the destination is old or new, never half."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

NEEDED = str(Path(sys.executable).with_name("needed"))


def check_layout(layout: Path) -> dict[str, str]:
    """Tag to manifest digest, every blob hashed again; an assertion for whatever is not whole."""
    assert json.loads((layout / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    tags = {}
    for entry in json.loads((layout / "index.json").read_text())["manifests"]:
        manifest = json.loads(check_blob(layout, entry))
        for descriptor in (manifest["config"], *manifest["layers"]):
            check_blob(layout, descriptor)
        tags[entry["annotations"]["org.opencontainers.image.ref.name"]] = entry["digest"]
    return tags


def check_blob(layout: Path, descriptor: dict[str, object]) -> bytes:
    digest = str(descriptor["digest"])
    content = (layout / "blobs/sha256" / digest[7:]).read_bytes()
    assert len(content) == descriptor["size"]
    assert hashlib.sha256(content).hexdigest() == digest[7:]
    return content


def test_forty_kills_leave_the_old_layout_or_the_new_one(tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    command = [NEEDED, "build", "bash", "ls", "-q", "--no-cache", "-o", f"oci:{layout}:tag"]
    begin = time.monotonic()
    subprocess.run(command, check=True, capture_output=True)
    whole = time.monotonic() - begin
    known = {check_layout(layout)["tag"]}
    chance = random.Random(1)
    for number in range(40):
        # Another label each time, so that each build has something new to write
        process = subprocess.Popen([*command, "--label", f"n={number}"], stdout=subprocess.DEVNULL)
        time.sleep(whole * (0.4 + 0.7 * chance.random()))
        process.kill()
        process.wait()
        found = check_layout(layout)
        assert list(found) == ["tag"]
        known.add(found["tag"])
    assert len(known) > 1, "no kill came late enough to see a new result"
    assert len(known) < 41, "no kill came early enough to see an old result"


def test_forty_kills_leave_the_old_archive_or_the_new_one(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar"
    command = [NEEDED, "build", "bash", "ls", "-q", "-o", f"docker-archive:{archive}"]
    begin = time.monotonic()
    subprocess.run(command, check=True, capture_output=True)
    whole, chance = time.monotonic() - begin, random.Random(2)
    for number in range(40):
        process = subprocess.Popen([*command, "--label", f"n={number}"], stdout=subprocess.DEVNULL)
        time.sleep(whole * (0.4 + 0.7 * chance.random()))
        process.kill()
        process.wait()
        subprocess.run(["skopeo", "inspect", f"docker-archive:{archive}"], check=True, capture_output=True)


def test_four_builds_into_one_layout_lose_no_tag_in_fifteen_rounds(tmp_path: Path) -> None:
    layout, expected = tmp_path / "layout", set()
    for number in range(15):
        tags = [f"r{number}-{who}" for who in range(4)]
        running = [
            subprocess.Popen([NEEDED, "build", "ls", "-q", "--label", f"t={tag}", "-o", f"oci:{layout}:{tag}"],
                             stdout=subprocess.DEVNULL)
            for tag in tags
        ]  # fmt: skip
        assert [process.wait() for process in running] == [0] * 4
        expected |= set(tags)
        assert set(check_layout(layout)) == expected


@pytest.mark.parametrize("destination", ["docker-archive:{}/a.tar", "oci:{}/layout", "tar:{}/t.tar", "dir:{}/tree"])
def test_a_full_disk_is_a_clear_error_and_leaves_no_file(tmp_path: Path, destination: str) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], check=True)
    try:
        done = subprocess.run(
            [NEEDED, "build", "bash", "ls", "-o", destination.format(disk)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 5
        assert "no space is left" in done.stderr
        assert "Traceback" not in done.stderr
        left = [path for path in disk.rglob("*") if path.is_file() and path.name != "oci-layout"]
        assert [path for path in left if path.name != "index.json" and "blobs" not in path.parts] == []
        assert not (disk / "layout/index.json").exists() or check_layout(disk / "layout") == {}
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_no_killed_run_leaves_a_temporary_name(tmp_path: Path) -> None:
    for number in range(10):
        process = subprocess.Popen(
            [NEEDED, "build", "bash", "ls", "-q", "-o", f"oci-archive:{tmp_path}/a.tar"], stdout=subprocess.DEVNULL
        )
        time.sleep(0.02 + 0.008 * number)
        process.terminate()
        assert process.wait() in (0, 143, -15)
    assert {path.name for path in tmp_path.iterdir()} <= {"a.tar"}
