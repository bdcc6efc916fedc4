"""Real programs under `needed trace`: whatever way a file is asked for, it is in the trace, and nothing outlives it."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest
from tests.engines.conftest import NEEDED, Needed
from tests.engines.engines import Docker, run
from tests.engines.jobs import build

import needed as needed_package

Found = dict[str, dict[str, list[str]]]

HEAD = """
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
"""
OPENED = 'static int opens(const char *path) { int f = open(path, O_RDONLY); if (f >= 0) close(f); return f < 0; }\n'
# An open(2) of 32 bit in a program of 64, which has another number.
INT80 = """
#ifdef __x86_64__
char *low = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0); long got;
strcpy(low, "data"); asm volatile("int $0x80" : "=a"(got) : "a"(5), "b"(low), "c"(0), "d"(0) : "memory");
return got < 0;
#else
return opens("data");
#endif
"""
# Each writes nothing, and reads `data` in the folder that it is in, which is the working directory too.
PROGRAMS = {
    "dirfd": "int f = open(\".\", O_PATH | O_DIRECTORY); return chdir(\"/\") || openat(f, \"data\", O_RDONLY) < 0;",
    "chdir": "return chdir(\"/\") || chdir(words[1]) || opens(\"data\");",
    "daemon": "if (fork()) { sleep(1); return 0; } setsid(); if (fork()) return 0; return opens(\"data\");",
    "vfork": "if (!vfork()) { execl(\"/bin/cat\", \"cat\", \"data\", NULL); _exit(1); } wait(NULL); return 0;",
    "execveat": "char *no[] = {0}, *with[] = {\"cat\", \"data\", 0}; int f = open(\"/bin\", O_PATH);"
    "return syscall(SYS_execveat, f, \"cat\", with, no, 0);",
    "fexecve": "char *no[] = {0}, *with[] = {\"cat\", \"data\", 0}; int f = open(\"/bin/cat\", O_RDONLY);"
    "return fexecve(f, with, no);",
    "32 bit": INT80,
    "links": "return symlink(words[1], \"/tmp/to\") || opens(\"/tmp/to/data\");",
}
URING = (
    "errno = 0; long f = syscall(425, 8, calloc(1, 256)); printf(\"%ld %d\\n\", f, errno == ENOSYS);"
    "return opens(\"data\");"
)
UNTRACED = (
    "if (!syscall(SYS_clone, 0x00800000 | 17, 0, 0, 0, 0)) { _exit(opens(\"data\") && errno == ENOSYS ? 7 : 8); }"
    "int status; wait(&status); printf(\"%d\\n\", WEXITSTATUS(status)); return 0;"
)
PASSED = """
int pair[2]; socketpair(AF_UNIX, SOCK_DGRAM, 0, pair); char room[CMSG_SPACE(sizeof(int))] = {0}, byte = 1;
struct iovec part = {&byte, 1}; struct msghdr note = {0, 0, &part, 1, room, sizeof room, 0};
if (!fork()) {
    int f = open("data", O_RDONLY); struct cmsghdr *head = CMSG_FIRSTHDR(&note);
    head->cmsg_level = SOL_SOCKET; head->cmsg_type = SCM_RIGHTS; head->cmsg_len = CMSG_LEN(sizeof f);
    memcpy(CMSG_DATA(head), &f, sizeof f); return sendmsg(pair[0], &note, 0) < 0;
}
recvmsg(pair[1], &note, 0); int got; memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&note)), sizeof got);
char text[9]; return read(got, text, 4) != 4;
"""
NAMES = (
    "DIR *all = opendir(\"odd\"); struct dirent *one; int f = dirfd(all);"
    "while ((one = readdir(all))) if (one->d_name[0] != '.') if (openat(f, one->d_name, O_RDONLY) < 0) return 1;"
    "return 0;"
)
FLOOD = (
    "char name[64]; for (long i = 0; i < atol(words[2]); i++) {"
    "snprintf(name, sizeof name, \"/srv/none/%ld\", i % 1000); open(name, O_RDONLY); opens(\"data\"); } return 0;"
)
RACE = """
static char name[4096]; static volatile int stop;
static void *swap(void *folder) { while (!stop) { snprintf(name, 4096, "%s/data", (char *) folder);
    snprintf(name, 4096, "%s/other", (char *) folder); } return 0; }
"""


def compiled(folder: Path, name: str, body: str, before: str = "") -> Path:
    (folder / f"{name}.c").write_text(f"{HEAD}{OPENED}{before}int main(int count, char **words)\n{{\n{body}\n}}\n")
    run("gcc", "-w", "-pthread", "-o", folder / name, folder / f"{name}.c")
    return folder / name


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tmp_path.chmod(0o755)
    (tmp_path / "data").write_text("data")
    return tmp_path


def document(folder: Path) -> Found:
    found: Found = json.loads((folder / "it.trace").read_text())
    return found


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_file_is_in_the_trace_whatever_way_it_is_opened(needed: Needed, folder: Path, name: str) -> None:
    program = compiled(folder, name, PROGRAMS[name])
    needed("trace", "-o", "it.trace", "--", program, folder)
    assert f"{folder}/data" in document(folder)["opened"]


def test_what_is_executed_by_a_descriptor_has_its_name(needed: Needed, folder: Path) -> None:
    needed("trace", "-o", "it.trace", "--", compiled(folder, "execveat", PROGRAMS["execveat"]))
    found = document(folder)
    cat = os.path.realpath("/bin/cat")
    assert cat in found["executed"]
    assert found["opened"][f"{folder}/data"] == [cat]


def test_io_uring_is_denied_and_told(needed: Needed, folder: Path) -> None:
    done = needed("trace", "-o", "it.trace", "--", compiled(folder, "uring", URING))
    assert done.stdout == "-1 1\n"
    assert "io_uring, which no tracer sees, was asked for and denied" in document(folder)["untraced"]


def test_a_child_that_hides_from_tracers_opens_nothing_and_is_told(needed: Needed, folder: Path) -> None:
    done = needed("trace", "-o", "it.trace", "--", compiled(folder, "untraced", UNTRACED))
    found = document(folder)
    opened_in_secret = done.stdout != "7\n" and f"{folder}/data" not in found["opened"]
    assert not opened_in_secret
    assert "a process was started that no tracer may follow (CLONE_UNTRACED)" in found["untraced"]


def test_a_descriptor_that_is_passed_on_was_opened_by_somebody(needed: Needed, folder: Path) -> None:
    needed("trace", "-o", "it.trace", "--", compiled(folder, "passed", PASSED))
    assert f"{folder}/data" in document(folder)["opened"]


def test_names_are_bytes(needed: Needed, folder: Path) -> None:
    names = [b"a\nb", b'") = 3', b"\xff\xfe", b"x <unfinished ...>", b"\\x41"]
    (folder / "odd").mkdir()
    for name in names:
        (Path(os.fsdecode(bytes(folder / "odd") + b"/" + name))).write_text("x")
    needed("trace", "-o", "it.trace", "--", compiled(folder, "names", NAMES))
    opened = {path.encode("utf-8", "surrogateescape") for path in document(folder)["opened"]}
    assert {bytes(folder / "odd") + b"/" + name for name in names} <= opened


def test_what_the_kernel_opened_counts_and_not_what_the_argument_says_later(needed: Needed, folder: Path) -> None:
    (folder / "other").write_text("other")
    body = """
    pthread_t thread; struct stat is, data, other; stat("data", &data); stat("other", &other); int seen[2] = {0, 0};
    strcpy(name, "/"); pthread_create(&thread, 0, swap, words[1]);
    for (int i = 0; i < 500; i++) { int f = open(name, O_RDONLY); if (f < 0) continue; fstat(f, &is); close(f);
        seen[0] |= is.st_ino == data.st_ino; seen[1] |= is.st_ino == other.st_ino; }
    stop = 1; pthread_join(thread, 0); printf("%d %d\\n", seen[0], seen[1]); return 0;
    """
    done = needed("trace", "-o", "it.trace", "--", compiled(folder, "race", body, RACE), folder)
    found = document(folder)["opened"]
    for name, seen in zip(("data", "other"), done.stdout.split(), strict=True):
        assert (f"{folder}/{name}" in found) == (seen == "1")


def test_a_flood_of_calls_needs_little_memory(needed: Needed, folder: Path) -> None:
    program = compiled(folder, "flood", FLOOD)
    needed("trace", "-o", "it.trace", "--", program, folder, "100000")
    assert len([path for path in document(folder)["missed"] if path.startswith("/srv/none/")]) == 1000
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 500 << 10


def test_the_status_is_the_programs_and_the_trace_is_there(needed: Needed, folder: Path) -> None:
    done = needed("trace", "-o", "it.trace", "--", "sh", "-c", "cat data; exit 9", status=9)
    assert done.stdout == "data"
    assert "note: the program ended with status 9" in done.stderr
    assert f"{folder}/data" in document(folder)["opened"]
    assert json.loads((folder / "it.trace").read_text())["runs"] == [
        {"command": ["sh", "-c", "cat data; exit 9"], "status": 9}
    ]


def test_a_program_that_is_not_there_is_said_and_ends_as_in_a_shell(needed: Needed) -> None:
    done = needed("trace", "-o", "it.trace", "--", "nowhere-at-all", status=127)
    assert "nowhere-at-all: not found in the root, " in done.stderr


@pytest.mark.parametrize("words", [("./app.sh",), ("sh", "app.sh"), ("sh", "./app.sh")])
def test_in_a_home_the_program_and_the_files_that_it_is_given_are_there(folder: Path, words: tuple[str, ...]) -> None:
    (folder / "app.sh").write_text("#!/bin/sh\ncat secret || echo from home\n")
    (folder / "app.sh").chmod(0o755)
    (folder / "secret").write_text("secret")
    done = subprocess.run(
        [str(NEEDED), "trace", "-o", "it.trace", "--", *words], cwd=folder, capture_output=True, text=True,
        check=False, env={**os.environ, "HOME": str(folder)},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "from home\n"), done.stderr
    assert f"sees {folder} empty but for the files" in done.stderr
    assert f"{folder}/app.sh" in document(folder)["opened" if words[0] == "sh" else "executed"]


def test_nothing_of_the_root_is_written_and_homes_are_empty(needed: Needed, folder: Path) -> None:
    script = f"echo x > {folder}/new; echo x > /usr/new; echo x > /tmp/made; cat /tmp/made; ls -A ~root; ls -A /home"
    done = needed("trace", "-o", "it.trace", "--", "sh", "-c", script)
    assert done.stdout == "x\n"
    assert not any(Path(path).exists() for path in (folder / "new", "/usr/new", "/tmp/made"))
    assert "/tmp/made" not in document(folder)["opened"]


def test_a_folder_to_write_to_is_empty_and_dropped(needed: Needed, folder: Path) -> None:
    log = folder / "log"
    log.mkdir()
    (log / "old").write_text("old")
    script = f"ls -A {log}; echo new > {log}/new; cat {log}/new"
    assert needed("trace", "-o", "it.trace", "--scratch", log, "--", "sh", "-c", script).stdout == "new\n"
    assert os.listdir(log) == ["old"]


def test_there_is_no_network_unless_it_is_asked_for(needed: Needed) -> None:
    words = ("--", "cat", "/proc/net/dev")
    assert len(needed("trace", "-o", "it.trace", *words).stdout.splitlines()) == 3  # two of headings, and loopback
    there = needed("trace", "-o", "it.trace", "--network", "host", *words).stdout
    assert len(there.splitlines()) >= 3


def test_seconds_end_what_does_not_end_and_nothing_is_left(needed: Needed, folder: Path) -> None:
    marker = f"{folder}/data"
    words = ("sh", "-c", f"cat {marker}; sleep 3600 & wait")
    needed("trace", "-o", "it.trace", "--seconds", "1", "--", *words, status=143)
    assert marker in document(folder)["opened"]
    left = [name for name in os.listdir("/proc") if name.isdigit() and b"sleep\x003600" in _command_line(name)]
    assert left == []


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -9)])
def test_who_stops_the_trace_stops_the_program(folder: Path, number: int, status: int) -> None:
    words = [str(NEEDED), "trace", "-o", "it.trace", "--", "sh", "-c", "cat data; exec sleep 3599"]
    process = subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, process_group=0)
    with process:
        assert process.stdout is not None
        assert process.stdout.read(4) == b"data"
        os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
        assert process.stdout.read() == b""  # until the last who could write there has ended
    assert process.returncode == status
    assert (folder / "it.trace").exists() == (number != signal.SIGKILL)


def _command_line(number: str) -> bytes:
    try:
        return Path(f"/proc/{number}/cmdline").read_bytes()
    except OSError:
        return b""


def test_two_runs_of_one_program_give_the_same_bytes(needed: Needed, folder: Path) -> None:
    for name in ("one", "two"):
        needed("trace", "-o", f"{name}.trace", "--", "git", "init", "-q", "/tmp/repository")
    assert (folder / "one.trace").read_bytes() == (folder / "two.trace").read_bytes()


def test_a_trace_is_added_to_another(needed: Needed, folder: Path) -> None:
    needed("trace", "-o", "it.trace", "--", "cat", "data")
    needed("trace", "-o", "it.trace", "--append", "--", "cat", "/etc/passwd")
    assert {f"{folder}/data", "/etc/passwd"} <= document(folder)["opened"].keys()


def test_without_a_tracer_nothing_is_run_and_the_way_is_said(folder: Path) -> None:
    (folder / "none").mkdir()
    done = subprocess.run(
        [str(NEEDED), "trace", "--", "/bin/sh", "-c", "echo ran"],
        capture_output=True, text=True, env={"PATH": str(folder / "none")}, cwd=folder, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (10, "")
    assert "hint: apt-get install strace" in done.stderr


def test_a_build_starts_nothing_that_it_reads(folder: Path) -> None:
    """Only `trace` runs what it is given."""
    (folder / "calls").touch()
    subprocess.run(
        ["strace", "-f", "-qq", "-o", folder / "calls", "-e", "trace=execve,execveat", str(NEEDED), "build", "/bin/cat",
         "/bin/sh", "-o", f"dir:{folder}/tree"], check=True, capture_output=True,
    )  # fmt: skip
    assert len((folder / "calls").read_text().splitlines()) == 1


@pytest.mark.parametrize("name", [".env", ".netrc", "id_rsa", "server.pem"])
def test_a_secret_that_a_program_opened_is_in_no_image(needed: Needed, folder: Path, name: str) -> None:
    (folder / name).write_text("-----BEGIN PRIVATE KEY-----\nfake\n")
    needed("trace", "-o", "it.trace", "--", "cat", name, "data")
    done = needed("build", "cat", "--trace", "it.trace", "-o", "dir:tree", status=2)
    assert f"{folder}/{name}: " in done.stderr
    assert not (folder / "tree").exists()
    needed("build", "cat", "--trace", "it.trace", "-o", "dir:tree", "--allow-secret", f"{folder}/{name}")
    assert (folder / "tree" / f"{folder}/{name}".lstrip("/")).exists()


PLUGIN = '#include <zlib.h>\nconst char *say(void) { return zlibVersion(); }\n'
OPENS_PLUGIN = """
char name[4096]; snprintf(name, sizeof name, "%s/pl%s.so", words[1], "ug"); void *opened = dlopen(name, RTLD_NOW);
if (!opened) { puts(dlerror()); return 1; }
snprintf(name, sizeof name, "%s/%s", words[1], "data"); if (opens(name)) { puts("no data"); return 2; }
const char *(*say)(void) = dlsym(opened, "say"); puts(say()); return 0;
"""


def test_a_program_with_a_computed_plugin_runs_with_its_trace(docker: Docker, needed: Needed, folder: Path) -> None:
    (folder / "plug.c").write_text(PLUGIN)
    run("gcc", "-shared", "-fPIC", "-o", folder / "plug.so", folder / "plug.c", "-lz")
    program = compiled(folder, "opens", OPENS_PLUGIN)
    said = needed("trace", "-o", "it.trace", "--", program, folder).stdout
    without = build(docker, needed, "plugin-without", program)
    assert "cannot open shared object file" in without.work(folder, ok=False).stdout
    job = build(docker, needed, "plugin", program, "--trace", "it.trace")
    assert job.work(folder).stdout == said
    done = needed("why", folder / "plug.so", "--in", "docker-daemon:plugin:latest")
    assert f"traced {program}" in done.stdout


def test_a_script_with_a_computed_import_runs_with_its_trace(docker: Docker, needed: Needed, folder: Path) -> None:
    script = folder / "app.py"
    script.write_text('import sys\nprint(__import__("".join(["col", "orsys"])).rgb_to_hsv(1, 1, 1))\n')
    said = needed("trace", "-o", "it.trace", "--", "/usr/bin/python3", script).stdout
    job = build(docker, needed, "computed", "/usr/bin/python3", "--add", script, "--trace", "it.trace")
    assert job.work(script).stdout == said == "(0.0, 0.0, 1)\n"


def test_git_clones_with_its_trace(docker: Docker, needed: Needed, folder: Path) -> None:
    run("git", "init", "-q", "--bare", folder / "there.git")
    words = ("clone", "-q", f"file://{folder}/there.git")
    needed("trace", "-o", "it.trace", "--", "git", *words, "/tmp/here")
    job = build(docker, needed, "clone", "git", "--no-rule", "all", "--trace", "it.trace")
    job.work(*words, "/srv/here", options=("--tmpfs", "/srv", "--user", "0"))  # whose the repository is


def test_as_nobody_the_trace_is_the_same() -> None:
    """With Debian's Python, since whoever runs the tests may have one that nobody may read."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        shutil.copytree(Path(needed_package.__file__).parent, folder / "code" / "needed")
        (folder / "data").write_text("data")
        program = compiled(folder, "chdir", PROGRAMS["chdir"])
        for user in (0, 65534):
            mine = folder / str(user)
            mine.mkdir()
            os.chown(mine, user, user)
            done = subprocess.run(
                ["/usr/bin/python3", "-m", "needed", "trace", "-o", mine / "it.trace", "--", program, folder],
                user=user, group=user, extra_groups=[], cwd=folder, capture_output=True, text=True, check=False,
                env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "TMPDIR": str(mine),
                     "PYTHONPATH": str(folder / "code"), "PYTHONDONTWRITEBYTECODE": "1"},
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
        assert (folder / "0" / "it.trace").read_bytes() == (folder / "65534" / "it.trace").read_bytes()
