"""What `needed why` says: chains of reasons, for people and as an object."""

from __future__ import annotations

from needed.rootfs import Directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.explain import Step
    from needed.rootfs import Rootfs


def render_chains(path: str, chains: list[tuple[Step, ...]], *, everything: bool) -> Iterator[str]:
    """The path, and under it reason after reason up to what was asked for; the shortest chain, or all."""
    yield path
    shown = chains if everything else chains[:1]
    for number, chain in enumerate(shown):
        if number:
            yield "or"
        for step in chain:
            yield f"  {step.reason}"
    if len(chains) > len(shown):
        yield f"and {len(chains) - len(shown)} more: --all"


def render_folder(path: str, rootfs: Rootfs) -> Iterator[str]:
    """A folder that is there for what is in it."""
    yield path
    inside = [one for one, entry in rootfs.entries.items() if one.startswith(f"{path}/") and rootfs.reasons[one]]
    held = [one for one in inside if not isinstance(rootfs.entries[one], Directory)]
    for one in held[:5]:
        yield f"  folder of {one}"
    if len(held) > 5:
        yield f"  and {len(held) - 5} more"


def chains_object(path: str, chains: list[tuple[Step, ...]]) -> dict[str, object]:
    """The same for `--json`."""
    def step_object(step: Step) -> dict[str, object]:
        return {"path": step.path, "reason": {"kind": step.reason.kind, "subject": step.reason.subject}}

    return {"path": path, "chains": [list(map(step_object, chain)) for chain in chains]}
