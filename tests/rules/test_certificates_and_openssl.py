"""One bundle of certificates where the library looks, and OpenSSL as its configuration has it."""

from __future__ import annotations

import pytest

from needed.closure import Closure
from needed.root import MemoryRoot, Walker
from needed.rules.catalogue.certificates import find
from needed.rules.catalogue.openssl import activated, read_configuration
from needed.rules.choices import Choices
from needed.rules.finding import Evidence, Take
from needed.rules.view import View
from tests.rules.asking import Files, ask, opened, taken, told
from tests.rules.trees import library, program

PEM = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
OURS = PEM.replace(b"AAAA", b"OURS")
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
FOLDERS = b'OPENSSLDIR: "/usr/lib/ssl"\0ENGINESDIR: "/lib64/engines-3"\0MODULESDIR: "/lib64/ossl-modules"\0'
CURL: Files = {
    "/bin/app": program(needed=("libcurl.so.4", "libc.so.6")),
    "/lib64/libcurl.so.4": library("libcurl.so.4", "SSL_CTX_load_verify_file", needed=("libssl.so.3",)),
    "/lib64/libssl.so.3": library("libssl.so.3", "X509_STORE_set_default_paths_ex", needed=("libcrypto.so.3",)),
    "/lib64/libcrypto.so.3": library("libcrypto.so.3", "dlopen") + FOLDERS,
    BUNDLE: PEM,
}
CLIENT: Files = {**CURL, "/bin/app": program("SSL_CTX_set_default_verify_paths", needed=("libssl.so.3", "libc.so.6"))}


def test_curl_gets_the_bundle_of_the_root_and_no_link() -> None:
    assert taken(ask(CURL), "certificates") == {BUNDLE: None}


def test_a_program_that_asks_openssl_gets_a_link_where_openssl_looks() -> None:
    assert taken(ask(CLIENT), "certificates") == {BUNDLE: None, "/usr/lib/ssl/cert.pem": BUNDLE}


def test_a_link_that_the_root_has_is_taken_as_it_is() -> None:
    found = ask({**CLIENT, "/usr/lib/ssl/cert.pem": f"-> {BUNDLE}"})
    assert taken(found, "certificates") == {BUNDLE: None, "/usr/lib/ssl/cert.pem": None}


def test_a_server_that_is_told_its_certificates_gets_none() -> None:
    files = {**CURL, "/bin/app": program("SSL_CTX_load_verify_locations", needed=("libssl.so.3", "libc.so.6"))}
    assert taken(ask(files), "certificates") == {}


@pytest.mark.parametrize("path", ["/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"])
def test_the_bundle_is_where_the_distribution_has_it(path: str) -> None:
    files = {**CURL, path: PEM}
    del files[BUNDLE]
    assert taken(ask(files), "certificates") == {path: None}


def test_gnutls_needs_no_link() -> None:
    files = {
        "/bin/app": program("gnutls_certificate_set_x509_system_trust", needed=("libgnutls.so.30",)),
        "/lib64/libgnutls.so.30": library("libgnutls.so.30"),
        BUNDLE: PEM,
    }
    assert taken(ask(files), "certificates") == {BUNDLE: None}


def test_without_a_bundle_in_the_root_it_is_told() -> None:
    files = {path: content for path, content in CURL.items() if path != BUNDLE}
    assert told(ask(files), "certificates") == ["the root has no bundle of certificates: every server is refused"]


def test_a_chosen_file_stands_in_the_bundles_place() -> None:
    found = ask({**CLIENT, "/ours.pem": OURS}, values=(("certificates", "/ours.pem"),))
    assert taken(found, "certificates") == {BUNDLE: OURS, "/usr/lib/ssl/cert.pem": BUNDLE}


def test_a_chosen_file_may_come_behind_the_systems() -> None:
    found = ask({**CURL, "/ours.pem": OURS}, values=(("certificates", "system,/ours.pem"),))
    assert taken(found, "certificates") == {BUNDLE: PEM + OURS}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (OURS + b"-----BEGIN PRIVATE KEY-----\n", "/x: holds a private key, and is left out"),
        (b"not PEM", "/x: no file with certificates in the root"),
    ],
)
def test_a_chosen_file_is_refused_if_it_holds_a_key_or_no_certificate(content: bytes, message: str) -> None:
    found = ask({**CURL, "/x": content}, values=(("certificates", "/x"),))
    assert taken(found, "certificates") == {}
    assert told(found, "certificates") == [message]


def test_ssl_cert_file_of_the_image_goes_before_the_bundle_for_openssl() -> None:
    found = ask({**CLIENT, "/ours.pem": OURS}, env=("SSL_CERT_FILE=/ours.pem",))
    assert taken(found, "certificates") == {"/ours.pem": None}


def test_ssl_cert_file_that_the_root_has_not_is_told() -> None:
    found = ask(CLIENT, env=("SSL_CERT_FILE=/no.pem",))
    assert told(found, "certificates") == ["SSL_CERT_FILE is /no.pem, which the root has not"]


def test_openssl_reads_its_configuration_where_libcrypto_says() -> None:
    found = ask({**CLIENT, "/usr/lib/ssl/openssl.cnf": b"", "/etc/ssl/openssl.cnf": b""})
    assert taken(found, "openssl") == {"/usr/lib/ssl/openssl.cnf": None}
    assert opened(found, "openssl") == set()


def test_a_provider_that_the_configuration_activates_is_a_plugin() -> None:
    text = b"openssl_conf = init\n[init]\nproviders = them\n[ them ] # all\nlegacy = l\ndefault = d\nfips = f\n"
    text += b"[l]\nactivate = 1\n[d]\nactivate = 1\n[f]\nmodule = /opt/fips.so\n"
    module = "/lib64/ossl-modules/legacy.so"
    files = {**CLIENT, "/usr/lib/ssl/openssl.cnf": text, module: library("legacy.so", needed=("libz.so.1",))}
    found = ask({**files, "/lib64/libz.so.1": library("libz.so.1")})
    assert opened(found, "openssl") == {module}
    assert "/lib64/libz.so.1" in {item.path for item in found.closure.objects}


def test_a_provider_and_an_engine_are_taken_by_their_names() -> None:
    plugins = {"/lib64/ossl-modules/legacy.so": library("legacy.so"), "/lib64/engines-3/padlock.so": library("x.so")}
    found = ask({**CLIENT, **plugins}, values=(("openssl", "legacy,padlock,gost"),))
    assert opened(found, "openssl") == {*plugins}
    assert told(found, "openssl") == ["the root has no provider or engine gost of OpenSSL"]


def test_what_the_configuration_includes_is_read_too_and_a_circle_ends() -> None:
    files: Files = {
        "/a/openssl.cnf": b".include /a/d\n.include = /a/policy\n.include relative\n",
        "/a/d/one.cnf": b"openssl_conf = x\n[x]\nengines = e\n[e]\npk = p\n[p]\ndynamic_path = /lib64/pk.so\n",
        "/a/d/readme": b"",
        "/a/policy": b".include /a/openssl.cnf\n",
    }
    view = View(Walker(MemoryRoot(files)), Choices(), Closure(()), lambda *_: False)
    read, sections = read_configuration(view, "/a/openssl.cnf")
    assert read == ["/a/openssl.cnf", "/a/d/one.cnf", "/a/policy"]
    assert [*activated(sections)] == ["/lib64/pk.so"]


def test_openssl_conf_of_the_image_is_read_instead() -> None:
    files = {**CLIENT, "/usr/lib/ssl/openssl.cnf": b"", "/my.cnf": b""}
    assert taken(ask(files, env=("OPENSSL_CONF=/my.cnf",)), "openssl") == {"/my.cnf": None}


def test_nss_gets_its_modules_from_its_folder_or_the_one_beside_it() -> None:
    files: Files = {
        "/bin/app": program(needed=("libnss3.so",)),
        "/lib64/libnss3.so": library("libnss3.so"),
        "/lib64/libsoftokn3.so": library("libsoftokn3.so"),
        "/lib64/libfreebl3.so": library("libfreebl3.so"),
        "/lib64/nss/libnssckbi.so": library("libnssckbi.so"),
    }
    modules = {"/lib64/libsoftokn3.so", "/lib64/libfreebl3.so", "/lib64/nss/libnssckbi.so"}
    assert opened(ask(files), "mozilla-nss") == modules
    files = {path: content for path, content in files.items() if "ckbi" not in path}
    assert told(ask(files), "mozilla-nss") == ["/lib64/libnss3.so: the root has no libnssckbi.so"]


def test_a_go_program_reads_ssl_cert_file_and_needs_the_bundle_else() -> None:
    view = View(Walker(MemoryRoot({BUNDLE: PEM, "/ours.pem": OURS})), Choices(), Closure(()), lambda *_: False)
    evidence = (Evidence("/bin/go", "is Go with certificates"),)
    assert [item.path for item in find(view, evidence) if isinstance(item, Take)] == [BUNDLE]
    view.choices = Choices(env=("SSL_CERT_FILE=/ours.pem",))
    assert [item.path for item in find(view, evidence) if isinstance(item, Take)] == ["/ours.pem"]
