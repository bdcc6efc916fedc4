"""What one Python source asks for: imports, names of modules in strings, codecs, and what only a run can tell.

Parses with the `ast` of the Python that runs us; what is newer or older than that is read line by line instead, which
finds the same imports and some in texts. Branches that Linux or this version never takes, that only a type checker
takes, or (in a module that is not started) that stand under `if __name__ == "__main__"`, are left out.

What it deliberately does not do: compile or run anything; look for files; follow values through variables.
"""

from __future__ import annotations

import ast
import re

from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_PARSED = 1 << 20  # bytes of a source that is parsed; a tree is a hundred times as large
MAX_NODES = 2_000_000
MAX_STRINGS = 5_000


@value
class Import:
    """`module` (relative when `level` > 0), and the `names` taken from it, "*" for all of them.

    `optional` when an ImportError is caught, or it stands in a function. `instead_of` are the modules whose absence
    leads here: `except ImportError` after a `try`.
    """

    module: str
    names: tuple[str, ...]
    level: int
    line: int
    optional: bool = False
    instead_of: tuple[str, ...] = ()


@value
class SourceNeeds:
    """`strings` are constants: dotted names, and anything else short; `codecs` names of encodings; `dynamic` (line,
    sentence); `problem` is why it could not be parsed, "" if it could. `distributions` are those (name, line) whose
    entry point a script of setuptools starts: `load_entry_point("shop==1.0", "console_scripts", "shop")`."""

    imports: tuple[Import, ...]
    strings: tuple[str, ...]
    codecs: tuple[str, ...]
    dynamic: tuple[tuple[int, str], ...]
    problem: str = ""
    distributions: tuple[tuple[str, int], ...] = ()


def read_source(
    content: bytes, version: tuple[int, int], *, is_main: bool = False, is_library: bool = False
) -> SourceNeeds:
    """What the source in `content` asks for, run by Python `version`; `is_main` if it is what is started.

    Of the standard library (`is_library`) no strings are told, and its expressions are looked at only where a call that
    imports is in it: four times as fast.
    """
    import warnings

    if len(content) > MAX_PARSED:
        return _read_lines(content, "is too large to be parsed, and was read line by line")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an invalid escape in somebody's string is not our user's concern
            tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError, MemoryError, UnicodeError, LookupError) as error:
        return _read_lines(content, f"cannot be parsed ({type(error).__name__}), and was read line by line")
    statements_only = is_library and b"__import__" not in content and b"import_module" not in content
    codecs = dict.fromkeys([*_cookie(content), *(match[1].decode() for match in _CODEC.finditer(content))])
    return _Reader(version, is_main=is_main, statements_only=statements_only).read(tree, tuple(codecs)[:MAX_STRINGS])


_IMPORT_LINE = re.compile(rb"^[ \t]*(?:from[ \t]+(\.*)([\w.]*)[ \t]+import[ \t]+(.*)|import[ \t]+(.+))$", re.M)
_COOKIE = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
# The name of a codec where one is given: as an argument, or first to what takes one first.
_CODEC = re.compile(
    rb"(?:\bencoding\s*=\s*|\b(?:encode|decode|lookup|getreader|getwriter|getincremental(?:de|en)coder)\(\s*)"
    rb"['\"]([A-Za-z][-\w. ]{1,40})['\"]"
)
_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+\Z", re.A)


def _cookie(content: bytes) -> tuple[str, ...]:
    """The encoding that one of the first two lines declares (PEP 263)."""
    found = [match for line in content[:400].splitlines()[:2] if (match := _COOKIE.match(line))]
    return tuple(match[1].decode() for match in found[:1])


def _read_lines(content: bytes, problem: str) -> SourceNeeds:
    imports = []
    for match in _IMPORT_LINE.finditer(content.replace(b"\\\n", b" ")):
        dots, module, names, plain = (part.decode("utf-8", "replace") if part else "" for part in match.groups())
        if plain:
            imports += [Import(name, (), 0, 0, optional=True) for name in _names(plain)]
        else:
            # Names in brackets over several lines are not known: submodules among them are asked for with "*".
            inside = ("*",) if names.startswith("(") else tuple(_names(names))
            imports.append(Import(module, inside, len(dots), 0, optional=True))
    return SourceNeeds(tuple(imports[:MAX_STRINGS]), (), _cookie(content), (), problem)


def _names(text: str) -> list[str]:
    parts = [part.split() for part in text.partition("#")[0].partition(";")[0].split(",")]
    return [part[0] for part in parts if part and re.fullmatch(r"[\w.]+|\*", part[0])]


_CATCHES_ABSENCE = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}


class _Reader:
    """Walks a tree with a stack of its own: no depth of the input reaches Python's."""

    def __init__(self, version: tuple[int, int], *, is_main: bool, statements_only: bool) -> None:
        self._version, self._is_main, self._statements_only = version, is_main, statements_only
        self._imports: list[Import] = []
        self._strings: dict[str, None] = {}
        self._dynamic: dict[tuple[int, str], None] = {}
        self._distributions: dict[str, int] = {}

    def read(self, tree: ast.AST, codecs: tuple[str, ...]) -> SourceNeeds:
        stack: list[tuple[ast.AST, bool, tuple[str, ...]]] = [(tree, False, ())]
        count = 0
        while stack and count < MAX_NODES:
            node, optional, instead_of = stack.pop()
            count += 1
            if isinstance(node, ast.Import | ast.ImportFrom):
                self._add_import(node, optional=optional, instead_of=instead_of)
                continue
            if isinstance(node, ast.Constant):
                if isinstance(node.value, str) and len(node.value) < 200 and len(self._strings) < MAX_STRINGS:
                    self._strings.setdefault(node.value)
                continue
            if isinstance(node, ast.Call):
                self._read_call(node)
            stack += self._inside(node, optional=optional, instead_of=instead_of)
        problem = "has more parts than are read" if stack else ""
        self._imports.reverse()
        return SourceNeeds(
            tuple(self._imports), tuple(self._strings), codecs, tuple(self._dynamic), problem,
            tuple(self._distributions.items()),
        )  # fmt: skip

    def _inside(
        self, node: ast.AST, *, optional: bool, instead_of: tuple[str, ...]
    ) -> Iterator[tuple[ast.AST, bool, tuple[str, ...]]]:
        """The parts of a node that may run, each with what it inherits."""
        if isinstance(node, ast.If):
            verdict = self._decide(node.test)
            live = [*(node.body if verdict is not False else []), *(node.orelse if verdict is not True else [])]
            yield from ((part, optional, instead_of) for part in live)
            if not self._statements_only:
                yield node.test, optional, instead_of
        elif isinstance(node, ast.Try):
            catches = any(_catches_absence(handler.type) for handler in node.handlers)
            yield from ((part, optional or catches, instead_of) for part in node.body)
            tried = tuple(name for part in node.body for name in _absolute(part)) if catches else ()
            yield from ((handler, optional, tried or instead_of) for handler in node.handlers)
            yield from ((part, optional, instead_of) for part in [*node.orelse, *node.finalbody])
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if node.name != "_test":  # the standard library's name for a module's own test
                yield from ((part, True, instead_of) for part in self._parts(node))
        elif isinstance(node, ast.JoinedStr):
            yield from ((part, optional, ()) for part in node.values if not isinstance(part, ast.Constant))
        else:
            if getattr(node, "type_params", None) and not isinstance(node, ast.Module):
                self._imports.append(Import("typing", (), 0, getattr(node, "lineno", 0)))  # what PEP 695 compiles to
            yield from ((part, optional, instead_of) for part in self._parts(node))

    def _parts(self, node: ast.AST) -> Iterator[ast.AST]:
        if not self._statements_only:
            return ast.iter_child_nodes(node)
        fields = ("body", "orelse", "finalbody", "handlers", "cases") if hasattr(node, "body") else ("cases",)
        return (part for field in fields for part in getattr(node, field, ()))

    def _add_import(self, node: ast.Import | ast.ImportFrom, *, optional: bool, instead_of: tuple[str, ...]) -> None:
        if isinstance(node, ast.Import):
            self._imports += [Import(item.name, (), 0, node.lineno, optional, instead_of) for item in node.names]
        else:
            names = tuple(item.name for item in node.names)
            self._imports.append(Import(node.module or "", names, node.level, node.lineno, optional, instead_of))

    def _read_call(self, node: ast.Call) -> None:
        function = node.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        first = node.args[0] if node.args else None
        text = first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None
        if name in ("import_module", "__import__"):
            self._read_import_call(node, name, text)
        elif name == "load_entry_point" and text and len(node.args) == 3:
            self._distributions.setdefault(text.partition("==")[0].strip(), node.lineno)
        elif name in ("entry_points", "iter_entry_points", "load_entry_point"):
            self._dynamic.setdefault((node.lineno, "asks installed distributions for plugins (entry points)"))
        elif name in ("iter_modules", "walk_packages"):
            self._dynamic.setdefault((node.lineno, "looks through a folder for modules"))
        elif name == "find_library":
            self._dynamic.setdefault((node.lineno, f"looks for the shared library {text or 'of a computed name'}"))
        elif (
            name in ("CDLL", "LoadLibrary", "PyDLL")
            and first is not None
            and not (isinstance(first, ast.Constant) and first.value is None)
        ):
            self._dynamic.setdefault((node.lineno, f"loads the shared library {text or 'of a computed name'}"))

    def _read_import_call(self, node: ast.Call, name: str, text: str | None) -> None:
        if text is None:
            self._dynamic.setdefault((node.lineno, "imports a module whose name is computed"))
            return
        level = len(text) - len(text.lstrip("."))
        self._imports.append(
            Import(text.lstrip("."), ("*",) if name == "__import__" else (), level, node.lineno, optional=True)
        )

    def _decide(self, test: ast.expr) -> bool | None:
        """Whether `test` holds where it will run, None if that is not known. Bounded: looks four levels deep."""
        return _decide(test, self._version, self._is_main, 4)


def _decide(test: ast.expr, version: tuple[int, int], is_main: bool, depth: int) -> bool | None:  # noqa: FBT001
    if depth == 0:
        return None
    match test:
        case ast.Constant(value=constant):
            return bool(constant)
        case ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING"):
            return False
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            verdict = _decide(operand, version, is_main, depth - 1)
            return None if verdict is None else not verdict
        case ast.BoolOp(op=operator, values=values):
            verdicts = {_decide(item, version, is_main, depth - 1) for item in values[:20]}
            decisive = isinstance(operator, ast.Or)
            if decisive in verdicts:
                return decisive
            return not decisive if verdicts == {not decisive} and len(values) <= 20 else None
        case ast.Call(func=ast.Attribute(value=subject, attr="startswith"), args=[ast.Constant(value=str(prefix))]):
            return "linux".startswith(prefix) if _dotted(subject) == "sys.platform" else None
        case ast.Compare(left=ast.Name() | ast.Attribute() as left, ops=[operator], comparators=[right]):
            return _compare(_dotted(left), operator, right, version, is_main)
    return None


def _compare(left: str, operator: ast.cmpop, right: ast.expr, version: tuple[int, int], is_main: bool) -> bool | None:  # noqa: FBT001
    if left == "sys.version_info" and isinstance(right, ast.Tuple):
        numbers = [item.value for item in right.elts if isinstance(item, ast.Constant)]
        wanted = tuple(number for number in numbers[:2] if isinstance(number, int))
        if len(numbers) != len(right.elts) or len(wanted) != 2 or len(numbers) > 2:
            return None
        if isinstance(operator, ast.GtE):
            return version >= wanted
        return version < wanted if isinstance(operator, ast.Lt) else None
    if left == "__name__":
        if is_main or not (isinstance(right, ast.Constant) and right.value == "__main__"):
            return None
        known = ""
    else:
        known = {"sys.platform": "linux", "os.name": "posix"}.get(left, "")
        if not known:
            return None
    match operator, right:
        case (ast.Eq(), ast.Constant(value=str(text))):
            return known == text
        case (ast.NotEq(), ast.Constant(value=str(text))):
            return known != text
    return None


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return f"{node.value.id}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def _catches_absence(caught: ast.expr | None) -> bool:
    """Whether an `except` clause with this type catches the ImportError of an absent module."""
    if caught is None:
        return True
    items = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any((item.attr if isinstance(item, ast.Attribute) else getattr(item, "id", "")) in _CATCHES_ABSENCE
               for item in items)  # fmt: skip


def _absolute(node: ast.AST) -> list[str]:
    """The modules that one statement imports by an absolute name."""
    if isinstance(node, ast.Import):
        return [item.name for item in node.names]
    return [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []


def module_in_string(text: str) -> str:
    """The dotted name in a string such as "logging.handlers.SysLogHandler" or "shop.main:app", "" if it is none."""
    module = text.partition(":")[0]
    return module if _DOTTED.match(module) or (":" in text and module.isidentifier()) else ""
