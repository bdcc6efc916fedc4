"""Our closure against the real loader's, for every dynamic program of this machine.

The test runs `ld.so --list`; the product never does.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from needed.errors import SourceError
from needed.loader import Resolver
from needed.root import DirectoryRoot


def elf_programs(folder: str) -> list[Path]:
    found = []
    for path in sorted(Path(folder).iterdir()):
        if path.is_file():
            with path.open("rb") as file:
                if file.read(4) == b"\x7fELF":
                    found.append(path)
    return found


def listed_by(interpreter: str, path: Path) -> list[str]:
    # The real path, since until glibc 2.42 `--list` takes $ORIGIN from the path given (BZ 25263) where execve does not.
    run = subprocess.run([interpreter, "--list", str(path.resolve())], capture_output=True, text=True, check=False)
    found = []
    for line in run.stdout.splitlines():
        words = line.split()
        if words != ["statically", "linked"] and "vdso" not in words[0]:
            found.append("not found" if "not found" in line else words[2] if "=>" in line else words[0])
    return found


@pytest.mark.parametrize("folder", ["/usr/bin", "/usr/sbin"])
def test_the_closure_is_the_one_that_the_loader_maps_in_its_order(folder: str) -> None:
    resolver, compared, different = Resolver(DirectoryRoot("/")), 0, []
    for path in elf_programs(folder):
        try:
            mapped = resolver.load_list(resolver.find_program(str(path)))
        except SourceError:
            continue
        if mapped.interpreter is None or "ld-musl" in mapped.interpreter.path:
            continue
        ours = [item.path for item in mapped.objects[1:]] + ["not found" for _ in mapped.missing]
        theirs = listed_by(mapped.interpreter.path, path)
        compared += 1
        if not mapped.missing and ours != theirs:
            different.append((str(path), ours, theirs))
        if mapped.missing and sorted(ours) != sorted(theirs):
            different.append((str(path), ours, theirs))
    assert different == []
    assert compared > 20
