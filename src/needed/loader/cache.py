"""`ld.so.cache` (glibc sysdeps/generic/dl-cache.h): reads old, new and combined formats, writes the new one."""

from __future__ import annotations

from struct import Struct, pack, unpack_from

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from needed.elf import Machine

NEW_MAGIC = b"glibc-ld.so.cache1.1"
OLD_MAGIC = b"ld.so-1.7.0\0"
MAX_CACHE = 64 << 20

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


def parse_cache(content: bytes, machine: Machine) -> dict[str, str]:
    """Name to path of the entries that fit `machine` and hold on any CPU; empty for a cache that is not valid.

    Entries of a hardware-capability directory are left out: they hold on some CPUs only. A damaged cache is ignored as
    a whole, as the loader ignores it.
    """
    flags = _FLAGS.get(machine.name, (3,))
    mark = "<" if machine.byteorder == "little" else ">"
    start = 0
    if content.startswith(OLD_MAGIC) and len(content) >= 16:
        (count,) = unpack_from(mark + "I", content, 12)
        start = 16 + 12 * count + 7 & ~7
        if not content.startswith(NEW_MAGIC, start):
            return _entries(content, mark + "iII", 16, count, 16 + 12 * count, flags)
    if not content.startswith(NEW_MAGIC, start) or len(content) < start + 48:
        return {}
    (count,) = unpack_from(mark + "I", content, start + 20)
    order = content[start + 28] & 3
    if order not in (0, 2 if mark == "<" else 3):
        return {}
    return _entries(content, mark + "iIIIQ", start + 48, count, start, flags)


def _entries(  # noqa: PLR0913, PLR0917  (a table: where, how many, of what shape)
    content: bytes, layout: str, at: int, count: int, base: int, flags: tuple[int, ...]
) -> dict[str, str]:
    structure = Struct(layout)
    if at + count * structure.size > len(content):
        return {}
    found: dict[str, str] = {}
    for flag, key, path, *rest in structure.iter_unpack(content[at : at + count * structure.size]):
        if flag in flags and not (rest and rest[1]):
            name = _string(content, base + key)
            if name not in found:
                found[name] = _string(content, base + path)
    return found


def _string(content: bytes, at: int) -> str:
    end = content.find(b"\0", at)
    return content[at : max(end, at)].decode("utf-8", "surrogateescape")


def render_cache(paths: Mapping[str, str], machine: Machine) -> bytes:
    """A cache in the new format with one entry for each name, readable by `machine`'s loader and by `ldconfig -p`."""
    from functools import cmp_to_key  # few roots need a cache, and it brings `collections`

    mark = "<" if machine.byteorder == "little" else ">"
    flag = _FLAGS.get(machine.name, (3,))[0]
    names = sorted(paths, key=cmp_to_key(compare_names), reverse=True)
    offset = 48 + 24 * len(names)
    entries, strings = b"", b""
    for name in names:
        key, path = (text.encode("utf-8", "surrogateescape") + b"\0" for text in (name, paths[name]))
        place = offset + len(strings)
        entries += pack(mark + "iIIIQ", flag, place, place + len(key), 0, 0)
        strings += key + path
    order = 2 if mark == "<" else 3
    return NEW_MAGIC + pack(mark + "IIB3xI12x", len(names), len(strings), order, 0) + entries + strings


def compare_names(one: str, other: str) -> int:
    """glibc's `_dl_cache_libcmp`: runs of digits compare as numbers; a digit is greater than any other character."""
    a, b = one.encode("utf-8", "surrogateescape") + b"\0", other.encode("utf-8", "surrogateescape") + b"\0"
    i = j = 0
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
            return a[i] - b[j]
        else:
            i, j = i + 1, j + 1
    return a[i] - b[j]
