"""The lines of `strace -f -y -xx` -> what was asked for: a pure reader, streaming, bounded whatever a program does.

Strings come in hexadecimal, so no name can look like something else. Paths are joined from the folder that strace
names beside each descriptor; for calls without one each process's working folder is followed (chdir(2), shared by
threads). What was opened is where the kernel says that the descriptor leads: a program that changes its argument while
it is read changes nothing here. Only what happens behind pivot_root(2) counts, which is where our own helper ends.

Source: strace(1) of 5.11 to 6.x, "-y", "-xx", "--decode-pids=pidns".
"""

from __future__ import annotations

import re

from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

MAX_LINE = 1 << 20
MAX_PATHS = 400_000  # different paths, of all kinds together
MAX_REMEMBERED = 24 << 20  # bytes of lines that are passed over when they come again
MAX_PROCESSES = 200_000
MAX_NOTES = 200

_OPENS = frozenset((b"open", b"openat", b"openat2"))
_LOOKS = frozenset(
    (b"stat", b"stat64", b"lstat", b"lstat64", b"newfstatat", b"fstatat64", b"statx", b"access", b"faccessat",
     b"faccessat2", b"readlink", b"readlinkat", b"mkdir", b"mkdirat")
)  # fmt: skip
_STARTS = frozenset((b"clone", b"clone3", b"fork", b"vfork"))
CALLS = (*sorted(name.decode() for name in _OPENS | _LOOKS | _STARTS), "execve", "execveat", "chdir", "fchdir",
         "getdents", "getdents64", "mmap", "mmap2", "connect", "chroot", "pivot_root")  # fmt: skip
DENIED = ("io_uring_setup", "io_uring_enter", "io_uring_register")

_STRING = re.compile(rb'"((?:\\x[0-9a-f]{2})*)"')
_ARGUMENT = re.compile(rb"(?:(AT_FDCWD|-?\d+)(?:<((?:\\x[0-9a-f]{2})*)>)?, )?" + _STRING.pattern)
_IN_NAME_SPACE = re.compile(rb"(\d+)(?: /\* (\d+) in strace's PID NS \*/)?")


@value
class Asked:
    """A path as the program had it, absolute, and where the kernel says that it led, "" if it does not say."""

    path: str
    real: str = ""


class _Process:
    """A thread: the program it runs, and the working folder, in a list that threads share."""

    __slots__ = ("begun", "folder", "program")

    def __init__(self, program: str, folder: list[str], *, begun: bool) -> None:
        self.program, self.folder, self.begun = program, folder, begun


class Reading:
    """What the lines said: for each kind of `trace.KINDS` what was asked, and by which programs."""

    def __init__(self) -> None:
        names = ("executed", "loaded", "opened", "listed", "seen", "missed")
        self.found: dict[str, dict[Asked, dict[str, None]]] = {name: {} for name in names}
        self.notes: dict[str, None] = {}
        self.begun = False
        self._count = 0
        self._processes: dict[bytes, _Process] = {}
        self._unfinished: dict[bytes, bytes] = {}
        self._starting: list[bytes] = []
        self._remembered: dict[str, set[bytes]] = {}
        self._bytes = 0

    def read(self, stream: BinaryIO) -> None:
        """Take in every line to the end of `stream`."""
        while line := stream.readline(MAX_LINE):
            if not line.endswith(b"\n") and len(line) == MAX_LINE:
                self.note("a call with more arguments than are read")
                while (rest := stream.readline(MAX_LINE)) and not rest.endswith(b"\n"):
                    continue
                continue
            self.take(line.rstrip(b"\n"))

    def note(self, text: str) -> None:
        if len(self.notes) < MAX_NOTES:
            self.notes[text] = None

    def take(self, line: bytes) -> None:
        number, _, said = line.partition(b" ")
        said = said.lstrip()
        process = self._processes.get(number) or self._begin(number)
        if said.endswith(b" <unfinished ...>"):
            self._unfinished[number] = said[:-17]
            if said.partition(b"(")[0] in _STARTS:
                self._starting.append(number)
            return
        if said.startswith(b"<... "):
            if number in self._starting:
                self._starting.remove(number)
            said = self._unfinished.pop(number, b"") + said.partition(b" resumed>")[2]
        elif said.startswith(b"+++"):
            self._end(number, said)
            return
        if not process.begun:
            if said.startswith(b"pivot_root(") and said.endswith(b"= 0"):
                process.begun = self.begun = True
            elif said.partition(b"(")[0] not in _STARTS:
                return
        remembered = self._remembered.setdefault(process.program, set())
        if said in remembered and not said.startswith((b"chdir", b"fchdir")):
            return
        if self._understand(process, said):
            remembered.add(said)
            self._bytes += len(said)
            if self._bytes > MAX_REMEMBERED:
                self._remembered.clear()
                self._bytes = 0

    def _begin(self, number: bytes) -> _Process:
        """A process that is new: a child of one whose start is being reported, or the first."""
        above = self._processes.get(self._starting[-1]) if self._starting else None
        if above is None:
            made = _Process("", ["/"], begun=False)
        else:
            made = _Process(above.program, [*above.folder], begun=above.begun)
        if len(self._processes) > MAX_PROCESSES:
            self.note(f"more than {MAX_PROCESSES:,} processes at once")
            self._processes.clear()
        self._processes[number] = made
        return made

    def _end(self, number: bytes, said: bytes) -> None:
        self._unfinished.pop(number, None)
        if number in self._starting:
            self._starting.remove(number)
        process = self._processes.pop(number, None)
        if process is not None and said.startswith(b"+++ superseded by execve in pid "):
            other = said.split()[6]
            self._processes[number] = process  # the leader goes on as the thread that executes
            if other in self._unfinished:
                self._unfinished[number] = self._unfinished.pop(other)

    def _understand(self, process: _Process, said: bytes) -> bool:
        """Whether the same line of the same program can be passed over from now on."""
        name, _, rest = said.partition(b"(")
        arguments, _, result = rest.rpartition(b" = ")
        if not arguments:
            return False
        arguments = arguments.rstrip().removesuffix(b")")
        failed = result.startswith(b"-1 ")
        if name in _OPENS or name in _LOOKS:
            self._look(process, arguments, result, opens=name in _OPENS)
            return b"<" in arguments or arguments.startswith(b'"\\x2f')
        if name in (b"mmap", b"mmap2"):
            if b"PROT_EXEC" in arguments and not failed:
                self._add("loaded", Asked(_real(arguments.rpartition(b"MAP_")[2])), process)
            return False
        if name in (b"execve", b"execveat"):
            self._execute(process, arguments, result)
        elif name in _STARTS and not failed:
            self._start(process, arguments, result)
        elif name in (b"getdents", b"getdents64") and not failed:
            self._add("listed", Asked(_real(arguments)), process)
        elif name in (b"chdir", b"fchdir") and not failed:
            process.folder[0] = self._asked(process, arguments) or _real(arguments) or process.folder[0]
            self._add("seen", Asked(process.folder[0]), process)
        elif name == b"connect" and b"sun_path=" in arguments:
            path = _text((_STRING.search(arguments) or [b"", b""])[1])
            if path.startswith("/"):
                self.note(f"asked for the service behind the socket {path}")
        elif name == b"chroot" and not failed:
            self.note("changed its root: what it looked for in vain there is not known")
        elif name.startswith(b"io_uring_"):
            self.note("io_uring, which no tracer sees, was asked for and denied")
        return False

    def _look(self, process: _Process, arguments: bytes, result: bytes, *, opens: bool) -> None:
        asked = self._asked(process, arguments)
        if result.startswith(b"-1 "):
            if asked and result.startswith((b"-1 ENOENT", b"-1 ENOTDIR")):
                self._add("missed", Asked(asked), process)
            elif asked and result.startswith((b"-1 EROFS", b"-1 EACCES", b"-1 EPERM")):
                self.note(f"{asked}: was refused to the program, {result[3:].partition(b' ')[0].decode()}")
        elif opens:
            self._add("opened", Asked(asked, _real(result)), process)
        elif asked:
            self._add("seen", Asked(asked), process)

    def _execute(self, process: _Process, arguments: bytes, result: bytes) -> None:
        asked = self._asked(process, arguments) or _real(arguments)
        if result.startswith((b"-1 ENOENT", b"-1 ENOTDIR")):
            self._add("missed", Asked(asked), process)
        elif result.startswith(b"0"):
            if asked == "/proc/self/exe":
                return  # the same program again
            if asked.startswith(("/proc/", "/dev/")) or not asked.startswith("/") or "/memfd:" in asked:
                self.note(f"{asked or 'a file in memory'}: was executed, and is no file of the root")
                return
            self._add("executed", Asked(asked), process)
            process.program, process.folder = asked, [*process.folder]

    def _start(self, process: _Process, arguments: bytes, result: bytes) -> None:
        if b"CLONE_UNTRACED" in arguments:
            self.note("a process was started that no tracer may follow (CLONE_UNTRACED)")
        numbers = _IN_NAME_SPACE.match(result)
        if numbers is None:
            return
        shared = b"CLONE_FS" in arguments
        child = numbers[2] or numbers[1]
        known = self._processes.get(child)
        if known is not None and known.begun and not process.begun:
            return  # ours was slow to hear of its child, which is in the sandbox by now
        folder = process.folder if shared else [*process.folder]
        if known is None:
            self._processes[child] = _Process(process.program, folder, begun=process.begun)
        elif not known.program or not known.begun:
            known.program, known.begun, known.folder = process.program, process.begun, folder

    def _asked(self, process: _Process, arguments: bytes) -> str:
        """The absolute path of a call's first string; "" where it names a descriptor alone."""
        found = _ARGUMENT.match(arguments)
        if found is None or not found[3]:
            return ""
        path = _text(found[3])
        if path.startswith("/"):
            return _plain(path)
        above = process.folder[0]
        if found[2]:
            above = _text(found[2])
            if found[1] == b"AT_FDCWD":
                process.folder[0] = above
        return _plain(f"{above}/{path}") if above.startswith("/") else ""

    def _add(self, kind: str, asked: Asked, process: _Process) -> None:
        if not process.program and kind != "executed":
            return  # ours still
        if not (asked.path or asked.real).startswith("/") or asked.path.startswith(("/proc/", "/dev/", "/sys/")):
            return
        of_kind = self.found[kind]
        by = of_kind.get(asked)
        if by is None:
            if self._count >= MAX_PATHS:
                self.note(f"more than {MAX_PATHS:,} different paths: the rest is left out")
                return
            self._count += 1
            by = of_kind[asked] = {}
        if process.program and len(by) < 100:
            by[process.program] = None


def _plain(path: str) -> str:
    """`path` without doubled slashes and `.`; `..` stays, since what it means is up to links."""
    if "//" not in path and "/." not in path and not path.endswith("/"):
        return path
    return "/" + "/".join(part for part in path.split("/") if part not in ("", "."))


def _real(text: bytes) -> str:
    """The path that strace names beside the first descriptor in `text`, "" if there is none."""
    start = text.find(b"<\\x")
    if start < 0:
        return ""
    path = _text(text[start + 1 : text.find(b">", start)])
    return path if path.startswith("/") and "/memfd:" not in path[:7] else ""


def _text(raw: bytes) -> str:
    return bytes.fromhex(raw.replace(b"\\x", b"").decode("ascii")).decode("utf-8", "surrogateescape")
