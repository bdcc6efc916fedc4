"""From one source to one image index, which a registry keeps and each engine takes its own image from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.engines.conftest import GREETING, SERVER, Needed
from tests.engines.engines import Docker, Podman, Registry, run
from tests.engines.servers import answer_of

ARCHITECTURES = ("amd64", "arm64", "riscv64", "s390x")
PLATFORMS = ",".join(f"linux/{name}" for name in ARCHITECTURES)
WHERE = """
package main

import (
	"fmt"
	"runtime"
)

func main() { fmt.Println("here is " + runtime.GOARCH) }
"""
# What a program uses, and the files that come with it; every program is for a machine that this one is not.
USES = {
    "nothing": ('"os"', 'os.Stdout.WriteString("x")', set()),
    "clock": ('"fmt"; "time"', "fmt.Println(time.Now())", set()),
    "names": ('"fmt"; "net"', 'fmt.Println(net.LookupPort("tcp", "https"))', {"/etc/nsswitch.conf"}),
    "roots": ('"fmt"; "crypto/x509"', "fmt.Println(x509.SystemCertPool())", {"/etc/ssl/certs/ca-certificates.crt"}),
    "zones": (
        '"fmt"; "time"',
        'fmt.Println(time.LoadLocation("Europe/Berlin"))',
        {"/usr/share/zoneinfo/Europe/Berlin"},
    ),
    "users": ('"fmt"; "os/user"', "fmt.Println(user.Current())", {"/etc/passwd", "/etc/group"}),
    "web": (
        '"fmt"; "net/http"',
        'fmt.Println(http.Get("https://127.0.0.1:1"))',
        {"/etc/nsswitch.conf", "/etc/ssl/certs/ca-certificates.crt"},
    ),
}


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    with Registry() as served:
        yield served


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "where.go").write_text(WHERE)
    return tmp_path / "where.go"


def skopeo(*words: str | Path) -> str:
    return run("skopeo", "--insecure-policy", *words)


def test_one_source_is_verified_pushed_and_run_for_four_platforms(
    needed: Needed, docker: Docker, podman: Podman, registry: Registry, source: Path, tmp_path: Path
) -> None:
    printed = needed("build", source, "--platform", PLATFORMS, "--verify", "-o", "oci:out:v1", "-q").stdout.strip()
    for name in ARCHITECTURES:
        words = ("--platform", f"linux/{name}", "--stdout-contains", f"here is {name}")
        assert "verified: oci:out:v1" in needed("verify", "oci:out:v1", *words).stdout
    there = f"docker://{registry.host}/where:v1"
    skopeo("copy", "--all", "--dest-tls-verify=false", f"oci:{tmp_path}/out:v1", there)
    raw = skopeo("inspect", "--raw", "--tls-verify=false", there)
    assert printed == f"where@sha256:{hashlib.sha256(raw.encode()).hexdigest()}"
    for name in ARCHITECTURES:
        seen = json.loads(skopeo("inspect", "--override-arch", name, "--tls-verify=false", there))
        assert (seen["Architecture"], len(seen["Layers"])) == (name, 1)
    own = docker("version", "--format", "{{.Server.Arch}}").strip()
    docker("pull", f"{registry.host}/where:v1")
    assert docker("run", "--rm", "--network", "none", f"{registry.host}/where:v1").strip() == f"here is {own}"
    podman("pull", "--tls-verify=false", f"{registry.host}/where:v1")
    assert podman.run(f"{registry.host}/where:v1").strip() == f"here is {own}"


def test_every_tool_reads_the_layout_and_the_archive(
    needed: Needed, podman: Podman, source: Path, tmp_path: Path
) -> None:
    needed("build", source, "--platform", PLATFORMS, "-o", "oci:out:v1", "-o", "oci-archive:out.tar", "-t", "where:v1")
    for number, text in enumerate((f"oci:{tmp_path}/out:v1", f"oci-archive:{tmp_path}/out.tar")):
        listed = json.loads(skopeo("inspect", "--raw", text))["manifests"]
        assert [entry["platform"]["architecture"] for entry in listed] == list(ARCHITECTURES)
        skopeo("copy", "--all", text, f"oci:{tmp_path}/copy:{number}")
        podman("pull", text)
        podman("manifest", "create", f"list{number}")
        podman("manifest", "add", "--all", f"list{number}", text)
        listed = json.loads(podman("manifest", "inspect", f"list{number}"))["manifests"]
        assert [entry["platform"]["architecture"] for entry in listed] == list(ARCHITECTURES)
    podman("load", "-i", tmp_path / "out.tar")
    assert "here is" in podman.run("docker.io/library/where:v1")
    # umoci knows no nested index ("tag is ambiguous"); it unpacks what skopeo takes out of it.
    assert run("umoci", "ls", "--layout", tmp_path / "out").split() == ["v1"]
    skopeo("copy", "--override-arch", "s390x", f"oci:{tmp_path}/out:v1", f"oci:{tmp_path}/one:x")
    run("umoci", "unpack", "--image", f"{tmp_path}/one:x", tmp_path / "bundle")
    assert "S/390" in run("file", tmp_path / "bundle/rootfs/usr/local/bin/where")


def test_an_engine_gets_the_image_of_its_own_platform(
    needed: Needed, docker: Docker, source: Path, tmp_path: Path
) -> None:
    own = docker("version", "--format", "{{.Server.Arch}}").strip()
    words = ("build", source, "--platform", PLATFORMS, "-t", "own:1", "--load", "-o", "docker-archive:own.tar")
    told = needed(*words).stderr
    assert f"written docker-daemon:own:1  (the image for linux/{own}" in told
    assert docker("run", "--rm", "--network", "none", "own:1").strip() == f"here is {own}"
    loaded = docker("inspect", "--format", "{{.Id}}", "own:1")
    docker("rmi", "-f", "own:1")
    docker("load", "-i", tmp_path / "own.tar")
    assert docker("inspect", "--format", "{{.Id}}", "own:1") == loaded


def test_a_source_in_two_folders_is_one_digest(needed: Needed, tmp_path: Path) -> None:
    printed = set()
    for name in ("one", "a-longer-name/below"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "where.go").write_text(WHERE)
        words = ("--platform", PLATFORMS, "-q", "--no-cache", "-o", f"oci-archive:{name}.tar")
        printed.add(needed("build", tmp_path / name / "where.go", *words).stdout)
    assert len(printed) == 1
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "a-longer-name/below.tar").read_bytes()


def test_a_server_runs_from_its_source_with_one_command(needed: Needed, docker: Docker, tmp_path: Path) -> None:
    (tmp_path / "main.go").write_text(SERVER)
    words = ("build", "main.go", "-t", "web", "--expose", "8080", "--load", "--json")
    told = json.loads(needed(*words).stdout)
    [program] = told["compiled"]
    assert program["size"] <= told["bytes"] <= program["size"] * 1.01
    assert program["stripped"] and program["static"]
    size = int(docker("image", "inspect", "--format", "{{.Size}}", "web"))
    assert program["size"] <= size <= program["size"] * 1.01
    network = ("--network", "host", "-e", "PORT=18080") if docker.host_network else ("-p", "127.0.0.1:18080:8080")
    container = docker("run", "-d", *network, "web").strip()
    try:
        assert answer_of("http://127.0.0.1:18080/") == GREETING
    finally:
        docker("rm", "-f", container)


@pytest.mark.parametrize("name", USES)
def test_a_go_program_for_another_machine_brings_what_it_uses_and_no_more(
    needed: Needed, tmp_path: Path, name: str
) -> None:
    imports, body, files = USES[name]
    (tmp_path / "main.go").write_text(f"package main\n\nimport ({imports})\n\nfunc main() {{ {body} }}\n")
    words = ("build", "main.go", "--platform", "linux/arm64", "-n", "--json", "--env", "TZ=Europe/Berlin")
    found = json.loads(needed(*words).stdout)["files"]
    assert {item["path"] for item in found if item["kind"] == "file"} == {"/usr/local/bin/main", *files}
