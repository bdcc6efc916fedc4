"""nginx.conf as nginx reads it: words, blocks and includes, and what was compiled into the program. Decides nothing.

A block's directives stand after the one that opens it, all in one list: who asks for paths need not know which server
they belong to. Follows ngx_conf_file.c (ngx_conf_read_token) and auto/options. No variable is expanded.
"""

from __future__ import annotations

from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.view import View

ARGUMENTS = b"configure arguments: "
MAX_ARGUMENTS = 65_536  # bytes
MAX_DIRECTIVES = 100_000
MAX_FILES = 1_000
WILD = "*?["


@value
class Compiled:
    """What `configure` was told: `prefix` is what names are relative to, `written` the paths of files, `folders` those
    of folders that nginx makes at its start."""

    prefix: str
    configuration: str
    written: tuple[str, ...]
    folders: tuple[str, ...]


def parse_arguments(program: bytes) -> Compiled:
    """What the text of `nginx -V` in the program says, and nginx's own defaults for what it does not."""
    _, found, rest = program.partition(ARGUMENTS)
    text = rest[:MAX_ARGUMENTS].partition(b"\0")[0].decode("utf-8", "surrogateescape") if found else ""
    said = dict(word[2:].split("=", 1) for word in text.split() if word.startswith("--") and "=" in word)
    prefix = said.get("prefix", "/usr/local/nginx").rstrip("/")
    configuration = absolute(said.get("conf-path", "conf/nginx.conf"), prefix)
    written = [said.get("error-log-path", "logs/error.log"), said.get("http-log-path", "logs/access.log")]
    written += [said.get("pid-path", "logs/nginx.pid")]
    folders = [
        said.get(f"http-{kind}-temp-path", f"{kind.replace('-', '_')}_temp")
        for kind in ("client-body", "proxy", "fastcgi", "uwsgi", "scgi")
    ]
    return Compiled(
        prefix,
        configuration,
        tuple(absolute(path, prefix) for path in written if path != "stderr" and not path.startswith("syslog:")),
        tuple(absolute(path, prefix) for path in folders),
    )


def absolute(path: str, folder: str) -> str:
    """`path` as nginx completes it, without the `..` that no finding may have."""
    parts: list[str] = []
    for part in (path if path.startswith("/") else f"{folder}/{path}").split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts)


def read_configuration(view: View, path: str) -> tuple[list[str], list[list[str]]]:
    """The files that were read, `path` first, and all their directives, each a list of words."""
    folder = path.rpartition("/")[0]
    files: dict[str, None] = {}
    directives: list[list[str]] = []
    pending = [path]
    while pending and len(files) < MAX_FILES and len(directives) < MAX_DIRECTIVES:
        file = pending.pop()
        if file in files:
            continue
        files[file] = None
        for words in parse(view.text(file)):
            directives.append(words)
            if words[0] == "include" and len(words) > 1:
                pending += _included(view, absolute(words[1], folder))
    return [*files], directives


def _included(view: View, pattern: str) -> Iterator[str]:
    """The files that glob(3) finds; a `*` is looked for in the last part and in the name of its folder."""
    from fnmatch import fnmatchcase

    folder, _, last = pattern.rpartition("/")
    folders = [folder]
    if any(letter in folder for letter in WILD):
        above, _, name = folder.rpartition("/")
        folders = [f"{above}/{one}" for one in view.names(above or "/") if fnmatchcase(one, name)]
    if not any(letter in last for letter in WILD):
        yield from (path for one in folders if view.is_file(path := f"{one}/{last}"))
        return
    for one in folders:
        for name, kind in view.kinds(one or "/"):
            hidden = name.startswith(".") and not last.startswith(".")
            if kind != "directory" and not hidden and fnmatchcase(name, last) and view.is_file(f"{one}/{name}"):
                yield f"{one}/{name}"


def parse(text: str) -> Iterator[list[str]]:
    """The directives of a configuration; what no `;` or block ends is none."""
    words: list[str] = []
    at, end = 0, len(text)
    while at < end:
        letter = text[at]
        if letter in " \t\r\n":
            at += 1
        elif letter == "#":
            newline = text.find("\n", at)
            at = newline if newline >= 0 else end
        elif letter in ";{}":
            if words:
                yield words
            words, at = [], at + 1
        else:
            stop = _end_of_quoted(text, at) if letter in "\"'" else _end_of_word(text, at)
            words.append(text[at + 1 : stop] if letter in "\"'" else text[at:stop])
            at = stop + 1 if letter in "\"'" else stop


def _end_of_quoted(text: str, at: int) -> int:
    """Where the quote is that ends the one at `at`."""
    stop = at + 1
    while stop < len(text) and text[stop] != text[at]:
        stop += 2 if text[stop] == "\\" else 1
    return stop


def _end_of_word(text: str, at: int) -> int:
    """The brace of `${name}` ends no word, and a closing one never does."""
    stop = at
    while stop < len(text) and text[stop] not in " \t\r\n;":
        if text[stop] == "{" and text[stop - 1 : stop] != "$":
            break
        stop += 2 if text[stop] == "\\" else 1
    return stop
