"""`make oracle`: compares our closure with the loaders of whole foreign roots, and prints where the two differ.

The first run downloads and unpacks the roots into a cache folder; later ones take minutes. Ends with 1 on any
disagreement, with 2 where it cannot ask. As root on Debian, with qemu-user-static.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.oracle.answers import Answer
from tests.oracle.compare import Comparison, How
from tests.oracle.comparisons import KINDS, of_layouts, of_musl, of_packages
from tests.oracle.debian_root import SUITES, DebianRoot
from tests.oracle.packages import varied


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make oracle ARGS=", description=__doc__)
    parser.add_argument("--suite", action="append", choices=SUITES, help="only this suite (may be repeated)")
    parser.add_argument("--arch", action="append", help="only this architecture, by Debian's name (may be repeated)")
    parser.add_argument("--sample", type=int, default=0, metavar="N", help="only N files of each root, always the same")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="so many loaders at a time")
    parser.add_argument("--kind", action="append", choices=KINDS, help="only this kind of root (may be repeated)")
    parser.add_argument("--cache", type=Path, default=cache_folder(), metavar="DIR", help="where roots are kept")
    parser.add_argument("--json", action="store_true", help="print a JSON object for each root")
    return parser


def cache_folder() -> Path:
    above = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(above) / "needed-oracle"


def main() -> int:
    options = arguments().parse_args()
    if os.geteuid() != 0:
        print("make oracle: chroot(2) needs root", file=sys.stderr)
        return 2
    options.cache.mkdir(parents=True, exist_ok=True)
    different = 0
    try:
        for result in chosen(options):
            different += len(result.disagreements)
            print(as_json(result) if options.json else "\n".join(as_text(result)), flush=True)
    except (subprocess.CalledProcessError, FileNotFoundError, LookupError, RuntimeError) as error:
        print(f"make oracle: {error}", file=sys.stderr)
        return 2
    return 1 if different else 0


def chosen(options: argparse.Namespace) -> Iterator[Comparison]:
    """The comparisons that were asked for, one after the other."""
    kinds = options.kind or KINDS
    for suite, architectures in SUITES.items():
        for architecture in architectures:
            if suite not in (options.suite or SUITES) or architecture not in (options.arch or architectures):
                continue
            if "packages" in kinds:
                wanted = DebianRoot(suite, architecture, varied(architecture))
                yield from of_packages(wanted, options.cache, How(options.sample, options.jobs))
            if "layouts" in kinds:
                yield from of_layouts(suite, architecture, options.cache, options.jobs)
            if "musl" in kinds:
                yield from of_musl(suite, architecture, options.cache, options.jobs)


def as_text(result: Comparison) -> Iterator[str]:
    """A line for the root, then a paragraph for each disagreement."""
    yield (
        f"{result.name}: {result.executables} executables, {result.libraries} libraries ({result.missing} miss some): "
        f"{result.compared - len(result.disagreements)} agree, {len(result.disagreements)} disagree"
        + (
            f"; {result.not_asked} not asked (their loader is not in the root, or cannot run here)"
            if result.not_asked
            else ""
        )
    )
    for item in result.disagreements:
        yield f"  {item.subject.path}"
        ours, theirs = spoken(item.ours), spoken(item.theirs)
        for line in ours:
            if line not in theirs:
                yield f"    ours only    {line}"
        for line in theirs:
            if line not in ours:
                yield f"    loader only  {line}"
        if sorted(ours) == sorted(theirs):
            for place, (one, other) in enumerate(zip(ours, theirs, strict=True)):
                if one != other:
                    yield f"    order, from {place}: ours {one}, loader {other}"
                    break


def spoken(answer: Answer) -> list[str]:
    """An answer in lines."""
    lines = [*answer.objects, *(f"{name}: not found" for name in answer.missing)]
    return lines + [f"{name}: {text}" for name, text in (("fatal", answer.fatal), ("odd", answer.odd)) if text]


def as_json(result: Comparison) -> str:
    """One line of JSON."""
    return json.dumps(
        {
            "root": result.name,
            "executables": result.executables,
            "libraries": result.libraries,
            "missing": result.missing,
            "not_asked": result.not_asked,
            "disagreements": [
                {"path": item.subject.path, "ours": spoken(item.ours), "loader": spoken(item.theirs)}
                for item in result.disagreements
            ],
        }
    )


if __name__ == "__main__":
    sys.exit(main())
