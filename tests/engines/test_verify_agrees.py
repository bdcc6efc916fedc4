"""What `needed verify` says in its own sandbox, as root and as nobody, Docker says as well."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree, rmtree

import pytest
from tests.engines.conftest import Needed
from tests.engines.engines import Docker, short_folder

import needed as package

NOBODY = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps=-all")
ENTRYPOINT = """#!/bin/bash
set -eu
echo "hello from $(basename "$0"), $# arguments"
exec sleep "${1:-0}"
"""


class Images:
    """A folder that everybody may read, with images and with this project's sources beside them."""

    def __init__(self, folder: Path, needed: Needed, docker: Docker) -> None:
        self.folder, self.needed, self.docker = folder, needed, docker
        os.chmod(folder, 0o755)
        copytree(Path(str(package.__file__)).parent, folder / "source" / "needed")
        (folder / "own").mkdir()
        os.chmod(folder / "own", 0o1777)

    def build(self, name: str, *words: str) -> str:
        """Build it, for us and for Docker."""
        place = f"{self.folder}/{name}.tar"
        self.needed("build", *words, "-q", "-t", name, "-o", f"docker-archive:{place}", "-o", f"docker-daemon:{name}")
        os.chmod(place, 0o644)
        return place

    def verify(self, place: str, *words: str) -> None:
        """It is verified by root, and by nobody, who has the sources and a Python, and nothing of this project else."""
        for who in ((), NOBODY):
            python = "/usr/bin/python3" if who else sys.executable
            done = subprocess.run(
                [*who, python, "-m", "needed", "verify", f"docker-archive:{place}", "--json", *words],
                cwd=self.folder, capture_output=True, text=True, timeout=120, check=False,
                env={"PATH": os.environ["PATH"], "PYTHONPATH": str(self.folder / "source"),
                     "TMPDIR": str(self.folder / "own"), "PYTHONDONTWRITEBYTECODE": "1"},
            )  # fmt: skip
            assert done.returncode == 0, f"{who}\n{done.stdout}{done.stderr}"
            assert json.loads(done.stdout)["verdict"] == "verified"
        assert list((self.folder / "own").iterdir()) == []

    def in_docker(self, name: str, *words: str) -> tuple[int, str]:
        command = ["docker", "--host", self.docker.host, "run", "--rm", "--network", "none", name, *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        return done.returncode, done.stdout


@pytest.fixture
def images(needed: Needed, docker: Docker) -> Iterator[Images]:
    folder = short_folder()
    try:
        yield Images(folder, needed, docker)
    finally:
        rmtree(folder)


@pytest.mark.parametrize(
    ("program", "status", "words"),
    [
        ("curl", 0, ("--version",)),
        ("git", 0, ("--version",)),
        ("git", 129, ("--no-such-option",)),
        ("python3", 0, ("-c", "import json, ssl; print(json.dumps(ssl.OPENSSL_VERSION))")),
        ("perl", 0, ("-e", "use List::Util qw(sum); print sum(1 .. 4), qq(\\n)")),
    ],
)  # fmt: skip
def test_a_command_ends_and_says_the_same(images: Images, program: str, status: int, words: tuple[str, ...]) -> None:
    path = "/usr/bin/python3" if program == "python3" else program
    place = images.build(f"agrees-{program}", path)
    there, said = images.in_docker(f"agrees-{program}", *words)
    assert there == status
    contains = [f"--stdout-contains={line}" for line in said.splitlines()]
    images.verify(place, "--exit", str(status), *contains, "--", *words)
    images.verify(place, "--same-as-host", "--", *words)


def test_a_shell_entrypoint_runs_the_commands_that_it_calls(images: Images) -> None:
    script = images.folder / "entrypoint"
    script.write_text(ENTRYPOINT)
    script.chmod(0o755)
    place = images.build("agrees-script", str(script))
    assert images.in_docker("agrees-script", "0") == (0, "hello from entrypoint, 1 arguments\n")
    images.verify(place, "--stdout-contains", "hello from entrypoint, 1 arguments", "--", "0")
    images.verify(place, "--stays-up", "1", "--", "60")


def test_a_page_is_served(images: Images) -> None:
    place = images.build("agrees-nginx", "nginx")
    images.verify(place, "--http", "80/", "--http", "80/nothing=404", "--", "-g", "daemon off;")
    assert _status(images.docker, "agrees-nginx", ("-g", "daemon off;"), "http.client") == 200


def test_a_port_is_opened(images: Images) -> None:
    place = images.build("agrees-redis", "redis-server")
    images.verify(place, "--tcp", "6379")
    assert _status(images.docker, "agrees-redis", (), "socket") == 200


def _status(docker: Docker, image: str, words: tuple[str, ...], how: str) -> int:
    """What a container answers on its loopback: the status of its page, or 200 for an open port."""
    if how == "socket":
        fetch = "import socket; socket.create_connection(('127.0.0.1', 6379)); print(200)"
    else:
        fetch = "import urllib.request as u; print(u.urlopen('http://127.0.0.1/').status)"
    container = docker("run", "-d", "--network", "none", image, *words).strip()
    try:
        process = docker("inspect", "--format", "{{.State.Pid}}", container).strip()
        for _ in range(100):
            command = ["nsenter", "-t", process, "-n", "python3", "-c", fetch]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
            if done.returncode == 0:
                return int(done.stdout)
            time.sleep(0.1)
        raise AssertionError(done.stderr)
    finally:
        docker("rm", "-f", "-v", container)
