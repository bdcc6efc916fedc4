"""Our reading of this machine's database against dpkg-query's. The tests run it; the product never does."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from needed.packages import open_packages, select_files
from needed.root import DirectoryRoot, Walker

if TYPE_CHECKING:
    from needed.packages.model import Packages


@pytest.fixture(scope="module")
def packages() -> Packages:
    if shutil.which("dpkg-query") is None:
        assert "CI" not in os.environ, "dpkg-query is missing"
        pytest.skip("dpkg-query is missing")
    root = DirectoryRoot("/")
    found = open_packages(root, Walker(root))
    assert found is not None
    return found


def asked(*words: str) -> list[str]:
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    run = subprocess.run(["dpkg-query", *words], capture_output=True, check=False, env=environment)
    return run.stdout.decode("utf-8", "surrogateescape").splitlines()


def installed() -> dict[str, list[str]]:
    fields = ("binary:Package", "db:Status-Status", "Version", "Installed-Size", "source:Package")
    lines = asked("-W", "-f", "\t".join(f"${{{field}}}" for field in fields) + "\n")
    words = [line.split("\t") for line in lines]
    return {one[0]: one[2:] for one in words if one[1] == "installed"}


def test_every_package_is_found_with_its_version_size_and_source(packages: Packages) -> None:
    wanted = installed()
    assert len(wanted) > 50
    found = {name: packages.find(name) for name in wanted}
    assert {name: [one.version, str(one.installed_size >> 10), one.source] for name, one in found.items()} == {
        name: [version, size or "0", source] for name, (version, size, source) in wanted.items()
    }


def test_the_files_are_the_ones_that_dpkg_lists(packages: Packages) -> None:
    different = []
    names = installed()
    diverted = [line.split(": ")[0] for line in asked("-S", "*.distrib", "*.real", "*.dpkg-divert", "/bin/sh")]
    for name in sorted({*list(names)[::7], *(names.keys() & {*diverted}), *(names.keys() & {"libpq-dev", "dash"})}):
        listed: dict[str, None] = {}
        for line in asked("-L", name):
            # Below a file that another package or the administrator diverted stands where to; we name the one that is.
            if line.startswith(("diverted by ", "locally diverted to: ")):
                listed.popitem()
                listed[line.partition(" to: ")[2]] = None
            elif line.startswith("/") and line != "/.":
                listed[line] = None
        ours = packages.files(packages.find(name))
        if ours != tuple(listed):
            different.append((name, {*ours} ^ {*listed}))
    assert different == []


def test_the_owner_is_the_one_that_dpkg_tells(packages: Packages) -> None:
    paths = [path for name in ("bash", "coreutils", "libc6", "dpkg", "perl-base") for path in asked("-L", name)]
    files = [path for path in paths if os.path.isfile(path) and "diverted" not in path]
    told = dict(line.split(": ", 1)[::-1] for line in asked("-S", *files) if not line.startswith("diversion"))
    assert len(told) > 200
    ours = {path: packages.owner(path) for path in told}
    assert {path: owner.name if owner else None for path, owner in ours.items()} == {
        path: owner.partition(":")[0] for path, owner in told.items()
    }


def test_a_real_path_has_the_owner_of_the_listed_one(packages: Packages) -> None:
    """dpkg itself does not know these where /usr is merged: its lists say /lib."""
    listed = [path for path in asked("-L", "libc6") + asked("-L", "bash") if os.path.isfile(path)]
    for path in listed:
        real = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
        owner = packages.owner(real)
        assert owner is not None and owner.name in ("libc6", "bash"), real


@pytest.mark.parametrize("name", ["bash", "coreutils", "tzdata", "dpkg"])
def test_what_is_taken_of_a_real_package_is_there_and_is_its_own(packages: Packages, name: str) -> None:
    selection = select_files(packages, name)
    assert selection.size > 0
    names = {package.name for package in selection.packages}
    for item in selection.selected:
        owner = packages.owner(item.path)
        assert os.path.lexists(item.path) or item.why == "state"
        assert item.why != "file" or (owner is not None and owner.name in names), item
