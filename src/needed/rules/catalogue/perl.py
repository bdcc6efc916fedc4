"""Runs Perl: the modules that a script uses, or for `perl` itself its base library and the modules of every day.

Recognises: perl, libperl.so in a process (an embedded interpreter), and scripts of perl.
Adds: for a script the modules that it and they use or require, with the shared objects of those in C (auto/X/Y/Y.so)
    and their closures, from @INC as it stands in the interpreter, from PERL5LIB of the image and from `use lib`; where
    one requires "Image/ExifTool/$module.pm", all of that folder. For perl by itself, which may be told anything by
    `-e`, the modules that every Perl has in its smallest package and JSON::PP, Data::Dumper, Encode, Time::Local,
    MIME::Base64, Digest::SHA and their like. Never documentation, headers and what only builds modules.
Costs: 3,014,103 bytes for perl by itself, 0.5 MB for shasum, every module of the packages perl and dpkg-dev 38 MB.
Choices: `--rule perl=all` takes every module of @INC, `perl=base` the base library and the modules of every day also
    beside a script, `perl=imports` no more than scripts import. Names of modules may follow, or stand alone:
    `--rule perl=DBI,DBD::SQLite`.
Source: perlrun(1), perlvar(1) on @INC, DynaLoader(3perl), XSLoader(3perl), AutoLoader(3perl).
"""

from __future__ import annotations

from needed.closure import Reason
from needed.languages.perl import BIN, find_modules, module_file
from needed.rules.finding import Load, Take, Tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "perl"
MODES = ("all", "base", "imports")
MAX_MODULES = 5_000
SHOWN = 5  # modules in one sentence
MAX_SOURCES = 32 << 20  # characters of all sources together
MAX_FOLDERS = 60  # of @INC
# What perl opens behind a source's back: for methods of handles, %!, %+, `open` of a string, `<*.c>`, `\N{}`.
IMPLICIT = ("strict", "warnings", "Carp", "Carp::Heavy", "Exporter", "Exporter::Heavy", "XSLoader", "DynaLoader",
            "Config", "Errno", "feature", "utf8", "overload", "constant", "vars", "IO::File", "IO::Handle",
            "File::Glob", "PerlIO", "PerlIO::scalar", "Tie::Hash::NamedCapture", "warnings::register", "lib",
            "bytes", "integer")  # fmt: skip
# Debian's perl-base, the smallest Perl that a distribution relies on.
BASE = ("AutoLoader", "Cwd", "Fcntl", "File::Basename", "File::Path", "File::Spec", "File::Spec::Functions",
        "File::Temp", "FileHandle", "Getopt::Long", "Hash::Util", "IO", "IO::Pipe", "IO::Seekable", "IO::Select",
        "IO::Socket", "IO::Socket::INET", "IO::Socket::IP", "IO::Socket::UNIX", "IPC::Open2", "IPC::Open3",
        "List::Util", "POSIX", "Scalar::Util", "SelectSaver", "Socket", "Symbol", "Text::ParseWords", "Text::Tabs",
        "Text::Wrap", "Tie::Hash", "attributes", "base", "builtin", "fields", "locale", "overloading", "parent",
        "re")  # fmt: skip
EVERYDAY = ("Data::Dumper", "Digest::MD5", "Digest::SHA", "Encode", "Encode::Unicode", "English", "Env",
            "File::Compare", "File::Copy", "File::Find", "File::stat", "FindBin", "Getopt::Std", "HTTP::Tiny",
            "I18N::Langinfo", "IO::Dir", "IO::Poll", "JSON::PP", "MIME::Base64", "MIME::QuotedPrint",
            "PerlIO::encoding", "Storable", "Sys::Hostname", "Term::ANSIColor", "Text::Abbrev", "Tie::Array",
            "Tie::Scalar", "Time::HiRes", "Time::Local", "Time::Piece", "Time::gmtime", "Time::localtime",
            "User::pwent", "experimental", "filetest", "if", "mro", "open", "sort", "version")  # fmt: skip
# What modules of every day require for a seldom wish: big numbers in JSON, code in Data::Dumper.
SELDOM = ("B::Deparse", "Math::BigInt", "Math::BigFloat", "Math::BigRat", "bigint", "autodie", "threads",
          "Benchmark", "IO::Socket::SSL", "charnames", "_charnames", "Unicode::UCD", "Log::Agent",
          "Mozilla::CA")  # fmt: skip
# Beside a module, what it opens by a path of its own (`do "unicore/Name.pl"`), or requires by a computed name.
DATA = {
    "_charnames": ("unicore/Name.pl", "unicore/Name.pm"),
    "File::Spec": ("File/Spec/Unix.pm",),
    "Config": ("Config_heavy.pl", "Config_git.pl"),
    "bytes": ("bytes_heavy.pl",),
    "Unicode::UCD": ("unicore/",),
    "Unicode::Collate": ("Unicode/Collate/",),
    "Encode": ("Encode/Alias.pm", "Encode/Config.pm", "Encode/MIME/Name.pm", "Encode/Encoding.pm"),
    "Math::BigInt": ("Math/BigInt/Calc.pm", "Math/BigInt/Lib.pm"),
    "Pod::Perldoc": ("Pod/Perldoc/",),
    "DateTime::TimeZone": ("DateTime/TimeZone/",),
    "DateTime::Locale": ("DateTime/Locale/",),
}  # fmt: skip
# What tests, builds or documents modules: no program at its work follows a `require` of these from another module.
DEVELOPMENT = ("CPAN", "ExtUtils", "Pod", "TAP", "Test", "Test2", "Devel", "App")
# What names encodings, and does not ask for them.
ABOUT_ENCODINGS = ("Encode", "encoding", "open", "PerlIO", "Unicode", "unicore", "HTTP", "CPAN")
NO_MODULES = (".pod", ".h", ".a", ".ld", ".bs", ".packlist", ".t", ".meta", ".eg")
LEFT_OUT = (*NO_MODULES, "/CORE", "/pod", "/site_perl", "/CPAN/Meta/history")


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    words = [word for word in (view.choices.value(NAME) or "").split(",") if word]
    scripts = {str(script.path): script for script in view.closure.scripts}
    readers = {script.interpreter for script in scripts.values()}
    alone = {program.path for program in view.closure.programs if program.reason.kind != "interpreter of"}
    for item in evidence:
        script = scripts.get(item.path)
        if script is None and item.path in readers and item.path not in alone and not {"all", "base"} & {*words}:
            continue  # only what reads scripts, which call the rule by themselves
        reason = Reason("rule", item.path, NAME, item.detail)
        interpreter = script.interpreter if script else item.path
        library = _Library(view, interpreter, reason)
        unknown = [word for word in words if word not in MODES and not library.has(word)]
        for word in unknown:
            yield Tell(f"perl has no module {word} in the root", "install the package that has it")
        if "all" in words:
            yield from library.everything()
            continue
        library.want((*IMPLICIT, *(word for word in words if word not in MODES)))
        if script:
            library.read(script.path)
        if script is None or "base" in words:
            library.want((*BASE, *EVERYDAY), seldom=False)
        yield from library.findings()
        if item.path in alone and not words:
            taken, whole = library.size(), library.whole()
            if whole > taken:
                yield Tell(
                    f"perl: the modules of every day, {taken / 1e6:.1f} MB, without the rest of its library",
                    f"--rule perl=all: {whole / 1e6:.1f} MB; --rule perl=Module::Name takes one along",
                )
        yield from library.problems


class _Library:
    """@INC of one interpreter, and what is wanted of it so far."""

    def __init__(self, view: View, interpreter: str, reason: Reason) -> None:
        self.view, self.interpreter, self.reason = view, interpreter, reason
        self.folders = [*search_path(view, interpreter)]
        self.script = ""
        self.files: dict[str, None] = {}
        self.objects: dict[str, None] = {}
        self.problems: list[Tell] = []
        self.absent: dict[str, str] = {}
        self.seen: set[str] = set()
        self.pending: list[str] = []
        self.seldom, self.left = True, MAX_SOURCES
        self.listed: dict[str, frozenset[str]] = {}

    def has(self, name: str) -> bool:
        return self.first(module_file(name)) is not None

    def first(self, relative: str) -> str | None:
        """The path of a file below the first folder of @INC that has it."""
        top = relative.partition("/")[0]
        paths = (f"{folder}/{relative}" for folder in self.folders if top in self.names(folder))
        return next((path for path in paths if self.view.is_file(path)), None)

    def names(self, folder: str) -> frozenset[str]:
        """The names in a folder that is asked about over and over: most of @INC have no module that is looked for."""
        if folder not in self.listed:
            self.listed[folder] = frozenset(self.view.names(folder))
        return self.listed[folder]

    def want(self, names: Iterable[str], *, seldom: bool = True) -> None:
        """Modules by their names, with all that they ask for; with `seldom` also what they require in rare cases."""
        self.seldom = seldom
        self.pending += [module_file(name) for name in names]
        while self.pending and len(self.seen) < MAX_MODULES:
            relative = self.pending.pop()
            if relative in self.seen:
                continue
            self.seen.add(relative)
            path = self.first(relative)
            if path is None:
                continue
            self.files[path] = None
            self.extension(relative)
            self.follow(path, relative)

    def read(self, script: str) -> None:
        """What a script asks for, and all that this asks for."""
        self.script = script
        self.follow(script, "")
        if self.absent:
            hint = "install the package that has it, or name its folder: --env PERL5LIB=DIR"
            more = f" and {len(self.absent) - SHOWN} more" if len(self.absent) > SHOWN else ""
            names = ", ".join([*self.absent.values()][:SHOWN])
            self.problems.append(Tell(f"{script} uses modules that the root does not have: {names}{more}", hint))
        self.want(())

    def follow(self, path: str, relative: str) -> None:
        """What the source at `path` asks for; `relative` is its place in @INC, "" for a script."""
        if relative.endswith((".so", ".ix")):
            return
        own = relative.removesuffix(".pm").replace("/", "::")
        source = self.view.text(path) if self.left > 0 else ""
        self.left -= len(source)
        encodings = not relative.startswith(ABOUT_ENCODINGS)
        for wanted in find_modules(source, encodings=encodings):
            if wanted.kind == "folder":
                self.add_folder(wanted.name, path)
            elif wanted.kind == "file":
                self.add_file(wanted.name, path)
            elif wanted.kind == "one of":
                self.add_every(wanted.name)
            elif wanted.kind == "computed":
                if not relative:
                    self.problems.append(Tell(
                        f"{path}:{wanted.line}: {wanted.name}: only a run knows the module",
                        "--rule perl=Module::Name takes it along",
                    ))  # fmt: skip
            elif wanted.kind == "encoding":
                self.pending.append(module_file(wanted.name))
            elif not (relative and wanted.kind in ("require", "mention") and self.is_seldom(wanted.name, own)):
                self.pending.append(module_file(wanted.name))
                if not relative and wanted.kind == "use" and not self.has(wanted.name):
                    self.absent.setdefault(wanted.name, f"{wanted.name} (line {wanted.line})")

    def is_seldom(self, name: str, own: str) -> bool:
        """Whether the module `name` that `own` may require is for building and testing, or for a seldom wish."""
        family = name.partition("::")[0]
        if family == "Encode" and own.partition("::")[0] == "Encode":  # a catalogue of all encodings, 10 MB
            return True
        return (family in DEVELOPMENT and family != own.partition("::")[0]) or (not self.seldom and name in SELDOM)

    def add_folder(self, name: str, source: str) -> None:
        """`use lib`: before the others."""
        place = name.replace(BIN, self.script.rpartition("/")[0])
        if not place.startswith("/"):
            place = f"{(self.script or source).rpartition('/')[0]}/{place}"
        if len(self.folders) < MAX_FOLDERS and place not in self.folders and self.view.is_folder(place):
            self.folders.insert(0, place)

    def add_file(self, name: str, source: str) -> None:
        if name.endswith(".ph") and source != self.script:  # headers as Perl, which modules try where XS is not there
            return
        place = name.replace(BIN, self.script.rpartition("/")[0])
        beside = f"{source.rpartition('/')[0]}/{place.removeprefix('./')}"
        path = place if place.startswith("/") else self.first(place) or beside
        if path not in self.files and self.view.is_file(path) and len(self.files) < MAX_MODULES:
            self.files[path] = None
            if path.endswith((".pl", ".pm", ".ph", ".al")):
                self.pending.append(place) if self.first(place) else self.follow(path, place)

    def add_every(self, folder: str) -> None:
        """The modules that stand in a folder below @INC, for a plugin of it will be asked for."""
        for place in self.folders if folder != "File/Spec" else ():  # other systems' paths
            names = self.view.names(f"{place}/{folder}")
            self.pending += [f"{folder}/{name}" for name in names if name.endswith(".pm")]

    def extension(self, relative: str) -> None:
        """The shared object and the autoloaded subroutines of a module, and data that it opens."""
        name = relative.removesuffix(".pm")
        autos = [auto for folder in self.folders if name.partition("/")[0] in self.names(auto := f"{folder}/auto")]
        beside = [path for auto in autos for path in self.view.paths(f"{auto}/{name}")]
        own = f"/{name.rpartition('/')[2]}.so"
        self.objects |= dict.fromkeys([path for path in beside if path.endswith(own)][:1])
        self.files |= dict.fromkeys(path for path in beside if path.endswith((".al", ".ix")))
        for data in DATA.get(name.replace("/", "::"), ()):
            if data.endswith(".pm"):
                self.pending.append(data)
                continue
            if not data.endswith("/"):
                if path := self.first(data):
                    self.files[path] = None
                continue
            for folder in self.folders:
                self.files |= dict.fromkeys(
                    path for path, kind in self.view.tree(folder + "/" + data.rstrip("/"))
                    if kind != "directory" and not path.endswith(NO_MODULES)
                )  # fmt: skip

    def findings(self) -> Iterator[Finding]:
        for path in self.files:
            yield Take(path, self.reason)
        for path in self.objects:
            yield Load(path, self.interpreter, self.reason)

    def size(self) -> int:
        return sum(map(self.view.size, (*self.files, *self.objects)))

    def whole(self) -> int:
        """The bytes of every module; what two links lead to counts once."""
        return self.view.bytes_below(self.folders, LEFT_OUT)

    def skips(self, path: str) -> bool:
        """A folder of @INC inside another comes by itself."""
        return path.endswith(LEFT_OUT) or path in self.folders

    def everything(self) -> Iterator[Finding]:
        for path in self.every_path():
            if path.endswith(".so"):
                yield Load(path, self.interpreter, self.reason)
            else:
                yield Take(path, self.reason)

    def every_path(self) -> Iterator[str]:
        for folder in self.folders:
            for path, kind in self.view.tree(folder, skips=self.skips):
                if kind != "directory":
                    yield path


def search_path(view: View, interpreter: str) -> Iterator[str]:
    """The folders of @INC that are there: of PERL5LIB, then those that stand in the interpreter or in libperl."""
    for folder in (view.choices.variable("PERL5LIB") or "").split(":"):
        if folder.startswith("/") and view.is_folder(folder):
            yield folder
    library = view.object("libperl.so")
    found: set[str] = set()
    for path in (interpreter, library.found.path if library else ""):
        for piece in _strings_with(b"/perl", view.read(path) if path else b""):
            if piece[:1] == b"/" and b" " not in piece and b"%" not in piece:
                found |= {*piece.decode("utf-8", "surrogateescape").split(":")}
    places = [path for path in found if path.startswith("/") and path.count("/") > 1 and view.is_folder(path)]
    # Perl asks what the site installed, then the vendor, then its own; of one kind the order makes no difference.
    yield from sorted(places, key=lambda path: (_rank(path), path))[:MAX_FOLDERS]


def _strings_with(word: bytes, content: bytes) -> Iterator[bytes]:
    """The strings between two NULs that hold `word`, of at most 200 bytes on either side of it."""
    at = content.find(word)
    while at >= 0:
        start, end = content.rfind(b"\0", max(0, at - 200), at) + 1, content.find(b"\0", at, at + 200)
        if start > 0 and end > 0:
            yield content[start:end]
        at = content.find(word, max(end, at + 1))


def _rank(path: str) -> int:
    if path.startswith("/etc/"):
        return 0
    if "site_perl" in path or ("/local/" in path and "/perl5/5" not in path):
        return 1
    return 2 if "vendor_perl" in path or "/perl5" in path else 3
