"""Trees that were unpacked before: a run shows one only if it is as it was left, and never changes it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from needed.elf.machine import EM_S390
from needed.image.root import ImageRoot
from needed.source.opening import open_root
from needed.value import replace
from needed.verify.trees import Asked, Defaults, KeptTree, Trees, asked_of
from tests.images import F, layout
from tests.verify.users import NEEDED, by, popen

DEFAULTS = Defaults(("/bin/sh",), ("-c", "a b"), ("A=b", "EMPTY="), "/srv", (os.geteuid(), 0), "/home/me")
OLD = 3.0  # seconds in the future that an image is asked for, so that its files are old


@pytest.fixture(scope="module")
def images() -> Iterator[Path]:
    """A folder that everybody may read: an image of a shell, old enough to be known by its time."""
    folder = Path(tempfile.mkdtemp(prefix="trees-tests-", dir="/tmp"))
    folder.chmod(0o755)
    subprocess.run([*NEEDED, "build", "bash", "cat", "rm", "-q", "-o", f"oci:{folder / 'shell'}:x"], check=True)
    time.sleep(2.1)
    yield folder
    shutil.rmtree(folder)


def shell(user: int, place: Path, image: Path, script: str, *options: str) -> str:
    """What `script` says in the image, on both streams; its status too if that is not 0."""
    with popen(user, place, "run", *options, f"oci:{image}:x", "--", "bash", "-c", script) as process:
        stdout, stderr = process.communicate(timeout=30)
    return stdout + stderr + (f"status {process.returncode}" if process.returncode else "")


def kept(place: Path) -> list[Path]:
    """The trees in the cache."""
    return sorted(path for path in (place / "cache/needed/trees").iterdir() if path.is_dir())


LOOK = "echo /* /etc/*; cat /etc/passwd; echo $UID $HOME $PWD; : > /etc/x; : > /tmp/x; echo /tmp/*"


@pytest.mark.parametrize("options", [(), ("--user", "0"), ("--user", "1234:5")])
def test_a_program_sees_the_same_in_a_kept_tree(user: int, place: Path, images: Path, options: tuple[str, ...]) -> None:
    anew, first, second = (
        shell(user, place, images / "shell", LOOK, *options, *more) for more in (("--no-cache",), (), ())
    )
    assert "/tmp/x" in first or "denied" in first
    assert anew == first == second
    assert len(kept(place)) == 1


def test_what_is_written_is_gone_and_what_is_removed_is_back(user: int, place: Path, images: Path) -> None:
    shell(user, place, images / "shell", "echo x > /new; rm -r /etc/passwd /usr/lib/terminfo; echo y >> /usr/bin/cat",
          "--user", "0")  # fmt: skip
    said = shell(user, place, images / "shell", "echo /new /etc/pass*; cat --version >&-; echo $?", "--user", "0")
    assert said.splitlines()[0] == "/new /etc/passwd"
    assert not (kept(place)[0] / "tree/new").exists()


def test_an_everyday_run_of_a_kept_tree_imports_no_reader_of_images(tmp_path: Path, images: Path) -> None:
    """And nothing that takes long: the sandbox's own time is a few milliseconds."""
    code = (
        "import sys; from needed.cli import main; "
        f"main(['run', 'oci:{images / 'shell'}:x', '--', 'bash', '-c', ':']); print(*sys.modules)"
    )
    env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    readers = {"needed.image.untar", "needed.source.layout", "needed.root", "needed.elf"}
    heavy = {"argparse", "collections", "contextlib", "enum", "functools", "hashlib", "json", "re", "shutil", "socket"}
    assert loaded & (readers | heavy | {"signal", "subprocess"}) == set()


def damage_content(tree: Path) -> None:
    with (tree / "etc/passwd").open("a") as file:
        file.write("evil:x:0:0::/:/bin/bash\n")


def damage_same_size_and_time(tree: Path) -> None:
    path = tree / "etc/passwd"
    status, content = path.stat(), path.read_bytes()
    path.write_bytes(content.replace(b"root", b"evil"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def add_file(tree: Path) -> None:
    (tree / "etc/evil").write_text("")


def change_mode(tree: Path) -> None:
    (tree / "etc/passwd").chmod(0)


def lead_elsewhere(tree: Path) -> None:
    shutil.move(tree / "etc", tree / "evil")
    (tree / "etc").symlink_to("evil")


def damage_index(tree: Path) -> None:
    index = tree.parent / "index"
    index.write_bytes(index.read_bytes()[:-1])


@pytest.mark.parametrize(
    "change",
    [damage_content, damage_same_size_and_time, add_file, change_mode, lead_elsewhere, damage_index],
)
def test_a_tree_that_is_not_as_it_was_left_is_unpacked_again(
    change: object, user: int, place: Path, images: Path
) -> None:
    before = shell(user, place, images / "shell", LOOK)
    (folder,) = kept(place)
    change(folder / "tree")  # type: ignore[operator]
    inode = folder.stat().st_ino
    assert shell(user, place, images / "shell", LOOK) == before
    assert kept(place) == [folder]
    assert folder.stat().st_ino != inode


def test_a_blob_that_changed_is_checked_again(user: int, place: Path, images: Path) -> None:
    image = place / "image"
    shutil.copytree(images / "shell", image)
    time.sleep(2.1)
    assert shell(user, place, image, "echo fine") == "fine\n"
    layer = max((image / "blobs/sha256").iterdir(), key=lambda path: path.stat().st_size)
    content = bytearray(layer.read_bytes())
    content[len(content) // 2] ^= 1
    layer.write_bytes(content)
    assert "digest is" in shell(user, place, image, "echo fine")
    layer.unlink()
    assert "is not there" in shell(user, place, image, "echo fine")


def test_of_an_image_that_was_built_again_the_new_one_runs(user: int, place: Path, images: Path) -> None:
    image = place / "image"
    subprocess.run([*NEEDED, "build", "bash", "cat", "-q", "-o", f"oci:{image}:x", "--env", "WHICH=old"], check=True)
    time.sleep(2.1)
    assert [shell(user, place, image, "echo $WHICH") for _ in range(2)] == ["old\n"] * 2
    subprocess.run([*NEEDED, "build", "bash", "cat", "-q", "-o", f"oci:{image}:x", "--env", "WHICH=new"], check=True)
    assert [shell(user, place, image, "echo $WHICH") for _ in range(2)] == ["new\n"] * 2
    assert len(kept(place)) == 1, "both have the same files"


def test_many_first_runs_at_once_all_run(user: int, place: Path, images: Path) -> None:
    words = ["run", f"oci:{images / 'shell'}:x", "--", "bash", "-c", "echo fine"]
    running = [popen(user, place, *words) for _ in range(5)]
    assert [process.communicate(timeout=60) for process in running] == [("fine\n", "")] * 5
    assert len(kept(place)) == 1
    assert [path.name for path in (place / "cache/needed/trees").iterdir() if path.name.startswith("needed-")] == []


def test_without_a_cache_nothing_is_kept(user: int, place: Path, images: Path) -> None:
    assert shell(user, place, images / "shell", "echo fine", "--no-cache") == "fine\n"
    assert not (place / "cache").exists()


def test_a_folder_that_others_may_write_to_is_not_used(user: int, place: Path, images: Path) -> None:
    folder = place / "cache/needed/trees"
    subprocess.run(["mkdir", "-p", folder], check=True, **by(user))  # type: ignore[call-overload]
    folder.chmod(0o777)
    assert shell(user, place, images / "shell", "echo fine") == "fine\n"
    assert list(folder.iterdir()) == []


def image_of(folder: Path, *files: bytes) -> tuple[Asked, ImageRoot]:
    """An image of these files that is old enough, as it was asked for and opened."""
    text = layout(folder / f"image-{os.urandom(4).hex()}", files)
    asked = asked_of(text, "", "")
    assert asked is not None
    root = open_root(text)
    assert isinstance(root, ImageRoot)
    return replace(asked, begun=asked.begun + OLD), root


def keep(trees: Trees, image: tuple[Asked, ImageRoot]) -> KeptTree:
    found = trees.keep(*image, DEFAULTS)
    assert found is not None
    return found


def test_what_the_config_says_is_kept_as_it_is(tmp_path: Path) -> None:
    trees, image = Trees(str(tmp_path / "trees")), image_of(tmp_path, F("a", b"1"))
    keep(trees, image).close()
    found = trees.recall(image[0])
    assert found is not None
    assert found[1] == DEFAULTS


def test_an_image_so_young_that_it_may_change_in_this_moment_is_not_known_by_its_time(tmp_path: Path) -> None:
    trees, (asked, root) = Trees(str(tmp_path / "trees")), image_of(tmp_path, F("a", b"1"))
    asked = replace(asked, begun=asked.begun - OLD)
    keep(trees, (asked, root)).close()
    assert trees.recall(asked) is None
    assert len(list((tmp_path / "trees").iterdir())) == 1, "its tree is kept, and found by its diff IDs"


def test_what_was_used_longest_ago_goes_first_and_what_runs_stays(tmp_path: Path) -> None:
    trees = Trees(str(tmp_path / "trees"), limit=250)
    images = [image_of(tmp_path, F("a", bytes([number]) * 100)) for number in range(4)]
    running = keep(trees, images[0])
    for age, image in ((300, images[1]), (200, images[2])):
        keep(trees, image).close()
        for lock in (tmp_path / "trees").glob("*/lock"):
            if time.time() - lock.stat().st_mtime < 100:
                os.utime(lock, (time.time() - age, time.time() - age))
    keep(trees, images[3]).close()
    assert [trees.recall(asked) is not None for asked, _ in images] == [True, False, False, True]
    running.close()


def test_a_program_of_another_machine_is_looked_at_each_time(tmp_path: Path) -> None:
    header = bytearray(Path("/proc/self/exe").read_bytes()[:64])
    header[18:20] = EM_S390.to_bytes(2, sys.byteorder)
    trees = Trees(str(tmp_path / "trees"))
    assert trees.keep(*image_of(tmp_path, F("a", bytes(header), mode=0o755)), DEFAULTS) is None
    assert list((tmp_path / "trees").iterdir()) == []


@pytest.mark.parametrize(
    "text", ["docker-daemon:x", "containers-storage:x", "dir:/", "tar:/x", "/", "x", "oci:/x:y@sha256:0"]
)
def test_what_has_no_files_of_its_own_here_is_never_kept(text: str) -> None:
    assert asked_of(text, "", "") is None


def test_a_path_is_known_by_where_it_leads(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    link, seen = tmp_path / "now", []
    for name in ("a", "b"):
        link.unlink(missing_ok=True)
        link.symlink_to(name)
        seen.append(asked_of(f"oci:{link}:x", "", ""))
    assert seen[0]
    assert seen[1]
    assert seen[0].key != seen[1].key
