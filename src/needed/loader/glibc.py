"""Where glibc's `ld.so` looks for a name: `_dl_map_object` of elf/dl-load.c, rule by rule.

RPATH of the requester and its ancestors (unless the requester has a RUNPATH), LD_LIBRARY_PATH, the requester's RUNPATH,
`ld.so.cache`, the system directories of this build. `ld.so.conf` is `ldconfig`'s, the loader never reads it.
Capability subdirectories are not searched: the closure holds on every CPU of the machine.
"""

from __future__ import annotations

from needed.elf.model import DF_1_NODEFLIB
from needed.loader.search import Candidate, expand

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from needed.closure import LoadedObject
    from needed.loader.ldso import Builtin

# AT_PLATFORM of the kernel; on x86-64 glibc may put haswell or xeon_phi in its place, which the baseline does not.
_PLATFORM = {
    "x86-64": "x86_64",
    "i386": "i686",
    "arm64": "aarch64",
    "armhf": "v7l",
    "armel": "v5l",
    "ppc64le": "power8",
}


class GlibcSearch:
    """glibc's rules for one process."""

    def __init__(
        self,
        main: LoadedObject,
        interpreter: LoadedObject | None,
        builtin: Builtin,
        cache: Mapping[str, str],
        library_path: tuple[str, ...],
    ) -> None:
        self.main, self.builtin, self.cache, self.library_path = main, builtin, cache, library_path
        self.loader_names = {interpreter.path, interpreter.elf.soname} if interpreter else set()

    def is_loader(self, name: str) -> bool:
        return name in self.loader_names

    def known_names(self, item: LoadedObject, asked: str) -> Iterator[str]:
        yield asked
        yield item.path
        if item.elf.soname:
            yield item.elf.soname

    def skips(self, outcome: str) -> bool:
        # Another machine's file is passed over, a file that is no ELF file is fatal (open_verify).
        return outcome in ("absent", "wrong machine", "not readable")

    def candidates(self, name: str, chain: tuple[LoadedObject, ...]) -> Iterator[Candidate]:
        requester = chain[0]
        if "/" in name:
            yield Candidate(self.expand(name, requester), f"path in DT_NEEDED of {requester.path}")
            return
        if requester.elf.runpath is None:
            # main's RPATH once more: an ancestor chain always ends there, but of a preload it does not
            for item in chain if self.main in chain else (*chain, self.main):
                if item.elf.rpath and item.elf.runpath is None:
                    yield from self.in_list(item.elf.rpath.split(":"), item, f"RPATH of {item.path}", name)
        yield from self.in_list(list(self.library_path), self.main, "LD_LIBRARY_PATH", name)
        if requester.elf.runpath:
            yield from self.in_list(requester.elf.runpath.split(":"), requester, f"RUNPATH of {requester.path}", name)
        default = not requester.elf.flags_1 & DF_1_NODEFLIB
        cached = self.cache.get(name)
        if cached and (default or cached.rpartition("/")[0] not in self.builtin.system_dirs):
            yield Candidate(cached, self.builtin.cache, "cache")
        if default:
            for directory in self.builtin.system_dirs:
                yield Candidate(f"{directory}/{name}", "default directory")

    def in_list(self, elements: list[str], owner: LoadedObject, rule: str, name: str) -> Iterator[Candidate]:
        expanded = (self.expand(element, owner) for element in elements)
        for element in dict.fromkeys(element.rstrip("/") or element[:1] for element in expanded):
            # An empty or relative element is the working directory's, which an image's user decides.
            if element.startswith("/"):
                yield Candidate(f"{element.rstrip('/')}/{name}", rule)

    def expand(self, text: str, owner: LoadedObject) -> str:
        if "$" not in text:
            return text
        # Of main /proc/self/exe tells, which is the real path; of a library the path string that was opened.
        path = owner.found.path if owner is self.main else owner.path
        name = owner.elf.machine.name
        tokens = {"ORIGIN": path.rpartition("/")[0] or "/", "LIB": self.builtin.lib}
        if name in _PLATFORM:
            tokens["PLATFORM"] = _PLATFORM[name]
        return expand(text, tokens, boundary=True)
