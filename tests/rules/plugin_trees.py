"""Roots in memory in which a program has libraries that load plugins, laid out as /usr/lib64. None of it starts."""

from __future__ import annotations

from struct import pack

from needed.pipeline import Plan, plan
from needed.root import MemoryRoot
from needed.rules.choices import Choices
from tests.loader.synthetic import DT_HASH, DT_SYMENT, DT_SYMTAB, Writer

LOADER = "/lib64/ld-linux-x86-64.so.2"
LIB = "/usr/lib64"
Tree = dict[str, bytes | str]


def elf(*needed: str, imports: tuple[str, ...] = (), interpreter: str = "") -> bytes:
    """A library, or with `interpreter` a program, that wants the symbols `imports` of others."""
    writer = Writer([("needed", name) for name in needed], interpreter=interpreter)
    table = bytes(24) + b"".join(pack("<IBBHQQ", writer.string(name), 0x12, 0, 0, 0, 0) for name in imports)
    chain = [0, *range(2, len(imports) + 1), 0][: len(imports) + 1]
    writer.entries.append((DT_SYMTAB, writer.put(table)))
    writer.entries.append((DT_SYMENT, 24))
    counts = pack("<III", 1, len(imports) + 1, 1 if imports else 0)
    writer.entries.append((DT_HASH, writer.put(counts + pack(f"<{len(imports) + 1}I", *chain))))
    return writer.finish()


def program(*needed: str, imports: tuple[str, ...] = ()) -> bytes:
    """A program for the loader of every tree here."""
    return elf(*needed, imports=imports, interpreter=LOADER)


def using(*libraries: str) -> Tree:
    """The program /bin/p, and the libraries that it links."""
    return {"/bin/p": program(*libraries), **{f"{LIB}/{name}": elf() for name in libraries}}


def planned(tree: Tree, *, path: str = "/bin/p", value: str = "", env: tuple[str, ...] = ()) -> Plan:
    """What is planned for `path`; `value` is what stands behind `--rule`: "qt=all"."""
    name, _, said = value.partition("=")
    choices = Choices(env=env, values=((name, said),) if value else ())
    return plan(MemoryRoot({LOADER: elf(), **tree}), [path], choices=choices)


def of_rule(found: Plan, rule: str) -> set[str]:
    """The paths that are there for the sake of `rule` and hold something."""
    reasons = found.rootfs.reasons.items()
    return {path for path, why in reasons if any(one.rule == rule for one in why)}


def told(found: Plan) -> str:
    """All that the rules told, with the hints, line by line."""
    return "\n".join(f"{tell.message} [{tell.hint}]" for applied in found.applied for tell in applied.told)
