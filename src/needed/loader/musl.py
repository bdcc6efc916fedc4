"""Where musl's `ldso` looks for a name: `load_library` of ldso/dynlink.c, rule by rule.

LD_LIBRARY_PATH, then the RPATH or RUNPATH of the requester and all its ancestors, then the system path, which
`PREFIX/etc/ld-musl-ARCH.path` replaces. No cache, no capabilities, no sonames, no preload file.
"""

from __future__ import annotations

from needed.loader.search import Candidate, check_length, expand
from needed.loader.verdict import ABSENT, NOT_LOADABLE, RELATIVE, UNREADABLE, musl_verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.closure import LoadedObject
    from needed.elf import ElfFile
    from needed.errors import ElfError
    from needed.loader.settings import Settings

DEFAULT_PATH = ("/lib", "/usr/local/lib", "/usr/lib")
# A name that begins with "lib" and one of these is the loader itself (`reserved` in load_library).
_RESERVED = ("c.", "pthread.", "rt.", "m.", "dl.", "util.", "xnet.")


def path_file(interpreter: str) -> str:
    """The file that replaces the system path: PREFIX is PT_INTERP without its last two parts."""
    prefix = interpreter.rpartition("/")[0].rpartition("/")[0]
    return f"{prefix}/etc/{interpreter.rpartition('/')[2].removesuffix('.so.1')}.path"


def parse_path_file(content: bytes) -> tuple[str, ...]:
    """The directories of a path file: separated by newlines and colons."""
    return _split(content.decode("utf-8", "surrogateescape"))


class MuslSearch:
    """musl's rules for one process. `configured` is the content of the path file, None where there is none."""

    vdso = "linux-gate.so.1"  # its short name in musl on every machine (`__dls3`)
    gnu = False

    def __init__(
        self, main: LoadedObject, interpreter: str, configured: tuple[str, ...] | None, settings: Settings
    ) -> None:
        self.main, self.interpreter, self.configured = main, interpreter, configured
        self.library_path = _split(":".join(settings.library_path))

    def is_loader(self, name: str) -> bool:
        return name == self.interpreter or (name.startswith("lib") and name[3:].startswith(_RESERVED))

    def main_names(self) -> tuple[str, ...]:
        return ()  # `app` has no short name

    def expand(self, text: str, owner: LoadedObject) -> str:  # noqa: ARG002
        return text  # tokens count in RPATH and RUNPATH only

    def parents_of_preload(self) -> tuple[LoadedObject, ...]:
        return ()  # `load_preload` names nobody

    def known_names(self, item: LoadedObject, asked: str) -> Iterator[str]:  # noqa: ARG002
        if "/" not in asked:  # an object opened by an explicit path has no short name; DT_SONAME is ignored
            yield asked

    def skips(self, outcome: str) -> bool:
        return outcome in (ABSENT, UNREADABLE, RELATIVE)  # the first file that opens is taken, whatever it is

    def candidates(self, name: str, chain: tuple[LoadedObject, ...]) -> Iterator[Candidate]:
        if "/" in name:
            yield Candidate(name, f"path in {chain[0].path}" if chain else "path in LD_PRELOAD")
            return
        for directory in self.library_path:
            yield Candidate(f"{directory}/{name}", "LD_LIBRARY_PATH")
        for item in chain:
            tag, text = ("RUNPATH", item.elf.runpath) if item.elf.runpath is not None else ("RPATH", item.elf.rpath)
            if not text:
                continue
            if "$" in expand(text, {"ORIGIN": ""}, boundary=False):
                continue  # any other token makes the whole list ignored (fixup_rpath)
            origin = (item.found.path if item is self.main else item.path).rpartition("/")[0]
            expanded = expand(text, {"ORIGIN": origin}, boundary=False)
            check_length(len(expanded), item.path)
            for directory in _split(expanded):
                yield Candidate(f"{directory}/{name}", f"{tag} of {item.path}")
        system = DEFAULT_PATH if self.configured is None else self.configured
        rule = "default directory" if self.configured is None else path_file(self.interpreter)
        for directory in system:
            yield Candidate(f"{directory}/{name}", rule, "" if self.configured is None else "file")

    def is_default(self, folder: str) -> bool:
        return folder in (DEFAULT_PATH if self.configured is None else self.configured)

    def verdict(self, elf: ElfFile) -> str:
        return musl_verdict(elf, self.main.elf.machine)

    def damaged(self, head: bytes, error: ElfError) -> str:  # noqa: ARG002
        return f"{NOT_LOADABLE}: {error.message}"


def _split(text: str) -> tuple[str, ...]:
    """A list of directories as `path_open` reads it: separated by newlines and colons, empty ones dropped."""
    return tuple(item for item in text.replace("\n", ":").split(":") if item)
