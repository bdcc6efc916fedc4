"""Small tool chains for tests: shell scripts on a PATH of their own that answer as real ones and note their calls."""

from __future__ import annotations

import json
from pathlib import Path

from tests.loader.synthetic import ET_EXEC, Writer

STATIC = Writer(e_type=ET_EXEC, starts=True).finish()

# `go version`, `go list` (what the test put there) and `go build`, whose product is what the test put there.
_GO = """#!/bin/sh
here=$(dirname "$0")
case $1 in
version) echo 'go version go1.27.3 linux/amd64' ;;
list) cat "$here/list.json" ;;
build)
    test -e "$here/says" && cat "$here/says" >&2
    test -e "$here/fails" && exit 1
    pwd >>"$here/folders"
    while test "$1" != -o; do shift; done
    cp "$here/product" "$2"
    test -e "$here/differs" && pwd >>"$2"
    exit 0 ;;
esac
"""


def script(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)
    return folder / name


def fake_go(folder: Path, *packages: dict[str, object], product: bytes = STATIC) -> Path:
    """A go that lists `packages` (one called main, if there are none) and makes `product`."""
    path = script(folder, "go", _GO)
    listed = packages or ({"ImportPath": "example.org/x", "Name": "main", "Dir": str(folder)},)
    (folder / "list.json").write_text("\n".join(json.dumps(package) for package in listed))
    (folder / "product").write_bytes(product)
    return path


def fake_zig(folder: Path) -> Path:
    return script(folder, "zig", "#!/bin/sh\necho 0.17.1\n")
