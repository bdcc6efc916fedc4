"""`needed run`: what a user sees of it, in our own sandbox, as root and as nobody, who must see the same."""

from __future__ import annotations

import os
import pty
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from needed.errors import OutputError, SandboxError, UsageError
from needed.root import MemoryRoot
from needed.verify.command import Command, find_user
from needed.verify.detached import check_name, free_name, state_folder
from needed.verify.foreign import by_qemu
from needed.verify.forward import Port, parse_ports
from tests.images import D, F, Layout, S, tar
from tests.verify.users import NEEDED, PATHS, command_of, popen

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def images() -> Iterator[Path]:
    """A folder that everybody may read: an image of a shell, one of Python."""
    folder = Path(tempfile.mkdtemp(prefix="run-tests-", dir="/tmp"))
    folder.chmod(0o755)
    for name, programs in (
        ("shell", ["bash", "cat", "chmod", "chown", "id", "ls", "setpriv", "sleep"]),
        ("python", [os.path.realpath("/usr/bin/python3")]),
    ):
        subprocess.run([*NEEDED, "build", *programs, "-q", "-o", f"oci:{folder / name}:x"], check=True)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def needed(user: int, place: Path) -> Run:
    """The command as this user: what came of it. It may take 30 seconds."""

    def call(*words: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
        with popen(user, place, *words, stdin=subprocess.PIPE) as process:
            stdout, stderr = process.communicate(stdin, timeout=30)
        assert "Traceback" not in stderr
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    return call


def processes_with(token: str) -> list[str]:
    """The numbers of all processes of this machine whose words hold `token`."""
    found = []
    for number in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = Path(f"/proc/{number}/cmdline").read_bytes()
        except OSError:
            continue
        if token.encode() in words and int(number) != os.getpid():
            found.append(number)
    return found


def bash(image: Path, script: str, *options: str) -> list[str | Path]:
    return ["run", *options, f"oci:{image / 'shell'}:x", "--", "bash", "-c", script]


def test_the_status_and_both_streams_are_the_programs(needed: Run, images: Path) -> None:
    done = needed(*bash(images, "echo out; echo err >&2; exit 3"))
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "err\n")


def test_standard_input_is_there_only_with_i(needed: Run, images: Path) -> None:
    assert needed(*bash(images, "cat", "-i"), stdin="typed").stdout == "typed"
    assert needed(*bash(images, "cat"), stdin="typed").stdout == ""


def test_what_engines_say_by_options_is_said_by_the_same(needed: Run, images: Path) -> None:
    options = ("-e", "A=1=2", "--user", "7:8", "-w", "/tmp")
    done = needed(*bash(images, "echo $A $UID $PWD $$ $HOSTNAME; echo /[a-z]*", *options))
    assert done.stdout.splitlines()[0] == "1=2 7 /tmp 1 needed"
    assert "/root" not in done.stdout


def test_a_program_that_is_not_there_is_127(needed: Run, images: Path) -> None:
    done = needed("run", "--entrypoint", "absent", f"oci:{images / 'shell'}:x")
    assert (done.returncode, done.stdout) == (127, "")
    assert done.stderr.startswith("absent: ")


def test_what_is_mounted_is_seen_and_written_unless_read_only(
    needed: Run, images: Path, place: Path, user: int
) -> None:
    (place / "shared").mkdir()
    os.chown(place / "shared", user, -1)
    mount = f"{place / 'shared'}:/deep/down"
    assert needed(*bash(images, "echo x > /deep/down/f", "-v", mount)).returncode == 0
    assert (place / "shared/f").read_text() == "x\n"
    assert needed(*bash(images, "cat /deep/down/f; echo y > /deep/down/f", "-v", f"{mount}:ro")).returncode == 1
    assert (place / "shared/f").read_text() == "x\n"


def test_a_place_to_mount_at_is_followed_inside_the_image(needed: Run, images: Path, place: Path) -> None:
    tree = place / "tree"
    needed("build", "bash", "cat", "-q", "-o", f"dir:{tree}")
    (tree / "link").symlink_to("/etc")
    done = needed("run", "-v", f"{__file__}:/link/shown:ro", tree, "--", "cat", "/etc/shown")
    assert (done.returncode, done.stdout) == (0, Path(__file__).read_text())
    assert not Path("/etc/shown").exists()


def test_the_image_is_as_before_and_nothing_is_left(needed: Run, images: Path) -> None:
    before = sorted(path.name for path in (images / "shell").rglob("*"))
    needed(*bash(images, "echo x > /tmp/new; echo x > /bin/new", "--user", "0"))
    assert sorted(path.name for path in (images / "shell").rglob("*")) == before


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_sandbox_whether_the_program_listens_or_not(
    number: int, status: int, user: int, place: Path, images: Path
) -> None:
    token = f"token-{os.urandom(6).hex()}"
    script = f"trap '' TERM INT; bash -c 'trap \"\" TERM; while :; do sleep 0.1; done' & echo up; wait; : {token}"
    with popen(user, place, *bash(images, script)) as process:
        assert process.stdout
        assert process.stdout.readline() == "up\n"
        process.send_signal(number)
        assert process.wait(20) == status
    assert processes_with(token) == []


def test_a_program_that_listens_may_say_its_last_words(user: int, place: Path, images: Path) -> None:
    script = "trap 'echo bye; exit 4' TERM; echo up; while :; do sleep 0.05; done"
    with popen(user, place, *bash(images, script)) as process:
        assert process.stdout
        assert process.stdout.readline() == "up\n"
        process.terminate()
        assert process.stdout.read() == "bye\n"
        assert process.wait(20) == 143


def test_n06_what_takes_too_much_is_ended_with_all_its_processes(needed: Run, images: Path) -> None:
    token = f"token-{os.urandom(6).hex()}"
    bomb = needed(
        *bash(images, f": {token}; b() {{ b | b & }}; b; while :; do :; done", "--time", "2", "--processes", "64")
    )
    assert bomb.returncode in (124, 137)
    assert processes_with(token) == []
    endless = needed(*bash(images, f": {token}; trap '' TERM; while :; do :; done", "--time", "0.5"))
    assert (endless.returncode, endless.stderr.count("--time")) == (124, 1)
    hog = needed(*bash(images, f": {token}; a=xxxxxxxx; while :; do a=$a$a; done", "--memory", "64M", "--time", "20"))
    assert (hog.returncode, hog.stderr.count("--memory")) == (137, 1)
    daemon = needed(*bash(images, f": {token}; (trap '' HUP; sleep 1000) <&- >&- 2>&- & exit 5"))
    assert daemon.returncode == 5
    assert processes_with(token) == []


def test_n01_links_in_place_of_mount_points_are_refused(needed: Run, images: Path, place: Path) -> None:
    victim = place / "victim"
    victim.mkdir()
    for name in ("dev", "proc", "sys", "etc"):
        made = Layout(images / f"{place.name}-{name}")
        text = made.index(made.image(tar(S(name, str(victim)), D("bin"), F("bin/x", "#!/bin/x\n", 0o755))))
        done = needed("run", text)
        assert (done.returncode, os.listdir(victim)) == (8, [])
        assert f"/{name} of the image is a symlink" in done.stderr


def test_n02_a_working_directory_is_looked_for_inside(needed: Run, images: Path, place: Path) -> None:
    (place / "x").mkdir()
    tree = place / "tree"
    needed("build", "bash", "ls", "-q", "-o", f"dir:{tree}")
    (tree / "link").symlink_to(place)
    done = needed("run", "-w", "/link/x", tree, "--", "ls")
    assert (done.returncode, done.stdout) == (127, "")


TYPES = """
import fcntl, os
for number in 0, 1, 2, os.open("/dev/tty", os.O_RDWR):
    fcntl.ioctl(number, 0x5412, b"!")
"""


def test_n04_nothing_is_typed_into_our_terminal(user: int, place: Path, images: Path) -> None:
    python = os.path.realpath("/usr/bin/python3")
    script = ["run", "-i", "--entrypoint", python, f"oci:{images / 'python'}:x", "--", "-c", TYPES]
    command = [*command_of(user), *script]
    child, terminal = pty.fork()
    if child == 0:
        try:
            os.dup2(os.open(place / "said", os.O_CREAT | os.O_WRONLY, 0o666), 2)
            if user != os.geteuid():
                os.setgroups([])
                os.setgid(user)
                os.setuid(user)
            os.environ |= {"TMPDIR": str(place / "tmp"), "PYTHONPATH": PATHS}
            os.execv(command[0], command)
        finally:
            os._exit(99)
    shown = b""
    while True:
        try:
            piece = os.read(terminal, 4096)
        except OSError:
            break
        if not piece:
            break
        shown += piece
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    assert (os.waitstatus_to_exitcode(status), shown) == (1, b"")
    assert "Error: [Errno" in (place / "said").read_text()


def test_n08_there_is_no_capability_and_none_to_be_had(needed: Run, images: Path) -> None:
    done = needed(*bash(images, "cat /proc/self/status", "--user", "0"))
    found = dict(line.split(":\t") for line in done.stdout.splitlines() if ":\t" in line)
    assert {found[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert found["NoNewPrivs"] == "1"


@pytest.mark.parametrize("capabilities", ["none", "root"])
def test_nothing_of_the_kernel_can_be_changed_though_we_are_root(
    needed: Run, images: Path, capabilities: str
) -> None:
    for name in ("sys/kernel/core_pattern", "sys/kernel/pid_max"):
        done = needed(*bash(images, f": >> /proc/{name}", "--user", "0", "--capabilities", capabilities))
        assert done.returncode == 1
        assert "Read-only file system" in done.stderr or "Permission denied" in done.stderr


def test_root_of_an_image_becomes_another_user_only_where_it_is_asked_for(
    user: int, needed: Run, images: Path
) -> None:
    """Whoever is not root has no other user to give; in what he asks for nothing else changes."""
    script = "chown 7:8 /tmp && ls -nd /tmp && setpriv --reuid 7 --regid 8 --clear-groups id -u"
    assert needed(*bash(images, script, "--user", "0")).returncode != 0
    done = needed(*bash(images, script, "--user", "0", "--capabilities", "root"))
    assert (done.returncode == 0) == (user == 0)
    assert not done.stdout or " 7 8 " in done.stdout


@pytest.mark.parametrize("capabilities", ["none", "root"])
def test_no_device_of_the_machine_is_changed_though_it_is_written_to(
    needed: Run, images: Path, capabilities: str
) -> None:
    """Its own mode is what is asked for, so that a sandbox that lets it through harms nobody."""
    script = "echo x > /dev/null && ! chmod 666 /dev/null"
    done = needed(*bash(images, script, "--user", "0", "--capabilities", capabilities))
    assert (done.returncode, done.stdout) == (0, "")
    assert "Read-only file system" in done.stderr


def test_n10_of_a_huge_table_only_the_first_part_is_read() -> None:
    line = "\n".join(f"group{number}:x:{number}:" for number in range(1, 100_000))
    root = MemoryRoot({"/etc/group": line.encode()})
    assert find_user(root, "5:group7")[0] == (5, 7)
    with pytest.raises(UsageError, match="no group group99999"):
        find_user(root, "5:group99999")


def test_a_terminal_has_the_size_of_ours_and_ours_is_as_before(user: int, place: Path, images: Path) -> None:
    import fcntl
    import struct
    import termios

    outer, inner = os.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("4H", 33, 77, 0, 0))
    before = termios.tcgetattr(inner)
    words = bash(
        images,
        '[ -t 0 ] && [ -t 1 ] && read x && shopt -s checkwinsize && cat /dev/null && echo $LINES $COLUMNS "<$x>"',
        "-it",
    )
    with popen(user, place, *words, stdin=inner, stdout=inner, stderr=inner) as process:
        os.write(outer, b"typed\r")
        assert process.wait(20) == 0
    shown = os.read(outer, 65536)
    assert b"33 77 <typed>\r\n" in shown
    assert termios.tcgetattr(inner) == before
    os.close(outer)
    os.close(inner)


SERVER = """
import http.server, signal, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"answer")
signal.signal(signal.SIGTERM, lambda *_: (print("bye"), sys.exit(0)))
server = http.server.HTTPServer(("127.0.0.1", 8000), Answer)
print("up", flush=True); server.serve_forever()
"""


def free_port() -> int:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        found: int = taken.getsockname()[1]
        return found


def test_a_detached_server_is_listed_reached_read_and_stopped(needed: Run, images: Path) -> None:
    import urllib.request

    port = free_port()
    python = os.path.realpath("/usr/bin/python3")
    begun = needed(
        "run",
        "-d",
        "-p",
        f"{port}:8000",
        "--name",
        "web",
        "--entrypoint",
        python,
        f"oci:{images / 'python'}:x",
        "--",
        "-c",
        SERVER,
    )
    assert (begun.returncode, begun.stdout) == (0, "web\n")
    try:
        deadline = time.monotonic() + 20
        while "up" not in needed("logs", "web").stdout:
            assert time.monotonic() < deadline
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
            assert answer.read() == b"answer"
        assert "running" in needed("ps").stdout
        again = needed("run", "-d", "--name", "web", f"oci:{images / 'shell'}:x", "--", "bash")
        assert (again.returncode, "needed stop web" in again.stderr) == (2, True)
    finally:
        stopped = needed("stop", "web")
    assert (stopped.returncode, stopped.stdout) == (0, "web\n")
    assert needed("logs", "-f", "web").stdout.endswith("bye\n")
    assert "web" not in needed("ps").stdout
    assert "ended (143)" in needed("ps", "--all").stdout


def test_what_cannot_be_started_detached_is_said_at_once(needed: Run, images: Path) -> None:
    done = needed("run", "-d", "-v", "/nowhere:/x", f"oci:{images / 'shell'}:x", "--", "bash")
    assert (done.returncode, "/nowhere" in done.stderr) == (2, True)
    assert needed("logs", "absent").returncode == 2


def test_a_tree_of_a_killed_run_goes_with_the_next_one(user: int, place: Path, images: Path, needed: Run) -> None:
    with popen(user, place, *bash(images, "echo up; while :; do sleep 1; done", "--no-cache")) as process:
        assert process.stdout
        process.stdout.readline()
        process.kill()
    left = os.listdir(place / "tmp")
    assert len(left) == 1
    needed(*bash(images, ":", "--no-cache"))
    assert os.listdir(place / "tmp") == left, "it may be somebody's of this moment"
    deadline = time.monotonic() + 20
    os.utime(place / "tmp" / left[0], (0, 0))
    while os.listdir(place / "tmp"):  # the kernel may still be ending what ran in it
        assert time.monotonic() < deadline
        needed(*bash(images, ":", "--no-cache"))


def test_a_state_folder_of_somebody_else_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "needed").mkdir(mode=0o755)
    (tmp_path / "needed").chmod(0o755)
    with pytest.raises(OutputError, match="not a folder of ours alone"):
        state_folder(str(tmp_path))


def test_names_are_like_the_images_and_nothing_else(tmp_path: Path) -> None:
    assert free_name(str(tmp_path), "", "oci:images/web:1.2").startswith("1.2-")
    assert free_name(str(tmp_path), "", "./web/").startswith("web-")
    for name in ("", "..", ".a", "a/b", "-a", "a b", "a" * 65):
        with pytest.raises(UsageError):
            check_name(name)


def test_ports_are_as_engines_have_them() -> None:
    assert parse_ports(["80:8080", "0.0.0.0:81:82/tcp"]) == (Port("127.0.0.1", 80, 8080), Port("0.0.0.0", 81, 82))
    for text in ("80", ":80", "80:", "a:b", "80:0", "99999:80"):
        with pytest.raises(UsageError):
            parse_ports([text])


def test_a_program_of_a_machine_that_nothing_here_runs_is_not_verified() -> None:
    strange = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\0" + (999).to_bytes(2, "little") + bytes(44)
    root = MemoryRoot({"/bin/x": strange, "/bin/s": b"#!/bin/x -a\n"})
    for program in ("/bin/x", "s"):
        with pytest.raises(SandboxError, match="not verified: for machine 999"):
            by_qemu(root, Command((program,)))


def test_no_sandbox_of_another_name(needed: Run, images: Path) -> None:
    done = needed("run", "--sandbox", "chroot", f"oci:{images / 'shell'}:x", "--", "bash")
    assert (done.returncode, "no sandbox chroot" in done.stderr) == (2, True)
