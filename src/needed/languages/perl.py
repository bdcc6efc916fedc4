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
MAX_STATEMENT = 2000  # characters of one statement that are looked at
MAX_LISTS = 300  # statements of one source whose lists of words are looked at
# Where `$FindBin::Bin` stands in a folder or file that is asked for: the folder of the script.
BIN = "\0BIN"

_ANY = re.compile(
    r"(?:^|[;{}(,]|\b(?:eval|do|if|unless|and|or|else|return)\b|&&|\|\|)[ \t]*(?P<word>use|no|require|do)\b"
    r"|\b(?:XSLoader::load|bootstrap)[ \t(]*['\"]?(?P<load>[A-Za-z_]\w*(?:::\w+)+|[A-Z]\w+)"
    r"|['\"](?P<mention>[A-Z]\w*(?:::\w+)+)['\"]"
    r"|(?P<layer>:encoding\(|:utf8)"
    r"|(?P<named>\\N\{(?!U\+)[A-Za-z])",
    re.MULTILINE,
)
_COMMENT = re.compile(r"(?:^|\s)#")
_MODULE = re.compile(r"[ \t]+([A-Za-z_]\w*(?:(?:::|')\w+)*)(?=[\s;(){},'\"]|$)")
_QUOTED = re.compile(r"[ \t(]*(?:\"([^\"\n]*)\"|'([^'\n]*)')")
_VERSION = re.compile(r"[ \t]+v?\d[\d._]*")
_COMPUTED = re.compile(r"[ \t(]*(?:\$|\"[^\"\n]*[$@])")
_ONE_OF = re.compile(r"[ \t(]*\"([A-Za-z]\w*(?:/\w+)+)/\$\{?\w+\}?\.pm\"")  # "Image/ExifTool/$module.pm"
_HEREDOC = re.compile(r"<<(~?)(?:\"([^\"\n]+)\"|'([^'\n]+)'|([A-Za-z_]\w*))")
_WORDS = re.compile(r"qw[ \t\n]*(?:\(([^)]*)\)|\[([^\]]*)\]|\{([^}]*)\}|<([^>]*)>|/([^/]*)/|\|([^|]*)\|)"
                    r"|\"([^\"\n]*)\"|'([^'\n]*)'")  # fmt: skip
# Names of encodings whose tables are modules that Encode loads when it meets them (Encode::Config).
_ENCODINGS = (
    (re.compile(r"shift_?jis|\bsjis|euc-?jp|iso-2022-jp|cp932|7bit-jis", re.IGNORECASE), "Encode::JP"),
    (re.compile(r"euc-?cn|gb2312|gbk|cp936|\bhz\b", re.IGNORECASE), "Encode::CN"),
    (re.compile(r"euc-?kr|cp949|johab|iso-2022-kr", re.IGNORECASE), "Encode::KR"),
    (re.compile(r"big-?5|cp950", re.IGNORECASE), "Encode::TW"),
    (re.compile(r"iso-?8859-?(?:[2-9]|1\d)|koi8|(?:cp-?|windows-)125\d|cp8\d\d|cp437|macroman", re.IGNORECASE),
     "Encode::Byte"),
    (re.compile(r"utf-?(?:16|32|7)|ucs-?[24]", re.IGNORECASE), "Encode::Unicode"),
)  # fmt: skip
_NAME = re.compile(r"[A-Za-z_]\w*(?:::\w+)*\Z")
_FINDBIN = re.compile(r"\$\{?(?:FindBin::)?(?:Real)?Bin\}?")


@value
class Wanted:
    """A module, a file or a folder that is asked for at `line`, counted from 1.

    `kind` is "use", which must be there; "require", which may be tried; "mention", a quoted word that may be a module's
    name; "encoding", the module of one that is named; "file", a path that @INC is searched for; "folder", which @INC
    gets; "one of", a folder below @INC, of which a module with a computed name is asked for; "computed", the beginning
    of a statement whose name only a run knows.
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
    code = "\n".join(_code(lines))
    line, counted, lists = 1, 0, 0
    for match in _ANY.finditer(code):  # once through the text, for the base library has 40,000 lines
        line += code.count("\n", counted, match.start())
        counted = match.start()
        if match["word"]:
            rest = code[match.end() : match.end() + MAX_STATEMENT]
            lists += rest.lstrip().startswith(_WITH_NAMES)
            if lists <= MAX_LISTS:
                yield from _statement(match["word"], rest, line)
        elif name := match["load"]:
            yield Wanted("require", name, line)
        elif name := match["mention"]:
            yield Wanted("mention", name, line)
        else:
            yield Wanted("require", "_charnames" if match["named"] else "PerlIO::encoding", line)
    for names, module in _ENCODINGS if "ncod" in code else ():
        if found := names.search(code):
            yield Wanted("encoding", module, code.count("\n", 0, found.start()) + 1)


def _switches(line: str) -> Iterator[Wanted]:
    """-MNAME and -mNAME of the first line."""
    for word in line.split()[1:]:
        if word[:2] in ("-M", "-m") and _NAME.match(name := word[2:].partition("=")[0]):
            yield Wanted("use", name, 1)


def _code(lines: list[str]) -> Iterator[str]:
    """The lines with all that is no code blank, up to the end of the code."""
    last = {line.strip(): number for number, line in enumerate(lines)}
    in_pod = False
    ends: list[str] = []  # of the here-documents that are open
    for number, line in enumerate(lines):
        code = ""
        if ends:
            if line.strip() == ends[0]:
                ends.pop(0)
        elif in_pod or (line[:1] == "=" and line[1:2].isalpha()):
            in_pod = not line.startswith("=cut")
        elif line.startswith(("__END__", "__DATA__")) and line.rstrip() in ("__END__", "__DATA__"):
            return
        elif "#" not in line or not line.lstrip().startswith("#"):
            code = _COMMENT.split(line, maxsplit=1)[0] if "#" in line else line
            if "<<" in code:
                for match in _HEREDOC.finditer(code):
                    end = match[2] or match[3] or match[4]
                    if last.get(end, 0) > number:  # `1 <<FLAG` looks the same: what has no last line is none
                        ends.append(end)
        yield code


def _statement(word: str, rest: str, number: int) -> Iterator[Wanted]:
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
        elif word == "require" and (inside := _ONE_OF.match(rest)):
            yield Wanted("one of", inside[1], number)
        elif word == "require" and _COMPUTED.match(rest):
            yield Wanted("computed", f"require{rest}".partition(";")[0].partition("\n")[0].strip()[:80], number)
        return
    name = module[1].replace("'", "::")
    yield Wanted("use" if word == "use" else "require", name, number)
    if name in _WITH_NAMES:
        yield from _of_pragma(name, rest[module.end() :].partition(";")[0], number)


# Pragmas and modules whose words are names of modules.
_WITH_NAMES = ("lib", "parent", "base", "fields", "aliased", "autouse", "if", "ok", "superclass", "mixin")


def _of_pragma(name: str, words: str, number: int) -> Iterator[Wanted]:
    if name == "lib" and _FINDBIN.search(_WORDS.sub("", words)):  # `$Bin . "/../lib"`, `catdir($Bin, "lib")`
        tail = "".join(f"/{one.strip('/')}" for one in re.findall(r"['\"]([^'\"$\n]+)['\"]", words))
        yield Wanted("folder", BIN + tail, number)
        return
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


def _file(name: str, number: int) -> Iterator[Wanted]:
    with_bin = _FINDBIN.sub(BIN, name)
    if with_bin and not re.search(r"[$@]", with_bin):
        yield Wanted("file", with_bin, number)
