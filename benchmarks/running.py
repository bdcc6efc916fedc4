"""The part of `make bench` about running: `needed run IMAGE -- bash -c true` beside what engines take for the same."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from benchmarks.measuring import NEEDED, Cost, folder, interleaved, measure, milliseconds, row
from tests.engines.engines import Docker

FRESH = 2.1  # seconds


def rows() -> None:
    """Medians in turns; Docker has the image loaded before. The first run of an image reads, checks and unpacks it, as
    `--no-cache` makes every run do; those that follow show the tree that it kept."""
    with folder() as work:
        image = f"oci:{work}/image:x"
        measure(NEEDED, "build", "bash", "-o", image)
        time.sleep(FRESH)  # an image of this moment may still change, so its files are not known by their times
        env = {**os.environ, "XDG_CACHE_HOME": f"{work}/cache"}
        words = (image, "--", "-c", "true")  # bash is its entrypoint
        candidates = {
            "following": lambda: measure(NEEDED, "run", *words, env=env),
            "first": lambda: _first(work / "cache-of-first", env, words),
            "anew": lambda: measure(NEEDED, "run", "--no-cache", *words, env=env),
            "python": lambda: measure(NEEDED, "--version"),
        }
        if shutil.which("bwrap"):
            candidates["bwrap"] = lambda: measure(NEEDED, "run", "--sandbox", "bubblewrap", *words, env=env)
        if os.geteuid() == 0 and shutil.which("dockerd"):
            with Docker() as docker:
                measure(NEEDED, "build", "bash", "-o", "docker-daemon:needed-bench:x", env=docker.environment)
                candidates["docker"] = lambda: _docker(docker)
                medians = interleaved(15, **candidates)
        else:
            medians = interleaved(15, **candidates)
    engine = medians["docker"].wall if "docker" in medians else 0.0

    def told(what: str, name: str, target: str = "") -> None:
        if name in medians:
            wall = medians[name].wall
            row(what, milliseconds(wall), f"{wall / engine:.2f}" if engine else "", target)

    print("Running an image of bash: -c true. Ratios are to docker run --rm in this table.")
    told("needed run, its second and later runs (kept tree)", "following", "<= 0.2")
    told("needed run, its first (checked, unpacked, kept)", "first")
    told("needed run --no-cache (checked, unpacked)", "anew")
    told("    of each: needed --version, which runs nothing", "python")
    told("    in bubblewrap (unpacked each time)", "bwrap")
    if engine:
        told("    docker run --rm (image loaded before)", "docker")
    else:
        row("    docker run --rm", "not here", "", "")


def _first(cache: Path, env: dict[str, str], words: tuple[str, ...]) -> Cost:
    """With an empty cache of its own, so that the following runs keep theirs."""
    shutil.rmtree(cache, ignore_errors=True)
    return measure(NEEDED, "run", *words, env={**env, "XDG_CACHE_HOME": str(cache)})


def _docker(docker: Docker) -> Cost:
    words = ("run", "--rm", "--network", "none", "--entrypoint", "bash", "needed-bench:x", "-c", "true")
    return measure("docker", *words, env=docker.environment)
