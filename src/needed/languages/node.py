"""What a JavaScript source asks for: the modules of literal require, import and export, and files beside it.

Reads tokens, so that what stands in comments, strings, templates and regular expressions is none; parses no grammar. A
name that is computed is not found; its line is told. Follows ECMA-262 (lexical grammar, modules) and Node's manual
(modules, esm). Resolving names to files is the rule's (`rules/catalogue/node.py`).
"""

from __future__ import annotations

import re

from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_SOURCE = 2 << 20  # bytes of one source
MAX_FAILED = 500  # slashes of one source that could begin a regular expression and do not
# Words after which a slash begins a regular expression and no division.
_BEFORE_REGEX = frozenset(
    ("return", "typeof", "instanceof", "in", "of", "new", "delete", "void", "throw", "case", "do", "else", "yield",
     "await", "default")
)  # fmt: skip
_TOKEN = re.compile(
    r"(?P<space>[\s\ufeff]+|//[^\n\u2028\u2029]*|/\*.*?(?:\*/|\Z)|\A\#![^\n]*)"
    r"|(?P<string>\"(?:[^\"\\\n]|\\.)*(?:\"|(?=\n)|\\?\Z)|'(?:[^'\\\n]|\\.)*(?:'|(?=\n)|\\?\Z))"
    r"|(?P<word>[A-Za-z_$\u0080-\U0010ffff][\w$]*|\#[A-Za-z_$][\w$]*)"
    r"|(?P<number>\.?\d[\w.]*)"
    r"|(?P<other>\?\.|\.\.\.|\+\+|--|.)",
    re.DOTALL,
)
_REGEX = re.compile(r"/(?:[^/\\\[\n]|\\.|\[(?:[^\]\\\n]|\\.){0,2000}\]){1,2000}/[A-Za-z]*")
_TEMPLATE = re.compile(r"(?:[^`\\$]|\\.|\$(?!\{))*", re.DOTALL)
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|u\{([0-9a-fA-F]{1,5})\}|(.))", re.DOTALL)


@value
class Asked:
    """What is asked for at `line`, counted from 1.

    `kind` is "require" or "import", a module's name or path; "file", a path from the source's own folder (`__dirname`,
    `import.meta`), a folder as well; "computed", a call whose argument only a run knows.
    """

    kind: str
    name: str
    line: int


@value
class _Token:
    kind: str
    text: str
    line: int


def find_requests(source: str) -> tuple[Asked, ...]:
    """All that `source` asks for, in its order, each once."""
    tokens = [*_tokens(source[:MAX_SOURCE])]
    tokens += [_Token("end", "", 0)] * 12  # so that looking ahead needs no care
    found: dict[tuple[str, str], Asked] = {}
    for number in range(len(tokens) - 12):
        if tokens[number].kind == "word":
            for item in _at(tokens, number):
                found.setdefault((item.kind, item.name), item)
    return tuple(found.values())


def _at(tokens: list[_Token], at: int) -> Iterator[Asked]:
    token, after = tokens[at], tokens[at + 1]
    member = at > 0 and tokens[at - 1].text in (".", "?.")
    match token.text:
        case "require" if not member or tokens[at - 2].text == "module":
            call = (
                at + 1 if after.text == "(" else at + 3 if after.text == "." and tokens[at + 2].text == "resolve" else 0
            )
            if call and tokens[call].text == "(":
                yield from _argument("require", tokens, call)
        case "import" if not member and after.kind == "string":
            yield Asked("import", after.text, token.line)
        case "import" if not member and after.text == "(":
            yield from _argument("import", tokens, at + 1)
        case "from" if after.kind == "string" and not member:
            yield Asked("import", after.text, token.line)
        case "__dirname":
            yield from _beside(tokens, at)
        case "URL" | "Worker" if after.text == "(" and tokens[at + 2].kind == "string":
            name = tokens[at + 2].text
            if name.startswith(("./", "../")) and (token.text == "Worker" or tokens[at + 4].text == "import"):
                yield Asked("file", name, token.line)


def _argument(kind: str, tokens: list[_Token], call: int) -> Iterator[Asked]:
    """The argument of the call whose bracket stands at `call`."""
    first, second = tokens[call + 1], tokens[call + 2]
    if first.kind == "string" and second.text in (")", ","):
        yield Asked(kind, first.text, first.line)
    elif first.text != ")" and first.kind != "end":
        shown = "".join(one.text for one in tokens[call : call + 6])
        yield Asked("computed", f"{kind}{shown}"[:60], first.line)


def _beside(tokens: list[_Token], at: int) -> Iterator[Asked]:
    """`join(__dirname, "a", "b")` and `__dirname + "/a"`."""
    parts: list[str] = []
    place = at + 1
    while tokens[place].text in (",", "+") and tokens[place + 1].kind == "string" and len(parts) < 5:
        parts.append(tokens[place + 1].text.strip("/"))
        place += 2
    if parts:
        yield Asked("file", "./" + "/".join(parts), tokens[at].line)


def _tokens(source: str) -> Iterator[_Token]:
    """The tokens that count; a template literal without an expression is a string."""
    at, line, depth, failed = 0, 1, 0, 0
    templates: list[int] = []  # the depths of braces at which a template goes on
    previous = _Token("other", ";", 1)
    while at < len(source):
        character = source[at]
        if character == "`" or (character == "}" and templates and templates[-1] == depth):
            if character == "}":
                templates.pop()
            match = _TEMPLATE.match(source, at + 1)
            end = match.end() if match else len(source)
            begins_expression = source.startswith("${", end)
            if begins_expression:
                templates.append(depth)
            whole = character == "`" and not begins_expression
            previous = _Token("string" if whole else "template", source[at + 1 : end] if whole else "", line)
            line += source.count("\n", at, end)
            at = end + (2 if begins_expression else 1)
            if begins_expression:
                previous = _Token("other", "(", line)
            yield previous
            continue
        comment = source.startswith(("//", "/*"), at)
        slash = character == "/" and not comment and failed < MAX_FAILED and _may_be_regex(previous)
        found = _REGEX.match(source, at) if slash else None
        failed += slash and found is None
        if found is not None:
            previous = _Token("regex", "", line)
            at = found.end()
            yield previous
            continue
        match = _TOKEN.match(source, at)
        if match is None:
            return
        kind, text = match.lastgroup or "", match[0]
        at = match.end()
        if kind != "space":
            depth += (text == "{") - (text == "}") if kind == "other" else 0
            previous = _Token(kind, _unescaped(text[1:-1]) if kind == "string" else text, line)
            yield previous
        line += text.count("\n")


def _may_be_regex(previous: _Token) -> bool:
    if previous.kind == "word":
        return previous.text in _BEFORE_REGEX
    return previous.kind == "other" and previous.text not in (")", "]", "}", "++", "--")


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(_character, text) if "\\" in text else text


def _character(match: re.Match[str]) -> str:
    if number := match[1] or match[2] or match[3]:
        return chr(min(int(number, 16), 0x10FFFF))
    return {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0", "\n": ""}.get(
        match[4], match[4]
    )
