"""C and C++: several files make one program; and which C compiler it is, for the other builders that need one.

Static is against musl where it can be, since a static glibc is forty times as large and opens files of its own at
run time: musl-gcc for C on this machine, zig for C++ and for every other machine, and a static glibc where neither is
there. musl-gcc knows no C++, and objects made for two C libraries do not go together, so that one compiler does both
languages. The user's CC and CXX come first, if they make programs of the target's machine, and CPPFLAGS, CFLAGS
(CXXFLAGS), LDFLAGS and LDLIBS after our own words, as make has them. Nothing is written beside the sources.

Follows GCC's and Clang's manuals ("Link Options", "Options Controlling the Preprocessor"), ld(1), and `zig cc --help`.
"""

from __future__ import annotations

import os

from needed.errors import ToolchainError
from needed.toolchain.model import Recipe, Step
from needed.toolchain.tools import ask, find_tool, is_here
from needed.toolchain.zig import target_words
from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from needed.image.model import Platform
    from needed.toolchain.model import Options, Source, Target

# Each function and each variable is a section of its own, so that the linker leaves out those that nothing uses.
SMALL = ("-Os", "-ffunction-sections", "-fdata-sections")
# No symbol table, and no build id, by which a debugger would find debug information that nobody keeps.
LINK = ("-s", "-Wl,--gc-sections", "-Wl,--build-id=none")
# GNU ld rounds each segment of the file up to a page otherwise: 8 KB of a small program.
PACKED = "-Wl,-z,noseparate-code"
# Zig compiles with traps for undefined behaviour unless it is told otherwise, and says of each word which step of it
# has no use for it.
ZIG = ("-fno-sanitize=undefined", "-Wno-unused-command-line-argument")

# image-spec's architecture and variant to the name that Debian's cross compilers begin with (GNU's config.sub).
_TRIPLES = {
    "amd64": "x86_64-linux-gnu", "386": "i686-linux-gnu", "arm64": "aarch64-linux-gnu", "arm64/v8": "aarch64-linux-gnu",
    "arm": "arm-linux-gnueabihf", "arm/v7": "arm-linux-gnueabihf", "arm/v5": "arm-linux-gnueabi",
    "riscv64": "riscv64-linux-gnu", "s390x": "s390x-linux-gnu", "ppc64le": "powerpc64le-linux-gnu",
    "loong64": "loongarch64-linux-gnu", "mips64le": "mips64el-linux-gnuabi64", "mips": "mips-linux-gnu",
    "mipsle": "mipsel-linux-gnu",
}  # fmt: skip


@value
class Compiler:
    """A C compiler for one target. `c` and `cpp` are the words that start it, with those that choose the target, `link`
    is what it needs when it links, `archive` and `index` its ar and ranlib; `name` says which it is, for people.
    `apart` is whether `link` must not be there when it compiles: zig strips an object of the symbols that it is linked
    by."""

    name: str
    c: tuple[str, ...]
    cpp: tuple[str, ...]
    link: tuple[str, ...]
    archive: tuple[str, ...] = ("ar",)
    index: tuple[str, ...] = ("ranlib",)
    apart: bool = False


def plan(source: Source, target: Target, options: Options, work: str) -> Recipe:
    """See `needed.toolchain.Builder`."""
    cpp = any(map(is_cpp, source.files))
    compiler = choose(target, source.files[0], cpp=cpp)
    product = os.path.join(work, source.name)
    names = [_named(path, source.folder) for path in source.files]
    links = (*compiler.link, *flags_of("LDFLAGS"), *flags_of("LDLIBS"), *options.words)
    if len({is_cpp(path) for path in source.files}) == 1:
        words = (*_compile_words(compiler, source.folder, cpp=cpp), "-o", product, *names, *links)
        return Recipe(compiler.name, (Step(words, (), source.folder),), product)
    # A C++ compiler takes a C file for C++, so each file is compiled by that of its language.
    objects = [os.path.join(work, f"{number}.o") for number in range(len(names))]
    steps = [
        Step((*_compile_words(compiler, source.folder, cpp=is_cpp(name)), "-c", "-o", made, name), (), source.folder)
        for name, made in zip(names, objects, strict=True)
    ]
    steps.append(Step((*compiler.cpp, "-o", product, *objects, *links), (), source.folder))
    return Recipe(compiler.name, tuple(steps), product)


def is_cpp(path: str) -> bool:
    """Whether a file is C++ by its suffix (GCC's manual, "Overall Options")."""
    return os.path.splitext(path)[1] in (".cc", ".cpp", ".cxx", ".c++", ".C", ".cp")


def compile_flags(folder: str) -> tuple[str, ...]:
    """What makes an object small, and the same wherever `folder` is."""
    return *SMALL, f"-ffile-prefix-map={folder}=."


def flags_of(variable: str) -> tuple[str, ...]:
    """The words of a variable like CFLAGS in the user's environment. Raises ToolchainError if its quotes are open."""
    import shlex

    try:
        return tuple(shlex.split(os.environ.get(variable, "")))
    except ValueError as error:
        raise ToolchainError(f"{variable}: {error}: {os.environ[variable]}") from None


def _compile_words(compiler: Compiler, folder: str, *, cpp: bool) -> tuple[str, ...]:
    own = flags_of("CXXFLAGS") if cpp else flags_of("CFLAGS")
    return *(compiler.cpp if cpp else compiler.c), *compile_flags(folder), *flags_of("CPPFLAGS"), *own


def _named(path: str, folder: str) -> str:
    """A file as seen from its folder, never like an option: what `__FILE__` becomes."""
    name = os.path.relpath(path, folder)
    return f"./{name}" if name.startswith("-") else name


def choose(target: Target, what: str, *, cpp: bool = False) -> Compiler:
    """The C compiler for `target`, and for C++ besides if `cpp`. Raises ToolchainError: `what` cannot be compiled, and
    what to install."""
    if target.platform.os != "linux":
        raise ToolchainError(f"{target.platform}: only programs of linux can be in an image")
    found = (
        _own(target, cpp=cpp)
        or (_musl_gcc(target) if not cpp else None)
        or (_gcc(target, cpp=cpp) if target.libc == "glibc" else None)
        or zig_compiler(target)
        or (_gcc(target, cpp=cpp) if target.libc != "glibc" else None)
    )
    if found is None:
        language = "C++" if cpp else "C"
        raise ToolchainError(
            f"{what}: no compiler on this machine makes a program of {language} for {target}",
            hints=_to_install(target, cpp=cpp),
        )
    return found


def _own(target: Target, *, cpp: bool) -> Compiler | None:
    """What the user's CC and CXX say, if they make programs of the target's machine: a CC set for this machine should
    not fail the others of an index. Raises ToolchainError if it is not there."""
    c, plus = flags_of("CC"), flags_of("CXX")
    leading = plus if cpp else c
    if not leading or target.glibc:
        return None
    path = find_tool(leading[0])
    if path is None:
        hint = f"unset {'CXX' if cpp else 'CC'}, to have one chosen"
        raise ToolchainError(f"{'CXX' if cpp else 'CC'}={leading[0]}: there is no such command", hints=[hint])
    machine = ask(path, *leading[1:], "-dumpmachine").split("-")[0]
    if machine not in _machines(target.platform):
        return None
    # Where the other one is, its name says well enough: not every machine has it on PATH, like a wheel's zig.
    words = tuple((find_tool(one[0]) or one[0], *one[1:]) for one in (c or plus, plus or c))
    name = f"{'CXX' if cpp else 'CC'}={' '.join(leading)}, {path}"
    return Compiler(name, words[0], words[1], (*_kind(target), *LINK))


def _musl_gcc(target: Target) -> Compiler | None:
    """gcc against the musl of this machine, by its specs: C only, and without static-pie."""
    path = find_tool("musl-gcc") if target.libc != "glibc" and is_here(target.platform) else None
    if path is None:
        return None
    name = f"musl-gcc (gcc {ask(path, '-dumpfullversion')}), {path}"
    return Compiler(name, (path,), (), (*_kind(target), *LINK, PACKED))


def zig_compiler(target: Target) -> Compiler | None:
    """Zig's clang with its own musl or glibc's symbols: for every machine, with libc++ inside. None without zig.

    The -O that it links with is the one that it compiles its libraries with, once for each.
    """
    path = find_tool("zig")
    if path is None:
        return None
    chosen = (*target_words(target), *ZIG)
    kind = {"static": ("-static",), "musl": ("-dynamic",), "glibc": ()}[target.libc]
    return Compiler(
        f"zig {ask(path, 'version')}, {path}",
        (path, "cc", *chosen), (path, "c++", *chosen), (*kind, "-Os", *LINK), (path, "ar"), (path, "ranlib"),
        apart=True,
    )  # fmt: skip


def _gcc(target: Target, *, cpp: bool) -> Compiler | None:
    """The compiler of this machine's distribution, or its cross compiler: static is glibc inside, musl only where the
    machine's own C library is that, and the release of glibc is the one that it has."""
    if target.glibc:
        return None
    triple = triple_of(target.platform)
    pairs = [(f"{triple}-gcc", f"{triple}-g++")] if triple else []
    if is_here(target.platform):
        pairs = [("gcc", "g++"), ("cc", "c++"), ("clang", "clang++")]
    for c, plus in pairs:
        path, second = find_tool(c), find_tool(plus)
        if path is None or (cpp and second is None):
            continue
        musl = "musl" in ask(path, "-dumpmachine")
        if target.libc == "static" or musl == (target.libc == "musl"):
            name = f"{c} {ask(path, '-dumpversion')}{' with a static glibc' * (target.libc == 'static' and not musl)}"
            tools = [find_tool(f"{triple}-{tool}") or tool for tool in ("ar", "ranlib")]
            return Compiler(
                f"{name}, {path}", (path,), (second,) if second else (), (*_kind(target), *LINK, PACKED),
                (tools[0],), (tools[1],),
            )  # fmt: skip
    return None


def _kind(target: Target) -> tuple[str, ...]:
    return ("-static",) if target.libc == "static" else ()


def triple_of(platform: Platform) -> str:
    """The name that a GNU cross compiler for `platform` begins with, "aarch64-linux-gnu", or empty."""
    key = f"{platform.architecture}/{platform.variant}" if platform.variant else platform.architecture
    return _TRIPLES.get(key, "")


def _machines(platform: Platform) -> tuple[str, ...]:
    """What a compiler for `platform` may call its machine."""
    machine = triple_of(platform).split("-")[0]
    return {"i686": ("i386", "i486", "i586", "i686", "x86"), "arm": ("arm", "armv7", "armv7l", "armv6")}.get(
        machine, (machine,)
    )


def _to_install(target: Target, *, cpp: bool) -> list[str]:
    hints = ["pip install 'needed[zig]'"]
    here, triple = is_here(target.platform), triple_of(target.platform)
    if target.libc != "glibc" and here and not cpp:
        hints.append("or, on Debian: apt-get install musl-tools")
    elif target.libc == "glibc" and target.glibc:
        hints.append(f"only zig knows the symbols of glibc {target.glibc}; --libc glibc takes this machine's own")
    elif target.libc != "musl" and here:
        hints.append(f"or, on Debian: apt-get install {'g++' if cpp else 'gcc'}")
    elif target.libc != "musl" and triple:
        hints.append(f"or, on Debian: apt-get install {'g++' if cpp else 'gcc'}-{triple.replace('_', '-')}")
    return hints
