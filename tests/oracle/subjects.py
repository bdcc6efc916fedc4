"""The ELF files of a root that a loader can be asked about, told apart without the product's parser.

A file that our parser refuses must be compared too, so this reads the few fields of the gABI that say which loader to
ask, and trusts them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from struct import unpack_from

from needed.root import encode_path
from needed.value import value
from tests.oracle.chroot_run import FOLDER
from tests.oracle.debian_root import regular_files

# (e_machine, EI_CLASS, EI_DATA) -> Debian's architecture and the psABI's interpreter, for what names none.
MACHINES = {
    (62, 2, 1): ("amd64", "/lib64/ld-linux-x86-64.so.2"),
    (62, 1, 1): ("x32", "/libx32/ld-linux-x32.so.2"),
    (3, 1, 1): ("i386", "/lib/ld-linux.so.2"),
    (183, 2, 1): ("arm64", "/lib/ld-linux-aarch64.so.1"),
    (40, 1, 1): ("armhf", "/lib/ld-linux-armhf.so.3"),
    (21, 2, 1): ("ppc64el", "/lib64/ld64.so.2"),
    (22, 2, 2): ("s390x", "/lib/ld64.so.1"),
    (243, 2, 1): ("riscv64", "/lib/ld-linux-riscv64-lp64d.so.1"),
}
INTERPRETERS = dict(MACHINES.values())
MUSL_INTERPRETERS = {
    "amd64": "/lib/ld-musl-x86_64.so.1",
    "arm64": "/lib/ld-musl-aarch64.so.1",
    "armhf": "/lib/ld-musl-armhf.so.1",
    "i386": "/lib/ld-musl-i386.so.1",
    "ppc64el": "/lib/ld-musl-powerpc64le.so.1",
    "riscv64": "/lib/ld-musl-riscv64.so.1",
    "s390x": "/lib/ld-musl-s390x.so.1",
}
_ET_EXEC, _ET_DYN, _PT_DYNAMIC, _PT_INTERP = 2, 3, 2, 3


@value
class Subject:
    """A file to ask about: its real `path` in the root, whether it is an "executable" or a "library" and is
    `dynamic` (has a PT_DYNAMIC), the `architecture` whose code it is, and the `interpreter` to ask."""

    path: str
    kind: str
    dynamic: bool
    architecture: str
    interpreter: str

    @property
    def musl(self) -> bool:
        """Whether it is musl's loader that is to be asked."""
        return "/ld-musl-" in self.interpreter


def find_subjects(root: Path) -> Iterator[Subject]:
    """All of a root, sorted by path within each directory."""
    for host in regular_files(root):
        path = host[len(str(root)) :]
        found = None if _is_ours(path) else read_subject(host, path)
        if found is not None:
            yield found


def _is_ours(path: str) -> bool:
    """Emulators, and what a layout has damaged on purpose: only the layout's program is asked about that."""
    return path.startswith(f"/{FOLDER}/") or (path.startswith("/opt/first-") and path.endswith("/a/libx.so"))


def choose(subjects: list[Subject], count: int) -> list[Subject]:
    """`count` of them, the same ones each time and from all over the root; all for 0."""
    if not count or count >= len(subjects):
        return subjects
    return sorted(subjects, key=lambda item: hashlib.sha256(encode_path(item.path)).digest())[:count]


def read_subject(host: str, path: str) -> Subject | None:
    """The file as a subject, or None for what no loader maps."""
    with open(host, "rb") as file:
        head = file.read(64)
        if head[:4] != b"\x7fELF" or len(head) < 52:
            return None
        mark, wide = "<" if head[5] == 1 else ">", head[4] == 2
        e_type, e_machine = unpack_from(f"{mark}HH", head, 16)
        known = MACHINES.get((e_machine, head[4], head[5]))
        if known is None or e_type not in (_ET_EXEC, _ET_DYN):
            return None
        (offset,) = unpack_from(f"{mark}Q", head, 32) if wide else unpack_from(f"{mark}I", head, 28)
        size, count = unpack_from(f"{mark}HH", head, 54 if wide else 42)
        file.seek(offset)
        headers = file.read(size * count)
        segments = {}
        for at in range(0, len(headers) - size + 1, size):
            (p_type,) = unpack_from(f"{mark}I", headers, at)
            layout, place = (f"{mark}Q16xQ", at + 8) if wide else (f"{mark}I8xI", at + 4)
            segments[p_type] = unpack_from(layout, headers, place)
        interpreter = ""
        if _PT_INTERP in segments:
            start, length = segments[_PT_INTERP]
            file.seek(start)
            interpreter = file.read(length).split(b"\0")[0].decode("utf-8", "surrogateescape")
    executable = e_type == _ET_EXEC or bool(interpreter)
    if not executable and _PT_DYNAMIC not in segments:
        return None
    kind = "executable" if executable else "library"
    return Subject(path, kind, _PT_DYNAMIC in segments, known[0], interpreter or known[1])
