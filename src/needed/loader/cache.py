"""`ld.so.cache` (glibc sysdeps/generic/dl-cache.h, elf/dl-cache.c): searches old, new and combined ones, writes new.

A name is looked up as the loader does it, by a binary search over entries in descending order; of equal names the first
that fits the machine wins, unless an entry of an active glibc-hwcaps directory is among them. A file that is not whole
is no cache, as it is none to the loader.
"""

from __future__ import annotations

from struct import Struct, error, pack, unpack_from

from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from needed.elf import Machine

NEW_MAGIC = b"glibc-ld.so.cache1.1"
OLD_MAGIC = b"ld.so-1.7.0"  # the NUL behind it is not looked at
MAX_CACHE = 64 << 20
MAX_STRING = 4096
NO_CACHE = OLD_MAGIC + bytes(5)  # a whole one without an entry, which a root without the file is like
EXTENSION_MAGIC = 0xEAA42174
TAG_GLIBC_HWCAPS = 1
NAMED_HWCAP = 1 << 62  # DL_CACHE_HWCAP_EXTENSION; below it 10 bits of an ISA level and the index of a name
_INDEX, _LEVEL = (1 << 32) - 1, 0x3FF << 32
# Before 2.37: the bit of a `tls` directory, and HWCAP_X86_64 (sysdeps/x86/dl-hwcap.h), which is always set.
_LEGACY_TLS = 1 << 63
_LEGACY_BITS = {"x86-64": 2}

# Machine name -> the flags that its loader accepts (FLAG_ELF_LIBC6 = 3 plus the architecture), what it writes first.
_FLAGS = {
    "x86-64": (0x303,),
    "x32": (0x803,),
    "i386": (3, 1),
    "arm64": (0xA03,),
    "armhf": (0x903, 3),
    "armel": (0xB03, 3),
    "arm": (0x903, 0xB03, 3),
    "ppc64le": (0x503,),
    "ppc64": (0x503,),
    "s390x": (0x403,),
    "sparc64": (0x103,),
    "mips64el": (0x703,),
    "mips64": (0x703,),
    "riscv64": (0x1003, 0xF03),
    "loongarch64": (0x1203, 0x1103),
}


# Where the psABI's `char` is signed, and so a byte above 127 less than a letter.
_SIGNED = frozenset({"x86-64", "x32", "i386", "mips64el", "mips64", "mipsel", "mips", "sparc64", "loongarch64"})


@value
class CacheEntry:
    """A name's path; `hwcap` is the name of the glibc-hwcaps directory that it is in, "" for the baseline."""

    name: str
    path: str
    hwcap: str = ""


class Cache:
    """The bytes of an `ld.so.cache`, as the loader of `machine` searches them; `damaged` if it ignores them as a whole.

    `legacy` is for loaders before 2.37: they also take entries of `tls` and of capabilities that each processor has.
    """

    def __init__(self, content: bytes, machine: Machine, *, legacy: bool = False) -> None:
        self._content = content
        self._legacy = _LEGACY_TLS | _LEGACY_BITS.get(machine.name, 0) if legacy else 0
        self._flags = _FLAGS.get(machine.name, (3,))
        self._signed = machine.name in _SIGNED
        self._mark = "<" if machine.byteorder == "little" else ">"
        self._entry = Struct(self._mark + "iIIIQ")
        self._at = self._base = self._count = 0
        self._hwcaps: tuple[str, ...] = ()
        self._known: dict[tuple[str, tuple[str, ...]], CacheEntry | None] = {}
        try:
            self.damaged = not self._open()
        except error:
            self.damaged = True  # too short for its own header

    def find(self, name: str, active: tuple[str, ...] = ()) -> CacheEntry | None:
        """What the loader takes for `name` where the glibc-hwcaps names `active` are usable, best first."""
        key = (name, active)
        if key not in self._known:  # the programs of a root ask for few names, each of them often
            self._known[key] = self._find(name, active)
        return self._known[key]

    def _find(self, name: str, active: tuple[str, ...]) -> CacheEntry | None:
        best, rank = None, len(active)
        for flag, path, hwcap in self._equal(name.encode("utf-8", "surrogateescape")):
            if flag not in self._flags:
                continue
            if hwcap & NAMED_HWCAP:
                named = self._named(hwcap)
                if named in active[:rank]:
                    best, rank = CacheEntry(name, path, named), active.index(named)
            elif best is not None or not hwcap & ~self._legacy:
                # Entries of glibc-hwcaps stand before the others, and of these the first that fits is taken.
                return best or CacheEntry(name, path)
        return best

    def _open(self) -> bool:
        """Find the entries: the checks of `_dl_load_cache_lookup`, False if one fails."""
        content, start = self._content, 0
        if content.startswith(OLD_MAGIC):
            (count,) = unpack_from(self._mark + "I", content, 12)
            after = 16 + 12 * count
            start = (after + 7) & ~7
            if not content.startswith(NEW_MAGIC, start):
                if after > len(content):
                    return False
                self._entry = Struct(self._mark + "iII")
                self._at, self._base, self._count = 16, after, count
                return True
        if not content.startswith(NEW_MAGIC, start):
            return False
        count, _, order, extension = unpack_from(self._mark + "IIB3xI", content, start + 20)
        # 0 as a whole, from before there was such a byte, is either (`cache_file_new_matches_endian`).
        if (order and order & 3 != (2 if self._mark == "<" else 3)) or start + 48 + 24 * count > len(content):
            return False
        self._at, self._base, self._count = start + 48, start, count
        if extension:
            try:
                self._hwcaps = self._extension(start + extension)
            except error:
                self._hwcaps = ()  # one that is not whole is none (`cache_extension_load`), and the entries count
        return True

    def _extension(self, at: int) -> tuple[str, ...]:
        """The names of tag 1, in the order of their indices."""
        magic, count = unpack_from(self._mark + "II", self._content, at)
        if magic != EXTENSION_MAGIC:
            return ()
        for number in range(min(count, 16)):
            tag, _, offset, size = unpack_from(self._mark + "IIII", self._content, at + 8 + 16 * number)
            if tag == TAG_GLIBC_HWCAPS and size <= 4096:
                places = unpack_from(f"{self._mark}{size // 4}I", self._content, self._base + offset)
                return tuple(_text(self._string(place) or b"") for place in places)
        return ()

    def _named(self, hwcap: int) -> str:
        """The glibc-hwcaps name of an entry; "?", which is never active, for one that is not well-formed."""
        index = hwcap & _INDEX
        if hwcap & ~(_INDEX | _LEVEL) != NAMED_HWCAP or index >= len(self._hwcaps):
            return "?"
        return self._hwcaps[index]

    def _equal(self, name: bytes) -> Iterator[tuple[int, str, int]]:
        """(flag, path, hwcap) of each entry whose key equals `name` by `compare_names`."""
        left, right = 0, self._count - 1
        while left <= right:
            middle = (left + right) // 2
            key = self._key(middle)
            if key is None:
                return  # a string outside of the file ends the search (`_dl_cache_verify_ptr`)
            order = compare_names(name, key, signed=self._signed)
            if order == 0:
                while middle > 0 and self._is_key(middle - 1, name):
                    middle -= 1
                while middle < self._count and self._is_key(middle, name):
                    flag, _, place, *rest = self._unpack(middle)
                    path = self._string(place)
                    if path is not None:
                        yield flag, _text(path), rest[1] if rest else 0
                    middle += 1
                return
            if order < 0:
                left = middle + 1
            else:
                right = middle - 1

    def _unpack(self, number: int) -> tuple[int, ...]:
        return self._entry.unpack_from(self._content, self._at + number * self._entry.size)

    def _key(self, number: int) -> bytes | None:
        return self._string(self._unpack(number)[1])

    def _is_key(self, number: int, name: bytes) -> bool:
        key = self._key(number)
        return key is not None and compare_names(name, key, signed=self._signed) == 0

    def _string(self, offset: int) -> bytes | None:
        """The string at `offset`, None if that is outside. Zeros follow the file in its last page, and end any."""
        at = self._base + offset
        return self._content[at : at + MAX_STRING].partition(b"\0")[0] if at < len(self._content) else None


def render_cache(entries: Iterable[CacheEntry], machine: Machine) -> bytes:
    """A cache in the new format, readable by `machine`'s loader and by `ldconfig -p`: one line for each entry."""
    mark = "<" if machine.byteorder == "little" else ">"
    flag = _FLAGS.get(machine.name, (3,))[0]
    listed = sorted(entries, key=_order(machine), reverse=True)
    hwcaps = sorted({entry.hwcap for entry in listed if entry.hwcap})
    offset = 48 + 24 * len(listed)
    table, strings = b"", b""
    for entry in listed:
        key, path = (text.encode("utf-8", "surrogateescape") + b"\0" for text in (entry.name, entry.path))
        place = offset + len(strings)
        bits = NAMED_HWCAP | hwcaps.index(entry.hwcap) if entry.hwcap else 0
        table += pack(mark + "iIIIQ", flag, place, place + len(key), 0, bits)
        strings += key + path
    places = []
    for name in hwcaps:
        places.append(offset + len(strings))
        strings += name.encode() + b"\0"
    order, extension, tail = 2 if mark == "<" else 3, 0, b""
    if hwcaps:
        gap = -(offset + len(strings)) % 4
        extension = offset + len(strings) + gap
        names_at = extension + 8 + 16
        tail = bytes(gap) + pack(mark + "IIIIII", EXTENSION_MAGIC, 1, TAG_GLIBC_HWCAPS, 0, names_at, 4 * len(hwcaps))
        tail += pack(f"{mark}{len(hwcaps)}I", *places)
    header = NEW_MAGIC + pack(mark + "IIB3xI12x", len(listed), len(strings), order, extension)
    return header + table + strings + tail


def compare_names(one: bytes, other: bytes, *, signed: bool = False) -> int:
    """glibc's `_dl_cache_libcmp`: runs of digits compare as numbers; a digit is greater than any other character.

    `signed`: the machine's `char` is.
    """
    if one == other:
        return 0
    i = j = _last_boundary(one, other)
    a, b = one + b"\0", other + b"\0"
    while a[i]:
        if 48 <= a[i] <= 57:
            if not 48 <= b[j] <= 57:
                return 1
            x = y = 0
            while 48 <= a[i] <= 57:
                x, i = x * 10 + a[i] - 48, i + 1
            while 48 <= b[j] <= 57:
                y, j = y * 10 + b[j] - 48, j + 1
            if x != y:
                return x - y
        elif 48 <= b[j] <= 57:
            return -1
        elif a[i] != b[j]:
            break
        else:
            i, j = i + 1, j + 1
    flip = 0x80 if signed else 0
    return (a[i] ^ flip) - (b[j] ^ flip)


def _last_boundary(one: bytes, other: bytes) -> int:
    """Where to begin comparing: the first difference, moved to the start of a run of digits before it."""
    size = min(len(one), len(other))
    different = int.from_bytes(one[:size], "big") ^ int.from_bytes(other[:size], "big")
    at = size - (different.bit_length() + 7) // 8 if different else size
    while at and 48 <= one[at - 1] <= 57:
        at -= 1
    return at


def _order(machine: Machine) -> Callable[[CacheEntry], tuple[object, ...]]:
    """glibc's `compare` (elf/cache.c): names descending, then entries of glibc-hwcaps before the baseline, by name."""
    from functools import cmp_to_key, partial  # few roots need a cache, and it brings `collections`

    by_name = cmp_to_key(partial(compare_names, signed=machine.name in _SIGNED))

    def key(entry: CacheEntry) -> tuple[object, ...]:
        descending = bytes(255 - byte for byte in entry.hwcap.encode())
        return by_name(entry.name.encode("utf-8", "surrogateescape")), bool(entry.hwcap), descending

    return key


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
