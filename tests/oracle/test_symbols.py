"""Our `ldd -r` and `ldd -d` against the real ones, for programs, libraries and plugins of this machine.

The test runs `ldd`; the product never does.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from needed.errors import SourceError
from needed.loader import Resolver
from needed.loader.binding import Binder
from needed.report.ldd import render_findings, render_versions
from needed.root import DirectoryRoot

PROGRAMS = ("/usr/bin", "/usr/sbin")
# Plugins are where symbols are undefined: the program that loads them has them.
LIBRARIES = ("/usr/lib/x86_64-linux-gnu", "/usr/lib/python3*", "/usr/lib/apache2", "/usr/lib/php", "/usr/lib/nginx")
SAMPLE = 300  # of each kind; the whole of a large machine takes minutes


def elf_files(*patterns: str) -> list[Path]:
    """At most SAMPLE, evenly out of all."""
    found = []
    for folder in (path for pattern in patterns for path in Path("/").glob(pattern.lstrip("/"))):
        for path in sorted(folder.rglob("*") if pattern_is_deep(folder) else folder.iterdir()):
            if path.is_file() and not path.is_symlink() and os.access(path, os.R_OK):
                with path.open("rb") as file:
                    if file.read(4) == b"\x7fELF":
                        found.append(path)
    return found[:: max(1, -(-len(found) // SAMPLE))]


def pattern_is_deep(folder: Path) -> bool:
    return "bin" not in folder.name


def listed_by_ldd(path: Path, option: str) -> list[str]:
    surroundings = {**os.environ, "LC_ALL": "C"}
    run = subprocess.run(["ldd", option, str(path)], capture_output=True, text=True, check=False, env=surroundings)
    return [line for line in run.stdout.splitlines() if not line.startswith("\t")]


def differences(paths: list[Path], option: str) -> Iterator[tuple[str, list[str], list[str]]]:
    resolver = Resolver(DirectoryRoot("/"))
    binder = Binder(resolver.root, lazy=option == "-d")
    with ThreadPoolExecutor(2) as pool:
        for path, theirs in zip(paths, pool.map(lambda path: listed_by_ldd(path, option), paths), strict=True):
            try:
                mapped = resolver.load_list(resolver.find_program(str(path)))
            except SourceError:
                continue
            if mapped.interpreter is None or "ld-musl" in mapped.interpreter.path:
                continue
            said = binder.check(mapped)
            ours = [*render_versions(mapped, str(path)), *render_findings(said, str(path))]
            yield str(path), ours, theirs


@pytest.mark.parametrize("option", ["-r", "-d"])
@pytest.mark.parametrize("folders", [PROGRAMS, LIBRARIES], ids=["programs", "libraries"])
def test_the_lines_are_those_of_ldd(folders: tuple[str, ...], option: str) -> None:
    if shutil.which("ldd") is None:
        assert "CI" not in os.environ, "ldd is missing"
        pytest.skip("ldd is missing")
    compared = list(differences(elf_files(*folders), option))
    assert [item for item in compared if item[1] != item[2]] == []
    assert len(compared) > 20
    if folders == LIBRARIES and option == "-r":
        assert sum(len(ours) for _, ours, _ in compared) > 100, "nothing on this machine has an undefined symbol"
