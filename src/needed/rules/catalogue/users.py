"""Knows its users: a minimal passwd and group with root, nobody and the image's user, who gets a home.

Recognises: an object other than the C library's own that imports getpwnam, getpwuid, getgrnam or one of their kin; a
    Go program with os/user.
Adds: generated /etc/passwd and /etc/group, never the root's, which holds its users; a user of the image that the root
    knows keeps the name and home that it has there, any other is called `nonroot`. The shell is bash or sh if the
    image holds one, else nologin. The home is an empty folder of the user's. No password fits: it is "*", for an "x"
    would send PAM to /etc/shadow, which is not there.
Costs: 300 bytes.
Choices: `--rule users=NAME,NAME` adds users of the root, with their groups.
Source: passwd(5), group(5); glibc's built-in order is "files" (nss/nsswitch.c).
"""

from __future__ import annotations

from needed.closure import Reason
from needed.rules.finding import Make, Tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "users"
MAX_USERS = 10_000


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    item = evidence[0]
    reason = Reason("rule", item.path, NAME, item.detail)
    shell = _shell(view)
    known, groups = _lines(view, "/etc/passwd", 7), _lines(view, "/etc/group", 4)
    user, group = view.choices.user
    passwd = {0: ("root", 0, "/root"), 65534: ("nobody", 65534, "/nonexistent")}
    group_names = {0: "root", 65534: "nogroup"}
    theirs = known.get(str(user))
    if user not in passwd:
        passwd[user] = (theirs[0], group, theirs[5]) if theirs else ("nonroot", group, "/home/nonroot")
    for name in filter(None, (view.choices.value(NAME) or "").split(",")):
        named = next((fields for fields in known.values() if fields[0] == name), None)
        if named is None:
            yield Tell(f"the root has no user {name}", f"--rule {NAME}=NAME of a user in its /etc/passwd")
        else:
            passwd[int(named[2])] = (named[0], int(named[3]), named[5])
    for _, gid, _ in passwd.values():
        own = groups.get(str(gid))
        group_names.setdefault(gid, own[0] if own else passwd.get(gid, ("nonroot", 0, ""))[0])
    lines = [
        f"{name}:*:{uid}:{gid}:{name}:{home}:{shell if uid in (0, user) else '/usr/sbin/nologin'}\n"
        for uid, (name, gid, home) in sorted(passwd.items())
    ]
    yield Make("/etc/passwd", "".join(lines).encode("utf-8", "surrogateescape"), reason)
    lines = [f"{name}:*:{gid}:\n" for gid, name in sorted(group_names.items())]
    yield Make("/etc/group", "".join(lines).encode("utf-8", "surrogateescape"), reason)
    home = passwd[user][2]
    if home.startswith("/") and home != "/nonexistent" and ".." not in home.split("/"):
        yield Make(home.rstrip("/") or "/", None, reason, 0o700, (user, group))


def _shell(view: View) -> str:
    """The shell that the image holds."""
    held = {program.path.rpartition("/")[2]: program.path for program in view.closure.programs}
    return held.get("bash") or held.get("sh") or held.get("dash") or "/usr/sbin/nologin"


def _lines(view: View, path: str, fields: int) -> dict[str, list[str]]:
    """The well-formed lines by their number, the first of each."""
    found: dict[str, list[str]] = {}
    for line in view.text(path).splitlines()[:MAX_USERS]:
        parts = line.split(":")
        if len(parts) == fields and parts[2].isascii() and parts[2].isdigit() and len(parts[2]) < 10:
            if fields == 7 and not (parts[3].isascii() and parts[3].isdigit() and len(parts[3]) < 10):
                continue
            found.setdefault(parts[2], parts)
    return found
