"""Programs that live by what others wrote down: character sets, magic numbers, names, and who may do what."""

from __future__ import annotations

from pathlib import Path

from tests.engines.conftest import Needed
from tests.engines.engines import Docker, run
from tests.engines.jobs import build
from tests.oracle.debian_root import DebianRoot, make_root

MECHANISMS = """
int sasl_client_init(const void *callbacks);
const char **sasl_global_listmech(void);
int puts(const char *text);

int main(void) {
    if (sasl_client_init(0)) return 1;
    for (const char **name = sasl_global_listmech(); name && *name; name++) puts(*name);
    return 0;
}
"""
NSS = """
int NSS_NoDB_Init(const char *folder);
int main(void) { return NSS_NoDB_Init(".") != 0; }
"""
GREETING = "你好\n"


def test_iconv_converts_any_character_set(docker: Docker, needed: Needed, tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(GREETING.encode("gbk"))
    job = build(docker, needed, "iconv", "iconv", "--add", f"{tmp_path / 'text'}:/text")
    assert job.work("-f", "GBK", "-t", "UTF-8", "/text").stdout == GREETING
    assert "--rule iconv=GBK,EUC-JP takes just these" in job.report


def test_iconv_converts_between_the_sets_that_were_chosen(docker: Docker, needed: Needed) -> None:
    job = build(docker, needed, "iconv-some", "iconv", "--rule", "iconv=EUC-CN,latin1,EUC-JP,utf-16")
    assert job.work("-f", "UTF-8", "-t", "EUC-CN", stdin="a").stdout == "a"
    assert job.work("-f", "UTF-16LE", "-t", "EUC-JP", stdin="a\0").stdout == "a"
    assert job.work("-f", "ISO-8859-1", "-t", "ASCII", stdin="a").stdout == "a"
    assert "failed to start conversion" in job.work("-f", "GBK", stdin="a", ok=False).said
    assert job.size < 2_900_000


def test_without_iconv_only_what_libc_has_built_in_is_converted(docker: Docker, needed: Needed) -> None:
    job = build(docker, needed, "iconv-without", "iconv", "--no-rule", "iconv")
    assert job.work("-f", "UTF-8", "-t", "ASCII", stdin="a").stdout == "a"
    assert "conversion" in job.work("-f", "GBK", "-t", "UTF-8", stdin="a", ok=False).said


def test_file_tells_what_a_file_is(docker: Docker, needed: Needed) -> None:
    job = build(docker, needed, "file", "file")
    assert "ELF 64-bit LSB" in job.work("-L", "/usr/bin/file").stdout
    job = build(docker, needed, "file-without", "file", "--no-rule", "magic")
    assert "could not find any valid magic files" in job.work("/usr/bin/file", ok=False).said


def test_getent_knows_users_and_hosts(docker: Docker, needed: Needed) -> None:
    job = build(docker, needed, "getent", "getent")
    names = [line.split(":")[0] for line in job.work("passwd").stdout.splitlines()]
    assert names == ["root", "nonroot", "nobody"]
    hosts = job.work("hosts", "here.test", options=("--add-host", "here.test:127.0.0.9", "--network", "host"))
    assert hosts.stdout.split() == ["127.0.0.9", "here.test"]
    job = build(docker, needed, "getent-without", "getent", "--no-rule", "users")
    assert job.work("passwd").stdout == ""


def test_su_asks_pam(docker: Docker, needed: Needed) -> None:
    """Nobody but root may use a su without its setuid bit, which no image of ours has."""
    words = ("su", "nobody", "-s", "/usr/bin/id")
    job = build(docker, needed, "su", "su", "id")
    assert "uid=65534(nobody)" in job.work(*words, options=("--user", "0:0")).stdout
    job = build(docker, needed, "su-without", "su", "id", "--no-rule", "pam")
    assert "Critical error - immediate abort" in job.work(*words, options=("--user", "0:0"), ok=False).said


def test_a_program_with_sasl_has_the_mechanisms(docker: Docker, needed: Needed, tmp_path: Path) -> None:
    (tmp_path / "mechanisms.c").write_text(MECHANISMS)
    run("gcc", "-o", tmp_path / "mechanisms", tmp_path / "mechanisms.c", "-l:libsasl2.so.2")
    job = build(docker, needed, "sasl", tmp_path / "mechanisms")
    assert {"PLAIN", "LOGIN", "SCRAM-SHA-256"} <= {*job.work().stdout.split()}
    job = build(docker, needed, "sasl-without", tmp_path / "mechanisms", "--no-rule", "sasl")
    assert job.work().stdout == "EXTERNAL\n"


def test_p11_kit_lists_its_modules(docker: Docker, needed: Needed, tmp_path: Path) -> None:
    root = make_root(DebianRoot("bookworm", "amd64", ("libc6", "p11-kit", "p11-kit-modules")), tmp_path)
    job = build(docker, needed, "p11-kit", "p11-kit", "--root", root)
    assert "library-description: PKCS#11 Kit Trust Module" in job.work("list-modules").stdout
    job = build(docker, needed, "p11-kit-without", "p11-kit", "--root", root, "--no-rule", "p11-kit")
    assert job.work("list-modules").stdout == ""


def test_a_program_with_nss_has_its_modules(docker: Docker, needed: Needed, tmp_path: Path) -> None:
    (tmp_path / "nss.c").write_text(NSS)
    run("gcc", "-o", tmp_path / "nss", tmp_path / "nss.c", "-l:libnss3.so")
    assert build(docker, needed, "nss", tmp_path / "nss").work().status == 0
    job = build(docker, needed, "nss-without", tmp_path / "nss", "--no-rule", "mozilla-nss")
    assert job.work(ok=False).status == 1
