"""A bound on the processes of a sandbox that holds for root too: a group of the pids controller (cgroups(7)).

The kernel asks RLIMIT_NPROC of nobody who is root outside, and a name space of processes has a `pid_max` of its own
from Linux 6.14 on. Before that, the group bounds what root runs. Where none can be made (a container whose control
groups are read-only), the watcher alone does, four times a second.

What it deliberately does not do: take a process out of a group whose other limits it would escape so; ask systemd; set
another limit.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = "needed-"
# Files of a group of version 2 that say nothing, or first "max", where nothing limits it (cgroup-v2.rst).
_LIMITS = ("memory.max", "memory.high", "memory.swap.max", "cpu.max", "io.max", "cpuset.cpus", "cpuset.mems")


class Group:
    """A control group that holds `processes` at most, gone with `remove`."""

    def __init__(self, path: str) -> None:
        self.path = path

    def enter(self) -> None:
        """Put this process there, and so all that it starts. Raises OSError."""
        _write(f"{self.path}/cgroup.procs", "0")

    def remove(self) -> None:
        """Take it away; nobody is in it any more. What is left if somebody is goes with the next one."""
        try:
            os.rmdir(self.path)
        except OSError:
            return


def make_group(processes: int) -> Group | None:
    """A new group, nobody in it; None where we may make none."""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            mounts = file.read()
        with open("/proc/self/cgroup", encoding="utf-8", errors="surrogateescape") as file:
            place = place_of(mounts, file.read(), processes)
    except OSError:
        return None
    if not place:
        return None
    group = Group(f"{place}/{PREFIX}{os.getpid()}-{os.urandom(4).hex()}")
    try:
        _remove_left(place)
        os.mkdir(group.path, 0o755)
        _write(f"{group.path}/pids.max", str(processes))
    except OSError:
        group.remove()
        return None
    return group


def place_of(mounts: str, own: str, processes: int) -> str:
    """The folder where a group for us may be made, by the texts of /proc/self/mountinfo and /proc/self/cgroup; "" for
    none. In version 2 that is above our own, where processes and groups do not stand side by side."""
    paths = {controllers: path for _, controllers, path in (line.split(":", 2) for line in own.splitlines())}
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        root, point = (_unescaped(word) for word in before.split(" ")[3:5])
        kind, _, options = after.split(" ", 2)
        if kind == "cgroup" and "pids" in options.split(","):
            path = next((path for names, path in paths.items() if "pids" in names.split(",")), "")
            return next(_up(point, root, path), "")
        if kind == "cgroup2":
            for folder in _up(point, root, paths.get("", "")):
                if "pids" in _read(f"{folder}/cgroup.subtree_control").split():
                    return folder
                fewest = _read(f"{folder}/pids.max").strip()
                if fewest.isdigit() and int(fewest) < processes:
                    break  # it would no longer be limited so
                if any(_read(f"{folder}/{name}").split()[:1] not in ([], ["max"]) for name in _LIMITS):
                    break
    return ""


def _up(point: str, root: str, path: str) -> Iterator[str]:
    """The folders of group `path` and of those above it, in a mount at `point` of the hierarchy from `root` on."""
    root = root.rstrip("/")
    if not path.startswith("/") or "/../" in f"{path}/" or not f"{path}/".startswith(f"{root}/"):
        return
    below = path[len(root) :].rstrip("/")
    while below:
        yield point + below
        below = below.rpartition("/")[0]
    yield point


def _unescaped(word: str) -> str:
    """A path as proc(5) writes it into mountinfo."""
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        word = word.replace(code, character)
    return word


def _remove_left(place: str) -> None:
    """Take away the groups of runs that were killed."""
    for name in os.listdir(place):
        number = name.removeprefix(PREFIX).partition("-")[0]
        if name.startswith(PREFIX) and number.isdigit() and not os.path.exists(f"/proc/{number}"):
            Group(f"{place}/{name}").remove()


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
