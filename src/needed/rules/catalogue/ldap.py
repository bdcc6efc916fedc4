"""Finds LDAP's defaults: the ldap.conf that libldap reads before a program says anything.

Recognises: libldap.so, libldap-2.5.so and its kin.
Adds: /etc/ldap/ldap.conf or /etc/openldap/ldap.conf, whichever the root has. The certificates that it names are those
    of the rule `certificates`.
Costs: 334 bytes. Without it `ldapsearch ldaps://...` trusts nobody.
Source: ldap.conf(5).
"""

from __future__ import annotations

from needed.closure import Reason
from needed.rules.finding import Take

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "ldap"


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    item = evidence[0]
    path = view.first("/etc/ldap/ldap.conf", "/etc/openldap/ldap.conf")
    if path:
        yield Take(path, Reason("rule", item.path, NAME, item.detail))
