"""Trees in memory for the tests of rules: programs and libraries that import what a test says, on a small glibc."""

from __future__ import annotations

from tests.loader.synthetic import Writer

LOADER = "/lib64/ld-linux-x86-64.so.2"
LIBC = "/lib64/libc.so.6"


def program(*imports: str, needed: tuple[str, ...] = ("libc.so.6",)) -> bytes:
    """A dynamic program that wants the symbols `imports` of its libraries."""
    writer = Writer([("needed", name) for name in needed], interpreter=LOADER)
    writer.export((), imports)
    return writer.finish()


def library(soname: str, *imports: str, needed: tuple[str, ...] = ("libc.so.6",)) -> bytes:
    """A library that wants the symbols `imports` of others."""
    writer = Writer([*(("needed", name) for name in needed), ("soname", soname)])
    writer.export((), imports)
    return writer.finish()


def tree() -> dict[str, bytes | str]:
    """The loader and the C library, and nothing else; add to it with `|`."""
    return {LOADER: library("ld-linux-x86-64.so.2", needed=()), LIBC: library("libc.so.6", "dlopen", needed=())}
