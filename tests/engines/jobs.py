"""Real programs of the machine's packages, each built by one command and put to its work in Docker as nobody.

A job is an image and what it does there: `build` makes it, `work` runs it. What a rule is for is shown by the same job
without it (`--no-rule NAME`): it fails, and says what is missing.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.engines.conftest import Needed
from tests.engines.engines import Docker


@dataclass(frozen=True)
class Outcome:
    """How a container ended, and all that it said."""

    status: int
    stdout: str
    stderr: str

    @property
    def said(self) -> str:
        return self.stdout + self.stderr


@dataclass(frozen=True)
class Job:
    """An image in an engine, and what `needed build` said about it."""

    docker: Docker
    image: str
    report: str

    def work(self, *words: str | Path, options: tuple[str, ...] = (), stdin: str = "", ok: bool = True) -> Outcome:
        """Run the image with `words` behind its entrypoint; with `ok` it must end with 0. Without network unless
        `options` of docker run say otherwise."""
        networked = any(option.startswith(("--network", "-p", "--publish")) for option in options)
        network = () if networked else ("--network", "none")
        command = ["docker", "--host", self.docker.host, "run", "--rm", "-i", *network, *options, self.image]
        result = subprocess.run(
            [*command, *map(str, words)], input=stdin, capture_output=True, text=True, timeout=120, check=False
        )
        assert not ok or result.returncode == 0, f"exit {result.returncode}\n{result.stdout}{result.stderr}"
        return Outcome(result.returncode, result.stdout, result.stderr)

    @property
    def size(self) -> int:
        """The image's bytes, as `docker image inspect` counts them."""
        return int(self.docker("image", "inspect", "--format", "{{.Size}}", self.image))


def build(docker: Docker, needed: Needed, image: str, *arguments: str | Path) -> Job:
    """`needed build ARGUMENTS`, loaded as `image`."""
    result = needed("build", *arguments, "-t", image, "-o", f"docker-daemon:{image}:latest")
    return Job(docker, f"{image}:latest", result.stderr)
