"""A program of another machine: run through qemu-user if it is here and the kernel does not do that itself.

The kernel does where binfmt_misc has a handler, and then for every program. Without one qemu is put before the first
program only: what that starts by execve(2) is not translated, and ends in "Exec format error".
"""

from __future__ import annotations

import os

from needed.elf import parse_machine
from needed.errors import SandboxError, SourceError
from needed.root import Walker, read_head
from needed.value import replace
from needed.verify.command import DEFAULT_PATH, Mount

TYPE_CHECKING = False
if TYPE_CHECKING:
    from needed.root import Found, Root
    from needed.verify.command import Command

PLACE = "/.needed-qemu"
HEAD = 256
MAX_DEPTH = 5  # as `loader.shebang` has it, whose import takes longer than all of this
# Our name of a machine to qemu's and the kernel's, where it is another.
_QEMU = {"x86-64": "x86_64", "arm64": "aarch64", "armhf": "arm", "armel": "arm", "powerpc": "ppc"}
# Machines whose programs a processor runs beside its own.
_BESIDE = {"x86_64": ("i386", "x32"), "aarch64": ("arm",)}


def by_qemu(root: Root, command: Command) -> Command:
    """`command` itself, or through qemu. Raises SandboxError if it is for another machine that nothing here runs."""
    words = _started(Walker(root), command)
    if not words:
        return command
    ours = _machine(root, words[0])
    name = _QEMU.get(ours, ours)
    host = os.uname().machine
    if not name or name == host or name in _BESIDE.get(host, ()) or _kernel_does(name):
        return command
    program = find_qemu(name)
    if program is None:
        raise SandboxError(
            f"not verified: for {ours}, and no qemu-user is here", hints=["sudo apt install qemu-user-static"]
        )
    argv = (PLACE, "-0", command.argv[0], *words, *command.argv[1:])
    return replace(command, argv=argv, mounts=(*command.mounts, Mount(program, PLACE, read_only=True)))


def find_qemu(name: str) -> str | None:
    """A static qemu for machine `name` on our PATH: only such a one runs where our libraries are not."""
    from shutil import which

    return which(f"qemu-{name}-static")


def _kernel_does(name: str) -> bool:
    try:
        with open(f"/proc/sys/fs/binfmt_misc/qemu-{name}", encoding="ascii", errors="replace") as file:
            lines = file.read().splitlines()
    except OSError:
        return False
    # "F": the interpreter was opened when it was registered, so it need not be in the image.
    return "enabled" in lines and any(line.startswith("flags:") and "F" in line for line in lines)


def _started(walker: Walker, command: Command) -> list[str]:
    """The ELF program that is really started, with the words that scripts put before the rest; [] if none is found."""
    name, path = command.argv[0], dict(command.env).get("PATH", DEFAULT_PATH)
    places = [name] if name.startswith("/") else [f"{command.directory}/{name}"] if "/" in name else []
    places += [f"{folder}/{name}" for folder in path.split(":")] if "/" not in name else []
    found = next((place for place in places if _is_program(walker.find(place))), None)
    words = [found] if found else []
    for _ in range(MAX_DEPTH if words else 0):
        at = walker.find(words[0])
        head = read_head(walker.root, at.path, HEAD) if at and at.entry.kind == "file" else b""
        if head[:2] != b"#!":
            return words
        line = head[2:].partition(b"\n")[0].decode("utf-8", "surrogateescape").strip(" \t")
        interpreter, _, argument = line.partition(" ")
        words = [interpreter, *([argument.strip(" \t")] if argument else []), *words]
    return []


def _is_program(found: Found | None) -> bool:
    return found is not None and found.entry.kind == "file" and bool(found.entry.mode & 0o111)


def _machine(root: Root, path: str) -> str:
    """The machine of the ELF file at `path`, "" if it is none."""
    found = Walker(root).find(path)
    if found is None or found.entry.kind != "file":
        return ""
    try:
        return parse_machine(read_head(root, found.path, 64)).name
    except SourceError:
        return ""
