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
MAX_LINE = 4000  # characters of a line before a sign
MAX_NAME = 200  # characters of a module's name in quotes
# Where `$FindBin::Bin` stands in a folder or file that is asked for: the folder of the script.
BIN = "\0BIN"

# What asks for something, if it stands where a statement may begin: the word, and what it goes on with.
_STATEMENTS = ("use ", "no ", "do ", "do(", "do'", 'do"', "require")
_LOADERS = ("XSLoader::load", "bootstrap")
_LAYERS = (":encoding(", ":utf8")
_NAMED = "\\N{"  # \N{GREEK SMALL LETTER ALPHA}
_SIGNS = (*_STATEMENTS, *_LOADERS, *_LAYERS, _NAMED)
_BEFORE_STATEMENT = (";", "{", "}", "(", ",", "&&", "||")
_WORDS_BEFORE = ("eval", "do", "if", "unless", "and", "or", "else", "return")
_LOADED = re.compile(r"[ (]*['\"]?([A-Za-z_]\w*(?:::\w+)+|[A-Z]\w+)")
_MODULE = re.compile(r"[ \t]+([A-Za-z_]\w*(?:(?:::|')\w+)*)(?=[\s;(){},'\"]|$)")
_QUOTED = re.compile(r"[ \t(]*(?:\"([^\"\n]*)\"|'([^'\n]*)')")
_VERSION = re.compile(r"[ \t]+v?\d[\d._]*")
_COMPUTED = re.compile(r"[ \t(]*(?:\$|\"[^\"\n]*[$@])")
_ONE_OF = re.compile(r"[ \t(]*\"([A-Za-z]\w*(?:/\w+)+)/\$\{?\w+\}?\.pm\"")  # "Image/ExifTool/$module.pm"
_HEREDOC = re.compile(r"<<(~?)(?:\"([^\"\n]+)\"|'([^'\n]+)'|([A-Za-z_]\w*))")
_WORDS = re.compile(r"qw[ \t\n]*(?:\(([^)]*)\)|\[([^\]]*)\]|\{([^}]*)\}|<([^>]*)>|/([^/]*)/|\|([^|]*)\|)"
                    r"|\"([^\"\n]*)\"|'([^'\n]*)'")  # fmt: skip
# Names of encodings, in small letters, whose tables are modules that Encode loads when it meets them (Encode::Config);
# each begins with one of the signs.
_ENCODINGS = (
    (("shift", "sjis", "euc", "iso-2022-jp", "cp932", "7bit-jis"),
     re.compile(r"shift_?jis|(?<!\w)sjis|euc-?jp|iso-2022-jp|cp932|7bit-jis"), "Encode::JP"),
    (("euc", "gb", "cp936", "hz"), re.compile(r"euc-?cn|gb2312|gbk|cp936|(?<!\w)hz\b"), "Encode::CN"),
    (("euc", "cp949", "johab", "iso-2022-kr"), re.compile(r"euc-?kr|cp949|johab|iso-2022-kr"), "Encode::KR"),
    (("big", "cp950"), re.compile(r"big-?5|cp950"), "Encode::TW"),
    (("iso", "koi8", "cp", "windows", "macroman"),
     re.compile(r"iso-?8859-?(?:[2-9]|1\d)|koi8|(?:cp-?|windows-)125\d|cp8\d\d|cp437|macroman"), "Encode::Byte"),
    (("utf", "ucs"), re.compile(r"utf-?(?:16|32|7)|ucs-?[24]"), "Encode::Unicode"),
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


def find_modules(source: str, *, encodings: bool = True) -> tuple[Wanted, ...]:
    """All that `source` asks for, in its order, each once; unless told, with the encodings that it names."""
    found: dict[tuple[str, str], Wanted] = {}
    for item in _wanted(source[:MAX_SOURCE], encodings=encodings):
        found.setdefault((item.kind, item.name), item)
    return tuple(found.values())


def module_file(name: str) -> str:
    """Where below a folder of @INC a module stands: "JSON/PP.pm"."""
    return name.replace("::", "/") + ".pm"


def _wanted(source: str, *, encodings: bool) -> Iterator[Wanted]:
    if source.startswith("#!"):
        yield from _switches(source.partition("\n")[0])
    source = "\n" + source.replace("\t", " ")  # so that each line has a newline before it, and a word a space behind it
    pieces = tuple(_code(source))
    line = counted = lists = 0
    for at, sign, end in _signs(source, pieces):
        line += source.count("\n", counted, at)
        counted = at
        if sign in _STATEMENTS:
            word = sign if sign == "require" else sign[:-1]
            rest = _statement_at(source, at + len(word), end)
            lists += rest.lstrip().startswith(_WITH_NAMES)
            if lists <= MAX_LISTS:
                yield from _statement(word, rest, line)
        elif sign in _LOADERS:
            if name := _LOADED.match(source, at + len(sign), end):
                yield Wanted("require", name[1], line)
        elif sign in _LAYERS:
            yield Wanted("require", "PerlIO::encoding", line)
        elif sign == _NAMED:
            yield Wanted("require", "_charnames", line)
        else:
            yield Wanted("mention", sign, line)
    if encodings and any(source.find("ncod", begin, end) >= 0 for begin, end in pieces):
        yield from _encodings(source, pieces)


def _signs(source: str, pieces: tuple[tuple[int, int], ...]) -> Iterator[tuple[int, str, int]]:
    """Where in the code something is asked for: the place, the sign or the name in quotes that stands there, and where
    the piece of code ends. Signs are searched for: the base library has 40,000 lines, of which 1,000 ask for something.
    """
    code_end = pieces[-1][1] if pieces else 0
    hits = ((at, sign) for sign in _SIGNS for at in _all(source, sign, code_end))
    found = [(at, sign) for at, sign in hits if _asks(source, at, sign)]
    found += [item for quote in "'\"" for item in _mentions(source, quote, code_end)]
    places = iter(pieces)
    begin, end = next(places, (0, 0))
    for at, sign in sorted(found):
        while at >= end:
            begin, end = next(places)
        start = _line_start(source, at)
        if at >= begin and _comment(source, start, at + 1) > at:
            yield at, sign, end


def _all(source: str, sign: str, end: int) -> Iterator[int]:
    at = source.find(sign, 0, end)
    while at >= 0:
        yield at
        at = source.find(sign, at + len(sign), end)


def _asks(source: str, at: int, sign: str) -> bool:
    """Whether the sign at `at` is more than a piece of another word, and stands where it may."""
    if sign in _LAYERS:
        return True
    if sign == _NAMED:
        return source[at + len(sign) : at + len(sign) + 1].isalpha() and not source.startswith("U+", at + len(sign))
    if _is_word(source, at - 1) or (sign == "require" and _is_word(source, at + len(sign))):
        return False
    if sign in _LOADERS:
        return True
    before = source[_line_start(source, at) : at].rstrip(" ")
    if not before or before.endswith(_BEFORE_STATEMENT):
        return True
    word = next((word for word in _WORDS_BEFORE if before.endswith(word)), None)
    return word is not None and not _is_word(before, len(before) - len(word) - 1)


def _is_word(source: str, at: int) -> bool:
    return 0 <= at < len(source) and (source[at].isalnum() or source[at] == "_")


def _mentions(source: str, quote: str, end: int) -> Iterator[tuple[int, str]]:
    """Names like 'A::B' in quotes, each where it stands first."""
    texts = {text for text in source[:end].split(quote) if "::" in text and text[:1].isupper() and len(text) < MAX_NAME}
    for name in texts:
        if _NAME.match(name):
            yield from ((at, name) for at in _all(source, f"{quote}{name}{quote}", end))


def _comment(source: str, start: int, stop: int) -> int:
    """Where the comment of the line from `start` begins, or `stop`: at a # that begins a word."""
    at = source.find("#", start, stop)
    while at > start and not source[at - 1].isspace():
        at = source.find("#", at + 1, stop)
    return at if at >= 0 else stop


def _statement_at(source: str, at: int, end: int) -> str:
    """From `at` to the end of the statement, without comments."""
    end = min(at + MAX_STATEMENT, end)
    stop = source.find(";", at, end)
    text = source[at : stop if stop >= 0 else end]
    if "#" not in text:
        return text
    lines = source[at:end].split("\n")  # the semicolon may have stood in a comment
    return "\n".join(line[: _comment(line, 0, len(line))] for line in lines).partition(";")[0]


def _encodings(source: str, pieces: tuple[tuple[int, int], ...]) -> Iterator[Wanted]:
    code = source.lower()
    for signs, names, module in _ENCODINGS:
        at = min((at for sign in signs for at in _places(code, sign, names, pieces)), default=-1)
        if at >= 0:
            yield Wanted("encoding", module, code.count("\n", 0, at))


def _places(
    code: str, sign: str, names: re.Pattern[str], pieces: tuple[tuple[int, int], ...]
) -> Iterator[int]:
    """Where in the pieces, outside of comments, a name begins that begins with `sign`: the first."""
    for begin, end in pieces:
        at = code.find(sign, begin, end)
        while at >= 0:
            if names.match(code, at) and _comment(code, _line_start(code, at), at + 1) > at:
                yield at
                return
            at = code.find(sign, at + 1, end)


def _switches(line: str) -> Iterator[Wanted]:
    """-MNAME and -mNAME of the first line."""
    for word in line.split()[1:]:
        if word[:2] in ("-M", "-m") and _NAME.match(name := word[2:].partition("=")[0]):
            yield Wanted("use", name, 1)


def _code(source: str) -> Iterator[tuple[int, int]]:
    """The pieces of code, by where they begin and end; what is between them is none."""
    start = 0
    for begin, end in _no_code(source):
        if begin > start:
            yield start, begin
        start = end
    if start < len(source):
        yield start, len(source)


def _no_code(source: str) -> Iterator[tuple[int, int]]:
    """POD, the bodies of here-documents, and what follows the end of the code; each begins with the newline before."""
    at = 0
    places = dict.fromkeys(("\n=", "\n__END__", "\n__DATA__", "<<"), -2)
    last: dict[str, int] = {}  # where a line with this word stands for the last time
    while True:
        for sign, place in places.items():
            if -1 != place < at:
                places[sign] = source.find(sign, at)
        sign, place = min((item for item in places.items() if item[1] >= 0), key=lambda item: item[1], default=("", 0))
        if not sign:
            return
        at = place + len(sign)
        if sign == "<<":
            at = _line_end(source, place)
            last = last or _last_lines(source)
            for end in _here(source, place, at):
                if last.get(end, 0) > at:  # `1 <<FLAG` looks the same: what has no last line is none
                    begin, at = at, _after(source, end, at)
                    yield begin, at
        elif sign == "\n=":
            if source[at : at + 1].isalpha():
                cut = source.find("\n=cut", place)
                at = _line_end(source, cut + 1) if cut >= 0 else len(source)
                yield place, at
        elif not source[at : _line_end(source, at)].strip():
            yield place, len(source)
            return


def _here(source: str, place: int, stop: int) -> Iterator[str]:
    """The words that end the here-documents of the line that holds `place` and ends at `stop`."""
    start = _line_start(source, place)
    for match in _HEREDOC.finditer(source, place, _comment(source, start, stop)):
        yield match[2] or match[3] or match[4]


def _last_lines(source: str) -> dict[str, int]:
    found, at = {}, 0
    for line in source.split("\n"):
        found[line.strip()] = at
        at += len(line) + 1
    return found


def _after(source: str, word: str, at: int) -> int:
    """The end of the first line after `at` that is `word`; `at` if there is none."""
    stop = at
    while stop < len(source):
        start, stop = stop + 1, _line_end(source, stop + 1)
        if source[start:stop].strip() == word:
            return stop
    return at


def _line_start(source: str, at: int) -> int:
    """Where the line that holds `at` begins; of a very long one only the end before `at` is looked at."""
    first = max(0, at - MAX_LINE)
    found = source.rfind("\n", first, at)
    return found + 1 if found >= 0 else first


def _line_end(source: str, at: int) -> int:
    found = source.find("\n", at)
    return found if found >= 0 else len(source)


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
