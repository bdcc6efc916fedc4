"""The commands that a shell script calls, from its text: what an image needs beside the shell itself.

Follows the grammar of bash as tree-sitter-bash has it, of which POSIX sh, dash, busybox ash and most of ksh and zsh
are a part. What a command is to each shell, and what starts another command, is in `builtins` and `wrappers`.

What it deliberately does not do: expand variables, decide which branch runs, follow the files that are sourced, or
look for a command anywhere. What it cannot know it tells (`unknown`, `problems`) and goes on after it.
"""

from __future__ import annotations

from needed.errors import SourceError
from needed.languages.builtins import BUILTINS, KEYWORDS, shell_of
from needed.languages.env import started_by_env
from needed.languages.words import default_of, literal, script_text, variable_of
from needed.languages.wrappers import started
from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tree_sitter import Node, Parser, Point

    _Started = tuple[list[str], str]  # a command line, and what looks its first word up

NOT_UNDERSTOOD = "was not understood, so commands near it may be amiss"  # how a problem with one line ends
MAX_TEXT = 1 << 20
MAX_COMMANDS = 10_000
MAX_PIECES = 2_000  # lines for `eval`, `trap` and `sh -c`, which may hold such lines again
MAX_LINE = 200  # of a line that is shown as the reason
MAX_PROBLEMS = 50
MAX_COPIED = 32 << 20  # bytes of words looked at: words hold commands that hold words


@value
class Line:
    """A place in a script: counted from 1, with its text on one line, at most MAX_LINE characters."""

    number: int
    text: str


@value
class Command:
    """A command that is called by a name that stands in the text: `mkdir`, or a path."""

    name: str
    line: Line


@value
class Unknown:
    """A command whose name only a run knows; `known` are names that the text says it may have."""

    word: str
    line: Line
    known: tuple[str, ...] = ()


@value
class Mention:
    """Something else that the text says: a file, the value of PATH, a sentence on what was not understood."""

    what: str
    line: Line


@value
class ShellCommands:
    """What a script asks for, in the order of its text; each command once, where it is first called."""

    commands: tuple[Command, ...]
    unknown: tuple[Unknown, ...] = ()
    sourced: tuple[Mention, ...] = ()  # files that `.` names literally, as they are written
    files: tuple[Mention, ...] = ()  # absolute paths that are tested, read, or given to a shell as a script
    paths: tuple[Mention, ...] = ()  # what is assigned to PATH, as it is written
    functions: tuple[str, ...] = ()  # defined here, aliases too: no commands in a script that sources this one
    problems: tuple[Mention, ...] = ()


def parse_shell(text: bytes, shell: str) -> ShellCommands:
    """The commands of a script for `shell`, a key of BUILTINS. Never raises for what the text holds."""
    why = _unreadable(text)
    if why:
        return ShellCommands((), problems=(Mention(why, Line(1, "")),))
    return _Reader(text, shell).read()


def _unreadable(text: bytes) -> str:
    if len(text) > MAX_TEXT:
        return f"the script is larger than {MAX_TEXT} bytes and was not read"
    if b"\0" in text:
        return "the script holds NUL bytes: it is no text, or data is appended to it"
    if b"\r\n" in text[:4096]:
        return "the script's lines end in CR LF: a shell takes the CR for a part of each last word"
    return ""


@value
class _Piece:
    """Text that a shell reads: the script, or an argument that is one."""

    text: bytes
    row: int  # of its first line in the script, from 0
    shell: str
    plain: bool = True  # read by the script's own shell, so that functions hold


class _Reader:
    """Collects while the pieces are read, one after another, so that no nesting makes it recurse."""

    def __init__(self, text: bytes, shell: str) -> None:
        self.lines = text.split(b"\n")
        self.pieces = [_Piece(text, 0, shell)]
        self.calls: list[tuple[str, Line, bool]] = []  # name, line, whether a function may be meant
        self.unknown: dict[tuple[str, int], Line] = {}
        self.sourced: dict[str, Line] = {}
        self.files: dict[str, Line] = {}
        self.paths: dict[str, Line] = {}
        self.functions: dict[str, None] = {}
        self.values: dict[str, list[str]] = {}
        self.problems: dict[str, Line] = {}
        self.copied = 0
        self.repaired: set[tuple[int, int]] = set()  # (piece, byte) of errors whose text was read as a piece
        self.at = 0

    def read(self) -> ShellCommands:
        parser = _parser()
        while self.at < len(self.pieces):
            piece = self.pieces[self.at]
            root = _parse(parser, piece.text)
            if root is None:
                self._stopped(self._line(piece.row))
            for node in _nodes(root, piece.text) if root is not None else ():
                self._take(node, piece)
                if len(self.calls) >= MAX_COMMANDS or self.copied > MAX_COPIED:
                    break
            self.at += 1
        if self.copied > MAX_COPIED:
            self._stopped(Line(1, ""))
        if len(self.calls) >= MAX_COMMANDS:
            self.problems[f"the script calls more than {MAX_COMMANDS} commands; the rest was not read"] = Line(1, "")
        return self._finished()

    def _stopped(self, line: Line) -> None:
        self.problems["the script is too tangled to be understood with bounded effort"] = line

    def _finished(self) -> ShellCommands:
        first: dict[str, Command] = {}
        for name, line, shell_looks in self.calls:
            if not (shell_looks and name in self.functions) and name not in first:
                first[name] = Command(name, line)
        unknown = tuple(Unknown(word, line, self._known(word)) for (word, _), line in self.unknown.items())
        return ShellCommands(
            tuple(first.values()), unknown, _mentions(self.sourced), _mentions(self.files), _mentions(self.paths),
            tuple(self.functions), _mentions(self.problems),
        )  # fmt: skip

    def _known(self, word: str) -> tuple[str, ...]:
        default = default_of(word)
        return (default,) if default else tuple(dict.fromkeys(self.values.get(variable_of(word), ())))

    def _line(self, row: int) -> Line:
        text = self.lines[row] if row < len(self.lines) else b""
        return Line(row + 1, text[: 4 * MAX_LINE].decode("utf-8", "replace").strip()[:MAX_LINE])

    def _word(self, node: Node) -> str:
        self.copied += node.end_byte - node.start_byte
        return _text(node)

    def _add(self, text: str | bytes, row: int, piece: _Piece) -> None:
        """Read `text` later as `piece` is read."""
        content = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
        self.copied += len(content)
        if content.strip() and len(self.pieces) < MAX_PIECES and self.copied <= MAX_COPIED:
            self.pieces.append(_Piece(content, row, piece.shell, piece.plain))

    # Each node of the tree, in the order of the text.

    def _take(self, node: Node, piece: _Piece) -> None:
        kind = node.type
        row = piece.row + node.start_point[0]
        if kind == "command":
            words = [self._word(child) for child in node.children if child.type not in _NO_WORDS]
            self._call(words, row, piece)
        elif kind == "function_definition":
            name = node.child_by_field_name("name")
            if name is not None:
                self.functions[_text(name)] = None
        elif kind == "variable_assignment":
            self._assign(node, row)
        elif kind == "test_command":
            self._test([self._word(child) for child in _words_of(node)], row)
        elif kind == "file_redirect":
            target = node.child_by_field_name("destination")
            if target is not None and any(child.type == "<" for child in node.children):
                self._test([_text(target)], row)
        elif kind == "command_substitution" and piece.text.startswith(b"`", node.start_byte):
            inner = piece.text[node.start_byte + 1 : node.end_byte - 1]
            self._add(_inside_backquotes(inner), row, piece)
        elif kind == "heredoc_redirect":
            self._backquotes(node, piece)
            if node.has_error:
                self._repair(node, piece)
        elif (kind == "ERROR" or node.is_missing) and len(self.problems) < MAX_PROBLEMS:
            self._not_understood(node, row)

    def _not_understood(self, node: Node, row: int) -> None:
        if (self.at, node.start_byte) not in self.repaired:
            line = self._line(row)
            self.problems.setdefault(f"line {line.number} {NOT_UNDERSTOOD}", line)

    def _assign(self, node: Node, row: int) -> None:
        name, given = node.child_by_field_name("name"), node.child_by_field_name("value")
        if name is None or given is None:
            return
        if name.text == b"PATH":
            self.paths.setdefault(self._word(given), self._line(row))
        exact = literal(self._word(given))
        first = exact.split()[:1] if exact and "$" not in exact else []
        if first and len(self.values) < MAX_COMMANDS:
            self.values.setdefault(_text(name), []).append(first[0])

    def _test(self, words: list[str], row: int) -> None:
        for word in words:
            exact = literal(word)
            if exact and exact[0] == "/" and len(exact) > 1:
                self.files.setdefault(exact, self._line(row))

    def _repair(self, node: Node, piece: _Piece) -> None:
        """Read what follows `<<EOF` on its line and which the grammar has no rule for: `; cmd`, `2>&1 | cmd`."""
        for outer in node.children:
            for error in (outer, *(outer.children if outer.type == "file_redirect" else ())):
                if error.type == "ERROR":
                    self.repaired.add((self.at, error.start_byte))
                    end = piece.text.find(b"\n", error.end_byte)
                    rest = piece.text[error.start_byte : end if end >= 0 else None]
                    self._add(rest.lstrip(b";|&) \t"), piece.row + error.start_point[0], piece)
                    return

    def _backquotes(self, node: Node, piece: _Piece) -> None:
        """The commands in backquotes in a here-document, which the grammar takes for text."""
        start = next((child for child in node.children if child.type == "heredoc_start"), None)
        body = next((child for child in node.children if child.type == "heredoc_body"), None)
        if start is None or body is None or any(quote in self._word(start) for quote in "'\"\\"):
            return
        parts = self._word(body).replace("\\\\", "  ").replace("\\`", "  ").split("`")
        for at in range(1, len(parts) - 1, 2):
            row = piece.row + body.start_point[0] + sum(part.count("\n") for part in parts[:at])
            self._add(parts[at], row, piece)

    # Each command line: what it starts, and what that starts in turn.

    def _call(self, words: list[str], row: int, piece: _Piece) -> None:
        pending = [(words, "shell")]
        while pending and len(self.calls) < MAX_COMMANDS:
            line, looks = pending.pop(0)
            pending += self._start(line, row, piece, looks)

    def _start(self, words: list[str], row: int, piece: _Piece, looks: str) -> list[_Started]:
        """Take the command that `words` name. `looks`: "shell" (functions, builtins), "command" (no functions), or
        "outside", a program that starts one, which knows neither. Returns what the command starts."""
        if not words:
            return []
        if words[0] == "coproc" or (words[0] == "time" and "time" in KEYWORDS[piece.shell] and looks == "shell"):
            return [([word for word in words[1:] if word not in ("-p", "{")], looks)]
        name = literal(words[0])
        if name is None:
            self.unknown.setdefault((words[0][:MAX_LINE], row), self._line(row))
            return []
        misread = not name or name.isdigit() or "(" in name or "\n" in name
        if misread or (looks == "shell" and name in KEYWORDS[piece.shell]):
            return []
        arguments = words[1:]
        if looks != "outside" and name in BUILTINS[piece.shell]:
            return self._builtin(name, arguments, row, piece)
        self.calls.append((name, self._line(row), looks == "shell" and piece.plain))
        return self._outside(name.rpartition("/")[2], arguments, row)

    def _outside(self, name: str, arguments: list[str], row: int) -> list[_Started]:
        if name == "env":
            return [(_behind_env(arguments), "outside")]
        shell = shell_of(name)
        if shell is not None and name != "busybox":
            self._subshell(shell, arguments, row)
            return []
        if shell is not None:
            return [(arguments, "command")] if not arguments[:1] or arguments[0][:1] != "-" else []
        lines, texts = started(name, arguments)
        for text in texts:
            self._add(script_text(text), row, _Piece(b"", row, "sh", plain=False))
        return [(line, "outside") for line in lines]

    def _subshell(self, shell: str, arguments: list[str], row: int) -> None:
        """`sh -c TEXT`, or `sh FILE`."""
        for at, word in enumerate(arguments):
            if word[:1] in ("-", "+") and len(word) > 1 and word[1] != "-":
                if "c" in word[1:] and word[0] == "-":
                    texts = [item for item in arguments[at + 1 :] if item[:1] not in ("-", "+")][:1]
                    for text in texts:
                        self._add(script_text(text), row, _Piece(b"", row, shell, plain=False))
                    return
            elif word[:2] != "--" and not (at and arguments[at - 1] in ("-o", "-O", "+o", "+O")):
                self._test([word], row)
                return

    def _builtin(self, name: str, arguments: list[str], row: int, piece: _Piece) -> list[_Started]:
        exact = [literal(word) for word in arguments]
        if name in (".", "source"):
            names = exact[1:] if exact[:1] == ["--"] else exact
            if names and names[0]:
                self.sourced.setdefault(names[0], self._line(row))
            elif names:
                self.unknown.setdefault((f"{name} {arguments[0]}"[:MAX_LINE], row), self._line(row))
        elif name == "eval":
            self._add(" ".join(script_text(word) for word in arguments), row, piece)
        elif name == "trap":
            action = arguments[1:] if exact[:1] == ["--"] else arguments
            if len(action) > 1 and action[0][:1] != "-":
                self._add(script_text(action[0]), row, piece)
        elif name == "alias":
            self._alias(arguments, row, piece)
        elif name in ("test", "["):
            self._test(arguments, row)
        elif name == "exec":
            return [(_behind_options(arguments, "a"), "outside")]
        elif name in ("command", "nohup"):
            asks = any(word in ("-v", "-V", "-pv", "-pV") for word in arguments[:2])
            return [] if asks else [(_behind_options(arguments, ""), "command")]
        elif name in ("noglob", "nocorrect", "-"):
            return [(arguments, "shell")]
        return []

    def _alias(self, arguments: list[str], row: int, piece: _Piece) -> None:
        for word in arguments:
            name, equals, given = word.partition("=")
            text = script_text(given)
            if equals:
                # An alias is not expanded in itself: `alias ls='ls -l'` still calls ls.
                if text.split()[:1] != [name]:
                    self.functions[script_text(name)] = None
                self._add(text, row, piece)


_NO_WORDS = {
    "variable_assignment", "file_redirect", "herestring_redirect", "heredoc_redirect", "heredoc_body", "comment",
    "ERROR", "&", ";", "\n",
}  # fmt: skip


def _text(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "surrogateescape")


def _words_of(node: Node) -> Iterator[Node]:
    """The words of a `[` or `[[` command, without recursion."""
    ahead = list(node.children)
    while ahead:
        item = ahead.pop()
        if item.type in ("unary_expression", "binary_expression", "negation_expression", "parenthesized_expression"):
            ahead += item.children
        elif item.type in ("word", "string", "raw_string", "concatenation"):
            yield item


def _inside_backquotes(inner: bytes) -> bytes:
    """What the shell reads inside: one backslash less before these three (POSIX.1-2024 XCU 2.6.3)."""
    if b"\\" not in inner:
        return inner
    made = bytearray()
    at = 0
    while at < len(inner):
        at += inner[at : at + 1] == b"\\" and inner[at + 1 : at + 2] in (b"\\", b"$", b"`")
        made += inner[at : at + 1]
        at += 1
    return bytes(made)


def _behind_options(arguments: list[str], with_argument: str) -> list[str]:
    at = 0
    while at < len(arguments) and arguments[at][:1] == "-" and len(arguments[at]) > 1:
        at += 1 + (arguments[at][-1] in with_argument and arguments[at] != "--")
        if arguments[at - 1] == "--":
            break
    return arguments[at:]


def _behind_env(arguments: list[str]) -> list[str]:
    """The command of `env ...`, its words as they are written. What env would refuse starts nothing."""
    try:
        plain = [word if literal(word) is None else script_text(word) for word in arguments]
        left = started_by_env(plain)
    except SourceError:
        return []
    same = arguments[len(arguments) - len(left) :] if len(left) <= len(arguments) else []
    split = any(word[:2] == "-S" or word[:3] == "-vS" or word[:3] == "--s" for word in arguments)
    return list(left) if split else same


def _mentions(found: dict[str, Line]) -> tuple[Mention, ...]:
    return tuple(Mention(what, line) for what, line in found.items())


def _parser() -> Parser:
    from tree_sitter import Language, Parser
    from tree_sitter_bash import language

    return Parser(Language(language()))


def _parse(parser: Parser, text: bytes) -> Node | None:
    """The root of the tree; None for a text that takes too long.

    The library asks back every hundred steps of its own. Ordinary scripts make it ask 5 times a KiB; there are texts
    for which it would never end, and those are given up after a number of steps, which is the same on every machine.
    """
    budget = 1000 + len(text) // 100
    asked = 0

    def enough(_offset: int, _has_error: bool) -> bool:  # noqa: FBT001  (the library's signature)
        nonlocal asked
        asked += 1
        return asked > budget

    def read(offset: int, _point: Point) -> bytes:
        return text[offset : offset + 65536]

    try:
        return parser.parse(read, progress_callback=enough).root_node
    except ValueError:
        parser.reset()
        return None


def _nodes(root: Node, text: bytes) -> Iterator[Node]:
    """Each node of the tree before its children; a cursor, so that no depth of the tree is a depth of calls.

    What stands in backquotes is left out, since it is read again without its backslashes.
    """
    cursor = root.walk()
    while True:
        node = cursor.node
        if node is None:
            return
        yield node
        backquoted = node.type == "command_substitution" and text.startswith(b"`", node.start_byte)
        if not backquoted and cursor.goto_first_child():
            continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return
