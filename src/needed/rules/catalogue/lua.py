"""Runs Lua: the modules that a script requires, or for `lua` itself every module that is installed for its version.

Recognises: lua, lua5.x and luajit, and scripts of them.
Adds: modules in Lua, and in C with their closures, from the places of package.path and package.cpath that stand in the
    interpreter or in its library, and beside the script.
Costs: what is installed; lua-cjson 42,527 bytes.
Choices: `--rule lua=imports` takes no module for `lua` itself.
Source: Lua's manual, 6.3 "Modules" and luaconf.h.
"""

from __future__ import annotations

from needed.closure import Reason
from needed.languages.requires import find_lua_requires, lua_places
from needed.rules.finding import Load, Take, Tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "lua"
MAX_CHARACTERS = 32 << 20  # of all sources together
MAX_MODULES = 2_000


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    scripts = {str(script.path): script for script in view.closure.scripts}
    readers = {script.interpreter for script in scripts.values()}
    alone = {program.path for program in view.closure.programs if program.reason.kind != "interpreter of"}
    for item in evidence:
        reason = Reason("rule", item.path, NAME, item.detail)
        if script := scripts.get(item.path):
            yield from _required(view, script.path, script.interpreter, reason)
        elif (item.path not in readers or item.path in alone) and view.choices.value(NAME) != "imports":
            yield from _installed(view, item.path, reason)


def templates(view: View, interpreter: str) -> str:
    """package.path and package.cpath together."""
    library = view.object("liblua")
    for path in (interpreter, library.path if library else ""):
        pieces = (
            [piece for piece in view.read(path).split(b"\0") if piece[:1] == b"/" and b"/?." in piece] if path else []
        )
        if pieces:
            return ";".join(piece.decode("utf-8", "surrogateescape") for piece in pieces)
    return ""


def _found(path: str, interpreter: str, reason: Reason) -> Finding:
    return Load(path, interpreter, reason) if path.endswith(".so") else Take(path, reason)


def _installed(view: View, interpreter: str, reason: Reason) -> Iterator[Finding]:
    places = (one.partition("/?")[0] for one in templates(view, interpreter).split(";") if one.startswith("/"))
    for folder in dict.fromkeys(places):
        for path, kind in view.tree(folder):
            if kind != "directory" and path.endswith((".lua", ".so")):
                yield _found(path, interpreter, reason)


def _required(view: View, script: str, interpreter: str, reason: Reason) -> Iterator[Finding]:
    folder = script.rpartition("/")[0]
    places = f"{folder}/?.lua;{folder}/?/init.lua;{folder}/?.so;{templates(view, interpreter)}"
    pending, seen, left = [script], {script}, MAX_CHARACTERS
    while pending and len(seen) < MAX_MODULES and left > 0:
        path = pending.pop()
        source = view.text(path)
        left -= len(source)
        for required in find_lua_requires(source):
            found = next((one for one in lua_places(required.name, places) if view.is_file(one)), None)
            # "a.b" may be a part of the library of "a" in C
            whole = required.name.partition(".")[0]
            found = found or next(
                (one for one in lua_places(whole, places) if one.endswith(".so") and view.is_file(one)), None
            )
            if found is None and path == script and required.name not in BUILT_IN:
                yield Tell(f"{path} requires {required.name}, which the root has not", "install it, or --no-rule lua")
            elif found is not None and found not in seen:
                seen.add(found)
                yield _found(found, interpreter, reason)
                pending += [] if found.endswith(".so") else [found]


BUILT_IN = frozenset(("_G", "bit", "bit32", "coroutine", "debug", "ffi", "io", "jit", "math", "os", "package", "string",
                      "table", "utf8"))  # fmt: skip
