"""Runs Python programs: the interpreter with its standard library, its extension modules and what a program imports.

Recognises: an interpreter (python3, python3.11, a virtual environment's), scripts that it reads, and libpython in
    another program, as in gdb.
Adds: the standard library without tests, the editor and wheels for building; of a virtual environment its packages, but
    for pip, setuptools and wheel; of a script what it imports, with files beside it that it names. Extension modules
    come with their libraries. `__pycache__` is left out: it is bound to time stamps that an image does not keep.
Costs: 13.5 MB on Debian 12, whose library needs 11 MB of shared libraries (OpenSSL, SQLite and the like).
Choices: `--rule python=imports` takes of the library what the program imports, found without running it: 2.5 MB for
    one that reads JSON, 5 MB for a web server. `--rule python=MODULE,MODULE` does so for modules that are named:
    `--rule python=http.server`.
Source: CPython's Modules/getpath.py, Lib/site.py, and what `python -X importtime` shows.
"""

from __future__ import annotations

from needed.closure import Reason
from needed.errors import ReadError
from needed.languages.python_imports import find_modules
from needed.languages.python_layout import find_embedded_python, find_python, is_python
from needed.rules.finding import Load, Settled, Take, Tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.closure import Script
    from needed.languages.python_imports import PythonModules
    from needed.languages.python_layout import PythonLayout
    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "python"
SHOWN = 5  # sentences about what is not known
MODES = ("", "all", "imports")


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    choice = view.choices.value(NAME) or ""
    named = [] if choice in MODES else [name for name in choice.split(",") if name]
    whole = not named and choice != "imports"
    found = [(path, "", scripts) for path, scripts in _interpreters(view, evidence).items()]
    for interpreter, library, scripts in [*found, *_embedded(view, evidence)]:
        try:
            layout = (
                find_embedded_python(view.walker, interpreter, library)
                if library
                else find_python(view.walker, interpreter)
            )
            if layout is None:
                yield Tell(f"{interpreter} has no standard library in the root")
                continue
            modules = find_modules(view.walker, layout, [*scripts, *named], whole_library=whole)
        except ReadError as error:
            yield Tell(f"{interpreter}: what it imports is not known: {error.message}")
            continue
        yield from _taken(layout, modules, library or interpreter)
        yield from _told(modules, scripts)
        if not library:
            yield Settled(layout.real_interpreter)
            yield Settled(interpreter)


def _embedded(view: View, evidence: tuple[Evidence, ...]) -> Iterator[tuple[str, str, list[str]]]:
    """Each libpython that is new in a process that is no interpreter's: the program, the library, no scripts."""
    processes = [(program.path, program.objects) for program in view.closure.programs]
    processes += [(opened.program, opened.added.objects) for opened in view.closure.opened]
    for item in evidence:
        if item.path.rpartition("/")[2].startswith("libpython"):
            holding = [path for path, objects in processes if any(one.path == item.path for one in objects)]
            if holding and not any(is_python(view.canonical(path) or path) for path in holding):
                yield holding[0], item.path, []


def _interpreters(view: View, evidence: tuple[Evidence, ...]) -> dict[str, list[str]]:
    """The interpreters that are new, each with all scripts that it reads, and those of new scripts."""
    read: dict[str, list[str]] = {}
    for script in view.closure.scripts:
        read.setdefault(_of_script(view, script), []).append(script.path)
    new = {item.path for item in evidence}
    found: dict[str, list[str]] = {}
    for program in view.closure.programs:
        real = view.canonical(program.path) or program.path
        if is_python(program.path) or is_python(real):
            scripts = read.get(program.path, [])
            if program.path in new or new & {*scripts}:
                found[program.path] = scripts
    return found


def _of_script(view: View, script: Script) -> str:
    """The interpreter of a script, through scripts that are interpreters themselves."""
    at = script.interpreter
    others = {other.path: other.interpreter for other in view.closure.scripts}
    for _ in range(len(others)):
        at = others.get(at, at)
    return at


def _taken(layout: PythonLayout, modules: PythonModules, interpreter: str) -> Iterator[Finding]:
    base = Reason("rule", interpreter, NAME)
    for path in (*layout.links, *layout.landmarks, *((layout.zip_path,) if layout.zip_path else ())):
        yield Take(path, base)
    for file in modules.files:
        reason = Reason("rule", file.needed_by, NAME, file.reason) if file.needed_by else base
        if file.kind == "extension":
            yield Load(file.path, interpreter, reason)
        yield Take(file.path, reason)


def _told(modules: PythonModules, scripts: list[str]) -> Iterator[Finding]:
    """What is nowhere, and what only a run can tell; of code that is no script's own that is known to be much."""
    for missing in modules.missing:
        if not missing.optional:
            where = f"{missing.needed_by}, line {missing.line}, imports" if missing.needed_by else "there is no module"
            yield Tell(f"{where} {missing.name}{', which is nowhere' if missing.needed_by else ''}")
    for item in [item for item in modules.dynamic if item.path in scripts][:SHOWN]:
        where = f"{item.path}, line {item.line}," if item.line else item.path
        yield Tell(f"{where} {item.text}", f"--rule {NAME}=MODULE,MODULE names what it imports")
