"""Kills, races and a full disk, with the whole command and as root: the destination is old or new, never half."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
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
    subprocess.run(command, check=True, capture_output=True)
    begin = time.monotonic()  # of a build like those to be killed: one that adds to a layout reads its index first
    subprocess.run([*command, "--label", "n=old"], check=True, capture_output=True)
    whole = time.monotonic() - begin
    known = {check_layout(layout)["tag"]}
    chance = random.Random(1)
    for number in range(40):
        # Another label each time, so that each build has something new to write
        process = subprocess.Popen([*command, "--label", f"n={number}"], stdout=subprocess.DEVNULL)
        time.sleep(whole * (0.4 + 0.9 * chance.random()))
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


SYNC = re.compile(r"(fsync|syncfs)\(\d+<(.*?)>")
RENAME = re.compile(r"rename\w*\(.*\"(?P<name>[^\"]*)\"(, \w+)?\) += 0")


def whole_renames(log: str) -> Iterator[str]:
    """The lines of strace, a rename(2) that was heard in two pieces put together again."""
    begun: dict[str, str] = {}
    for line in log.splitlines():
        thread = line.split()[0]
        if "rename" in line and line.endswith(" <unfinished ...>"):
            begun[thread] = line.removesuffix(" <unfinished ...>")
        elif thread in begun and "rename" in line and "resumed>" in line:
            yield begun.pop(thread) + line.partition("resumed>")[2]
        else:
            yield line


def syncs_and_names(tmp_path: Path, destination: str) -> list[str]:
    """What `needed build` says to the disk, in order: "sync NAME", "syncfs", "name NAME". "?" is a file without one."""
    log = tmp_path / "strace"
    calls = "trace=fsync,fdatasync,syncfs,rename,renameat,renameat2"
    command = [NEEDED, "build", "bash", "ls", "-q", "--no-cache", "-o", destination]
    subprocess.run(["strace", "-f", "-y", "-e", calls, "-o", log, *command], check=True, capture_output=True)
    said, under_way = [], 0
    for line in whole_renames(log.read_text()):
        under_way += ("sync(" in line and "<unfinished" in line) - ("sync resumed>" in line)
        if found := SYNC.search(line):
            path = found[2].removesuffix(" (deleted)")
            name = "?" if Path(path).name.startswith("#") else Path(path).name
            said.append("syncfs" if found[1] == "syncfs" else f"sync {name}")
        elif found := RENAME.search(line):
            assert under_way == 0
            said.append(f"name {Path(found['name']).name}")
    return said


def test_what_gets_a_name_is_on_the_disk_first_and_the_name_after_it(tmp_path: Path) -> None:
    layout = syncs_and_names(tmp_path, f"oci:{tmp_path}/layout")
    blobs = [line.removeprefix("name ") for line in layout if re.fullmatch("name [0-9a-f]{64}", line)]
    assert len(blobs) == 3
    assert layout[:4] == ["sync ?"] * 4
    assert layout[4:8] == [*(f"name {blob}" for blob in blobs), "name oci-layout"]
    assert sorted(layout[8:11]) == ["sync blobs", "sync layout", "sync sha256"]
    assert layout[11:] == ["sync ?", "name index.json", "sync layout"]
    archive = syncs_and_names(tmp_path, f"docker-archive:{tmp_path}/a.tar")
    assert archive == ["sync ?", "name a.tar", f"sync {tmp_path.name}"]
    assert syncs_and_names(tmp_path, f"dir:{tmp_path}/tree") == ["syncfs", "name tree", f"sync {tmp_path.name}"]


# A job in the background of a shell ignores Ctrl-C, and so would all that it starts.
LISTENING = ["env", "--default-signal=INT"]


@pytest.mark.parametrize("destination", ["docker-archive:{}/a.tar", "oci:{}/layout", "tar:{}/a.tar", "dir:{}/tree"])
def test_ctrl_c_ends_with_130_and_leaves_nothing_under_the_final_name(tmp_path: Path, destination: str) -> None:
    large = tmp_path / "large"
    large.write_bytes(random.Random(3).randbytes(64 << 20))
    out = tmp_path / "out"
    out.mkdir()
    command = [NEEDED, "build", "--empty", "--no-cache", "--add", f"{large}:/large", "-o", destination.format(out)]
    command += ["--compression", "gzip:12"]  # seconds of work, so that the signal comes in the middle of it
    process = subprocess.Popen([*LISTENING, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    opened = f"/proc/{process.pid}/fd"
    while not any(os.path.realpath(f"{opened}/{number}") == str(large) for number in os.listdir(opened)):
        assert process.poll() is None, "it ended before it could be interrupted"
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout, stderr) == (130, b"", b"")
    assert list(out.iterdir()) == []


def test_ctrl_c_on_a_terminal_wipes_the_progress_away(tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.write_bytes(random.Random(3).randbytes(64 << 20))
    command = [NEEDED, "build", "--empty", "--no-cache", "--add", f"{large}:/large", "--compression", "gzip:12"]
    terminal, side = os.openpty()
    process = subprocess.Popen([*LISTENING, *command, "-o", f"docker-archive:{tmp_path}/a.tar"], stderr=side)
    os.close(side)
    shown = b""
    while b"packing" not in shown:
        shown += os.read(terminal, 1024)
    process.send_signal(signal.SIGINT)
    while process.poll() is None:
        time.sleep(0.005)
    shown += os.read(terminal, 65536)
    os.close(terminal)
    assert process.returncode == 130
    assert shown.endswith(b"\r\x1b[K")
    assert all(len(line) < 80 for line in shown.split(b"\r"))
