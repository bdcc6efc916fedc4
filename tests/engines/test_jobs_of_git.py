"""git at work: a repository of its own, one of a volume, and one behind https, to clone and to push to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.engines.conftest import Needed
from tests.engines.engines import Docker, run
from tests.engines.git_server import certificate, serve
from tests.engines.jobs import Job, build

FLOOR = (
    25_050_000  # bytes: git and git-remote-https with their libraries and the certificates, what peers reach at best
)
NAMED = ("-c", "user.name=Nobody", "-c", "user.email=nobody@example.org", "-c", "init.defaultBranch=main")
USER = (65532, 65532)


@pytest.fixture(scope="module")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a bare repository `bare` of one commit."""
    folder = tmp_path_factory.mktemp("repositories")
    folder.chmod(0o755)
    (folder / "work").mkdir()
    (folder / "work" / "poem").write_text("one line\n")
    run("git", *NAMED, "init", "-q", folder / "work")
    run("git", "-C", folder / "work", "add", ".")
    run("git", *NAMED, "-C", folder / "work", "commit", "-q", "-m", "the first")
    run("git", "clone", "-q", "--bare", folder / "work", folder / "bare")
    for path in (folder / "bare", *(folder / "bare").rglob("*")):  # git reads no repository of somebody else
        os.chown(path, *USER)
    return folder


@pytest.fixture(scope="module")
def server(repositories: Path) -> Iterator[tuple[str, ...]]:
    """The server's address, and what docker run needs to reach and to believe it."""
    file, key = certificate(repositories)
    with serve(repositories, file, key) as address:
        yield address, "--network", "host", "-v", f"{file}:/ca.pem:ro", "-e", "GIT_SSL_CAINFO=/ca.pem"


@pytest.fixture
def mine(tmp_path: Path) -> tuple[str, ...]:
    """What docker run needs for a folder that belongs to the image's user, who has a name for commits."""
    folder = tmp_path / "mine"
    folder.mkdir()
    os.chown(folder, *USER)
    configured = {"user.name": "Nobody", "user.email": "nobody@example.org"}
    numbered = enumerate(configured.items())
    words = [
        (f"GIT_CONFIG_KEY_{number}={key}", f"GIT_CONFIG_VALUE_{number}={text}") for number, (key, text) in numbered
    ]
    variables = [option for pair in words for word in pair for option in ("-e", word)]
    return ("-v", f"{folder}:/mine", "-w", "/mine", "-e", "GIT_CONFIG_COUNT=2", *variables)


def test_git_has_all_that_it_needs_and_hardly_a_byte_more(docker: Docker, needed: Needed) -> None:
    job = build(docker, needed, "git", "git")
    assert job.work("--version").stdout.startswith("git version ")
    assert job.size < FLOOR * 1.02


def in_shell(job: Job, script: str, *options: str) -> str:
    """What a script prints that runs in the folder `/mine`, by the shell that git has."""
    return job.work("-ec", script, options=("--entrypoint", "/bin/sh", *options)).stdout


HISTORY = """
git init -q own && cd own
echo one line >poem && git add poem && git commit -qm "the first"
echo another line >poem && git diff && git commit -qam "the second"
git log --format="%an: %s"
"""


def test_it_makes_a_repository_and_writes_history(docker: Docker, needed: Needed, mine: tuple[str, ...]) -> None:
    said = in_shell(build(docker, needed, "git", "git"), HISTORY, *mine)
    assert "-one line\n+another line\n" in said
    assert said.endswith("Nobody: the second\nNobody: the first\n")


def test_it_clones_from_a_volume(docker: Docker, needed: Needed, repositories: Path) -> None:
    job = build(docker, needed, "git", "git")
    job.work("clone", "file:///repositories/bare", "/tmp/clone", options=("-v", f"{repositories}:/repositories:ro"))


PUSH = """
git clone -q $SERVER/bare first && cd first
git commit -q --allow-empty -m pushed && git push -q && cd ..
git clone -q --depth=1 $SERVER/bare second && cd second
git log --format=%s && git rev-list --count HEAD
"""


def test_it_clones_and_pushes_by_https(
    docker: Docker, needed: Needed, server: tuple[str, ...], mine: tuple[str, ...]
) -> None:
    job = build(docker, needed, "git", "git")
    address, *options = server
    assert in_shell(job, PUSH, *options, "-e", f"SERVER={address}", *mine) == "pushed\n1\n"


def test_without_git_it_knows_neither_https_nor_templates_nor_a_shell(
    docker: Docker, needed: Needed, server: tuple[str, ...], repositories: Path
) -> None:
    job = build(docker, needed, "git-without", "git", "--no-rule", "git")
    address, *options = server
    outcome = job.work("clone", f"{address}/bare", "/tmp/clone", options=tuple(options), ok=False)
    assert "git: 'remote-https' is not a git command" in outcome.stderr
    assert "warning: templates not found in /usr/share/git-core/templates" in outcome.stderr
    volume = ("-v", f"{repositories}:/repositories:ro")
    outcome = job.work("clone", "file:///repositories/bare", "/tmp/clone", options=volume, ok=False)
    assert "cannot run git-upload-pack" in outcome.stderr
