"""One digest, whoever builds: root or not, any umask, any Python that is installed here, and 3.14 in any case."""

from __future__ import annotations

import glob
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.engines.debian_python import debian_python
from tests.engines.engines import remove_tree, run, short_folder

PROJECT = Path(__file__).parents[2]
PROGRAMS = ("/bin/bash", "/bin/ls")
NOBODY = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")
# setpriv may start a Python under /root that then finds nothing of its own there, and takes another one's library.
VERSION = "import os, sys; os.stat(sys.executable); print('%d.%d' % sys.version_info[:2])"
ZSTD_VERSION = "from needed.image.codec import Codec; print(Codec('zstd', 3).describe())"


@dataclass(frozen=True)
class Installation:
    """The project in a folder of its own, for one Python."""

    python: str
    packages: Path

    def build(self, *words: str, umask: int = 0o022, before: tuple[str, ...] = (), **environment: str) -> str:
        """What `needed build` prints."""
        folder = short_folder()
        folder.chmod(0o777)
        try:
            result = subprocess.run(
                [*before, self.python, str(self.packages / "bin/needed"), "build", *PROGRAMS, "-t", "same", *words],
                cwd=folder,
                env={"PATH": os.environ["PATH"], "PYTHONPATH": str(self.packages), "HOME": str(folder), **environment},
                umask=umask,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
        finally:
            shutil.rmtree(folder)
        assert result.returncode == 0, result.stderr
        assert "sha256:" in result.stdout
        return result.stdout


def version_of(python: str, *before: str) -> str:
    """"3.12", or "" where it cannot be run (so) or is too old."""
    try:
        result = subprocess.run(
            [*before, python, "-c", VERSION], capture_output=True, text=True, cwd="/", timeout=60, check=False
        )
    except OSError:
        return ""
    version = result.stdout.strip()
    return version if result.returncode == 0 and tuple(map(int, version.split("."))) >= (3, 11) else ""


def pythons() -> dict[str, str]:
    """One interpreter per version that is installed here, the running one among them."""
    named = [shutil.which(f"python3.{minor}") or "" for minor in range(11, 15)]
    managed = sorted(glob.glob(os.path.expanduser("~/.pyenv/versions/3.*/bin/python3")))
    found: dict[str, str] = {}
    for python in (os.path.realpath(sys.executable), *filter(None, named), *managed, "/usr/bin/python3"):
        found.setdefault(version_of(python), python)
    found.pop("", None)
    return found


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that everybody may enter, unlike pytest's."""
    made = short_folder()
    made.chmod(0o755)
    yield made
    remove_tree(made)


@pytest.fixture(scope="module")
def wheel(folder: Path) -> Path:
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", folder / "wheel", PROJECT)
    return next((folder / "wheel").glob("needed-*.whl"))


def install(python: str, wheel: Path, packages: Path) -> Installation:
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-warn-script-location")
    run(*pip, "--target", packages, wheel)
    return Installation(python, packages)


@pytest.fixture(scope="module")
def ours(folder: Path, wheel: Path) -> Installation:
    return install(os.path.realpath(sys.executable), wheel, folder / "ours")


@pytest.fixture(scope="module")
def digest(ours: Installation) -> str:
    return ours.build()


def test_the_digest_does_not_depend_on_the_umask(ours: Installation, digest: str) -> None:
    assert ours.build(umask=0o077) == digest
    assert ours.build(umask=0) == digest


def test_the_digest_does_not_depend_on_locale_time_zone_or_epoch(ours: Installation, digest: str) -> None:
    assert ours.build(LC_ALL="C", TZ="Pacific/Kiritimati", PYTHONHASHSEED="7") == digest
    assert ours.build(LC_ALL="C.UTF-8", TZ="America/Adak", PYTHONUTF8="1") == digest


def test_the_digest_does_not_depend_on_the_user(folder: Path, wheel: Path, digest: str) -> None:
    # The running Python may stand under /root, where nobody else may enter: then the system's own.
    candidates = [os.path.realpath(sys.executable), *pythons().values(), "/usr/bin/python3"]
    python = next((python for python in candidates if version_of(python, *NOBODY)), None)
    assert python is not None, f"no Python >= 3.11 here that an unprivileged user may run: {candidates}"
    unprivileged = install(python, wheel, folder / "unprivileged")
    assert unprivileged.build(before=NOBODY) == digest
    assert unprivileged.build(before=NOBODY, umask=0o077) == digest
    assert unprivileged.build() == digest


@pytest.fixture(scope="module")
def installations(folder: Path, wheel: Path) -> dict[str, Installation]:
    """The project for each Python by its version."""
    found = pythons()
    if "3.14" not in found:
        (folder / "debian").mkdir()
        found["3.14"] = debian_python("3.14", folder / "debian")
        assert version_of(found["3.14"]) == "3.14"
    return {version: install(python, wheel, folder / version) for version, python in found.items()}


@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_the_digest_does_not_depend_on_the_python(installations: dict[str, Installation], compression: str) -> None:
    built = {version: one.build("--compression", compression) for version, one in installations.items()}
    assert len(set(built.values())) == 1, built


def test_zstd_depends_on_its_library_and_the_diff_id_on_nothing(installations: dict[str, Installation]) -> None:
    # Up to 3.13 the library comes with `backports.zstd`, from 3.14 on with Python: its version may be another one.
    diff_ids: set[tuple[str, str]] = set()
    digests: dict[str, set[str]] = {}
    for one in installations.values():
        image = json.loads(one.build("--compression", "zstd", "--json"))
        diff_ids.add((image["layers"][0]["diff_id"], image["config_digest"]))
        library = run(one.python, "-c", ZSTD_VERSION, env={**os.environ, "PYTHONPATH": str(one.packages)})
        digests.setdefault(library, set()).add(image["digest"])
    assert len(diff_ids) == 1
    assert [len(found) for found in digests.values()] == [1] * len(digests), digests
