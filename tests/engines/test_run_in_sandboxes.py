"""The same image says the same in every sandbox, as it is run without privilege and told nothing but one command."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.engines.conftest import NEEDED
from tests.engines.engines import Docker, Podman
from tests.images import D, F, Layout, S, tar

SANDBOXES = ("unshare", "bubblewrap", "docker", "podman")
SAYS = """
echo "$$ $UID $A $HOSTNAME $PWD"; cat; cat /proc/self/status | while read -r name value; do
case $name in Cap*|NoNewPrivs:) echo "$name $value";; esac; done; echo no > /bin/x; echo "wrote: $?"; exit 7
"""
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run_in(docker: Docker, podman: Podman, tmp_path: Path) -> Run:
    """`needed run` with the tests' own engines."""
    script = tmp_path / "bin/podman"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec /usr/bin/podman {" ".join(podman.options)} "$@"\n')
    script.chmod(0o755)
    env = {**docker.environment, "PATH": f"{script.parent}:{os.environ['PATH']}"}

    def call(*words: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
        command = [str(NEEDED), "run", *map(str, words)]
        return subprocess.run(command, input=stdin, env=env, capture_output=True, text=True, timeout=90, check=False)

    return call


def test_the_same_command_says_the_same_in_each_sandbox(
    run_in: Run, docker: Docker, podman: Podman, tmp_path: Path
) -> None:
    image = f"oci:{tmp_path}/image:x"
    subprocess.run([str(NEEDED), "build", "bash", "cat", "-q", "-o", image], check=True)
    words = (image, "-i", "-e", "A=1=2", "--", "bash", "-c", SAYS)
    done = {name: run_in("--sandbox", name, *words, stdin="typed\n") for name in SANDBOXES}
    outcomes = {(result.returncode, result.stdout) for result in done.values()}
    assert len(outcomes) == 1, done
    assert next(iter(outcomes))[0] == 7
    assert "NoNewPrivs: 1\n" in next(iter(outcomes))[1]
    for engine in (docker, podman):
        assert "needed-run-" not in engine("ps", "--all") + engine("images")


def test_n09_no_label_of_an_image_reaches_an_engine(run_in: Run, docker: Docker, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    subprocess.run([str(NEEDED), "build", "sleep", "-q", "-o", f"dir:{tree}"], check=True)
    found_there = [(str(path.relative_to(tree)), path) for path in sorted(tree.rglob("*"))]
    links = [S(name, str(path.readlink())) for name, path in found_there if path.is_symlink()]
    files = [(name, path) for name, path in found_there if path.is_file() and not path.is_symlink()]
    members = [*links, *(F(name, path.read_bytes(), path.stat().st_mode & 0o777) for name, path in files)]

    def labelled(config: dict[str, object]) -> None:
        config["config"] = {
            "Entrypoint": ["/usr/bin/sleep", "30"], "Labels": {"run.oci.hooks.stdin": "x", "org.x": "y"},
            "Healthcheck": {"Test": ["CMD", "x"]}, "Volumes": {"/v": {}},
        }  # fmt: skip

    made = Layout(tmp_path / "layout")
    text = made.index(made.image(tar(D("tmp"), *members), config=labelled))
    env = docker.environment
    with subprocess.Popen([str(NEEDED), "run", "--sandbox", "docker", text], env=env) as process:
        deadline = time.monotonic() + 30
        while not (number := docker("ps", "--quiet", "--filter", "name=needed-run-").strip()):
            assert time.monotonic() < deadline
        found = json.loads(docker("inspect", number))[0]
        process.terminate()
        assert process.wait(60) == 143
    assert found["Config"]["Labels"] in (None, {})
    assert found["Config"].get("Healthcheck") is None
    assert not found["Config"]["Volumes"]
    assert found["HostConfig"]["NetworkMode"] == "none"


def test_where_nothing_works_every_reason_is_said(tmp_path: Path) -> None:
    image = f"oci:{tmp_path}/image:x"
    subprocess.run([str(NEEDED), "build", "bash", "-q", "-o", image], check=True)
    command = [str(NEEDED), "run", image, "--", "bash", "-c", "echo ran"]
    # In a name space of users that may make no further ones.
    inside = [
        "unshare",
        "--user",
        "--map-root-user",
        "sh",
        "-c",
        'echo 0 >/proc/sys/user/max_user_namespaces; exec "$@"',
        "sh",
    ]
    env = {**os.environ, "PATH": "/nowhere"}
    unshare = "/usr/bin/unshare"
    inside = [unshare, *inside[1:3], "/bin/sh", *inside[4:]]
    done = subprocess.run([*inside, *command], env=env, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (10, "")
    for name in SANDBOXES:
        assert f"  {name}: " in done.stderr


def arm64_program() -> bytes:
    """A static program of arm64 that writes a line and ends with 4."""
    words = (0xD2800020, 0x100000E1, 0xD2800002 | 6 << 5, 0xD2800808, 0xD4000001, 0xD2800080, 0xD2800BA8, 0xD4000001)
    code = b"".join(word.to_bytes(4, "little") for word in words) + b"hello\n"
    start = 0x400000
    header = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\0\xb7\0\x01\0\0\0" + (start + 120).to_bytes(8, "little")
    header += (64).to_bytes(8, "little") + bytes(12) + b"\x40\0\x38\0\x01\0\x40\0\0\0\0\0"
    segment = b"\x01\0\0\0\x05\0\0\0" + bytes(8) + start.to_bytes(8, "little") * 2
    size = (120 + len(code)).to_bytes(8, "little")
    return header + segment + size * 2 + (0x1000).to_bytes(8, "little") + code


@pytest.mark.parametrize("name", ["unshare", "bubblewrap"])
def test_a_program_of_another_machine_runs_through_qemu(name: str, run_in: Run, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "hello").write_bytes(arm64_program())
    (tree / "hello").chmod(0o755)
    done = run_in("--sandbox", name, tree, "--", "/hello")
    assert (done.returncode, done.stdout) == (4, "hello\n"), done.stderr
