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
    ("zig", "dependency on libc must be explicitly specified", "pass it on: -- -lc"),
    ("zig", "C import failed", "pass on where the headers are: -- -lc -I FOLDER"),
    ("zig", "has no member named", "std changes with each release of zig: is it written for this one?"),
)


def hints_for(source: Source, lines: tuple[str, ...]) -> tuple[str, ...]:
    """The hint for what the tool that compiled `source` printed; how to see its command, if none is known."""
    text = "\n".join(lines)
    for builder, words, hint in _ROWS:
        if builder == source.builder and words in text:
            return (hint,)
    return ("nothing was written; needed compile --print shows the command, to try it by hand",)
