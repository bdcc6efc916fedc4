"""The plain reader of command lines answers as argparse does, or not at all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from needed.cli import _module, parser
from needed.cli.quick import read_plain
from needed.errors import UsageError

WORDS = st.sampled_from([
    "bash", "ls", "a=b", "", "-", "--", "-n", "-q", "-t", "-tx", "-nq", "-t=x", "--tag", "--tag=", "--tag=-x",
    "-o", "oci:x", "--output", "--output=tar:y", "--load", "--load=1", "--roo", "--root", "/r", "--add", "--add=/a:/b",
    "--env", "A=b", "--entrypoint", "--entrypoint= ", "--no-cache", "--json", "--tree", "--dynamic", "-h", "--help",
    "-1", "-x y", "--unknown", "--library-path", "--label=a=b", "-V",
])  # fmt: skip


def by_argparse(words: list[str]) -> dict[str, object] | None:
    """What argparse makes of `words`; None if it refuses them or prints help."""
    try:
        return vars(parser(words).parse_args(words))
    except (UsageError, SystemExit):
        return None


@settings(max_examples=2000, deadline=None)
@given(st.sampled_from(["build", "ldd", "inspect", "scan"]), st.lists(WORDS, max_size=7))
def test_what_it_understands_argparse_understands_alike(verb: str, words: list[str]) -> None:
    quick = read_plain(_module(verb).add, words)
    if quick is not None:
        assert {**vars(quick), "version": False} == by_argparse([verb, *words])


@pytest.mark.parametrize(
    "words",
    [
        "build bash ls",
        "build bash ls -o oci:x",
        "build /bin/bash /bin/ls -t ls --load",
        "build ./server -t server --expose 8080 -o oci:images:server",
        "build -q -o oci:a -o tar:b --env A=b --env=C=d --label x=y bash",
        "build curl --root /srv/debian-arm64 -o docker-archive:curl.tar",
        "build bash -n",
        "ldd /bin/ls --tree",
        "inspect --dynamic /usr/bin/git",
        "scan --root oci:image --json /usr/bin",
    ],
)
def test_it_understands_everyday_command_lines(words: str) -> None:
    verb, *rest = words.split()
    assert read_plain(_module(verb).add, rest) is not None


@pytest.mark.parametrize(
    "words", ["build", "build -h", "build bash -t", "build bash --wrong", "build a -t x b", "completion bash"]
)
def test_the_rest_is_argparses(words: str) -> None:
    verb, *rest = words.split()
    assert read_plain(_module(verb).add, rest) is None


def test_an_everyday_build_imports_no_argparse_and_nothing_else_that_is_slow(tmp_path: Path) -> None:
    code = (
        "import sys; from needed.cli import main; main(['build', 'ls', '-q', '-n']);"
        "main(['build', 'ls', '-q', '-o', 'oci:x']); print(*sys.modules, file=sys.stderr)"
    )
    result = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}; {code}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    heavy = {"argparse", "re", "enum", "json", "hashlib", "threading", "functools", "collections", "signal", "shutil"}
    assert heavy & {*result.stderr.split()} == set()

