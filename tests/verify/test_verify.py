"""Images of this machine's own programs, run in the sandbox: what is verified, what is not, and what is said of it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from needed.errors import ImageError
from needed.image.build import Configuration, config_of
from needed.image.model import ImageConfig, parse_platform
from needed.pipeline import Plan, plan
from needed.proof import RootfsRoot
from needed.report.verify import render_verdict, verdict_object
from needed.root import DirectoryRoot, MemoryRoot, OverlayRoot, RootPath, Walker
from needed.rootfs import Rootfs
from needed.value import replace
from needed.verify.checks import STARTS, Check, HttpProbe, parse_http
from needed.verify.judge import Subject, Verdict, verify
from needed.verify.missing import Missing
from needed.verify.native import Native
from tests.loader.synthetic import Writer

NEEDED = Path(sys.executable).with_name("needed")
SOURCE = DirectoryRoot("/")
DF_1_PIE = 0x08000000
# Answers each path with the status that it names, once the file for it is there.
SERVER = """
import http.server
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(int(self.path.strip('/')))
        self.end_headers()
        self.wfile.write(b'hello from ' + self.path.encode())
http.server.HTTPServer(('127.0.0.1', 8080), Answer).serve_forever()
"""


@pytest.fixture(scope="session")
def bash() -> Plan:
    return plan(SOURCE, ["bash", "sleep", "ls"])


@pytest.fixture(scope="session")
def python() -> Plan:
    return plan(SOURCE, ["/usr/bin/python3"])


def subject(planned: Plan, *entrypoint: str, without: str = "", user: str = "65532:65532") -> Subject:
    """The image of `planned`, of which the file or link that ends in `without` is not there."""
    kept = {path: entry for path, entry in planned.rootfs.entries.items() if not without or not path.endswith(without)}
    assert bool(without) == (kept.keys() != planned.rootfs.entries.keys())
    return Subject(RootfsRoot(Rootfs(kept, planned.rootfs.reasons)), config(*entrypoint, user=user), SOURCE)


def config(*entrypoint: str, user: str = "65532:65532") -> ImageConfig:
    return config_of(parse_platform("linux/amd64"), Configuration(entrypoint, user=user), ())


def judged(of: Subject, *checks: Check, tmp_path: Path) -> Verdict:
    verdict = verify(of, checks, Native(str(tmp_path)))
    assert list(tmp_path.iterdir()) == []  # nothing of the tree is left
    return verdict


def lines(verdict: Verdict) -> list[str]:
    found = list(render_verdict(verdict, "IMAGE"))
    assert all(len(line) <= 80 for line in found)
    assert json.loads(json.dumps(verdict_object(verdict, "IMAGE")))["verdict"] == verdict.answer
    return found


def shell(script: str) -> tuple[str, ...]:
    return ("/usr/bin/bash", "-c", script)


def test_what_runs_and_ends_with_0_is_verified(bash: Plan, tmp_path: Path) -> None:
    verdict = judged(subject(bash, *shell("echo hello; echo oops >&2")),
                     Check(stdout_contains=("hello",), stderr_contains=("oops",)), tmp_path=tmp_path)  # fmt: skip
    assert (verdict.answer, verdict.exit_code) == ("verified", 0)
    assert lines(verdict)[-1] == "verified: IMAGE"


def test_another_status_than_the_expected_is_a_failure_with_the_last_lines(bash: Plan, tmp_path: Path) -> None:
    verdict = judged(subject(bash, *shell("echo first; echo why >&2; exit 3")), Check(), tmp_path=tmp_path)
    assert (verdict.answer, verdict.exit_code) == ("failed", 11)
    said = lines(verdict)
    assert any(line.startswith("FAIL   exit 0  ended with 3 after ") for line in said)
    assert "       | why" in said
    assert judged(subject(bash, *shell("exit 3")), Check(exit=3), tmp_path=tmp_path).answer == "verified"


def test_what_is_not_printed_is_a_failure(bash: Plan, tmp_path: Path) -> None:
    verdict = judged(subject(bash, *shell("echo hello")), Check(stdout_contains=("goodbye",)), tmp_path=tmp_path)
    assert verdict.answer == "failed"
    assert "FAIL   stdout goodbye  is not printed" in lines(verdict)


def test_a_library_that_is_missing_is_named_with_the_flag_before_anything_is_run(bash: Plan, tmp_path: Path) -> None:
    library = next(path for path in bash.rootfs.entries if path.rpartition("/")[2].startswith("libtinfo.so.6"))
    verdict = judged(subject(bash, *shell("true"), without=library), Check(), tmp_path=tmp_path)
    assert (verdict.answer, verdict.runs) == ("failed", ())
    (missing,) = verdict.missing
    assert (missing.kind, missing.name) == ("library", "libtinfo.so.6")
    assert missing.flag.startswith("--with /")
    assert f"hint: build it with {missing.flag}" in lines(verdict)


def test_a_library_that_is_opened_at_run_time_is_named_with_the_flag(python: Plan, tmp_path: Path) -> None:
    of = subject(python, "/usr/bin/python3", "-c", "import ctypes; ctypes.CDLL('libpcre2-8.so.0')")
    verdict = judged(of, Check(), tmp_path=tmp_path)
    (missing,) = verdict.runs[0].missing
    assert (verdict.answer, missing.name) == ("failed", "libpcre2-8.so.0")
    assert missing.flag.endswith("/libpcre2-8.so.0")


def test_a_command_that_the_image_lacks_is_named_with_the_flag(bash: Plan, tmp_path: Path) -> None:
    verdict = judged(subject(bash, *shell("tar --version")), Check(), tmp_path=tmp_path)
    assert verdict.runs[0].missing == (Missing("command", "tar", "/usr/bin/tar", "--with tar"),)


def test_a_file_that_the_image_lacks_is_named_with_the_flag(bash: Plan, tmp_path: Path) -> None:
    verdict = judged(subject(bash, *shell("ls /etc/login.defs")), Check(), tmp_path=tmp_path)
    assert verdict.runs[0].missing == (
        Missing("file", "/etc/login.defs", "/etc/login.defs", "--add /etc/login.defs"),
    )


def test_a_program_that_never_ends_is_a_failure_of_what_must_end(bash: Plan, tmp_path: Path) -> None:
    verdict = judged(subject(bash, *shell("while :; do :; done")), Check(seconds=1), tmp_path=tmp_path)
    assert verdict.answer == "failed"
    assert "did not end within" in lines(verdict)[1]
    assert any("--stays-up 2" in line for line in lines(verdict))


def test_what_stays_up_is_verified_and_what_ends_before_is_not(bash: Plan, tmp_path: Path) -> None:
    stays = Check(exit=None, stays_up=0.5)
    assert judged(subject(bash, "/usr/bin/sleep", "60"), stays, tmp_path=tmp_path).answer == "verified"
    verdict = judged(subject(bash, *shell("echo bye")), stays, tmp_path=tmp_path)
    assert verdict.answer == "failed"
    assert any(line.startswith("FAIL   stays up 0.5 s  ended with 0 after ") for line in lines(verdict))
    assert any("foreground" in line for line in lines(verdict))


def test_of_an_image_of_which_nothing_is_said_it_must_start(bash: Plan, tmp_path: Path) -> None:
    for script, answer in (("true", "verified"), ("sleep 60", "verified"), ("exit 1", "failed")):
        assert judged(subject(bash, *shell(script)), STARTS, tmp_path=tmp_path).answer == answer


def test_the_same_command_on_the_source_root_says_the_same(bash: Plan, tmp_path: Path) -> None:
    same = Check(exit=None, same_as_host=True)
    assert judged(subject(bash, *shell("echo $((6 * 7)); exit 4")), same, tmp_path=tmp_path).answer == "verified"
    verdict = judged(subject(bash, *shell("echo one; echo /usr/bin/t*")), same, tmp_path=tmp_path)
    assert verdict.answer == "failed"
    assert any(line.startswith("FAIL   same as host  line 2 is '/usr/bin/t*', and there ") for line in lines(verdict))


def test_the_command_changes_nothing_of_the_source_root(bash: Plan, tmp_path: Path) -> None:
    places = ["/usr/written", str(Path.home() / "written"), "/dev/shm/written", "/tmp/written"]
    of = subject(bash, *shell(f"for place in {' '.join(places)}; do echo x > $place; done; true"))
    judged(of, Check(exit=None, same_as_host=True), tmp_path=tmp_path)
    assert [place for place in places if os.path.exists(place)] == []


def served(python: Plan, *http: str, contains: tuple[str, ...] = (), tmp_path: Path) -> Verdict:
    check = Check(exit=None, http=tuple(map(parse_http, http)), http_contains=contains, seconds=20)
    return judged(subject(python, "/usr/bin/python3", "-c", SERVER), check, tmp_path=tmp_path)


def test_an_answer_over_http_is_looked_at(python: Plan, tmp_path: Path) -> None:
    verdict = served(python, "8080/200", "8080/404=404", contains=("hello from /",), tmp_path=tmp_path)
    assert verdict.answer == "verified"
    assert [answer.detail[:7] for answer in verdict.runs[0].answers] == ["200 in ", "404 in "]


def test_a_service_that_answers_500_is_a_failure_with_its_log(python: Plan, tmp_path: Path) -> None:
    verdict = served(python, "8080/500=200", tmp_path=tmp_path)
    assert verdict.answer == "failed"
    said = lines(verdict)
    assert "FAIL   http 8080/500  500, expected 200" in said
    assert any('"GET /500 HTTP/1.1" 500' in line for line in verdict.runs[0].tail)


def test_an_answer_without_the_text_is_a_failure(python: Plan, tmp_path: Path) -> None:
    verdict = served(python, "8080/200", contains=("goodbye",), tmp_path=tmp_path)
    assert "FAIL   http 8080/200  200, without 'goodbye'" in lines(verdict)


def test_a_port_that_is_open_is_seen_and_one_that_is_not_is_a_failure(python: Plan, tmp_path: Path) -> None:
    of = subject(python, "/usr/bin/python3", "-c", SERVER)
    assert judged(of, Check(exit=None, tcp=(8080,)), tmp_path=tmp_path).answer == "verified"
    verdict = judged(of, Check(exit=None, tcp=(8080, 9), seconds=5), tmp_path=tmp_path)
    assert [answer.passed for answer in verdict.runs[0].answers] == [True, False]
    assert "nobody listens there" in verdict.runs[0].answers[1].detail


def test_a_service_that_ends_before_it_answers_is_a_failure(bash: Plan, tmp_path: Path) -> None:
    verdict = judged(subject(bash, *shell("echo no configuration >&2; exit 1")),
                     Check(exit=None, http=(HttpProbe(80),)), tmp_path=tmp_path)  # fmt: skip
    assert verdict.answer == "failed"
    assert verdict.runs[0].tail == ("no configuration",)
    assert any(line.startswith("FAIL   http 80/  nobody listens there; ended with 1") for line in lines(verdict))


def test_each_check_has_a_tree_of_its_own(bash: Plan, tmp_path: Path) -> None:
    of = subject(bash, *shell("ls /left && exit 1; echo > /left"), user="0:0")
    assert judged(of, Check(), Check(), tmp_path=tmp_path).answer == "verified"


def test_strange_output_is_shown_without_what_a_terminal_obeys(bash: Plan, tmp_path: Path) -> None:
    verdict = judged(subject(bash, *shell(r"printf '\033[2J\xff\0 x\n'; exit 1")), Check(), tmp_path=tmp_path)
    assert all(line.isprintable() for line in lines(verdict))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("images")
    command(folder, "build", "-q", "bash", "-o", "oci:bash", status=0)
    yield folder


def command(folder: Path, *words: str, status: int, wrapper: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*wrapper, str(NEEDED), *words], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_the_command_verifies_what_stands_behind_the_dashes(folder: Path) -> None:
    done = command(folder, "verify", "oci:bash", "--stdout-contains=--no", "--", "-c", "echo --no", status=0)
    assert done.stdout.splitlines()[-1] == "verified: oci:bash"
    command(folder, "verify", "oci:bash", "--exit", "3", "--", "-c", "exit 3", status=0)
    command(folder, "verify", "oci:bash", "--", "-c", "exit 3", status=11)


# A user who is root of a name space that may hold no further one: as where the kernel forbids them.
NO_NAME_SPACES = ("unshare", "-Ur", "sh", "-c", 'echo 0 > /proc/sys/user/max_user_namespaces; exec "$@"', "sh")


def test_a_pipe_that_is_named_as_the_file_of_checks_is_not_waited_for(folder: Path) -> None:
    place = folder / "elsewhere"
    place.mkdir()
    os.mkfifo(place / "needed.toml")
    done = command(place, "verify", f"oci:{folder}/bash", status=0)
    assert done.stdout.splitlines()[-1].startswith("verified:")


def test_without_name_spaces_nothing_is_verified(folder: Path) -> None:
    here = ("verify", "oci:bash", "--sandbox", "unshare")
    done = command(folder, *here, "--", "-c", "true", status=10, wrapper=NO_NAME_SPACES)
    assert "not verified: oci:bash: no sandbox" in done.stdout
    assert "ok     exit" not in done.stdout
    found = json.loads(
        command(folder, *here, "--json", "--", "-c", "true", status=10, wrapper=NO_NAME_SPACES).stdout
    )
    assert (found["verdict"], found["exit_code"], found["checks"]) == ("not verified", 10, [])


def test_a_program_for_another_machine_is_not_verified_where_nothing_runs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")  # where a qemu-user would be
    program = bytearray(Writer(flags_1=DF_1_PIE, starts=True).finish())
    program[18:20] = (258).to_bytes(2, "little")  # e_machine: LoongArch
    root = MemoryRoot({"/bin/app": bytes(program)})
    verdict = judged(Subject(root, config("/bin/app")), Check(), tmp_path=tmp_path)
    assert (verdict.answer, verdict.proofs[0].machine) == ("not verified", "loongarch64")
    assert "nothing here can run the image" in lines(verdict)[-1]
    assert any("loongarch64" in line for line in lines(verdict))


def test_a_program_that_another_one_cannot_start_is_the_images_own_fault(bash: Plan, tmp_path: Path) -> None:
    broken = MemoryRoot({"/x": b"\x7fELF\2\1\1" + bytes(100)})
    found = Walker(broken).find("/x")
    assert found is not None
    of = subject(bash, *shell("/x"))
    of = Subject(OverlayRoot(of.root, {RootPath("/x"): (broken, found)}), of.config)
    verdict = judged(of, Check(), tmp_path=tmp_path)
    assert (verdict.answer, "Exec format error" in verdict.runs[0].tail[-1]) == ("failed", True)


def test_a_folder_of_the_sandbox_that_is_a_link_in_the_image_is_refused(tmp_path: Path) -> None:
    root = MemoryRoot({"/bin/app": Writer(flags_1=DF_1_PIE, starts=True).finish(), "/dev": "/etc"})
    with pytest.raises(ImageError, match="/dev of the image is a symlink"):
        verify(Subject(root, config("/bin/app")), [Check()], Native(str(tmp_path)))
    assert list(tmp_path.iterdir()) == []


def test_what_the_files_show_to_be_broken_has_failed_even_where_nothing_can_be_run(folder: Path) -> None:
    command(folder, "build", "-q", "--empty", "--entrypoint", "/bin/app", "-o", "oci:empty", status=0)
    done = command(folder, "verify", "oci:empty", status=11, wrapper=NO_NAME_SPACES)
    assert "the image has no /bin/app" in done.stdout


def test_the_checks_of_the_configuration_are_made_where_none_is_named(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "needed.toml").write_text(
        '[[check]]\nname = "one"\nargs = ["-c", "exit 1"]\nexit = 1\n'
        '[[check]]\nname = "two"\nargs = ["-c", "echo $GREETING"]\nenv = ["GREETING=hi"]\nstdout_contains = ["hi"]\n'
    )
    image = f"oci:{folder}/bash"
    done = command(tmp_path, "verify", image, "--json", status=0)
    assert [(check["name"], check["passed"]) for check in json.loads(done.stdout)["checks"]] == [
        ("one", True), ("two", True),
    ]  # fmt: skip
    assert "check  one" not in command(tmp_path, "verify", image, "--", "-c", "true", status=0).stdout
    both = command(tmp_path, "verify", image, "--checks", "needed.toml", "--exit", "2", "--", "-c", "exit 2", status=0)
    assert "check  one" in both.stdout
    assert "ok     exit 2" in both.stdout


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--exit", "x"], "--exit x: expected a status"),
        (["--http", "x"], "--http x: x: expected a port"),
        (["--exit", "0", "--tcp", "80"], "has no exit status of its own"),
        (["--env", "x"], "--env x: expected NAME=VALUE"),
        (["--user", "nobody-here"], "the image has no user nobody-here"),
        (["--network", "bridge"], "--network bridge: expected none or host"),
        (["--capabilities", "all"], "--capabilities all: expected none or root"),
        (["--checks", "nowhere.toml"], "nowhere.toml: cannot be read"),
    ],
)
def test_a_command_line_that_is_wrong_is_a_sentence(folder: Path, words: list[str], sentence: str) -> None:
    assert sentence in command(folder, "verify", "oci:bash", *words, status=2).stderr


def test_the_root_that_holds_the_sandboxes_is_no_image(folder: Path) -> None:
    assert "/ holds " in command(folder, "verify", "/", "--", "/usr/bin/true", status=2).stderr


def test_a_symbol_that_nothing_defines_ends_the_start_or_is_noted(tmp_path: Path) -> None:
    (tmp_path / "call.c").write_text("extern int absent(void);\nint call(int n) { return n > 1 ? absent() : 0; }\n")
    (tmp_path / "main.c").write_text("extern int call(int);\nint main(int n, char **v) { return call(n); }\n")
    for name in ("now", "lazy"):
        shared = ("-shared", "-fPIC", f"-Wl,-z,{name}", "-o", f"lib{name}.so", "call.c")
        linked = ("main.c", "-o", name, "-L.", f"-l:lib{name}.so", "-Wl,-z,lazy,--allow-shlib-undefined,-rpath,$ORIGIN")
        for words in (shared, linked):
            subprocess.run(["gcc", *words], cwd=tmp_path, check=True, timeout=60)
        command(tmp_path, "build", "-q", f"./{name}", "-o", f"oci:image-{name}", status=0)
    done = command(tmp_path, "verify", "oci:image-now", status=11)
    assert "uses absent, which no library" in " ".join(done.stdout.split())
    done = command(tmp_path, "verify", "oci:image-lazy", status=0)
    assert "may call absent, which no library" in " ".join(done.stdout.split())
    done = command(tmp_path, "verify", "oci:image-lazy", "--", "x", status=11)
    assert "missing symbol absent" in done.stdout


def test_build_writes_nothing_unless_it_was_verified(tmp_path: Path) -> None:
    done = command(tmp_path, "build", "bash", "--verify-args", "-c 'tar --version'", "-o", "oci:x", status=11)
    assert "build it with --with tar" in done.stderr
    command(tmp_path, "build", "bash", "--verify", "-o", "oci:x", status=10, wrapper=NO_NAME_SPACES)
    assert list(tmp_path.iterdir()) == []
    words = ("build", "bash", "--with", "tar", "--verify-args", "-c 'tar --version'", "-o", "oci:x")
    assert "verified: what was built" in command(tmp_path, *words, status=0).stderr
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_build_tells_the_verdict_in_its_object(tmp_path: Path) -> None:
    words = ("build", "bash", "--json", "--verify-args", "-c 'exit 0'", "-o", "oci:x")
    verdict = json.loads(command(tmp_path, *words, status=0).stdout)["verdict"]
    assert (verdict["verdict"], verdict["checks"][0]["passed"]) == ("verified", True)
    assert "verdict" not in json.loads(command(tmp_path, "build", "bash", "--json", "-o", "oci:y", status=0).stdout)


def test_a_check_has_this_machines_network_where_it_says_so(bash: Plan, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        check = Check(args=("-c", f": < /dev/tcp/127.0.0.1/{server.getsockname()[1]}"))
        assert judged(subject(bash, "bash"), check, tmp_path=tmp_path).answer == "failed"
        assert judged(subject(bash, "bash"), replace(check, network="host"), tmp_path=tmp_path).answer == "verified"


def test_the_network_that_is_named_is_that_of_the_checks_in_the_configuration(tmp_path: Path) -> None:
    command(tmp_path, "build", "-q", "bash", "-o", "oci:bash", status=0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        words = f'["-c", ": < /dev/tcp/127.0.0.1/{server.getsockname()[1]}"]'
        (tmp_path / "needed.toml").write_text(f"[[check]]\nargs = {words}\n")
        command(tmp_path, "verify", "oci:bash", status=11)
        command(tmp_path, "verify", "oci:bash", "--network", "host", status=0)


def test_root_that_may_not_become_another_user_is_not_verified(bash: Plan, tmp_path: Path) -> None:
    fails = ("-c", "echo 'chown(/var/lib/x) failed (22: Invalid argument)' >&2; exit 1")
    verdict = judged(subject(bash, "bash", user="0:0"), Check(args=fails), tmp_path=tmp_path)
    assert (verdict.answer, verdict.exit_code) == ("not verified", 10)
    assert "--capabilities root" in " ".join(verdict.hints)
    assert judged(subject(bash, "bash"), Check(args=fails), tmp_path=tmp_path).answer == "failed"


def test_what_is_no_folder_may_be_an_image(tmp_path: Path) -> None:
    assert "docker-archive:none.tar" in command(tmp_path, "run", "none.tar", status=7).stderr
    assert "oci:DIR" in command(tmp_path, "verify", "none", status=7).stderr


def test_build_makes_the_checks_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "needed.toml").write_text('[[check]]\nargs = ["-c", "exit 2"]\n')
    command(tmp_path, "build", "bash", "--verify", "-o", "oci:x", status=11)
    assert [path.name for path in tmp_path.iterdir()] == ["needed.toml"]


def test_nothing_is_left_when_it_is_terminated(folder: Path, tmp_path: Path) -> None:
    started = subprocess.Popen(
        [str(NEEDED), "verify", "oci:bash", "--", "-c", "while :; do :; done"],
        cwd=folder, env={**os.environ, "TMPDIR": str(tmp_path)}, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    program = "needed-*/tree/usr/bin/bash"
    for _ in range(500):
        if any(tmp_path.glob(program)):
            break
        time.sleep(0.02)
    assert any(tmp_path.glob(program))
    time.sleep(0.5)  # it runs
    started.terminate()
    assert started.wait(60) == 143
    assert list(tmp_path.iterdir()) == []
