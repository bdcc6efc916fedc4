"""Pages over TLS: whom a program trusts, where it finds the server, and what each rule has to do with it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.engines.conftest import NEEDED, Needed
from tests.engines.engines import Docker, run
from tests.engines.jobs import Job, build
from tests.engines.servers import HOST, PAGE, TlsServer, name_server, tls_server
from tests.oracle.debian_root import DebianRoot, make_root

BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
BY_HOSTS = ("--network", "host", "--add-host", f"{HOST}:127.0.0.1")
CURL_FLOOR = 19_340_000  # bytes of the best peer's image of curl and its certificates

GO_CLIENT = """
package main

import (
	"crypto/tls"
	"fmt"
	"os"
)

func main() {
	connection, err := tls.Dial("tcp", os.Args[1], nil)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(connection.ConnectionState().ServerName)
}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsServer]:
    with tls_server(tmp_path_factory.mktemp("tls")) as running:
        yield running


@pytest.fixture(scope="module")
def by_dns(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ...]]:
    """Options of docker run with which names come from a DNS server that knows HOST alone."""
    with name_server(tmp_path_factory.mktemp("dns")) as configuration:
        yield ("--network", "host", "-v", f"{configuration}:/etc/resolv.conf:ro")


def build_where_the_system_trusts(server: TlsServer, docker: Docker, folder: Path, program: str) -> Job:
    """`needed build PROGRAM` on a machine whose bundle ends in the server's CA: a mount that only the build sees."""
    bundle = folder / "bundle"
    bundle.write_bytes(Path(BUNDLE).read_bytes() + server.ca.read_bytes())
    image = f"trusts-{program}"
    command = f'mount --bind "{bundle}" {BUNDLE} && exec "$@"'
    wanted = [NEEDED, "build", program, "-t", image, "-o", f"docker-daemon:{image}:latest"]
    result = subprocess.run(
        ["unshare", "--mount", "sh", "-c", command, "sh", *map(str, wanted)],
        capture_output=True, text=True, env=docker.environment, timeout=120, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return Job(docker, f"{image}:latest", result.stderr)


def test_curl_trusts_whom_the_system_trusts_by_hosts_and_by_dns(
    docker: Docker, tmp_path: Path, server: TlsServer, by_dns: tuple[str, ...]
) -> None:
    job = build_where_the_system_trusts(server, docker, tmp_path, "curl")
    assert job.work("-sS", server.url, options=BY_HOSTS).stdout == PAGE
    assert job.work("-sS", server.url, options=by_dns).stdout == PAGE
    assert job.size < CURL_FLOOR * 1.02
    assert "note" not in job.report


def test_wget_trusts_whom_the_system_trusts_by_hosts_and_by_dns(
    docker: Docker, tmp_path: Path, server: TlsServer, by_dns: tuple[str, ...]
) -> None:
    job = build_where_the_system_trusts(server, docker, tmp_path, "wget")
    assert job.work("-qO-", server.url, options=BY_HOSTS).stdout == PAGE
    assert job.work("-qO-", server.url, options=by_dns).stdout == PAGE


def test_curl_trusts_a_ca_of_ones_own_in_the_bundles_place(docker: Docker, needed: Needed, server: TlsServer) -> None:
    job = build(docker, needed, "curl-own", "curl", "--rule", f"certificates={server.ca}")
    assert job.work("-sS", server.url, options=BY_HOSTS).stdout == PAGE


def test_curl_trusts_a_ca_that_was_added_and_named(docker: Docker, needed: Needed, server: TlsServer) -> None:
    job = build(docker, needed, "curl-cacert", "curl", "--add", f"{server.ca}:/ca.pem", "--no-rule", "certificates")
    assert job.work("-sS", "--cacert", "/ca.pem", server.url, options=BY_HOSTS).stdout == PAGE


def test_curl_trusts_ssl_cert_file_of_the_image(docker: Docker, needed: Needed, server: TlsServer) -> None:
    job = build(docker, needed, "curl-env", "curl", "--env", f"SSL_CERT_FILE={server.ca}")
    assert job.work("-sS", server.url, options=BY_HOSTS).stdout == PAGE


def test_a_bare_program_of_openssl_trusts_the_one_bundle(docker: Docker, needed: Needed, server: TlsServer) -> None:
    job = build(docker, needed, "s-client", "openssl", "--rule", f"certificates={server.ca}")
    connect = ("s_client", "-brief", "-verify_return_error", "-connect", f"{HOST}:{server.port}")
    assert "Verification: OK" in job.work(*connect, options=BY_HOSTS).said


def test_python_trusts_the_one_bundle(docker: Docker, needed: Needed, server: TlsServer) -> None:
    fetch = "import sys, urllib.request; print(end=urllib.request.urlopen(sys.argv[1]).read().decode())"
    job = build(docker, needed, "python-tls", "python3", "--rule", f"certificates={server.ca}")
    assert job.work("-c", fetch, server.url, options=BY_HOSTS).stdout == PAGE


def test_go_trusts_the_one_bundle(
    docker: Docker, needed: Needed, server: TlsServer, tmp_path: Path, static_server: Path
) -> None:
    (tmp_path / "main.go").write_text(GO_CLIENT)
    (tmp_path / "go.mod").write_text("module example.org/client\n\ngo 1.21\n")
    cache = static_server.parent / "cache"  # which holds crypto/tls already
    options = {"GOCACHE": str(cache), "GOPATH": f"{tmp_path}/path", "GOPROXY": "off", "GOTOOLCHAIN": "local"}
    go = Path(sys.executable).with_name("go")
    command = (go, "build", "-trimpath", "-o", "client", ".")
    run(*command, env={**os.environ, **options, "CGO_ENABLED": "0"}, cwd=tmp_path)
    address = f"{HOST}:{server.port}"
    job = build(docker, needed, "go-tls", tmp_path / "client", "--rule", f"certificates={server.ca}")
    assert job.work(address, options=BY_HOSTS).stdout == f"{HOST}\n"
    job = build(docker, needed, "go-tls-without", tmp_path / "client", "--no-rule", "certificates")
    assert "certificate signed by unknown authority" in job.work(address, options=BY_HOSTS, ok=False).said


def test_without_certificates_nobody_is_trusted(docker: Docker, needed: Needed, server: TlsServer) -> None:
    said = {}
    for program, words in (("curl", ["-sS"]), ("wget", ["-O-"])):
        job = build(docker, needed, f"{program}-without", program, "--no-rule", "certificates")
        said[program] = job.work(*words, server.url, options=BY_HOSTS, ok=False).said
    assert f"error setting certificate file: {BUNDLE}" in said["curl"]
    assert "doesn't have a known issuer" in said["wget"]


def test_hosts_goes_before_a_name_server_that_denies_the_name(
    docker: Docker, needed: Needed, server: TlsServer, by_dns: tuple[str, ...]
) -> None:
    words = ("-sS", "-k", f"https://only-in-hosts.test:{server.port}/")
    options = (*by_dns, "--add-host", "only-in-hosts.test:127.0.0.1")
    job = build(docker, needed, "curl-hosts", "curl", "--no-rule", "certificates")
    assert job.work(*words, options=options).stdout == PAGE


def test_a_glibc_before_2_34_needs_its_modules_for_names(
    docker: Docker, needed: Needed, tmp_path: Path, by_dns: tuple[str, ...]
) -> None:
    root = make_root(DebianRoot("bullseye", "amd64", ("libc6", "libc-bin")), tmp_path)
    options = (*by_dns, "--add-host", "only-in-hosts.test:127.0.0.9")
    job = build(docker, needed, "old-getent", "getent", "--root", root)
    assert job.work("hosts", "only-in-hosts.test", options=options).stdout.split()[0] == "127.0.0.9"
    assert job.work("ahostsv4", HOST, options=options).stdout.split()[0] == "127.0.0.1"
    job = build(docker, needed, "old-getent-without", "getent", "--root", root, "--no-rule", "name-service")
    assert job.work("hosts", "only-in-hosts.test", options=options, ok=False).status == 2
    assert job.work("ahostsv4", HOST, options=options, ok=False).status == 2


def test_openssl_makes_a_certificate_with_its_configuration(docker: Docker, needed: Needed) -> None:
    words = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "-", "-subj", "/CN=x")
    job = build(docker, needed, "req", "openssl")
    assert "BEGIN CERTIFICATE" in job.work(*words).stdout
    job = build(docker, needed, "req-without", "openssl", "--no-rule", "openssl")
    assert 'Can\'t open "/usr/lib/ssl/openssl.cnf"' in job.work(*words, ok=False).said


def test_openssl_has_the_legacy_provider_if_it_was_chosen(docker: Docker, needed: Needed) -> None:
    words = ("list", "-providers", "-provider", "legacy")
    job = build(docker, needed, "legacy", "openssl", "--rule", "openssl=legacy")
    assert "OpenSSL Legacy Provider" in job.work(*words).stdout
    job = build(docker, needed, "legacy-without", "openssl")
    assert "unable to load provider legacy" in job.work(*words, ok=False).said


@pytest.fixture(scope="module")
def directory_root(tmp_path_factory: pytest.TempPathFactory, server: TlsServer) -> Path:
    """Clients of Kerberos and LDAP in a root that is configured for both, and trusts the server."""
    wanted = DebianRoot("bookworm", "amd64", ("libc6", "krb5-user", "ldap-utils"))
    root = make_root(wanted, tmp_path_factory.mktemp("directory"))
    files = {
        "etc/krb5.conf": "[libdefaults]\ndefault_realm = EXAMPLE.TEST\ndns_lookup_kdc = false\n",
        "etc/ldap/ldap.conf": f"URI ldaps://{HOST}:{server.port}\nTLS_CACERT {BUNDLE}\n",
        BUNDLE[1:]: server.ca.read_text(),
    }
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)
    return root


def test_kinit_knows_its_realm(docker: Docker, needed: Needed, directory_root: Path) -> None:
    job = build(docker, needed, "kinit", "kinit", "--root", directory_root)
    assert 'Cannot find KDC for realm "EXAMPLE.TEST"' in job.work("somebody", ok=False).said
    job = build(docker, needed, "kinit-without", "kinit", "--root", directory_root, "--no-rule", "kerberos")
    assert "Configuration file does not specify default realm" in job.work("somebody", ok=False).said


def test_ldapsearch_knows_its_server(docker: Docker, needed: Needed, directory_root: Path) -> None:
    job = build(docker, needed, "ldapsearch", "ldapsearch", "--root", directory_root)
    asked = job.work("-x", "-d", "1", options=BY_HOSTS, ok=False).said
    assert f"ldap_connect_to_host: TCP {HOST}" in asked
    assert "ldap_result" in asked  # it waits for the answer of a server that it trusts
    root = ("ldapsearch", "--root", directory_root)
    job = build(docker, needed, "ldapsearch-trusts", *root, "--no-rule", "certificates")
    said = job.work("-x", "-d", "1", options=BY_HOSTS, ok=False).said
    assert "Error while reading file" in said
    assert "ldap_result" not in said
    job = build(docker, needed, "ldapsearch-without", *root, "--no-rule", "ldap")
    assert HOST not in job.work("-x", "-d", "1", options=BY_HOSTS, ok=False).said
