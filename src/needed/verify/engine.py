"""The sandboxes of Docker and Podman: the tree is imported under a name of chance, run without privileges, and removed.

Only files go there (`docker import`), and one command with all its words: no label, annotation, volume or health check
of an image can reach an engine. Both are asked through their own commands, whose streams are the program's.
"""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress

from needed.errors import NeededError, SandboxError
from needed.image.tar import DIRECTORY, END, FILE, SYMLINK, padding, tar_header
from needed.root import RootPath, encode_path, join
from needed.verify.join import connect_in
from needed.verify.kernel import CAPABILITIES_OF_ROOT
from needed.verify.namespaces import BROKEN

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from needed.root import Root
    from needed.verify.command import Command, Limits

    Streams = tuple[int, int, int]

PIECE = 1 << 20
SECONDS = 60.0  # for an engine to answer a small question
_SIGNALS = {1: "HUP", 2: "INT", 3: "QUIT", 15: "TERM"}


class InEngine:
    """`keeper` is the engine's command. Its container and its image have the same name."""

    def __init__(self, keeper: subprocess.Popen[bytes], engine: str, name: str) -> None:
        self._process, self._engine, self._name = keeper, engine, name
        self.keeper = keeper.pid

    def connect(self, port: int) -> socket.socket | None:
        found = _ask(self._engine, "inspect", "--format", "{{.State.Pid}}", self._name)
        number = found.stdout.strip()
        return connect_in(int(number), port) if number.isdigit() and number != b"0" else None

    def ask(self, number: int) -> bool:
        name = _SIGNALS.get(number, "TERM")
        return _ask(self._engine, "kill", "--signal", name, self._name).returncode == 0

    def kill(self) -> None:
        if self._process.returncode is None:
            _ask(self._engine, "kill", self._name)  # `podman rm --force` would ask first, and wait for ten seconds
            _ask(self._engine, "rm", "--force", self._name)
            with suppress(ProcessLookupError):
                os.kill(self.keeper, 9)

    def close(self) -> None:
        self._process.returncode = self._process.returncode or 0  # waited for by who asked
        _ask(self._engine, "rm", "--force", self._name)
        _ask(self._engine, "rmi", "--force", self._name)


def begin_in_docker(root: Root, command: Command, limits: Limits, streams: Streams, folder: str) -> InEngine:
    """In Docker. `folder` is not needed: the engine keeps the files. Raises SandboxError."""
    del folder
    return _begin("docker", root, command, limits, streams)


def begin_in_podman(root: Root, command: Command, limits: Limits, streams: Streams, folder: str) -> InEngine:
    """In Podman, as in Docker."""
    del folder
    return _begin("podman", root, command, limits, streams)


def _begin(engine: str, root: Root, command: Command, limits: Limits, streams: Streams) -> InEngine:
    from shutil import which

    if which(engine) is None:
        raise SandboxError(f"{engine} is not on the PATH", hints=[f"sudo apt install {engine}"])
    answer = _ask(engine, "info", "--format", "{{.ID}}" if engine == "docker" else "{{.Host.Arch}}")
    if answer.returncode != 0:
        raise SandboxError(f"{engine} does not answer", details=_last_lines(answer.stderr))
    name = f"needed-run-{os.urandom(8).hex()}"
    _load(engine, root, name)
    try:
        process = subprocess.Popen(
            _words(engine, name, command, limits),
            stdin=streams[0], stdout=streams[1], stderr=streams[2], start_new_session=not command.terminal,
        )  # fmt: skip
    except BaseException:
        _ask(engine, "rmi", "--force", name)
        raise
    return InEngine(process, engine, name)


def _words(engine: str, name: str, command: Command, limits: Limits) -> list[str]:
    words = [engine, "run", "--rm", "--interactive", "--name", name, "--hostname", "needed"]
    words += ["--tty"] if command.terminal else []
    words += ["--network", command.network, "--pids-limit", str(limits.processes), "--memory", str(limits.memory)]
    words += ["--security-opt", "no-new-privileges", "--cap-drop", "ALL"]
    if command.user[0] == 0 and command.capabilities == "root":
        words += [word for name in CAPABILITIES_OF_ROOT for word in ("--cap-add", name)]
    words += ["--user", f"{command.user[0]}:{command.user[1]}", "--workdir", command.directory]
    if command.network == "none":  # any port, for the network is its own (ip(7)): so has Docker it, and Podman not
        words += ["--sysctl", "net.ipv4.ip_unprivileged_port_start=0"]
    for variable, text in command.env:
        words += ["--env", f"{variable}={text}"]
    for one in command.mounts:
        words += ["--volume", f"{one.source}:{one.destination}{':ro' if one.read_only else ''}"]
    # Where root lacks CAP_SYS_RESOURCE an engine's own limits, higher than ours, fail.
    most = limits.processes
    words += ["--ulimit", "nofile=1024:1024", "--ulimit", "core=0:0", "--ulimit", f"nproc={most}:{most}"]
    return [*words, "--entrypoint", command.argv[0], f"{name}:latest", *command.argv[1:]]


def _load(engine: str, root: Root, name: str) -> None:
    """`import` of the tree; a refusal is the engine's reason."""
    with open(os.memfd_create("engine"), "w+b") as said:
        process = subprocess.Popen(
            [engine, "import", "-", f"{name}:latest"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said
        )
        assert process.stdin
        try:
            with suppress(BrokenPipeError), process.stdin:  # it left before the end, and says why
                for piece in _tar(root):
                    process.stdin.write(piece)
        except NeededError:
            process.kill()
            process.wait()
            raise
        if process.wait() != 0:
            said.seek(0)
            raise SandboxError(f"{engine} does not take the image's files", details=_last_lines(said.read(PIECE)))


def _tar(root: Root) -> Iterator[bytes]:
    """The tree as a tar archive, devices left out; a file with several names is there several times."""
    pending = [RootPath("/")]
    while pending:
        folder = pending.pop()
        for name in root.names(folder):
            path = join(folder, name)
            entry = root.entry(path)
            if entry is None or entry.kind == "special":
                continue
            member = encode_path(path)[1:]
            if entry.kind == "symlink":
                yield tar_header(member, SYMLINK, 0o777, 0, 0, encode_path(entry.target), entry.owner)
            elif entry.kind == "directory":
                yield tar_header(member + b"/", DIRECTORY, entry.mode, 0, owner=entry.owner)
                pending.append(path)
            else:
                yield from _file(root, path, tar_header(member, FILE, entry.mode, 0, entry.size, owner=entry.owner))
    yield END


def _file(root: Root, path: RootPath, header: bytes) -> Iterator[bytes]:
    yield header
    content = root.open(path)
    try:
        offset = 0
        while piece := content.read_at(offset, PIECE):
            offset += len(piece)
            yield piece
        content.check_unchanged()
        yield padding(offset)
    finally:
        content.close()


def _ask(engine: str, *words: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            [engine, *words], stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess([engine, *words], BROKEN, b"", str(error).encode())


def _last_lines(said: bytes) -> list[str]:
    return said.decode("utf-8", "replace").splitlines()[-3:]
