"""apache and PHP load what is written in their configuration: they do their work without a file named by hand."""

from __future__ import annotations

import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.engines.conftest import Needed
from tests.engines.engines import Docker
from tests.engines.jobs import Job, build

PHP = """
$base = new PDO("sqlite::memory:");
echo json_encode([1, "a"]), " ", mb_strlen("h\u00e9"), " ", $base->query("select 40 + 2")->fetchColumn(), date(" T");
"""


def test_php_has_the_extensions_that_its_configuration_enables(docker: Docker, needed: Needed) -> None:
    job = build(docker, needed, "php", "php8.2")
    outcome = job.work("-r", PHP)
    assert (outcome.stdout, outcome.stderr) == ('[1,"a"] 2 42 UTC', "")


def test_without_php_there_is_neither_an_extension_nor_a_time(docker: Docker, needed: Needed) -> None:
    job = build(docker, needed, "php-without", "php8.2", "--no-rule", "php")
    assert "undefined function mb_strlen()" in job.work("-r", 'mb_strlen("");', ok=False).said
    assert 'Class "PDO" not found' in job.work("-r", 'new PDO("sqlite::memory:");', ok=False).said
    assert job.work("-r", 'date("T");', ok=False).status == 139  # Debian's PHP, without the system's zones


@contextmanager
def serving(job: Job, *words: str, options: tuple[str, ...]) -> Iterator[None]:
    """The image running in the background, in the network of this machine."""
    container = job.docker("run", "-d", "--network", "host", *options, job.image, *words).strip()
    try:
        yield
    finally:
        job.docker("rm", "-f", container)


def fetch(url: str) -> bytes:
    """What a server answers that may still be starting."""
    for _ in range(200):
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                content: bytes = answer.read()
                return content
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.05)
    raise AssertionError(f"{url} does not answer")


def test_apache_serves_its_documents(docker: Docker, needed: Needed, tmp_path: Path) -> None:
    job = build(docker, needed, "apache", "apache2")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "ports.conf").write_text(f"Listen 127.0.0.1:{port}\n", encoding="utf-8")
    (tmp_path / "ports.conf").chmod(0o644)
    ports = ("-v", f"{tmp_path}/ports.conf:/etc/apache2/ports.conf:ro")
    with serving(job, "-DFOREGROUND", options=ports):
        assert b"Apache2" in fetch(f"http://127.0.0.1:{port}/index.html")
    assert "goes to the background" in job.report


def test_without_apache_it_has_no_configuration(docker: Docker, needed: Needed) -> None:
    job = build(docker, needed, "apache-without", "apache2", "--no-rule", "apache")
    outcome = job.work("-DFOREGROUND", ok=False)
    assert outcome.status == 1
    assert "Could not open configuration file /etc/apache2/apache2.conf" in outcome.said
