"""What is built loads and runs in Docker and Podman, and holds what the program needs and nothing else."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import tarfile
import time
import urllib.request
from io import BytesIO
from pathlib import Path

from tests.engines.conftest import GREETING, Needed
from tests.engines.engines import Docker, Podman, run

OVERHEAD = 64 * 1024  # passwd, group and what else a root file system is expected to have


def files_in(docker: Docker, image: str) -> dict[str, int]:
    """The regular files and links of an image as the engine stores it, by the tar of `docker save`."""
    archive = subprocess.run(
        ["docker", "--host", docker.host, "save", image], capture_output=True, timeout=120, check=True
    ).stdout
    found: dict[str, int] = {}
    with tarfile.open(fileobj=BytesIO(archive)) as saved:
        manifest = saved.extractfile("manifest.json")
        assert manifest is not None
        for layer in json.load(manifest)[0]["Layers"]:
            blob = saved.extractfile(layer)
            assert blob is not None
            with tarfile.open(fileobj=BytesIO(blob.read())) as tree:
                found |= {member.name: member.size for member in tree if not member.isdir()}
    return found


def mapped_by_the_loader(*programs: str) -> int:
    """The bytes of the programs, their loader and all libraries that the real loader maps for them."""
    loader = "/lib64/ld-linux-x86-64.so.2"
    if not Path(loader).exists():
        loader = str(next(Path("/lib").glob("ld-linux*")))
    paths = {Path(loader).resolve(), *(Path(program).resolve() for program in programs)}
    for program in programs:
        listing = run(loader, "--list", program)
        paths |= {Path(path).resolve() for path in re.findall(r"=> (/\S+)", listing)}
    return sum(path.stat().st_size for path in paths)


def compressed_size(layout: Path) -> int:
    def blob(digest: str) -> bytes:
        return (layout / "blobs" / digest.replace(":", "/")).read_bytes()

    index = json.loads((layout / "index.json").read_bytes())
    manifest = json.loads(blob(index["manifests"][0]["digest"]))
    return sum(int(layer["size"]) for layer in manifest["layers"])


def get(url: str) -> str:
    deadline = time.monotonic() + 20
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return str(answer.read().decode())
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def log_of(docker: Docker, container: str) -> str:
    """All that a container said: Go logs to standard error."""
    logs = ["docker", "--host", docker.host, "logs", container]
    return subprocess.run(logs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True).stdout


def greeting_of(docker: Docker, image: str) -> tuple[str, str]:
    """What a server in a detached container answers over HTTP, and its log."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    publish = ["--network", "host"] if docker.host_network else ["-p", f"127.0.0.1:{port}:{port}"]
    container = docker("run", "-d", *publish, "-e", f"PORT={port}", image).strip()
    try:
        try:
            answer = get(f"http://127.0.0.1:{port}/")
        except OSError as error:
            raise AssertionError(f"{error}: {log_of(docker, container)}") from None
        return answer, log_of(docker, container)
    finally:
        docker("rm", "-f", container)


def test_bash_and_ls_make_an_image_with_both_and_nothing_else_to_run(needed: Needed, docker: Docker) -> None:
    needed("build", "/bin/bash", "/bin/ls", "-t", "ls", "--load")
    script = subprocess.run(
        ["docker", "--host", docker.host, "run", "--rm", "ls", "bash", "-c", "ls -al /bin; ls -al /bin/; env"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    # Where /bin is a link outside it is one inside, and `ls -al` shows a link as itself; with a slash, what is behind.
    if Path("/bin").is_symlink():
        assert re.search(r"^lrwxrwxrwx .* /bin -> usr/bin$", script.stdout, re.MULTILINE), script
    assert re.search(r"^-rwxr-xr-x .* bash$", script.stdout, re.MULTILINE), script
    assert re.search(r"^-rwxr-xr-x .* ls$", script.stdout, re.MULTILINE), script
    assert "env: command not found" in script.stderr
    assert script.returncode == 127
    assert "bin" in docker("run", "--rm", "ls", "ls", "-al")


def test_an_image_is_no_larger_than_what_the_real_loader_maps(needed: Needed, docker: Docker) -> None:
    needed("build", "/bin/bash", "/bin/ls", "-t", "small", "--load")
    limit = mapped_by_the_loader("/bin/bash", "/bin/ls") + OVERHEAD
    assert sum(files_in(docker, "small").values()) <= limit
    assert int(docker("inspect", "--format", "{{.Size}}", "small")) <= limit


def test_a_layer_is_smaller_than_gzip_9_makes_the_same_tree(needed: Needed, tmp_path: Path) -> None:
    needed("build", "/bin/bash", "/bin/ls", "-t", "x", "-o", "oci:layout")
    needed("build", "/bin/bash", "/bin/ls", "-t", "x", "-o", "dir:tree")
    tar = ["tar", "--sort=name", "--numeric-owner", "-C", str(tmp_path / "tree"), "-c", "."]
    plain = subprocess.run(tar, capture_output=True, timeout=60, check=True).stdout
    gzipped = subprocess.run(["gzip", "-9"], input=plain, capture_output=True, timeout=60, check=True).stdout
    assert compressed_size(tmp_path / "layout") < len(gzipped)


def test_a_static_go_server_answers_from_an_image_without_libraries(
    needed: Needed, docker: Docker, static_server: Path
) -> None:
    needed("build", static_server, "-t", "hello-static", "--load", "--expose", "8080")
    answer, log = greeting_of(docker, "hello-static")
    assert answer == GREETING
    assert "listening on" in log
    assert not [name for name in files_in(docker, "hello-static") if ".so" in name]


def test_a_cgo_server_brings_its_libraries_and_answers(needed: Needed, docker: Docker, cgo_server: Path) -> None:
    needed("build", cgo_server, "-t", "hello-cgo", "--load")
    assert "libc.so.6" in " ".join(files_in(docker, "hello-cgo"))
    answer, log = greeting_of(docker, "hello-cgo")
    assert answer == GREETING
    assert "listening on" in log


def test_an_empty_image_loads_and_has_no_file(
    needed: Needed, docker: Docker, podman: Podman, tmp_path: Path
) -> None:
    needed("build", "--empty", "-t", "empty")
    docker("load", "-i", tmp_path / "empty.tar")
    assert files_in(docker, "empty") == {}
    assert docker("inspect", "--format", "{{.Size}}", "empty").strip() == "0"
    podman("load", "-i", tmp_path / "empty.tar")
    mounted = Path(podman("image", "mount", "empty").strip())
    assert list(mounted.rglob("*")) == []
    podman("image", "unmount", "empty")


def test_a_musl_program_runs_without_glibc_in_the_image(needed: Needed, docker: Docker, musl_hello: Path) -> None:
    needed("build", musl_hello, "-t", "hello-musl", "--load")
    assert docker("run", "--rm", "hello-musl") == "hello from musl\n"
    files = " ".join(files_in(docker, "hello-musl"))
    assert "ld-musl" in files
    assert "libc.so.6" not in files
    assert "ld-linux" not in files


def test_podman_runs_what_docker_runs(needed: Needed, docker: Docker, podman: Podman, tmp_path: Path) -> None:
    needed("build", "/bin/bash", "/bin/ls", "-t", "both")
    podman("load", "-i", tmp_path / "both.tar")
    docker("load", "-i", tmp_path / "both.tar")
    # Not of /, where each engine makes folders of its own.
    assert podman.run("both", "ls", "/bin") == docker("run", "--rm", "both", "ls", "/bin")


def test_podman_and_docker_run_zstd(needed: Needed, docker: Docker, podman: Podman, tmp_path: Path) -> None:
    needed("build", "/bin/bash", "/bin/ls", "-t", "zstd", "--compression", "zstd:19")
    archive = tmp_path / "zstd.tar"
    media_types = run("skopeo", "inspect", "--raw", f"oci-archive:{archive}")
    assert "application/vnd.oci.image.layer.v1.tar+zstd" in media_types
    podman("load", "-i", archive)
    docker("load", "-i", archive)
    expected = "bash\nls\n"
    assert podman.run("zstd", "ls", "/bin") == docker("run", "--rm", "zstd", "ls", "/bin") == expected
