"""An image of several layers that engines made is read back from every place as `docker export` shows its files."""

from __future__ import annotations

import gzip
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.engines.engines import Docker, Podman, run
from tests.images import REF_NAME, D, F, L, Layout, S, tar

import needed
from needed.root import RootPath, join
from needed.source.opening import Surroundings

Needed = Callable[..., object]
Listing = dict[str, tuple[str, int, int, str]]

PROGRAMS = ("bash", "rm", "mkdir", "ln", "mv", "chmod", "mkfifo", "cp")
# Each is one layer. What overlayfs and the engines write for it: whiteouts, opaque directories, hard links.
LAYERS = (
    "mkdir -p /d/sub /gone /opaque/old /swap; printf one >/d/a; ln /d/a /d/b; ln -s a /d/link; ln -s /d /to-d;"
    " printf x >/gone/x; printf low >/opaque/low; printf y >/opaque/old/y; printf f >/file; mkfifo /fifo;"
    " printf s >/swap/inner; printf u >'/caf\\351'; mkdir -m 1777 /tmp; chmod 4755 /d/sub",
    "rm -r /gone; rm -r /opaque; mkdir -m 700 /opaque; printf new >/opaque/new; rm /file; mkdir /file;"
    " printf z >/file/z; rm -r /swap; printf now-a-file >/swap; printf through >/to-d/through; rm /d/link;"
    " ln -s b /d/link; rm /d/a; ln /d/b /d/c",
    "mkdir /gone; printf back >/gone/back; mv /opaque/new /opaque/moved; chmod 600 /d/b; rm /fifo; cp /d/b /d/copy",
)
# What Docker puts into every container, over the image.
DOCKERS = ("/.dockerenv", "/dev", "/etc", "/proc", "/sys")


def listing(text: str, surroundings: Surroundings) -> Listing:
    """Paths with kind, mode, size and target, and every file's content read once."""
    root = needed.open_root(text, None, surroundings)
    found: Listing = {}
    ahead = [RootPath("/")]
    while ahead:
        path = ahead.pop()
        for name in root.names(path):
            inside = join(path, name)
            entry = root.entry(inside)
            assert entry is not None
            found[inside] = (entry.kind, 0 if entry.kind == "symlink" else entry.mode, entry.size, entry.target)
            if entry.kind == "directory":
                ahead.append(inside)
            elif entry.kind == "file":
                assert len(root.open(inside).read_at(0, entry.size + 1)) == entry.size
    return {path: what for path, what in found.items() if not path.startswith(DOCKERS)}


def exported(archive: Path) -> Listing:
    """The same of a file system's tar, by Python's reader."""
    kinds = {tarfile.REGTYPE: "file", tarfile.DIRTYPE: "directory", tarfile.SYMTYPE: "symlink"}
    found: Listing = {}
    with tarfile.open(archive) as opened:
        for member in opened:
            path = "/" + member.name.strip("/")
            item = opened.getmember(member.linkname) if member.islnk() else member
            mode = 0 if item.issym() else stat.S_IMODE(item.mode)
            found[path] = (kinds.get(item.type, "special"), mode, item.size, item.linkname)
    return {path: what for path, what in found.items() if path != "/" and not path.startswith(DOCKERS)}


@pytest.fixture
def surroundings(docker: Docker, podman: Podman, tmp_path: Path) -> Surroundings:
    """The tests' own engines; Podman's command with its folders."""
    script = tmp_path / "podman"
    places = f"--root {podman.folder}/r --runroot {podman.folder}/rr --tmpdir {podman.folder}/t --storage-driver vfs"
    script.write_text(f'#!/bin/sh\nexec podman {places} --events-backend none "$@"\n')
    script.chmod(0o755)
    return Surroundings(docker.host, str(script), str(tmp_path))


def export(docker: Docker, image: str, folder: Path) -> Listing:
    container = docker("create", image, "/bin/true").strip()
    docker("export", "-o", folder / "export.tar", container)
    docker("rm", container)
    return exported(folder / "export.tar")


@pytest.fixture
def layered(docker: Docker, needed: Needed) -> str:
    """An image of four layers in Docker."""
    needed("build", *PROGRAMS, "--no-rule", "all", "-t", "layered:0", "-o", "docker-daemon:layered:0", "-q")
    for number, script in enumerate(LAYERS):
        options = ("--name", f"step{number}", "--user", "0", "--network", "none")
        docker("run", *options, f"layered:{number}", "/usr/bin/bash", "-ec", script)
        docker("commit", f"step{number}", f"layered:{number + 1}")
        docker("rm", f"step{number}")
    return f"layered:{len(LAYERS)}"


def test_it_is_read_from_every_place(
    docker: Docker, podman: Podman, layered: str, surroundings: Surroundings, tmp_path: Path
) -> None:
    expected = export(docker, layered, tmp_path)
    assert expected["/opaque/moved"][0] == "file" and expected["/d/sub"] == ("directory", 0o4755, 0, "")
    assert "/opaque/low" not in expected and "/gone/x" not in expected
    docker("save", "-o", tmp_path / "saved.tar", layered)
    podman("load", "--input", tmp_path / "saved.tar")
    podman("save", "--format", "oci-archive", "-o", tmp_path / "oci.tar", f"localhost/{layered}")
    (tmp_path / "saved.tar.gz").write_bytes(gzip.compress((tmp_path / "saved.tar").read_bytes(), 1))
    places = [f"docker-archive:{tmp_path}/saved.tar", f"docker-archive:{tmp_path}/saved.tar.gz:{layered}"]
    copies = ["oci:{}/oci:copy", "oci-archive:{}/copy.tar:copy", "docker-archive:{}/copied.tar"]
    copies = [copy.format(tmp_path) for copy in copies]
    for copy in copies:
        run("skopeo", "copy", "--insecure-policy", "--quiet", places[0], copy)
    places += [*copies, f"oci-archive:{tmp_path}/oci.tar", f"docker-daemon:{layered}", f"containers-storage:{layered}"]
    places += [f"tar:{tmp_path}/export.tar"]
    for place in places:
        assert listing(place, surroundings) == expected, place


def test_what_an_engine_does_not_have_is_told(surroundings: Surroundings) -> None:
    for place in ("docker-daemon:no/such:1", "containers-storage:localhost/no/such:1"):
        with pytest.raises(needed.EngineError, match="does not give"):
            needed.open_root(place, None, surroundings)


# What image-spec leaves open. Docker's overlay2 unpacks every layer by itself and so puts a directory in a symlink's
# place; umoci and Podman's vfs follow it inside the root, as we do.
OPEN_QUESTIONS = {
    "a symlink as parent": [[D("t"), S("s", "t")], [F("s/f")]],
    "an absolute symlink as parent": [[D("t"), S("s", "/t")], [F("s/f")]],
    "a dangling symlink as parent": [[S("s", "t")], [F("s/f")]],
    "a symlink that climbs": [[S("a/s", "../../../t")], [F("a/s/f")]],
    "a whiteout behind a symlink": [[F("d/f"), S("s", "d")], [F("s/.wh.f")]],
    "a whiteout after the same layer's file": [[F("f", "low")], [F("f", "new"), F(".wh.f")]],
    "a whiteout before it": [[F("f", "low")], [F(".wh.f"), F("f", "new")]],
    "an opaque directory at the end": [[D("d"), F("d/low")], [D("d"), F("d/new"), F("d/.wh..wh..opq")]],
    "a directory over a symlink": [[F("t/f"), S("s", "t")], [D("s"), F("s/g")]],
    "a directory over a directory": [[D("d", 0o700), F("d/f")], [D("d", 0o1750)]],
    "a file over a directory": [[D("d"), F("d/f")], [F("d", "file")]],
    "no parents": [[F("no/such/f")], [F("no/g")]],
    "a hard link to a lower layer": [[F("f", "x")], [L("g", "f")]],
    "a hard link to a symlink": [[S("s", "nowhere"), L("h", "s")]],
    "a whiteout without parents": [[F("f")], [F("no/.wh.f")]],
    "a file twice": [[F("f", "one"), F("f", "two", 0o600)]],
}


@pytest.mark.parametrize("question", OPEN_QUESTIONS)
def test_open_questions_are_answered_as_umoci_does(question: str, tmp_path: Path) -> None:
    made = Layout(tmp_path / "layout")
    entry = made.image(*(tar(*members) for members in OPEN_QUESTIONS[question]))
    text = made.index(entry | {"annotations": {REF_NAME: "t"}})
    run("umoci", "unpack", "--image", f"{made.folder}:t", tmp_path / "unpacked")
    assert listing(text, Surroundings()) == listing(f"{tmp_path}/unpacked/rootfs", Surroundings())
