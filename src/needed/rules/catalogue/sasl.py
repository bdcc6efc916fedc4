"""Logs in by SASL: the plugins of Cyrus SASL, which libsasl2 loads from a folder.

Recognises: an object that imports sasl_client_init or sasl_server_init. libldap does too, for a bind that curl and
    clients of databases never make: with it alone nothing is added.
Adds: a plugin for each mechanism that needs nothing of its own (PLAIN, LOGIN, CRAM-MD5, DIGEST-MD5, SCRAM, NTLM,
    ANONYMOUS) from the sasl2 folder beside the library, and the configuration files in /etc/sasl2 and /usr/lib/sasl2.
Costs: 221,896 bytes, and libcrypto.so.3, 4,734,232, where the program has it not by itself.
Choices: `--rule sasl=plain,scram` takes just these, by the names of their files (libplain.so, libscram.so), for
    libldap too; so are sasldb (with Berkeley DB, 1.9 MB) and gssapiv2 taken. `--rule sasl=all` takes every one.
Source: Cyrus SASL lib/dlopen.c: every file of the folder that ends in .so is loaded.
"""

from __future__ import annotations

from needed.closure import Reason
from needed.rules.finding import Load, Take, Tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "sasl"
PLAIN = ("plain", "login", "crammd5", "digestmd5", "scram", "ntlm", "anonymous")
MAX_FILES = 200
CONFIGURATIONS = ("/etc/sasl2", "/usr/lib/sasl2")


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    library = view.object("libsasl2.so")
    if library is None:
        return
    chosen = [name for name in (view.choices.value(NAME) or "").split(",") if name]
    folder = f"{library.path.rpartition('/')[0]}/sasl2"
    names = [name for name in view.names(folder) if name.startswith("lib") and name.endswith(".so")]
    there = {name[3:-3]: f"{folder}/{name}" for name in names[:MAX_FILES]}
    for item in evidence:
        if "libldap" in item.path and not chosen:
            continue
        reason = Reason("rule", item.path, NAME, item.detail)
        for name in there if "all" in chosen else chosen or [name for name in PLAIN if name in there]:
            if name in there:
                yield Load(there[name], library.path, reason)
            else:
                yield Tell(f"{folder} has no plugin lib{name}.so", f"--rule sasl={','.join(there)}")
        for place in CONFIGURATIONS:
            for name in view.names(place)[:MAX_FILES]:
                if name.endswith(".conf"):
                    yield Take(f"{place}/{name}", reason)
