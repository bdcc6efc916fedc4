"""The part of `make bench` about running: `needed run IMAGE -- bash -c true` beside what engines take for the same."""

from __future__ import annotations

import os
import shutil

from benchmarks.measuring import NEEDED, Cost, folder, interleaved, measure, milliseconds, row
from tests.engines.engines import Docker


def rows() -> None:
    """Medians in turns; Docker has the image loaded before."""
    with folder() as work:
        image = f"oci:{work}/image:x"
        measure(NEEDED, "build", "bash", "-o", image)
        words = (image, "--", "-c", "true")  # bash is its entrypoint
        candidates = {"native": lambda: measure(NEEDED, "run", *words)}
        if shutil.which("bwrap"):
            candidates["bwrap"] = lambda: measure(NEEDED, "run", "--sandbox", "bubblewrap", *words)
        if os.geteuid() == 0 and shutil.which("dockerd"):
            with Docker() as docker:
                measure(NEEDED, "build", "bash", "-o", "docker-daemon:needed-bench:x", env=docker.environment)
                candidates["docker"] = lambda: _docker(docker)
                medians = interleaved(15, **candidates)
        else:
            medians = interleaved(15, **candidates)
    row("needed run IMAGE -- -c true (bash)", milliseconds(medians["native"].wall))
    if "bwrap" in medians:
        row("    in bubblewrap", milliseconds(medians["bwrap"].wall))
    if "docker" in medians:
        ratio = medians["native"].wall / medians["docker"].wall
        row("    docker run --rm", milliseconds(medians["docker"].wall), f"{ratio:.2f}", "<= 0.2")
    else:
        row("    docker run --rm", "not here", "", "<= 0.2")


def _docker(docker: Docker) -> Cost:
    words = ("run", "--rm", "--network", "none", "--entrypoint", "bash", "needed-bench:x", "-c", "true")
    return measure("docker", *words, env=docker.environment)
