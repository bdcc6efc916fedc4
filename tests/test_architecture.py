"""The shape of the source: who may import whom, how long a file may be, what an import may cost."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"
PACKAGE = SOURCE / "needed"
FILES = sorted(PACKAGE.rglob("*.py"))

# Left to right; a room imports only rooms to its left, and not the ones on its own step.
ORDER = """
value errors < elf · root < closure · languages < loader · rules · packages · startable < gather < rootfs < proof
< explain · completeness · compatibility · notes · request · scan < image < source < output < verify · toolchain
< advice < report < pipeline < fit < cli
"""
STEPS = [step.replace("·", " ").split() for step in ORDER.split("<")]
LEVEL = {room: level for level, step in enumerate(STEPS) for room in step}
# The public face names everything, the version knows nothing.
EXEMPT = {"needed", "version", "__main__"}


def room_of(path: Path) -> str:
    """The first name under src/needed: "root" of root.py, "elf" of elf/parse.py."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return "needed" if parts[0] == "__init__" else parts[0]


def imports_of(path: Path) -> Iterator[tuple[str, str, int]]:
    """(room, name, line) of each import from the project, wherever in the file it stands."""
    tree = ast.parse(path.read_bytes())
    package = ["needed", *path.relative_to(PACKAGE).parent.parts]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules = [(alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            modules = [(module, alias.name) for alias in node.names]
        else:
            continue
        for module, name in modules:
            first, *rest = module.split(".")
            if first != "needed":
                continue
            # `from needed import elf` is the room elf; any other name is the public face.
            inside = [*rest, name] if not rest and name in LEVEL | dict.fromkeys(EXEMPT, 0) else rest
            yield inside[0] if inside else "needed", name, node.lineno


def may_import(importer: str, imported: str) -> bool:
    if imported in (importer, "version") or importer in EXEMPT:
        return True
    if imported == "needed":
        return False
    if imported == "value":
        return True
    return LEVEL[imported] < LEVEL[importer]


def test_every_module_has_a_room_in_the_order() -> None:
    assert {room_of(path) for path in FILES} <= LEVEL.keys() | EXEMPT


def test_imports_go_only_towards_the_left() -> None:
    wrong = [
        f"{path.relative_to(SOURCE)}:{line}: {room_of(path)} imports {imported} ({name})"
        for path in FILES
        for imported, name, line in imports_of(path)
        if not may_import(room_of(path), imported)
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("importer", "imported", "allowed"),
    [("image", "closure", True), ("closure", "image", False), ("elf", "root", False), ("rules", "loader", False),
     ("root", "value", True), ("cli", "needed", False), ("errors", "elf", False), ("output", "output", True)],
)  # fmt: skip
def test_the_rule_tells_allowed_from_forbidden(importer: str, imported: str, *, allowed: bool) -> None:
    assert may_import(importer, imported) is allowed


def test_a_file_has_at_most_600_lines() -> None:
    lengths = {str(path.relative_to(SOURCE)): len(path.read_bytes().splitlines()) for path in FILES}
    assert {path: length for path, length in lengths.items() if length > 600} == {}


def test_no_module_is_a_bag() -> None:
    bags = {"utils", "util", "helpers", "misc", "common"}
    assert [str(path) for path in FILES if bags & {*path.relative_to(PACKAGE).with_suffix("").parts}] == []


def test_public_names_are_sorted_and_there() -> None:
    needed = importlib.import_module("needed")
    names = list(needed.__all__)
    assert names == sorted(names)
    assert len(names) == len(set(names))
    assert [name for name in names if not hasattr(needed, name)] == []


# What is heavy at the start of a command that takes 100 ms in all. The dependencies are not even reachable here.
HEAVY = ("typing", "dataclasses", "tarfile", "subprocess", "re", "argparse", "inspect", "pathlib", "deflate", "asyncio")


def test_importing_the_command_imports_nothing_heavy() -> None:
    code = f"import sys; sys.path.insert(0, {str(SOURCE)!r}); import needed.cli; print(*sys.modules)"
    result = subprocess.run([sys.executable, "-S", "-I", "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert sorted({*HEAVY} & {*result.stdout.split()}) == []
