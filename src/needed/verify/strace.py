"""The first Tracer: strace(1), which starts a helper of ours, follows it into the sandbox and stays with the program.

It runs outside of the sandbox, so the root need not have it, and writes into a pipe, so nothing of a flood of calls
waits on a disk. With --seccomp-bpf only the calls that are asked for stop the program. io_uring, by which a program
opens files without a call, is not there for it (ENOSYS). A process that no tracer may follow (CLONE_UNTRACED) has its
calls refused by the same filter.
"""

from __future__ import annotations

import fcntl
import io
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress

from needed.errors import ReadError, SandboxError
from needed.root import Walker
from needed.verify import kernel
from needed.verify.inside import orders
from needed.verify.namespaces import Started
from needed.verify.strace_output import CALLS, DENIED, Reading
from needed.verify.trace import KINDS, Run, trace_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event

    from _typeshed import WriteableBuffer as Buffer

    from needed.root import Found, Root
    from needed.verify.bundle import BundleTree
    from needed.verify.command import Command, Limits
    from needed.verify.host_tree import HostTree
    from needed.verify.strace_output import Asked
    from needed.verify.trace import Trace

    Probe = Callable[[Started], bool]

LOOK = 0.25  # seconds between two questions to a probe
PIPE = 1 << 20  # bytes that strace may be ahead of us: what anybody may have (pipe-max-size of proc_sys_fs(5))
OLDEST = (5, 11)  # --decode-pids and -y of AT_FDCWD
# Where a program that is traced looks for what it makes itself, under names that change from run to run.
PASSING = ("/tmp/", "/var/tmp/", "/run/", "/var/run/", "/proc/", "/dev/", "/sys/")  # noqa: S108
_START = "import sys; sys.path.insert(0, sys.argv[1]); from needed.verify.inside import main; main(*sys.argv[2:])"
_HINT = "apt-get install strace"


class StraceTracer:
    """strace(1) as found on our PATH, or at `program`."""

    name = "strace"

    def __init__(self, root: Root, program: str = "strace") -> None:
        """`root` is what the traced tree holds, to know what a program made itself."""
        self._root, self._program = root, program

    def problem(self) -> str:
        """Why it does not work here, "" if it does."""
        try:
            said = subprocess.run([self._program, "--version"], capture_output=True, timeout=20, check=False).stdout
        except (OSError, subprocess.TimeoutExpired):
            return "strace is not installed"
        words = said.decode("utf-8", "replace").split("\n")[0].split()
        numbers = words[-1].split(".") if words else []
        if len(numbers) < 2 or not (numbers[0].isdigit() and numbers[1].isdigit()):
            return "strace does not say which release it is"
        if (int(numbers[0]), int(numbers[1])) < OLDEST:
            return f"strace is of release {words[-1]}, and 5.11 or newer is needed"
        return ""

    def trace(
        self, tree: HostTree | BundleTree, command: Command, limits: Limits, probe: Probe | None = None,
        *, quiet: bool = False,
    ) -> Trace:  # fmt: skip
        """Run `command` in `tree` and give back all that it asked for; `limits.seconds` or a `probe` that has seen
        enough ends it, and the trace stays. Its streams are ours, or /dev/null where it is to be `quiet`.

        Raises SandboxError where strace or the sandbox does not work.
        """
        problem = self.problem()
        if problem:
            raise SandboxError(f"nothing here can trace a program: {problem}", hints=[_HINT])
        reading = Reading()
        status, said = self._run(reading, orders(tree, command, limits), limits.seconds, probe, quiet=quiet)
        if not reading.begun:
            raise SandboxError(
                f"the program could not be traced: {said or f'strace ended with status {status}'}",
                hints=["as root: sysctl kernel.unprivileged_userns_clone=1 kernel.yama.ptrace_scope=1"],
            )
        return settle(reading, self._root, tree, Run(command.argv, status))

    def _run(
        self, reading: Reading, wanted: bytes, seconds: float, probe: Probe | None, *, quiet: bool
    ) -> tuple[int, str]:
        """The exit status, and what the helper said where it could not begin."""
        from threading import Event, Thread, Timer

        source, target = os.pipe()
        complaint, complain = os.pipe()
        ours, theirs = socket.socketpair()
        given = os.memfd_create("orders", 0)
        os.write(given, wanted)
        os.lseek(given, 0, os.SEEK_SET)
        calls = ",".join(f"?{name}" for name in (*CALLS, *DENIED))
        denied = ",".join(f"?{name}" for name in DENIED)
        package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        words = [
            self._program, "-f", "-qq", "-y", "-xx", "-s", "4096", "--seccomp-bpf", "--decode-pids=pidns",
            "-e", "signal=none", "-e", f"trace={calls}", "-e", f"inject={denied}:error=ENOSYS",
            "-o", f"/dev/fd/{target}", "--",
            sys.executable, "-I", "-S", "-X", "utf8", "-c", _START, package, str(given), str(complain),
            str(theirs.fileno()),
        ]  # fmt: skip
        passed = (target, given, complain, theirs.fileno())
        stream_in = stream_out = subprocess.DEVNULL if quiet else None
        process = subprocess.Popen(
            words, pass_fds=passed, stdin=stream_in, stdout=stream_out, stderr=stream_out,
            preexec_fn=_end_with_us,  # noqa: PLW1509  (no thread yet)
        )  # fmt: skip
        for descriptor in (target, given, complain):
            os.close(descriptor)
        theirs.close()
        ended: list[int] = []  # the status of a program that we ended
        timer = Timer(seconds, _end, (process.pid, ended, 128 + signal.SIGTERM))
        over = Event()
        asking = Thread(target=_ask, args=(probe, Started(process.pid, ours), over, ended), daemon=True)
        if seconds:
            timer.start()
        if probe is not None:
            asking.start()
        try:
            with io.BufferedReader(_Patient(source, "rb"), PIPE) as stream:
                try:
                    reading.read(stream)
                except KeyboardInterrupt:  # the program is in a session of its own, and strace goes on until it ends
                    _end(process.pid, ended, 128 + signal.SIGINT)
                    reading.read(stream)
            process.wait()
        finally:
            timer.cancel()
            over.set()
            if probe is not None:
                asking.join()
            ours.close()
            if process.poll() is None:  # the sandbox goes with it
                process.kill()
                process.wait()
            with open(complaint, "rb") as file:
                said = file.read(4096).decode("utf-8", "replace")
        status = process.returncode
        return ended[0] if ended else status if status >= 0 else 128 - status, said


class _Patient(io.FileIO):
    """A pipe that is read a little later, and so in large pieces: strace writes each line by itself, and on a machine
    with few processors to be woken for each costs as much as the traced calls do."""

    def __init__(self, descriptor: int, mode: str) -> None:
        super().__init__(descriptor, mode)
        with suppress(OSError):  # whoever has many pipes has small ones
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, PIPE)

    def readinto(self, buffer: Buffer) -> int | None:
        time.sleep(0.002)
        return super().readinto(buffer)


def _ask(probe: Probe, started: Started, over: Event, ended: list[int]) -> None:
    """Ask `probe` a few times a second until it has seen enough, and end the program then."""
    while not over.wait(LOOK):
        if probe(started):
            _end(started.keeper, ended, 128 + signal.SIGTERM)
            return


def _end_with_us() -> None:
    """Before strace begins: it ends when we do, whatever ends us, and the sandbox ends with it."""
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)


def _end(strace: int, ended: list[int], status: int) -> None:
    """Kill the keeper that `strace` started: the kernel ends the sandbox, and strace has nothing more to follow."""
    ended.append(status)
    try:
        with open(f"/proc/{strace}/task/{strace}/children", encoding="ascii") as file:
            for child in file.read().split():
                os.kill(int(child), signal.SIGKILL)
    except (OSError, ValueError):
        return  # all is over already


def settle(reading: Reading, root: Root, tree: HostTree | BundleTree, run: Run) -> Trace:
    """The Trace in `reading`: without what the program made itself, which is what `root` does not have or `tree` hides,
    and with where the kernel led wherever that is not where the name leads."""
    walker = Walker(root)

    def settled(kind: str) -> dict[str, tuple[str, ...]]:
        paths: dict[str, set[str]] = {}
        for asked, by in reading.found[kind].items():
            names = [asked.path] if kind == "missed" else _names(asked, walker)
            for name in names:
                if kind == "missed":
                    if (asked_for := _missed(name, walker)):
                        paths.setdefault(asked_for, set()).update(by)
                elif not (found := _find(walker, name)) or tree.hides(found.path) or found.entry.kind == "special":
                    continue
                else:
                    paths.setdefault(name, set()).update(by)
        return {path: tuple(sorted(by)) for path, by in paths.items()}

    return trace_of((run,), {kind: settled(kind) for kind in KINDS}, sorted(reading.notes))


def _missed(name: str, walker: Walker) -> str:
    """What of `name` is missing: of a name that the program made up the folder for it, if not even that is there."""
    folder = next((one[:-1] for one in PASSING if name.startswith(one)), "")
    return name if not folder else folder if _find(walker, folder) is None else ""


def _find(walker: Walker, path: str) -> Found | None:
    try:
        return walker.find(path)
    except ReadError:
        return None


def _names(asked: Asked, walker: Walker) -> list[str]:
    """The name, where it leads to the file that was opened; else where the kernel says that this is."""
    if not asked.real:
        return [asked.path]
    found = _find(walker, asked.path) if asked.path else None
    return [asked.path] if found is not None and found.path == asked.real else [asked.real]
