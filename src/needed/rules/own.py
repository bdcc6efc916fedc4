"""Rules of a project: what `needed.toml` says instead of a module. The same rows, and lists in place of a function.

    [[rule]]
    name = "reports"
    about = "the templates and the converter that the report service uses"
    programs = ["reportd"]                # called by: programs, libraries, imports, scripts, as in `needed rules`
    take = ["/usr/share/reports"]         # files, and folders with all that is in them
    load = ["/usr/lib/reports/*.so"]      # plugins, with the libraries that they need
    execute = ["pdftotext"]               # programs, with all that they need
    folders = ["/var/lib/reports"]        # empty, the image's user's

A `*` may stand in the last part of a path. Reads nothing by itself: the text comes from the command.
"""

from __future__ import annotations

from needed.closure import Reason
from needed.errors import UsageError
from needed.rules.choices import EVERY
from needed.rules.finding import Execute, Load, Make, Take, Tell
from needed.rules.table import NAMES, Rule
from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

_CALLED_BY = ("programs", "libraries", "imports", "scripts")
_LISTS = (*_CALLED_BY, "take", "load", "execute", "folders")
TAKEN = (*NAMES, EVERY, "package")  # what stands for all of them, and for what came with a package
MAX_CONFIGURATION = 1 << 20  # bytes


@value
class OwnRule:
    """`row` says when; the lists are what is found then. `about` is a sentence for people."""

    row: Rule
    about: str = ""
    take: tuple[str, ...] = ()
    load: tuple[str, ...] = ()
    execute: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()

    def find(self, view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
        """As `find` of a rule's module."""
        first = evidence[0]
        reason = Reason("rule", first.path, self.row.name, first.detail)
        for path in self.take:
            yield from self._taken(view, path, reason)
        for path in self.load:
            matching = [*_matching(view, path)]
            if not matching:
                yield Tell(f"{path} is not in the root", f"--no-rule {self.row.name}")
            for one in matching:
                yield Load(one, first.path, reason)
        for program in self.execute:
            yield Execute(program, reason)
        for path in self.folders:
            yield Make(path, None, reason, 0o755, view.choices.user)

    def _taken(self, view: View, path: str, reason: Reason) -> Iterator[Finding]:
        matching = [*_matching(view, path)]
        if not matching:
            yield Tell(f"{path} is not in the root", f"--no-rule {self.row.name}")
        for one in matching:
            yield Take(one, reason)
            for inside, _ in view.tree(one):
                yield Take(inside, reason)


def _matching(view: View, path: str) -> Iterator[str]:
    """`path` if it is there; with a `*` in its last part, what it stands for."""
    folder, _, pattern = path.rpartition("/")
    if "*" not in pattern:
        if view.find(path):
            yield path
        return
    from fnmatch import fnmatchcase

    for name in view.names(folder or "/"):
        if fnmatchcase(name, pattern):
            yield f"{folder}/{name}"


def parse_own_rules(text: bytes, file: str) -> tuple[OwnRule, ...]:
    """The rules in `text`, the content of the configuration file `file`. Raises UsageError."""
    import tomllib

    try:
        document = tomllib.loads(text[:MAX_CONFIGURATION].decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"{file}: is no TOML: {error}", hints=["see `needed rules --help` for an example"]) from None
    rules = document.get("rule", [])
    if not isinstance(rules, list):
        raise UsageError(f"{file}: rule: expected [[rule]] tables", hints=["write [[rule]], with two brackets"])
    found = tuple(_parse(item, f"{file}: rule {number}") for number, item in enumerate(rules, 1))
    names: set[str] = set()
    for one in found:
        if one.row.name in names:
            raise UsageError(f"{file}: two rules are named {one.row.name}", hints=["give each a name of its own"])
        names.add(one.row.name)
    return found


def _parse(item: object, where: str) -> OwnRule:
    if not isinstance(item, dict):
        raise UsageError(f"{where}: expected a table", hints=["write [[rule]], with two brackets"])
    unknown = item.keys() - {"name", "about", *_LISTS}
    if unknown:
        raise UsageError(f"{where}: {min(unknown)}: unknown key", hints=[f"known are name, about, {', '.join(_LISTS)}"])
    name, about = item.get("name"), item.get("about", "")
    if not isinstance(name, str) or not name.replace("-", "").isalnum() or name in TAKEN:
        raise UsageError(
            f"{where}: name: expected letters, digits and dashes, and no name of a rule that is there",
            hints=['name = "my-plugins"'],
        )
    lists = {key: _strings(item.get(key, []), f"{where}: {key}") for key in _LISTS}
    if not any(lists[key] for key in _CALLED_BY):
        raise UsageError(f"{where}: nothing calls it", hints=['programs = ["server"]'])
    for key in ("take", "load", "folders"):
        for path in lists[key]:
            if not path.startswith("/") or ".." in path.split("/"):
                raise UsageError(f"{where}: {key}: {path}: expected an absolute path", hints=[f'"/{path.lstrip("/")}"'])
    row = Rule(name, lists["imports"], lists["libraries"], lists["programs"], scripts=lists["scripts"])
    return OwnRule(row, str(about), lists["take"], lists["load"], lists["execute"], lists["folders"])


def _strings(given: object, where: str) -> tuple[str, ...]:
    if not isinstance(given, list) or not all(isinstance(one, str) and one and "\0" not in one for one in given):
        raise UsageError(f"{where}: expected a list of strings", hints=[f'{where.rpartition(" ")[2]} = ["..."]'])
    return tuple(given)
