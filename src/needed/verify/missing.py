"""What a program says that it lacks, in its own words, and the flag that adds it.

Programs say it in a few ways: the loaders, Python, Perl, Node, the shells, and everybody with strerror(3) of ENOENT.
A thing is named only if the image lacks it; a flag is given only if the source root has it. Nothing is run for it.
"""

from __future__ import annotations

import re

from needed.errors import NeededError
from needed.root import Walker
from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.root import Root

MAX_TEXT = 65536  # bytes of the end of what a program said
MAX_LINE = 2000
MAX_MISSING = 20
MAX_FOLDERS = 100
_COMMAND_FOLDERS = ("/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin")
_LIBRARY_FOLDERS = ("/lib", "/usr/lib", "/lib64", "/usr/lib64", "/usr/local/lib")

_VERSION = re.compile(r"version `([^']{1,200})' not found \(required by ([^)]{1,500})\)")
_SYMBOL = re.compile(r"(?:undefined symbol: |symbol not found: )([\w.@]{1,200})")
_LIBRARY = re.compile(r"([^\s:'\"]{1,300}): cannot open shared object file")
_MUSL = re.compile(r"Error loading shared library ([^\s:]{1,300}): ")
_MODULE = re.compile(r"No module named '?([\w.]{1,200})")
_PERL = re.compile(r"Can't locate ([\w/]{1,200})\.pm in @INC")
_COMMAND = (
    re.compile(r"(?:^|: )([\w.+-]{1,100}): (?:command )?not found\b"),
    re.compile(r"env: ['\u2018\"]?([\w.+-]{1,100})['\u2019\"]?: No such file"),
    re.compile(r"exec: \"([\w.+-]{1,100})\": executable file not found"),
    re.compile(r"No such file or directory: b?'([\w.+-]{1,100})'$"),
    re.compile(r"cannot run ([\w.+-]{1,100}): No such file"),
)
_ABSENCE = re.compile(r"no such file|not found|not exist|(?:cannot|can't) (?:find|open)|\(2: |ENOENT", re.IGNORECASE)
_PATH = re.compile(r"/[^\s'\"\u2018\u2019`:,;()<>|*?\[\]]{1,1000}")


@value
class Missing:
    """`kind` is "library", "version", "symbol", "module", "command" or "file". `path` is where the source root has it,
    "" if nowhere; `flag` what adds it to a build, "" if none does."""

    kind: str
    name: str
    path: str = ""
    flag: str = ""


def find_missing(said: bytes, image: Root, source: Root | None) -> tuple[Missing, ...]:
    """What is named in `said` as absent, in the order in which it was said, each once."""
    found: dict[tuple[str, str], Missing] = {}
    looking = _Looking(image, source)
    for line in said[-MAX_TEXT:].decode("utf-8", "surrogateescape").splitlines():
        for one in looking.line(line[:MAX_LINE]):
            found.setdefault((one.kind, one.name), one)
            if len(found) >= MAX_MISSING:
                return tuple(found.values())
    return tuple(found.values())


def missing_library(name: str, source: Root | None) -> Missing:
    """A library that the static proof misses, by its name or path."""
    return _Looking(None, source).library(name)


def missing_program(name: str, source: Root | None) -> Missing:
    """A program or an interpreter that the static proof misses."""
    return _Looking(None, source).command(name)


class _Looking:
    def __init__(self, image: Root | None, source: Root | None) -> None:
        self._image = Walker(image) if image is not None else None
        self._source = Walker(source) if source is not None else None
        self._root = source

    def line(self, line: str) -> Iterator[Missing]:
        if match := _VERSION.search(line):
            yield Missing("version", match[1])
        elif match := _SYMBOL.search(line):
            yield Missing("symbol", match[1])
        elif match := _LIBRARY.search(line) or _MUSL.search(line):
            yield self.library(match[1])
        elif match := _MODULE.search(line):
            yield self._module("python", match[1].rstrip("."), match[1].partition(".")[0])
        elif match := _PERL.search(line):
            yield self._module("perl", match[1].replace("/", "::"), f"{match[1]}.pm")
        elif _ABSENCE.search(line):
            yield from self._absent(line)

    def _absent(self, line: str) -> Iterator[Missing]:
        paths = [path.rstrip(".") for path in _PATH.findall(line)]
        absent = [path for path in dict.fromkeys(paths) if not _there(self._image, path)]
        known = [path for path in absent if _there(self._source, path)]
        yield from (Missing("file", path, path, f"--add {_quoted(path)}") for path in known)
        if known:
            return
        for pattern in _COMMAND:
            match = pattern.search(line)
            if match:
                yield self.command(match[1])
                return
        yield from (Missing("file", path) for path in absent[-1:])

    def library(self, name: str) -> Missing:
        path = self._find(name, self._library_folders()) if "/" not in name else name
        known = path if path and _there(self._source, path) else ""
        return Missing("library", name, known, f"--with {_quoted(known)}" if known else "")

    def command(self, name: str) -> Missing:
        path = self._find(name, _COMMAND_FOLDERS) if "/" not in name else name
        known = path if path and _there(self._source, path) else ""
        return Missing("command", name, known, f"--with {_quoted(name)}" if known else "")

    def _module(self, rule: str, name: str, file: str) -> Missing:
        """`file` is its path in a folder of modules, for Python without what may stand behind it."""
        endings = ("", ".py", ".so") if rule == "python" else ("",)
        for folder in self._module_folders(rule):
            for ending in endings:
                path = f"{folder}/{file}{ending}"
                if _there(self._source, path):
                    return Missing("module", name, path, f"--rule {rule}={name}")
        return Missing("module", name)

    def _module_folders(self, rule: str) -> Iterator[str]:
        """Where distributions keep modules: the folders of each release, below those of Debian and Alpine."""
        if rule == "python":
            for top in ("/usr/lib", "/usr/local/lib"):
                for folder in self._matching(top, "python3"):
                    yield from (folder, f"{folder}/dist-packages", f"{folder}/site-packages")
            return
        yield from ("/etc/perl", "/usr/share/perl5")
        for top in ("/usr/lib", "/usr/share", "/usr/local/share", *self._matching("/usr/lib", "-linux-")):
            for folder in self._matching(top, "perl"):
                yield folder
                yield from self._matching(folder, "5.")

    def _matching(self, folder: str, part: str) -> list[str]:
        """The folders in `folder` of the source root that have `part` in their names."""
        if self._root is None or self._source is None or not _there(self._source, folder):
            return []
        found = self._source.find(folder)
        if found is None or found.entry.kind != "directory":
            return []
        return [f"{folder}/{name}" for name in self._root.names(found.path) if part in name][:MAX_FOLDERS]

    def _library_folders(self) -> Iterator[str]:
        yield from _LIBRARY_FOLDERS
        for folder in ("/usr/lib", "/lib"):  # of each machine (Debian's multiarch)
            yield from self._matching(folder, "-linux-")

    def _find(self, name: str, folders: Iterator[str] | tuple[str, ...]) -> str:
        return next((f"{folder}/{name}" for folder in folders if _there(self._source, f"{folder}/{name}")), "")


def _there(walker: Walker | None, path: str) -> bool:
    if walker is None:
        return False
    try:
        return walker.find(path) is not None
    except NeededError:
        return False


def _quoted(path: str) -> str:
    import shlex

    return shlex.quote(path)
