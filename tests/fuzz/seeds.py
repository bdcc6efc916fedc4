"""Files to begin with: what `synthetic` writes, small real ELF files of the machines that are there, and caches."""

from __future__ import annotations

from collections.abc import Iterator
from glob import glob
from pathlib import Path

from needed.elf import parse_elf
from needed.loader.cache import CacheEntry, render_cache
from tests.elf.conftest import build_elf
from tests.elf.test_dlopen_names import read_only
from tests.elf.test_dlopen_notes import note, with_notes
from tests.elf.test_golang import MAGICS, build_info, pclntab
from tests.elf.test_golang_references import SERVER, TAKES, Program
from tests.elf.test_provenance import with_sections
from tests.fuzz.readers import ASKING, LOADER, MUSL
from tests.loader.synthetic import PIE, Writer

MAX_SEED = 80_000
REAL = (
    "/bin/true", "/lib/x86_64-linux-gnu/libdl.so.2", "/lib/x86_64-linux-gnu/libutil.so.1",
    "/usr/*-linux-gnu*/lib/libdl.so.2", "/usr/*-linux-gnu*/lib/libanl.so.1", "/usr/*-linux-gnu*/lib/libnss_compat.so.2",
    "/usr/*-linux-gnu*/lib/libgcc_s.so.1",
)  # fmt: skip
TEXTS = (
    b"#!/usr/bin/env -S -u X p\n", b"#!/bin/s x\n", b"include *.conf /etc/ld.so.*\n/opt # c\n/opt=libc6\nhwcap 1 x\n",
    b"libx.so:/lib/libx.so # no\nliby.so\n", b"/opt:/lib\n", b"",
    b"\0/lib/x86_64-linux-gnu/\0/usr/lib/\0/etc/ld.so.cache\0/etc/ld.so.preload\0stable release version 2.36.\n\0",
)  # fmt: skip


def seeds() -> Iterator[bytes]:
    yield from TEXTS
    yield from crafted()
    machine = parse_elf(ASKING).machine
    entries = [CacheEntry("liby.so", "/opt/liby.so"), CacheEntry("lib10.so", "/lib/libx.so", "x86-64-v3"),
               CacheEntry("libx.so", "/lib/libx.so")]  # fmt: skip
    new = render_cache(entries, machine)
    yield new
    yield render_cache(entries[::2], machine)
    # A combined one: the old table without an entry, and the new one behind it, where a multiple of 8 begins.
    yield b"ld.so-1.7.0\0" + bytes(4) + new
    names = b"liby.so\0/opt/liby.so\0"
    yield b"ld.so-1.7.0\0" + b"\1\0\0\0" + b"\3\3\0\0" + bytes(4) + b"\x08\0\0\0" + names
    for pattern in REAL:
        for path in sorted(glob(pattern)):
            content = Path(path).read_bytes()
            if len(content) <= MAX_SEED:
                yield content


def crafted() -> Iterator[bytes]:
    for machine, kind in TAKES.items():
        yield Program(SERVER, machine, kind).content
    yield ASKING
    yield MUSL
    filters = [("soname", "libx.so"), ("filter", "libx.so"), ("auxiliary", "liby.so"), ("runpath", "$ORIGIN:/opt"),
               ("rpath", "${LIB}/x"), ("depaudit", "a:b"), ("needed", "libx.so.1")]  # fmt: skip
    writer = Writer(filters, flags_1=PIE, interpreter=LOADER)
    writer.export(["one", "two", "__libc_start_main", "stdin"])
    writer.versions(("V1", "V2"), {"libx.so": ["V1", "V3 weak"], "libc.so.6": ["GLIBC_2.34"]})
    yield writer.finish()
    yield Writer(e_type=2, starts=True).finish()
    yield with_notes(note(b'[{"soname":["libx.so.1"],"priority":"required","feature":"x"}]\0'))
    yield with_sections(build_elf, _note_dlopen=note(b'[{"soname":["libx.so","liby.so"]}]\0'))
    yield read_only(build_elf(more=b"\0libx.so.1\0%s/%s.so\0/opt/liby.so\0.so\0"))
    functions = ("net.(*Resolver).lookupHost", "time.LoadLocation", "main.main")
    for layout in MAGICS:
        table = pclntab(*functions, layout=layout)
        yield with_sections(build_elf, _go_buildinfo=build_info(), _gopclntab=table)
        yield build_elf(more=bytes(-len(build_elf()) % 32) + build_info().ljust(1024, b"\0") + table)
