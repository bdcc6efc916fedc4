"""Which symbols of a load list nothing defines: what `ldd -r` and `ldd -d` print, in their order.

Does for every object what `_dl_relocate_object` does, last to first of the order that `_dl_sort_maps` makes, and keeps
the failures of `_dl_lookup_symbol_x` (elf/rtld.c, elf/dl-reloc.c, elf/dl-lookup.c, elf/dl-sort-maps.c of glibc; for
musl `do_relocs` and `find_sym` of ldso/dynlink.c). Where a symbol is bound to is not worked out: only whether anything
in the global scope would do. An object is in that scope itself, so DT_SYMBOLIC changes no answer. Addresses, IFUNC
resolvers and the content of copies are nobody's business here.
"""

from __future__ import annotations

from needed.elf.machine import EM_MIPS
from needed.elf.relocations import COPY, PLT
from needed.elf.symbols import (
    DEFINING,
    SHN_UNDEF,
    STB_WEAK,
    STO_MIPS_PLT,
    gnu_hash,
    parse_references,
    parse_symbols,
)
from needed.errors import ElfError
from needed.loader.ldso import MAX_LOADER
from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from needed.closure import LoadedObject, LoadList
    from needed.elf.symbols import References, Symbols
    from needed.root import Root, RootPath

    # What a reference wants besides the name: version, hidden, file of the version, class of the lookup.
    Wish = tuple[str | None, bool, str | None, int]
    Pair = tuple[int, int]
    # What leads to a symbol: the hash of its name, or in a file without GNU_HASH the name.
    Key = int | bytes

MAX_KEPT = 1 << 19  # symbols of the tables that are kept for the next program
MAX_FINDINGS = 1 << 18
MAX_MESSAGES = 32 << 20  # characters of all of them
MAX_SAME = 256  # symbols of one name or hash in one file: each is looked at for each reference
_UNVERSIONED = (None, False, None)
_RESIZED = "Symbol `%s' has different size in shared object, consider re-linking"
# The loader's own words but for the line of its source, which differs from release to release.
_INCONSISTENT = (
    "Inconsistency detected by ld.so: dl-lookup.c: check_match: "
    "Assertion `version->filename == NULL || ! _dl_name_match_p (version->filename, map)' failed!"
)


@value
class Finding:
    """What a look-up says: one line of `ldd -r`. `object` is the path of the object that refers to `symbol`.

    `kind` is "undefined", "resized" (a copy of a variable that has another size now), or "inconsistent": a library that
    had versions at link time has none, at which the loader ends the process. `version` and `file` (the library that the
    version was taken from at link time) are None for a symbol without one; `message` is the loader's.
    """

    kind: str
    symbol: str
    version: str | None
    file: str | None
    object: RootPath
    message: str


@value
class Bindings:
    """What `ldd -r` says of a program besides its libraries, in the loader's order."""

    program: RootPath
    findings: tuple[Finding, ...]
    musl: bool = False

    @property
    def undefined(self) -> tuple[Finding, ...]:
        """The look-ups that find nothing."""
        return tuple(finding for finding in self.findings if finding.kind == "undefined")

    @property
    def fatal(self) -> bool:
        """Whether the loader ends the process over it, and so `ldd` with an error."""
        return (self.musl and bool(self.findings)) or any(finding.kind == "inconsistent" for finding in self.findings)


@value
class Edge:
    """The `symbols` that the object `by` asks for and the object at `to` defines, by name, sorted: paths as opened."""

    by: RootPath
    to: RootPath
    symbols: tuple[str, ...]


@value
class Habits:
    """What differs between builds of `ld.so`. `depth_first`: the order of objects since 2.35. `strict`: the message of
    those before 2.30, which wanted a version in the very file that it was taken from at link time; else "". `musl`:
    not glibc at all (ldso/dynlink.c)."""

    depth_first: bool = True
    strict: str = ""
    musl: bool = False


class Binder:
    """Looks up the symbols of many programs of one root, reading a library's tables once.

    `lazy` is `ldd -d`: calls through jump slots are left for later, unless an object is linked with `-z now`.
    """

    def __init__(self, root: Root, *, lazy: bool) -> None:
        self.root, self.lazy = root, lazy
        self._tables: dict[str, _Table] = {}
        self._weight = 0  # of all of them
        self._habits: dict[str, Habits] = {}

    def check(self, load_list: LoadList) -> Bindings:
        """What nothing defines. Raises ElfError for a damaged table of one of the objects, ReadError.

        A reference that fails twice is there twice, as in the loader's output.
        """
        if load_list.missing_interpreter is not None or not load_list.program.elf.dynamic:
            return Bindings(load_list.path, ())
        interpreter = load_list.interpreter
        habits = self._loader_habits(interpreter) if interpreter else Habits()
        scope = _scope(load_list)
        process = _Process(load_list, scope, [self._table(item) for item in scope], habits)
        return Bindings(load_list.path, tuple(process.findings()), habits.musl)

    def edges(self, load_list: LoadList) -> tuple[Edge, ...]:
        """Who is bound to whom at the start, weak references too; of what is found by dlsym(3) headers say nothing.

        Raises as `check`.
        """
        interpreter = load_list.interpreter
        if interpreter is None or not load_list.program.elf.dynamic:
            return ()
        scope = _scope(load_list)
        habits = self._loader_habits(interpreter)
        process = _Process(load_list, scope, [self._table(item) for item in scope], habits, weak=True)
        return tuple(process.edges())

    def _table(self, item: LoadedObject) -> _Table:
        key = item.found.path
        if key not in self._tables:
            file = self.root.open(item.found.path)
            try:
                symbols = parse_symbols(file, item.elf)
                table = _Table(symbols, parse_references(file, item.elf, symbols, lazy=self.lazy))
            except ElfError as error:
                raise ElfError(f"{item.path}: {error.message}") from None
            finally:
                file.close()
            self._weight += table.weight
            while self._tables and self._weight > MAX_KEPT:
                self._weight -= self._tables.pop(next(iter(self._tables))).weight
        else:
            table = self._tables.pop(key)
        self._tables[key] = table  # the last used one at the end
        return table

    def _loader_habits(self, interpreter: LoadedObject) -> Habits:
        path = interpreter.found.path
        if path not in self._habits:
            file = self.root.open(path)
            try:
                content = file.read_at(0, MAX_LOADER)
            finally:
                file.close()
            strict = ""
            if b"with link time reference" in content:
                comma = "" if b"symbol %s version %s not defined in file" in content else ","
                strict = f"symbol %s{comma} version %s not defined in file %s with link time reference"
            musl = interpreter.path.rpartition("/")[2].startswith("ld-musl-")
            self._habits[path] = Habits(b"rtld.dynamic_sort" in content, strict, musl)
        return self._habits[path]


class _Process:
    """One program's look-ups: what each object asks for, and the first object of the scope that has it."""

    def __init__(
        self, load_list: LoadList, scope: tuple[LoadedObject, ...], tables: list[_Table], habits: Habits,
        *, weak: bool = False,
    ) -> None:  # fmt: skip
        self.load_list, self.scope, self.tables, self.habits = load_list, scope, tables, habits
        self.places = _numbers_by_name(scope, load_list)
        self.left = MAX_MESSAGES
        self.bare = {number for number, table in enumerate(tables) if table.symbols.versyms is None}
        self.asked: dict[int, dict[Pair, tuple[bytes, Wish]]] = {}
        self.found: dict[tuple[bytes, Wish], tuple[int, int]] = {}  # place in the scope, index of the symbol
        self.weak = weak or bool(habits.strict)
        self.look_up()

    def look_up(self) -> None:
        wanted: dict[bytes, set[Wish]] = {}
        for number, table in enumerate(self.tables):
            if self.scope[number] != self.load_list.interpreter:  # ld.so has relocated itself
                asked = dict(table.wishes(self.places, main=number == 0, weak=self.weak))
                self.asked[number] = asked
                for name, wish in asked.values():
                    wanted.setdefault(name, set()).add(wish)
        mips = self.load_list.machine.e_machine == EM_MIPS
        by_hash: dict[Key, list[bytes]] = {}
        for name in wanted:
            by_hash.setdefault(gnu_hash(name), []).append(name)
        for number, table in enumerate(self.tables):
            for name, candidates in table.held(wanted, by_hash):
                for wish in tuple(wanted[name]):
                    if number == 0 and wish[3] == COPY:
                        continue
                    musl = self.habits.musl
                    index = table.find_any(candidates, wish) if musl else table.find(candidates, wish, mips=mips)
                    if index is not None and table.symbols.binds_elsewhere(index):
                        self.found[name, wish] = number, index
                        wanted[name].discard(wish)

    def edges(self) -> Iterator[Edge]:
        """By the place of the object that asks, then of the one that answers."""
        for number, asked in self.asked.items():
            bound: dict[int, set[bytes]] = {}
            for name, wish in asked.values():
                found = self.found.get((name, wish))
                if found is not None and found[0] != number:
                    bound.setdefault(found[0], set()).add(name)
            for other, names in sorted(bound.items()):
                symbols = sorted(name.decode("utf-8", "surrogateescape") for name in names)
                yield Edge(self.scope[number].path, self.scope[other].path, tuple(symbols))

    def findings(self) -> Iterator[Finding]:
        """In the loader's order, up to the one that ends the process."""
        if self.habits.musl:
            order = [*range(1, len(self.scope)), 0]  # reloc_all(app.next), reloc_all(&app)
        else:
            order = relocation_order(self.scope, self.load_list, depth_first=self.habits.depth_first)
        left = MAX_FINDINGS
        for number in order:
            notable = dict(self.notable(number))
            for pair in self.tables[number].look_ups(musl=self.habits.musl) if notable else ():
                if pair in notable:
                    left -= 1
                    self.spend(notable[pair])
                    if left < 0:
                        raise ElfError(f"{self.load_list.path}: more than {MAX_FINDINGS} look-ups fail")
                    yield notable[pair]
                    if notable[pair].kind == "inconsistent":
                        return

    def notable(self, number: int) -> Iterator[tuple[Pair, Finding]]:
        """What there is to say of the look-ups of one object."""
        path, symbols = self.scope[number].path, self.tables[number].symbols
        for pair, (name, wish) in self.asked.get(number, {}).items():
            found = self.found.get((name, wish))
            if found and pair[1] != COPY and found[0] not in self.bare and not self.habits.strict:
                continue  # nothing to say, as of nearly all
            kind, message = self.judge(pair, (name, wish), symbols)
            if kind:
                text = name.decode("utf-8", "surrogateescape")
                words = (text, wish[0], wish[2])
                finding = Finding(kind, *words, path, message % words[: message.count("%s")])
                self.spend(finding)
                yield pair, finding

    def spend(self, finding: Finding) -> None:
        """A name, or a version, may be long and be asked for thousands of times."""
        self.left -= len(finding.message)
        if self.left < 0:
            raise ElfError(f"{self.load_list.path}: more than {MAX_MESSAGES} characters of look-ups that fail")

    def judge(self, pair: Pair, asked: tuple[bytes, Wish], symbols: Symbols) -> tuple[str, str]:
        """The kind of a finding and the form of its message, ("", "") if all is well."""
        end = len(self.scope)
        where, index = self.found.get(asked, (end, 0))
        if self.habits.musl:
            return ("undefined", "%s: symbol not found") if where == end else ("", "")
        version, _, file, lookup = asked[1]
        meant = self.places.get(file or "", end)
        if where == meant < end and self.tables[where].symbols.versyms is None:
            return "inconsistent", _INCONSISTENT
        if self.habits.strict and where > meant:
            return "undefined", self.habits.strict
        if where == end and symbols.infos[pair[0]] >> 4 != STB_WEAK:
            return "undefined", "undefined symbol: %s" + ", version %s" * (version is not None)
        if where < end and lookup == COPY and symbols.sizes[pair[0]] != self.tables[where].symbols.sizes[index]:
            return "resized", _RESIZED
        return "", ""


class _Table:
    """The symbols of one object, by the hash of the name or else by the name, and what its relocations ask for."""

    def __init__(self, symbols: Symbols, references: References) -> None:
        self.symbols, self.references = symbols, references
        first = symbols.first_hashed
        # Not to read the names is half of the work for a large library; HASH has no hashes, so there they are read.
        keys: list[Key] = [word | 1 for word in symbols.hashes]
        if not keys:
            keys += symbols.all_names(first)
        self.last = dict(zip(keys, range(first, symbols.count), strict=False))
        # Several versions of one name, or names of one hash: the indices of the others.
        self.further: dict[Key, list[int]] = {}
        if len(self.last) < len(keys):
            for index, key in enumerate(keys, first):
                if self.last[key] != index:
                    same = self.further.setdefault(key, [])
                    same.append(index)
                    if len(same) > MAX_SAME:
                        raise ElfError(f"malformed: more than {MAX_SAME} symbols of one hash")

    def held(self, names: Iterable[bytes], by_hash: dict[Key, list[bytes]]) -> Iterator[tuple[bytes, tuple[int, ...]]]:
        """Those of `names` (and the same by hash) that are here, with the indices of the symbols."""
        if self.symbols.hashes:
            keys = [(name, key) for key in by_hash.keys() & self.last.keys() for name in by_hash[key]]
        else:
            keys = [(name, name) for name in names if name in self.last]
        for name, key in keys:
            found = (self.last[key], *self.further.get(key, ()))
            indices = tuple(index for index in found if self.symbols.is_named(index, name))
            if indices:
                yield name, indices

    @property
    def weight(self) -> int:
        return self.symbols.count

    def wishes(
        self, present: Mapping[str, int], *, main: bool, weak: bool
    ) -> Iterator[tuple[Pair, tuple[bytes, Wish]]]:
        """What others must define. A weak reference may stay undefined: left out unless `weak`.

        `present` has the names of the objects. In its table of versions glibc makes no room for those of a file that is
        not there: behind the highest index of the others nothing is read (ndx_high in _dl_check_map_versions).
        """
        symbols = self.symbols
        versions = symbols.versions
        if any(version.file is not None and version.file not in present for version in versions.values()):
            kept = (index for index, version in versions.items() if version.file is None or version.file in present)
            highest = max(kept, default=0)
            versions = {index: version for index, version in versions.items() if index <= highest}
        first, sections, values, infos = symbols.first_hashed, symbols.sections, symbols.values, symbols.infos
        asked: list[Pair] = []
        for pair in self.references.unique:
            index, lookup = pair
            # The object is in the scope as well. First what `defines` says of nearly all, without a call.
            itself = sections[index] and ((values[index] and infos[index] in DEFINING) or symbols.defines(index))
            if itself and index >= first and not (main and lookup == COPY):
                continue
            if not symbols.binds_elsewhere(index) or (symbols.infos[index] >> 4 == STB_WEAK and not weak):
                continue
            asked.append(pair)
        for pair, name in zip(asked, symbols.names_of([index for index, _ in asked]), strict=True):
            index, lookup = pair
            version = None if symbols.versyms is None else versions.get(symbols.versyms[index] & 0x7FFF)
            wish = (version.name, version.hidden, version.file) if version and version.name else _UNVERSIONED
            yield pair, (name, (*wish, lookup))

    def find(self, candidates: Iterable[int], wish: Wish, *, mips: bool) -> int | None:
        """`do_lookup_x` over one object, with `check_match` for each symbol of the name."""
        symbols = self.symbols
        version, hidden, _, lookup = wish
        newer: list[int] = []
        for index in candidates:
            if not symbols.defines(index) and not self.stands_in(index, lookup, mips=mips):
                continue
            if symbols.versyms is None:
                return index
            number = symbols.versyms[index]
            if version is None:
                if number & 0x7FFF < 3:
                    return index
                newer += [index] * (not number & 0x8000)
                continue
            own = symbols.versions.get(number & 0x7FFF)
            if own.name == version if own else not (hidden or number & 0x8000):
                return index
        return newer[0] if len(newer) == 1 else None  # one default version, no ambiguity

    def find_any(self, candidates: Iterable[int], wish: Wish) -> int | None:
        """musl's `find_sym2`, which knows hidden versions and no others."""
        for index in candidates:
            hidden = self.symbols.versyms is not None and bool(self.symbols.versyms[index] & 0x8000)
            if not hidden and (self.symbols.defines(index) or self.stands_in(index, wish[3], mips=False)):
                return index
        return None

    def stands_in(self, index: int, lookup: int, *, mips: bool) -> bool:
        """Whether an undefined symbol counts: a program's PLT entry, for all but calls."""
        symbols = self.symbols
        if symbols.sections[index] != SHN_UNDEF or lookup & PLT:
            return False
        return symbols.defines(index, undefined=True) and (not mips or bool(symbols.others[index] & STO_MIPS_PLT))

    def look_ups(self, *, musl: bool) -> Iterator[Pair]:
        """The look-ups as the loader makes them. glibc remembers the very last one (l_lookup_cache), and makes most
        again and again; musl none, and it takes jump slots first."""
        last = None
        for pair in self.references.ordered(backwards=musl):
            if (pair != last or musl) and self.symbols.binds_elsewhere(pair[0]):
                last = pair
                yield pair


def _scope(load_list: LoadList) -> tuple[LoadedObject, ...]:
    """The global scope: the load list, with the interpreter only where something asks for it."""
    loader = load_list.interpreter
    if loader is None or any(need.path == loader.path for need in load_list.needs):
        return load_list.objects
    return tuple(item for item in load_list.objects if item is not loader)


def _numbers_by_name(scope: tuple[LoadedObject, ...], load_list: LoadList) -> dict[str, int]:
    """The place in the scope under each name that an object goes by (_dl_name_match_p)."""
    places: dict[str, int] = {}
    paths: dict[str | None, int] = {item.path: number for number, item in reversed([*enumerate(scope)])}
    for number, item in enumerate(scope):
        for name in (item.path, item.elf.soname):
            if name:
                places.setdefault(name, number)
    for need in load_list.needs:
        if need.path in paths:
            places.setdefault(need.name, paths[need.path])
    return places


def relocation_order(scope: tuple[LoadedObject, ...], load_list: LoadList, *, depth_first: bool) -> list[int]:
    """Places in the scope, dependencies first and the program last."""
    paths: dict[str | None, int] = {item.path: number for number, item in reversed([*enumerate(scope)])}
    needs: dict[int, list[int]] = {number: [] for number in range(len(scope))}
    for need in load_list.needs:
        if need.path in paths and need.needed_by in paths:  # nobody depends on a preload
            needs[paths[need.needed_by]].append(paths[need.path])
    if depth_first:
        return [*_postorder(needs, len(scope)), 0]
    return [*reversed(_original_order(needs, len(scope))), 0]


def _postorder(needs: dict[int, list[int]], size: int) -> Iterator[int]:
    """`_dl_sort_maps_dfs`, backwards: from the last object to the second, each after all that it needs."""
    seen = {0}  # the program has the last place anyway
    for start in range(size - 1, 0, -1):
        if start in seen:
            continue
        seen.add(start)
        stack = [(start, iter(needs[start]))]
        while stack:
            number, ahead = stack[-1]
            following = next((other for other in ahead if other not in seen), None)
            if following is None:
                stack.pop()
                yield number
            else:
                seen.add(following)
                stack.append((following, iter(needs[following])))


def _original_order(needs: dict[int, list[int]], size: int) -> list[int]:
    """`_dl_sort_maps_original`: an object moves behind the last one that needs it, as often as cycles do not forbid."""
    maps, seen, place = list(range(1, size)), [0] * size, 0
    direct = {number: frozenset(items) for number, items in needs.items()}
    while place < len(maps):
        seen[place] += 1
        item = maps[place]
        behind = next((k for k in range(len(maps) - 1, place, -1) if item in direct[maps[k]]), None)
        if behind is not None:
            maps.insert(behind, maps.pop(place))
            if seen[place + 1] <= len(maps) - place:
                seen.insert(behind, seen.pop(place))
                continue
        place += 1
        seen[place:] = [0] * (size - place)
    return maps
