"""What a scan of a root found: for people by what is missing, and one object for each file."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from needed.scan import Dependent, Group, Problem, Scanned, Tally

SHOWN = 3  # names of one line; --json has them all


def render_group(group: Group) -> str:
    """One line: what is wrong, where it is instead, and who needs it."""
    problem = group.problem
    if problem.kind in ("damaged", "unreadable"):
        return f"{problem.subject}: {problem.message}"
    where = f" (it is at {_listed(group.places)})" if group.places else ""
    role = "the interpreter of" if problem.kind == "interpreter" else "needed by"
    through = f"; {group.files} files load {'it' if len(group.askers) == 1 else 'these'}"
    return (
        f"{problem.subject} {problem.message}{where}: {role} {_listed(group.askers)}"
        f"{through if group.files > len(group.askers) else ''}"
    )


def render_summary(tally: Tally, seconds: float) -> str:
    """The last line."""
    kinds = tally.kinds
    counted = (
        (kinds.get("program", 0), "programs", "program"),
        (kinds.get("library", 0), "libraries", "library"),
        (kinds.get("other", 0), "others", "other"),
    )
    parts = ", ".join(f"{number:,} {one if number == 1 else many}" for number, many, one in counted)
    unread = f", {kinds['unreadable']:,} cannot be read" if kinds.get("unreadable") else ""
    files = f"{tally.files:,} ELF file{'s' * (tally.files != 1)}: {parts}"
    return f"{files}; {tally.broken:,} broken, {tally.noted:,} with notes{unread}; {seconds:.1f} s"


def render_dependent(dependent: Dependent) -> str:
    """A file that loads the library that was asked about, and how it comes to."""
    lost = ", which is not found" if dependent.found is None else ""
    return dependent.path + lost if dependent.direct else f"{dependent.path} (through {dependent.through}){lost}"


def scanned_object(scanned: Scanned) -> dict[str, object]:
    """One file for `--json`: `needed` are its own DT_NEEDED, `missing` what it or a library that it loads lacks."""
    elf, load_list = scanned.elf, scanned.load_list
    described: dict[str, object] = {
        "path": scanned.path,
        "links": list(scanned.links),
        "kind": scanned.kind,
        "machine": scanned.machine.name if scanned.machine else None,
        "linkage": elf.linkage if elf else None,
        "soname": elf.soname if elf else None,
        "interpreter": elf.interpreter if elf else None,
        "needed": [],
        "missing": [],
        "version_problems": [],
        "broken": scanned.broken,
        "problems": [_problem(one) for one in scanned.problems],
    }
    if load_list is not None and elf is not None:
        found = {need.name: need.path for need in load_list.needs if need.needed_by == scanned.path}
        described["needed"] = [{"name": name, "path": found.get(name)} for name in elf.needed]
        described["missing"] = list(dict.fromkeys(need.name for need in load_list.missing))
        described["version_problems"] = [
            {"version": one.version, "path": one.path, "needed_by": one.needed_by, "kind": one.kind}
            for one in load_list.version_problems
        ]
    return described


def summary_object(tally: Tally, seconds: float) -> dict[str, object]:
    """The last object of `--json`."""
    kinds = {kind: tally.kinds.get(kind, 0) for kind in ("program", "library", "other", "damaged", "unreadable")}
    numbers = {"files": tally.files, "kinds": kinds, "broken": tally.broken, "with_notes": tally.noted}
    return {"summary": numbers | {"seconds": round(seconds, 3)}}


def dependent_object(dependent: Dependent) -> dict[str, object]:
    """One file for `--needs --json`."""
    through = None if dependent.direct else dependent.through
    return {"path": dependent.path, "direct": dependent.direct, "through": through, "found": dependent.found}


def _problem(problem: Problem) -> dict[str, object]:
    return {
        "kind": problem.kind,
        "broken": problem.broken,
        "subject": problem.subject,
        "message": problem.message,
        "needed_by": problem.needed_by,
        "places": list(problem.places),
    }


def _listed(names: Sequence[str]) -> str:
    if len(names) <= SHOWN:
        return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
    return f"{', '.join(names[: SHOWN - 1])} and {len(names) - SHOWN + 1:,} more"


def render_groups(tally: Tally) -> Iterator[tuple[str, str]]:
    """("broken" or "note", line) of each group."""
    for group in tally.groups():
        yield "broken" if group.problem.broken else "note", render_group(group)
