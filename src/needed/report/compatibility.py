"""What `needed check` says: for people, and as an object."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.compatibility import Compatibility

_HEADINGS = {
    "permission": "not executable",
    "machine": "wrong machine",
    "interpreter": "interpreter missing",
    "library": "library missing",
    "version": "version missing",
    "symbol": "symbol missing",
}


def render_compatibility(answer: Compatibility, target: str) -> Iterator[str]:
    """One line if it starts; else that it does not, what is wrong, and what would make it work, each thing once."""
    if answer.starts:
        if answer.linkage in ("static", "static-pie"):
            yield f"{answer.program}: starts in {target}: it is static and needs nothing there"
        else:
            yield f"{answer.program}: starts in {target}"
        return
    yield f"{answer.program}: does not start in {target}"
    for finding in answer.findings:
        yield f"  {_HEADINGS[finding.kind]}: {finding.message}"
    for hint in dict.fromkeys(hint for finding in answer.findings for hint in finding.hints):
        yield f"  hint: {hint}"


def compatibility_object(answer: Compatibility, target: str) -> dict[str, object]:
    """The same for `--json`."""
    return {
        "program": answer.program,
        "against": target,
        "starts": answer.starts,
        "linkage": answer.linkage,
        "machine": answer.machine,
        "findings": [
            {"kind": one.kind, "subject": one.subject, "message": one.message, "hints": list(one.hints)}
            for one in answer.findings
        ],
        "loaders": [
            {
                "path": loader.path,
                "machine": loader.machine.name,
                "libc": loader.libc,
                "version": ".".join(map(str, loader.version)) or None,
            }
            for loader in answer.loaders
        ],
    }
