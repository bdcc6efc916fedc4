"""`needed build --platform A,B`: one index of an image for each, and what reads it."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from needed.cli.build import add
from needed.cli.platforms import choose_root, parse_platforms
from needed.cli.quick import read_plain
from needed.cli.roots import root_for
from needed.errors import UsageError
from tests.cli.test_build import blob, run

PLATFORMS = "linux/amd64,linux/arm64,linux/s390x"
ROOTS = ("--root", "amd64", "--root", "linux/arm64=arm64", "--root", "linux/s390x=s390x")
BUILD = ("build", "/bin/prog", "--platform", PLATFORMS, *ROOTS)
MACHINES = {"amd64": (62, "<"), "arm64": (183, "<"), "s390x": (22, ">")}


def static_program(e_machine: int, order: str, code: bytes) -> bytes:
    """A whole program of one segment without a library, for a 64-bit machine."""
    entry, size = 0x400000 + 120, 120 + len(code)
    ident = b"\x7fELF\x02" + (b"\x01" if order == "<" else b"\x02") + b"\x01" + bytes(9)
    header = struct.pack(order + "HHIQQQIHHHHHH", 2, e_machine, 1, entry, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    segment = struct.pack(order + "IIQQQQQQ", 1, 5, 0, 0x400000, 0x400000, size, size, 0x1000)
    return ident + header + segment + code


@pytest.fixture
def roots(tmp_path: Path) -> Path:
    """A folder with a root for each of three machines; the program for amd64 ends with 3."""
    for name, (e_machine, order) in MACHINES.items():
        (tmp_path / name / "bin").mkdir(parents=True)
        program = tmp_path / name / "bin/prog"
        program.write_bytes(static_program(e_machine, order, bytes.fromhex("bf03000000 b8e7000000 0f05")))
        program.chmod(0o755)
    return tmp_path


def test_each_platform_has_the_image_that_it_would_have_alone(roots: Path) -> None:
    done = run(*BUILD, "-o", "oci:out:v1", "-t", "prog", "--json", cwd=roots)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    [entry] = json.loads((roots / "out/index.json").read_text())["manifests"]
    index = json.loads(blob(roots / "out", entry["digest"]))
    assert told["digest"] == entry["digest"]
    assert told["written"] == [{"destination": "oci:out:v1", "name": f"prog@{entry['digest']}"}]
    assert [item["platform"] for item in told["images"]] == ["linux/amd64", "linux/arm64/v8", "linux/s390x"]
    assert [item["digest"] for item in told["images"]] == [item["digest"] for item in index["manifests"]]
    for item, name in zip(told["images"], MACHINES, strict=True):
        alone = run("build", "/bin/prog", "--root", name, "-o", f"oci:{name}-alone", "--json", cwd=roots)
        assert json.loads(alone.stdout)["digest"] == item["digest"]


def test_text_tells_of_each_image_and_then_of_the_index(roots: Path) -> None:
    done = run(*BUILD, "-o", "oci:out", "-t", "prog", cwd=roots)
    digest = json.loads((roots / "out/index.json").read_text())["manifests"][0]["digest"]
    assert done.stdout == f"prog@{digest}\n"
    told = done.stderr.splitlines()
    assert [line for line in told if line.startswith("image ")] == [
        "image   prog:latest  linux/amd64",
        "image   prog:latest  linux/arm64/v8",
        "image   prog:latest  linux/s390x",
    ]
    assert told[-3:] == ["index   prog:latest  3 images", f"digest  {digest}", "written oci:out:latest"]
    assert run(*BUILD, "-o", "oci:out", "-t", "prog", "-q", cwd=roots).stderr == ""


def test_the_order_of_platforms_and_roots_changes_no_byte(roots: Path) -> None:
    run(*BUILD, "-o", "oci-archive:one.tar", "-q", cwd=roots)
    words = ("--root", "linux/s390x=s390x", "--root", "linux/arm64/v8=arm64", "--root", "linux/amd64=amd64")
    asked = ("--platform", "linux/s390x,linux/arm64/v8,linux/amd64")
    done = run("build", "/bin/prog", *asked, *words, "-o", "oci-archive:other.tar", "-q", "--no-cache", cwd=roots)
    assert done.returncode == 0, done.stderr
    assert (roots / "one.tar").read_bytes() == (roots / "other.tar").read_bytes()


def test_without_a_destination_the_archive_holds_the_index(roots: Path) -> None:
    done = run(*BUILD, "-t", "app", cwd=roots)
    assert "written oci-archive:app.tar" in done.stderr
    assert run("inspect", "--root", "oci-archive:app.tar", "/bin/prog", cwd=roots).returncode == 0


def test_a_docker_archive_holds_the_image_of_this_machine(roots: Path) -> None:
    done = run(*BUILD, "-o", "docker-archive:d.tar", "-t", "prog", cwd=roots)
    assert "written docker-archive:d.tar  (the image for linux/amd64)" in done.stderr
    run("build", "/bin/prog", "--root", "amd64", "-o", "docker-archive:alone.tar", "-t", "prog", "-q", cwd=roots)
    assert (roots / "d.tar").read_bytes() == (roots / "alone.tar").read_bytes()


def test_an_index_is_a_root_with_a_tree_for_each_platform(roots: Path) -> None:
    first = run(*BUILD, "-o", "oci:out", "-q", cwd=roots)
    words = ("build", "/bin/prog", "--platform", PLATFORMS, "--root", "oci:out", "-o", "oci:again", "-q")
    again = run(*words, cwd=roots)
    assert (again.stderr, again.stdout) == ("", first.stdout)
    alone = run("build", "/bin/prog", "--root", "oci:out", "-n", cwd=roots)
    assert alone.returncode == 8 and "choose a platform: linux/amd64" in alone.stderr  # whoever builds, the same


@pytest.mark.parametrize(("platform", "machine"), [((), "x86-64"), (("--platform", "linux/arm64"), "arm64"),
                                                   (("--platform", "linux/s390x"), "s390x")])  # fmt: skip
def test_what_reads_an_index_takes_this_machines_image_or_the_one_asked_for(
    roots: Path, platform: tuple[str, ...], machine: str
) -> None:
    run(*BUILD, "-o", "oci:out", "-q", cwd=roots)
    inspected = run("inspect", "--root", "oci:out", "--json", *platform, "/bin/prog", cwd=roots)
    assert [item["machine"] for item in json.loads(inspected.stdout)] == [machine]
    assert run("why", "/bin/prog", "--in", "oci:out", *platform, cwd=roots).stdout == "/bin/prog\n  requested\n"


def test_an_index_without_this_machine_says_what_it_has(roots: Path) -> None:
    run("build", "/bin/prog", "--platform", "linux/arm64,linux/s390x", *ROOTS[2:], "-o", "oci:out", "-q", cwd=roots)
    for words in (("run", "oci:out"), ("verify", "oci:out"), ("why", "prog", "--in", "oci:out")):
        done = run(*words, cwd=roots)
        assert done.returncode == 8 and "has no image for linux/" in done.stderr
        assert "hint: choose one: --platform linux/arm64/v8" in done.stderr


def test_the_program_of_this_machines_image_runs(roots: Path) -> None:
    run(*BUILD, "-o", "oci:out", "-q", cwd=roots)
    assert run("run", "oci:out", cwd=roots).returncode == 3
    assert run("verify", "oci:out", "--exit", "3", cwd=roots).returncode == 0


def test_nothing_is_written_if_one_platform_does_not_pass(roots: Path) -> None:
    done = run(*BUILD, "--verify", "-o", "oci:out", "-o", "oci-archive:a.tar", cwd=roots)
    assert done.returncode == 11
    assert "error: linux/amd64: nothing was written" in done.stderr
    assert not (roots / "out").exists() and not (roots / "a.tar").exists()


def test_nothing_is_written_if_one_platform_has_no_such_program(roots: Path) -> None:
    (roots / "s390x/bin/prog").unlink()
    done = run(*BUILD, "-o", "oci:out", cwd=roots)
    assert done.returncode == 2 and "error: linux/s390x: " in done.stderr
    assert "hint: name a tree or an image for it: --root linux/s390x=ROOT" in done.stderr
    assert not (roots / "out").exists()


def test_a_root_of_another_machine_is_told_with_the_option_that_names_one(roots: Path) -> None:
    done = run("build", "/bin/prog", "--platform", "linux/amd64,linux/arm64", "--root", "amd64", "-n", cwd=roots)
    assert done.returncode == 4
    assert "error: linux/arm64: /bin/prog: is for linux/amd64, and linux/arm64 was asked for" in done.stderr
    assert "hint: name a tree or an image for it: --root linux/arm64=ROOT" in done.stderr
    assert "leave out" not in done.stderr


def test_a_dry_run_shows_the_files_of_each_platform(roots: Path) -> None:
    done = run(*BUILD, "-n", cwd=roots)
    assert [line for line in done.stdout.splitlines() if line.startswith("platform")] == [
        "platform linux/amd64",
        "platform linux/arm64/v8",
        "platform linux/s390x",
    ]
    found = json.loads(run(*BUILD, "-n", "--json", cwd=roots).stdout)["platforms"]
    assert [[item["path"] for item in one["files"]] for one in found] == [["/bin", "/bin/prog"]] * 3


def test_an_image_of_nothing_is_of_several_platforms_too(tmp_path: Path) -> None:
    done = run("build", "--empty", "--platform", "linux/amd64,linux/riscv64", "-o", "oci:out", "--json", cwd=tmp_path)
    assert [item["files"] for item in json.loads(done.stdout)["images"]] == [0, 0]


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("--platform", "linux/amd64,linux/amd64"), 2, "names linux/amd64 twice"),
        (("--platform", "linux/arm64,linux/arm64/v8"), 2, "names linux/arm64/v8 twice"),
        (("--platform", "linux/amd64,linux/tpu"), 2, "--platform linux/tpu: no machine"),
        (("--platform", "linux/amd64,"), 2, "'' is not a platform"),
        (("--platform", PLATFORMS, "-o", "tar:x.tar"), 2, "tar: holds the files of one platform"),
        (("--platform", PLATFORMS, "-o", "oci:x", "-o", "dir:x"), 2, "dir: holds the files of one platform"),
        (("--platform", "linux/arm64,linux/s390x", "-o", "docker-archive:x"), 2, "none is for that"),
        (("--platform", PLATFORMS, "-o", "docker-daemon:x"), 6, "hint: "),
        (("--root", "s390x"), 2, "--root is given for all platforms twice"),
        (("--root", "linux/arm64=s390x", "--platform", PLATFORMS), 2, "a root is named twice"),
        (("--root", "linux/s390=",), 2, "no root is named for it"),
        ((), 2, "--root names a platform, and --platform none"),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_refused_with_a_hint(
    roots: Path, words: tuple[str, ...], status: int, said: str
) -> None:
    done = run("build", "/bin/prog", *ROOTS, *words, cwd=roots, DOCKER_HOST="unix:///nowhere")
    assert (done.returncode, done.stdout) == (status, "")
    assert said in done.stderr and "hint: " in done.stderr and "Traceback" not in done.stderr
    assert sorted(path.name for path in roots.iterdir()) == ["amd64", "arm64", "s390x"]


def test_fit_is_for_one_platform(roots: Path) -> None:
    done = run("fit", "/bin/prog", "--platform", PLATFORMS, *ROOTS, cwd=roots)
    assert done.returncode == 2 and "grows on one platform" in done.stderr


def test_a_root_named_for_the_one_platform_is_taken(roots: Path) -> None:
    done = run("build", "/bin/prog", *ROOTS, "--platform", "linux/s390x", "-n", "--json", cwd=roots)
    assert json.loads(done.stdout)["platform"] == "linux/s390x"


def test_a_folder_whose_name_looks_like_a_platforms_root_is_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "linux/arm64=x").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert choose_root(["linux/arm64=x"], "linux/amd64") == "linux/arm64=x"
    assert choose_root(["linux/arm64=y"], "linux/amd64") == "/"
    assert choose_root(["a=b"], "linux/amd64") == root_for(["a=b"], "") == "a=b"


def test_every_platform_that_a_machine_has_is_known() -> None:
    assert parse_platforms("linux/arm,linux/386,linux/loong64") == ("linux/arm", "linux/386", "linux/loong64")
    with pytest.raises(UsageError):
        parse_platforms("windows/amd64,linux/amd64")


def test_one_platform_reads_nothing_of_several() -> None:
    assert read_plain(add, ["bash", "--platform", "linux/amd64", "--root", "/srv"]) is not None
    build = "main(['build', 'ls', '-n', '-q', '--root', '/'])"
    code = f"import sys; from needed.cli import main; {build}; print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"needed.cli.platforms", "needed.image.index", "needed.output.platforms"} & {*result.stdout.split()} == set()
