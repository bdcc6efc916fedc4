"""Which symbols of a load list nothing defines: what `ldd -r` and `ldd -d` of glibc print, in their order.

Does for every object what `_dl_relocate_object` does, last to first of the order that `_dl_sort_maps` makes, and keeps
the failures of `_dl_lookup_symbol_x` (elf/rtld.c, elf/dl-reloc.c, elf/dl-lookup.c, elf/dl-sort-maps.c). Where a symbol
is bound to is not worked out: only whether anything in the global scope would do. An object is in that scope itself, so
DT_SYMBOLIC changes no answer. Addresses, IFUNC resolvers and the content of copies are nobody's business here.
"""

from __future__ import annotations

from needed.elf.machine import EM_MIPS
from needed.elf.relocations import COPY, PLT
from needed.elf.symbols import DT_VERDEF, SHN_UNDEF, STB_WEAK, STO_MIPS_PLT, parse_references, parse_symbols
from needed.errors import ElfError
from needed.loader.ldso import MAX_LOADER
from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.closure import LoadedObject, LoadList
    from needed.elf.symbols import References, Symbols, Version
    from needed.root import Root, RootPath

    # What a reference wants besides the name: version, hidden, file of the version, class of the lookup.
    Wish = tuple[str | None, bool, str | None, int]
    Pair = tuple[int, int]

MAX_KEPT = 1 << 19  # symbols of the tables that are kept for the next program
_UNVERSIONED = (None, False, None)


@value
class Undefined:
    """A failed look-up: one line of `ldd -r`. `object` is the path of the object that refers to `symbol`.

    `version` and `file` (the library that the version was taken from at link time) are None for a symbol without one;
    `message` is the loader's.
    """

    symbol: str
    version: str | None
    file: str | None
    object: RootPath
    message: str


@value
class MissingVersion:
    """A version that `object` wants of `file`, both paths of the load list, and that is not among the file's."""

    object: RootPath
    file: RootPath
    version: str
    message: str


@value
class Bindings:
    """What `ldd -r` says of a program besides its libraries, in the loader's order."""

    program: RootPath
    versions: tuple[MissingVersion, ...]
    undefined: tuple[Undefined, ...]


@value
class Habits:
    """What differs between builds of `ld.so`. `depth_first`: the order of objects since 2.35. `strict`: the message of
    those before 2.30, which wanted a version in the very file that it was taken from at link time; else ""."""

    depth_first: bool = True
    strict: str = ""


class Binder:
    """Looks up the symbols of many programs of one root, reading a library's tables once.

    `lazy` is `ldd -d`: calls through jump slots are left for later, unless an object is linked with `-z now`.
    """

    def __init__(self, root: Root, *, lazy: bool) -> None:
        self.root, self.lazy = root, lazy
        self._tables: dict[str, _Table] = {}
        self._habits: dict[str, Habits] = {}

    def check(self, load_list: LoadList) -> Bindings:
        """What nothing defines. Raises ElfError for a damaged table of one of the objects, ReadError.

        A reference that fails twice is there twice, as in the loader's output.
        """
        if load_list.missing_interpreter is not None or not load_list.program.elf.dynamic:
            return Bindings(load_list.path, (), ())
        return Bindings(load_list.path, tuple(_missing_versions(load_list)), tuple(self._undefined(load_list)))

    def _undefined(self, load_list: LoadList) -> Iterator[Undefined]:
        interpreter = load_list.interpreter
        habits = self._loader_habits(interpreter) if interpreter else Habits()
        scope = _scope(load_list)
        tables = [self._table(item) for item in scope]
        mips = load_list.machine.e_machine == EM_MIPS
        asked: dict[int, dict[Pair, tuple[bytes, Wish]]] = {}
        wanted: dict[bytes, set[Wish]] = {}
        for number, table in enumerate(tables):
            if scope[number] != interpreter:  # ld.so has relocated itself
                asked[number] = dict(table.wishes(main=number == 0, strict=bool(habits.strict)))
                for name, wish in asked[number].values():
                    wanted.setdefault(name, set()).add(wish)
        found: dict[tuple[bytes, Wish], int] = {}
        for number, table in enumerate(tables):
            for name, wish in table.answers(wanted, main=number == 0, mips=mips):
                found[name, wish] = number
                wanted[name].discard(wish)
        files = _numbers_by_name(scope, load_list) if habits.strict else {}
        for number in _relocation_order(scope, load_list, depth_first=habits.depth_first):
            failed: dict[Pair, str] = {}
            for pair, (name, wish) in asked.get(number, {}).items():
                where = found.get((name, wish), len(scope))
                if where > files.get(wish[2] or "", len(scope)):
                    failed[pair] = habits.strict
                elif where == len(scope) and tables[number].symbols.infos[pair[0]] >> 4 != STB_WEAK:
                    failed[pair] = "undefined symbol: %s, version %s" if wish[0] else "undefined symbol: %s"
            if failed:
                yield from tables[number].failures(failed, scope[number].path)

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
            while self._tables and table.weight + sum(kept.weight for kept in self._tables.values()) > MAX_KEPT:
                del self._tables[next(iter(self._tables))]
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
            self._habits[path] = Habits(b"rtld.dynamic_sort" in content, strict)
        return self._habits[path]


class _Table:
    """The symbols of one object, by name, and what its relocations ask for."""

    def __init__(self, symbols: Symbols, references: References) -> None:
        self.symbols, self.references = symbols, references
        first = symbols.first_hashed
        names = symbols.all_names(first)
        self.last = dict(zip(names, range(first, symbols.count), strict=True))
        # Several versions of one name: the indices of the others.
        self.further: dict[bytes, list[int]] = {}
        if len(self.last) < len(names):
            for index, name in enumerate(names, first):
                if self.last[name] != index:
                    self.further.setdefault(name, []).append(index)

    @property
    def weight(self) -> int:
        return self.symbols.count

    def wishes(self, *, main: bool, strict: bool) -> Iterator[tuple[Pair, tuple[bytes, Wish]]]:
        """What others must define. A weak reference may stay undefined, but for a strict loader."""
        symbols = self.symbols
        for pair in self.references.unique:
            index, lookup = pair
            itself = index >= symbols.first_hashed and symbols.defines(index) and not (main and lookup == COPY)
            if itself:
                continue  # the object is in the scope as well
            if not symbols.binds_elsewhere(index) or (symbols.infos[index] >> 4 == STB_WEAK and not strict):
                continue
            version = symbols.version(index)
            wish = (version.name, version.hidden, version.file) if version and version.name else _UNVERSIONED
            yield pair, (symbols.name(index), (*wish, lookup))

    def answers(
        self, wanted: dict[bytes, set[Wish]], *, main: bool, mips: bool
    ) -> Iterator[tuple[bytes, Wish]]:
        """Those of `wanted` that this object defines."""
        for name in wanted.keys() & self.last.keys():
            for wish in tuple(wanted[name]):
                if not (main and wish[3] == COPY) and self.satisfies(name, wish, mips=mips):
                    yield name, wish

    def satisfies(self, name: bytes, wish: Wish, *, mips: bool) -> bool:
        """`do_lookup_x` over one object, with `check_match` for each symbol of that name."""
        symbols = self.symbols
        version, hidden, _, lookup = wish
        newer = 0
        for index in (self.last[name], *self.further.get(name, ())):
            if not symbols.defines(index) and not self.stands_in(index, lookup, mips=mips):
                continue
            if symbols.versyms is None:
                return symbols.binds_elsewhere(index)
            number = symbols.versyms[index]
            if version is None:
                if number & 0x7FFF < 3:
                    return symbols.binds_elsewhere(index)
                newer += not number & 0x8000
                continue
            own = symbols.versions.get(number & 0x7FFF)
            if own.name == version if own else not (hidden or number & 0x8000):
                return symbols.binds_elsewhere(index)
        return newer == 1  # one default version, no ambiguity

    def stands_in(self, index: int, lookup: int, *, mips: bool) -> bool:
        """Whether an undefined symbol counts: a program's PLT entry, for all but calls."""
        symbols = self.symbols
        if symbols.sections[index] != SHN_UNDEF or lookup & PLT:
            return False
        return symbols.defines(index, undefined=True) and (not mips or bool(symbols.others[index] & STO_MIPS_PLT))

    def failures(self, failed: dict[Pair, str], path: RootPath) -> Iterator[Undefined]:
        """One for each look-up that fails. Only the very last look-up is remembered by the loader (l_lookup_cache)."""
        symbols, last = self.symbols, None
        for pair in self.references.ordered():
            if pair == last or not symbols.binds_elsewhere(pair[0]):
                continue
            last = pair
            if pair in failed:
                version = symbols.version(pair[0]) or None
                name = symbols.name(pair[0]).decode("utf-8", "surrogateescape")
                yield _undefined(name, version, path, failed[pair])


def _undefined(name: str, version: Version | None, path: RootPath, message: str) -> Undefined:
    wanted, file = (version.name, version.file) if version else (None, None)
    return Undefined(name, wanted, file, path, message % (name, wanted, file)[: message.count("%s")])


def _scope(load_list: LoadList) -> tuple[LoadedObject, ...]:
    """The global scope: the load list, with the interpreter only where something asks for it."""
    loader = load_list.interpreter
    if loader is None or any(need.path == loader.path for need in load_list.needs):
        return load_list.objects
    return tuple(item for item in load_list.objects if item is not loader)


def _numbers_by_name(scope: tuple[LoadedObject, ...], load_list: LoadList) -> dict[str, int]:
    """The place in the scope under each name that an object goes by (_dl_name_match_p)."""
    places: dict[str, int] = {}
    paths = {item.path: number for number, item in reversed([*enumerate(scope)])}
    for number, item in enumerate(scope):
        for name in (item.path, item.elf.soname):
            if name:
                places.setdefault(name, number)
    for need in load_list.needs:
        if need.path in paths:
            places.setdefault(need.name, paths[need.path])
    return places


def _relocation_order(scope: tuple[LoadedObject, ...], load_list: LoadList, *, depth_first: bool) -> list[int]:
    """Places in the scope, dependencies first and the program last."""
    paths = {item.path: number for number, item in reversed([*enumerate(scope)])}
    needs: dict[int, list[int]] = {number: [] for number in range(len(scope))}
    for need in load_list.needs:
        if need.path in paths:
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


def _missing_versions(load_list: LoadList) -> Iterator[MissingVersion]:
    """What `_dl_check_all_versions` says before anything is relocated (elf/dl-version.c)."""
    places = _numbers_by_name(load_list.objects, load_list)
    for item in load_list.objects:
        for need in item.elf.version_needs:
            if need.file not in places:
                continue  # not found, and said to be
            target = load_list.objects[places[need.file]]
            if not any(tag == DT_VERDEF for tag, _ in target.elf.entries):
                message = "no version information available"
            elif need.version in (*target.elf.version_definitions, target.elf.soname):  # the soname: its base version
                continue
            else:
                message = f"{'weak ' * need.weak}version `{need.version}' not found"
            yield MissingVersion(item.path, target.path, need.version, message)
