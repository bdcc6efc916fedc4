"""Well-known tools that leave a part of their work to others: archives, keys, make, a multiplexer, images."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.engines.conftest import Needed
from tests.engines.engines import Docker
from tests.engines.jobs import build

IN_TMP = ("--tmpfs", "/tmp:mode=1777")
KEY = ("--batch", "--homedir", "/tmp", "--passphrase", "", "--quick-gen-key", "me@example.org", "default", "default")
MAKEFILE = "all:\n\t@echo one; echo $$((1 + 1))\n"


def test_tar_compresses(docker: Docker, needed: Needed) -> None:
    words = ("-cvzf", "/dev/null", "--force-local", "/usr/bin/tar")
    assert "usr/bin/tar" in build(docker, needed, "tar", "tar").work(*words).said
    without = build(docker, needed, "tar-without", "tar", "--no-rule", "companions")
    assert "gzip: Cannot exec" in without.work(*words, ok=False).stderr


def test_gpg_makes_a_key(docker: Docker, needed: Needed) -> None:
    assert "revocation certificate stored" in build(docker, needed, "gpg", "gpg").work(*KEY, options=IN_TMP).stderr
    without = build(docker, needed, "gpg-without", "gpg", "--no-rule", "companions")
    assert "gpg-agent': probably not installed" in without.work(*KEY, options=IN_TMP, ok=False).stderr


def test_make_has_a_shell_for_its_recipes(docker: Docker, needed: Needed) -> None:
    words = ("-f", "-")
    assert build(docker, needed, "make", "make").work(*words, stdin=MAKEFILE, options=IN_TMP).stdout == "one\n2\n"
    without = build(docker, needed, "make-without", "make", "--no-rule", "companions")
    assert "/bin/sh: No such file" in without.work(*words, stdin=MAKEFILE, options=IN_TMP, ok=False).stderr


def test_tmux_starts_with_the_locale_that_it_sets(docker: Docker, needed: Needed) -> None:
    words = ("-C", "new-session", "-d")
    build(docker, needed, "tmux", "tmux").work(*words, options=IN_TMP)
    without = build(docker, needed, "tmux-without", "tmux", "--no-rule", "locale")
    assert "need UTF-8 locale" in without.work(*words, options=IN_TMP, ok=False).stderr


@pytest.mark.parametrize("rule", ["containers", ""])
def test_skopeo_copies_by_the_policy(docker: Docker, needed: Needed, tmp_path: Path, rule: str) -> None:
    archive = tmp_path / "nothing.tar"
    needed("build", "--empty", "-t", "nothing", "-o", f"docker-archive:{archive}")
    tmp_path.chmod(0o755)
    options = (*IN_TMP, "-v", f"{archive}:/nothing.tar:ro")
    words = ("copy", "docker-archive:/nothing.tar", "dir:/tmp/copy")
    job = build(docker, needed, f"skopeo{rule}", "skopeo", *(("--no-rule", rule) if rule else ()))
    outcome = job.work(*words, options=options, ok=not rule)
    assert ("/etc/containers/policy.json: no such file" in outcome.stderr) == bool(rule)
