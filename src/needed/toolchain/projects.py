"""Projects with a Makefile or a CMakeLists.txt: the project's own rules, with the compiler chosen for the target.

make builds where the sources are, so it works on a copy, from which objects and programs of earlier builds are taken:
they may be of another compiler, and newer than what they are made from. CMake builds in a folder of its own. What the
project says of flags stays: ours stand in CC and CXX themselves, since `make CFLAGS=...` would throw away what its
Makefile needs (-I, -D). So a Makefile that calls `gcc` by name gets nothing of it, which the outcome shows.

Runs no configure script, no autotools and no meson: that is the project's to do, and then there is a Makefile. Follows
the manuals of GNU make ("Overriding Variables", "Implicit Variables") and of CMake (cmake(1), cmake-variables(7)).
"""

from __future__ import annotations

import os

from needed.errors import ToolchainError
from needed.toolchain.c import Compiler, choose, compile_flags, flags_of, is_cpp, triple_of
from needed.toolchain.model import Recipe, Step
from needed.toolchain.tools import ask, find_tool, is_here, require_tool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.toolchain.model import Options, Source, Target

MAX_NAMES = 50_000  # files of a project that are looked at
MAX_STALE = 2_000  # products of earlier builds: as many as go onto one command line
MAKEFILES = ("GNUmakefile", "makefile", "Makefile")
ET_REL = 1
ET_EXEC = 2
ET_DYN = 3


def plan(source: Source, target: Target, options: Options, work: str) -> Recipe:
    """See `needed.toolchain.Builder`."""
    if source.builder == "cmake":
        return _cmake(source, target, options, work)
    if not any(os.path.isfile(os.path.join(source.folder, name)) for name in MAKEFILES):
        raise ToolchainError(
            f"{source.folder}: has a configure script and no Makefile yet",
            hints=[f"run it first: cd {source.folder} && ./configure", "it may take CC: CC=musl-gcc ./configure"],
        )
    return _make(source, target, options, work)


def _make(source: Source, target: Target, options: Options, work: str) -> Recipe:
    make = require_tool("make", source.folder)
    names = list(_names(source.folder))
    cpp = any(map(is_cpp, names))
    compiler = choose(target, source.folder, cpp=cpp)
    tree = os.path.join(work, "tree")
    settings, steps = [], []
    for variable, words in (("CC", compiler.c), ("CXX", compiler.cpp if cpp else ())):
        if words and compiler.apart:
            script = os.path.join(work, variable.lower())
            steps.append(script_step(script, (*words, *compile_flags(tree)), work, compiler.link))
            settings.append(f"{variable}={script}")
        elif words:
            settings.append(f"{variable}={_joined(*words, *compile_flags(tree), *compiler.link)}")
    settings += [f"AR={_joined(*compiler.archive)}", f"RANLIB={_joined(*compiler.index)}"]
    steps.append(Step(("cp", "-a", os.path.join(source.folder, "."), tree), (), work))
    stale = [name for name in names if _is_product(os.path.join(source.folder, name))]
    if stale:
        steps.append(Step(("rm", "-f", "--", *stale[:MAX_STALE]), (), tree))
    steps.append(Step((make, *settings, *options.words), (), tree))
    tool = f"{ask(make, '--version').splitlines()[0]}, {make}, with {compiler.name}"
    return Recipe(tool, tuple(steps), os.path.join(tree, ""))


def _cmake(source: Source, target: Target, options: Options, work: str) -> Recipe:
    cmake = require_tool("cmake", source.folder)
    cpp = any(map(is_cpp, _names(source.folder)))
    compiler = choose(target, source.folder, cpp=cpp)
    ninja, make = find_tool("ninja"), find_tool("make")
    if ninja is None and make is None:
        raise ToolchainError(f"{source.folder}: cmake needs ninja or make", hints=["apt-get install ninja-build"])
    place = os.path.join(work, "build")
    steps = []
    settings = [("CMAKE_BUILD_TYPE", "MinSizeRel"), ("CMAKE_SKIP_RPATH", "ON")]
    if target.libc == "static":
        settings.append(("BUILD_SHARED_LIBS", "OFF"))
    if not is_here(target.platform):
        processor = triple_of(target.platform).split("-")[0] or target.platform.architecture
        settings += [("CMAKE_SYSTEM_NAME", "Linux"), ("CMAKE_SYSTEM_PROCESSOR", processor)]
    for name, words in (("AR", compiler.archive), ("RANLIB", compiler.index)):
        if len(words) > 1:  # CMake takes the path of a program there, and no words
            script = os.path.join(work, name.lower())
            steps.append(script_step(script, words, work))
            settings.append((f"CMAKE_{name}", script))
        elif (path := find_tool(words[0])) is not None:
            settings.append((f"CMAKE_{name}", path))
    flags = (*compile_flags(source.folder), *flags_of("CPPFLAGS"))
    settings.append(("CMAKE_C_FLAGS", _joined(*flags, *flags_of("CFLAGS"))))
    if cpp:
        settings.append(("CMAKE_CXX_FLAGS", _joined(*flags, *flags_of("CXXFLAGS"))))
    settings.append(("CMAKE_EXE_LINKER_FLAGS", _joined(*compiler.link, *flags_of("LDFLAGS"))))
    configure = (
        cmake, "-S", source.folder, "-B", place, "-G", "Ninja" if ninja else "Unix Makefiles",
        *(f"-D{name}={text}" for name, text in settings), *options.words,
    )  # fmt: skip
    env = (("CC", _joined(*compiler.c)), *([("CXX", _joined(*compiler.cpp))] if cpp else []))
    steps.append(Step(configure, env, work))
    # The build asks no environment any more: the compiler stands in the cache.
    steps.append(Step((cmake, "--build", place), (), work))
    # What CMake tried the compiler with is a program too.
    steps.append(Step(("rm", "-rf", os.path.join(place, "CMakeFiles")), (), work))
    builder = "ninja" if ninja else "make"
    tool = f"{ask(cmake, '--version').splitlines()[0]} with {builder}, {cmake}, with {compiler.name}"
    return Recipe(tool, tuple(steps), os.path.join(place, ""))


def script_step(path: str, words: tuple[str, ...], work: str, link: tuple[str, ...] = ()) -> Step:
    """A command that makes the script `path`, which calls `words` with its arguments, and with `link` behind them if it
    is to link (GCC's manual, "Overall Options", names the words that end before that)."""
    text = "#!/bin/sh\n"
    if link:
        text += f'for word; do case $word in -c|-S|-E|-M|-MM|-fsyntax-only) exec {_joined(*words)} "$@";; esac; done\n'
    text += f'exec {_joined(*words)} "$@" {_joined(*link)}'.rstrip()
    return Step(("sh", "-c", 'printf "%s\\n" "$1" > "$2" && chmod +x "$2"', "sh", text, path), (), work)


def _joined(*words: str) -> str:
    import shlex

    return shlex.join(words)


def _names(folder: str) -> Iterator[str]:
    """The files below a project's folder, each relative to it, as many as are looked at; no history, and no links."""
    seen = 0
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in (".git", ".hg", ".svn", "CMakeFiles"))
        for name in sorted(names):
            seen += 1
            if seen > MAX_NAMES:
                return
            yield os.path.relpath(os.path.join(place, name), folder)


def _is_product(path: str) -> bool:
    """Whether a file is an object or a program of an earlier build. A library stays, since its members are gone, which
    makes it old; one that came with the project may be all there is of it."""
    try:
        if os.path.islink(path) or not os.path.isfile(path):
            return False
        with open(path, "rb") as file:
            head = file.read(18)
    except OSError:
        return False
    if head[:4] != b"\x7fELF" or len(head) < 18:
        return False
    kind = int.from_bytes(head[16:18], "little" if head[5] == 1 else "big")
    return kind in (ET_REL, ET_EXEC) or (kind == ET_DYN and ".so" not in os.path.basename(path))


__all__ = ["Compiler", "plan", "script_step"]
