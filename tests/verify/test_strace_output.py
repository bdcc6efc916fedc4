"""What strace prints, line by line: names in hexadecimal, folders beside descriptors, calls that others interrupt."""

from __future__ import annotations

import io
from collections.abc import Mapping

import pytest

from needed.root import MemoryRoot
from needed.verify.host_tree import HostTree
from needed.verify.strace import settle
from needed.verify.strace_output import Asked, Reading
from needed.verify.trace import Run, Trace


def x(name: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in name.encode("utf-8", "surrogateescape"))


BEGIN = ('1 pivot_root("\\x2e", "\\x2e") = 0', f'1 execve("{x("/bin/app")}", ["{x("app")}"], 0x1 /* 2 vars */) = 0')


def read(*lines: str, begin: tuple[str, ...] = BEGIN) -> Reading:
    reading = Reading()
    reading.read(io.BytesIO("".join(f"{line}\n" for line in (*begin, *lines)).encode("ascii")))
    return reading


def asked(reading: Reading, kind: str) -> dict[str, list[str]]:
    """The paths of a kind with who asked."""
    return {item.path or item.real: list(by) for item, by in reading.found[kind].items()}


def opening(name: str, folder: str = "/", *, number: int = 1, result: str = "") -> str:
    return f'{number} openat(AT_FDCWD<{x(folder)}>, "{x(name)}", O_RDONLY) = {result or f"3<{x(name)}>"}'


VAIN = "-1 ENOENT (No such file or directory)"


def test_a_name_is_its_bytes_whatever_they_look_like() -> None:
    for name in ("/a\nb", '/") = 3</etc/shadow>', "/\udcff", "/<unfinished ...>", "/+++ exited"):
        assert asked(read(opening(name)), "opened") == {name: ["/bin/app"]}


def test_nothing_counts_before_the_sandbox_stands() -> None:
    reading = read(opening("/helper"), begin=())
    assert (reading.begun, asked(reading, "opened")) == (False, {})


def test_a_helper_that_hears_late_of_its_child_changes_nothing_of_what_the_child_is() -> None:
    """On a busy machine the child is in the sandbox before clone(2) returns to who started it."""
    begin = ("1 clone(child_stack=NULL, flags=SIGCHLD <unfinished ...>", '2 pivot_root("\\x2e", "\\x2e") = 0',
             "1 <... clone resumed>) = 2", BEGIN[1].replace("1 ", "2 ", 1))  # fmt: skip
    reading = read(opening("/data", number=2), begin=begin)
    assert asked(reading, "executed").keys() == {"/bin/app"}
    assert asked(reading, "opened") == {"/data": ["/bin/app"]}


def test_what_is_not_there_was_looked_for_in_vain() -> None:
    reading = read(opening("/none", result=VAIN), f'1 access("{x("/no/folder")}", F_OK) = -1 ENOTDIR (Not a directory)')
    assert asked(reading, "missed") == {"/none": ["/bin/app"], "/no/folder": ["/bin/app"]}
    assert asked(reading, "opened") == {}


@pytest.mark.parametrize(
    "line",
    [f'openat(5<{x("/srv/www")}>, "{x("page")}", O_RDONLY) = 3<{x("/srv/www/page")}>',
     f'openat2(5<{x("/srv/www")}>, "{x("page")}", {{flags=O_RDONLY, resolve=0}}, 24) = 3<{x("/srv/www/page")}>',
     f'openat(AT_FDCWD<{x("/srv/www")}>, "{x("./page")}", O_RDONLY) = 3<{x("/srv/www/page")}>'],
)  # fmt: skip
def test_a_name_is_joined_to_the_folder_of_its_descriptor(line: str) -> None:
    assert asked(read(f"1 {line}"), "opened") == {"/srv/www/page": ["/bin/app"]}


def test_a_call_without_a_descriptor_is_of_the_working_folder() -> None:
    there = f'1 chdir("{x("/srv")}") = 0', f'1 chdir("{x("www")}") = 0'
    reading = read(*there, f'1 open("{x("p")}", O_RDONLY) = {VAIN}')
    assert asked(reading, "missed") == {"/srv/www/p": ["/bin/app"]}
    reading = read(f"1 fchdir(4<{x('/var')}>) = 0", f'1 readlink("{x("l")}", "", 9) = 1')
    assert asked(reading, "seen").keys() == {"/var", "/var/l"}


def test_the_same_relative_name_in_another_folder_is_another_path() -> None:
    line = f'1 open("{x("p")}", O_RDONLY) = {VAIN}'
    reading = read(f'1 chdir("{x("/a")}") = 0', line, line, f'1 chdir("{x("/b")}") = 0', line)
    assert asked(reading, "missed").keys() == {"/a/p", "/b/p"}


def test_threads_share_the_working_folder_and_processes_do_not() -> None:
    def line(flags: str) -> tuple[str, ...]:
        return (
            f"1 clone(child_stack=NULL, flags={flags}) = 2 /* 77 in strace's PID NS */",
            f'77 chdir("{x("/child")}") = 0',
            f'1 open("{x("p")}", O_RDONLY) = {VAIN}',
        )

    assert asked(read(*line("CLONE_VM|CLONE_FS|CLONE_THREAD")), "missed").keys() == {"/child/p"}
    assert asked(read(*line("SIGCHLD")), "missed").keys() == {"/p"}


def test_a_child_asks_as_its_parents_program_until_it_executes_another() -> None:
    reading = read(
        "1 vfork( <unfinished ...>",
        opening("/early", number=2),
        f'2 execve("{x("/bin/tool")}", [], 0x1 /* 0 vars */) = 0',
        "1 <... vfork resumed>) = 2",
        opening("/late", number=2),
    )
    assert asked(reading, "opened") == {"/early": ["/bin/app"], "/late": ["/bin/tool"]}
    assert asked(reading, "executed") == {"/bin/app": [], "/bin/tool": ["/bin/app"]}


def test_a_call_that_others_interrupt_is_put_together() -> None:
    reading = read(
        f'1 openat(AT_FDCWD<{x("/")}>, "{x("/a")}", O_RDONLY <unfinished ...>',
        opening("/b", number=1),
        f"1 <... openat resumed>) = 3<{x('/a')}>",
    )
    assert asked(reading, "opened").keys() == {"/b", "/a"}


def test_a_thread_that_executes_goes_on_as_the_process() -> None:
    reading = read(
        "1 clone(child_stack=NULL, flags=CLONE_VM|CLONE_FS|CLONE_THREAD) = 2",
        f'2 execve("{x("/bin/next")}", [], 0x1 /* 0 vars */ <unfinished ...>',
        "1 +++ superseded by execve in pid 2 +++",
        "1 <... execve resumed>) = 0",
        opening("/of-next"),
    )
    assert asked(reading, "opened") == {"/of-next": ["/bin/next"]}


def test_execveat_names_a_file_by_its_folder_or_by_a_descriptor_alone() -> None:
    reading = read(f'1 execveat(3<{x("/usr/bin")}>, "{x("ls")}", [], 0x1 /* 0 vars */, 0) = 0')
    assert asked(reading, "executed").keys() == {"/bin/app", "/usr/bin/ls"}
    reading = read(f'1 execveat(3<{x("/usr/bin/ls")}>, "", [], 0x1 /* 0 vars */, AT_EMPTY_PATH) = 0')
    assert asked(reading, "executed").keys() == {"/bin/app", "/usr/bin/ls"}


def test_what_only_memory_holds_is_told_when_it_is_executed() -> None:
    reading = read(f'1 execveat(3<{x("/memfd:x")}>(deleted), "", [], 0x1 /* 0 vars */, AT_EMPTY_PATH) = 0')
    assert list(reading.notes) == ["a file in memory: was executed, and is no file of the root"]


def test_code_is_loaded_where_it_is_mapped_to_be_executed() -> None:
    reading = read(
        f"1 mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 3<{x('/lib/data')}>, 0) = 0x1",
        f"1 mmap(NULL, 4096, PROT_READ|PROT_EXEC, MAP_PRIVATE|MAP_FIXED, 3<{x('/lib/x.so')}>, 0x1000) = 0x2",
        "1 mmap(NULL, 4096, PROT_READ|PROT_EXEC, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x3",
    )
    assert asked(reading, "loaded") == {"/lib/x.so": ["/bin/app"]}


def test_a_folder_that_was_read_is_listed() -> None:
    reading = read(f"1 getdents64(3<{x('/etc/d')}>, 0x5 /* 4 entries */, 32768) = 104")
    assert asked(reading, "listed").keys() == {"/etc/d"}


@pytest.mark.parametrize(
    ("line", "note"),
    [("io_uring_setup(8, {flags=0}) = -1 ENOSYS (Function not implemented) (INJECTED)",
      "io_uring, which no tracer sees, was asked for and denied"),
     ("clone(child_stack=NULL, flags=CLONE_UNTRACED|SIGCHLD) = 2",
      "a process was started that no tracer may follow (CLONE_UNTRACED)"),
     (f'connect(3<{x("socket:[1]")}>, {{sa_family=AF_UNIX, sun_path="{x("/run/s")}"}}, 110) = 0',
      "asked for the service behind the socket /run/s"),
     (f'chroot("{x("/srv")}") = 0', "changed its root: what it looked for in vain there is not known"),
     (f'openat(AT_FDCWD<{x("/")}>, "{x("/var/log/l")}", O_WRONLY|O_CREAT, 0644) = -1 EROFS (Read-only file system)',
      "/var/log/l: was refused to the program, EROFS")],
)  # fmt: skip
def test_what_could_not_be_followed_or_was_denied_is_told(line: str, note: str) -> None:
    assert list(read(f"1 {line}").notes) == [note]


def test_proc_dev_and_sys_are_nobodys_files() -> None:
    reading = read(*(opening(name) for name in ("/proc/self/maps", "/dev/null", "/sys/x", "/process")))
    assert asked(reading, "opened").keys() == {"/process"}


@pytest.mark.parametrize(
    "line",
    ["", "1", "1 ", "1 openat(", "1 openat() = ", "x y z", "1 <... openat resumed>", "2 +++ exited with 0 +++",
     "1 +++ superseded by execve in pid 9 +++", '1 openat(AT_FDCWD, "', "1 clone() = ?", "1 --- stopped ---",
     "[ Process PID=1 runs in 32 bit mode. ]"],
)  # fmt: skip
def test_a_line_that_is_none_is_passed_over(line: str) -> None:
    assert asked(read(line, opening("/a")), "opened").keys() == {"/a"}


def test_a_line_without_an_end_is_not_kept() -> None:
    reading = read(f'1 openat(AT_FDCWD<{x("/")}>, "{"A" * (3 << 20)}', opening("/a"))
    assert asked(reading, "opened").keys() == {"/a"}
    assert list(reading.notes) == ["a call with more arguments than are read"]


def test_a_call_again_and_again_is_one_path() -> None:
    reading = Reading()
    for line in BEGIN:
        reading.take(line.encode())
    for number in range(20_000):
        reading.take(opening("/a", result=f"{number}<{x('/a')}>").encode())
    assert reading.found["opened"] == {Asked("/a", "/a"): {"/bin/app": None}}


def settled(files: Mapping[str, bytes | str], *lines: str, hidden: tuple[str, ...] = ("/tmp",)) -> Trace:
    tree = HostTree("/", "/nowhere", hidden, ("/tmp/app",))
    return settle(read(*lines), MemoryRoot(files), tree, Run(("app",), 0))


def test_the_kernels_word_goes_before_the_arguments() -> None:
    """A thread may change the argument of a call after the kernel has read it: the descriptor tells the truth."""
    line = f'1 openat(AT_FDCWD<{x("/")}>, "{x("/said")}", O_RDONLY) = 3<{x("/meant")}>'
    assert settled({"/said": b"", "/meant": b""}, line).opened == {"/meant": ("/bin/app",)}


def test_a_name_that_leads_there_by_links_stays_the_name() -> None:
    line = f'1 openat(AT_FDCWD<{x("/")}>, "{x("/lib/a")}", O_RDONLY) = 3<{x("/usr/lib/a")}>'
    assert settled({"/lib": "usr/lib", "/usr/lib/a": b""}, line).opened == {"/lib/a": ("/bin/app",)}


def test_what_the_program_made_itself_is_no_file_of_the_root() -> None:
    files = {"/a": b"", "/tmp/x": b"", "/tmp/app/data": b""}
    found = settled(files, *(opening(name) for name in ("/a", "/made", "/tmp/x", "/tmp/app/data")))
    assert found.opened.keys() == {"/a", "/tmp/app/data"}


def test_passing_names_are_not_looked_for_in_vain() -> None:
    there = {"/tmp/other": b"", "/run/lock/other": b""}
    found = settled(there, *(opening(name, result=VAIN) for name in ("/tmp/abc123", "/run/lock/x", "/etc/app.conf")))
    assert found.missed.keys() == {"/etc/app.conf"}


def test_where_there_is_no_folder_for_passing_names_the_folder_is_looked_for_in_vain() -> None:
    found = settled({}, *(opening(name, result=VAIN) for name in ("/tmp/abc123", "/tmp/def456", "/run/lock/x")))
    assert found.missed.keys() == {"/tmp", "/run"}


def test_a_folder_that_cannot_be_made_was_looked_for_in_vain() -> None:
    reading = read(f'1 mkdir("{x("/var/lib/app")}", 0700) = {VAIN}')
    assert list(asked(reading, "missed")) == ["/var/lib/app"]
