"""Looks names of hosts up: a `nsswitch.conf` that says "files, then DNS", and the modules for it.

Recognises: an object other than the C library's own that imports getaddrinfo, gethostbyname or one of their kin; a Go
    program with its resolver.
Adds: a generated /etc/nsswitch.conf, since without one glibc before 2.35 asks DNS before /etc/hosts; from glibc
    before 2.34 also libnss_files and libnss_dns, which are built into libc.so.6 since. /etc/hosts and
    /etc/resolv.conf are each container's own, and the engine's to write. musl reads no nsswitch.conf and gets none.
Costs: 93 bytes; 78,741 with the modules of Debian 11.
Choices: `--rule name-service=root` takes the root's own nsswitch.conf and every module that it names.
Source: nsswitch.conf(5), nss(5); glibc nss/nsswitch.c and its NEWS for 2.34.
"""

from __future__ import annotations

from needed.closure import Reason
from needed.rules.finding import Load, Make, Take, Tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "name-service"
PATH = "/etc/nsswitch.conf"
CONTENT = b"passwd: files\ngroup: files\nhosts: files dns\nnetworks: files\nservices: files\nprotocols: files\n"
BUILT_IN = frozenset({"files", "dns"})


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    for item in evidence:
        reason = Reason("rule", item.path, NAME, item.detail)
        libc = view.object("libc.so.6")
        if libc is None and view.object("ld-musl-") is not None:
            return
        wanted = ["files", "dns"]
        if view.choices.value(NAME) == "root" and view.is_file(PATH):
            yield Take(PATH, reason)
            wanted = [*parse_services(view.text(PATH))]
        else:
            yield Make(PATH, CONTENT, reason)
        if libc is None:
            return
        folder = view.libc_folder()
        for name in wanted:
            module = f"{folder}/libnss_{name}.so.2"
            if name in BUILT_IN and view.size(module) < 20_000:  # since 2.34 an empty library, for old static programs
                continue
            if view.is_file(module):
                yield Load(module.rpartition("/")[2], item.path, reason)
            elif view.choices.value(NAME) == "root":
                yield Tell(f"{PATH} of the root names {name}, whose module is not there")
        return


def parse_services(text: str) -> Iterator[str]:
    """The services that an nsswitch.conf names, each once."""
    seen: set[str] = set()
    for line in text.splitlines():
        _, _, services = line.partition("#")[0].partition(":")
        bracket = False
        for word in services.split():
            bracket = bracket or word.startswith("[")
            if not bracket and word not in seen:
                seen.add(word)
                yield word
            bracket = bracket and not word.endswith("]")
