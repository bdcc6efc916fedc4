"""Starts programs of a small tree by the real kernel and the real loader, with the tree as the root directory.

chroot(2) in a mount name space of its own (as an ordinary user, in a user name space too: unshare(2)), with the real
/proc, since loaders read /proc/self/exe, and without the capabilities to read what permissions forbid. Nothing is
isolated beyond that: what runs here is what the tests wrote.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2

_libc = ctypes.CDLL(None, use_errno=True)


def run_in(
    root: Path, command: list[str], environment: Mapping[str, str], *, user: int = 0
) -> subprocess.CompletedProcess[str]:
    """What `command`, a path inside `root` and its arguments, says. Raises FileNotFoundError if execve(2) does.

    `user`, for root only, is who it runs as.
    """
    (root / "proc").mkdir(exist_ok=True)
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env=dict(environment), stdin=subprocess.DEVNULL,
        timeout=60, preexec_fn=_entering(root, os.getuid(), os.getgid(), user),
    )  # fmt: skip


def works(root: Path) -> bool:
    """Whether this user may make such a sandbox here."""
    try:
        run_in(root, ["/nothing"], {})
    except FileNotFoundError:
        return True
    except subprocess.SubprocessError:
        return False
    return True


def _entering(root: Path, user: int, group: int, become: int) -> Callable[[], None]:
    def enter() -> None:
        _check(_libc.unshare(CLONE_NEWNS if user == 0 else CLONE_NEWNS | CLONE_NEWUSER))
        if user:
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"0 {user} 1")
            Path("/proc/self/gid_map").write_text(f"0 {group} 1")
        _check(_libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None))
        _check(_libc.mount(b"/proc", bytes(root / "proc"), None, MS_BIND | MS_REC, None))
        for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
            _check(_libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0))
        os.chroot(root)
        os.chdir("/")
        if become:
            os.setgroups([])
            os.setresgid(become, become, become)
            os.setresuid(become, become, become)

    return enter


def _check(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
