"""Small trees, one for each rule of the loaders that packages seldom need: data, and how they are written out.

Each is planted in a folder of its own below /opt. The loader and we are asked about every file in it, so nothing here
says what the answer is. In an entry "-> TARGET" is a symlink, "= PATH" a hard link, bytes a file as it is.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.oracle.crafted import Elf, Target, craft
from tests.oracle.debian_root import write_cache

_ET_REL, _ET_EXEC, _ET_CORE = 1, 2, 4
_PT_LOAD, _PT_DYNAMIC = 1, 2
_NODEFLIB, _PIE = 0x800, 0x08000000

# What further comparisons of all of them set; $ORIGIN is the program's to glibc, and no token at all to musl.
LIBRARY_PATH = ("/opt/library-path", "/opt/none", "$ORIGIN/p")
PRELOADS = ("/opt/preloads/libone.so", "libgone.so", "libc.so.6", "libcached.so", "$ORIGIN/a/libone.so")
PRELOAD_FILE = """# a comment
/opt/preloads/libone.so:libgone.so /opt/preloads/none.so
libcached.so # $LIB
/$LIB/libm.so.6
"""
HWCAPS = {
    "amd64": ("x86-64-v3", "x86-64-v2"),
    "ppc64el": ("power10", "power9"),
    "s390x": ("z15", "z14", "z13"),
}

Tree = dict[str, "Elf | str | bytes"]


def lib(needed: str = "", soname: str = "", rpath: str = "", runpath: str = "", flags_1: int = 0) -> Elf:
    """A library; `needed` are names apart by spaces."""
    entries = [("NEEDED", name) for name in needed.split()]
    entries += [(tag, text) for tag, text in (("SONAME", soname), ("RPATH", rpath), ("RUNPATH", runpath)) if text]
    return Elf(tuple(entries), flags_1)


def program(needed: str = "", rpath: str = "", runpath: str = "", flags_1: int = 0) -> Elf:
    """A program for the root's own loader."""
    return Elf(lib(needed, "", rpath, runpath).entries, flags_1 | _PIE, program=True)


def first(other: Elf | str | bytes) -> Tree:
    """`other` in the folder that is searched first, a good library in the next: is it taken, passed over, fatal?"""
    return {"main": program("libx.so", runpath="$ORIGIN/a:$ORIGIN/b"), "a/libx.so": other, "b/libx.so": lib()}


SEARCHED: dict[str, Tree] = {
    "rpath-is-inherited": {
        "main": program("libone.so", rpath="$ORIGIN/a"),
        "a/libone.so": lib("libtwo.so"),
        "a/libtwo.so": lib(),
    },
    "rpath-of-the-middle-is-inherited": {
        "main": program("libone.so", rpath="$ORIGIN/a"),
        "a/libone.so": lib("libtwo.so", rpath="$ORIGIN/../b"),
        "b/libtwo.so": lib("libthree.so libfour.so"),
        "b/libthree.so": lib(),
        "a/libthree.so": lib(),
        "a/libfour.so": lib(),
    },
    "runpath-mutes-the-rpath-of-ancestors": {
        "main": program("libone.so", rpath="$ORIGIN/a"),
        "a/libone.so": lib("libtwo.so", runpath="$ORIGIN/none"),
        "a/libtwo.so": lib(),
    },
    "runpath-in-the-middle-does-not-mute-for-others": {
        "main": program("libone.so", rpath="$ORIGIN/a"),
        "a/libone.so": lib("libtwo.so", runpath="$ORIGIN"),
        "a/libtwo.so": lib("libthree.so"),
        "a/libthree.so": lib(),
    },
    "runpath-is-not-inherited": {
        "main": program("libone.so", runpath="$ORIGIN/a"),
        "a/libone.so": lib("libtwo.so"),
        "a/libtwo.so": lib(),
    },
    "runpath-beats-rpath-in-one-object": {
        "main": program("libone.so", rpath="$ORIGIN/a", runpath="$ORIGIN/b"),
        "a/libone.so": lib(),
        "b/libone.so": lib("libtwo.so"),
        "a/libtwo.so": lib(),
    },
    "rpath-of-another-branch": {
        "main": program("libone.so libtwo.so", runpath="$ORIGIN/a"),
        "a/libone.so": lib("libthree.so", rpath="$ORIGIN/b"),
        "a/b/libthree.so": lib(),
        "a/libtwo.so": lib("libfour.so"),
        "a/b/libfour.so": lib(),
    },
    "a-name-with-a-slash": {
        "main": program("/opt/a-name-with-a-slash/a/libone.so $ORIGIN/a/libtwo.so libone.so opt/a/none.so"),
        "a/libone.so": lib(soname="libone.so"),
        "a/libtwo.so": lib("$ORIGIN/libthree.so /opt/a-name-with-a-slash/none/libfive.so"),
        "a/libthree.so": lib(),
    },
    "origin-of-a-library-is-of-its-path-string": {
        "main": program("libone.so", rpath="$ORIGIN/link"),
        "link": "-> real/deep",
        "real/deep/libone.so": lib("libtwo.so", runpath="${ORIGIN}/../beside"),
        "real/beside/libtwo.so": lib(),
        "beside/libtwo.so": lib(),
    },
    "tokens": {
        "main": program(
            "libone.so libtwo.so libthree.so", runpath="$ORIGINX:$ORIGIN/a$:/${LIB}:$ORIGIN/$LIB:$ORIGIN/$FOO"
        ),
        "a$/libone.so": lib(),
        "$FOO/libtwo.so": lib(),
        "$ORIGINX/libthree.so": lib(),
    },
    "lists": {
        "main": program("libone.so libtwo.so", runpath="/:$ORIGIN/none:$ORIGIN/a/:$ORIGIN/a//:$ORIGIN/a/../b"),
        "a/libone.so": lib(runpath="$ORIGIN/"),
        "b/libtwo.so": lib("libone.so"),
    },
    "subdirectories-of-the-machine": {
        "main": program("liba.so libb.so libc1.so libd.so libe.so libf.so libg.so libh.so", runpath="$ORIGIN/a"),
        "a/libz.so": lib(),
        "a/tls/liba.so": lib(),
        "a/x86_64/libb.so": lib(),
        "a/tls/x86_64/libb.so": lib(),
        "a/aarch64/libc1.so": lib(),
        "a/tls/aarch64/libd.so": lib(),
        "a/glibc-hwcaps/x86-64-v2/libe.so": lib("libz.so", runpath="$ORIGIN/../.."),
        "a/glibc-hwcaps/x86-64-v3/libe.so": lib(),
        "a/glibc-hwcaps/power9/libf.so": lib(),
        "a/glibc-hwcaps/z14/libf.so": lib(),
        "a/glibc-hwcaps/z13/libg.so": lib(),
        "a/libe.so": lib(),
        "a/libf.so": lib("libb.so"),
        "a/libg.so": lib(),
        "a/glibc-hwcaps/x86-64-v2/libh.so": "-> ../../libz.so",
    },
    "no-default-directory": {
        "main": program("libm.so.6 libcached.so libone.so", runpath="$ORIGIN/a", flags_1=_NODEFLIB),
        "a/libone.so": lib("libcached.so libgone.so"),
    },
    "library-path-after-rpath": {
        "main": program("libone.so libtwo.so libthree.so", rpath="$ORIGIN/r"),
        "r/libone.so": lib(),
        "r/libtwo.so": lib(),
        "../library-path/libone.so": lib("libthree.so"),
        "../library-path/libthree.so": lib(),
    },
    "library-path-before-runpath": {
        "main": program("libone.so libtwo.so libfour.so", runpath="$ORIGIN/r"),
        "r/libone.so": lib(),
        "r/libtwo.so": lib(),
        "p/libfour.so": lib("libthree.so"),
    },
}
LOADED: dict[str, Tree] = {
    "preloads": {
        "main": program("libone.so libtwo.so", rpath="$ORIGIN"),
        "libone.so": lib("libthree.so", soname="libtwo.so", runpath="$ORIGIN"),
        "libthree.so": lib(),
        "libtwo.so": lib(),
    },
    "a-soname-is-not-searched-for": {
        "main": program("liba.so libb.so", runpath="$ORIGIN/a"),
        "a/liba.so": lib(soname="libfoo.so.1"),
        "a/libb.so": lib("libfoo.so.1 liba.so"),
    },
    "the-first-of-two-with-one-soname": {
        "main": program("liba.so libb.so libe.so", runpath="$ORIGIN/a"),
        "a/liba.so": lib(soname="libsame.so"),
        "a/libb.so": lib(soname="libsame.so"),
        "a/libe.so": lib("libsame.so libb.so", runpath="$ORIGIN"),
    },
    "the-soname-of-main": {
        "main": Elf(lib("liba.so", "libmain.so", runpath="$ORIGIN/a").entries, _PIE, program=True),
        "a/liba.so": lib("libmain.so", runpath="$ORIGIN"),
        "a/libmain.so": lib(),
    },
    "one-file-by-three-names": {
        "main": program("liba.so libb.so libe.so", runpath="$ORIGIN/a"),
        "a/liba.so": lib("libd.so", runpath="$ORIGIN/../d"),
        "a/libb.so": "= a/liba.so",
        "a/libe.so": "-> liba.so",
        "d/libd.so": lib("liba.so libb.so libe.so"),
    },
    "back-to-main": {
        "main": program("liba.so", rpath="$ORIGIN:$ORIGIN/a"),
        "liba.so": lib("main"),
        "mainlib": lib("liba2.so", rpath="$ORIGIN"),
        "liba2.so": lib("mainlib"),
    },
    "breadth-before-depth": {
        "main": program("liba.so libb.so", runpath="$ORIGIN/a:$ORIGIN/b"),
        "a/liba.so": lib("libx.so", runpath="$ORIGIN/../deep"),
        "b/libb.so": lib("libx.so liby.so", runpath="$ORIGIN"),
        "deep/libx.so": lib("liby.so", runpath="$ORIGIN"),
        "deep/liby.so": lib(),
        "b/libx.so": lib(),
        "b/liby.so": lib(),
    },
    "missing-ones-are-asked-for-again": {
        "main": program("liba.so libgone.so libb.so", runpath="$ORIGIN/a"),
        "a/liba.so": lib("libgone.so"),
        "a/libb.so": lib("libgone.so libgone2.so", runpath="$ORIGIN/../b"),
        "b/libgone.so": lib(),
    },
    "filters-come-before-who-asks": {
        "main": program("liba.so libb.so", runpath="$ORIGIN/a"),
        "a/liba.so": Elf((("FILTER", "libf.so"), ("NEEDED", "libn.so"), ("RUNPATH", "$ORIGIN"))),
        "a/libf.so": lib("libg.so"),
        "a/libg.so": lib(),
        "a/libn.so": lib(),
        "a/libb.so": Elf((("NEEDED", "libn.so"), ("AUXILIARY", "libh.so"), ("RUNPATH", "$ORIGIN"))),
        "a/libh.so": lib("libn.so libi.so", runpath="$ORIGIN"),
        "a/libi.so": lib(),
    },
    "a-filter-of-main": {
        "main": Elf(
            (("AUXILIARY", "liba.so"), ("FILTER", "libb.so"), ("NEEDED", "libc1.so"), ("RUNPATH", "$ORIGIN")),
            _PIE,
            program=True,
        ),
        "liba.so": lib("libd.so", runpath="$ORIGIN"),
        "libb.so": lib(),
        "libc1.so": lib("libd.so", runpath="$ORIGIN"),
        "libd.so": lib(),
    },
    "directories-of-the-cache": {
        "main": program("libcached.so libn.so.1 libn.so.01 libdeep.so"),
        "cached/libcached.so": lib("libfurther.so.2", soname="libcached.so"),
        "cached/libfurther.so.2.1": lib(soname="libfurther.so.2"),
        "cached/libn.so.01": lib(),
        "cached/sub/libdeep.so": lib(),
        **{
            f"cached/glibc-hwcaps/{name}/libcached.so.{number}": lib(soname="libcached.so")
            for number, name in enumerate(("x86-64-v2", "x86-64-v3", "power9", "z13", "z14"))
        },
    },
}  # fmt: skip
MUSL: dict[str, Tree] = {
    "musl-itself": {
        "main": program(
            "libm.so.6 libcrypt.so.1 libpthread.so.0 libc.musl-any.so.1 libxnet.so libresolv.so.2 libdlx.so",
            runpath="$ORIGIN/a",
        ),
        "a/libm.so.6": lib(),
        "a/libcrypt.so.1": lib(),
        "a/libpthread.so.0": lib(),
        "a/libdlx.so": lib(),
    },
    "musl-another-token": {
        "main": program("libone.so", runpath="$ORIGIN/a:/$LIB"),
        "a/libone.so": lib(),
    },
    "musl-no-boundary": {
        "main": program("libone.so libtwo.so", runpath="$ORIGINa:${ORIGIN}/b"),
        "b/libone.so": lib("libtwo.so", rpath="${ORIGIN}a"),
        "ba/libtwo.so": lib(),
    },
    "musl-no-short-name": {
        "main": program("/opt/musl-no-short-name/a/libone.so libone.so", runpath="$ORIGIN/b"),
        "a/libone.so": lib(),
        "b/libone.so": lib(),
    },
    "musl-path-file": {
        "main": program("libone.so libtwo.so libgone.so"),
        "a/libone.so": lib("libtwo.so"),
        "b/libtwo.so": lib(),
    },
}
TAKEN: dict[str, Tree] = {
    "first-text": first(b"/* GNU ld script */ INPUT(libx.so.1)\n" * 4),
    "first-empty": first(b""),
    "first-short": first(Elf(length=40)),
    "first-headers-only": first(Elf(length=100)),
    "first-directory": {**first(""), "a/libx.so": "directory"},
    "first-dangling": first("-> none"),
    "first-loop": first("-> libx.so"),
    "first-below-a-file": {**first(""), "a/libx.so": "nothing", "a": b"no directory"},
    "first-other-class": first(Elf(patches=((4, b"\3"),))),
    "first-other-machine": first(Elf(patches=((18, b"\xee\xee"),))),
    "first-other-machine-and-damaged": first(Elf(patches=((6, b"\7"), (18, b"\xee\xee")))),
    "first-other-byte-order": first(Elf(patches=((5, b"\3"),))),
    "first-other-version": first(Elf(patches=((6, b"\2"),))),
    "first-other-e-version": first(Elf(patches=((20, b"\2\2\2\2"),))),
    "first-osabi-gnu": first(Elf(patches=((7, b"\3"),))),
    "first-osabi-freebsd": first(Elf(patches=((7, b"\x09"),))),
    "first-osabi-arm": first(Elf(patches=((7, b"\x61"),))),
    "first-abiversion-1": first(Elf(patches=((8, b"\1"),))),
    "first-abiversion-9": first(Elf(patches=((8, b"\x09"),))),
    "first-gnu-abiversion-3": first(Elf(patches=((7, b"\3\3"),))),
    "first-padding": first(Elf(patches=((12, b"\1"),))),
    "first-relocatable": first(Elf(e_type=_ET_REL)),
    "first-executable": first(Elf(e_type=_ET_EXEC)),
    "first-core": first(Elf(e_type=_ET_CORE)),
    "first-pie": first(Elf(flags_1=_PIE)),
    "first-no-load": first(Elf(without=(_PT_LOAD,))),
    "first-no-dynamic": first(Elf(without=(_PT_DYNAMIC,))),
}
UNSEEN_BY_MUSL = (
    "first-no-load",
    "first-other-byte-order",
    "first-other-class",
    "first-other-e-version",
    "first-other-machine",
    "first-other-machine-and-damaged",
    "first-other-version",
)


def planted(base: Path, target: Target) -> Path:
    """A fresh copy, beside it, of a root that holds the C library, with all of them below /opt, and the directories
    that its loader is to be told of in its configuration."""
    root = base.with_name(f"{base.name}-layouts")
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(base, root, symlinks=True)
    for rule, tree in (SEARCHED | LOADED | MUSL | _taken(target)).items():
        for name, item in tree.items():
            if isinstance(item, Elf):
                path = root / "opt" / rule / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(craft(item, target))
                os.chmod(path, 0o755)
            else:
                write_entry(root / "opt" / rule, name, item)
    if "musl" in target.interpreter:
        name = os.path.basename(target.interpreter).removesuffix(".so.1")
        with open(root / f"etc/{name}.path", "a") as file:
            file.write("/opt/musl-path-file/none:/opt/musl-path-file/a\n/opt/musl-path-file/b")
    else:
        folder = "/opt/directories-of-the-cache/cached"
        (root / "etc/ld.so.conf.d/layouts.conf").write_text(f"{folder}\n{folder}/sub\n")
        write_cache(root, target.architecture)
    return root


def _taken(target: Target) -> dict[str, Tree]:
    """What musl does not look at it maps, whatever comes of it: nothing to compare."""
    if "musl" not in target.interpreter:
        return TAKEN
    return {rule: tree for rule, tree in TAKEN.items() if rule not in UNSEEN_BY_MUSL}


def write_entry(above: Path, name: str, item: str | bytes) -> None:
    """Write an entry that is no ELF file; `above` is its layout's folder."""
    path = above / name
    if item == "nothing":
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    match item:
        case bytes():
            path.write_bytes(item)
        case "directory":
            path.mkdir()
        case _ if item.startswith("-> "):
            path.symlink_to(item[3:])
        case _:
            path.hardlink_to(above / item[2:])
