"""A case of a loader rule: a small tree, described by a `.toml` of `cases/LIBC/RULE/`, and what the loader makes of it.

    rule = "One sentence."                  what the loader does
    source = "glibc elf/dl-load.c, ..."     where that is written
    before = "2.37"                         the rule left glibc with this version
    program = { needed = ["liba.so"] }      what is started, /app/prog if it has no `path`; keys as in [library]
    start = "/bin/link"                     by which path, if not its own
    library_path = "/a:/b"                  LD_LIBRARY_PATH, as it stands in the environment
    preload = ["liba.so"]                   LD_PRELOAD
    ldconfig = true                         after ldconfig(8) has been run in the tree
    hwcaps = ["x86-64-v3"]                  the active glibc-hwcaps names, best first
    expect = '''...'''                      the load list, see below

    [library]                               "path" = { needed = [...], ... }: _KNOWN_OBJECT has the keys; those that
                                            stand in the dynamic section are written there in the order given here
    [text]  [links]  [hard_links]           "path" = "content", "target", "path in the tree"
    [copies]                                "path" = "file of this machine"
    [cache]                                 /etc/ld.so.cache, see `tests.loader.cachewriter`
    directories = ["/path"]

`expect` has one line for each object after the program, in the order of the load list, without the vDSO, and without
the loader where it stands last. Then, one line each, what keeps the program from starting:

    NAME not found                          in the order in which names are asked for
    PATH not loadable                       with glibc this is all, since it stops there; musl tells a NAME instead
    PATH lacks version V for PATH           symbol versions

`audit` are the names that we report as audit modules, `aliases` the further paths that we report as opened. Where we
answer differently on purpose, [different] has `ours`, our lines, and `why`. Where the real loader has more to say:
`trace` are the lines of a trace that is not as a start, `stderr` is a text that it prints in a trace, and
`not_as_command` tells why `ld.so PROGRAM` is not asked.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.loader.cachewriter import make_cache
from tests.loader.synthetic import ET_DYN, ET_EXEC, NODEFLIB, PIE, PT_DYNAMIC, PT_LOAD, TAGS, Writer

CASES = Path(__file__).parent / "cases"
PROGRAM = "/app/prog"
# On this machine, and at the same place in a tree.
LOADERS = {"glibc": "/lib64/ld-linux-x86-64.so.2", "musl": "/lib/ld-musl-x86_64.so.1"}
_KNOWN = {
    "rule", "source", "before", "program", "start", "library_path", "preload", "ldconfig", "hwcaps", "expect",
    "library", "text", "links", "hard_links", "copies", "cache", "directories",
    "audit", "aliases", "different", "trace", "stderr", "not_as_command",
}  # fmt: skip
_KNOWN_OBJECT = TAGS.keys() | {
    "path", "interpreter", "type", "nodeflib", "pie", "defines", "requires", "exports", "message", "flaw", "mode",
}  # fmt: skip


class Case:
    """What one `.toml` below `cases/LIBC/` says."""

    def __init__(self, libc: str, name: str, facts: dict[str, Any]) -> None:
        """Raises AssertionError for a key that has no meaning here: a misspelt one would test nothing."""
        self.libc, self.name, self.facts = libc, name, facts
        unknown = self.facts.keys() - _KNOWN
        for item in [self.facts["program"], *self.facts.get("library", {}).values()]:
            unknown |= item.keys() - _KNOWN_OBJECT
        assert not unknown, f"{name}: unknown keys {sorted(unknown)}"
        self.program: str = self.facts["program"].get("path", PROGRAM)
        self.start: str = self.facts.get("start", self.program)
        self.loader: str = self.facts["program"].get("interpreter", LOADERS[libc])
        self.expect = _lines(self.facts["expect"])
        self.library_path: str | None = self.facts.get("library_path")
        self.preload: tuple[str, ...] = tuple(self.facts.get("preload", ()))
        self.ldconfig: bool = self.facts.get("ldconfig", False)
        self.hwcaps: tuple[str, ...] | None = tuple(self.facts["hwcaps"]) if "hwcaps" in self.facts else None

    @property
    def ours(self) -> list[str]:
        """What we are to answer."""
        return _lines(self.facts["different"]["ours"]) if "different" in self.facts else self.expect

    @property
    def trace(self) -> list[str]:
        """What LD_TRACE_LOADED_OBJECTS is to answer."""
        return _lines(self.facts["trace"]) if "trace" in self.facts else self.expect

    def make(self, root: Path) -> None:
        """Lay out the tree. Links come last, so that nothing is written through one."""
        root.chmod(0o755)
        if "interpreter" not in self.facts["program"]:
            _write(root, self.loader, Path(LOADERS[self.libc]).read_bytes(), 0o755)
        for path, source in self.facts.get("copies", {}).items():
            _write(root, path, Path(source).read_bytes(), 0o755)
        program = {"interpreter": LOADERS[self.libc], "pie": True} | self.facts["program"]
        _write(root, self.program, _object(program, starts=True), 0o755)
        for path, facts in self.facts.get("library", {}).items():
            named = facts if "soname" in facts else {**facts, "soname": path.rpartition("/")[2]}
            _write(root, path, _object(named), int(facts.get("mode", "644"), 8))
        for path, text in self.facts.get("text", {}).items():
            _write(root, path, text.encode(), 0o644)
        if "cache" in self.facts:
            _write(root, "/etc/ld.so.cache", make_cache(self.facts["cache"]), 0o644)
        for path in self.facts.get("directories", ()):
            (root / path[1:]).mkdir(parents=True)
        for path, target in self.facts.get("hard_links", {}).items():
            (root / path[1:]).parent.mkdir(parents=True, exist_ok=True)
            os.link(root / target[1:], root / path[1:])
        for path, target in self.facts.get("links", {}).items():
            (root / path[1:]).parent.mkdir(parents=True, exist_ok=True)
            (root / path[1:]).symlink_to(target)


def all_cases() -> list[Case]:
    """In the order of the folders' names."""
    cases = []
    for path in sorted(CASES.rglob("*.toml")):
        name = str(path.relative_to(CASES).with_suffix("")).removesuffix("/case")
        cases.append(Case(name.partition("/")[0], name, tomllib.loads(path.read_text())))
    return cases


def _lines(text: str) -> list[str]:
    return text.split("\n")[:-1]


def _write(root: Path, path: str, content: bytes, mode: int) -> None:
    assert path.startswith("/"), path
    place = root / path[1:]
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    place.chmod(mode)


def _object(facts: Mapping[str, Any], *, starts: bool = False) -> bytes:
    dynamic = []
    for key, item in facts.items():
        if key in TAGS and (key != "soname" or item):
            dynamic += [(key, text) for text in ([item] if isinstance(item, str) else item)]
    flags = NODEFLIB * facts.get("nodeflib", False) | PIE * facts.get("pie", False)
    e_type = ET_EXEC if facts.get("type") == "EXEC" else ET_DYN
    writer = Writer(
        dynamic, interpreter=facts.get("interpreter", ""), e_type=e_type, starts=starts,
        flags_1=flags if e_type == ET_DYN else flags & ~PIE,
    )  # fmt: skip
    writer.export(facts.get("exports", ()))
    writer.versions(tuple(facts.get("defines", ())), facts.get("requires", {}))
    if "message" in facts:
        writer.message(facts["message"])
    content = bytearray(writer.finish())
    if "flaw" in facts:
        _FLAWS[facts["flaw"]](content)
    return bytes(content)


def _patch(offset: int, piece: bytes) -> Callable[[bytearray], None]:
    def patch(content: bytearray) -> None:
        content[offset : offset + len(piece)] = piece

    return patch


def _segment(p_type: int, offset: int, piece: bytes) -> Callable[[bytearray], None]:
    """Overwrite a field of the program header of that type."""

    def patch(content: bytearray) -> None:
        count = content[56]  # e_phnum
        at = next(at for at in range(64, 64 + 56 * count, 56) if content[at : at + 4] == p_type.to_bytes(4, "little"))
        content[at + offset : at + offset + len(piece)] = piece

    return patch


def _cut_off(content: bytearray) -> None:
    del content[60:]


# What is wrong with a file, and how that is done to a good one.
_FLAWS: dict[str, Callable[[bytearray], None]] = {
    "32-bit": _patch(4, b"\1"),
    "big-endian": _patch(5, b"\2"),
    "ELF version 2": _patch(6, b"\2"),
    "for FreeBSD": _patch(7, b"\x09"),
    "for GNU": _patch(7, b"\3"),
    "GNU ABI version 99": _patch(7, b"\3\x63"),
    "ABI version 1": _patch(8, b"\1"),
    "padding": _patch(15, b"\1"),
    "program headers of 55 bytes": _patch(54, b"\x37"),
    "for arm64": _patch(18, b"\xb7\0"),
    "relocatable": _patch(16, b"\1\0"),
    "no PT_LOAD": _segment(PT_LOAD, 0, bytes(4)),
    "no PT_DYNAMIC": _segment(PT_DYNAMIC, 0, bytes(4)),
    "empty PT_DYNAMIC": _segment(PT_DYNAMIC, 32, bytes(8)),
    "cut off": _cut_off,
}
