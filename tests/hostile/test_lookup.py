"""T18: where a path leads inside a Root is where the kernel says it leads after chroot(2), in random trees."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.images import D, F, S, tar

from needed.image.root import ImageRoot
from needed.image.squash import IndexedLayer, squash
from needed.image.untar import ChunkStream, read_tar
from needed.root import DirectoryRoot, MemoryFile, Walker

if TYPE_CHECKING:
    from collections.abc import Iterator

# Asks the kernel: makes the tree, enters it, and reads from /proc what open(2) found. One line in, one line out.
ORACLE = r"""
import json, os, sys
for line in sys.stdin:
    top, members, paths = json.loads(line)
    child = os.fork()
    if child == 0:
        os.chdir(top)
        for path, kind, target in members:
            os.mkdir(path) if kind == "d" else os.symlink(target, path) if kind == "s" else open(path, "w").close()
        proc = os.open("/proc/self/fd", os.O_PATH)
        os.chroot(".")
        answers = []
        for path in paths:
            try:
                found = os.open(path, os.O_PATH)
            except OSError as error:
                answers.append(None)
            else:
                answers.append(os.readlink(str(found), dir_fd=proc))
                os.close(found)
        print(json.dumps(answers), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
"""

NAMES = ["a", "b", "c"]
TARGETS = st.lists(st.sampled_from([*NAMES, "..", ".", ""]), min_size=1, max_size=6).map("/".join).filter(bool)
PARTS = st.lists(st.sampled_from([*NAMES, *NAMES, "..", "."]), min_size=1, max_size=7)
PATHS = PARTS.map(lambda parts: "/" + "/".join(parts))


@st.composite
def trees(draw: st.DrawFn) -> dict[str, tuple[str, str]]:
    """Paths to ("d", ""), ("f", "") or ("s", target), parents first."""
    found: dict[str, tuple[str, str]] = {}
    folders = [""]
    for _ in range(draw(st.integers(1, 12))):
        above, name = draw(st.sampled_from(folders)), draw(st.sampled_from(NAMES))
        path = f"{above}{name}"
        if path in found:
            continue
        kind = draw(st.sampled_from("ddssf"))
        found[path] = (kind, draw(TARGETS) if kind == "s" else "")
        if kind == "d":
            folders.append(f"{path}/")
    return found


@pytest.fixture(scope="module")
def kernel() -> Iterator[subprocess.Popen[str]]:
    enter = [] if os.geteuid() == 0 else ["unshare", "--map-root-user"]
    if enter and subprocess.run([*enter, "true"], capture_output=True, check=False).returncode:
        assert "CI" not in os.environ, "chroot(2) needs root or a user namespace"
        pytest.skip("chroot(2) needs root or a user namespace")
    command = [*enter, sys.executable, "-S", "-c", ORACLE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        assert process.stdin
        process.stdin.close()


def member(path: str, kind: str, target: str) -> bytes:
    return D(path) if kind == "d" else S(path, target) if kind == "s" else F(path)


def layer(*members: bytes) -> IndexedLayer:
    content = tar(*members)
    return IndexedLayer("layer", list(read_tar(ChunkStream([content]), "layer")), MemoryFile(content))


@settings(max_examples=400, deadline=None)
@given(tree=trees(), paths=st.lists(PATHS, min_size=1, max_size=20))
def test_t18_a_path_leads_where_the_kernel_says(
    kernel: subprocess.Popen[str], tree: dict[str, tuple[str, str]], paths: list[str]
) -> None:
    assert kernel.stdin and kernel.stdout
    members = [member(path, *what) for path, what in tree.items()]
    with tempfile.TemporaryDirectory() as top:
        Path(top).chmod(0o755)
        kernel.stdin.write(json.dumps([top, [(path, *what) for path, what in tree.items()], paths]) + "\n")
        kernel.stdin.flush()
        answers = json.loads(kernel.stdout.readline())
        for root in (ImageRoot(squash([layer(*members)])), DirectoryRoot(top)):
            walker = Walker(root)
            for path, answer in zip(paths, answers, strict=True):
                found = walker.find(path)
                assert (found and found.path) == answer, path
    # A file of a second layer, put below each of the paths, lands in the folder that the kernel found.
    for path, answer in zip(paths, answers, strict=True):
        if answer is None or ".." in path.split("/"):
            continue
        upper = ImageRoot(squash([layer(*members), layer(F(f"{path}/new"))]))
        lower = Walker(ImageRoot(squash([layer(*members)]))).find(path)
        if lower is not None and lower.entry.kind == "directory":
            new = upper.entry(f"{answer.rstrip('/')}/new")  # type: ignore[arg-type]
            assert new is not None and new.kind == "file", path
