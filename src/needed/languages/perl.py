"""What a Perl source asks for: modules, further files, and folders to search; each with its line.

Perl cannot be parsed without running it (perlfaq7, "Can I use Perl to parse Perl?"), and this does not try: it looks at
beginnings of statements, outside of comments, POD, here-documents and what follows `__END__`. It rather finds too much
than too little, since a module that is not there is no loss. A name that is computed is not found; its line is told.
Follows perlfunc (use, no, require, do), perlmod, perlpod, base(3perl), parent(3perl), lib(3perl), FindBin(3perl).
"""

from __future__ import annotations

from needed.languages.perl_code import Code, comment, line_start
from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_SOURCE = 1 << 20  # bytes of one source
MAX_STATEMENT = 400  # characters of one statement that are looked at
MAX_LIST = 2000  # of one with a list of words
MAX_LISTS = 300  # such statements of one source
MAX_MENTIONS = 1000  # names in quotes of one source
MAX_NAME = 200  # characters of a module's name
# Where `$FindBin::Bin` stands in a folder or file that is asked for: the folder of the script.
BIN = "\0BIN"

# What asks for something, if it stands where a statement may begin: the word, and what it goes on with.
_STATEMENTS = ("use ", "no ", "do", "require")
_LOADERS = ("XSLoader::load", "bootstrap")
_LAYERS = (":encoding(", ":utf8")
_NAMED = "\\N{"  # \N{GREEK SMALL LETTER ALPHA}
_BEFORE_STATEMENT = (";", "{", "}", "(", ",", "&&", "||")
_WORDS_BEFORE = ("eval", "do", "if", "unless", "and", "or", "else", "return")
# Pragmas and modules whose words are names of modules.
_WITH_NAMES = ("lib", "parent", "base", "fields", "aliased", "autouse", "if", "ok", "superclass", "mixin")
_PAIRS = {"(": ")", "[": "]", "{": "}", "<": ">", "/": "/", "|": "|"}  # qw
# What ends a name, as a space does.
_ENDS = dict.fromkeys(map(ord, ';(){},"\n'), " ")
_FINDBIN = tuple(
    f"{begin}{package}{name}{end}"
    for begin, end in (("${", "}"), ("$", ""))
    for package in ("FindBin::", "")
    for name in ("RealBin", "Bin")
)
# How names of encodings begin, in small letters, whose tables are modules that Encode loads when it meets them
# (Encode::Config); by what they are searched for.
_ENCODINGS: dict[str, dict[str, tuple[str, ...]]] = {
    "shift": {"Encode::JP": ("shiftjis", "shift_jis")},
    "sjis": {"Encode::JP": ("sjis",)},
    "euc": {"Encode::JP": ("eucjp", "euc-jp"), "Encode::CN": ("euccn", "euc-cn"), "Encode::KR": ("euckr", "euc-kr")},
    "7bit-jis": {"Encode::JP": ("7bit-jis",)},
    "gb": {"Encode::CN": ("gb2312", "gbk")},
    "hz": {"Encode::CN": ("hz",)},
    "johab": {"Encode::KR": ("johab",)},
    "big": {"Encode::TW": ("big5", "big-5")},
    "iso": {"Encode::JP": ("iso-2022-jp",), "Encode::KR": ("iso-2022-kr",),
            "Encode::Byte": tuple(f"{iso}{line}{part}" for iso in ("iso8859", "iso-8859") for line in ("", "-")
                                  for part in (*"23456789", *map(str, range(10, 20))))},
    "cp": {"Encode::JP": ("cp932",), "Encode::CN": ("cp936",), "Encode::KR": ("cp949",), "Encode::TW": ("cp950",),
           "Encode::Byte": ("cp125", "cp-125", "cp437", *(f"cp8{part}" for part in range(10)))},
    "windows-125": {"Encode::Byte": ("windows-125",)},
    "koi8": {"Encode::Byte": ("koi8",)},
    "macroman": {"Encode::Byte": ("macroman",)},
    "utf": {"Encode::Unicode": tuple(f"utf{line}{bits}" for line in ("", "-") for bits in (16, 32, 7))},
    "ucs": {"Encode::Unicode": ("ucs2", "ucs-2", "ucs4", "ucs-4")},
}  # fmt: skip
_NO_WORD_BEFORE, _NO_WORD_BEHIND = ("sjis", "hz"), ("hz",)
_SMALL = {ord(letter): letter.lower() for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}  # str.lower() may make text longer


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
    code = Code(source)
    text, lists = code.text, 0
    found = sorted(_signs(text))
    for (at, sign), line in zip(found, code.lines(at for at, _ in found), strict=True):
        if sign in _STATEMENTS:
            word = sign.rstrip()
            rest = _statement_at(text, at + len(word), MAX_STATEMENT)
            if rest.lstrip().startswith(_WITH_NAMES):
                lists += 1
                rest = _statement_at(text, at + len(word), MAX_LIST) if lists <= MAX_LISTS else ""
            yield from _statement(word, rest, line)
        elif sign in _LOADERS:
            name = _name(text[at + len(sign) : at + len(sign) + MAX_NAME].lstrip(' ("')).strip("'")
            if _is_module(name) and ("::" in name or name[:1].isupper()):
                yield Wanted("require", name, line)
        elif sign in _LAYERS:
            yield Wanted("require", "PerlIO::encoding", line)
        elif sign == _NAMED:
            yield Wanted("require", "_charnames", line)
        else:
            yield Wanted("mention", sign, line)
    if encodings and any(not _in_comment(text, at) for at in _all(text, "ncod")):
        named = sorted(_encodings(text.lower() if text.isascii() else text.translate(_SMALL)))
        for (_, module), line in zip(named, code.lines(at for at, _ in named), strict=True):
            yield Wanted("encoding", module, line)


def _signs(text: str) -> Iterator[tuple[int, str]]:
    """Where something is asked for, in no order: the place, and the sign or the name in quotes that stands there. Signs
    are searched for: the base library has 40,000 lines, of which 1,000 ask for something."""
    for sign in (*_STATEMENTS, *_LOADERS, *_LAYERS, _NAMED):
        for at in _all(text, sign):
            if _asks(text, at, sign) and not _in_comment(text, at):
                yield at, sign
    for quote in "'\"":
        yield from _mentions(text, quote)


def _all(text: str, sign: str) -> Iterator[int]:
    at = text.find(sign)
    while at >= 0:
        yield at
        at = text.find(sign, at + len(sign))


def _asks(text: str, at: int, sign: str) -> bool:
    """Whether the sign at `at` is more than a piece of another word, and stands where it may."""
    if sign in _LAYERS:
        return True
    end = at + len(sign)
    if sign == _NAMED:
        return text[end : end + 1].isalpha() and not text.startswith("U+", end)
    if _is_word(text, at - 1):
        return False
    if sign in _LOADERS:
        return True
    if sign == "do" and text[end : end + 1] not in (" ", "(", "'", '"'):
        return False
    if sign == "require" and _is_word(text, end):
        return False
    before = text[line_start(text, at) : at].rstrip(" ")
    if not before or before.endswith(_BEFORE_STATEMENT):
        return True
    word = next((word for word in _WORDS_BEFORE if before.endswith(word)), None)
    return word is not None and not _is_word(before, len(before) - len(word) - 1)


def _is_word(text: str, at: int) -> bool:
    return 0 <= at < len(text) and (text[at].isalnum() or text[at] == "_")


def _in_comment(text: str, at: int) -> bool:
    return comment(text, line_start(text, at), at + 1) <= at


def _mentions(text: str, quote: str) -> Iterator[tuple[int, str]]:
    """Names like 'A::B' in quotes, each where it stands first."""
    names = {one for one in text.split(quote) if len(one) < MAX_NAME and "::" in one and one[:1].isupper()}
    for name in sorted(filter(_is_module, names))[:MAX_MENTIONS]:
        at = next((at for at in _all(text, f"{quote}{name}{quote}") if not _in_comment(text, at)), -1)
        if at >= 0:
            yield at, name


def _statement_at(text: str, at: int, size: int) -> str:
    """From `at` to the end of the statement, `size` characters at most, without comments."""
    end = at + size
    stop = text.find(";", at, end)
    statement = text[at : stop if stop >= 0 else end]
    if "#" not in statement:
        return statement
    lines = text[at:end].split("\n")  # the semicolon may have stood in a comment
    return "\n".join(line[: comment(line, 0, len(line))] for line in lines).partition(";")[0]


def _encodings(text: str) -> Iterator[tuple[int, str]]:
    """Where names of encodings stand first, outside of comments, and the module of each."""
    for sign, modules in _ENCODINGS.items():
        wanted = dict(modules)
        for at in _all(text, sign):
            module = next((one for one, forms in wanted.items() if text.startswith(forms, at)), None)
            if module is None or _in_comment(text, at):
                continue
            if sign in _NO_WORD_BEFORE and _is_word(text, at - 1):
                continue
            if sign in _NO_WORD_BEHIND and _is_word(text, at + len(sign)):
                continue
            yield at, module
            del wanted[module]
            if not wanted:
                break


def _switches(line: str) -> Iterator[Wanted]:
    """-MNAME and -mNAME of the first line."""
    for word in line.split()[1:]:
        if word[:2] in ("-M", "-m") and _is_module(name := word[2:].partition("=")[0]):
            yield Wanted("use", name, 1)


def _statement(word: str, rest: str, line: int) -> Iterator[Wanted]:
    name = "" if word == "do" or rest[:1] != " " else _name(rest).replace("'", "::")
    if name.removeprefix("v")[:1].isdigit():
        if word == "use":  # `use v5.36` turns features and strictures on
            yield from (Wanted("require", one, line) for one in ("feature", "strict", "warnings"))
    elif _is_module(name):
        yield Wanted("use" if word == "use" else "require", name, line)
        if name in _WITH_NAMES:
            yield from _of_pragma(name, rest.lstrip()[len(name) :], line)
    elif word in ("do", "require"):
        yield from _of_path(word, rest, line)


def _of_path(word: str, rest: str, line: int) -> Iterator[Wanted]:
    """What is asked for by the path of a file, or of a name that is not there."""
    asked = rest.lstrip(" (")
    quote = asked[:1]
    path, end, _ = asked[1:].partition(quote) if quote in ("'", '"') else ("", "", "")
    if not end or "\n" in path:
        path = ""
    bare = _with_bin(path)
    if bare and "$" not in bare and "@" not in bare:
        yield Wanted("file", bare, line)
    elif word == "require" and quote == '"' and (folder := _one_of(path)):
        yield Wanted("one of", folder, line)
    elif word == "require" and (quote == "$" or (quote == '"' and bare)):
        yield Wanted("computed", f"{word}{rest}".partition("\n")[0].strip()[:80], line)


def _one_of(path: str) -> str:
    """ "Image/ExifTool" of "Image/ExifTool/$module.pm"."""
    folder, _, name = path.rpartition("/")
    known = folder.split("/")
    is_one = name.startswith("$") and name.endswith(".pm") and name[1:-3].strip("{}").isidentifier()
    return folder if is_one and len(known) > 1 and all(map(str.isidentifier, known)) else ""


def _of_pragma(name: str, words: str, line: int) -> Iterator[Wanted]:
    parts = [*_parts(words)]
    strings = [text for is_string, text in parts if is_string]
    if name == "lib" and any(BIN in _with_bin(text) for is_string, text in parts if not is_string):
        # `$Bin . "/../lib"`, `catdir($Bin, "lib")`
        tail = "".join(f"/{one.strip('/')}" for one in strings if one and "$" not in one)
        yield Wanted("folder", BIN + tail, line)
        return
    for text in strings:
        if name == "lib":
            yield Wanted("folder", _with_bin(text), line)
        elif _is_module(text):
            yield Wanted("require", text, line)
    if name == "if":
        bare = "".join(char if char.isalnum() or char in "_:" else " " for char in words)
        for one in bare.split():
            if "::" in one and one[:1].isupper() and _is_module(one):
                yield Wanted("require", one, line)


def _parts(words: str) -> Iterator[tuple[bool, str]]:
    """The strings in quotes and the words of qw(), as they stand, and what is between them: whether it is a string, and
    the text."""
    at = 0
    while True:
        begins = [begin for sign in ("qw", "'", '"') if (begin := words.find(sign, at)) >= 0]
        if not begins:
            yield False, words[at:]
            return
        begin = min(begins)
        yield False, words[at:begin]
        if words[begin] == "q":
            rest = words[begin + 2 :].lstrip(" \n")
            inside, end, after = rest[1:].partition(_PAIRS.get(rest[:1], "\0"))
            if end:
                yield from ((True, one) for one in inside.split())
        else:
            inside, end, after = words[begin + 1 :].partition(words[begin])
            if end and "\n" not in inside:
                yield True, inside
            else:
                end = ""
        at = len(words) - len(after) if end else begin + 1


def _with_bin(path: str) -> str:
    for written in _FINDBIN if "$" in path else ():
        path = path.replace(written, BIN)
    return path


def _name(text: str) -> str:
    """The word that `text` begins with, spaces left out; "" if there is none."""
    words = text[:MAX_NAME].translate(_ENDS).split(None, 1)
    return words[0] if words else ""


def _is_module(name: str) -> bool:
    """Whether `name` is one like A::B."""
    parts = name.split("::")
    return parts[0].isidentifier() and all(part and f"_{part}".isidentifier() for part in parts)
