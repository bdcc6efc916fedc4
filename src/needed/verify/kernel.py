"""The system calls of Linux that Python has no function for, through the C library of this process.

Each raises OSError with what the kernel said. Numbers are of linux/sched.h, linux/mount.h, linux/prctl.h and
linux/capability.h, the same on every machine; pivot_root(2) has one for each machine.
"""

from __future__ import annotations

import ctypes
import os
import struct

from needed.verify.command import IDS

CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x02000000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND = 1, 2, 4, 8, 32, 4096
MS_REC, MS_PRIVATE = 16384, 1 << 18
MNT_DETACH = 2
AT_FDCWD, AT_RECURSIVE, MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID = -100, 0x8000, 1, 2
_MOUNT_SETATTR = {"mips64": 5442}  # linux/mount.h; 442 on all other machines
PR_SET_PDEATHSIG, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 24, 38
# What Docker leaves to a container's root, but for what reaches its network or makes devices (capabilities(7)).
CAPABILITIES_OF_ROOT = {"CHOWN": 0, "DAC_OVERRIDE": 1, "FOWNER": 3, "FSETID": 4, "KILL": 5, "SETGID": 6, "SETUID": 7,
                        "NET_BIND_SERVICE": 10, "SYS_CHROOT": 18}  # fmt: skip
_CAPABILITIES_TO_MAP = (0, 1, 6, 7, 31)  # CHOWN, DAC_OVERRIDE, SETGID, SETUID, SETFCAP
_PIVOT_ROOT = {
    "x86_64": 155, "aarch64": 41, "riscv64": 41, "loongarch64": 41, "i686": 217, "armv7l": 218, "armv8l": 218,
    "s390x": 217, "ppc64le": 203, "ppc64": 203, "mips64": 5151,
}  # fmt: skip
# What statfs(2) says of a mount and a remount in a name space of users has to keep (mount_namespaces(7)).
_KEPT = ((os.ST_NOSUID, MS_NOSUID), (os.ST_NODEV, MS_NODEV), (os.ST_NOEXEC, MS_NOEXEC), (os.ST_NOATIME, 1024),
         (os.ST_NODIRATIME, 2048), (os.ST_RELATIME, 1 << 21))  # fmt: skip

_libc = ctypes.CDLL(None, use_errno=True)


def is_at_least(*release: int) -> bool:
    """Whether this Linux is of that release or a later one (uname(2))."""
    words = os.uname().release.split(".")[: len(release)]
    return tuple(int(word) if word.isdigit() else 0 for word in words) >= release


def unshare(flags: int) -> None:
    """unshare(2)."""
    _check(_libc.unshare(flags), "unshare")


def set_name_space(descriptor: int, kind: int) -> None:
    """setns(2)."""
    _check(_libc.setns(descriptor, kind), "setns")


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    """mount(2); an empty `kind` or `data` is NULL."""
    words = (os.fsencode(text) if text else None for text in (source, target, kind))
    _check(_libc.mount(*words, ctypes.c_ulong(flags), os.fsencode(data) if data else None), f"mount {target}")


def bind(source: str, target: str, *, read_only: bool = False, recursive: bool = False) -> None:
    """Show `source` at `target`, without devices and setuid bits, and read-only if it is to be."""
    mount(source, target, flags=MS_BIND | (MS_REC if recursive else 0))
    flags = MS_NOSUID | MS_NODEV | (MS_RDONLY if read_only else 0)
    mount("none", target, flags=MS_BIND | MS_REMOUNT | flags | flags_of(target))
    if recursive and read_only:
        set_read_only(target)


def set_read_only(target: str) -> None:
    """`target` and every mount below it, by mount_setattr(2), whose number is the same on every machine."""
    attributes = struct.pack("QQQQ", 1, 0, 0, 0)  # MOUNT_ATTR_RDONLY is set, nothing cleared
    size = ctypes.c_size_t(len(attributes))
    place = ctypes.c_long(-100), os.fsencode(target), ctypes.c_long(0x8000)  # AT_FDCWD, AT_RECURSIVE
    _check(_libc.syscall(ctypes.c_long(442), *place, attributes, size), f"mount_setattr {target}")


def make_read_only(target: str) -> None:
    """Nothing at `target`, or mounted below it, can be written to, and setuid bits mean nothing (mount_setattr(2))."""
    wanted = struct.pack("QQQQ", MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID, 0, 0, 0)
    number = ctypes.c_long(_MOUNT_SETATTR.get(os.uname().machine, 442))
    length = ctypes.c_size_t(len(wanted))
    result = _libc.syscall(number, AT_FDCWD, os.fsencode(target), AT_RECURSIVE, wanted, length)
    _check(result, "mount_setattr, which needs Linux 5.12,")


def flags_of(target: str) -> int:
    """The flags of the mount at `target` that a remount has to keep."""
    there, kept = os.statvfs(target).f_flag, 0
    for said, flag in _KEPT:
        kept |= flag if there & said else 0
    return kept


def pivot_root(folder: str) -> None:
    """`folder`, a mount, is `/` from now on, and what was `/` is gone (pivot_root(2), "pivot_root(".", ".")")."""
    number = _PIVOT_ROOT.get(os.uname().machine)
    if number is None:
        raise OSError(38, "no number of pivot_root(2) is known for this machine")
    os.chdir(folder)
    _check(_libc.syscall(ctypes.c_long(number), b".", b"."), "pivot_root")
    _check(_libc.umount2(b".", MNT_DETACH), "umount")
    os.chdir("/")


def may_map_users() -> bool:
    """Whether we are root, and may show a name space of users IDS of them, each as itself (user_namespaces(7))."""
    if os.geteuid() != 0:
        return False
    try:
        for name in ("uid_map", "gid_map"):
            with open(f"/proc/self/{name}", encoding="ascii") as file:
                first, _, length = map(int, file.readline().split())
            if first != 0 or length < IDS:
                return False
        with open("/proc/self/status", encoding="utf-8", errors="replace") as file:
            have = next(int(line.split()[1], 16) for line in file if line.startswith("CapEff:"))
    except (OSError, ValueError, StopIteration):
        return False
    return all(have >> number & 1 for number in _CAPABILITIES_TO_MAP)


def prctl(option: int, argument: int) -> None:
    """prctl(2) with one argument."""
    zero = ctypes.c_ulong(0)
    _check(_libc.prctl(option, ctypes.c_ulong(argument), zero, zero, zero), "prctl")


def drop_capabilities(kept: frozenset[int] = frozenset()) -> None:
    """No program started from here has any capability but those of `kept`, whoever it runs as (capabilities(7),
    "bounding set")."""
    for number in range(64):
        if number in kept:
            continue
        try:
            prctl(PR_CAPBSET_DROP, number)
        except OSError:
            break  # beyond the last that this kernel has
    prctl(PR_SET_NO_NEW_PRIVS, 1)


def set_host_name(name: str) -> None:
    """sethostname(2)."""
    raw = name.encode()
    _check(_libc.sethostname(raw, ctypes.c_size_t(len(raw))), "sethostname")


def raise_loopback() -> None:
    """`ip link set lo up` (netdevice(7))."""
    import _socket  # `socket` itself imports `enum`, which takes longer than all of this
    import fcntl

    control = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
    try:
        request = struct.pack("16sH14x", b"lo", 0x41)  # IFF_UP | IFF_RUNNING
        fcntl.ioctl(control.fileno(), 0x8914, request)  # SIOCSIFFLAGS
    finally:
        control.close()


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
