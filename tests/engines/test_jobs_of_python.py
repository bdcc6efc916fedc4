"""Python at work: the standard library in a time zone, modules by their imports, and a web application of one file."""

from __future__ import annotations

import subprocess
import time
import urllib.request
from pathlib import Path

import pytest
from tests.engines.conftest import Needed
from tests.engines.engines import Docker
from tests.engines.jobs import build
from tests.engines.servers import free_port

MANY = """
import bz2, ctypes, curses, datetime, decimal, hashlib, json, lzma, sqlite3, ssl, uuid, xml.etree.ElementTree, zoneinfo
base = sqlite3.connect(":memory:")
print(base.execute("select 6 * 7").fetchone()[0], json.dumps({"a": [1]}), hashlib.sha256(b"").hexdigest()[:8])
print(datetime.datetime.fromtimestamp(0, zoneinfo.ZoneInfo("Europe/Berlin")).isoformat())
print(datetime.datetime.fromtimestamp(0).isoformat(), "\\u20ac".encode(), ssl.OPENSSL_VERSION.split()[0])
"""
APPLICATION = """#!{python}
from flask import Flask, render_template

app = Flask(__name__)


@app.route("/")
def page():
    return render_template("page.html", name="flask")


if __name__ == "__main__":
    app.run("127.0.0.1", {port})
"""


def test_the_standard_library_works_in_a_time_zone(docker: Docker, needed: Needed) -> None:
    job = build(docker, needed, "python", "python3", "--env", "TZ=Europe/Berlin")
    said = job.work("-c", MANY).stdout
    assert said == (
        '42 {"a": [1]} e3b0c442\n1970-01-01T01:00:00+01:00\n1970-01-01T01:00:00 b\'\\xe2\\x82\\xac\' OpenSSL\n'
    )


def test_without_the_rule_python_finds_no_library(docker: Docker, needed: Needed) -> None:
    job = build(docker, needed, "python-without", "python3", "--no-rule", "python")
    assert "No module named 'encodings'" in job.work("-c", "0", ok=False).said


def test_modules_that_are_named_come_with_what_they_import_and_no_more(docker: Docker, needed: Needed) -> None:
    job = build(docker, needed, "python-json", "python3", "--rule", "python=json,zoneinfo")
    assert job.work("-c", "import json; print(json.loads('[1]'))").stdout == "[1]\n"
    assert "No module named 'sqlite3'" in job.work("-c", "import sqlite3", ok=False).said
    assert job.size < 15_000_000


def page_of(docker: Docker, image: str, port: int) -> str:
    """What a container of `image` answers on `port` of this machine's loopback."""
    container = docker("run", "--detach", "--network", "host", image).strip()
    try:
        for _ in range(100):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
                    return str(answer.read().decode())
            except OSError:
                time.sleep(0.2)
        logs = subprocess.run(
            ["docker", "--host", docker.host, "logs", container], capture_output=True, text=True, check=True
        )
        raise AssertionError(f"no answer:\n{logs.stdout}{logs.stderr}")
    finally:
        docker("rm", "--force", container)


@pytest.mark.parametrize("choice", ["all", "imports"])
def test_a_flask_application_of_one_file_answers(
    docker: Docker, needed: Needed, flask: Path, tmp_path: Path, choice: str
) -> None:
    port = free_port()
    program = tmp_path / "app.py"
    program.write_text(APPLICATION.format(python=flask / "bin" / "python", port=port))
    program.chmod(0o755)
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "page.html").write_text("hello from {{ name }}")
    build(docker, needed, f"flask-{choice}", program, "--rule", f"python={choice}")
    assert page_of(docker, f"flask-{choice}:latest", port) == "hello from flask"
