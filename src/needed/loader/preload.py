"""The preload file (ld.so(8), `/etc/ld.so.preload`): the names in it. glibc's `do_preload`'s caller in elf/rtld.c."""

from __future__ import annotations

MAX_PRELOAD_FILE = 1 << 20


def parse_preload_file(content: bytes) -> tuple[str, ...]:
    """The names in order: `#` starts a comment up to the end of its line; space, tab, newline and `:` separate."""
    names: list[str] = []
    for line in content.split(b"\n"):
        text = line.partition(b"#")[0].replace(b":", b" ").replace(b"\t", b" ")
        names += [name.decode("utf-8", "surrogateescape") for name in text.split(b" ") if name]
    return tuple(names)
