"""Runs the steps of a recipe, keeps what they say within bounds, and leaves nothing behind.

A step is a process group of its own: when we end, by Ctrl-C or a signal, it ends, with every compiler that it started.
It reads nothing from the terminal. The program appears under its name whole, or not at all.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress

from needed.errors import CompileError, OutputError, ToolchainError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from subprocess import Popen
    from typing import BinaryIO

    from needed.image.model import Pairs
    from needed.toolchain.model import Step

    Tell = Callable[[str, str], None]

KEPT = 64 << 10  # bytes of the end of what a step says that are kept
SHOWN = 40  # lines of it that an error shows
LINE = 500  # characters of one such line
LOOK = 0.2  # seconds between two looks at a step that says nothing
PATIENCE = 2.0  # seconds from SIGTERM to SIGKILL


def environment(more: Pairs = ()) -> dict[str, str]:
    """The user's environment with what makes a compiler's messages and its product the same everywhere, and `more`.

    SOURCE_DATE_EPOCH (reproducible-builds.org) is what `__DATE__` and archives take for the time: 0 unless it is set.
    """
    fixed = {"LC_ALL": "C", "TZ": "UTC", "SOURCE_DATE_EPOCH": os.environ.get("SOURCE_DATE_EPOCH") or "0"}
    return {**os.environ, **fixed, **dict(more)}


def run_step(step: Step, tell: Tell | None = None, into: BinaryIO | None = None) -> list[str]:
    """Run one command to its end: the last lines that it printed. `tell("tick", line)` is called while it runs. Its
    standard output goes to the file `into`, if that is given, and the lines are then those of standard error.

    Raises CompileError with those lines if it fails, ToolchainError if it cannot be started.
    """
    import subprocess

    try:
        process = subprocess.Popen(
            step.words, cwd=step.folder, env=environment(step.env), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if into is None else into,
            stderr=subprocess.STDOUT if into is None else subprocess.PIPE, process_group=0,
        )  # fmt: skip
    except OSError as error:
        raise ToolchainError(f"{step.words[0]}: cannot be started: {error.strerror}") from None
    try:
        said = _listen(process, tell)
        status = process.wait()
    finally:
        _end(process)
    lines = _lines(said)
    if status:
        name = os.path.basename(step.words[0])
        how = f"ended with {status}" if status > 0 else f"was ended by signal {-status}"
        raise CompileError(f"{name} {how}", details=lines[-SHOWN:])
    return lines


def _listen(process: Popen[bytes], tell: Tell | None) -> bytes:
    """The end of what `process` prints, until nothing holds its output open or it has ended."""
    import select

    stream = process.stdout or process.stderr
    assert stream is not None
    kept, output = bytearray(), stream.fileno()
    while True:
        ready, _, _ = select.select([output], [], [], LOOK)
        piece = os.read(output, 65536) if ready else b""
        kept += piece
        if len(kept) > 2 * KEPT:
            del kept[:-KEPT]
        if tell is not None:
            tell("tick", (_lines(bytes(kept[-LINE:])) or [""])[-1])
        if (ready and not piece) or (not ready and process.poll() is not None):
            return bytes(kept[-KEPT:])


def _end(process: Popen[bytes]) -> None:
    """End the whole group, if its leader has not ended by itself."""
    import signal
    from subprocess import TimeoutExpired

    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()
    if process.poll() is not None:
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return
        try:
            process.wait(PATIENCE)
        except TimeoutExpired:
            continue
        with suppress(ProcessLookupError):  # what it started may have ignored the first signal
            os.killpg(process.pid, signal.SIGKILL)
        return


def _lines(said: bytes) -> list[str]:
    """Lines for people: no tabs, no empty ends, none longer than LINE."""
    text = said.decode("utf-8", "surrogateescape").expandtabs(8)
    lines = [line.rstrip()[:LINE] for line in text.splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    return lines


@contextmanager
def scratch_folder() -> Iterator[str]:
    """A new folder in TMPDIR for what compilers leave, with a real path; gone at the end, however that comes.

    Raises OutputError if there is no place for one.
    """
    import shutil
    import tempfile

    try:
        folder = os.path.realpath(tempfile.mkdtemp(prefix="needed-"))
    except OSError as error:
        hint = "set TMPDIR to a folder that you may write to"
        raise OutputError(f"no temporary folder can be made: {error.strerror}", hints=[hint]) from None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, onerror=_open_and_retry)


def _open_and_retry(remove: Callable[[str], object], path: str, _error: object) -> None:
    """Tools leave folders without the right to write (go's module cache does); what cannot be removed all the same
    must not hide why we end."""
    try:
        os.chmod(os.path.dirname(path), 0o700)
        if os.path.isdir(path) and not os.path.islink(path):
            os.chmod(path, 0o700)
        remove(path)
    except OSError:
        pass


def check_output(path: str) -> None:
    """Raises OutputError if no file can be written at `path`: before a compiler runs for minutes."""
    import errno

    from needed.output.atomic import unwritable

    if os.path.isdir(path):
        hint = f"-o {os.path.join(path, os.path.basename(os.path.abspath(path)))}"
        raise OutputError(f"{path}: is a folder, and the program would be a file", hints=[hint])
    folder = os.path.dirname(os.path.realpath(path))
    if not os.path.isdir(folder):
        code = errno.ENOTDIR if os.path.lexists(folder) else errno.ENOENT
        raise unwritable(path, OSError(code, os.strerror(code)))
    if not os.access(folder, os.W_OK | os.X_OK):
        raise unwritable(path, OSError(errno.EACCES, os.strerror(errno.EACCES)))


def publish(product: str, path: str) -> None:
    """The file `product` as the executable `path`, whole or not at all. Raises OutputError."""
    from needed.output.atomic import write_atomically

    write_atomically(path, _chunks(product), size=os.stat(product).st_size, mode=0o777)


def _chunks(path: str) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            yield chunk
