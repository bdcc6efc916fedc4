"""A Go program with SQLite in it, in C: static through musl, and dynamic with its closure. Both answer a query.

The amalgamation (sqlite3.c) comes out of an npm package, which carries it for a compiler; its digest is known.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from tests.engines.compiling import compiled, elf_of, said_by
from tests.engines.conftest import Needed

PACKAGE = "better-sqlite3@12.11.1"
FILES = {
    "sqlite3.c": "60d2f39a3726cd6b9021da6f4e868608d66fbb6528a9f513dc8ffcc640493422",
    "sqlite3.h": "9e69a1353a4288450b0d5239ede11fc7f1f4c8e5eb07491fc8317eacb5b7de7e",
}
PROGRAM = """
package main

// #cgo CFLAGS: -DSQLITE_THREADSAFE=0 -DSQLITE_OMIT_LOAD_EXTENSION -O1
// #include <stdlib.h>
// #include "sqlite3.h"
import "C"

import (
	"fmt"
	"os"
	"unsafe"
)

const sum = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10)
	SELECT 'the sum is ' || sum(i) || ', says ' || sqlite_version() FROM n`

func main() {
	var db *C.sqlite3
	name, text := C.CString(":memory:"), C.CString(sum)
	defer C.free(unsafe.Pointer(name))
	defer C.free(unsafe.Pointer(text))
	var query *C.sqlite3_stmt
	if C.sqlite3_open(name, &db) != C.SQLITE_OK ||
		C.sqlite3_prepare_v2(db, text, -1, &query, nil) != C.SQLITE_OK || C.sqlite3_step(query) != C.SQLITE_ROW {
		fmt.Fprintln(os.Stderr, C.GoString(C.sqlite3_errmsg(db)))
		os.Exit(1)
	}
	fmt.Println(C.GoString((*C.char)(unsafe.Pointer(C.sqlite3_column_text(query, 0)))))
}
"""
ANSWER = "the sum is 55, says 3.53.2\n"


@pytest.fixture(scope="session")
def query(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Go module `query`, with the amalgamation in it."""
    folder = tmp_path_factory.mktemp("cgo")
    subprocess.run(["npm", "pack", "--silent", PACKAGE], cwd=folder, capture_output=True, timeout=300, check=True)
    (archive,) = folder.glob("*.tgz")
    module = folder / "query"
    module.mkdir()
    with tarfile.open(archive) as opened:
        for name, digest in FILES.items():
            member = opened.extractfile(f"package/deps/sqlite3/{name}")
            assert member is not None
            (module / name).write_bytes(member.read())
            assert hashlib.sha256((module / name).read_bytes()).hexdigest() == digest
    (module / "go.mod").write_text("module example.org/query\n\ngo 1.21\n")
    (module / "main.go").write_text(PROGRAM)
    return module


def test_static_through_musl_it_answers_from_an_image_of_one_file(query: Path, tmp_path: Path, needed: Needed) -> None:
    told = compiled(tmp_path, query, "-o", "static").stderr
    assert "musl-gcc" in told
    assert "the same bytes from another folder" in told
    elf = elf_of(tmp_path / "static")
    assert (elf.interpreter, elf.needed) == (None, ())
    needed("build", tmp_path / "static", "-q", "-o", "oci:image")
    assert needed("run", "oci:image").stdout == ANSWER


def test_dynamic_against_glibc_its_closure_comes_along(query: Path, tmp_path: Path, needed: Needed) -> None:
    compiled(tmp_path, query, "-o", "dynamic", "--libc", "glibc", "--once")
    assert elf_of(tmp_path / "dynamic").needed == ("libc.so.6",)
    needed("build", tmp_path / "dynamic", "-q", "-o", "oci:image")
    assert needed("run", "oci:image").stdout == ANSWER


def test_dynamic_against_musl_it_answers_where_only_musl_is(query: Path, tmp_path: Path) -> None:
    root = tmp_path / "only-musl"
    (root / "lib").mkdir(parents=True)
    shutil.copy("/lib/x86_64-linux-musl/libc.so", root / "lib/ld-musl-x86_64.so.1")
    compiled(tmp_path, query, "-o", root / "query", "--libc", "musl", "--once")
    assert elf_of(root / "query").interpreter == "/lib/ld-musl-x86_64.so.1"
    assert said_by(Path("/usr/sbin/chroot"), str(root), "/query") == ANSWER
