"""Names of hosts: which C library needs which modules for them."""

from __future__ import annotations

import pytest

from tests.rules.asking import Files, ask, opened, taken, told
from tests.rules.trees import LIBC, library, program

APP: Files = {"/bin/app": program("getaddrinfo")}
# What glibc before 2.34 has, and the empty ones of later releases.
OLD: Files = {f"/lib64/libnss_{name}.so.2": library(f"libnss_{name}.so.2") + bytes(30_000) for name in ("files", "dns")}
EMPTY: Files = {path: library(path.rpartition("/")[2]) for path in OLD}


def test_a_glibc_before_2_34_gets_its_modules() -> None:
    assert opened(ask({**APP, **OLD}), "name-service") == {*OLD}


def test_a_later_one_has_them_built_in() -> None:
    found = ask({**APP, **EMPTY})
    assert opened(found, "name-service") == set()
    assert taken(found, "name-service").keys() == {"/etc/nsswitch.conf"}


def test_files_are_asked_before_dns() -> None:
    content = taken(ask(APP), "name-service")["/etc/nsswitch.conf"]
    assert isinstance(content, bytes)
    assert b"hosts: files dns\n" in content


def test_the_roots_own_configuration_brings_every_module_that_it_names() -> None:
    files = {
        "/etc/nsswitch.conf": b"hosts: files mymachines [!UNAVAIL=return] dns # x\npasswd: sss\n",
        "/lib64/libnss_mymachines.so.2": library("libnss_mymachines.so.2"),
    }
    found = ask({**APP, **files}, values=(("name-service", "root"),))
    assert opened(found, "name-service") == {"/lib64/libnss_mymachines.so.2"}
    assert taken(found, "name-service") == {"/etc/nsswitch.conf": None}
    assert told(found, "name-service") == ["/etc/nsswitch.conf of the root names sss, whose module is not there"]


@pytest.mark.parametrize("symbol", ["gethostbyname", "getaddrinfo"])
def test_musl_reads_no_nsswitch_conf(symbol: str) -> None:
    musl = "libc.musl-x86_64.so.1"
    loader = "/lib/ld-musl-x86_64.so.1"
    app = program(symbol, needed=(musl,)).replace(b"/lib64/ld-linux-x86-64.so.2", loader.encode().ljust(27, b"\0"))
    files: Files = {
        "/bin/app": app,
        loader: library(musl, needed=()),
        f"/lib/{musl}": f"-> {loader}",
        LIBC: b"",
    }
    found = ask(files)
    assert (taken(found, "name-service"), opened(found, "name-service")) == ({}, set())
