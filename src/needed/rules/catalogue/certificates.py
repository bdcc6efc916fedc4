"""Trusts what the system trusts: the one bundle of CA certificates, where the program's TLS library looks for it.

Recognises: libcurl; an object that asks OpenSSL or GnuTLS for the system's certificates (imports
    SSL_CTX_set_default_verify_paths, gnutls_certificate_set_x509_system_trust or one of their kin), which a server
    that is told its files does not; the LDAP tools; a Go program with crypto/x509, unless it is a server of net/http
    that keeps it in vain.
Adds: the bundle of the root at its own path, with each link to it, and for OpenSSL also OPENSSLDIR/cert.pem, a link
    to the bundle if the root has none. One file is enough: the folder of hashed links beside it, 280 more, is not
    needed. Where the image's environment has SSL_CERT_FILE, that file, for OpenSSL and Go in its place.
Costs: 219,597 bytes.
Choices: `--rule certificates=FILE` takes that file of the root in the bundle's place, and `--rule
    certificates=system,FILE` the bundle with that file at its end; a file of another place comes by `--add`.
Source: SSL_CTX_load_verify_locations(3ssl), curl's CURL_CA_BUNDLE, Go crypto/x509/root_linux.go, whose order it is.
"""

from __future__ import annotations

from needed.closure import Reason
from needed.rules.catalogue.openssl import compiled_in
from needed.rules.finding import Link, Make, Take, Tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "certificates"
BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Arch, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora
    "/etc/ssl/ca-bundle.pem",  # openSUSE
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # RHEL 7
    "/etc/ssl/cert.pem",
)
SYSTEM = "system"


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    bundle = view.first(*BUNDLES)
    chosen = view.choices.value(NAME)
    named = view.choices.variable("SSL_CERT_FILE")
    library = view.object("libcrypto.so")
    folder = ""
    for item in evidence:
        if item.path.rpartition("/")[2].startswith("libssl.so"):  # it only offers to look for them
            continue
        reason = Reason("rule", item.path, NAME, item.detail)
        openssl = item.detail.startswith(("imports SSL_", "imports X509_"))
        if named and not chosen:
            if view.is_file(named):
                yield Take(named, reason)
            else:
                yield Tell(f"SSL_CERT_FILE is {named}, which the root has not", f"--add FILE:{named}")
            if openssl or _is_go(item):  # libcurl and GnuTLS do not read it
                continue
        if chosen:
            content, problems = combined(view, chosen, bundle)
            yield from problems
            if not content:
                continue
            bundle = bundle or BUNDLES[0]
            yield Make(bundle, content, reason)
        elif bundle:
            yield Take(bundle, reason)
        else:
            hint = "install ca-certificates in the root, or name a file of it with --rule certificates=FILE"
            yield Tell("the root has no bundle of certificates: every server is refused", hint)
            continue
        if openssl and library:
            folder = folder or compiled_in(view, library.path).get("OPENSSLDIR", bundle.rpartition("/")[0])
            yield from _for_openssl(view, bundle, f"{folder}/cert.pem", reason, made=bool(chosen))


def _is_go(item: Evidence) -> bool:
    """Whether the rule is called for an ability, not for an import or a name."""
    return item.detail != "" and not item.detail.startswith("imports ")


def _for_openssl(view: View, bundle: str, path: str, reason: Reason, *, made: bool) -> Iterator[Finding]:
    """`path` is OPENSSLDIR/cert.pem, which is tried before OPENSSLDIR/certs."""
    if path == bundle:
        return
    if view.is_file(path) and not made:
        yield Take(path, reason)
    else:
        yield Link(path, bundle, reason)


def combined(view: View, chosen: str, bundle: str | None) -> tuple[bytes, list[Tell]]:
    """The files in `chosen`, one behind the other, and what is wrong with them."""
    content, problems = b"", []
    for path in filter(None, chosen.split(",")):
        text = view.read((bundle or BUNDLES[0]) if path == SYSTEM else path)
        if b"-----BEGIN " not in text or b"CERTIFICATE-----" not in text:
            problems.append(Tell(f"{path}: no file with certificates in the root", f"--rule {NAME}=FILE in PEM form"))
        elif b"PRIVATE KEY-----" in text:
            problems.append(Tell(f"{path}: holds a private key, and is left out", "name one with certificates alone"))
        else:
            content += text if text.endswith(b"\n") else text + b"\n"
    return content, problems
