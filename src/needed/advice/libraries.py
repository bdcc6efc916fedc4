"""Advice on libraries that hardly anybody uses: needed, and no symbol of them bound, or very few.

What an object asks for by its relocations is bound as the loader binds it (`loader.binding`). What would go with a
library is planned again from a root in which nobody names it: its DT_NEEDED entries have another tag there, in memory.
Not seen: what is found by dlsym(3), and what a library does by being loaded (its constructors).
"""

from __future__ import annotations

from struct import pack

from needed.advice.model import AT_MOST, MEASURED, Advice
from needed.elf.model import PT_DYNAMIC
from needed.elf.parse import DT_NEEDED, parse_elf
from needed.errors import ElfError
from needed.gather import is_libc
from needed.loader.binding import Binder
from needed.root import Found, MemoryRoot, OverlayRoot
from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from needed.advice.model import Ground
    from needed.closure import LoadList
    from needed.root import Root, RootPath

FEW = 3  # symbols: so few are replaced, or were not worth the library
MOST = 12  # libraries of which the image is planned again
MAX_OBJECTS = 2000  # of a program whose libraries are looked at
MAX_FILE = 256 << 20  # bytes of an object that is copied to memory
# A tag of the range for operating systems that nobody reads (gABI, DT_LOOS to DT_HIOS).
UNREAD = 0x6000F00D


@value
class Idle:
    """A library of which others use few symbols: `path` and who names it (`by`, canonical path to the names in its
    DT_NEEDED), `group` the objects that are there only through it, `symbols` by the object that uses them, and what is
    known beforehand of the bytes that go."""

    path: RootPath
    by: Mapping[RootPath, tuple[str, ...]]
    group: tuple[RootPath, ...]
    symbols: tuple[tuple[str, tuple[str, ...]], ...]
    size: int


def find_libraries(ground: Ground) -> Iterator[Advice]:
    """The libraries with the most bytes first, as many as MOST. Raises ReadError."""
    found = sorted(find_idle(ground), key=lambda one: (-one.size, one.path))
    for idle in found[:MOST]:
        root = without_needed(ground.root, idle.by)
        size = ground.without(root=root) if root else 0
        if size <= 0:
            continue
        named = sorted({name for names in idle.by.values() for name in names})
        name = named[0].rpartition("/")[2]
        behind = len(idle.group) - 1
        more = f", and {behind} librar{'ies' if behind != 1 else 'y'} behind it" if behind else ""
        asking = ", ".join(sorted(path.rpartition("/")[2] for path in idle.by))
        if not idle.symbols:
            yield Advice(
                "unused library", size, MEASURED,
                f"{name}{more}: needed by {asking}, and no symbol is bound to it",
                f"link {asking} with -Wl,--as-needed, or: patchelf --remove-needed {name} COPY",
                ("not seen: what it does by being loaded, and what dlsym finds",),
            )  # fmt: skip
            continue
        count = len({symbol for _, symbols in idle.symbols for symbol in symbols})
        lines = [f"{path.rpartition('/')[2]} uses {', '.join(symbols)}" for path, symbols in idle.symbols]
        yield Advice(
            "library", size, AT_MOST,
            f"{name}{more}: there for {count} symbol{'s' * (count != 1)}",
            f"build {asking} without it, if it can be",
            tuple(lines),
        )  # fmt: skip


def find_idle(ground: Ground) -> Iterator[Idle]:
    """Libraries that the programs' headers name and of which at most FEW symbols are bound, with their group."""
    kept = {path for opened in ground.closure.opened for path in _loaded(opened.added)}
    binder = Binder(ground.root, lazy=False)
    sizes: dict[RootPath, int] = {}
    users: _Names = {}  # who uses which symbols of what is behind a library
    named: _Names = {}
    groups: dict[RootPath, set[RootPath]] = {}
    for program in ground.closure.programs:
        if program.interpreter is None or program.missing or len(program.objects) > MAX_OBJECTS:
            continue
        places: dict[str, RootPath] = {item.path: item.found.path for item in (*program.objects, *program.aliases)}
        needs, names = _edges(program, places)
        try:
            bound = binder.edges(program)
        except ElfError:
            return  # of a damaged one nothing is known
        for library in program.objects[1:]:
            path = library.found.path
            if is_libc(library.path) or library is program.interpreter or {path, library.path} & kept:
                continue
            group = set(needs) - _reached((program.program.found.path, program.interpreter.found.path), needs, path)
            groups[path] = groups.get(path, set()) | group
            for item in program.objects:
                sizes[item.found.path] = item.found.entry.size
            for edge in bound:
                by, to = places[edge.by], places[edge.to]
                if to in group and by not in group:
                    users.setdefault(path, {}).setdefault(by, set()).update(edge.symbols)
            for by, asked in names.get(path, {}).items():
                named.setdefault(path, {}).setdefault(by, set()).update(asked)
    for path, group in groups.items():
        symbols = {by: tuple(sorted(some)) for by, some in users.get(path, {}).items()}
        if len({name for some in symbols.values() for name in some}) <= FEW and named.get(path):
            naming = {one: tuple(sorted(some)) for one, some in named[path].items()}
            size = sum(sizes[one] for one in group if one in sizes)
            yield Idle(path, naming, tuple(sorted(group)), tuple(sorted(symbols.items())), size)


def _loaded(listed: LoadList) -> Iterator[RootPath]:
    """What an object that is opened while a program runs brings and asks for, canonical paths and path strings."""
    yield from (item.found.path for item in (*listed.objects, *listed.aliases))
    yield from (need.path for need in listed.needs if need.path is not None)


_Names = dict["RootPath", dict["RootPath", set[str]]]


def _edges(program: LoadList, places: Mapping[str, RootPath]) -> tuple[dict[RootPath, set[RootPath]], _Names]:
    """Who needs whom, by canonical paths; and of each library by whom it is named how."""
    needs: dict[RootPath, set[RootPath]] = {item.found.path: set() for item in program.objects}
    names: _Names = {}
    for need in program.needs:
        by, to = places.get(need.needed_by), places.get(need.path or "")
        if by is not None and to is not None and by != to:
            needs[by].add(to)
            names.setdefault(to, {}).setdefault(by, set()).add(need.name)
    return needs, names


def _reached(
    starts: tuple[RootPath, ...], needs: Mapping[RootPath, set[RootPath]], without: RootPath
) -> set[RootPath]:
    """What is loaded with `starts` where nobody asks for `without`."""
    reached, ahead = {*starts}, [*starts]
    while ahead:
        for path in needs.get(ahead.pop(), ()):
            if path != without and path not in reached:
                reached.add(path)
                ahead.append(path)
    return reached


def without_needed(root: Root, by: Mapping[RootPath, tuple[str, ...]]) -> Root | None:
    """`root`, in which the objects `by` do not name these libraries; None if they cannot be read whole."""
    files: dict[RootPath, tuple[Root, Found]] = {}
    for path, names in by.items():
        entry = root.entry(path)
        if entry is None or entry.size > MAX_FILE:
            return None
        file = root.open(path)
        try:
            content = file.read_at(0, entry.size)
        finally:
            file.close()
        changed = forget_needed(content, names)
        if changed is None:
            return None
        files[path] = (MemoryRoot({path: changed}), Found(path, entry, ()))
    return OverlayRoot(root, files)


def forget_needed(content: bytes, names: tuple[str, ...]) -> bytes | None:
    """An ELF file whose DT_NEEDED entries for `names` have a tag that nobody reads; None if there is none of them."""
    try:
        elf = parse_elf(content)
    except ElfError:
        return None
    at = next((segment.p_offset for segment in reversed(elf.segments) if segment.p_type == PT_DYNAMIC), None)
    asked = iter(elf.dependencies)
    wide, order = elf.machine.bits == 64, "<" if elf.machine.byteorder == "little" else ">"
    changed, found = bytearray(content), False
    tags = {DT_NEEDED, 0x7FFFFFFD, 0x7FFFFFFF}  # what `dependencies` are made of, in this order
    for number, (tag, _) in enumerate(elf.entries):
        if tag not in tags or at is None:
            continue
        if next(asked).name in names and tag == DT_NEEDED:
            place = at + number * (16 if wide else 8)
            changed[place : place + (8 if wide else 4)] = pack(order + ("q" if wide else "i"), UNREAD)
            found = True
    return bytes(changed) if found else None
