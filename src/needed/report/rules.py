"""What rules added and what they could not decide, and the rules themselves: lines for people, objects for programs."""

from __future__ import annotations

from needed.rootfs import File
from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from needed.completeness import Completeness
    from needed.gather import Applied
    from needed.rootfs import Rootfs
    from needed.rules.table import Rule


@value
class About:
    """A rule's docstring: its first paragraph, and its further parts by their words ("Adds", "Costs")."""

    summary: str
    parts: tuple[tuple[str, str], ...]


MIN_COLUMN = 20  # columns that are worth wrapping to
PARTS = ("Recognises", "Adds", "Costs", "Choices", "Source")


def parse_about(text: str) -> About:
    """The parts of a rule's docstring (see `rules.catalogue`)."""
    summary, _, rest = text.strip().partition("\n\n")
    parts: dict[str, list[str]] = {}
    at: list[str] = []
    for line in rest.splitlines():
        word, colon, begin = line.partition(":")
        if colon and word in PARTS:
            at = parts.setdefault(word, [begin.strip()])
        elif line.strip():
            at.append(line.strip())
    return About(" ".join(summary.split()), tuple((word, " ".join(lines)) for word, lines in parts.items()))


def render_rule_list(summaries: Mapping[str, str], width: int = 0) -> Iterator[str]:
    """A line for each rule; with a `width`, as many as the summary takes in so many columns."""
    widest = max(map(len, summaries))
    for name, summary in summaries.items():
        yield from _wrapped(f"{name:<{widest}}  {summary}", " " * (widest + 2), width)


def render_about(name: str, about: About, width: int) -> Iterator[str]:
    """All that is said of a rule, in `width` columns."""
    yield from _wrapped(f"{name}: {about.summary}", "    ", width)
    yield ""
    for word, text in about.parts:
        yield from _wrapped(f"{word}: {text}", "    ", width)


def _wrapped(text: str, indent: str, width: int) -> list[str]:
    from textwrap import wrap

    if width <= len(indent) + MIN_COLUMN:
        return [text]
    return wrap(text, width, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False)


def described_object(rule: Rule, about: About) -> dict[str, object]:
    """A rule for `--json`."""
    calls = {key: list(getattr(rule, key)) for key in ("imports", "libraries", "programs", "abilities", "scripts")}
    parts = {word.lower(): text for word, text in about.parts}
    return {"rule": rule.name, "summary": about.summary, **parts, "called_by": {k: v for k, v in calls.items() if v}}


@value
class Share:
    """What a rule brought into a tree: regular files, and their bytes."""

    files: int
    size: int


def shares(rootfs: Rootfs) -> dict[str, Share]:
    """What each rule brought: the files whose first reason is the rule's, or leads to a file of which that is so."""
    owner: dict[str, str] = {}
    found: dict[str, Share] = {}
    for path, entry in rootfs.entries.items():
        rule = _rule_of(path, rootfs, owner)
        if rule and isinstance(entry, File):
            share = found.get(rule, Share(0, 0))
            found[rule] = Share(share.files + 1, share.size + entry.size)
    return found


def _rule_of(path: str, rootfs: Rootfs, owner: dict[str, str]) -> str:
    """The rule that `path` is there for, "" for none; `owner` remembers."""
    chain: list[str] = []
    at, rule = path, ""
    while at not in owner:
        owner[at] = ""  # a chain that comes back to itself leads nowhere
        chain.append(at)
        reasons = rootfs.reasons.get(at, ())
        if not reasons:
            break
        if reasons[0].rule:
            rule = reasons[0].rule
            break
        if reasons[0].kind in ("package", "traced"):
            rule = f"{reasons[0].kind} {reasons[0].subject}"
            break
        at = reasons[0].subject
    else:
        rule = owner[at]
    owner.update(dict.fromkeys(chain, rule))
    return rule


def render_rules(applied: Iterable[Applied], rootfs: Rootfs) -> Iterator[str]:
    """A line for each rule that brought something, and what rules tell, with what changes it."""
    brought = shares(rootfs)
    for item in applied:
        share = brought.get(item.rule)
        if share:
            yield f"rule    {item.rule:<14} {_counted(share)}"
    for name, share in brought.items():
        if name.startswith("package "):
            yield f"{name:<22} {_counted(share)}"
        elif name.startswith("traced "):
            yield f"traced  {'':<14} {_counted(share)}: {name.removeprefix('traced ')}"
    for item in applied:
        for tell in item.told:
            yield f"note    {tell.message}"
            if tell.hint:
                yield f"        {tell.hint}"


def _counted(share: Share) -> str:
    return f"{share.size:>12,} bytes in {share.files:,} file{'s' * (share.files != 1)}"


def render_completeness(found: Iterable[Completeness], requested: Iterable[str]) -> Iterator[str]:
    """A line or two for each program that was asked for: whether it can load anything else, and what would tell."""
    wanted = {*requested}
    for item in found:
        if item.program not in wanted:
            continue
        match item.state:
            case "proven":
                yield f"closure {item.program}: proven complete: it imports nothing that could load more"
            case "by rules":
                rules = ", ".join(dict.fromkeys(opening.rule for opening in item.openings))
                yield f"closure {item.program}: complete, as far as these rules go: {rules}"
            case "open":
                yield f"closure {item.program}: left open by {left_open(item)}"
                yield "        --with NAME takes along what it loads"
            case "unknown":
                yield f"closure {item.program}: static, and its headers do not say what it opens"


def left_open(item: Completeness) -> str:
    """The objects whose imports no rule accounts for, at most three."""
    asking: dict[str, list[str]] = {}
    for opening in item.openings:
        if not opening.rule:
            asking.setdefault(opening.path.rpartition("/")[2], []).append(opening.symbol)
    shown = [f"{name} ({', '.join(symbols)})" for name, symbols in [*asking.items()][:3]]
    return ", ".join(shown) + (f" and {len(asking) - 3} more" if len(asking) > 3 else "")


def completeness_object(found: Iterable[Completeness]) -> list[dict[str, object]]:
    """The same for `--json`, of every program of the closure."""
    return [
        {
            "program": item.program,
            "state": item.state,
            "openings": [{"path": one.path, "imports": one.symbol, "rule": one.rule} for one in item.openings],
        }
        for item in found
    ]


def rules_object(applied: Iterable[Applied], rootfs: Rootfs) -> list[dict[str, object]]:
    """The same for `--json`, with all evidence."""
    brought = shares(rootfs)
    return [
        {
            "rule": item.rule,
            "files": brought.get(item.rule, Share(0, 0)).files,
            "bytes": brought.get(item.rule, Share(0, 0)).size,
            "evidence": [{"path": one.path, "detail": one.detail} for one in item.evidence],
            "told": [{"message": one.message, "hint": one.hint} for one in item.told],
        }
        for item in applied
    ]
