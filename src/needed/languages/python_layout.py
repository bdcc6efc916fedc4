"""Where a Python interpreter of a Root looks for modules: prefix, standard library, site folders, virtual environment.

Follows Modules/getpath.py (prefix and standard library) and Lib/site.py (site-packages, `.pth`, sitecustomize) of
CPython 3.11 to 3.14, and Debian's change of site.py (dist-packages).

What it deliberately does not do: run anything; look at the environment (PYTHONHOME, PYTHONPATH), at the user's own
site-packages, or into a zip; know of a home that a program with Python inside sets. A code line of a `.pth` file is
told (`unknown`), never run.
"""

from __future__ import annotations

from needed.root import RootPath, join, list_kinds
from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from needed.root import Found, Walker

MAX_CONFIGURATION = 1 << 20  # bytes of a pyvenv.cfg or `.pth` that are read
MAX_PTH_FILES = 1000
MAX_SEARCH = 1000
# Puts setuptools' copy in the place of `distutils`, for building: it would bring all of setuptools to every start.
BUILD_ONLY = "distutils-precedence.pth"


@value
class PythonLayout:
    """One interpreter and its folders. Paths are those that the interpreter itself uses, so that every link on the way
    to them has to ship too; `real_interpreter` alone is canonical.

    `search` is sys.path without the script's own folder and the zip; of it, `third_party` are the folders of site.py.
    `links` are further interpreter names that lead to the real one (a virtual environment's `bin/python`).
    `configuration` are files that the start itself reads (`pyvenv.cfg`, `.pth`); `startup_code` the lines of code in
    `.pth` files, each with its file, which site.py executes at every start. `unknown` are sentences.
    """

    interpreter: RootPath
    real_interpreter: RootPath
    version: tuple[int, int]
    prefix: RootPath
    base_prefix: RootPath
    stdlib: RootPath
    lib_dynload: RootPath | None
    zip_path: RootPath | None
    search: tuple[RootPath, ...]
    third_party: tuple[RootPath, ...]
    links: tuple[RootPath, ...]
    configuration: tuple[RootPath, ...]
    landmarks: tuple[RootPath, ...]
    startup_code: tuple[tuple[RootPath, str], ...]
    unknown: tuple[str, ...]


def find_python(walker: Walker, interpreter: str) -> PythonLayout | None:
    """The layout of the interpreter at `interpreter`, a path as it will be started (canonical or through a link: only
    the uncanonical name of a virtual environment's python leads to its `pyvenv.cfg`).

    None if there is no such file, or no standard library belongs to it. Raises ReadError.
    """
    found = walker.find(interpreter)
    if found is None or found.entry.kind != "file":
        return None
    environment = _read_environment(walker, interpreter)
    # With a pyvenv.cfg the search starts at its `home`; without, at the real executable's folder.
    start = environment[1]["home"] if environment else _parent(found.path)
    base = _base_of(walker, interpreter, start) if environment else found
    for version in _versions(walker, interpreter, base, start, environment[1] if environment else {}):
        library = _search_up(walker, start, version)
        if library is not None:
            return _complete(walker, RootPath(interpreter), base, (version, *library), environment)
    return None


def find_embedded_python(walker: Walker, program: str, library: str) -> PythonLayout | None:
    """The layout that Python has inside the process of `program`, which has libpython at `library` in it.

    None if the library's name says no version, or no standard library belongs to it. Raises ReadError.
    """
    found = walker.find(program)
    version = _version_of(library.rpartition("/")[2].removeprefix("libpython").partition(".so")[0].rstrip("td"))
    if found is None or version is None:
        return None
    place = _search_up(walker, _parent(found.path), version)
    return _complete(walker, RootPath(program), found, (version, *place), None) if place else None


def is_python(path: str) -> bool:
    """Whether the last name of `path` is that of an interpreter: python, python3, python3.11, python3.13t."""
    rest = path.rpartition("/")[2].removeprefix("python")
    if rest == path.rpartition("/")[2]:
        return False
    return rest == "" or all(part.isdecimal() for part in rest.rstrip("td").split("."))


def _complete(
    walker: Walker,
    interpreter: RootPath,
    base: Found,
    library: tuple[tuple[int, int], RootPath, RootPath],
    environment: tuple[RootPath, dict[str, str]] | None,
) -> PythonLayout:
    version, base_prefix, stdlib = library
    prefix = RootPath(_parent(environment[0])) if environment else base_prefix
    dynload = join(stdlib, "lib-dynload")
    has_dynload = _kind(walker, dynload) == "directory"
    archive = join(_parent(stdlib), stdlib.rpartition("/")[2].replace(".", "") + ".zip")
    sites = _site_folders(walker, prefix, stdlib, version, is_venv=environment is not None)
    if environment and environment[1].get("include-system-site-packages", "").lower() == "true":
        sites += _site_folders(walker, base_prefix, stdlib, version, is_venv=False)
    third_party, pth_files, code, unknown = _read_pth_files(walker, sites)
    for name in (interpreter, base.path):
        if _kind(walker, f"{name}._pth") == "file":
            unknown.append(f"{name}._pth replaces the search path of Python altogether, and is not read")
    if _kind(walker, archive) == "file":
        unknown.append(f"{archive} is searched first by Python; what is inside is not looked at")
    links = [interpreter] if interpreter != base.path else []
    if environment:  # sys._base_executable, which `multiprocessing` and `venv` start
        candidate = join(environment[1]["home"], interpreter.rpartition("/")[2])
        links += [candidate] if _kind(walker, candidate) == "file" and candidate != base.path else []
    return PythonLayout(
        interpreter,
        base.path,
        version,
        prefix,
        base_prefix,
        stdlib,
        dynload if has_dynload else None,
        archive if _kind(walker, archive) == "file" else None,
        tuple(dict.fromkeys([stdlib, *([dynload] if has_dynload else []), *third_party])),
        tuple(third_party),
        tuple(dict.fromkeys(links)),
        (*((environment[0],) if environment else ()), *pth_files),
        (join(stdlib, "os.py"), *((dynload,) if has_dynload else ())),
        tuple(code),
        tuple(unknown),
    )


def _read_environment(walker: Walker, interpreter: str) -> tuple[RootPath, dict[str, str]] | None:
    """The `pyvenv.cfg` above or beside the interpreter's name, with its settings, if it has a `home`.

    getpath.py takes the first that can be read, whether or not it has one.
    """
    beside = _parent(interpreter)
    for directory in (_parent(beside), beside):
        path = join(directory, "pyvenv.cfg")
        text = read_text(walker, path, MAX_CONFIGURATION)
        if text is None:
            continue
        pairs = [line.partition("=") for line in text.splitlines()]
        settings = {key.strip().lower(): item.strip() for key, equals, item in reversed(pairs) if equals}
        return (path, settings) if settings.get("home", "").startswith("/") else None
    return None


def _base_of(walker: Walker, interpreter: str, home: str) -> Found:
    """The interpreter that a virtual environment leads to: the link's end, or, of a copy, the one in `home`."""
    found = walker.find(interpreter)
    assert found is not None
    if found.links:
        return found
    for name in (interpreter.rpartition("/")[2], "python3"):
        there = walker.find(join(home, name))
        if there is not None and there.entry.kind == "file":
            return there
    return found


def _versions(
    walker: Walker, interpreter: str, base: Found, start: str, settings: dict[str, str]
) -> list[tuple[int, int]]:
    """The versions that the interpreter may be of, likeliest first: names, then pyvenv.cfg, then the folders there."""
    names = [base.path.rpartition("/")[2], *(link.rpartition("/")[2] for link in base.links)]
    names += [interpreter.rpartition("/")[2]]
    texts = [name.removeprefix("python").rstrip("td") for name in names if is_python(name)]
    texts += [settings[key] for key in ("version", "version_info") if key in settings]
    found = [version for text in texts if (version := _version_of(text))]
    directory = start
    while directory and not found:
        for library in ("lib", "lib64"):
            where = walker.find(join(directory, library))
            if where is not None and where.entry.kind == "directory":
                kinds = list_kinds(walker.root, where.path)
                inside = [_version_of(name[6:].rstrip("t")) for name, _ in kinds if name.startswith("python3.")]
                found += sorted((version for version in inside if version), reverse=True)
        directory = _above(directory)
    return list(dict.fromkeys(found))


def _version_of(text: str) -> tuple[int, int] | None:
    """(3, 11) of "3.11" and "3.11.2"."""
    parts = text.split(".")
    if len(parts) < 2 or not all(part.isdecimal() and len(part) <= 3 for part in parts[:2]):
        return None
    return int(parts[0]), int(parts[1])


def _search_up(walker: Walker, start: str, version: tuple[int, int]) -> tuple[RootPath, RootPath] | None:
    """(prefix, standard library): the first folder at or above `start` with the landmark `os.py` under it.

    `platlibdir` is compiled in: lib, and lib64 at Fedora and SUSE. "t" is the free-threaded build (3.13).
    After that come the compiled-in /usr/local and /usr.
    """
    name = f"python{version[0]}.{version[1]}"
    ahead, directory = [], start
    while directory:
        ahead.append(directory)
        directory = _above(directory)
    for prefix in [*ahead, "/usr/local", "/usr"]:
        for library in ("lib", "lib64"):
            for folder in (name, name + "t"):
                stdlib = join(join(prefix, library), folder)
                if "file" in (_kind(walker, join(stdlib, "os.py")), _kind(walker, join(stdlib, "os.pyc"))):
                    return RootPath(prefix), stdlib
    return None


def _site_folders(
    walker: Walker, prefix: RootPath, stdlib: RootPath, version: tuple[int, int], *, is_venv: bool
) -> list[RootPath]:
    """`getsitepackages` of site.py for one prefix: those that are there."""
    folder = stdlib.rpartition("/")[2]
    libraries = dict.fromkeys([_parent(stdlib).rpartition("/")[2], "lib"])
    names = [f"{library}/{folder}/site-packages" for library in libraries]
    # Debian's site.py asks for dist-packages instead, and of a virtual environment for both.
    if "dist-packages" in (read_text(walker, join(stdlib, "site.py"), MAX_CONFIGURATION) or ""):
        names = [f"lib/{folder}/site-packages"] if is_venv else []
        names += [f"local/lib/python{version[0]}.{version[1]}/dist-packages", "lib/python3/dist-packages"]
        names += [f"lib/{folder}/dist-packages"]
    paths = [join(prefix, name) for name in names]
    return [path for path in paths if _kind(walker, path) == "directory"]


def _read_pth_files(
    walker: Walker, sites: list[RootPath]
) -> tuple[list[RootPath], list[RootPath], list[tuple[RootPath, str]], list[str]]:
    """(folders to search, `.pth` files read, their code, what is not known), as `addsitedir` of site.py does."""
    folders: dict[RootPath, None] = {}
    read: list[RootPath] = []
    code: list[tuple[RootPath, str]] = []
    unknown: list[str] = []
    for site in sites:
        folders.setdefault(site)
        where = walker.find(site)
        names = [name for name, _ in list_kinds(walker.root, where.path)] if where is not None else []
        for name in [name for name in names if name.endswith(".pth") and not name.startswith(".")][:MAX_PTH_FILES]:
            path = join(site, name)
            text = read_text(walker, path, MAX_CONFIGURATION)
            if name == BUILD_ONLY:
                unknown.append(f"{path} is left out: only building packages with setuptools wants it")
                continue
            if text is None:
                unknown.append(f"{path} is too large or unreadable")
                continue
            read.append(path)
            for line in text.splitlines():
                if line.startswith(("import ", "import\t")):
                    code.append((path, line))
                    unknown.append(f"{path} runs code at every start: {line.strip()[:120]}")
                elif line.strip() and not line.startswith("#") and len(folders) < MAX_SEARCH:
                    target = line.rstrip()
                    added = RootPath(target) if target.startswith("/") else join(site, target)
                    # `exists` in site.py: a zip or an egg file is added too, and imported from.
                    if _kind(walker, added) == "directory":
                        folders.setdefault(added)
                    elif _kind(walker, added) == "file":
                        unknown.append(f"{path} adds the archive {added}; what is inside is not looked at")
    return list(folders), read, code, unknown


def read_text(walker: Walker, path: str, limit: int) -> str | None:
    """The text of the regular file that `path` leads to; None if there is none, or it has more than `limit` bytes.

    Bytes that are no UTF-8 come as surrogates. Raises ReadError.
    """
    found = walker.find(path)
    if found is None or found.entry.kind != "file" or found.entry.size > limit:
        return None
    file = walker.root.open(found.path)
    try:
        return file.read_at(0, limit).decode("utf-8", "surrogateescape")
    finally:
        file.close()


def _kind(walker: Walker, path: str) -> str:
    found = walker.find(path)
    return found.entry.kind if found is not None else ""


def _parent(path: str) -> RootPath:
    return RootPath(path.rstrip("/").rpartition("/")[0] or "/")


def _above(directory: str) -> str:
    """The parent to go on with; "" above the root itself."""
    return "" if directory == "/" else _parent(directory)
