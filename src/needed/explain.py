"""Why a path is there: the chains of reasons from it to what was asked for. Reads a Rootfs; analyses nothing anew."""

from __future__ import annotations

from needed.proof import RootfsRoot
from needed.root import Walker
from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.closure import Reason
    from needed.rootfs import Rootfs

MAX_CHAINS = 1000
MAX_PENDING = 20_000  # begun chains: where everything needs everything there are more than anybody reads


@value
class Step:
    """One link of a chain: `path` is there for `reason`, whose subject is the next step's path."""

    path: str
    reason: Reason


def find_entry(rootfs: Rootfs, name: str) -> str | None:
    """The path of the tree that `name` stands for: itself, where its links lead, or the first file of that name."""
    if name in rootfs.entries:
        return name
    if name.startswith("/"):
        found = Walker(RootfsRoot(rootfs)).find(name)
        return found.path if found and found.path != "/" else None
    return next((path for path in rootfs.entries if path.rpartition("/")[2] == name), None)


def find_chains(rootfs: Rootfs, path: str) -> Iterator[tuple[Step, ...]]:
    """Chains from the entry `path` to what was asked for, shortest first, none with a repetition; at most MAX_CHAINS.

    A folder on the way has no reason of its own: it is there for what is in it.
    """
    walker = Walker(RootfsRoot(rootfs))
    pending: list[tuple[str, tuple[Step, ...]]] = [(path, ())]
    left = MAX_CHAINS
    while pending and left:
        at, steps = pending.pop(0)
        for reason in rootfs.reasons.get(at, ()):
            chain = (*steps, Step(at, reason))
            subject = None
            if reason.subject.startswith("/"):
                found = walker.find(reason.subject)
                subject = found.path if found else None
            if subject is None:
                left -= 1
                yield chain
            elif len(pending) < MAX_PENDING and all(step.path != subject for step in chain):
                pending.append((subject, chain))
        left -= not rootfs.reasons.get(at)
