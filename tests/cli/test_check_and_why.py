"""`needed check`, `why` and `ldd --explain` as a user types them."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.loader.synthetic import shared_object

NEEDED = str(Path(sys.executable).with_name("needed"))
LD = "lib64/ld-linux-x86-64.so.2"


def run(*words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([NEEDED, *map(str, words)], capture_output=True, text=True, check=False, cwd=cwd)
    assert "Traceback" not in done.stderr
    return done


def write(root: Path, tree: dict[str, bytes]) -> Path:
    for path, content in tree.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
        (root / path).chmod(0o755)
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    program = shared_object(needed=("liba.so",), interpreter=f"/{LD}")
    return write(
        tmp_path / "root",
        {
            LD: shared_object(soname="ld-linux-x86-64.so.2"),
            "bin/prog": program,
            "lib/liba.so": shared_object(needed=("libb.so",)),
            "lib/libb.so": shared_object(),
        },
    )


def test_check_ends_with_0_where_it_starts_and_with_1_where_not(root: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "other", {LD: shared_object(), "lib/liba.so": shared_object()})
    assert run("check", "prog", "--root", root, "--against", root, cwd=tmp_path).returncode == 0
    assert run("check", "prog", "--root", root, "--against", other, cwd=tmp_path).returncode == 0
    (other / "lib/liba.so").unlink()
    done = run("check", "prog", "--root", root, "--against", other, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout.startswith("/bin/prog: does not start in ")
    assert "library missing: liba.so, needed by /bin/prog, is in none of" in done.stdout


def test_a_library_travels_with_add(root: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "other", {LD: shared_object()})
    words = ("check", "prog", "--root", root, "--against", other, "--add", "/lib/liba.so:/usr/lib/liba.so")
    assert "libb.so" in run(*words, cwd=tmp_path).stdout
    assert run(*words, "--add", "/lib/libb.so", cwd=tmp_path).returncode == 0
    assert "expected an absolute destination" in run(*words, "--add", "/lib/libb.so:x", cwd=tmp_path).stderr


def test_check_against_an_image_and_as_json(root: Path, tmp_path: Path) -> None:
    assert run("build", "prog", "--root", root, "-t", "x", cwd=tmp_path).returncode == 0
    done = run("check", "prog", "--root", root, "--against", "docker-archive:x.tar", "--json", cwd=tmp_path)
    (answer,) = json.loads(done.stdout)
    assert answer["starts"] and answer["loaders"][0]["libc"] == "glibc"


def test_an_image_has_the_library_path_that_it_sets(root: Path, tmp_path: Path) -> None:
    (root / "opt").mkdir()
    (root / "lib/libb.so").rename(root / "opt/libb.so")
    words = ("build", "prog", "--root", root, "--library-path", "/opt", "-t", "x")
    assert run(*words, cwd=tmp_path).returncode == 0
    image = "docker-archive:x.tar"
    for asked in (
        ("check", "prog", "--root", image, "--against", image),
        ("scan", "--root", image),
        ("why", "libb.so", "--for", "prog", "--root", image),
    ):
        assert run(*asked, cwd=tmp_path).returncode == 0
    assert "\tlibb.so => /opt/libb.so\n" in run("ldd", "--root", image, "prog", cwd=tmp_path).stdout
    done = run("check", "prog", "--root", image, "--against", image, "--library-path", ":rel", cwd=tmp_path)
    assert "is in none of /lib" in done.stdout


def test_check_of_what_is_not_there_is_an_error(root: Path, tmp_path: Path) -> None:
    done = run("check", "/bin/none", "--root", root, "--against", root, cwd=tmp_path)
    assert (done.returncode, done.stderr.splitlines()[0]) == (2, "error: /bin/none: no such file")
    done = run("check", "prog", "--root", root, "--against", tmp_path / "none", cwd=tmp_path)
    assert done.returncode == 7 and "cannot be the root" in done.stderr and "--root" not in done.stderr


def test_check_says_what_nobody_may_execute_and_what_is_no_file(root: Path, tmp_path: Path) -> None:
    (root / "bin/prog").chmod(0o644)
    done = run("check", "/bin/prog", "--root", root, "--against", root, cwd=tmp_path)
    assert (done.returncode, done.stdout.splitlines()[1]) == (1, "  not executable: nobody may execute it")
    (root / "lib/liba.so").chmod(0o644)
    assert run("check", "/lib/liba.so", "--root", root, "--against", root, cwd=tmp_path).returncode == 0
    done = run("check", "/bin", "--root", root, "--against", root, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, "error: /bin: expected a file, found a directory\n")


def test_check_answers_for_each_program_before_it_tells_what_it_could_not_read(root: Path, tmp_path: Path) -> None:
    done = run("check", "/bin/none", "prog", "--root", root, "--against", root, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout.startswith("/bin/prog: starts in ")
    done = run("check", "/bin/none", "/bin/nope", "--root", root, "--against", root, cwd=tmp_path)
    assert done.stderr.splitlines()[0] == "error: 2 of 2 programs cannot be checked"


def test_why_prints_every_chain_when_asked(root: Path, tmp_path: Path) -> None:
    program = shared_object(needed=("liba.so", "libb.so"), interpreter=f"/{LD}")
    (root / "bin/prog").write_bytes(program)
    done = run("why", "libb.so", "--for", "prog", "--root", root, "--all", cwd=tmp_path)
    assert done.stdout == (
        "/lib/libb.so\n  needed by /bin/prog\n  requested\n"
        "or\n  needed by /lib/liba.so\n  needed by /bin/prog\n  requested\n"
    )
    short = run("why", "libb.so", "--for", "prog", "--root", root, cwd=tmp_path)
    assert short.stdout.endswith("  requested\nand 1 more: --all\n")


def test_why_prints_the_chain(root: Path, tmp_path: Path) -> None:
    done = run("why", "libb.so", "--for", "prog", "--root", root, cwd=tmp_path)
    assert done.stdout == "/lib/libb.so\n  needed by /lib/liba.so\n  needed by /bin/prog\n  requested\n"
    done = run("why", "libc.so", "--for", "prog", "--root", root, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "libc.so: nothing that prog asks for leads to it\n")


def test_why_takes_a_path_as_the_other_verbs_do(root: Path, tmp_path: Path) -> None:
    words = ("--for", "prog", "--root", root)
    expected = run("why", "/lib/libb.so", *words, cwd=tmp_path).stdout
    assert run("why", "lib/libb.so", *words, cwd=tmp_path).stdout == expected
    script = write(tmp_path, {"start": b"#!/bin/sh\n"}) / "start"
    assert run("why", "./start", "--for", "./start", cwd=tmp_path).stdout == f"{script}\n  requested\n"


def test_why_resolves_as_build_was_told_to(root: Path, tmp_path: Path) -> None:
    write(root, {"opt/libb.so": (root / "lib/libb.so").read_bytes(), "etc/ld.so.conf": b"/opt\n"})
    (root / "lib/libb.so").unlink()
    words = ("why", "libb.so", "--for", "prog", "--root", root)
    assert run(*words, cwd=tmp_path).returncode == 3
    for option in (("--library-path", "/opt"), ("--ldconfig",)):
        assert run(*words, *option, cwd=tmp_path).stdout.startswith("/opt/libb.so\n  needed by /lib/liba.so\n")


def test_why_in_an_image_says_the_same_as_outside(root: Path, tmp_path: Path) -> None:
    (root / "etc").mkdir()
    (root / "etc/x y").write_text("x")
    words = ("build", "prog", "--root", root, "--add", "/etc/x y:/opt/z", "-t", "x", "-o", "oci:layout:x")
    assert run(*words, cwd=tmp_path).returncode == 0
    outside = run("why", "libb.so", "--for", "prog", "--root", root, "--json", cwd=tmp_path)
    inside = run("why", "libb.so", "--in", "oci:layout:x", "--json", cwd=tmp_path)
    assert json.loads(inside.stdout) == json.loads(outside.stdout)
    assert run("why", "/opt/z", "--in", "oci:layout:x", cwd=tmp_path).stdout == "/opt/z\n  included\n"


def test_why_knows_what_a_rule_of_ones_own_took_into_an_image_where_it_is_named(root: Path, tmp_path: Path) -> None:
    write(root, {"opt/data": b"data"})
    (tmp_path / "mine.toml").write_text('[[rule]]\nname = "mine"\nprograms = ["prog"]\ntake = ["/opt/data"]\n')
    words = ("build", "prog", "--root", root, "--rules", "mine.toml", "-o", "oci:layout:x")
    assert run(*words, cwd=tmp_path).returncode == 0
    why = ("why", "/opt/data", "--in", "oci:layout:x")
    assert run(*why, "--rules", "mine.toml", cwd=tmp_path).stdout == "/opt/data\n  rule mine: /bin/prog\n  requested\n"
    done = run(*why, cwd=tmp_path)
    assert done.returncode == 1
    assert "it is in the image; if a rule of your own took it, name that: --rules FILE" in done.stdout


def test_a_plugin_is_taken_along_by_a_path_inside_the_root(root: Path, tmp_path: Path) -> None:
    write(root, {"opt/plugin.so": shared_object(needed=("libb.so",))})
    for given in ("opt/plugin.so", "./opt/plugin.so", "/opt/plugin.so"):
        done = run("why", "/opt/plugin.so", "--for", "prog", "--root", root, "--with", given, cwd=tmp_path)
        assert done.stdout == "/opt/plugin.so\n  requested\n", done.stderr


def test_why_wants_to_know_for_what(root: Path, tmp_path: Path) -> None:
    done = run("why", "x", cwd=tmp_path)
    assert done.returncode == 2 and "hint: needed why x --for PROGRAM" in done.stderr
    done = run("why", "x", "--in", root, cwd=tmp_path)
    assert done.returncode == 2 and "is a directory, which does not know what was asked for" in done.stderr


def test_explain_names_each_place_in_order_with_its_rule(root: Path, tmp_path: Path) -> None:
    done = run("ldd", "--explain", "libb.so", "--root", root, "--library-path", "/opt", "prog", cwd=tmp_path)
    lines = done.stdout.splitlines()
    assert lines[0] == "libb.so, needed by /lib/liba.so:"
    assert lines[1] == "  /opt/libb.so: absent (LD_LIBRARY_PATH)"
    assert lines[-1] == "  /lib/libb.so: found (default directory)"
    done = run("ldd", "--explain", "libz.so", "--root", root, "prog", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "/bin/prog: nothing that it loads asks for libz.so\n")


def test_why_knows_of_what_is_preloaded_no_more_than_build_does(root: Path, tmp_path: Path) -> None:
    write(root, {"etc/ld.so.preload": b"libnone.so\n"})
    assert run("why", "libb.so", "--for", "prog", "--root", root, cwd=tmp_path).returncode == 0
    assert run("why", "/etc/ld.so.preload", "--for", "prog", "--root", root, cwd=tmp_path).returncode == 1


def test_what_rules_tell_is_broken_between_words_on_a_terminal(root: Path, tmp_path: Path) -> None:
    leader, follower = pty.openpty()
    surroundings = {**os.environ, "COLUMNS": "40", "NO_COLOR": "1"}
    words = [NEEDED, "build", "prog", "--root", str(root), "-n", "--rule", "mesa=x"]
    subprocess.run(words, stdout=subprocess.DEVNULL, stderr=follower, check=False, env=surroundings, cwd=tmp_path)
    os.close(follower)
    shown = os.read(leader, 4096).decode()
    os.close(leader)
    assert "note    --rule mesa=x changes nothing:\r\n  no program here calls the rule\r\n" in shown


def test_a_pipe_that_is_named_as_the_file_of_rules_is_not_waited_for(root: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "needed.toml")
    assert run("build", "prog", "--root", root, "-n", cwd=tmp_path).returncode == 0


def test_a_rules_file_of_this_folder_is_named_from_here(tmp_path: Path) -> None:
    (tmp_path / "own.pem").write_bytes(b"")
    for given in ("./own.pem", "system,./own.pem"):
        done = run("build", sys.executable, "-n", "--rule", f"mesa={given}", cwd=tmp_path)
        assert f"--rule mesa={given.replace('./', f'{tmp_path}/')} changes nothing" in done.stderr
