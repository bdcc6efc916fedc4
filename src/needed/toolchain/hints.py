"""What to do about what a tool chain said: its own message stands, and one of these after it.

A row is what the tool's words contain, for which builder, and the hint; the first that fits is taken.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from needed.toolchain.model import Source

_ROWS = (
    ("go", "requires go >=", "install that go, or let this one fetch it: GOTOOLCHAIN=auto needed compile ..."),
    ("go", "missing go.sum entry", "in its folder: go mod tidy"),
    ("go", "no required module provides package", "in its folder: go mod tidy"),
    ("go", "cannot find module providing package", "in its folder: go mod tidy"),
    ("go", "go.mod file not found", "in its folder: go mod init example.org/NAME && go mod tidy"),
    ("go", "inconsistent vendoring", "in its folder: go mod vendor"),
    ("go", "dial tcp", "modules come over the network: go mod vendor, where there is one, brings them along"),
    ("go", "disabled by GOPROXY=off", "modules come over the network: go mod vendor brings them along"),
    ("go", "build constraints exclude all Go files", "its files are for other systems or tags: --tags NAME"),
    ("zig", "invalid option: -Dtarget", "build.zig has to ask for it: b.standardTargetOptions(.{})"),
    ("zig", 'invalid option: "target"', "build.zig has to ask for it: b.standardTargetOptions(.{})"),
    ("zig", "dependency on libc must be explicitly specified", "pass it on: -- -lc"),
    ("zig", "C import failed", "pass on where the headers are: -- -lc -I FOLDER"),
    ("zig", "has no member named", "std changes with each release of zig: is it written for this one?"),
    ("c", "fatal error: linux/", "musl-gcc has no kernel headers, zig has: CC='zig cc -target x86_64-linux-musl'"),
    ("c", "fatal error: asm/", "musl-gcc has no kernel headers, zig has: CC='zig cc -target x86_64-linux-musl'"),
    ("zig", "invalid builtin function", "builtins change with each release of zig: is it written for this one?"),
    ("c", "No such file or directory", "pass on where its headers are: -- -I FOLDER; --libc glibc sees those of here"),
    ("c", "undefined reference to `main'", "name all files of the program: needed compile main.c other.c"),
    ("c", "undefined reference to", "pass on its libraries: -- -lNAME; or name all files of the program"),
    ("c", "undefined symbol", "pass on its libraries: -- -lNAME; or name all files of the program"),
    ("c", "cannot find -l", "a static program needs lib*.a of this C library; --libc glibc takes what is here"),
    ("c", "unable to find library", "a static program needs lib*.a of this C library; --libc glibc takes what is here"),
    ("make", "No rule to make target", "its files or targets are elsewhere: needed compile FOLDER -- TARGET"),
    ("make", "Could not find", "it looks for what this C library has not: --libc glibc takes what is here"),
    ("go", "GOCACHE is not defined", "it needs a folder to remember in: GOCACHE=/tmp/go-cache needed compile ..."),
    ("zig", "unable to resolve zig cache directory", "it needs a folder to remember in: ZIG_GLOBAL_CACHE_DIR=DIR"),
    ("cargo", "cannot update the lock file", "Cargo.lock is older than Cargo.toml: in its folder, cargo update -w"),
    ("cargo", "needs to be updated but --locked", "Cargo.lock is older than Cargo.toml: cargo update -w there"),
    ("cargo", "no matching package named", "crates come over the network: cargo vendor brings them along"),
    ("cargo", "failed to download", "crates come over the network: cargo vendor brings them along"),
    ("cargo", "lock file version", "this cargo is older than the one that wrote Cargo.lock: rustup update"),
    ("cargo", "feature `edition", "this cargo is older than the crate's edition: rustup update"),
    ("cargo", "can't find crate for `std`", "rustup target add TARGET"),
)
# Projects of C: what the compiler says in them is what it says of files.
_LANGUAGES = {"cc": ("c",), "make": ("make", "c"), "cmake": ("make", "c")}
# What to look at where a project of its own rules makes something else than was asked for.
_OWN_RULES = {
    "make": "its Makefile may call a compiler by name, where $(CC) is the one that was chosen, or link with $(LD)",
    "cmake": "its CMakeLists.txt may set the compiler or its flags, which were given as CMAKE_C_FLAGS and the like",
}


def hints_for(source: Source, lines: tuple[str, ...]) -> tuple[str, ...]:
    """The hint for what the tool that compiled `source` printed; how to see its command, if none is known."""
    text = "\n".join(lines)
    builders = _LANGUAGES.get(source.builder, (source.builder,))
    for builder, words, hint in _ROWS:
        if builder in builders and words in text:
            return (hint,)
    return ("nothing was written; needed compile --print shows the command, to try it by hand",)


def hints_for_outcome(source: Source) -> tuple[str, ...]:
    """Why a project's own rules may have made another program than was asked for."""
    hint = _OWN_RULES.get(source.builder)
    return (hint,) if hint else ()
