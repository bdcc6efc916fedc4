"""Where musl's `ldso` looks for a name: `load_library` of ldso/dynlink.c, rule by rule.

LD_LIBRARY_PATH, then the RPATH or RUNPATH of the requester and all its ancestors, then the system path, which
`PREFIX/etc/ld-musl-ARCH.path` replaces. No cache, no capabilities, no sonames.
"""

from __future__ import annotations

from needed.loader.search import Candidate, expand

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.closure import LoadedObject

DEFAULT_PATH = ("/lib", "/usr/local/lib", "/usr/lib")
# A name that begins with "lib" and one of these is the loader itself (`reserved` in load_library).
_RESERVED = ("c.", "pthread.", "rt.", "m.", "dl.", "util.", "xnet.")


def path_file(interpreter: str) -> str:
    """The file that replaces the system path: PREFIX is PT_INTERP without its last two parts."""
    prefix = interpreter.rpartition("/")[0].rpartition("/")[0]
    return f"{prefix}/etc/{interpreter.rpartition('/')[2].removesuffix('.so.1')}.path"


def parse_path_file(content: bytes) -> tuple[str, ...]:
    """The directories of a path file: separated by newlines and colons."""
    text = content.decode("utf-8", "surrogateescape")
    return tuple(item for item in text.replace("\n", ":").split(":") if item)


class MuslSearch:
    """musl's rules for one process. `configured` is the content of the path file, None where there is none."""

    def __init__(
        self, main: LoadedObject, interpreter: str, configured: tuple[str, ...] | None, library_path: tuple[str, ...]
    ) -> None:
        self.main, self.interpreter, self.configured, self.library_path = main, interpreter, configured, library_path

    def is_loader(self, name: str) -> bool:
        return name == self.interpreter or (name.startswith("lib") and name[3:].startswith(_RESERVED))

    def known_names(self, item: LoadedObject, asked: str) -> Iterator[str]:  # noqa: ARG002
        if "/" not in asked:  # an object opened by an explicit path has no short name; DT_SONAME is ignored
            yield asked

    def skips(self, outcome: str) -> bool:
        return outcome in ("absent", "not readable")  # the first file that opens is taken, whatever it is

    def candidates(self, name: str, chain: tuple[LoadedObject, ...]) -> Iterator[Candidate]:
        if "/" in name:
            yield Candidate(name, f"path in DT_NEEDED of {chain[0].path}")
            return
        for directory in self.library_path:
            yield Candidate(f"{directory}/{name}", "LD_LIBRARY_PATH")
        for item in chain:
            tag, text = ("RUNPATH", item.elf.runpath) if item.elf.runpath is not None else ("RPATH", item.elf.rpath)
            if not text:
                continue
            origin = (item.found.path if item is self.main else item.path).rpartition("/")[0]
            expanded = expand(text, {"ORIGIN": origin}, boundary=False)
            if "$" in expanded:
                continue  # any other token makes the whole list ignored (fixup_rpath)
            for directory in expanded.replace("\n", ":").split(":"):
                if directory.startswith("/"):
                    yield Candidate(f"{directory}/{name}", f"{tag} of {item.path}")
        system = DEFAULT_PATH if self.configured is None else self.configured
        rule = "default directory" if self.configured is None else path_file(self.interpreter)
        for directory in system:
            yield Candidate(f"{directory}/{name}", rule, "" if self.configured is None else "file")
