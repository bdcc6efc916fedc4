"""Copies and runs container images: the policy and the registries that containers/image reads before each.

Recognises: skopeo, podman and buildah.
Adds: /etc/containers/policy.json, without which every copy ends, registries.conf and their folders. What pulls to disk
    in /var/tmp finds that folder. Credentials are secrets and never taken.
Costs: 5 kB.
Source: containers-policy.json(5), containers-registries.conf(5), containers-registries.d(5).
"""

from __future__ import annotations

from needed.closure import Reason
from needed.rules.finding import Make, Take, Tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "containers"
FOLDER = "/etc/containers"
SHARED = "/usr/share/containers"
FILES = ("policy.json", "registries.conf")
FOLDERS = ("registries.conf.d", "registries.d")


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    item = evidence[0]
    reason = Reason("rule", item.path, NAME, item.detail)
    for top in (FOLDER, SHARED):
        for path in (f"{top}/{name}" for name in FILES):
            if view.is_file(path):
                yield Take(path, reason)
        for folder in FOLDERS:
            yield from (Take(path, reason) for path, kind in view.tree(f"{top}/{folder}") if kind != "directory")
    if view.first(f"{FOLDER}/policy.json", f"{SHARED}/policy.json") is None:
        yield Tell(f"the root has no {FOLDER}/policy.json, which says what images are trusted",
                   "--add FILE:/etc/containers/policy.json, or --insecure-policy to skopeo")  # fmt: skip
    yield Make("/var/tmp", None, reason, 0o1777)  # noqa: S108  (the image's, not ours)
