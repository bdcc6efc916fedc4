"""Opens tokens: the PKCS #11 modules that p11-kit is configured with, the system's trust among them.

Recognises: libp11-kit.so, which comes with GnuTLS.
Adds: the files in /usr/share/p11-kit/modules and /etc/pkcs11/modules, the modules that they name, and for
    p11-kit-trust.so the certificates that it reads. That module is left out where GnuTLS has the path of a bundle
    compiled in (Debian's, not Fedora's), for which see the rule `certificates`, unless the program is p11-kit or
    trust.
Costs: nothing; 254,006 bytes for `p11-kit` of Debian's p11-kit and p11-kit-modules.
Source: pkcs11.conf(5); p11-kit p11-kit/modules.c, trust/module.c.
"""

from __future__ import annotations

from needed.closure import Reason
from needed.rules.catalogue.certificates import BUNDLES
from needed.rules.finding import Load, Take

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "p11-kit"
FOLDERS = ("/etc/pkcs11/modules", "/usr/share/p11-kit/modules")
TRUST = ("/etc/pki/ca-trust/source", "/usr/share/pki/ca-trust-source")
TRUST_MODULE = "p11-kit-trust"
MAX_FILES = 100
MAX_LINES = 200
MAX_LIBRARY = 16 << 20  # bytes; libgnutls.so.30 has 2.2 MB


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    for item in evidence:
        reason = Reason("rule", item.path, NAME, item.detail)
        modules: dict[str, str] = {}
        for folder in FOLDERS:
            for name in view.names(folder)[:MAX_FILES]:
                if name.endswith(".module"):
                    modules |= dict.fromkeys(named(view.text(f"{folder}/{name}")), f"{folder}/{name}")
        if _has_a_bundle(view):
            modules = {module: file for module, file in modules.items() if TRUST_MODULE not in module}
        for module, file in modules.items():
            yield Take(file, reason)
            path = module if module.startswith("/") else f"{item.path.rpartition('/')[0]}/pkcs11/{module}"
            if view.is_file(path):
                yield Load(path, item.path, reason)
        if any(TRUST_MODULE in module for module in modules):
            for folder in TRUST:
                for path, kind in view.tree(folder):
                    if kind != "directory":
                        yield Take(path, reason)


def _has_a_bundle(view: View) -> bool:
    """Whether GnuTLS asks no module for the certificates of the system, and nobody else does."""
    if any(program.path.rpartition("/")[2] in ("p11-kit", "trust") for program in view.closure.programs):
        return False
    library = view.object("libgnutls.so")
    content = view.read(library.path, MAX_LIBRARY) if library else b""
    return any(b"\0" + path.encode() + b"\0" in content for path in BUNDLES)


def named(text: str) -> Iterator[str]:
    """The modules in lines of "module: NAME"."""
    for line in text.splitlines()[:MAX_LINES]:
        key, colon, name = line.partition("#")[0].partition(":")
        if colon and key.strip() == "module" and name.strip():
            yield name.strip()
