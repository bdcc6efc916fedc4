"""A group of the pids controller: where it may be made, and that the kernel keeps its bound."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from needed.verify.pids import PREFIX, make_group, place_of

V1 = "35 30 0:31 {root} {point} rw,relatime - cgroup cgroup rw,{controllers}\n"
V2 = "36 30 0:32 {root} {point} rw,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"


@pytest.mark.parametrize(
    ("root", "own", "expected"),
    [
        ("/", "5:cpu:/x\n4:pids:/a/b\n0::/\n", "/cg/pids/a/b"),
        ("/", "4:pids:/\n", "/cg/pids"),
        ("/docker/1", "4:pids:/docker/1\n", "/cg/pids"),
        ("/docker/1", "4:pids:/docker/1/x\n", "/cg/pids/x"),
        ("/docker/1", "4:pids:/docker/12\n", ""),
        ("/..", "4:pids:/\n", ""),
        ("/", "4:pids:/../other\n", ""),
        ("/", "0::/\n", ""),
    ],
)
def test_of_version_1_it_is_our_own_group(root: str, own: str, expected: str) -> None:
    other = V1.format(root="/", point="/cg/cpu", controllers="cpu")
    assert place_of(other + V1.format(root=root, point="/cg/pids", controllers="pids"), own, 10) == expected


def test_a_mount_point_may_have_spaces() -> None:
    assert place_of(V1.format(root="/", point="/a\\040b", controllers="pids"), "1:pids:/\n", 10) == "/a b"


def version_2(top: Path, **files: str) -> str:
    """What of a hierarchy of version 2 says where a group for /system/service may be made: `top` for its top."""
    for folder, handed_down in (("", "cpu memory pids\n"), ("system", "memory pids\n"), ("system/service", "\n")):
        (top / folder).mkdir(exist_ok=True)
        (top / folder / "cgroup.subtree_control").write_text(handed_down)
        (top / folder / "pids.max").write_text("4096\n")
        (top / folder / "memory.max").write_text("max\n")
        (top / folder / "cpu.max").write_text("max 100000\n")
        (top / folder / "io.max").write_text("")
    for name, text in files.items():
        (top / "system/service" / name.replace("_", ".", 1)).write_text(text)
    found = place_of(V2.format(root="/", point=top), "0::/system/service\n", 10)
    return found.replace(str(top), "TOP")


def test_of_version_2_it_is_the_nearest_group_that_hands_the_controller_down(tmp_path: Path) -> None:
    assert version_2(tmp_path) == "TOP/system"
    assert version_2(tmp_path, cgroup_subtree_control="memory pids\n") == "TOP/system/service"


@pytest.mark.parametrize(
    "limit",
    [{"memory_max": "1048576\n"}, {"cpu_max": "5000 100000\n"}, {"io_max": "8:0 rbps=1\n"}, {"pids_max": "9\n"}],
)
def test_nobody_is_taken_out_of_a_group_with_limits(limit: dict[str, str], tmp_path: Path) -> None:
    assert version_2(tmp_path, **limit) == ""


def test_more_processes_than_its_bound_cannot_be_started() -> None:
    group = make_group(4)
    if group is None:  # nobody may make one here, and so nothing but the watcher bounds what root runs
        assert os.geteuid() != 0 or not os.access(place_of(*texts(), 4) or "/proc", os.W_OK)
        return
    reading, writing = os.pipe()
    parent = os.fork()
    if parent == 0:
        group.enter()
        started = []
        try:
            for _ in range(8):
                started.append(os.fork())
                if not started[-1]:
                    signal.pause()
        except BlockingIOError:
            os.write(writing, b"%d" % len(started))
        finally:
            for child in started:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
            os._exit(0)
    os.waitpid(parent, 0)
    group.remove()
    assert os.read(reading, 9) == b"3"
    assert not os.path.exists(group.path)


def test_groups_of_killed_runs_go_with_the_next_one() -> None:
    child = os.fork()
    if child == 0:
        make_group(2)
        os._exit(0)
    os.waitpid(child, 0)
    group = make_group(2)
    if group is not None:
        left = [name for name in os.listdir(os.path.dirname(group.path)) if name.startswith(f"{PREFIX}{child}-")]
        group.remove()
        assert left == []


def texts() -> tuple[str, str]:
    return Path("/proc/self/mountinfo").read_text(), Path("/proc/self/cgroup").read_text()
