"""Speaks Kerberos: krb5.conf, the mechanisms of GSS-API, and the plugins of a root that is configured for it.

Recognises: libkrb5.so, libgssapi_krb5.so.
Adds: /etc/krb5.conf with what it includes, and the mechanisms that /etc/gss/mech.d names. Where the root has a
    krb5.conf, or the program is one of Kerberos' own, also the plugins below the library's krb5/plugins. A root
    without it, where the library only came along with curl or a client of a database, gets nothing, and needs
    nothing.
Costs: nothing; with a krb5.conf its size and 85,592 bytes of plugins.
Choices: `--rule kerberos=plugins` takes the plugins in any case.
Source: krb5.conf(5); MIT Kerberos doc/plugindev, lib/gssapi/mechglue/g_initialize.c.
"""

from __future__ import annotations

from needed.closure import Reason
from needed.rules.finding import Load, Take

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "kerberos"
CONFIGURATION = "/etc/krb5.conf"
MECHANISMS = "/etc/gss/mech.d"
MAX_FILES = 100
MAX_LINES = 2000


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    for item in evidence:
        reason = Reason("rule", item.path, NAME, item.detail)
        for path in configuration(view):
            yield Take(path, reason)
        if "gssapi" in item.path:
            for name in view.names(MECHANISMS)[:MAX_FILES]:
                if name.endswith(".conf"):
                    yield Take(f"{MECHANISMS}/{name}", reason)
                    for module in parse_mechanisms(view.text(f"{MECHANISMS}/{name}")):
                        yield Load(module, item.path, reason)
        elif "libkrb5.so" in item.path and _is_used(view):
            folder = f"{item.path.rpartition('/')[0]}/krb5/plugins"
            for path, kind in view.tree(folder):
                if kind != "directory" and path.endswith(".so"):
                    yield Load(path, item.path, reason)


def _is_used(view: View) -> bool:
    if view.choices.value(NAME) == "plugins" or view.is_file(CONFIGURATION):
        return True
    own = ("kinit", "klist", "kvno", "kadmin", "kdestroy", "krb5kdc", "kadmind", "kpasswd")
    return any(program.path.rpartition("/")[2] in own for program in view.closure.programs)


def configuration(view: View) -> list[str]:
    """krb5.conf, and the files that its lines `include FILE` and `includedir FOLDER` name, however nested."""
    files: list[str] = []
    pending = [CONFIGURATION]
    while pending and len(files) < MAX_FILES:
        path = pending.pop(0)
        if path in files or not view.is_file(path):
            continue
        files.append(path)
        for line in view.text(path).splitlines()[:MAX_LINES]:
            word, _, named = line.strip().partition(" ")
            named = named.strip()
            if not named.startswith("/") or len(pending) > MAX_FILES:
                continue
            if word == "include":
                pending.append(named)
            elif word == "includedir":
                pending += [f"{named.rstrip('/')}/{name}" for name in view.names(named)[:MAX_FILES]]
    return files


def parse_mechanisms(text: str) -> Iterator[str]:
    """The modules in lines of "NAME OID MODULE [options]"."""
    for line in text.splitlines()[:MAX_LINES]:
        words = line.partition("#")[0].split()
        if len(words) >= 3:
            yield words[2]
