"""Every reader of what a stranger wrote into a root, each given the same bytes. Returns, or raises what is a finding.

A NeededError is an answer. Anything else that comes out is a defect, and so is text that cannot be written in UTF-8, or
an object that is no JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress

from needed.advice.libraries import forget_needed
from needed.closure import LoadList
from needed.elf import Bytes, ElfFile, is_elf, parse_elf, parse_machine
from needed.elf.dlopen_names import OPENERS, find_dlopen_names
from needed.elf.dlopen_notes import parse_dlopen_notes
from needed.elf.golang import parse_go_program
from needed.elf.isa import parse_isa_level
from needed.elf.provenance import parse_provenance
from needed.elf.sections import parse_sections
from needed.elf.symbols import exports, imported_names, parse_references, parse_symbols, undefined_imports
from needed.errors import ElfError, NeededError
from needed.loader import Resolver, Settings
from needed.loader.binding import Binder
from needed.loader.cache import Cache
from needed.loader.ldso import parse_builtin
from needed.loader.musl import parse_path_file
from needed.loader.preload import parse_preload_file
from needed.loader.shebang import parse_shebang
from needed.notes import find_notes
from needed.report.inspect import render_object, render_text
from needed.report.ldd import ldd_object, render_explanation, render_findings, render_ldd, render_tree, render_versions
from needed.report.readelf import dynamic_rows, render_dynamic
from needed.report.scan import scanned_object
from needed.report.text import printable
from needed.root import Entry, MemoryRoot
from needed.scan import scan_root
from needed.toolchain.ballast import find_difference, weigh
from tests.loader.synthetic import Writer

ENTRY = Entry("file", 0o6755, 1)
MAX_TEXT = 4096  # of what is no ELF file: more of it takes time and leads nowhere new
LOADER = "/lib64/ld-linux-x86-64.so.2"
# Asks for the bytes by two names, so that they are met again, and for a library that only a cache or a path file knows.
ASKING = Writer(
    [("needed", "libx.so"), ("needed", "/lib/libx.so"), ("needed", "liby.so"), ("audit", "libx.so")],
    interpreter=LOADER,
).finish()
MUSL = Writer([("needed", "libx.so"), ("needed", "liby.so")], interpreter="/lib/ld-musl-x86_64.so.1").finish()


def read(content: bytes) -> None:
    """All of them."""
    if is_elf(content):
        read_elf(content)
        roots = as_elf(content)
    else:
        content = content[:MAX_TEXT]
        read_others(content)
        roots = as_other(content)
    for tree, settings, programs in roots:
        root = MemoryRoot(tree)
        with suppress(NeededError):
            for scanned in scan_root(root, settings):
                json.dumps(scanned_object(scanned))
        for program in programs:
            with suppress(NeededError):
                read_load_list(root, Resolver(root, settings).load_list(Resolver(root).find_program(program)))
            with suppress(NeededError):
                resolver = Resolver(root, settings)
                notes = find_notes(resolver, resolver.resolve([program]), settings)
                check_text(*(printable(note.message) for note in notes))


def read_elf(content: bytes) -> None:
    source = Bytes(content)
    with suppress(ElfError):
        parse_machine(content[:64])
    with suppress(ElfError):
        parse_sections(source)
    try:
        elf_file = parse_elf(source)
    except ElfError:
        return
    with suppress(ElfError):
        provenance = parse_provenance(source, elf_file)
        check_text(render_text("x", elf_file, provenance, ENTRY))
        json.dumps(render_object("x", elf_file, provenance, ENTRY))
    with suppress(ElfError):
        parse_isa_level(source, elf_file)
    read_what_it_opens(source, elf_file)
    check_text(render_dynamic(elf_file))
    json.dumps(dynamic_rows(elf_file))
    read_symbols(source, elf_file)
    weigh(source)
    find_difference(source, Bytes(content[: len(content) // 2]))
    find_difference(source, source)
    forget_needed(content, elf_file.needed[:1])


def read_what_it_opens(source: Bytes, elf_file: ElfFile) -> None:
    with suppress(ElfError):
        for note in parse_dlopen_notes(source, elf_file):
            check_text(*note.sonames, note.priority, note.feature or "", note.description or "")
    check_text(*(found.name + found.grade for found in find_dlopen_names(source, elf_file, OPENERS)))
    program = parse_go_program(source, elf_file)
    if program is not None:
        build = program.build
        check_text(build.version or "", build.module or "", *map("=".join, build.settings), str(program.cgo))


def read_symbols(source: Bytes, elf_file: ElfFile) -> None:
    with suppress(ElfError):
        table = parse_symbols(source, elf_file)
        for lazy in (False, True):
            with suppress(ElfError):
                for _ in parse_references(source, elf_file, table, lazy=lazy).ordered(backwards=lazy):
                    pass
    parts: tuple[Callable[[Bytes, ElfFile], object], ...] = (undefined_imports, imported_names, exports)
    for part in parts:
        with suppress(ElfError):
            part(source, elf_file)


def read_others(content: bytes) -> None:
    """What is no ELF file and is read all the same."""
    for machine in (parse_elf(ASKING).machine, parse_machine(b"\x7fELF\1\2\1" + bytes(11) + b"\x14" + bytes(45))):
        for legacy in (False, True):
            cache = Cache(content, machine, legacy=legacy)
            for name in ("libx.so", "libc.so.6", "", "lib10.so", "\udcff"):
                cache.find(name, ("x86-64-v3", "x86-64-v2"))
    parse_builtin(content)
    parse_preload_file(content)
    parse_path_file(content)
    with suppress(NeededError):
        parse_shebang(content[:256])


def as_elf(content: bytes) -> Iterator[tuple[dict[str, bytes | str], Settings, tuple[str, ...]]]:
    """Roots in which the bytes are the program, a library of glibc's and of musl's, and the loader itself."""
    yield {"/bin/p": ASKING, "/bin/x": content, "/lib/libx.so": content, LOADER: content}, Settings(), ("/bin/p", "x")
    musl: dict[str, bytes | str] = {"/bin/m": MUSL, "/lib/libx.so": content, "/lib/ld-musl-x86_64.so.1": content}
    yield musl, Settings(), ("/bin/m",)
    yield {"/bin/p": ASKING, "/lib64/libx.so.1": content, LOADER: ASKING}, Settings(ldconfig=True), ("/bin/p",)


def as_other(content: bytes) -> Iterator[tuple[dict[str, bytes | str], Settings, tuple[str, ...]]]:
    """Roots in which the bytes are each file that configures a loader, a script, and a library that is none."""
    glibc: dict[str, bytes | str] = {
        "/bin/p": ASKING, "/bin/s": content, "/bin/sh": "-> p", "/opt/liby.so": ASKING, "/lib/libx.so": content,
        "/etc/ld.so.cache": content, "/etc/ld.so.preload": content, "/etc/ld.so.conf": content, LOADER: content,
        "/bin/m": MUSL, "/lib/ld-musl-x86_64.so.1": ASKING, "/etc/ld-musl-x86_64.path": content,
    }  # fmt: skip
    yield glibc, Settings(preload_file=True), ("/bin/p", "/bin/s", "/bin/m")
    yield glibc | {LOADER: ASKING}, Settings(ldconfig=True), ("/bin/p",)


def read_load_list(root: MemoryRoot, load_list: LoadList) -> None:
    for lines in (render_ldd(load_list), render_tree(load_list), render_versions(load_list, "p")):
        check_text(*map(printable, lines))
    for need in load_list.needs[:3]:
        check_text(*map(printable, render_explanation(load_list, need.name)))
    json.dumps(ldd_object(load_list))
    for lazy in (False, True):
        with suppress(NeededError):
            bindings = Binder(root, lazy=lazy).check(load_list)
            check_text(*map(printable, render_findings(bindings, "p")))
            json.dumps(ldd_object(load_list, bindings))
    with suppress(NeededError):
        for edge in Binder(root, lazy=False).edges(load_list):
            check_text(printable(edge.by + edge.to), *map(printable, edge.symbols))


def check_text(*texts: str) -> None:
    for text in texts:
        text.encode()
