"""The load list of one process while it grows: `_dl_map_object_deps` (elf/dl-deps.c) and musl's `load_deps`.

Breadth-first over the list that begins with the program and its preloads, each dynamic section in file order.
Asks a Search where a name is looked for, and the Resolver what is there.
"""

from __future__ import annotations

from needed.closure import Attempt, CachedPath, LoadList, Need
from needed.errors import SourceError
from needed.loader.verdict import FOUND, LOOP
from needed.loader.versions import find_version_problems

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Protocol

    from needed.closure import LoadedObject, Reason, VersionProblem
    from needed.loader.search import Candidate, Search

    class Prober(Protocol):
        """The Resolver, as a walk uses it."""

        def probe(self, path: str, search: Search, /) -> tuple[str, LoadedObject | None]:
            """What the loader makes of the candidate at `path`: an outcome, and the object if it is taken."""

        def exported(self, item: LoadedObject, /) -> frozenset[str]:
            """The names of the symbols that `item` has for others."""


# Directories times names: a quarter of a million places for one program, fewer if their paths are long.
MAX_PLACES = 64 << 20  # characters of paths, and PER_PLACE for each
PER_PLACE = 200


class Walk:
    """One process. `preloads` are names with who asks for them; they are optional, a failing one is only a message."""

    def __init__(
        self,
        prober: Prober,
        search: Search,
        main: LoadedObject,
        interpreter: LoadedObject | None,
        preloads: tuple[tuple[str, str], ...] = (),
    ) -> None:
        self.prober, self.search, self.main, self.interpreter, self.preloads = (
            prober, search, main, interpreter, preloads,
        )  # fmt: skip
        self.objects = [main]
        # By identity of the Python object: main may be loaded a second time, as a library under its own path string.
        self.chains: dict[int, tuple[LoadedObject, ...]] = {}
        self.listed = {id(main)}
        # Before main in the loader's list, where it does not look for what is loaded: that search begins at main.
        self.filters_of_main: list[LoadedObject] = []
        self.known = dict.fromkeys(search.main_names(), main)
        # The kernel mapped main: the loader does not know its inode, so that never matches.
        self.identities = {interpreter.found.entry.identity: interpreter} if interpreter else {}
        self.needs: list[Need] = []
        self.aliases: list[LoadedObject] = []
        self.cached: list[CachedPath] = []
        self.used_file = False
        self.cache_path = ""
        self.left = MAX_PLACES

    def run(self, reason: Reason) -> LoadList:
        """The load list, without the files that configured it. Nothing that is missing raises."""
        for name, asked_by in self.preloads:
            self.append(self.meet(name, self.main, asked_by=asked_by, optional=True))
        self.load_dependencies(self.main, 0)
        for item in self.filters_of_main:  # grows while it is walked
            self.load_dependencies(item, -1)
        done: set[int] = {id(self.main), *map(id, self.filters_of_main)}
        at = 0
        while at < len(self.objects):
            item = self.objects[at]
            if id(item) in done:
                at += 1
                continue
            done.add(id(item))
            self.load_dependencies(item, at)
        self.objects[1:1] = self.filters_of_main
        if self.main.elf.interpreter is not None:
            self.append(self.interpreter)
        return LoadList(
            self.main.path,
            reason,
            tuple(self.objects),
            self.interpreter,
            None,
            tuple(self.needs),
            tuple(self.aliases),
            tuple(self.cached),
            audit=tuple(name for text in self.main.elf.audit for name in text.split(":") if name and self.search.gnu),
            version_problems=self.version_problems(self.objects),
        )

    def open(self, name: str, openers: Sequence[LoadedObject], reason: Reason) -> LoadList | None:
        """What dlopen(3) of `name` by the last of `openers` adds after `run`; None if it does not load. Each of them
        was opened by the one before it, so that all are there, with what they need; what else was opened before may not
        be there when this is.

        `_dl_open` (elf/dl-open.c): the search path of NEEDED entries of the opener, then the same walk.
        """
        process = self.copied()
        for number, opener in enumerate(openers[1:]):
            if (opened := process.meet(opener.path, openers[number])) is not None:
                process.add(opened)
        other = process.copied()
        begun = other.meet(name, openers[-1])
        if begun is None:
            return None
        there = len(other.objects)
        if id(begun) in other.listed:
            return LoadList(begun.path, reason, (begun,), needs=tuple(other.needs), cached=tuple(other.cached))
        other.add(begun)
        added = (begun, *(item for item in other.objects[there:] if item is not begun))
        return LoadList(
            begun.path,
            reason,
            added,
            needs=tuple(other.needs),
            aliases=tuple(other.aliases),
            cached=tuple(other.cached),
            version_problems=other.version_problems(added),
        )

    def add(self, opened: LoadedObject) -> None:
        """Put `opened` and all that it needs behind what is there."""
        there = len(self.objects)
        self.append(opened)
        done: set[int] = set()
        while rest := [item for item in self.objects[there:] if id(item) not in done]:
            done.add(id(rest[0]))
            self.load_dependencies(rest[0], next(at for at, one in enumerate(self.objects) if one is rest[0]))

    def version_problems(self, objects: Iterable[LoadedObject]) -> tuple[VersionProblem, ...]:
        """The versions that `objects` of this process ask for in vain."""
        names = self.known | ({self.interpreter.elf.soname or "": self.interpreter} if self.interpreter else {})
        return tuple(find_version_problems(objects, names)) if self.search.gnu else ()

    def copied(self) -> Walk:
        """The same process, to go on with; what it noted so far is left behind."""
        other = Walk(self.prober, self.search, self.main, self.interpreter)
        other.objects, other.chains, other.listed = [*self.objects], {**self.chains}, {*self.listed}
        other.known, other.identities, other.left = {**self.known}, {**self.identities}, self.left
        return other

    def load_dependencies(self, item: LoadedObject, at: int) -> None:
        """`item` stands at `at` of the list. What it needs comes last, what it filters through comes before it."""
        for dependency in item.elf.dependencies:
            if dependency.tag == "NEEDED":
                self.append(self.meet(dependency.name, item))
            elif self.search.gnu:
                taken = self.meet(dependency.name, item, optional=dependency.tag == "AUXILIARY")
                if taken is not None:
                    at = self.put_before(taken, at)

    def append(self, item: LoadedObject | None) -> None:
        if item is not None and id(item) not in self.listed:
            self.listed.add(id(item))
            self.objects.append(item)

    def put_before(self, item: LoadedObject, at: int) -> int:
        """A filter's object goes before its requester, which stands at `at`, unless it is there; where that is then."""
        if at <= 0:
            if item is not self.main and item not in self.filters_of_main:
                self.hide(item)
                self.filters_of_main.append(item)
            return at
        if id(item) in self.listed:
            place = next(number for number, one in enumerate(self.objects) if one is item)
            if place <= at:
                return at
            del self.objects[place]
        self.listed.add(id(item))
        self.objects.insert(at, item)
        return at + 1

    def hide(self, item: LoadedObject) -> None:
        """`item` no longer counts as loaded, and stands nowhere behind main."""
        self.known = {name: one for name, one in self.known.items() if one is not item}
        self.identities = {identity: one for identity, one in self.identities.items() if one is not item}
        if id(item) in self.listed:
            self.objects = [one for one in self.objects if one is not item]
        self.listed.add(id(item))

    def meet(
        self, name: str, requester: LoadedObject, *, asked_by: str = "", optional: bool = False
    ) -> LoadedObject | None:
        """The object that `name` stands for to `requester`; the need and all attempts are noted. None if there is none,
        and for the vDSO, which is no file."""
        name = self.search.expand(name, requester)
        if name == self.search.vdso:
            return None
        by = asked_by or requester.path
        chain = self.search.parents_of_preload() if asked_by else self.chain(requester)
        loaded = self.known.get(name)
        if loaded is None and self.interpreter and self.search.is_loader(name):
            loaded = self.interpreter
        if loaded is not None:
            self.needs.append(Need(name, by, loaded.path, "already loaded", (), optional))
            return loaded
        attempts: list[Attempt] = []
        given_up = ""
        for candidate in self.search.candidates(name, chain):
            if candidate.rule == given_up:
                continue
            self.left -= len(candidate.path) + PER_PLACE
            if self.left < 0:
                hint = "look at the RPATH and RUNPATH of it and of its libraries: needed inspect FILE"
                raise SourceError(f"{self.main.path}: its libraries ask for too many places to search", hints=[hint])
            outcome, found = self.prober.probe(candidate.path, self.search)
            attempts.append(Attempt(candidate.path, candidate.rule, outcome))
            if found is not None and outcome == FOUND:
                if self.interpreter and self.is_another_libc(found):
                    self.needs.append(Need(name, by, self.interpreter.path, candidate.rule, tuple(attempts), optional))
                    return self.interpreter
                item = self.take(found, name, chain, candidate)
                self.needs.append(Need(name, by, item.path, candidate.rule, tuple(attempts), optional))
                return item
            if not self.search.skips(outcome):
                break
            if outcome == LOOP:  # any other error than "not there" ends this list of directories (`open_path`)
                given_up = candidate.rule
        self.needs.append(Need(name, by, None, "", tuple(attempts), optional))
        return None

    def is_another_libc(self, found: LoadedObject) -> bool:
        """musl takes itself instead of a file that exports what only a C library does (`load_library`)."""
        if self.search.gnu or found.found.entry.identity in self.identities:
            return False
        return {"__libc_start_main", "stdin"} <= self.prober.exported(found)

    def take(
        self, found: LoadedObject, name: str, chain: tuple[LoadedObject, ...], candidate: Candidate
    ) -> LoadedObject:
        """The object that `found` is: itself, or one that was loaded before under another name."""
        if candidate.source == "cache":
            self.note_cached(name, found)
        self.used_file |= candidate.source == "file"
        same = self.identities.get(found.found.entry.identity)
        if same is None:
            self.identities[found.found.entry.identity] = item = found
            if chain:
                self.chains[id(found)] = (found, *(chain if _has_search_path(chain[0]) else chain[1:]))
        else:
            item = same
            if found.path != same.path:
                self.aliases.append(found)
        for known in self.search.known_names(item, name):
            self.known.setdefault(known, item)
        return item

    def chain(self, item: LoadedObject) -> tuple[LoadedObject, ...]:
        """`item`, who asked for it first, ... main, of these ancestors those that have a search path."""
        return self.chains.get(id(item), (item,))

    def note_cached(self, name: str, found: LoadedObject) -> None:
        """Whether the image needs a cache for it, or the name by which a default directory offers it."""
        folder, _, file = found.path.rpartition("/")
        if self.search.is_default(folder):
            if file == name:
                return
            # The cache holds the file's own name for capabilities' directories (elf/ldconfig.c, `search_dir`).
            _, offered = self.prober.probe(f"{folder}/{name}", self.search)
            if offered is not None and offered.found.entry.identity == found.found.entry.identity:
                self.aliases.append(offered)
                return
        self.cached.append(CachedPath(name, found.path, _hwcap(found.path)))


def _has_search_path(item: LoadedObject) -> bool:
    return item.elf.rpath is not None or item.elf.runpath is not None


def _hwcap(path: str) -> str:
    parts = path.split("/")
    return parts[-2] if len(parts) > 2 and parts[-3] == "glibc-hwcaps" else ""
