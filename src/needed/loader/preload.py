"""The preload file (ld.so(8), `/etc/ld.so.preload`): the names in it. glibc's `do_preload`'s caller in elf/rtld.c."""

from __future__ import annotations

MAX_PRELOAD_FILE = 1 << 20


def parse_preload_file(content: bytes) -> tuple[str, ...]:
    """The names in order, separated by space, tab, newline and `:`.

    Comments are overwritten with spaces as `dl_main` does it, whose search begins again at the start of the file with
    what is left of its length: a `#` far behind may stay, and what follows it is names.
    """
    text, left = bytearray(content), len(content)
    while left > 0:
        at = text.find(b"#", 0, left)
        if at < 0:
            break
        left -= at
        while True:
            text[at] = 0x20
            left, at = left - 1, at + 1
            if left <= 0 or text[at] == 0x0A:
                break
    for separator in b":\t\n":
        text = text.replace(bytes((separator,)), b" ")
    return tuple(name.decode("utf-8", "surrogateescape") for name in bytes(text).split(b" ") if name)
