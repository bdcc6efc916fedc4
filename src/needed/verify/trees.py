"""Trees that an image was unpacked to before, kept in the user's cache folder, so that it is run at once.

What is found there was made of bytes whose digests were checked. Before each use it must be as it was left: each file
of it, and each file that the image was read from, has the inode, size, mode and times of then, and its time of change
(ctime) is the kernel's alone to set. The folder is ours and nobody else's to write to. If anything is otherwise, the
image is read and checked again from its first byte. It changes nothing that a program sees, and may be removed at any
moment.

A program never writes to a kept tree: it is the lower layer of an overlay (Linux 6.6, overlayfs.rst) in the sandbox's
own name space of mounts, whose upper layer is in memory and ends with it. What was used longest ago goes first; what
runs is locked, and stays.
"""

from __future__ import annotations

import os
import stat
from fcntl import LOCK_EX, LOCK_NB, LOCK_SH, flock
from time import time

from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from needed.image.root import ImageRoot

LIMIT, LIMIT_TREES, LIMIT_RECORDS = 4 << 30, 64, 1024
FORMAT = b"1"
DIGEST = 32
HOUR = 3600
FRESH = 2.0  # seconds: within this a file system may give two changes one time (FAT)
LAYOUT = ("oci-layout", "index.json")
KEPT = ("oci", "oci-archive", "docker-archive")  # the transports of files
LINUX = (6, 6)  # from here on tmpfs has the attributes `user.overlay.` that an upper layer needs
# What of an ELF header says the machine: class and byte order, and e_machine (elf(5)).
_ELF, _MACHINE = b"\x7fELF", (slice(4, 6), slice(18, 20))


@value
class Asked:
    """An image and a user in words. `path` is the real path of its file or folder, `begun` when it was asked."""

    transport: str
    path: str
    key: str
    begun: float


@value
class Defaults:
    """What an image's config says of how to run it, and who its user is: numbers, home."""

    entrypoint: tuple[str, ...]
    cmd: tuple[str, ...]
    env: tuple[str, ...]
    working_dir: str
    user: tuple[int, int]
    home: str


class KeptTree:
    """A tree of the cache, as a sandbox shows it. Locked until `close`, against being taken away."""

    noun, owners = "image", False  # as of a Bundle: all of it is the user's

    def __init__(self, folder: str, writable: tuple[str, ...], lock: int) -> None:
        self.path, self.writable = f"{folder}/mnt/top" if writable else f"{folder}/tree", writable
        self.memory = 0  # bytes that a program may write, 0 for what the kernel allows
        self._folder, self._lock = folder, lock

    def show(self) -> None:
        """Mount it at `path`, in a name space of mounts that is the sandbox's alone. Raises OSError."""
        from needed.verify import kernel

        if not self.writable:
            kernel.mount(self.path, self.path, flags=kernel.MS_BIND)
            return
        flags, half = kernel.MS_NOSUID | kernel.MS_NODEV, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
        os.chdir(self._folder)  # names without the `:` and `,` that a path of ours may have
        kernel.mount("tmpfs", "mnt", "tmpfs", flags, f"mode=0700,size={min(self.memory or half, half)}")
        for name in ("upper", "work", "top"):
            os.mkdir(f"mnt/{name}", 0o755)
        layers = "lowerdir=tree,upperdir=mnt/upper,workdir=mnt/work,userxattr"
        kernel.mount("overlay", "mnt/top", "overlay", flags, layers)

    def hides(self, path: str) -> bool:  # noqa: ARG002  (as of a HostTree)
        """Whether a program that names `path` does not get what stands there in the tree."""
        return False

    def close(self) -> None:
        """Let others take it away."""
        os.close(self._lock)


def asked_of(text: str, platform: str, user: str) -> Asked | None:
    """What is asked for by these words; None for what is never kept: folders, engines, digests."""
    transport, _, rest = text.partition(":")
    if transport not in KEPT or "@" in rest or os.path.isdir(text):
        return None
    path, _, name = rest.partition(":")
    path = os.path.realpath(path)
    words = (FORMAT, *(os.fsencode(word) for word in (transport, path, name, platform, user)))
    return Asked(transport, path, _digest(b"\0".join(words)).hex(), time())


class Trees:
    """A folder of trees, and of records which image is which tree."""

    def __init__(self, folder: str, limit: int = LIMIT, fresh: float = FRESH) -> None:
        self.folder, self.limit, self.fresh = folder, limit, fresh

    def recall(self, asked: Asked) -> tuple[KeptTree, Defaults] | None:
        """The tree and the config's words, if they were kept and all is as it was."""
        try:
            if not _is_ours(self.folder):
                return None
            path = f"{self.folder}/{asked.key}.run"
            found = _read(path)
            if found is None:
                return None
            names, stamps, entrypoint, cmd, env, rest = found
            if _stamps(os.fsencode(asked.path), names) != stamps:
                return None
            key, working_dir, user, group, home = map(_text, rest)
            tree = self._tree(key)
            if tree is None:
                return None
            _touch(path)
        except (OSError, ValueError):
            return None
        first, then, variables = (tuple(map(_text, words)) for words in (entrypoint, cmd, env))
        return tree, Defaults(first, then, variables, working_dir, (int(user), int(group)), home)

    def keep(self, asked: Asked, root: ImageRoot, defaults: Defaults) -> KeptTree | None:
        """The tree of `root`, unpacked now if it was not before; None where it cannot be kept.

        Raises ImageError for a tree that no sandbox can show, ReadError.
        """
        assert root.config is not None
        words = (FORMAT, repr(defaults.user).encode(), *map(str.encode, root.config.diff_ids))
        key = _digest(b"\0".join(words)).hex()
        try:
            os.makedirs(self.folder, 0o700, exist_ok=True)
            if not _is_ours(self.folder):
                return None
            tree = self._tree(key) or self._unpack(key, root, defaults)
            if tree is not None:
                self._record(asked, root, defaults, key)
        except (OSError, ValueError):
            return None
        return tree

    def _tree(self, key: str) -> KeptTree | None:
        """The tree `key`, if it is there and as it was left."""
        folder = f"{self.folder}/{key}"
        try:
            lock = os.open(f"{folder}/lock", os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError:
            return None
        try:
            flock(lock, LOCK_SH | LOCK_NB)
            found = _read(f"{folder}/index") if _is_of(folder, lock) else None
            if found is not None:
                _, writable, names, stamps = found
                if _stamps(os.fsencode(folder), names) == stamps:
                    if abs(time() - os.fstat(lock).st_mtime) > HOUR:
                        os.utime(lock)
                    tree, lock = KeptTree(folder, tuple(map(_text, writable)), lock), -1
                    return tree
        except (OSError, ValueError):
            return None
        finally:
            if lock >= 0:
                os.close(lock)
        return None

    def _unpack(self, key: str, root: ImageRoot, defaults: Defaults) -> KeptTree | None:
        from needed.errors import OutputError
        from needed.verify.bundle import Bundle

        try:
            bundle = Bundle(root, defaults.user, self.folder)
        except OutputError:
            return None
        folder = f"{self.folder}/{key}"
        try:
            above = os.path.dirname(bundle.path)
            os.mkdir(f"{above}/mnt", 0o700)
            names, size = _walk(os.fsencode(above))
            stamps = _stamps(os.fsencode(above), names)
            writable = [_bytes(path) for path in bundle.writable]
            _write(f"{above}/index", [str(size).encode()], writable, names, stamps)
            self._remove(folder)  # one that is no longer as it was left
            lock = bundle.hand_over(folder)
        except BaseException:
            bundle.remove()
            raise
        try:
            flock(lock, LOCK_SH)
            if not _is_of(folder, lock):
                raise FileNotFoundError(folder)  # for a moment it was locked by nobody
            self._tidy(spared=key)
        except OSError:
            os.close(lock)
            raise
        return KeptTree(folder, tuple(bundle.writable), lock)

    def _record(self, asked: Asked, root: ImageRoot, defaults: Defaults, key: str) -> None:
        names = [b""]
        if asked.transport == "oci":
            blobs = (f"blobs/{digest.replace(':', '/')}" for digest in dict.fromkeys(root.blobs))
            names = [b"/" + name.encode() for name in (*LAYOUT, *blobs)]
        place = os.fsencode(asked.path)
        stamps = _stamps(place, names)
        for name in names:
            found = os.lstat(place + name)
            if not stat.S_ISREG(found.st_mode) or found.st_ctime > asked.begun - self.fresh:
                return  # a link may lead elsewhere; what is so young may change once more and have the same time
        rest = (key, defaults.working_dir, *map(str, defaults.user), defaults.home)
        words = ([_bytes(word) for word in part] for part in (defaults.entrypoint, defaults.cmd, defaults.env, rest))
        _write(f"{self.folder}/{asked.key}.run", names, stamps, *words)

    def _tidy(self, spared: str) -> None:
        """Remove what was used longest ago, while there is too much."""
        trees, records = [], []
        with os.scandir(self.folder) as entries:
            for entry in entries:
                if ".run" in entry.name:
                    records.append((entry.stat().st_mtime, entry.path))
                elif len(entry.name) == 2 * DIGEST and entry.name != spared:
                    found = _read(f"{entry.path}/index")
                    size = int(found[0][0]) if found else 0
                    trees.append((os.stat(f"{entry.path}/lock").st_mtime if found else 0.0, size, entry.path))
        for _, path in sorted(records)[: max(len(records) - LIMIT_RECORDS, 0)]:
            os.unlink(path)
        excess, too_many = sum(size for _, size, _ in trees) - self.limit, len(trees) + 1 - LIMIT_TREES
        for _, size, path in sorted(trees):
            if excess <= 0 and too_many <= 0:
                return
            if self._remove(path):
                excess, too_many = excess - size, too_many - 1

    def _remove(self, folder: str) -> bool:
        """Take a tree away unless somebody runs in it, and whether it is gone."""
        from needed.verify.bundle import PREFIX, remove_tree

        if not os.path.lexists(folder):
            return True
        lock = -1
        try:
            lock = os.open(f"{folder}/lock", os.O_RDWR | os.O_NOFOLLOW | os.O_CREAT | os.O_CLOEXEC, 0o600)
            flock(lock, LOCK_EX | LOCK_NB)
            aside = f"{self.folder}/{PREFIX}{os.urandom(8).hex()}"
            os.rename(folder, aside)  # a run that is killed now leaves what the next one removes
            remove_tree(aside)
        except OSError:
            return False
        finally:
            if lock >= 0:
                os.close(lock)
        return True


def _walk(folder: bytes) -> tuple[list[bytes], int]:
    """Every path below `folder`/tree, that itself included, and the bytes of all. Raises ValueError if a program of it
    is for another machine than this Python: that may need an emulator, which is looked for in the image each time."""
    with open("/proc/self/exe", "rb") as file:
        ours = file.read(20)
    names, size, pending = [b"/tree"], 0, [b"/tree"]
    while pending:
        above = pending.pop()
        try:
            listed = os.scandir(folder + above)
        except PermissionError:
            continue  # shut to its owner as well: what is in it cannot change unless the folder's own mode does
        with listed as entries:
            for entry in entries:
                name = above + b"/" + entry.name
                names.append(name)
                if entry.is_dir(follow_symlinks=False):
                    pending.append(name)
                elif entry.is_file(follow_symlinks=False):
                    status = entry.stat(follow_symlinks=False)
                    size += status.st_size
                    if status.st_mode & 0o111 and not _is_for(ours, entry.path):
                        raise ValueError("for another machine")
    return names, size


def _is_for(ours: bytes, path: bytes) -> bool:
    """Whether the file is no ELF file, or of the machine of the ELF header `ours`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        head = os.read(descriptor, len(ours))
    finally:
        os.close(descriptor)
    return not head.startswith(_ELF) or all(head[part] == ours[part] for part in _MACHINE)


def _stamps(place: bytes, names: Iterable[bytes]) -> list[bytes]:
    """What lstat(2) says of each that a change would change."""
    stamps = []
    for name in names:
        found = os.lstat(place + name)
        stamps.append(
            b"%d %d %o %d %d" % (found.st_ino, found.st_size, found.st_mode, found.st_mtime_ns, found.st_ctime_ns)
        )
    return stamps


def _is_ours(folder: str) -> bool:
    """Whether it is a folder of ours that nobody else may write to."""
    found = os.lstat(folder)
    return stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o022 and found.st_uid == os.geteuid()


def _is_of(folder: str, lock: int) -> bool:
    """Whether `lock` is open on the lock of the tree that stands at `folder` now. Raises OSError."""
    return os.path.samestat(os.stat(f"{folder}/lock"), os.fstat(lock))


def _touch(path: str) -> None:
    if abs(time() - os.stat(path).st_mtime) > HOUR:  # the order of hours is enough to know what was used long ago
        os.utime(path)


def _read(path: str) -> list[list[bytes]] | None:
    """The lists in a file that `_write` made, None if it is damaged. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    with open(descriptor, "rb", buffering=0) as file:
        content = file.readall()
    if _digest(content[DIGEST:]) != content[:DIGEST]:
        return None
    words, lists, at = content[DIGEST:].split(b"\0"), [], 0
    while at < len(words) - 1:
        end = at + 1 + int(words[at])
        lists.append(words[at + 1 : end])
        at = end
    return lists


def _write(path: str, *lists: list[bytes]) -> None:
    """Write lists of words, under its name only when it is whole. Raises OSError, ValueError for a zero byte."""
    words = [word for each in lists for word in (b"%d" % len(each), *each)]
    if any(b"\0" in word for word in words):
        raise ValueError("a word with a zero byte")
    content = b"\0".join([*words, b""])
    temporary = f"{path}.{os.getpid()}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(_digest(content) + content)
    os.rename(temporary, path)


def _digest(content: bytes) -> bytes:
    """BLAKE2b, which every Python has in itself; OpenSSL takes longer to load than all of this."""
    from _blake2 import blake2b

    return blake2b(content, digest_size=DIGEST).digest()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _text(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")
