"""Trees that nobody thought of: our load list against that of a real start, in the sandbox of the loaders' cases.

The trees come from numbers, so each run has the same ones. Filters are left out: glibc's trace of some never ends.
"""

from __future__ import annotations

import os
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.loader import sandbox
from tests.loader.case import LOADERS, Case
from tests.loader.test_cases import VDSO, ask_us, environment_of, our_lines, without_loader

TREES = 25
NAMES = [f"lib{letter}.so" for letter in "pqrstuvw"]
FOLDERS = ["/app/1", "/app/2", "/app/3", "/lib", "/usr/lib", "/opt"]
ELEMENTS = [*FOLDERS, "$ORIGIN", "${ORIGIN}/../2", "/app/1/", "/nowhere", "$ORIGINX", "/app/$LIB"]


def random_object(random: Random) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for tag in random.choice([("rpath",), ("runpath",), ("rpath", "runpath"), (), ()]):
        facts[tag] = ":".join(random.choices(ELEMENTS, k=random.randint(0, 3)))
    if random.random() < 0.8:
        wanted = random.choices(NAMES, k=random.randint(1, 3))
        facts["needed"] = [f"{random.choice(FOLDERS)}/{name}" if random.random() < 0.02 else name for name in wanted]
    if random.random() < 0.03:
        facts["nodeflib"] = True
    return facts


def random_facts(random: Random, libc: str) -> dict[str, Any]:
    """What a `.toml` of a case would say."""
    library = {}
    for name in NAMES:
        # one where a search ends, so that many a program starts
        for folder in dict.fromkeys([random.choice(["/lib", "/usr/lib"]), *random.sample(FOLDERS, 2)]):
            library[f"{folder}/{name}"] = random_object(random)
            if random.random() < 0.15:
                library[f"{folder}/{name}"]["soname"] = random.choice([*NAMES, ""])
            if libc == "glibc" and random.random() < 0.06:
                library[f"{folder}/{name}"]["flaw"] = "for arm64"
    program = random_object(random)
    program["needed"] = random.sample(NAMES, 3)
    free = [f"{folder}/{name}" for folder in FOLDERS for name in NAMES if f"{folder}/{name}" not in library]
    hard, soft = random.sample(free, 2)
    facts: dict[str, Any] = {"rule": "", "source": "", "expect": "", "program": program, "library": library}
    facts["hard_links"] = {hard: random.choice(list(library))}
    facts["links"] = {soft: os.path.relpath(random.choice(list(library)), os.path.dirname(soft))}
    if random.random() < 0.3:
        facts["library_path"] = ":".join(random.sample(FOLDERS, 2))
    if libc == "glibc" and random.random() < 0.3:
        facts["text"] = {"/etc/ld.so.preload": " ".join(random.choices([*NAMES, *library], k=2))}
    if libc == "glibc" and random.random() < 0.5:
        paths = {path.rpartition("/")[2]: path for path in random.sample(list(library), 4)}
        entries = [f"{name} => {path}" for name, path in sorted(paths.items(), reverse=True)]
        facts["cache"] = {"format": random.choice(["new", "compat", "old"]), "entries": entries}
    return facts


@pytest.mark.parametrize("libc", LOADERS)
@pytest.mark.parametrize("number", range(TREES))
def test_a_random_tree_starts_or_fails_as_we_say(libc: str, number: int, tmp_path: Path) -> None:
    if not os.path.exists(LOADERS[libc]) or not sandbox.works(tmp_path):
        assert "CI" not in os.environ
        pytest.skip(f"{LOADERS[libc]} cannot be asked here")
    case = Case(libc, f"tree {number}", random_facts(Random(number), libc))
    case.make(tmp_path)
    mapped = ask_us(tmp_path, case)
    run = sandbox.run_in(tmp_path, [case.start], environment_of(case))
    if mapped.missing:
        assert run.returncode == 127
        assert mapped.missing[0].name in run.stderr
    else:
        assert run.returncode == 0, run.stderr
        paths = [line for line in run.stdout.splitlines()[1:] if line not in ("", VDSO)]
        assert without_loader(case, paths) == our_lines(case, mapped)
