"""The layouts once more, as a compiler makes them: programs and libraries for musl on any machine, by `zig cc`.

Where `crafted` writes the least that a loader maps, these have a C library to start with, relocations and both hash
tables. zig's linker writes DT_RUNPATH only, which is the same as DT_RPATH to musl. The compiler is PyPI's `ziglang`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.oracle.crafted import Elf
from tests.oracle.layouts import LOADED, MUSL, SEARCHED, Tree, write_entry

_TARGETS = {
    "amd64": "x86_64-linux-musl",
    "arm64": "aarch64-linux-musl",
    "armhf": "arm-linux-musleabihf",
    "i386": "x86-linux-musl",
    "ppc64el": "powerpc64le-linux-musl",
    "riscv64": "riscv64-linux-musl",
    "s390x": "s390x-linux-musl",
}
_RULES = (
    "rpath-is-inherited",
    "rpath-of-the-middle-is-inherited",
    "breadth-before-depth",
    "a-soname-is-not-searched-for",
    "one-file-by-three-names",
    "missing-ones-are-asked-for-again",
    "musl-itself",
    "musl-another-token",
    "musl-no-short-name",
    "musl-path-file",
)


class Zig:
    """The compiler for one architecture. It keeps what it has built of the C library in `cache`."""

    def __init__(self, architecture: str, cache: Path) -> None:
        self.folder = cache / "zig"
        self.stubs = self.folder / "stubs" / architecture
        self.stubs.mkdir(parents=True, exist_ok=True)
        self.command = [sys.executable, "-m", "ziglang", "cc", "-target", _TARGETS[architecture], "-Wl,--no-as-needed"]
        self.environment = {
            **os.environ,
            "ZIG_GLOBAL_CACHE_DIR": str(self.folder),
            "ZIG_LOCAL_CACHE_DIR": str(self.folder),
        }

    def plant(self, root: Path) -> None:
        """Write the layouts' trees below /opt of `root`, each beside the crafted one, `zig-` before its name."""
        everything = SEARCHED | LOADED | MUSL
        for rule in _RULES:
            tree: Tree = everything[rule]
            for name, item in tree.items():
                path = root / "opt" / f"zig-{rule}" / name
                if isinstance(item, Elf):
                    path.parent.mkdir(parents=True, exist_ok=True)
                    self._build(item, path)
                else:
                    write_entry(path.parents[name.count("/")], name, item)

    def _build(self, elf: Elf, path: Path) -> None:
        options = [str(self._stub(name)) for tag, name in elf.entries if tag == "NEEDED"]
        for tag, text in elf.entries:
            if tag in ("RPATH", "RUNPATH"):
                options.append(f"-Wl,-rpath,{text}")
            if tag == "SONAME":
                options.append(f"-Wl,-soname,{text}")
        source = "int main(void) { return 0; }" if elf.program else "int function(void) { return 0; }"
        self._compile(source, path, [*(["-dynamic"] if elf.program else ["-shared", "-nostdlib"]), *options])

    def _stub(self, name: str) -> Path:
        """A library to link with, so that a DT_NEEDED of this name comes about."""
        path = self.stubs / f"stub-{name.replace('/', '%')}.so"
        if not path.exists():
            self._compile("int stub;", path, ["-shared", "-nostdlib", f"-Wl,-soname,{name}"])
        return path

    def _compile(self, source: str, path: Path, options: list[str]) -> None:
        text = self.stubs / "source.c"
        text.write_text(source)
        subprocess.run([*self.command, str(text), *options, "-o", str(path)], env=self.environment, check=True)
