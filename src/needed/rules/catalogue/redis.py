"""Keeps a Redis: the folder for its data.

Recognises: a program redis-server, redis-sentinel, valkey-server or keydb-server.
Adds: an empty /var/lib/redis (valkey, keydb) that is the image's user's, for `--dir /var/lib/redis`; without a word
    about it, data is kept where Redis starts. It needs no configuration, and that of a distribution is for a service
    with users of its own and may hold passwords: it stays out. A module that it is told to load comes by --with.
Costs: nothing.
Source: https://redis.io/docs/latest/operate/oss_and_stack/management/config/; redis.conf, "dir".
"""

from __future__ import annotations

from needed.closure import Reason
from needed.rules.finding import Make, Tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "redis"


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    for item in evidence:
        reason = Reason("rule", item.path, NAME, item.detail)
        kind = item.path.rpartition("/")[2].partition("-")[0]
        folder = f"/var/lib/{kind}"
        yield Make(folder, None, reason, 0o700, view.choices.user)
        configuration = f"/etc/{kind}/{kind}.conf"
        if view.is_file(configuration):
            yield Tell(
                f"{configuration} is the machine's own, and is left out: without one, data is kept where Redis starts",
                f"docker run IMAGE --dir {folder}",
            )
