"""Opens tokens: the PKCS #11 modules that p11-kit is configured with, the system's trust among them.

Recognises: libp11-kit.so, which comes with GnuTLS.
Adds: the files in /usr/share/p11-kit/modules and /etc/pkcs11/modules, the modules that they name, and for
    p11-kit-trust.so the certificates that it reads (Fedora's GnuTLS trusts those). Debian's GnuTLS has a bundle
    compiled in, for which see the rule `certificates`; without these folders nothing is added.
Costs: nothing; with Debian's p11-kit and p11-kit-modules 253,104 bytes.
Source: pkcs11.conf(5); p11-kit p11-kit/modules.c, trust/module.c.
"""

from __future__ import annotations

from needed.closure import Reason
from needed.rules.finding import Load, Take

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "p11-kit"
FOLDERS = ("/etc/pkcs11/modules", "/usr/share/p11-kit/modules")
TRUST = ("/etc/pki/ca-trust/source", "/usr/share/pki/ca-trust-source")
MAX_FILES = 100
MAX_LINES = 200


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    for item in evidence:
        reason = Reason("rule", item.path, NAME, item.detail)
        modules: dict[str, None] = {}
        for folder in FOLDERS:
            for name in view.names(folder)[:MAX_FILES]:
                if name.endswith(".module"):
                    yield Take(f"{folder}/{name}", reason)
                    modules.update(dict.fromkeys(named(view.text(f"{folder}/{name}"))))
        for module in modules:
            path = module if module.startswith("/") else f"{item.path.rpartition('/')[0]}/pkcs11/{module}"
            if view.is_file(path):
                yield Load(path, item.path, reason)
        if any("p11-kit-trust" in module for module in modules):
            for folder in TRUST:
                for path, kind in view.tree(folder):
                    if kind != "directory":
                        yield Take(path, reason)


def named(text: str) -> Iterator[str]:
    """The modules in lines of "module: NAME"."""
    for line in text.splitlines()[:MAX_LINES]:
        key, colon, name = line.partition("#")[0].partition(":")
        if colon and key.strip() == "module" and name.strip():
            yield name.strip()
