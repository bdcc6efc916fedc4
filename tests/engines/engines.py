"""Container engines of the tests' own: a dockerd on its own socket, a Podman in its own folder.

Nothing of the machine's own engines is used or changed: other state folders, another bridge, no firewall rule.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self


def run(*command: str | Path, check: bool = True, env: dict[str, str] | None = None, cwd: Path | None = None) -> str:
    """What `command` prints. On failure the error holds all that it said."""
    result = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, env=env, cwd=cwd, timeout=240, check=False
    )
    if check and result.returncode != 0:
        words = " ".join(str(word) for word in command)
        raise AssertionError(f"{words}: exit {result.returncode}\n{result.stdout}{result.stderr}")
    return result.stdout


def short_folder() -> Path:
    """A folder whose path leaves room for a socket's name (108 bytes)."""
    return Path(tempfile.mkdtemp(prefix="nd-", dir="/tmp"))


def remove_tree(folder: Path) -> None:
    """Remove a folder of an engine, with whatever it left mounted inside."""
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for mount in reversed([mount for mount in mounts if mount.startswith(f"{folder}/")]):
        subprocess.run(["umount", "-l", mount], capture_output=True, check=False)
    shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Docker:
    """A dockerd that lives as long as the `with`. Needs root."""

    folder: Path = field(default_factory=short_folder)
    host_network: bool = False

    def __post_init__(self) -> None:
        self.host = f"unix://{self.folder}/s"
        self.bridge = f"nd{os.getpid() % 10**8}"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        # With a bridge of its own and the userland proxy, a published port on 127.0.0.1 needs no firewall rule.
        networks = [["--bridge", self.bridge]] if self._make_bridge() else []
        attempts = [
            (storage, network) for network in [*networks, ["--bridge", "none"]] for storage in ("overlay2", "vfs")
        ]
        for storage, network in attempts:
            if self._start("--storage-driver", storage, *network):
                self.host_network = network[-1] == "none"
                return self
        log = (self.folder / "log").read_text()[-3000:]
        self._clean()
        raise AssertionError(f"dockerd does not start here (it needs root):\n{log}")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop()
        self._clean()

    def __call__(self, *arguments: str | Path, check: bool = True) -> str:
        return run("docker", "--host", self.host, *arguments, check=check)

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which every client finds this daemon."""
        return {**os.environ, "DOCKER_HOST": self.host}

    def _make_bridge(self) -> bool:
        number = os.getpid() % 250
        commands = (
            ["ip", "link", "add", self.bridge, "type", "bridge"],
            ["ip", "address", "add", f"172.31.{number}.1/24", "dev", self.bridge],
            ["ip", "link", "set", self.bridge, "up"],
        )
        return all(subprocess.run(command, capture_output=True, check=False).returncode == 0 for command in commands)

    def _start(self, *options: str) -> bool:
        folders = ("--data-root", self.folder / "d", "--exec-root", self.folder / "e", "--pidfile", self.folder / "p")
        safe = ("--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false")
        path = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["dockerd", "--host", self.host, *map(str, folders), *safe, *options],
                stdout=log,
                stderr=log,
                env={**os.environ, "PATH": path},
                start_new_session=True,
            )
        deadline = time.monotonic() + 40
        while time.monotonic() < deadline and self._process.poll() is None:
            if self._answers():
                return True
            time.sleep(0.1)
        self._stop()
        return False

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(2)
            try:
                client.connect(f"{self.folder}/s")
                client.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
                return b" 200 " in client.recv(64)
            except OSError:
                return False

    def _stop(self) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)  # it stops its containers and its containerd
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process = None

    def _clean(self) -> None:
        subprocess.run(["ip", "link", "delete", self.bridge], capture_output=True, check=False)
        remove_tree(self.folder)


@dataclass
class Podman:
    """Podman with its state in a folder of its own; each command is a process, nothing keeps running."""

    folder: Path = field(default_factory=short_folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self("rm", "--all", "--force", check=False)
        remove_tree(self.folder)

    def __call__(self, *arguments: str | Path, check: bool = True) -> str:
        return run("podman", *self.options, *arguments, check=check)

    @property
    def options(self) -> tuple[str, ...]:
        """What each of its commands is told."""
        places = ("--root", f"{self.folder}/r", "--runroot", f"{self.folder}/rr", "--tmpdir", f"{self.folder}/t")
        # runc and cgroupfs: crun 1.8 refuses a machine with hybrid cgroups, and there may be no systemd to ask.
        manner = ("--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--events-backend", "none")
        return (*places, *manner, "--runtime", "runc")

    def run(self, image: str, *command: str) -> str:
        """What the image prints. The limits are lowered: where root lacks CAP_SYS_RESOURCE the default ones fail."""
        limits = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024")
        return self("run", "--rm", "--network", "none", *limits, image, *command)


@dataclass
class Registry:
    """Debian's docker-registry on a free port of the loopback, with its storage in a folder of its own."""

    folder: Path = field(default_factory=short_folder)

    def __enter__(self) -> Self:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.host = f"127.0.0.1:{free.getsockname()[1]}"
        storage = f"{{filesystem: {{rootdirectory: {self.folder}/s}}}}"
        (self.folder / "c.yml").write_text(f"version: 0.1\nstorage: {storage}\nhttp: {{addr: {self.host}}}\n")
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                ["docker-registry", "serve", str(self.folder / "c.yml")], stdout=log, stderr=log
            )
        address, _, port = self.host.partition(":")
        deadline = time.monotonic() + 40
        while time.monotonic() < deadline and self._process.poll() is None:
            with socket.socket() as client:
                if client.connect_ex((address, int(port))) == 0:
                    return self
            time.sleep(0.1)
        said = (self.folder / "log").read_text()[-3000:]
        self.__exit__(None, None, None)
        raise AssertionError(f"docker-registry does not start here:\n{said}")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.terminate()
        self._process.wait(30)
        remove_tree(self.folder)
