"""Where glibc's `ld.so` looks for a name: `_dl_map_object` of elf/dl-load.c, rule by rule.

RPATH of the requester and its ancestors (unless the requester has a RUNPATH), LD_LIBRARY_PATH, the requester's RUNPATH,
`ld.so.cache`, the system directories of this build. `ld.so.conf` is `ldconfig`'s, the loader never reads it.
What it makes of the file that it then opens is `verdict`'s.
"""

from __future__ import annotations

from needed.elf.model import DF_1_NODEFLIB
from needed.loader.hwcaps import subdirectories
from needed.loader.search import Candidate, check_length, expand
from needed.loader.verdict import NOT_LOADABLE, glibc_damaged, glibc_verdict
from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Protocol

    from needed.closure import LoadedObject
    from needed.elf import ElfFile
    from needed.errors import ElfError
    from needed.loader.cache import CacheEntry
    from needed.loader.ldso import Builtin
    from needed.loader.settings import Settings

    class Index(Protocol):
        """What stands for `ld.so.cache`: the file, or what ldconfig would write."""

        @property
        def damaged(self) -> bool:
            """Whether the file is there and the loader ignores it."""

        def find(self, name: str, active: tuple[str, ...], /) -> CacheEntry | None:
            """The entry for `name` where the glibc-hwcaps names `active` are usable."""


# AT_PLATFORM of the kernel; on x86-64 glibc may put haswell or xeon_phi in its place, which the baseline does not.
_PLATFORM = {
    "x86-64": "x86_64",
    "x32": "x86_64",
    "i386": "i686",
    "arm64": "aarch64",
    "armhf": "v7l",
    "armel": "v5l",
    "ppc64le": "power8",
    "loongarch64": "loongarch",
}
# vdso(7): the kernel maps it, it is nobody's file.
_VDSO = {
    "i386": "linux-gate.so.1",
    "ppc64le": "linux-vdso64.so.1",
    "ppc64": "linux-vdso64.so.1",
    "s390x": "linux-vdso64.so.1",
    "powerpc": "linux-vdso32.so.1",
}


@value
class RootLoader:
    """A root's `ld.so`: the file under the path string of PT_INTERP, what is built into it, and its cache."""

    file: LoadedObject | None
    builtin: Builtin
    cache: Index


class GlibcSearch:
    """glibc's rules for one process. `is_directory` tells whether a path leads to a directory in the Root."""

    def __init__(
        self,
        main: LoadedObject,
        loader: RootLoader,
        settings: Settings,
        is_directory: Callable[[str], bool],
    ) -> None:
        self.main, self.builtin, self.cache, self.settings = main, loader.builtin, loader.cache, settings
        self.machine = main.elf.machine
        self.is_directory = is_directory
        self.loader_names = {loader.file.path, loader.file.elf.soname} if loader.file else set()
        self.vdso = _VDSO.get(self.machine.name, "linux-vdso.so.1")
        self.subdirectories = subdirectories(self.machine, self.builtin.version, settings.hwcaps)
        self._lists: dict[tuple[str, str], list[str]] = {}

    gnu = True

    def main_names(self) -> tuple[str, ...]:
        # Not its path: the kernel mapped it, and `l_name` is empty (`rtld_setup_main_map`).
        return ("", self.main.elf.soname) if self.main.elf.soname else ("",)

    def is_loader(self, name: str) -> bool:
        return name in self.loader_names

    def known_names(self, item: LoadedObject, asked: str) -> Iterator[str]:
        yield asked
        yield item.path
        if item.elf.soname:
            yield item.elf.soname

    def skips(self, outcome: str) -> bool:
        # Another machine's file is passed over, a file that is no ELF file is fatal (open_verify).
        return not outcome.startswith(NOT_LOADABLE)

    def candidates(self, name: str, chain: tuple[LoadedObject, ...]) -> Iterator[Candidate]:
        requester = chain[0]
        if "/" in name:
            yield Candidate(name, f"path in {requester.path}")
            return
        if requester.elf.runpath is None:
            # main's RPATH once more: an ancestor chain always ends there
            for item in chain:
                if item.elf.rpath and item.elf.runpath is None:
                    yield from self.in_list(item.elf.rpath.split(":"), item, f"RPATH of {item.path}", name)
        if self.settings.library_path:
            yield from self.in_list(self.settings.library_path, self.main, "LD_LIBRARY_PATH", name)
        if requester.elf.runpath:
            yield from self.in_list(requester.elf.runpath.split(":"), requester, f"RUNPATH of {requester.path}", name)
        default = not requester.elf.flags_1 & DF_1_NODEFLIB
        cached = self.cache.find(name, self.settings.hwcaps)
        if cached and (default or not self.is_system(cached.path)):
            yield Candidate(cached.path, self.builtin.cache, "cache")
        if default:
            for directory in self.directories("default directory", self.builtin.system_dirs, self.main):
                yield Candidate(f"{directory}/{name}", "default directory")

    def is_default(self, folder: str) -> bool:
        return folder in self.directories("default directory", self.builtin.system_dirs, self.main)

    def is_system(self, path: str) -> bool:
        """Whether `path` begins with a system directory (`_dl_map_object`, the check for DF_1_NODEFLIB)."""
        return any(path.startswith(f"{directory}/") for directory in self.builtin.system_dirs)

    def in_list(self, elements: Iterable[str], owner: LoadedObject, rule: str, name: str) -> Iterator[Candidate]:
        for directory in self.directories(rule, elements, owner):
            yield Candidate(f"{directory.rstrip('/')}/{name}" if directory else name, rule)

    def directories(self, rule: str, elements: Iterable[str], owner: LoadedObject) -> list[str]:
        """The directories of one list in order: tokens replaced, duplicates dropped, capabilities first.

        An empty or relative element is the working directory's: it stays as it is, and is not looked at.
        """
        key = (rule, owner.path)
        if key not in self._lists:
            expanded = (self.expand(element, owner) for element in elements)
            found: list[str] = []
            for element in dict.fromkeys(text.rstrip("/") or text[:1] for text in expanded):
                if element.startswith("/"):
                    below = (f"{element.rstrip('/')}/{name}" for name in self.subdirectories)
                    found += filter(self.is_directory, below)
                found.append(element)
            check_length(sum(map(len, found)), owner.path)
            self._lists[key] = found
        return self._lists[key]

    def expand(self, text: str, owner: LoadedObject) -> str:
        if "$" not in text:
            return text
        # Of main /proc/self/exe tells, which is the real path; of a library the path string that was opened.
        path = owner.found.path if owner is self.main else owner.path
        tokens = {"ORIGIN": path.rpartition("/")[0] or "/", "LIB": self.builtin.lib}
        if self.machine.name in _PLATFORM:
            tokens["PLATFORM"] = _PLATFORM[self.machine.name]
        return expand(text, tokens, boundary=True)

    def parents_of_preload(self) -> tuple[LoadedObject, ...]:
        return (self.main,)  # `do_preload` loads for main

    def verdict(self, elf: ElfFile) -> str:
        return glibc_verdict(elf, self.machine)

    def damaged(self, head: bytes, error: ElfError) -> str:
        return glibc_damaged(head, error, self.machine)
