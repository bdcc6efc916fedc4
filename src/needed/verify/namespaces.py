"""The sandbox that needs no program: name spaces of users, mounts, processes, network, IPC and host name (unshare(2)).

The image's one user is ours outside, whoever we are, so the same is seen as root and as anybody. Where we and the
image's user are root, and it is asked for, it has all users, each as itself, and root may become any of them. All of
the tree is read-only but for what that user may write to; `/dev` has six devices, `/proc` shows the sandbox's own
processes; there is no capability but what such a root needs, no new privilege and no terminal of ours. Two processes
stand between us and the program: a keeper, which lives in the sandbox's network and hands out connections into it, and
the program itself as process 1. When either of us ends, the kernel ends all of them.
"""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import select
import struct

from needed.verify import kernel
from needed.verify.command import DEFAULT_PATH, IDS
from needed.verify.kernel import bind, mount

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    import socket
    from collections.abc import Callable

    from needed.verify.bundle import Bundle, BundleTree
    from needed.verify.command import Command, Limits
    from needed.verify.host_tree import HostTree
    from needed.verify.pids import Group
    from needed.verify.trees import KeptTree

    Tree = Bundle | BundleTree | HostTree | KeptTree
else:  # what these two are made of: they import `enum`, which takes longer than all that the sandbox is made by
    import _signal as signal
    import _socket as socket

DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
LINKS = {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2",
         "ptmx": "pts/ptmx"}  # fmt: skip
NOT_FOUND, NOT_EXECUTABLE, BROKEN = 127, 126, 125  # as of a shell, and of docker run for what is its own
READ_ONLY, MASKED = ("sys", "sysrq-trigger", "irq", "bus", "fs"), ("kcore", "keys", "timer_list", "sched_debug")
OWN_PID_MAX = (6, 14)
LEAST_PIDS = 301  # RESERVED_PIDS and one (kernel/pid.c)
LONGEST = 5.0  # seconds until the kernel has ended what it was told to end
_PORT = struct.Struct("!H")


class Started:
    """A keeper with its program. `control` reaches it, `failure` tells why nothing was started."""

    def __init__(
        self, keeper: int, control: socket.socket, failure: int = -1, group: Group | None = None
    ) -> None:
        self.keeper, self._control, self._failure, self._group = keeper, control, failure, group

    def connect(self, port: int) -> socket.socket | None:
        """A connection to 127.0.0.1:`port` inside; None if nobody listens there."""
        import socket

        try:
            self._control.sendall(_PORT.pack(port))
            _, descriptors, _, _ = socket.recv_fds(self._control, 1, 1)
        except OSError:
            return None
        return socket.socket(fileno=descriptors[0]) if descriptors else None

    def problem(self) -> str:
        """Why the sandbox could not be made, "" if it could. Waits until the program has begun."""
        said = b""
        while piece := os.read(self._failure, 4096):
            said += piece
        os.close(self._failure)
        return said.decode("utf-8", "replace")

    def ask(self, number: int) -> bool:
        """Send signal `number` to the program if it listens for it, and whether it does. Process 1 of a name space gets
        no other (pid_namespaces(7))."""
        program = self._program()
        return ask(program, number) if program else False

    def kill(self) -> None:
        """End every process of the sandbox at once; none is there afterwards."""
        program = self._program()
        try:
            first = os.pidfd_open(program) if program else -1
        except OSError:
            first = -1
        try:
            still = self._program() == program  # else the number may be somebody else's by now
            os.kill(self.keeper, signal.SIGKILL)
            if first >= 0 and still:  # it ends with the keeper, and has ended only when all others of its have
                select.select([first], [], [], LONGEST)
        except ProcessLookupError:
            return
        finally:
            if first >= 0:
                os.close(first)

    def _program(self) -> int:
        """The number of process 1 of the sandbox, 0 if there is none."""
        try:
            descriptor = os.open(f"/proc/{self.keeper}/task/{self.keeper}/children", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return 0
        try:
            children = os.read(descriptor, 64).split()
        except OSError:
            return 0
        finally:
            os.close(descriptor)
        return int(children[0]) if children else 0

    def close(self) -> None:
        self._control.close()
        if self._group is not None:
            self._group.remove()


def ask(process: int, number: int) -> bool:
    """Send signal `number` to `process` if it catches it (proc(5), SigCgt), and whether it does."""
    try:
        with open(f"/proc/{process}/status", encoding="utf-8", errors="replace") as file:
            caught = next(int(line.split()[1], 16) for line in file if line.startswith("SigCgt:"))
        if caught >> number - 1 & 1:
            os.kill(process, number)
            return True
    except (OSError, StopIteration, ValueError):
        return False
    return False


def start(
    bundle: Tree, command: Command, limits: Limits, streams: tuple[int, int, int]
) -> Started:
    """Start `command` in `bundle` with these standard streams."""
    ours, theirs = socket.socketpair()
    reading, writing = os.pipe()
    group = None
    if os.geteuid() == 0 and not kernel.is_at_least(*OWN_PID_MAX):
        from needed.verify.pids import make_group

        group = make_group(limits.processes + 1)
    keeper = os.fork()
    if keeper == 0:
        try:
            if group is not None:
                group.enter()
            ours.close()
            os.close(reading)
            keep(bundle, command, limits, (streams, theirs, writing))
        finally:
            os._exit(BROKEN)
    theirs.close()
    os.close(writing)
    return Started(keeper, ours, reading, group)


def keep(
    bundle: Tree,
    command: Command,
    limits: Limits,
    ends: tuple[tuple[int, int, int], socket.socket, int],
) -> None:
    """The keeper: makes the sandbox, starts the program, and ends as it ends."""
    streams, control, failure = ends
    try:
        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
        os.setsid()
        _enter(command, owners=bundle.owners)
        _mount_tree(bundle, command)
        program = os.fork()
        if program == 0:
            control.close()
            _become(bundle, command, limits, (streams, failure))
    except OSError as error:
        os.write(failure, (error.strerror or str(error)).encode())
        os._exit(BROKEN)
    os.close(failure)
    for stream in {*streams}:
        os.close(stream)
    os._exit(_serve(control, program))


def _enter(command: Command, *, owners: bool) -> None:
    user, group = os.geteuid(), os.getegid()
    map_all = _mapper() if owners else None
    flags = kernel.CLONE_NEWUSER | kernel.CLONE_NEWNS | kernel.CLONE_NEWPID | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS
    kernel.unshare(flags | (kernel.CLONE_NEWNET if command.network == "none" else 0))
    if map_all is not None:
        map_all()
    for name, text in () if owners else (
        ("setgroups", "deny"),
        ("uid_map", f"{command.user[0]} {user} 1"),
        ("gid_map", f"{command.user[1]} {group} 1"),
    ):
        _tell(f"/proc/self/{name}", text)
    kernel.set_host_name("needed")
    if command.network == "none":
        kernel.raise_loopback()
        # As in an engine: port 80 is anybody's, for the network is the sandbox's own (ip(7)).
        _tell("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0")


def _tell(path: str, text: str, *, optional: bool = False) -> None:
    """Write to a file of the kernel's. What `open` imports for text takes as long as the name spaces themselves."""
    descriptor = -1
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        os.write(descriptor, text.encode())
    except OSError:
        if not optional:
            raise
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _mapper() -> Callable[[], None]:
    """What maps all users and groups as themselves, once we have left: a child that stays behind has to write that."""
    waiting, go = os.pipe()
    above = os.getpid()
    helper = os.fork()
    if helper == 0:
        try:
            os.close(go)
            if os.read(waiting, 1):
                for name in ("uid_map", "gid_map"):
                    with open(f"/proc/{above}/{name}", "w", encoding="ascii") as file:
                        file.write(f"0 0 {IDS}")
                os._exit(0)
        finally:
            os._exit(1)

    def map_all() -> None:
        os.write(go, b".")
        os.close(go)
        os.close(waiting)
        if os.waitpid(helper, 0)[1] != 0:
            raise OSError(errno.EPERM, "users cannot be mapped")

    return map_all


def _mount_tree(bundle: Tree, command: Command) -> None:
    mount("none", "/", flags=kernel.MS_REC | kernel.MS_PRIVATE)
    top, everything = bundle.path, "/" in bundle.writable
    bundle.show()
    for path in () if everything else bundle.writable:
        bind(top + path, top + path)
    for one in command.mounts:
        bind(one.source, top + one.destination, read_only=one.read_only, recursive=True)
    bind_flags = kernel.MS_NOSUID | kernel.MS_NODEV
    _mount_devices(f"{top}/dev", bind_flags)
    if not everything:
        kept = kernel.MS_BIND | kernel.MS_REMOUNT | kernel.MS_RDONLY | bind_flags
        mount("none", top, flags=kept | kernel.flags_of(top))


def _mount_devices(folder: str, flags: int) -> None:
    mount("tmpfs", folder, "tmpfs", flags, "mode=0755,size=1m")
    for name in DEVICES:
        os.mknod(f"{folder}/{name}")
        mount(f"/dev/{name}", f"{folder}/{name}", flags=kernel.MS_BIND)
        # The machine's own file: written to as any device, but no owner or mode of it is changed.
        kept = kernel.MS_BIND | kernel.MS_REMOUNT | kernel.MS_RDONLY
        mount("none", f"{folder}/{name}", flags=kept | kernel.flags_of(f"{folder}/{name}"))
    for name, target in LINKS.items():
        os.symlink(target, f"{folder}/{name}")
    os.mkdir(f"{folder}/pts")
    os.mkdir(f"{folder}/shm")
    own = "newinstance,ptmxmode=0666,mode=0620"
    mount("devpts", f"{folder}/pts", "devpts", kernel.MS_NOSUID | kernel.MS_NOEXEC, own)
    mount("tmpfs", f"{folder}/shm", "tmpfs", flags | kernel.MS_NOEXEC, "mode=1777,size=64m")


def _mount_proc(folder: str, limits: Limits) -> None:
    """`/proc`, where nothing of the kernel can be changed: it asks for root's number there, not for a capability, and
    where we are root the sandbox's user is root outside (as of the OCI runtime's readonlyPaths and maskedPaths)."""
    mount("proc", folder, "proc", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
    # The kernel asks RLIMIT_NPROC of nobody who is root outside; from 6.14 on a name space has a pid_max of its own.
    if kernel.is_at_least(*OWN_PID_MAX):
        _tell(f"{folder}/sys/kernel/pid_max", str(max(limits.processes + 1, LEAST_PIDS)), optional=True)
    for name in READ_ONLY:
        if os.path.exists(f"{folder}/{name}"):
            bind(f"{folder}/{name}", f"{folder}/{name}", read_only=True)
    for name in MASKED:
        if os.path.exists(f"{folder}/{name}"):
            mount("/dev/null", f"{folder}/{name}", flags=kernel.MS_BIND)


def _become(
    bundle: Tree, command: Command, limits: Limits, ends: tuple[tuple[int, int, int], int]
) -> None:
    """Process 1 of the sandbox: the last of ours, then the program. What fails is said before it ends."""
    streams, failure = ends
    status = BROKEN
    try:
        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
        _mount_proc(f"{bundle.path}/proc", limits)
        kernel.pivot_root(bundle.path)
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        os.setsid()
        if command.terminal:
            _take_terminal()
        _limit(limits)
        if bundle.owners:
            os.setgroups([])
            os.setgid(command.user[1])
        kernel.drop_capabilities(frozenset(kernel.CAPABILITIES_OF_ROOT.values()) if bundle.owners else frozenset())
        for number in (signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGWINCH):
            signal.signal(number, signal.SIG_DFL)
        os.umask(0o022)
        try:
            os.chdir(command.directory)
            os.closerange(3, failure)
            os.closerange(failure + 1, 1024)
            _execute(command, bundle.noun)
        except OSError as error:
            what = command.directory if error.filename == command.directory else command.argv[0]
            status = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
            os.write(2, f"{what}: {error.strerror}\n".encode("utf-8", "surrogateescape"))
    except Exception as error:  # whatever it is, nobody above would see it
        os.write(failure, str(error).encode("utf-8", "replace"))
    finally:
        os._exit(status)


def _execute(command: Command, noun: str) -> None:
    """execvpe(3), without the modules that Python's imports for it: their files are out of sight by now. `noun` is what
    the tree is called."""
    name, env = command.argv[0], dict(command.env)
    folders = [""] if "/" in name else [f"{folder or '.'}/" for folder in env.get("PATH", DEFAULT_PATH).split(":")]
    denied: OSError | None = None
    for folder in folders:
        try:
            os.execve(folder + name, command.argv, env)  # noqa: S606  (what this room is for)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except PermissionError as error:
            denied = error
    raise denied or FileNotFoundError(errno.ENOENT, f"not found in the {noun}, or its interpreter is not")


def _take_terminal() -> None:
    """The terminal on standard input is the one that the program's session is controlled by (tty_ioctl(4))."""
    fcntl.ioctl(0, 0x540E, 0)  # TIOCSCTTY


def _limit(limits: Limits) -> None:
    resource.setrlimit(resource.RLIMIT_NPROC, (limits.processes, limits.processes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _serve(control: socket.socket, program: int) -> int:
    """Hand out connections until the program ends; its exit status, as a shell has it."""
    ended = os.pidfd_open(program)
    waiting: list[socket.socket | int] = [control, ended]
    while True:
        ready, _, _ = select.select(waiting, [], [])
        if ended in ready:
            _, status = os.waitpid(program, 0)
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code
        asked = control.recv(_PORT.size)
        if len(asked) < _PORT.size:
            waiting.remove(control)
            continue
        _answer(control, _PORT.unpack(asked)[0])


def _answer(control: socket.socket, port: int) -> None:
    connection = socket.socket()
    try:
        connection.settimeout(5)
        connection.connect(("127.0.0.1", port))
        connection.settimeout(None)
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", connection.fileno()))
        control.sendmsg([b"+"], [rights])
    except OSError:
        control.sendall(b"-")
    finally:
        connection.close()
