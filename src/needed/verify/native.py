"""A command in the sandbox of name spaces: an image's tree, each time a fresh copy, or a source root shown read-only.

A program for another machine is started by a static qemu-user where the kernel has none registered itself (binfmt_misc):
then the first program runs, and what it starts does not, for only the kernel could start qemu for it. Where nothing can
run it, that is a SandboxError and no failure of the image.
"""

from __future__ import annotations

import os

from needed.errors import SandboxError
from needed.root import DirectoryRoot, RootPath
from needed.value import replace
from needed.verify.bundle import Bundle, private_folder
from needed.verify.command import Mount
from needed.verify.process import run_command
from needed.verify.static import find_command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from needed.image.model import ImageConfig
    from needed.root import Root
    from needed.verify.command import Command, Limits, Outcome
    from needed.verify.namespaces import Started

    Probe = Callable[[Started], bool]

CANNOT_EXECUTE = 126
_REFUSED = b"Exec format error"
# What uname(2) calls a machine to what ELF files of it are called here, and qemu's name for those.
_MACHINES = {
    "x86_64": ("x86-64", "i386", "x32"), "aarch64": ("arm64", "armhf", "armel", "arm"), "armv7l": ("armhf", "armel", "arm"),
    "i686": ("i386",), "riscv64": ("riscv64",), "s390x": ("s390x",), "ppc64le": ("ppc64le",), "ppc64": ("ppc64",),
    "loongarch64": ("loongarch64",), "mips64": ("mips64el", "mipsel"),
}  # fmt: skip
_QEMU = {"x86-64": "x86_64", "arm64": "aarch64", "armhf": "arm", "armel": "arm", "arm": "arm", "riscv64": "riscv64",
         "s390x": "s390x", "ppc64le": "ppc64le", "ppc64": "ppc64", "i386": "i386", "mips64el": "mips64el",
         "mipsel": "mipsel", "loongarch64": "loongarch64"}  # fmt: skip
QEMU_PLACE = "/.needed-qemu"


class Native:
    """The sandbox that needs no program: `folder` is where trees wait, `machine` the short name of the image's program,
    "" where it has none; `path` where qemu-user is looked for."""

    def __init__(self, folder: str, machine: str = "", path: str = os.defpath) -> None:
        self.folder, self.machine, self.path = folder, machine, path

    def run(
        self, root: Root, _config: ImageConfig | None, command: Command, limits: Limits, probe: Probe | None = None
    ) -> Outcome:
        """Run `command` in a fresh copy of `root`. Raises SandboxError where nothing here can run it, ImageError,
        OutputError, ReadError."""
        qemu = self._qemu() if self.is_foreign else ""
        with Bundle(root, command.user, self.folder) as bundle:
            if qemu:
                command = _under(command, qemu, find_command(root, command))
                with open(bundle.path + QEMU_PLACE, "wb"):
                    pass
            outcome = run_command(bundle, command, limits, probe=probe)
        if self.is_foreign and _REFUSED in outcome.stderr and outcome.status in (CANNOT_EXECUTE, CANNOT_EXECUTE - 1):
            raise SandboxError(
                f"the image is for {self.machine}, and nothing here runs its programs",
                hints=[f"install qemu-user-static, which has qemu-{_QEMU.get(self.machine, self.machine)}-static",
                       f"or verify it on a machine that is {self.machine}"],
            )  # fmt: skip
        return outcome

    def run_on_source(self, source: Root, command: Command, limits: Limits) -> Outcome:
        """Run `command` on the source root: a directory is shown as it is, read-only but for an empty /tmp."""
        if not isinstance(source, DirectoryRoot):
            return self.run(source, None, command, limits)
        with SourceTree(source, command.user, self.folder) as tree:
            there = replace(command, mounts=tree.mounts, directory=tree.folder_or_top(command.directory))
            return run_command(tree, there, limits)

    @property
    def is_foreign(self) -> bool:
        """Whether this machine's processor has to be helped."""
        return bool(self.machine) and self.machine not in _MACHINES.get(os.uname().machine, ())

    def _qemu(self) -> str:
        """A static qemu-user for the image's machine; "" where the kernel has one, or none is here."""
        name = _QEMU.get(self.machine)
        if name is None or os.path.exists(f"/proc/sys/fs/binfmt_misc/qemu-{name}"):
            return ""
        from shutil import which

        return which(f"qemu-{name}-static", path=self.path) or ""


class SourceTree(Bundle):
    """A directory of this machine in place of a copy. Nothing of it is written to."""

    def __init__(self, source: DirectoryRoot, user: tuple[int, int], folder: str) -> None:
        self.root, self.user = source, user
        self.writable = []
        self.path = private_folder(folder)
        mounts = [Mount(os.path.abspath(source.path), "/", read_only=True)]
        if self._is_folder("/tmp"):  # noqa: S108  (of the sandbox)
            empty = os.path.join(os.path.dirname(self.path), "tmp")
            os.mkdir(empty)
            os.chmod(empty, 0o1777)
            mounts.append(Mount(empty, "/tmp"))  # noqa: S108
        self.mounts = tuple(mounts)

    def folder_or_top(self, path: str) -> str:
        """`path`, or the top if the source root has no such folder: an image has its own."""
        return path if self._is_folder(path) else "/"

    def _is_folder(self, path: str) -> bool:
        entry = self.root.entry(RootPath(path))
        return entry is not None and entry.kind == "directory"


def _under(command: Command, qemu: str, program: str) -> Command:
    argv = (QEMU_PLACE, "-0", command.argv[0], program or command.argv[0], *command.argv[1:])
    return replace(command, argv=argv, mounts=(*command.mounts, Mount(qemu, QEMU_PLACE, read_only=True)))
