"""Programs that run on after us (`needed run -d`): each has a supervisor of its own, a state and a log that is bounded.

The supervisor is a process in a session of its own. It holds a lock while its program runs, so what a state file says
is never believed of a process that is gone, and no number of a process is used twice. All of it stands in a folder that
is ours alone: `$XDG_RUNTIME_DIR/needed`, or `/tmp/needed-UID`. What has ended is kept for a day, for its log.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import stat
import sys
import time
from contextlib import suppress

from needed.errors import NeededError, OutputError, SandboxError, SourceError, UsageError
from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from typing import NoReturn

    from needed.root import Root
    from needed.verify.attached import Signals
    from needed.verify.command import Command, Limits
    from needed.verify.forward import Port

LOG_LIMIT = 4 << 20  # bytes of each of the two files of a log: of more the last part is kept
KEPT = 86400.0  # seconds that the state of an ended program stands
GRACE = 10.0  # seconds that a program has to end when it is asked to, as of docker stop
PIECE = 65536
MAX_STATE = 1 << 20
_NAME = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"


@value
class Order:
    """What to run detached: its name, the image's words, the sandbox ("" for any), ports, where a tree may stand."""

    name: str
    image: str
    sandbox: str
    ports: tuple[Port, ...]
    folder: str


@value
class State:
    """`status` is None while it runs, and where its supervisor was killed; `began` in seconds since 1970."""

    name: str
    image: str
    command: str
    ports: str
    supervisor: int
    began: float
    running: bool
    status: int | None


def state_folder(runtime: str) -> str:
    """The folder of all states; `runtime` is XDG_RUNTIME_DIR. Raises OutputError if it is not ours alone."""
    ours = os.geteuid()
    path = f"{runtime}/needed" if runtime and _is_ours(runtime) else f"/tmp/needed-{ours}"  # noqa: S108  (checked below)
    with suppress(FileExistsError):
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            raise
        except OSError as error:
            raise OutputError(f"{path}: cannot be made: {error.strerror}") from None
    status = os.lstat(path)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != ours or status.st_mode & 0o077:
        raise OutputError(
            f"{path}: is not a folder of ours alone", hints=["remove it, or name another: XDG_RUNTIME_DIR=DIR"]
        )
    return path


def _is_ours(path: str) -> bool:
    try:
        status = os.stat(path)
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()


def free_name(states: str, wanted: str, image: str) -> str:
    """`wanted` if nothing runs under it, else (if it is "") a new one like the image's. Raises UsageError."""
    _forget_old(states)
    if wanted:
        check_name(wanted)
        if _is_locked(f"{states}/{wanted}"):
            raise UsageError(f"{wanted} is the name of something that runs", hints=[f"needed stop {wanted}"])
        return wanted
    last = image.rstrip("/").rpartition("/")[2].rpartition(":")[2] or "image"
    plain = "".join(letter if letter in _NAME else "-" for letter in last).strip(".-")[:40] or "image"
    return f"{plain}-{os.urandom(2).hex()}"


def check_name(name: str) -> None:
    if not name or name.strip(_NAME) or name[0] in ".-" or len(name) > 64:
        raise UsageError(f"{name!r} is no name", hints=["letters, digits, and . _ - between them, at most 64"])


def detach(states: str, order: Order, what: tuple[Root, Command, Limits]) -> None:
    """Start it under a supervisor and return when it runs. Raises what kept it from running."""
    sys.stdout.flush()
    sys.stderr.flush()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            os.setsid()
            if os.fork() == 0:
                _supervise(states, order, what, writing)
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    said = os.read(reading, MAX_STATE)  # one write; the sandbox has a copy of the other end, so none would come later
    os.close(reading)
    if said != b"+":
        raise _told(said)


def _told(said: bytes) -> NeededError:
    """The error that the supervisor had, of its own kind."""
    try:
        kind, message, details, hints = json.loads(said)
    except ValueError:
        return SandboxError("the supervisor of the program ended before it could start it")
    kinds: list[type[NeededError]] = [NeededError, *NeededError.__subclasses__()]
    found = next((each for each in kinds if each.__name__ == kind), NeededError)
    return found(message, details=details, hints=hints)


def _supervise(states: str, order: Order, what: tuple[Root, Command, Limits], told: int) -> NoReturn:
    """The supervisor, until its program ends."""
    from needed.verify.attached import Signals, Stopped

    status = 125
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        os.chdir("/")
        with Signals() as signals:
            status = _run(f"{states}/{order.name}", order, what, (signals, told))
    except NeededError as error:
        _tell(told, [type(error).__name__, error.message, error.details, error.hints])
    except Stopped as stopped:
        status = 128 + stopped.number
    except OSError as error:
        _tell(told, ["OutputError", f"{order.name} cannot be started: {error}", [], []])
    finally:
        os._exit(status)


def _tell(told: int, problem: list[object]) -> None:
    with suppress(OSError):
        os.write(told, json.dumps(problem).encode())


def _run(place: str, order: Order, what: tuple[Root, Command, Limits], ends: tuple[Signals, int]) -> int:
    from threading import Thread

    from needed.verify.attached import wait
    from needed.verify.forward import Forwarder
    from needed.verify.sandbox import begin

    (root, command, limits), (signals, told) = what, ends
    lock = _claim(place, order.name)
    state = State(order.name, order.image, " ".join(command.argv)[:1000], _shown(order.ports), os.getpid(), time.time(),
                  running=True, status=None)  # fmt: skip
    null = os.open("/dev/null", os.O_RDWR)
    for number in range(3):
        os.dup2(null, number)
    reading, writing = os.pipe()
    _write_state(place, state)
    try:
        with Forwarder(order.ports) as forwarder:
            signals.awaited = True
            started = begin(order.sandbox, root, command, limits, (null, writing, writing), order.folder)
            os.close(writing)
            try:
                log = Thread(target=_keep_log, args=(reading, f"{place}/log"))
                log.start()
                forwarder.serve(started)
                os.write(told, b"+")
                os.close(told)
                outcome = wait(started, limits, signals, grace=GRACE)
                log.join(5)
            finally:
                started.close()
    except BaseException:
        _remove(place)
        raise
    _write_state(place, _ended(state, outcome.status))
    os.close(lock)
    return outcome.status


def _shown(ports: tuple[Port, ...]) -> str:
    return ", ".join(f"{port.address}:{port.host}->{port.inside}" for port in ports)


def _ended(state: State, status: int | None) -> State:
    from needed.value import replace

    return replace(state, running=False, status=status)


def _claim(place: str, name: str) -> int:
    """The folder of a state, empty, and its lock."""
    with suppress(FileExistsError):
        os.mkdir(place, 0o700)
    lock = os.open(f"{place}/lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise UsageError(f"{name} is the name of something that runs", hints=[f"needed stop {name}"]) from None
    for old in ("log", "log.1", "state"):
        with suppress(FileNotFoundError):
            os.unlink(f"{place}/{old}")
    return lock


def _write_state(place: str, state: State) -> None:
    text = json.dumps({name: getattr(state, name) for name in State.__annotations__})
    with open(f"{place}/state.new", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(f"{place}/state.new", f"{place}/state")


def _keep_log(reading: int, path: str) -> None:
    """What comes, into `path`; when that is full it becomes `path`.1, and what was that is gone."""
    log, size = _open_log(path), 0
    while piece := os.read(reading, PIECE):
        if size + len(piece) > LOG_LIMIT:
            os.close(log)
            os.replace(path, f"{path}.1")
            log, size = _open_log(path), 0
        size += len(piece)
        with suppress(OSError):  # a full disk: the program goes on, and its log has a hole
            os.write(log, piece)
    os.close(log)


def _open_log(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)


def all_states(states: str) -> list[State]:
    """What runs and what has ended of late, the oldest first."""
    _forget_old(states)
    found = [_read(f"{states}/{name}") for name in os.listdir(states)]
    return sorted((state for state in found if state), key=lambda state: state.began)


def state_of(states: str, name: str) -> State:
    """The state of `name`. Raises UsageError, SourceError if there is none."""
    check_name(name)
    state = _read(f"{states}/{name}")
    if state is None:
        raise SourceError(f"nothing was started under the name {name}", hints=["needed ps --all"])
    return state


def _read(place: str) -> State | None:
    try:
        with open(f"{place}/state", "rb") as file:
            words = json.loads(file.read(MAX_STATE))
        state = State(**words)
    except (OSError, ValueError, TypeError):
        return None
    return state if not state.running or _is_locked(place) else _ended(state, None)


def _is_locked(place: str) -> bool:
    try:
        lock = os.open(f"{place}/lock", os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False


def stop(states: str, name: str, seconds: float = GRACE) -> State:
    """Ask `name` to end, end it after `seconds`, and say how it ended. Raises as `state_of`."""
    state = state_of(states, name)
    if not state.running:
        return state
    place, deadline = f"{states}/{name}", time.monotonic() + seconds
    supervisor = os.pidfd_open(state.supervisor)  # the lock is held: it is no other's number
    try:
        signal.pidfd_send_signal(supervisor, signal.SIGTERM)
        while _is_locked(place) and time.monotonic() < deadline:
            time.sleep(0.01)
        if _is_locked(place):
            signal.pidfd_send_signal(supervisor, signal.SIGTERM)  # the second is not passed on: it ends the sandbox
        while _is_locked(place) and time.monotonic() < deadline + GRACE:
            time.sleep(0.01)
    finally:
        os.close(supervisor)
    return state_of(states, name)


def read_log(states: str, name: str, *, follow: bool = False) -> Iterator[bytes]:
    """What `name` wrote, and with `follow` what it goes on to write until it ends. Raises as `state_of`."""
    state_of(states, name)
    place = f"{states}/{name}"
    with suppress(FileNotFoundError), open(f"{place}/log.1", "rb") as file:
        yield file.read(LOG_LIMIT)
    while True:
        try:
            file = open(f"{place}/log", "rb")  # noqa: SIM115  (closed below, when it is full)
        except FileNotFoundError:
            return
        with file:
            if not (yield from _until_replaced(file.fileno(), place, follow=follow)):
                return


def _until_replaced(log: int, place: str, *, follow: bool) -> Generator[bytes, None, bool]:
    """The pieces of an open log; at the end whether another has taken its name."""
    while True:
        runs = follow and _is_locked(place)  # first, so that what it writes last is read
        while piece := os.read(log, PIECE):
            yield piece
        if not runs:
            return False
        with suppress(FileNotFoundError):
            if os.stat(f"{place}/log").st_ino != os.fstat(log).st_ino:
                yield os.read(log, LOG_LIMIT)
                return True
        time.sleep(0.1)


def _forget_old(states: str) -> None:
    for name in os.listdir(states):
        place = f"{states}/{name}"
        with suppress(OSError):
            if time.time() - os.stat(place).st_mtime > KEPT and not _is_locked(place):
                _remove(place)


def _remove(place: str) -> None:
    from shutil import rmtree

    rmtree(place, ignore_errors=True)
