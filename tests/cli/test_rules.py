"""`needed rules`, and what a build says of rules, as a user types and reads them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from needed.rules.table import NAMES
from tests.cli.test_check_and_why import run, write
from tests.rules.trees import program, tree

OWN = """
[[rule]]
name = "pages"
about = "Brings the pages of the server."
programs = ["app"]
take = ["/srv/pages"]
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    files: dict[str, bytes] = {path[1:]: content for path, content in tree().items() if isinstance(content, bytes)}
    files |= {
        "bin/app": program("getaddrinfo", "dlopen"),
        "bin/sh": program(),
        "bin/tool": program("getpwuid"),
        "bin/script": b'#!/bin/sh\ntool\n"$@"\n',
        "srv/pages/index": b"page",
    }
    return write(tmp_path / "root", files)


def test_all_rules_are_listed_with_what_they_do(tmp_path: Path) -> None:
    lines = run("rules", cwd=tmp_path).stdout.splitlines()
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == list(NAMES)


def test_one_rule_is_told_whole_and_as_an_object(tmp_path: Path) -> None:
    said = run("rules", "zones", cwd=tmp_path).stdout
    assert all(word in said for word in ("Recognises:", "Adds:", "Costs:", "Choices:", "Source:"))
    (found,) = json.loads(run("rules", "zones", "--json", cwd=tmp_path).stdout)
    assert found["rule"] == "zones"
    assert "localtime" in found["called_by"]["imports"]


def test_a_rule_that_is_none_is_refused(tmp_path: Path) -> None:
    done = run("rules", "zone", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "error: zone: there is no such rule" in done.stderr


def test_a_project_has_rules_of_its_own_in_its_folder(root: Path, tmp_path: Path) -> None:
    (tmp_path / "needed.toml").write_text(OWN)
    assert "pages" in run("rules", cwd=tmp_path).stdout
    done = run("build", "app", "--root", root, "-n", cwd=tmp_path)
    assert "/srv/pages/index  (rule pages: /bin/app)" in done.stdout
    assert "/srv/pages" not in run("build", "app", "--root", root, "-n", "--no-rule", "pages", cwd=tmp_path).stdout


def test_a_build_says_what_rules_added_and_whether_that_is_all(root: Path, tmp_path: Path) -> None:
    said = run("build", "app", "--root", root, "-n", cwd=tmp_path).stderr
    assert "rule    name-service             93 bytes in 1 file\n" in said
    assert "closure /bin/app: left open by app (dlopen)\n" in said
    found = json.loads(run("build", "app", "--root", root, "-n", "--json", cwd=tmp_path).stdout)
    assert {item["rule"]: item["bytes"] for item in found["rules"]} == {"name-service": 93, "dlopen": 0}
    assert found["completeness"][0]["state"] == "open"


def test_of_a_script_it_says_so_of_what_reads_it(root: Path, tmp_path: Path) -> None:
    said = run("build", "script", "--root", root, "-n", cwd=tmp_path).stderr
    assert "closure /bin/sh: proven complete" in said


def test_an_option_that_names_nothing_is_refused(root: Path, tmp_path: Path) -> None:
    for option in ("--with", "--package"):
        done = run("build", "app", "--root", root, option, ",", "-n", cwd=tmp_path)
        assert done.returncode == 2
        assert f"error: {option}: names nothing" in done.stderr


def test_why_in_an_image_knows_what_was_said_to_rules(root: Path, tmp_path: Path) -> None:
    image = f"docker-archive:{tmp_path}/app.tar"
    run("build", "app", "--root", root, "--with", "tool", "--no-rule", "name-service", "-o", image, cwd=tmp_path)
    said = run("why", "/etc/passwd", "--in", image, cwd=tmp_path).stdout
    assert said == "/etc/passwd\n  rule users: /bin/tool imports getpwuid\n  requested\n"
    assert run("why", "/etc/nsswitch.conf", "--in", image, cwd=tmp_path).returncode == 1
