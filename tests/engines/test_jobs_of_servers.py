"""Servers at work as nobody: nginx on port 80, a database from initdb to a query, Redis, and sshd for the real ssh."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.engines.conftest import Needed
from tests.engines.engines import Docker, run
from tests.engines.jobs import Job, build
from tests.engines.servers import free_port

USER = (65532, 65532)
NGINX_FLOOR = 9_800_000  # bytes: nginx with its libraries, configuration and page
BIN = "/usr/lib/postgresql/15/bin"
DATABASE = "/var/lib/postgresql/data"


@contextmanager
def running(job: Job, *words: str, options: tuple[str, ...] = ("--network", "none")) -> Iterator[str]:
    """A container of `job` in the background, by its id."""
    container = job.docker("run", "-d", *options, job.image, *words).strip()
    try:
        yield container
    finally:
        job.docker("rm", "-f", "-v", container)


def pid_of(docker: Docker, container: str) -> int:
    """The first process of a container, as the machine numbers it; 0 once it has ended."""
    return int(docker("inspect", "--format", "{{.State.Pid}}", container))


def log_of(docker: Docker, container: str) -> str:
    """All that a container said so far."""
    command = ["docker", "--host", docker.host, "logs", container]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return result.stdout + result.stderr


def wait_for(command: list[str], docker: Docker, container: str) -> str:
    """What `command` prints when it succeeds at last; a container that has ended does not make it."""
    for _ in range(100):
        result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if result.returncode == 0:
            return result.stdout
        if not pid_of(docker, container):
            break
        time.sleep(0.1)
    raise AssertionError(f"{command}\n{result.stdout}{result.stderr}\n{log_of(docker, container)}")


def test_nginx_serves_its_page_on_port_80_and_writes_its_log(docker: Docker, needed: Needed) -> None:
    job = build(docker, needed, "nginx", "nginx")
    assert "syntax is ok" in job.work("-t").stderr
    fetch = "import urllib.request as u; a = u.urlopen('http://127.0.0.1/'); print(a.status, a.headers['Server'])"
    with running(job, "-g", "daemon off;") as container:
        process = pid_of(docker, container)
        answer = wait_for(["nsenter", "-t", str(process), "-n", "python3", "-c", fetch], docker, container)
        assert answer.startswith("200 nginx/")
        assert '"GET / HTTP/1.1" 200' in Path(f"/proc/{process}/root/var/log/nginx/access.log").read_text()
    assert job.size < NGINX_FLOOR * 1.02


def test_without_nginx_there_is_no_configuration(docker: Docker, needed: Needed) -> None:
    outcome = build(docker, needed, "nginx-without", "nginx", "--no-rule", "nginx").work(ok=False)
    assert 'open() "/etc/nginx/nginx.conf" failed (2: No such file or directory)' in outcome.stderr


def test_redis_keeps_and_saves_what_it_is_told(docker: Docker, needed: Needed) -> None:
    job = build(docker, needed, "redis", "redis-server")
    port = free_port()
    words = ("--bind", "127.0.0.1", "--port", str(port), "--dir", "/var/lib/redis")
    with running(job, *words, options=("--network", "host")) as container:
        connection = connected(port, docker, container)
        with connection, connection.makefile("rw", newline="\r\n") as redis:
            said = []
            for command in ("PING", "SET answer 42", "STRLEN answer", "SAVE"):
                redis.write(f"{command}\n")
                redis.flush()
                said.append(redis.readline())
        assert said == ["+PONG\r\n", "+OK\r\n", ":2\r\n", "+OK\r\n"]
        assert Path(f"/proc/{pid_of(docker, container)}/root/var/lib/redis/dump.rdb").stat().st_size > 0


def connected(port: int, docker: Docker, container: str) -> socket.socket:
    for _ in range(100):
        try:
            return socket.create_connection(("127.0.0.1", port), 10)
        except OSError:
            time.sleep(0.1)
    raise AssertionError(log_of(docker, container))


def test_without_redis_it_has_no_folder_for_its_data(docker: Docker, needed: Needed) -> None:
    job = build(docker, needed, "redis-without", "redis-server", "--no-rule", "redis")
    outcome = job.work("--dir", "/var/lib/redis", ok=False)
    assert "'dir \"/var/lib/redis\"'\nNo such file or directory" in outcome.stderr


SQL = """
CREATE TABLE poem (line text, at timestamptz);
INSERT INTO poem VALUES ('running dogs', '2026-07-01 12:00 UTC');
DO $$ BEGIN UPDATE poem SET line = line || '!'; END $$;
CREATE EXTENSION pg_trgm;
SELECT to_tsvector('english', line) || '' , at AT TIME ZONE 'Europe/Berlin', show_trgm('a') FROM poem;
"""


@pytest.fixture(scope="module")
def volume(docker: Docker) -> Iterator[tuple[str, ...]]:
    """What docker run needs for a new volume, which gets the owner of the image's folder."""
    docker("volume", "create", "database")
    yield ("--network", "none", "-v", "database:/var/lib/postgresql")
    docker("volume", "rm", "database")


def test_one_image_makes_a_database_runs_it_and_asks_it(
    docker: Docker, needed: Needed, volume: tuple[str, ...]
) -> None:
    programs = [f"{BIN}/{name}" for name in ("postgres", "initdb", "psql")]
    rules = ("--rule", "postgres=pg_trgm", "--rule", "zones=Europe/Berlin")
    job = build(docker, needed, "postgres", *programs, "--entrypoint", f"{BIN}/postgres", *rules)
    initdb = ("--entrypoint", f"{BIN}/initdb")
    made = job.work("-D", DATABASE, "-N", "-A", "trust", "--locale=C", options=(*initdb, *volume))
    assert "Success" in made.stdout
    with running(job, "-D", DATABASE, "-F", options=volume) as container:
        psql = ["docker", "--host", docker.host, "exec", container, f"{BIN}/psql", "-qAtX", "-d", "postgres"]
        wait_for([*psql, "-c", "SELECT 1"], docker, container)
        result = subprocess.run(
            [*psql, "-v", "ON_ERROR_STOP=1", "-c", SQL], capture_output=True, text=True, timeout=60, check=False
        )
        assert (result.stderr, result.stdout) == ("", "'dog':2 'run':1|2026-07-01 14:00:00|{\"  a\",\" a \"}\n")


def test_without_postgres_initdb_has_nothing_to_make_one_from(docker: Docker, needed: Needed) -> None:
    job = build(docker, needed, "initdb-without", f"{BIN}/initdb", "--no-rule", "postgres")
    outcome = job.work("-D", "/home/nonroot/data", ok=False)
    assert 'program "postgres" is needed by initdb but was not found' in outcome.stderr


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the keys `user` and `stranger`, and in `mounted` what the image's user has: a host's key, and whom
    it lets in."""
    folder = tmp_path_factory.mktemp("keys")
    mounted = folder / "mounted"
    mounted.mkdir()
    for file in (folder / "user", folder / "stranger", mounted / "host"):
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file)
    (mounted / "authorized_keys").write_text((folder / "user.pub").read_text())
    (mounted / "authorized_keys").chmod(0o600)
    for path in (mounted, *mounted.iterdir()):
        os.chown(path, *USER)
    return folder


@contextmanager
def sshd(docker: Docker, needed: Needed, keys: Path) -> Iterator[tuple[int, str]]:
    """The port of an sshd that lets the key `user` in to ask for its id, and its container."""
    job = build(docker, needed, "sshd", "sshd", "id", "--entrypoint", "/usr/sbin/sshd")
    port = free_port()
    said = {"ListenAddress": "127.0.0.1", "Port": str(port), "HostKey": "/keys/host", "UsePAM": "no"}
    said["AuthorizedKeysFile"] = "/keys/authorized_keys"
    words = [word for name, text in said.items() for word in ("-o", f"{name}={text}")]
    options = ("--network", "host", "-v", f"{keys / 'mounted'}:/keys:ro")
    with running(job, "-D", "-e", *words, options=options) as container:
        connected(port, docker, container).close()
        yield port, container


def test_sshd_lets_the_right_key_in_and_no_other(docker: Docker, needed: Needed, keys: Path) -> None:
    with sshd(docker, needed, keys) as (port, container):
        known = keys / "known_hosts"
        known.write_text(f"[127.0.0.1]:{port} {(keys / 'mounted' / 'host.pub').read_text()}")
        given = ("BatchMode=yes", "IdentitiesOnly=yes", f"UserKnownHostsFile={known}", f"Port={port}")
        client = ["-F", "/dev/null", *(word for text in given for word in ("-o", text))]
        answer = run("ssh", *client, "-i", keys / "user", "nonroot@127.0.0.1", "id")
        assert answer == "uid=65532(nonroot) gid=65532(nonroot) groups=65532(nonroot)\n"
        refused = subprocess.run(
            ["ssh", *client, "-i", keys / "stranger", "nonroot@127.0.0.1", "id"],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert (refused.returncode, refused.stdout) == (255, "")
        assert "Permission denied (publickey" in refused.stderr
        (keys / "batch").write_text("ls /keys\n")
        listed = run("sftp", "-q", "-b", keys / "batch", *client, "-i", keys / "user", "nonroot@127.0.0.1")
        assert "/keys/authorized_keys" in listed
        log = log_of(docker, container)
    assert "Accepted publickey for nonroot" in log
    assert "pid file" not in log


def test_ssh_of_one_image_logs_in_at_sshd_of_another(docker: Docker, needed: Needed, keys: Path) -> None:
    client = build(docker, needed, "ssh", "ssh")
    os.chown(keys / "user", *USER)
    mounted = ("--network", "host", "-v", f"{keys / 'user'}:/key:ro")
    with sshd(docker, needed, keys) as (port, _):
        words = ("-i", "/key", "-p", str(port), "-o", "StrictHostKeyChecking=no", "nonroot@127.0.0.1", "id", "-un")
        assert client.work(*words, options=mounted).stdout == "nonroot\n"


def test_without_ssh_sshd_has_no_configuration(docker: Docker, needed: Needed, keys: Path) -> None:
    job = build(docker, needed, "sshd-without", "sshd", "--no-rule", "ssh")
    mounted = ("-v", f"{keys / 'mounted'}:/keys:ro")
    outcome = job.work("-D", "-e", "-h", "/keys/host", options=mounted, ok=False)
    assert "/etc/ssh/sshd_config: No such file or directory" in outcome.stderr
