"""What a Perl source asks for: modules, further files, and folders to search; each with its line.

Perl cannot be parsed without running it (perlfaq7, "Can I use Perl to parse Perl?"), and this does not try: it looks at
beginnings of statements, outside of comments, POD, here-documents and what follows `__END__`. It rather finds too much
than too little, since a module that is not there is no loss. A name that is computed is not found; its line is told.
Follows perlfunc (use, no, require, do), perlmod, perlpod, base(3perl), parent(3perl), lib(3perl), FindBin(3perl).
"""

from __future__ import annotations

import re

from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_SOURCE = 1 << 20  # bytes of one source
MAX_STATEMENT = 4000  # characters of one statement that are looked at
# Where `$FindBin::Bin` stands in a folder or file that is asked for: the folder of the script.
BIN = "\0BIN"

_STATEMENT = re.compile(r"(?:^|[;{}(,]|\b(?:eval|do|if|unless|and|or|else|return)\b|&&|\|\|)[ \t]*(use|no|require|do)\b")
_MODULE = re.compile(r"[ \t]+([A-Za-z_]\w*(?:(?:::|')\w+)*)(?=[\s;(){},'\"]|$)")
_QUOTED = re.compile(r"[ \t(]*(?:\"([^\"\n]*)\"|'([^'\n]*)')")
_VERSION = re.compile(r"[ \t]+v?\d[\d._]*")
_COMPUTED = re.compile(r"[ \t(]*(?:\$|\"[^\"\n]*[$@])")
_HEREDOC = re.compile(r"<<(~?)(?:\"([^\"\n]+)\"|'([^'\n]+)'|([A-Za-z_]\w*))")
_WORDS = re.compile(r"qw[ \t\n]*(?:\(([^)]*)\)|\[([^\]]*)\]|\{([^}]*)\}|<([^>]*)>|/([^/]*)/|\|([^|]*)\|)"
                    r"|\"([^\"\n]*)\"|'([^'\n]*)'")  # fmt: skip
_LOAD = re.compile(r"\b(?:XSLoader::load|bootstrap)[ \t(]*['\"]?([A-Za-z_]\w*(?:::\w+)+|[A-Z]\w+)['\"]?")
_MENTION = re.compile(r"['\"]([A-Z]\w*(?:::\w+)+)['\"]")
_LAYER = re.compile(r":encoding\(|\bopen\b[^;\n]*:utf8|-C\b")
_NAME = re.compile(r"[A-Za-z_]\w*(?:::\w+)*\Z")
_FINDBIN = re.compile(r"\$\{?(?:FindBin::)?(?:Real)?Bin\}?")
_NAMED_CHARACTER = re.compile(r"\\N\{(?!U\+)[A-Za-z]")


@value
class Wanted:
    """A module, a file or a folder that is asked for at `line`, counted from 1.

    `kind` is "use", which must be there; "require", which may be tried; "mention", a quoted word that may be a module's
    name; "file", a path that @INC is searched for; "folder", which @INC gets; "computed", the beginning of a statement
    whose name only a run knows.
    """

    kind: str
    name: str
    line: int


def find_modules(source: str) -> tuple[Wanted, ...]:
    """All that `source` asks for, in its order, each once."""
    found: dict[tuple[str, str], Wanted] = {}
    for item in _wanted(source[:MAX_SOURCE]):
        found.setdefault((item.kind, item.name), item)
    return tuple(found.values())


def module_file(name: str) -> str:
    """Where below a folder of @INC a module stands: "JSON/PP.pm"."""
    return name.replace("::", "/") + ".pm"


def _wanted(source: str) -> Iterator[Wanted]:
    lines = source.split("\n")
    if lines and lines[0].startswith("#!"):
        yield from _switches(lines[0])
    for number, line in _code(lines):
        for match in _STATEMENT.finditer(line):
            yield from _statement(match[1], line[match.end() :], number, lines)
        for match in _LOAD.finditer(line):
            yield Wanted("require", match[1], number)
        for match in _MENTION.finditer(line):
            yield Wanted("mention", match[1], number)
        if _LAYER.search(line):
            yield Wanted("require", "PerlIO::encoding", number)
        if _NAMED_CHARACTER.search(line):
            yield Wanted("require", "_charnames", number)


def _switches(line: str) -> Iterator[Wanted]:
    """-MNAME and -mNAME of the first line."""
    for word in line.split()[1:]:
        if word[:2] in ("-M", "-m") and _NAME.match(name := word[2:].partition("=")[0]):
            yield Wanted("use", name, 1)


def _code(lines: list[str]) -> Iterator[tuple[int, str]]:
    """(number, line) of what is code, without comments that take a line's rest."""
    number, in_pod = 0, False
    ends: list[str] = []  # of the here-documents that are open
    while number < len(lines):
        line = lines[number]
        number += 1
        if ends:
            if line.strip() == ends[0]:
                ends.pop(0)
        elif in_pod:
            in_pod = not line.startswith("=cut")
        elif line[:1] == "=" and line[1:2].isalpha():
            in_pod = not line.startswith("=cut")
        elif line.rstrip() in ("__END__", "__DATA__"):
            return
        elif not line.lstrip().startswith("#"):
            code = re.split(r"(?:^|\s)#", line, maxsplit=1)[0] if "#" in line else line
            for match in _HEREDOC.finditer(code):
                end = match[2] or match[3] or match[4]
                # `1 <<FLAG` looks the same: what has no last line is none.
                if any(one.strip() == end if match[1] else one.rstrip("\r") == end for one in lines[number:]):
                    ends.append(end)
            yield number, code


def _statement(word: str, rest: str, number: int, lines: list[str]) -> Iterator[Wanted]:
    if word == "do":
        if quoted := _QUOTED.match(rest):
            yield from _file(quoted[1] or quoted[2] or "", number)
        return
    if _VERSION.match(rest):
        if word == "use":  # `use v5.36` turns features and strictures on
            yield from (Wanted("require", name, number) for name in ("feature", "strict", "warnings"))
        return
    module = _MODULE.match(rest)
    if module is None:
        if word == "require" and (quoted := _QUOTED.match(rest)) and not _COMPUTED.match(rest):
            yield from _file(quoted[1] or quoted[2] or "", number)
        elif word == "require" and _COMPUTED.match(rest):
            yield Wanted("computed", f"require{rest}".partition(";")[0].strip()[:80], number)
        return
    name = module[1].replace("'", "::")
    yield Wanted("use" if word == "use" else "require", name, number)
    if name in _WITH_NAMES or name == "lib":
        yield from _of_pragma(name, _rest_of_statement(rest[module.end() :], number, lines), number)


# Pragmas and modules whose words are names of modules.
_WITH_NAMES = ("parent", "base", "fields", "aliased", "autouse", "if", "ok", "superclass", "mixin")


def _of_pragma(name: str, words: str, number: int) -> Iterator[Wanted]:
    for match in _WORDS.finditer(words):
        text = next((group for group in match.groups() if group is not None), "")
        many = text.split() if match[0].startswith("qw") else [text]
        for one in many:
            if name == "lib":
                yield Wanted("folder", _FINDBIN.sub(BIN, one), number)
            elif _NAME.match(one):
                yield Wanted("require", one, number)
    if name == "if":
        for word in re.findall(r"\b[A-Z]\w*(?:::\w+)+\b", words):
            yield Wanted("require", word, number)
    if name == "lib" and _FINDBIN.search(words):  # `$Bin . "/../lib"`, `catdir($Bin, "lib")`
        tail = "".join(f"/{one.strip('/')}" for one in re.findall(r"['\"]([^'\"$\n]+)['\"]", words))
        yield Wanted("folder", BIN + tail, number)


def _rest_of_statement(rest: str, number: int, lines: list[str]) -> str:
    """`rest` of line `number` up to its semicolon, with the lines after it that it goes on in."""
    text = rest
    for line in lines[number : number + 50]:
        if ";" in text or len(text) > MAX_STATEMENT:
            break
        text += "\n" + line
    return text.partition(";")[0][:MAX_STATEMENT]


def _file(name: str, number: int) -> Iterator[Wanted]:
    with_bin = _FINDBIN.sub(BIN, name)
    if with_bin and not re.search(r"[$@]", with_bin):
        yield Wanted("file", with_bin, number)
