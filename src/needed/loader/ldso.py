"""The constants that a build of glibc's loader carries: system directories, `$LIB`, the cache's path, its version.

They differ per distribution and architecture, so they are read from the loader of the root: consecutive NUL-terminated
strings that begin and end with "/" are `system_dirs` (glibc elf/dl-load.c; one where slibdir and libdir are the same),
the first of them without its outer slashes is `$LIB` where that string occurs by itself, else its last component is.
"""

from __future__ import annotations

from needed.value import value

MAX_LOADER = 16 << 20


@value
class Builtin:
    """`system_dirs` without trailing slashes, in the loader's order; `lib` is the value of `$LIB`; `preload` the path
    of the preload file; `version` (2, 36), () where the loader does not tell (before 2.33)."""

    system_dirs: tuple[str, ...]
    lib: str
    cache: str = "/etc/ld.so.cache"
    preload: str = "/etc/ld.so.preload"
    version: tuple[int, ...] = ()


FALLBACK = Builtin(("/lib64", "/usr/lib64", "/lib", "/usr/lib"), "lib64", version=(2, 37))


def parse_builtin(content: bytes) -> Builtin | None:
    """The constants in a loader's bytes, or None where there are none (musl, or no loader)."""
    found = _system_dirs(content)
    if not found:
        return None
    first = found[0].strip(b"/")
    lib = first if b"\0" + first + b"\0" in content else first.rpartition(b"/")[2]
    return Builtin(
        tuple((item.rstrip(b"/") or b"/").decode("utf-8", "surrogateescape") for item in found),
        lib.decode("utf-8", "surrogateescape"),
        _string_ending(content, b"/ld.so.cache\0") or FALLBACK.cache,
        _string_ending(content, b"/ld.so.preload\0") or FALLBACK.preload,
        _version(content),
    )


def _system_dirs(content: bytes) -> list[bytes]:
    """The longest run of such strings with "lib" in them."""
    best: list[bytes] = []
    at = content.find(b"/\0")
    while at >= 0:
        start = content.rfind(b"\0", 0, at) + 1
        run: list[bytes] = []
        end = start
        while content[end : end + 1] == b"/":
            stop = content.find(b"\0", end)
            if stop < 0 or content[stop - 1 : stop] != b"/" or stop - end > 4096:
                break
            run.append(content[end:stop])
            end = stop + 1
        if len(run) > len(best) and any(b"lib" in item for item in run):
            best = run
        at = content.find(b"/\0", max(end, at + 1))
    return best


def _version(content: bytes) -> tuple[int, ...]:
    """Of "... stable release version 2.36." and "... development release version 2.35.9000.", the banner."""
    mark = b"release version "
    at = content.find(mark)
    if at < 0:
        return ()
    text = content[at + len(mark) : at + len(mark) + 16].partition(b"\n")[0].partition(b"\0")[0]
    numbers = text.split(b".")[:2]
    return tuple(map(int, numbers)) if len(numbers) == 2 and all(map(bytes.isdigit, numbers)) else ()


def _string_ending(content: bytes, end: bytes) -> str | None:
    at = content.find(end)
    if at < 0:
        return None
    found = content[content.rfind(b"\0", 0, at) + 1 : at + len(end) - 1]
    return found.decode("utf-8", "surrogateescape") if found.startswith(b"/") and len(found) < 4096 else None
