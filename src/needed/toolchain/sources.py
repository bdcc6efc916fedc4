"""What a path of this machine is the source of: a Go package, a C file, a crate, a project with a Makefile.

Looks at names, and at the one line of a `go.mod` or `Cargo.toml` that names the program; whether the source is any good
is for its compiler to say. Starts nothing. Sources are no part of a Root, so the machine's own functions read them.
"""

from __future__ import annotations

import os

from needed.toolchain.model import Source

_BUILDERS = {
    ".go": "go", ".c": "cc", ".cc": "cc", ".cpp": "cc", ".cxx": "cc", ".zig": "zig", ".rs": "cargo",
}  # fmt: skip
SUFFIXES = tuple(_BUILDERS)
# The file that makes a folder a project; the first that is there decides: what a language's own tool reads comes before
# a Makefile, which in such a project calls that tool.
_PROJECTS = (
    ("go.mod", "go"), ("Cargo.toml", "cargo"), ("build.zig", "zig"), ("CMakeLists.txt", "cmake"),
    ("GNUmakefile", "make"), ("makefile", "make"), ("Makefile", "make"), ("configure", "make"),
)  # fmt: skip
MAX_HEAD = 1 << 20  # bytes of a go.mod or Cargo.toml that are read for a name
MAX_NAMES = 100_000  # names of one folder that are looked at
MAX_DEPTH = 64  # folders above a source where its project may begin


def recognise(path: str, more: tuple[str, ...] = ()) -> Source | None:
    """The Source at `path`, a file or a folder, with the files `more` that belong to the same program. None if it is
    none, or if they do not belong together (of several languages, or a folder among them)."""
    files = tuple(os.path.abspath(one) for one in (path, *more))
    folder, name = os.path.split(files[0])
    if not more and os.path.isdir(files[0]):
        return _project(files[0])
    if not all(map(os.path.isfile, files)):
        return None
    builder = dict(_PROJECTS).get(name)
    if builder and not more:
        return _project(folder)
    builder = _BUILDERS.get(os.path.splitext(name)[1])
    if builder is None or any(_BUILDERS.get(os.path.splitext(one)[1]) != builder for one in files):
        return None
    if more:
        folder = os.path.commonpath([os.path.dirname(one) for one in files])
    return Source(builder, folder, files, os.path.splitext(name)[0])


def _project(folder: str) -> Source | None:
    for name, builder in _PROJECTS:
        if os.path.isfile(os.path.join(folder, name)):
            return Source(builder, folder, (), _name(folder, name))
    if has_go_files(folder):
        return Source("go", folder, (), os.path.basename(folder) or "main")
    return None


def has_go_files(folder: str) -> bool:
    """Whether there are Go files in `folder` that are no tests."""
    try:
        with os.scandir(folder) as entries:
            for _, entry in zip(range(MAX_NAMES), entries, strict=False):
                if entry.name.endswith(".go") and not entry.name.endswith("_test.go"):
                    return True
    except OSError:
        pass
    return False


def project_folder(source: Source) -> str:
    """The folder that `source` is compiled from: the module or workspace that its folder is in, or that folder."""
    folders = [source.folder]
    while len(folders) < MAX_DEPTH and os.path.dirname(folders[-1]) != folders[-1]:
        folders.append(os.path.dirname(folders[-1]))

    def having(name: str) -> list[str]:
        return [folder for folder in folders if os.path.isfile(os.path.join(folder, name))]

    if source.builder == "go":
        return (having("go.work") or having("go.mod") or folders)[0]
    if source.builder == "cargo":
        return (having("Cargo.toml") or folders[:1])[-1]
    return source.folder


def _name(folder: str, file: str) -> str:
    """What the tool calls the program of the project that `file` describes."""
    own = os.path.basename(folder) or "main"
    if file not in ("go.mod", "Cargo.toml"):
        return own
    try:
        with open(os.path.join(folder, file), encoding="utf-8", errors="replace") as opened:
            text = opened.read(MAX_HEAD)
    except OSError:
        return own
    name = _module_name(text) if file == "go.mod" else _crate_name(text)
    return own if name in ("", ".", "..") else name


def _module_name(text: str) -> str:
    """The last element of the module's path, without a version (go help build, "-o")."""
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["module"] and len(words) > 1:
            parts = [part for part in words[1].strip('"`').split("/") if part]
            version = len(parts) > 1 and parts[-1][0] == "v" and parts[-1][1:].isdigit()
            return parts[-2 if version else -1] if parts else ""
    return ""


def _crate_name(text: str) -> str:
    import tomllib

    try:
        package = tomllib.loads(text).get("package")
    except (tomllib.TOMLDecodeError, RecursionError):
        return ""
    name = package.get("name") if isinstance(package, dict) else None
    return name if isinstance(name, str) and "/" not in name else ""
