"""Go: a file, a package or a module, with or without C.

A program whose packages need no C is compiled with CGO_ENABLED=0: static by nature, for every platform, whatever C
library was asked for. Whether one does, `go list` says (CgoFiles of packages that are not the standard library's), and
CGO_ENABLED=0 in the user's environment overrides it. With C it is linked by the C compiler of the target: static
against musl, or dynamic. Follows `go help build`, `go help list`, `go help environment` and cmd/link's documentation.

GOTOOLCHAIN is `local` unless the user set it, so that no go is fetched; modules are fetched as go itself does.
"""

from __future__ import annotations

import os

from needed.errors import CompileError, ToolchainError
from needed.toolchain.hints import hints_for
from needed.toolchain.model import Recipe, Step
from needed.toolchain.run import run_step
from needed.toolchain.sources import has_go_files
from needed.toolchain.tools import ask, find_tool, is_here, require_tool
from needed.toolchain.zig import target_words
from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.image.model import Pairs, Platform
    from needed.toolchain.model import Options, Source, Target

_FIELDS = "ImportPath,Name,Dir,DepOnly,Standard,CgoFiles,CXXFiles"
MAX_LISTED = 64 << 20  # bytes of go list's answer that are read
MAX_PROGRAMS = 20  # named in an error


@value
class Package:
    """What go list says of one package: whether it is asked for or only depended on, and what in it is not Go."""

    path: str
    name: str
    folder: str
    only_needed: bool
    standard: bool
    uses_c: bool
    uses_cpp: bool


def plan(source: Source, target: Target, options: Options, work: str) -> Recipe:
    """See `needed.toolchain.Builder`. CompileError also for a source that is no program, in go's own words."""
    go = require_tool("go", source.files[0] if source.files else source.folder)
    tool = " ".join(ask(go, "version").split()[:3]).replace("go version go", "go ", 1)
    env = _platform_env(target.platform)
    tags = (f"-tags={','.join(options.tags)}",) if options.tags else ()
    lister = _Lister(go, source, env, tags)
    pattern, packages = _program(lister, source, options.program)
    needs_c = os.environ.get("CGO_ENABLED") != "0" and any(
        package.uses_c and not package.standard for package in packages
    )
    product = os.path.join(work, options.program or source.name)
    flags = ["-s", "-w", "-buildid="]
    if needs_c:
        compilers, names = _c_compiler(target, packages)
        env += (("CGO_ENABLED", "1"), *compilers)
        # Once more -s, as the last word: go gives it first, and zig takes the -g behind it for the opposite.
        flags += ["-linkmode=external", '"-extldflags=-static -s"' if target.libc == "static" else "-extldflags=-s"]
        if target.libc == "static":
            # The standard library's own answers, instead of those that a static C library has no modules for.
            pure = {"net": "netgo", "os/user": "osusergo"}
            added = [pure[package.path] for package in packages if package.path in pure]
            tags = (f"-tags={','.join(dict.fromkeys((*options.tags, *added)))}",) if added or options.tags else ()
        tool = f"{tool}, {go}, with {names}"
    else:
        env = (("CGO_ENABLED", "0"), *env)
        tool = f"{tool}, {go}"
    ours, rest = _linker_flags(options.words)
    words = (
        go, "build", "-trimpath", "-buildvcs=false", *tags, f"-ldflags={' '.join([*flags, *ours])}", *rest,
        "-o", product, *pattern,
    )  # fmt: skip
    return Recipe(tool, (Step(words, env, source.folder),), product)


def _platform_env(platform: Platform) -> Pairs:
    """GOOS, GOARCH, and the variable that the platform's variant is for (go help environment)."""
    if platform.os != "linux":
        raise ToolchainError(f"{platform}: only programs of linux can be in an image", hints=["--platform linux/amd64"])
    architecture, variant = platform.architecture, platform.variant
    found = [("GOTOOLCHAIN", os.environ.get("GOTOOLCHAIN") or "local"), ("GOOS", "linux"), ("GOARCH", architecture)]
    number = variant.removeprefix("v")
    match architecture:
        case "arm":
            found.append(("GOARM", number or "7"))
        case "amd64" if variant:
            found.append(("GOAMD64", variant))
        case "arm64" if variant:
            found.append(("GOARM64", f"v{number}.0"))
        case "riscv64" | "ppc64le" | "ppc64" if variant:
            found.append((f"GO{architecture.removesuffix('le').upper()}", variant))
    return tuple(found)


def _program(lister: _Lister, source: Source, wanted: str) -> tuple[tuple[str, ...], tuple[Package, ...]]:
    """What to call the program on go's command line, and all packages that go into it."""
    if source.files:
        # With ./ before it, a name that begins with a hyphen is no option.
        names = tuple(os.path.join(".", os.path.relpath(path, source.folder)) for path in source.files)
        packages = lister.closure(*names)
        _require_main(source, packages)
        return names, packages
    if not wanted and has_go_files(source.folder):
        packages = lister.closure(".")
        if any(package.name == "main" and not package.only_needed for package in packages):
            return (".",), packages
    mains = {_place(package, source): package for package in lister.below() if package.name == "main"}
    chosen = [place for place in mains if wanted and os.path.basename(place.rstrip("/.") or source.name) == wanted]
    if len(mains) == 1 and not wanted:
        chosen = list(mains)
    if len(chosen) == 1:
        return (chosen[0],), lister.closure(chosen[0])
    if not mains:
        raise CompileError(
            f"{source.folder}: is a Go library: no package main is in it", hints=["name a program of it"]
        )
    places = sorted(mains)
    what = f"has no program {wanted}, but" if wanted else "has several programs:"
    first = os.path.basename(places[0].rstrip("/.") or source.name)
    raise CompileError(
        f"{source.folder}: {what} {', '.join(places[:MAX_PROGRAMS])}{', ...' * (len(places) > MAX_PROGRAMS)}",
        hints=[f"--program {first}, or name its folder: {os.path.normpath(os.path.join(source.folder, places[0]))}"],
    )


def _place(package: Package, source: Source) -> str:
    relative = os.path.relpath(package.folder, source.folder)
    return "." if relative == "." else f"./{relative}"


def _require_main(source: Source, packages: tuple[Package, ...]) -> None:
    names = [package.name for package in packages if not package.only_needed]
    if names != ["main"]:
        message = f"{source.files[0]}: is of package {', '.join(names)}, and no program"
        raise CompileError(message, hints=["a program is of package main"])


@value
class _Lister:
    """Asks `go list`, which reads sources and compiles nothing."""

    go: str
    source: Source
    env: Pairs
    tags: tuple[str, ...]

    def closure(self, *pattern: str) -> tuple[Package, ...]:
        """The packages of `pattern` and all that go into them. Raises CompileError in go's own words."""
        return self._list("-deps", *pattern)

    def below(self) -> tuple[Package, ...]:
        """The packages in the source's folder and in those below it, also where one of them does not load."""
        return self._list("-e", "./...")

    def _list(self, *words: str) -> tuple[Package, ...]:
        # With cgo, since that is the question; by default it is off without a C compiler, and for another machine.
        env = (*self.env, ("CGO_ENABLED", "1"))
        command = Step((self.go, "list", f"-json={_FIELDS}", *self.tags, *words), env, self.source.folder)
        from tempfile import TemporaryFile

        try:
            with TemporaryFile() as answer:
                run_step(command, None, answer)
                answer.seek(0)
                text = answer.read(MAX_LISTED).decode("utf-8", "replace")
        except CompileError as error:
            what = self.source.files[0] if self.source.files else self.source.folder
            raise CompileError(
                f"{what}: {error.message}", details=error.details, hints=hints_for(self.source, error.details)
            ) from None
        return tuple(_packages(text))


def _packages(text: str) -> Iterator[Package]:
    """The JSON objects that stand one behind the other in go list's answer."""
    from json import JSONDecoder

    decoder, at = JSONDecoder(), text.find("{")
    while at >= 0:
        try:
            found, end = decoder.raw_decode(text, at)
        except ValueError:
            raise ToolchainError("go list answered with something that is no JSON, or with too much of it") from None
        yield Package(
            found.get("ImportPath", ""), found.get("Name", ""), found.get("Dir", ""), found.get("DepOnly", False),
            found.get("Standard", False), bool(found.get("CgoFiles")), bool(found.get("CXXFiles")),
        )  # fmt: skip
        at = text.find("{", end)


def _c_compiler(target: Target, packages: tuple[Package, ...]) -> tuple[Pairs, str]:
    """CC and CXX for `target`, and their name for people. Raises ToolchainError with what to install."""
    cpp = any(package.uses_cpp for package in packages)
    here = is_here(target.platform)
    if target.libc == "glibc" and here and not target.glibc:
        own = os.environ.get("CC") or find_tool("gcc") or find_tool("cc") or find_tool("clang")
        if own:
            return (("CC", own),), own
    musl = find_tool("musl-gcc") if target.libc != "glibc" and here and not cpp else None
    if musl:
        return (("CC", musl),), musl
    zig = find_tool("zig")
    if zig is None:
        what = f"a C compiler for {target}, which packages of this program need (cgo)"
        hints = ["pip install 'needed[zig]'"]
        if target.libc != "glibc" and here:
            hints = ["apt-get install musl-tools, or pip install 'needed[zig]'"]
        raise ToolchainError(f"there is not {what}", hints=hints)
    words = " ".join(target_words(target))
    # Zig links statically against musl unless it is told otherwise.
    dynamic = " -dynamic" if target.libc == "musl" else ""
    quoted = f"'{zig}'" if " " in zig else zig
    # The -O that it links with is the one that it compiles its library with, and go's own is `-O2 -g`.
    links = os.environ.get("CGO_LDFLAGS") or "-Os"
    compilers = ("CC", f"{quoted} cc {words}{dynamic}"), ("CXX", f"{quoted} c++ {words}{dynamic}")
    return (*compilers, ("CGO_LDFLAGS", links)), f"zig {ask(zig, 'version')}, {zig}"


def _linker_flags(words: tuple[str, ...]) -> tuple[list[str], tuple[str, ...]]:
    """What the user gives to the linker, which joins ours, since go takes the last -ldflags only; and other words."""
    flags: list[str] = []
    rest: list[str] = []
    ahead = iter(words)
    for word in ahead:
        name, equals, given = word.partition("=")
        if name in ("-ldflags", "--ldflags"):
            flags.append(given if equals else next(ahead, ""))
        else:
            rest.append(word)
    return flags, tuple(rest)
