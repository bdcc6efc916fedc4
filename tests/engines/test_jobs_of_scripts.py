"""Shell scripts at work: what they call is in the image, with nothing named by hand."""

from __future__ import annotations

from pathlib import Path

from tests.engines.conftest import Needed
from tests.engines.engines import Docker
from tests.engines.jobs import build

ENTRYPOINT = """#!/bin/sh
set -e
data=${DATA:-/tmp/data}
say() { echo "$@"; }
mkdir -p "$data/new"
cat > "$data/new/conf" <<CONF
port = ${PORT:-80}
CONF
mv "$data/new" "$data/now"
cp "$data/now/conf" "$data/copy"
sed -i 's/80/8080/' "$data/copy"
say "$(head -n 1 "$data/copy")"
[ $# -eq 0 ] || exec "$@"
"""


def script(folder: Path, text: str = ENTRYPOINT) -> Path:
    path = folder / "entrypoint.sh"
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_an_entrypoint_runs_with_nothing_named_by_hand(docker: Docker, needed: Needed, tmp_path: Path) -> None:
    job = build(docker, needed, "entrypoint", script(tmp_path))
    assert job.work().stdout == "port = 8080\n"
    assert 'starts "$@", which only a run knows' in job.report


def test_what_it_starts_by_its_arguments_is_one_option_away(docker: Docker, needed: Needed, tmp_path: Path) -> None:
    job = build(docker, needed, "entrypoint-with", script(tmp_path), "--with", "basename,uname")
    assert job.work("basename", "/a/b").stdout == "port = 8080\nb\n"


def test_without_the_rule_the_first_command_is_not_found(docker: Docker, needed: Needed, tmp_path: Path) -> None:
    job = build(docker, needed, "entrypoint-without", script(tmp_path), "--no-rule", "shell-commands")
    assert "mkdir: not found" in job.work(ok=False).stderr


def test_busybox_serves_the_commands_where_it_is_chosen(docker: Docker, needed: Needed, tmp_path: Path) -> None:
    job = build(docker, needed, "entrypoint-busybox", script(tmp_path), "--rule", "shell-commands=busybox")
    assert job.work().stdout == "port = 8080\n"
    assert job.size < build(docker, needed, "entrypoint-plain", script(tmp_path)).size


def test_system_starts_a_shell(docker: Docker, needed: Needed) -> None:
    job = build(docker, needed, "awk", "mawk")
    assert job.work('BEGIN { system("echo from a shell") }').stdout == "from a shell\n"
    without = build(docker, needed, "awk-without", "mawk", "--no-rule", "shell")
    assert without.work('BEGIN { exit system("echo from a shell") }', ok=False).stdout == ""
