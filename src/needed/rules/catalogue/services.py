"""Knows the names of ports and protocols: /etc/services and /etc/protocols.

Recognises: an object other than the C library's own that imports getservbyname, getprotobyname or one of their kin.
Adds: /etc/protocols, and /etc/services, from the root if they are there.
Costs: 16,000 bytes. getaddrinfo(3) with a port's number needs neither, and does not call the rule.
Source: services(5), protocols(5).
"""

from __future__ import annotations

from needed.closure import Reason
from needed.rules.finding import Take

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "services"


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    for item in evidence:
        reason = Reason("rule", item.path, NAME, item.detail)
        protocols, services = "getproto" in item.detail, "getserv" in item.detail
        for path, wanted in (("/etc/protocols", protocols), ("/etc/services", services)):
            if view.is_file(path) and (wanted or "more" in item.detail):
                yield Take(path, reason)
