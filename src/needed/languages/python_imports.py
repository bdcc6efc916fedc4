"""Which files a Python program can import: the static closure of its imports, in one layout, and what is not known.

The standard library is taken module by module: its imports are plain, and what its C code imports is in a table
(`python_library`). Third-party code is taken by whole packages, with templates and other data, and with the
distributions that it declares to require: such code imports by computed names and opens its own files, and a package is
small beside the library. Compiled files (`__pycache__`) are left out: they are bound to their source's time stamp,
which an image does not keep, so Python would not use them.

What it deliberately does not do: run anything; read zip files; follow computed names (they are told in `dynamic`).
"""

from __future__ import annotations

import re

from needed.languages.python_distributions import Distributions
from needed.languages.python_finder import ModuleFinder
from needed.languages.python_library import (
    ALIASES,
    BEHIND_THE_BACK,
    BUILDING,
    C_MODULES,
    CODECS,
    DEVELOPMENT,
    DEVELOPMENT_PATHS,
    DOCUMENT_CODECS,
    DOCUMENT_READERS,
    NEEDS_TK,
    SELDOM,
    STARTUP,
    STARTUP_FROM_3_13,
)
from needed.languages.python_source import module_in_string, read_source
from needed.root import RootPath, join
from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from needed.languages.python_finder import Module
    from needed.languages.python_layout import PythonLayout
    from needed.languages.python_source import Import, SourceNeeds
    from needed.root import Walker

MAX_SOURCE = 4 << 20  # bytes of one source
MAX_READ = 256 << 20  # bytes of all of them
MAX_MODULES = 20_000
MAX_INTERPRETER = 64 << 20  # bytes that are searched for the names of modules compiled in
MAX_BESIDE = 10_000  # files beside an application's module that it names
TESTS = frozenset({"__pycache__", "test", "tests"})
NOT_AT_RUN_TIME = (".pyi", ".pyx", ".pxd", ".pyc", ".pyo", ".a", ".la")


@value
class PythonFile:
    """A file that is wanted, at the path where Python opens it (links on the way ship too); `size` in bytes.

    `kind` is "source", "extension" (a shared object, to be resolved as a library is), "data", "metadata" or
    "configuration". `needed_by` is the file that asks for it, "" for the interpreter itself.
    """

    path: RootPath
    size: int
    kind: str
    needed_by: str
    reason: str


@value
class MissingModule:
    """A module that is imported in `needed_by` at `line` and is nowhere; `optional` if the program may do without."""

    name: str
    needed_by: str
    line: int
    optional: bool


@value
class Dynamic:
    """What the source at `path` does at `line` (0: the whole file) that only a run can tell, as a phrase."""

    path: str
    line: int
    text: str


@value
class PythonModules:
    """All that was found; `files` sorted by path, each once."""

    files: tuple[PythonFile, ...]
    missing: tuple[MissingModule, ...]
    dynamic: tuple[Dynamic, ...]

    @property
    def extension_modules(self) -> tuple[PythonFile, ...]:
        return tuple(file for file in self.files if file.kind == "extension")

    @property
    def data(self) -> tuple[PythonFile, ...]:
        return tuple(file for file in self.files if file.kind == "data")

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


def find_modules(
    walker: Walker,
    layout: PythonLayout,
    start: Iterable[str],
    *,
    folders: tuple[RootPath, ...] = (),
    whole_library: bool = False,
) -> PythonModules:
    """The files that programs of `layout` need: `start` are scripts (absolute paths; a folder with `__main__.py` too)
    and modules ("http.server", "shop.main:app").

    `folders` are searched first (working directory, PYTHONPATH). `whole_library` takes all of the standard library but
    what only development wants, and all packages of a virtual environment but those for building; what is taken whole
    is not read for imports. Without `start` it is what the bare interpreter imports. Raises ReadError.
    """
    started = [_locate(walker, name) if name.startswith("/") else (name, None) for name in start]
    beside = [RootPath(path.rpartition("/")[0] or "/") for _, path in started if path]
    closure = _Closure(walker, layout, tuple(dict.fromkeys([*beside, *folders])), whole=whole_library)
    if whole_library:
        closure.take_library()
        closure.take_environment()
    closure.start()
    for name, path in started:
        if path:
            closure.add_source(name, path, "", "is started", is_main=True)
        elif name.startswith("/"):
            closure.missing[name] = MissingModule(name, "", 0, optional=False)
        else:
            closure.start_module(name.partition(":")[0])
    return closure.run()


def _locate(walker: Walker, path: str) -> tuple[str, RootPath | None]:
    """(the name that is opened, the canonical path, whose folder Python puts on sys.path)."""
    for name in (path, join(path, "__main__.py")):
        found = walker.find(name)
        if found is not None and found.entry.kind == "file":
            return name, found.path
    return path, None


class _Closure:
    """The modules reached so far, and those still to be read. `missing` by name."""

    def __init__(self, walker: Walker, layout: PythonLayout, before: tuple[RootPath, ...], *, whole: bool) -> None:
        self.walker, self.layout, self.before = walker, layout, before
        self.unread: tuple[str, ...] = (f"{layout.stdlib}/",) if whole else ()  # taken whole
        self.finder = ModuleFinder(walker, layout, before)
        self.distributions = Distributions(self.finder, layout.third_party)
        self.missing: dict[str, MissingModule] = {}
        self._files: dict[str, PythonFile] = {}
        self._dynamic: dict[Dynamic, None] = {}
        self._modules: set[str] = set()
        self._read: set[str] = set()
        self._whole: set[str] = set()
        # (module, its file, of a package: itself, is started)
        self._ahead: list[tuple[str, RootPath, bool]] = []
        self._size_read = 0
        self._builtin = _compiled_in(walker, layout)
        self._aliases: dict[str, str] | None = None

    def start(self) -> None:
        """What every start of the interpreter wants."""
        for path in self.layout.configuration:
            self._add_file(path, "configuration", "", "is read at every start of Python")
        for name in (*STARTUP, *(STARTUP_FROM_3_13 if self.layout.version >= (3, 13) else ())):
            self.add_module(name, "", "is imported at the start of Python")
        for name in CODECS:
            self.add_module(f"encodings.{name}", "", "is a codec that is used without being named")
        self._add_file(join(self.layout.stdlib, "os.py"), "source", "", "marks the standard library (getpath.py)")
        for path, code in self.layout.startup_code:
            needs = read_source(code.strip().encode("utf-8", "replace"), self.layout.version)
            self._follow("", path, needs, is_package=False)
        for text in self.layout.unknown:
            self._dynamic.setdefault(Dynamic(self.layout.interpreter, 0, text))

    def start_module(self, name: str) -> None:
        """`python -m name`, or a server that imports it."""
        module = self.add_module(name, "", "is started")
        if module is None:
            self.missing[name] = MissingModule(name, "", 0, optional=False)
        elif module.folders:
            self.add_module(f"{name}.__main__", "", "is started")

    def run(self) -> PythonModules:
        """Reads what there is to read until nothing new comes."""
        while self._ahead:
            name, path, is_main = self._ahead.pop()
            self._read_file(name, path, is_main=is_main)
            if not self._ahead and any(reader in self._modules for reader in DOCUMENT_READERS):
                for codec in DOCUMENT_CODECS:
                    self.add_module(f"encodings.{codec}", "", "is a codec of documents from elsewhere")
        files = sorted(self._files.values(), key=lambda file: file.path)
        return PythonModules(tuple(files), tuple(self.missing.values()), tuple(self._dynamic))

    def add_module(self, name: str, needed_by: str, reason: str) -> Module | None:
        """The module with the packages above it, followed later; None if it is nowhere (compiled-in ones too)."""
        name = ALIASES.get(name, name)
        if name == "_sysconfigdata__":
            self._add_build_settings(needed_by)
            return None
        if name in self._modules:
            return self.finder.find(name)
        if len(self._modules) >= MAX_MODULES:
            self._dynamic.setdefault(Dynamic(needed_by, 0, f"is where more than {MAX_MODULES} modules are reached"))
            return None
        module = self.finder.find(name)
        if module is None:
            if name in self._builtin:
                self._modules.add(name)
                self._add_behind(name, needed_by)
            return None
        self._modules.add(name)
        above = name.rpartition(".")[0]
        if above:
            self.add_module(above, needed_by, reason)
        self._add_behind(name, str(module.path or ""))
        if module.path is not None:
            self.add_source(name, module.path, needed_by, reason)
            if module.search in self.layout.third_party or module.search in self.before:
                self._take_package(name)
            elif module.folders:
                self._add_data_beside(module.folders[0], str(module.path))
        return module

    def add_source(self, name: str, path: RootPath, needed_by: str, reason: str, *, is_main: bool = False) -> None:
        """One file of a module, to be read later if it is a source."""
        kind = "extension" if _is_shared_object(path) else "data" if path.endswith(".pyc") else "source"
        self._add_file(path, kind, needed_by, reason)
        if kind == "data":
            self._dynamic.setdefault(Dynamic(path, 0, "is compiled: what it imports is not read"))
        elif kind == "source" and path not in self._read and not self._is_unread(path):
            self._read.add(path)
            self._ahead.append((name, path, is_main))

    def take_library(self) -> None:
        """Every file of the standard library that is not for development."""
        stdlib = self.layout.stdlib
        has_tk = self.finder.find("_tkinter") is not None
        configuration = {name for name in self.finder.kinds(stdlib) if name.startswith("config-")}
        for path in self.finder.files_under(stdlib, frozenset(DEVELOPMENT | configuration)):
            inside = path[len(stdlib) + 1 :]
            first = inside.partition("/")[0]
            if any(inside.startswith(folder + "/") for folder in DEVELOPMENT_PATHS):
                continue
            if (first in NEEDS_TK and not has_tk) or "/_test" in f"/{inside}" or "/_ctypes_test" in f"/{inside}":
                continue
            if not inside.endswith(NOT_AT_RUN_TIME) and "xxlimited" not in inside:
                kind = "extension" if _is_shared_object(path) else "source" if path.endswith(".py") else "data"
                self._add_file(path, kind, "", "is part of the standard library")

    def take_environment(self) -> None:
        """Every package of a virtual environment, which was made for this program."""
        if self.layout.prefix == self.layout.base_prefix:
            return
        for site in self.layout.third_party:
            if not site.startswith(f"{self.layout.prefix}/"):
                continue
            self.unread += (f"{site}/",)
            for name, kind in self.finder.kinds(site).items():
                top = name.partition("-")[0].partition(".")[0]
                if top in BUILDING or name in TESTS:
                    continue
                place = join(site, name)
                for path in self.finder.files_under(place, TESTS) if kind == "directory" else (place,):
                    if not path.endswith(NOT_AT_RUN_TIME):
                        file_kind = "extension" if _is_shared_object(path) else "data"
                        self._add_file(path, file_kind, "", "is installed in the virtual environment")

    def _is_unread(self, path: str) -> bool:
        """Whether the source is taken whole with others; folders of packages in the library's are not the library."""
        if self.unread and self._is_library(path):
            return True
        return path.startswith(self.unread[1:])

    def _read_file(self, name: str, path: RootPath, *, is_main: bool) -> None:
        found = self.walker.find(path)
        if found is None:
            return
        size = found.entry.size
        if size > MAX_SOURCE or self._size_read + size > MAX_READ:
            self._dynamic.setdefault(Dynamic(path, 0, "is too large to be read for imports"))
            return
        self._size_read += size
        file = self.walker.root.open(found.path)
        try:
            content = file.read_at(0, MAX_SOURCE)
        finally:
            file.close()
        is_library = self._is_library(path)
        if b"strptime" in content:  # `time` and `datetime` in C import it at the first call
            self.add_module("_strptime", path, "is imported by strptime")
        needs = read_source(content, self.layout.version, is_main=is_main, is_library=is_library)
        module = None if is_main else self.finder.find(name)
        is_package = bool(module.folders) if module is not None else path.endswith("/__init__.py")
        self._follow("" if is_main else name, path, needs, is_package=is_package)

    def _follow(self, name: str, path: str, needs: SourceNeeds, *, is_package: bool) -> None:
        is_library = self._is_library(path)
        if needs.problem:
            self._dynamic.setdefault(Dynamic(path, 0, needs.problem))
        for item in needs.imports:
            if is_library and item.instead_of and all(self._is_there(tried) for tried in item.instead_of):
                continue  # the pure twin of a C module that is there
            if is_library and item.module.partition(".")[0].startswith(("test", "_test")):
                continue  # `multiprocessing.util` cleans up after the library's own tests, for example
            if item.optional and item.module.partition(".")[0] in BUILDING and name.partition(".")[0] not in BUILDING:
                self._dynamic.setdefault(Dynamic(path, item.line, f"may import {item.module}, which is left out"))
            elif not (is_library and item.module in SELDOM.get(name, ())):
                self._import(item, name if is_package else name.rpartition(".")[0], path)
        for codec in needs.codecs:
            self.add_module(f"encodings.{self._codec_module(codec)}", path, f"is the codec {codec!r}")
        if is_library:
            return
        for line, text in needs.dynamic:
            self._dynamic.setdefault(Dynamic(path, line, text))
        for distribution, line in needs.distributions:
            self._start_distribution(distribution, path, line)
        for text in needs.strings:
            self._add_named(text, path)
        if path.rpartition("/")[0] in self.before:
            self._add_beside(RootPath(path), needs)

    def _start_distribution(self, name: str, path: str, line: int) -> None:
        modules = self.distributions.modules_of(name)
        for module in modules:
            self.add_module(module, path, f"is of the distribution {name}, which line {line} starts")
        if not modules:
            self._dynamic.setdefault(Dynamic(path, line, f"starts the distribution {name}: not installed"))

    def _import(self, item: Import, package: str, path: str) -> None:
        module = item.module
        if item.level:
            parts = package.split(".") if package else []
            if item.level - 1 > len(parts):
                return
            base = parts[: len(parts) - item.level + 1]
            module = ".".join([*base, *([item.module] if item.module else [])])
            if not module:
                return
        reason = f"is imported in line {item.line}" if item.line else "is imported"
        found = self.add_module(module, path, reason)
        if module.startswith("encodings") and not self._is_library(path):
            self._add_all_codecs(path)
        if found is None:
            self._miss(module, path, item)
            return
        names = item.names
        if found.folders and found.path and names == ("*",) and not item.level and found.search == self.layout.stdlib:
            names = self._all_of(found)
        for name in names:
            # An attribute or a submodule: only the folder tells.
            if found.folders and name != "*":
                self.add_module(f"{module}.{name}", path, reason)

    def _add_all_codecs(self, path: str) -> None:
        """For who goes through the table of codecs, as charset_normalizer does to guess."""
        for name in self.finder.kinds(join(self.layout.stdlib, "encodings")):
            if name.endswith(".py"):
                self.add_module(f"encodings.{name[:-3]}", path, "is one of all codecs")

    def _all_of(self, module: Module) -> tuple[str, ...]:
        """The submodules that a package's star import may bring (`__all__`)."""
        kinds = self.finder.kinds(module.folders[0])
        return tuple(name.removesuffix(".py") for name in kinds if name.endswith(".py"))

    def _miss(self, module: str, path: str, item: Import) -> None:
        first = module.partition(".")[0]
        if self._is_library(path) or module in self._builtin or module in ALIASES or module == "__main__":
            return
        above = module
        while "." in above:
            above = above.rpartition(".")[0]
            there = self.finder.find(above)
            if (there is not None and not there.folders) or above in self._builtin:
                return  # of a module that is no package: put into sys.modules by its own code
        # A package that was taken whole has adapters for what is not there: only the application's own imports count.
        optional = item.optional or first in C_MODULES or path.startswith(self.layout.third_party)
        known = self.missing.get(module)
        if known is None or (known.optional and not optional):
            self.missing[module] = MissingModule(module, path, item.line, optional)

    def _is_library(self, path: str) -> bool:
        return path.startswith(self.layout.stdlib + "/") and not path.startswith(self.layout.third_party)

    def _is_there(self, name: str) -> bool:
        return name in self._builtin or self.finder.find(name) is not None

    def _add_behind(self, name: str, needed_by: str) -> None:
        for other in BEHIND_THE_BACK.get(name, ()):
            self.add_module(other, needed_by, f"is imported by {name} without an import statement")

    def _add_named(self, text: str, path: str) -> None:
        """A module that a string names: a handler's class in a logging configuration, an application for a server."""
        module = module_in_string(text)
        parts = module.split(".")
        if not module or len(parts) > 10 or not (self.finder.find(parts[0]) or parts[0] in self._modules):
            return
        for length in range(len(parts), 0 if ":" in text else 1, -1):
            name = ".".join(parts[:length])
            if self.finder.find(name) is not None:
                self.add_module(name, path, f"is named in the string {text!r}")
                return

    def _add_beside(self, path: RootPath, needs: SourceNeeds) -> None:
        """Files and folders beside an application's module that its strings name, as `templates` of Flask."""
        folder = RootPath(path.rpartition("/")[0] or "/")
        if folder.rpartition("/")[2] in ("", "bin", "sbin"):
            return
        kinds = self.finder.kinds(folder)
        framework = any(item.module.partition(".")[0] in ("flask", "quart") for item in needs.imports)
        for text in (*needs.strings, *(("templates", "static") if framework else ())):
            name = text.removeprefix("./").rstrip("/")
            if kinds.get(name.partition("/")[0]) is None or ".." in name.split("/") or name.endswith((".py", "/.")):
                continue
            found = self.walker.find(join(folder, name))
            if found is None:
                continue
            if found.entry.kind == "file":
                self._add_file(join(folder, name), "data", path, f"is named in the string {text!r}")
            elif name not in ("", ".") and not self._is_package(name):
                for count, inside in enumerate(self.finder.files_under(join(folder, name), TESTS)):
                    if count >= MAX_BESIDE:
                        self._dynamic.setdefault(Dynamic(path, 0, f"names {name}, which holds too many files"))
                        break
                    self._add_file(inside, "data", path, f"is in the folder that the string {text!r} names")

    def _is_package(self, name: str) -> bool:
        """Whether a folder beside the application is a package, which an import would ask for."""
        module = self.finder.find(name)
        return module is not None and module.path is not None

    def _take_package(self, name: str) -> None:
        """All files of the outermost regular package that `name` is in, and the distributions that it requires."""
        parts = name.split(".")
        for length in range(1, len(parts) + 1):
            top = ".".join(parts[:length])
            module = self.finder.find(top)
            if module is not None and module.path is not None:
                break
        else:
            return
        if top in self._whole:
            return
        self._whole.add(top)
        if module.folders:
            for path in self.finder.files_under(module.folders[0], TESTS):
                self._add_inside(top, module.folders[0], path)
        for path in self.distributions.metadata_of(top):
            self._add_file(path, "metadata", str(module.path), "describes the distribution (importlib.metadata)")
        for required in self.distributions.required_by(top):
            self.add_module(required, str(module.path), f"is required by the distribution of {top}")

    def _add_inside(self, top: str, folder: RootPath, path: RootPath) -> None:
        reason = f"is part of the package {top}"
        if path.endswith(NOT_AT_RUN_TIME):
            return
        if not path.endswith(".py"):
            kind = "extension" if _is_shared_object(path) else "data"
            self._add_file(path, kind, join(folder, "__init__.py"), reason)
            return
        inside = path[len(folder) + 1 : -3].replace("/", ".")
        name = top if inside == "__init__" else f"{top}.{inside.removesuffix('.__init__')}"
        self.add_source(name, path, join(folder, "__init__.py"), reason)

    def _add_data_beside(self, folder: RootPath, needed_by: str) -> None:
        """What a package of the standard library holds besides modules: lib2to3's grammars, for example."""
        for name, kind in self.finder.kinds(folder).items():
            if kind == "file" and not name.endswith((".py", ".so", *NOT_AT_RUN_TIME)):
                self._add_file(join(folder, name), "data", needed_by, "is data of the package")

    def _add_build_settings(self, needed_by: str) -> None:
        """`_get_sysconfigdata_name` of sysconfig makes its name from the machine's."""
        for name in self.finder.kinds(self.layout.stdlib):
            if name.startswith("_sysconfigdata_") and name.endswith(".py") and not name.startswith("_sysconfigdata_d"):
                self.add_source(name[:-3], join(self.layout.stdlib, name), needed_by, "is how Python was built")

    def _codec_module(self, codec: str) -> str:
        """`normalize_encoding` of encodings, and its table of aliases, read from the root."""
        name = re.sub(r"[^a-z0-9.]+", "_", codec.lower()[:100]).strip("_")
        if self._aliases is None:
            from needed.languages.python_layout import read_text

            text = read_text(self.walker, join(self.layout.stdlib, "encodings/aliases.py"), MAX_SOURCE) or ""
            self._aliases = dict(re.findall(r"'(\w+)'\s*:\s*'(\w+)'", text))
        return self._aliases.get(name, self._aliases.get(name.replace(".", "_"), name))

    def _add_file(self, path: RootPath, kind: str, needed_by: str, reason: str) -> None:
        if path in self._files:
            return
        found = self.walker.find(path)
        if found is not None and found.entry.kind == "file":
            self._files[path] = PythonFile(path, found.entry.size, kind, needed_by, reason)


def _is_shared_object(path: str) -> bool:
    name = path.rpartition("/")[2]
    return name.endswith(".so") or ".so." in name


def _compiled_in(walker: Walker, layout: PythonLayout) -> frozenset[str]:
    """The C modules in the interpreter: those whose `PyInit_` function it exports, or all that may be, if it hides
    them."""
    version = f"{layout.version[0]}.{layout.version[1]}"
    libraries = [f"{layout.base_prefix}/{folder}/libpython{version}.so.1.0" for folder in ("lib", "lib64")]
    names: set[str] = set()
    for path in (layout.real_interpreter, *libraries):
        found = walker.find(path)
        if found is None or found.entry.kind != "file" or found.entry.size > MAX_INTERPRETER:
            continue
        file = walker.root.open(found.path)
        try:
            content = file.read_at(0, MAX_INTERPRETER)
        finally:
            file.close()
        names |= {match.decode() for match in re.findall(rb"\0PyInit_(\w{1,60})(?=\0)", content)}
    # These have initialisers of other names (Python/import.c, Modules/config.c).
    always = {"sys", "builtins", "marshal", "_imp", "_warnings", "_frozen_importlib", "_frozen_importlib_external"}
    return frozenset(names | always) if len(names) >= 10 else C_MODULES
