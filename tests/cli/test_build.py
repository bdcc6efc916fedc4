"""`needed build` and `needed ldd` as a user types them: what they print, write and answer."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from needed.cli import main
from needed.image import ahead
from needed.image.ahead import Ahead
from tests.loader.synthetic import shared_object

if TYPE_CHECKING:
    from collections.abc import Iterable

    from needed.root import Found, Root

NEEDED = Path(sys.executable).with_name("needed")


def run(*words: str, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    surroundings = {key: text for key, text in os.environ.items() if key not in ("DOCKER_HOST", "SOURCE_DATE_EPOCH")}
    return subprocess.run(
        [str(NEEDED), *words], capture_output=True, text=True, check=False, cwd=cwd, env=surroundings | env
    )


def config_of(layout: Path) -> dict[str, object]:
    index = json.loads((layout / "index.json").read_text())
    manifest = json.loads(blob(layout, index["manifests"][0]["digest"]))
    found: dict[str, object] = json.loads(blob(layout, manifest["config"]["digest"]))
    return found


def blob(layout: Path, digest: str) -> bytes:
    return (layout / "blobs/sha256" / digest.removeprefix("sha256:")).read_bytes()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small root with a merged /usr, a program, a library behind a link, and a loader."""
    top = tmp_path / "root"
    for folder in ("usr/bin", "usr/lib", "usr/lib64", "etc"):
        (top / folder).mkdir(parents=True)
    for name in ("bin", "lib", "lib64"):
        (top / name).symlink_to(f"usr/{name}")
    files = {
        "usr/bin/prog": shared_object(needed=("liba.so.1",), interpreter="/lib64/ld-linux-x86-64.so.2"),
        "usr/bin/other": shared_object(interpreter="/lib64/ld-linux-x86-64.so.2"),
        "usr/bin/broken": shared_object(needed=("libno.so.1",), interpreter="/lib64/ld-linux-x86-64.so.2"),
        "usr/lib/liba.so.1.2": shared_object(soname="liba.so.1"),
        "usr/lib64/ld-linux-x86-64.so.2": shared_object(soname="ld-linux-x86-64.so.2"),
    }
    arm = bytearray(files["usr/bin/other"])
    arm[18] = 183
    for name, content in (files | {"usr/bin/arm": bytes(arm)}).items():
        (top / name).write_bytes(content)
        (top / name).chmod(0o755)
    (top / "usr/lib/liba.so.1").symlink_to("liba.so.1.2")
    return top


def test_the_tree_has_the_files_and_every_link_crossed_at_its_own_path(root: Path, tmp_path: Path) -> None:
    done = run("build", "/bin/prog", "--root", str(root), "-o", f"tar:{tmp_path}/t.tar", "-q")
    assert done.returncode == 0, done.stderr
    with tarfile.open(tmp_path / "t.tar") as tar:
        found = {item.name: item.linkname or item.type for item in tar}
    assert found == {
        "bin": "usr/bin",
        "lib": "usr/lib",
        "lib64": "usr/lib64",
        "usr": tarfile.DIRTYPE,
        "usr/bin": tarfile.DIRTYPE,
        "usr/bin/prog": tarfile.REGTYPE,
        "usr/lib": tarfile.DIRTYPE,
        "usr/lib/liba.so.1": "liba.so.1.2",
        "usr/lib/liba.so.1.2": tarfile.REGTYPE,
        "usr/lib64": tarfile.DIRTYPE,
        "usr/lib64/ld-linux-x86-64.so.2": tarfile.REGTYPE,
    }


def test_one_program_is_the_entrypoint(root: Path, tmp_path: Path) -> None:
    done = run("build", "/bin/prog", "--root", str(root), "-o", f"oci:{tmp_path}/lay")
    assert done.returncode == 0, done.stderr
    config = config_of(tmp_path / "lay")
    assert config["config"] == {"Entrypoint": ["/bin/prog"], "User": "65532:65532"}
    assert (config["os"], config["architecture"]) == ("linux", "amd64")


def test_of_several_the_first_is_the_command_and_path_names_their_folders(root: Path, tmp_path: Path) -> None:
    run("build", "/bin/prog", "/usr/bin/other", "--root", str(root), "-o", f"oci:{tmp_path}/lay")
    assert config_of(tmp_path / "lay")["config"] == {
        "Cmd": ["/bin/prog"],
        "Env": ["PATH=/bin:/usr/bin"],
        "User": "65532:65532",
    }


def test_dockers_words_reach_the_config(root: Path, tmp_path: Path) -> None:
    words = ["--entrypoint", '["/bin/prog", "-x"]', "--cmd", "a 'b c'", "--env", "A=1", "--workdir", "/w"]
    words += ["--user", "7", "--expose", "80", "--label", "k=v", "--volume", "/v", "--stop-signal", "SIGINT"]
    done = run("build", "prog", "--root", str(root), "-o", f"oci:{tmp_path}/lay", *words)
    assert done.returncode == 0, done.stderr
    assert config_of(tmp_path / "lay")["config"] == {
        "Entrypoint": ["/bin/prog", "-x"],
        "Cmd": ["a", "b c"],
        "Env": ["A=1"],
        "WorkingDir": "/w",
        "User": "7",
        "ExposedPorts": {"80/tcp": {}},
        "Labels": {"k": "v"},
        "Volumes": {"/v": {}},
        "StopSignal": "SIGINT",
    }


def test_the_empty_image_has_no_file(tmp_path: Path) -> None:
    done = run("build", "--empty", "-t", "nothing", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["files"] == 0
    assert (tmp_path / "nothing.tar").exists()


def test_the_archive_is_named_after_the_first_program_and_its_digest_is_printed(root: Path, tmp_path: Path) -> None:
    done = run("build", "prog", "--root", str(root), cwd=tmp_path)
    assert done.stdout.startswith("prog@sha256:")
    assert (tmp_path / "prog.tar").exists()
    assert "files   3" in done.stderr
    assert run("build", "prog", "--root", str(root), "-q", cwd=tmp_path).stderr == ""


def test_the_same_input_gives_the_same_digest(root: Path, tmp_path: Path) -> None:
    first = run("build", "prog", "--root", str(root), cwd=tmp_path).stdout
    copy = tmp_path / "copy"
    shutil.copytree(root, copy, symlinks=True)
    other = run(
        "build", "prog", "--root", str(copy), cwd=tmp_path, LC_ALL="C", TZ="Asia/Tokyo", PYTHONHASHSEED="7", HOME="/x"
    )
    assert other.stdout == first
    assert run("build", "prog", "--root", str(root), cwd=tmp_path, SOURCE_DATE_EPOCH="9").stdout != first


@pytest.mark.parametrize("more", [(), ("--no-cache",)])
def test_large_files_are_begun_while_the_rest_is_worked_out(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]
) -> None:
    with (root / "usr/bin/prog").open("ab") as file:
        file.write(os.urandom(2 << 20))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    threads: list[int] = []
    real = Ahead.expect

    def expect(self: Ahead, where: Root, files: Iterable[Found]) -> None:
        real(self, where, files)
        threads.append(self._running)

    monkeypatch.setattr(Ahead, "expect", expect)
    for processors, layout in ((1, "alone"), (2, "ahead")):
        monkeypatch.setattr(ahead, "processors", lambda number=processors: number)
        words = ("/bin/prog", "--root", str(root), "-q", "-o", f"oci:{tmp_path}/{layout}")
        assert main(["build", *words, *(more if processors == 2 else ("--no-cache",))]) == 0
    assert threads == [0, 1]
    assert (tmp_path / "alone/index.json").read_bytes() == (tmp_path / "ahead/index.json").read_bytes()


def test_setuid_is_not_carried_along(root: Path, tmp_path: Path) -> None:
    (root / "usr/bin/prog").chmod(0o4711)
    run("build", "prog", "--root", str(root), "-o", f"tar:{tmp_path}/t.tar")
    with tarfile.open(tmp_path / "t.tar") as tar:
        assert tar.getmember("usr/bin/prog").mode == 0o755


def test_add_takes_files_and_folders_along(root: Path, tmp_path: Path) -> None:
    (root / "etc/app").mkdir()
    (root / "etc/app/conf").write_text("x")
    (root / "etc/app/conf").chmod(0o640)
    os.mkfifo(root / "etc/app/pipe")
    words = ["--add", "/etc/app", "--add", "/etc/app/conf:/bin/moved"]
    done = run("build", "prog", "--root", str(root), "-o", f"tar:{tmp_path}/t.tar", *words)
    assert done.returncode == 0, done.stderr
    with tarfile.open(tmp_path / "t.tar") as tar:
        assert tar.getmember("etc/app/conf").mode == 0o640
        assert tar.getmember("usr/bin/moved").isfile()
        assert "etc/app/pipe" not in tar.getnames()


def test_nothing_is_read_outside_the_root(root: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("canary")
    (root / "etc/escape").symlink_to(f"../../../../../..{tmp_path}/secret")
    (root / "etc/absolute").symlink_to(tmp_path / "secret")
    for name in ("escape", "absolute"):
        done = run("build", f"/etc/{name}", "--root", str(root), "-o", f"tar:{tmp_path}/t.tar")
        assert done.returncode == 2
        assert "no such file" in done.stderr
    assert not (tmp_path / "t.tar").exists()


def test_dry_run_shows_files_with_reasons_and_writes_nothing(root: Path, tmp_path: Path) -> None:
    done = run("build", "prog", "--root", str(root), "-n", cwd=tmp_path)
    assert "/usr/lib/liba.so.1.2  (needed by /usr/bin/prog)" in done.stdout
    assert "/lib64 -> usr/lib64  (symlink to /usr/lib64/ld-linux-x86-64.so.2)" in done.stdout
    assert list(tmp_path.iterdir()) == [root]


def test_a_script_brings_its_interpreter(root: Path, tmp_path: Path) -> None:
    (root / "usr/bin/script").write_text("#! /usr/bin/env prog\n")
    (root / "usr/bin/env").write_bytes((root / "usr/bin/other").read_bytes())
    for name in ("script", "env"):
        (root / "usr/bin" / name).chmod(0o755)
    done = run("build", "script", "--root", str(root), "-o", f"oci:{tmp_path}/lay", "--json")
    assert json.loads(done.stdout)["files"] == 5
    assert config_of(tmp_path / "lay")["config"] == {
        "Entrypoint": ["/usr/bin/script"],
        "Env": ["PATH=/usr/bin"],  # what env looks up
        "User": "65532:65532",
    }


@pytest.mark.parametrize(
    ("words", "status", "sentence", "hint"),
    [
        (["/nope"], 2, "/nope: no such file", "--root"),
        (["nope"], 2, "nope: no such program on the PATH of the root", "./nope"),
        (["/etc"], 2, "/etc: expected a program, found a directory", "--add /etc"),
        (["/etc/text"], 2, "neither an ELF file nor a script", "--add /etc/text"),
        (["/usr/bin/cut"], 2, "/usr/bin/cut: truncated", "damaged"),
        (["broken"], 3, "nowhere in the root: libno.so.1", "--root"),
        (["prog", "arm"], 4, "programs of different machines", "one image for each machine"),
        (["prog", "--platform", "linux/arm64"], 4, "linux/arm64 was asked for", "--platform"),
        (["prog", "-o", "tar:/nowhere/x/t.tar"], 5, "/nowhere/x", ""),
        (["prog", "-o", "docker-daemon:x:y"], 6, "absent.sock", "-o"),
        (["prog", "--load"], 6, "no container engine answers", "DOCKER_HOST"),
        (["prog", "--compression", "brotli"], 2, "is not a compression", "zstd"),
        (["prog", "-o", "somewhere"], 2, "does not say which kind", "oci:DIR"),
        (["prog", "-t", "UPPER"], 2, "UPPER", ""),
        (["prog", "--env", "A"], 2, "expected NAME=VALUE", "NAME=VALUE"),
        ([], 2, "no program was named", "needed build /bin/bash"),
    ],
)
def test_bad_input_gets_one_sentence_a_hint_and_its_exit_code(
    root: Path, tmp_path: Path, words: list[str], status: int, sentence: str, hint: str
) -> None:
    (root / "etc/text").write_text("just text\n")
    (root / "usr/bin/cut").write_bytes((root / "usr/bin/prog").read_bytes()[:100])
    done = run("build", *words, "--root", str(root), cwd=tmp_path, DOCKER_HOST=f"unix://{tmp_path}/absent.sock")
    assert done.returncode == status, done.stderr
    assert done.stderr.startswith("error: ")
    assert sentence in done.stderr
    assert hint in done.stderr
    assert "Traceback" not in done.stderr
    as_json = run("build", *words, "--root", str(root), "--json", cwd=tmp_path, DOCKER_HOST=f"unix://{tmp_path}/absent.sock")
    assert json.loads(as_json.stderr)["error"]["exit_code"] == status


def test_a_missing_library_says_where_it_was_searched_for_in_order(root: Path) -> None:
    done = run("build", "broken", "--root", str(root))
    places = [line.split(":")[0].strip() for line in done.stderr.splitlines() if "default directory" in line]
    assert places == [f"{folder}/libno.so.1" for folder in ("/lib64", "/usr/lib64", "/lib", "/usr/lib")]


def test_a_terminal_escape_in_a_name_is_shown_escaped(root: Path) -> None:
    done = run("build", "/bin/a\x1b[31m\nb", "--root", str(root))
    assert "\x1b" not in done.stderr
    assert "a\\x1b[31m\\nb" in done.stderr


def test_an_engine_that_hangs_up_is_an_engine_error(root: Path, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()
        server.settimeout(0.1)
        done = run("build", "prog", "--root", str(root), "--load", DOCKER_HOST=f"unix://{tmp_path}/s")
    assert done.returncode == 6
    assert "Traceback" not in done.stderr


def test_ldd_prints_what_ldd_prints_and_ends_as_it_does(root: Path) -> None:
    done = run("ldd", "/bin/prog", "--root", str(root))
    assert done.stdout == "\tliba.so.1 => /lib/liba.so.1\n\t/lib64/ld-linux-x86-64.so.2\n"
    assert done.returncode == 0
    assert run("ldd", "broken", "--root", str(root)).stdout.startswith("\tlibno.so.1 => not found\n")
    (root / "etc/text").write_text("just text\n")
    text = run("ldd", "/etc/text", "--root", str(root))
    assert (text.stdout, text.returncode) == ("\tnot a dynamic executable\n", 1)
    assert run("ldd", "/nope", "--root", str(root)).returncode == 1


def test_the_tree_shows_who_needs_what(root: Path) -> None:
    done = run("ldd", "--tree", "/bin/prog", "--root", str(root))
    assert done.stdout == "/bin/prog\n└── liba.so.1 => /lib/liba.so.1 [default directory]\n"


def test_version_and_help_are_there() -> None:
    assert run("--version").stdout.startswith("needed 0.")
    assert "build" in run("--help").stdout
    assert "needed" in run("completion", "bash").stdout


def test_bash_completes_the_names_of_rules(tmp_path: Path) -> None:
    script = tmp_path / "completion"
    script.write_text(run("completion", "bash").stdout)
    words = "COMP_WORDS=(needed build bash --no-rule name-s); COMP_CWORD=4"
    ask = f'. {script}; {words}; _shtab_needed; echo "${{COMPREPLY[@]}}"'
    assert subprocess.run(["bash", "-c", ask], capture_output=True, text=True, check=False).stdout == "name-service\n"


@pytest.mark.parametrize("rule", ["certificates", "shell-commands", "python"])
def test_what_is_said_of_a_rule_fits_into_80_columns(rule: str) -> None:
    shown = run("rules", rule, COLUMNS="80").stdout.splitlines()
    assert shown[0].startswith(f"{rule}: ")
    assert any(line.startswith("Costs: ") for line in shown)
    assert [line for line in shown if len(line) > 80] == []


@pytest.mark.parametrize("verb", ["build", "ldd", "check", "why", "scan", "inspect", "rules", "completion"])
def test_help_fits_into_80_columns(verb: str) -> None:
    shown = run(verb, "--help", COLUMNS="80").stdout
    assert [line for line in shown.splitlines() if len(line) > 80] == []


def test_the_reference_is_the_parsers() -> None:
    script = Path(__file__).parents[2] / "tools/reference.py"
    done = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_nobody_may_execute_is_refused(root: Path) -> None:
    (root / "usr/bin/other").chmod(0o644)
    done = run("build", "/bin/other", "--root", str(root), "-n")
    assert done.returncode == 2
    assert "chmod +x /bin/other" in done.stderr


def test_an_interpreter_of_another_machine_is_refused(root: Path) -> None:
    done = run("build", "arm", "--root", str(root), "-n")
    assert done.returncode == 4
    assert "its interpreter /lib64/ld-linux-x86-64.so.2 is for x86-64" in done.stderr


def test_a_folder_may_become_the_root_of_the_image(root: Path, tmp_path: Path) -> None:
    (root / "overlay/etc").mkdir(parents=True)
    (root / "overlay/etc/motd").write_text("hi")
    done = run("build", "--empty", "--root", str(root), "--add", "/overlay:/", "-o", f"tar:{tmp_path}/t.tar")
    assert done.returncode == 0, done.stderr
    with tarfile.open(tmp_path / "t.tar") as tar:
        assert tar.getnames() == ["etc", "etc/motd"]


def test_a_pipe_that_is_named_is_refused(root: Path) -> None:
    os.mkfifo(root / "pipe")
    assert run("build", "--empty", "--root", str(root), "--add", "/pipe", "-n").returncode == 2


def test_dots_behind_a_link_lead_where_the_kernel_goes(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/usr/lib")
    assert run("ldd", "link/../bin/env", cwd=tmp_path).returncode == 0
    assert run("build", "./link/../bin/env", "-n", cwd=tmp_path).returncode == 0


def test_a_closed_or_full_standard_output_is_no_traceback(root: Path) -> None:
    for words in (f"ldd /bin/prog --root {root}", f"build prog -n --root {root}", "--version"):
        command = f"exec {NEEDED} {words}"
        for redirection in (">&-", ">/dev/full"):
            done = subprocess.run(["sh", "-c", f"{command} {redirection}"], capture_output=True, text=True, check=False)
            assert "Traceback" not in done.stderr, (words, redirection)


def test_bytes_that_are_no_utf8_are_the_same_bytes_on_any_locale(root: Path, tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xc3\xa9")
    shutil.copy(root / "usr/bin/other", root / "usr/bin" / name)
    folder = tmp_path / os.fsdecode(b"d\xc3\xa9")
    folder.mkdir()
    digests = set()
    for env in ({"LC_ALL": "C.UTF-8"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}):
        done = run("build", f"/bin/{name}", "--root", str(root), "-t", "x", "-o", f"tar:{folder}/t", cwd=folder, **env)
        assert done.returncode == 0, done.stderr
        digests.add(done.stdout)
    assert len(digests) == 1


def test_a_wrong_option_is_a_sentence_with_a_hint() -> None:
    done = run("build", "--bogus", "--json", "x")
    assert done.returncode == 2
    assert json.loads(done.stderr)["error"]["kind"] == "usage"
