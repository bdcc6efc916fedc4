"""`--strip`: a Rootfs whose ELF files ship without symbol tables and debug information. Starts the machine's `strip`.

The source root is read, never written: each file is copied, the copy is stripped by the tool that knows its machine,
and what came out ships only if it is the same to a loader (`ballast.find_difference`); else the file ships as it is,
with a note. The tool gets words, never a shell, a folder of its own, and limits of time, memory and output. Files that
are stripped already, which is nearly every file of a distribution, start nothing. Build ids and other notes stay.

Which tool: binutils' `strip`, if it says that it knows the machine (`strip --info`), then `TRIPLE-strip`, then
`llvm-strip`, which knows all. Not `zig objcopy`: of ELF files it says "unimplemented" (0.17).
"""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from resource import RLIMIT_AS, RLIMIT_CPU, RLIMIT_FSIZE, prlimit
from shutil import which
from tempfile import TemporaryDirectory
from threading import Lock

from needed.errors import OutputError, ToolchainError
from needed.root import Entry, HostFile
from needed.rootfs import File, FileContent, Rootfs
from needed.source.spool import Spool
from needed.toolchain.ballast import find_difference, weigh
from needed.value import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.root import OpenFile, RootPath
    from needed.toolchain.ballast import Ballast

# BFD's name of what a machine's files are (bfd/targets.c), GNU's name of the machine, and Debian's package.
_TARGETS = {
    "x86-64": ("elf64-x86-64", "x86_64-linux-gnu", "binutils-x86-64-linux-gnu"),
    "x32": ("elf32-x86-64", "x86_64-linux-gnux32", "binutils-x86-64-linux-gnux32"),
    "i386": ("elf32-i386", "i686-linux-gnu", "binutils-i686-linux-gnu"),
    "arm64": ("elf64-littleaarch64", "aarch64-linux-gnu", "binutils-aarch64-linux-gnu"),
    "armhf": ("elf32-littlearm", "arm-linux-gnueabihf", "binutils-arm-linux-gnueabihf"),
    "armel": ("elf32-littlearm", "arm-linux-gnueabi", "binutils-arm-linux-gnueabi"),
    "arm": ("elf32-littlearm", "arm-linux-gnueabihf", "binutils-arm-linux-gnueabihf"),
    "riscv64": ("elf64-littleriscv", "riscv64-linux-gnu", "binutils-riscv64-linux-gnu"),
    "ppc64le": ("elf64-powerpcle", "powerpc64le-linux-gnu", "binutils-powerpc64le-linux-gnu"),
    "ppc64": ("elf64-powerpc", "powerpc64-linux-gnu", "binutils-powerpc64-linux-gnu"),
    "powerpc": ("elf32-powerpc", "powerpc-linux-gnu", "binutils-powerpc-linux-gnu"),
    "s390x": ("elf64-s390", "s390x-linux-gnu", "binutils-s390x-linux-gnu"),
    "mips64el": ("elf64-tradlittlemips", "mips64el-linux-gnuabi64", "binutils-mips64el-linux-gnuabi64"),
    "mips64": ("elf64-tradbigmips", "mips64-linux-gnuabi64", "binutils-mips64-linux-gnuabi64"),
    "mipsel": ("elf32-tradlittlemips", "mipsel-linux-gnu", "binutils-mipsel-linux-gnu"),
    "mips": ("elf32-tradbigmips", "mips-linux-gnu", "binutils-mips-linux-gnu"),
    "loongarch64": ("elf64-loongarch", "loongarch64-linux-gnu", "binutils-loongarch64-linux-gnu"),
    "sparc64": ("elf64-sparc", "sparc64-linux-gnu", "binutils-sparc64-linux-gnu"),
}
MAX_SIZE = 2 << 30  # bytes of a file that is copied to be stripped
MAX_SAID = 2000  # bytes of what a tool says
MEMORY = 4 << 30  # bytes of address space for a tool, besides some for each byte of the file
SECONDS = 60  # for a file, and one more for each MiB of it
PIECE = 1 << 20
MAX_JOBS = 8


@value
class Tool:
    """A program that strips: its absolute path, its own words for its name and version, and whether it is LLVM's."""

    path: str
    name: str
    llvm: bool


@value
class Stripped:
    """`rootfs` with what could be stripped; `saved` are the bytes by path, `left` why a file with something to strip
    ships as it is, `tools` the names of those that were used."""

    rootfs: Rootfs
    saved: dict[str, int]
    left: dict[str, str]
    tools: tuple[str, ...]

    @property
    def size(self) -> int:
        """The bytes saved in all."""
        return sum(self.saved.values())


class Stripper:
    """Strips, with what waits in `folder`, and remembers each file that it has stripped."""

    def __init__(self, folder: str, search_path: str | None = None) -> None:
        self._folder, self._search_path = folder, search_path
        self._spool, self._lock = Spool(folder, 0), Lock()
        self._tools: dict[str, Tool | None] = {}
        self._known: dict[FileContent, _Result] = {}

    def strip(self, rootfs: Rootfs) -> Stripped:
        """Raises ToolchainError where no tool is for a machine, ReadError, OutputError if there is no room to work."""
        found = dict(find_ballast(rootfs))
        todo: dict[FileContent, tuple[Ballast, Tool, int]] = {}
        left: dict[str, str] = {}
        contents: dict[str, FileContent] = {}
        for path, (file, ballast) in found.items():
            content = file.content
            if ballast.stays or not isinstance(content, FileContent):
                left[path] = ballast.stays
                continue
            contents[path] = content
            if content not in self._known:
                todo[content] = (ballast, self.tool(ballast, path), file.size)
        with ThreadPoolExecutor(min(os.cpu_count() or 1, MAX_JOBS)) as pool:
            results = [*pool.map(lambda one: self._try(one, *todo[one]), todo)]
        self._known.update(zip(todo, results, strict=True))
        entries, saved = dict(rootfs.entries), {}
        tools: dict[str, None] = {}
        for path, content in contents.items():
            file, result = found[path][0], self._known[content]
            if result.stays:
                left[path] = result.stays
                continue
            tools[result.tool] = None
            saved[path] = file.size - result.size
            stands = FileContent(_OneFile(self._spool, result.offset, result.size), content.path)
            entries[path] = File(file.mode, result.size, stands, file.owner)
        return Stripped(Rootfs(entries, rootfs.reasons), saved, left, tuple(tools))

    def tool(self, ballast: Ballast, path: str) -> Tool:
        """What strips files of that machine. Raises ToolchainError."""
        machine = ballast.machine.name
        if machine not in self._tools:
            self._tools[machine] = self._find_tool(machine)
        tool = self._tools[machine]
        if tool is None:
            package = _TARGETS[machine][2] if machine in _TARGETS else ""
            hints = [f"apt-get install {package}"] if package else []
            raise ToolchainError(
                f"{path}: is for {machine}, and no program here strips that",
                hints=[*hints, "or install llvm, whose llvm-strip knows every machine", "leave out --strip"],
            )
        return tool

    def _find_tool(self, machine: str) -> Tool | None:
        target, triple, _ = _TARGETS.get(machine, ("", "", ""))
        if target and (plain := self._named("strip")) and (plain.llvm or target in _said(plain.path, "--info").split()):
            return plain
        if triple and (cross := self._named(f"{triple}-strip")):
            return cross
        return self._named("llvm-strip")

    def _named(self, name: str) -> Tool | None:
        path = which(name, path=self._search_path)
        if path is None:
            return None
        lines = [line.strip() for line in _said(path, "--version").splitlines() if line.strip()]
        llvm = any("LLVM" in line for line in lines[:2])
        version = next((line for line in lines if "LLVM version" in line), "") if llvm else (lines or [""])[0]
        return Tool(os.path.abspath(path), f"{name}: {version}", llvm)

    def _try(self, content: FileContent, ballast: Ballast, tool: Tool, size: int) -> _Result:
        if size > MAX_SIZE:
            return _Result(stays=f"it has more than {MAX_SIZE:,} bytes")
        try:
            with TemporaryDirectory(prefix=".needed-strip-", dir=self._folder) as folder:
                return self._strip_in(folder, content, ballast, tool)
        except OSError as error:
            hint = "set TMPDIR to a folder with space"
            raise OutputError(f"{self._folder}: cannot hold a copy of {content.path}: {error.strerror}", hints=[hint]) \
                from None  # fmt: skip

    def _strip_in(self, folder: str, content: FileContent, ballast: Ballast, tool: Tool) -> _Result:
        given, made = os.path.join(folder, "in"), os.path.join(folder, "out")
        original = content.open()
        try:
            with open(given, "wb") as copy:
                for offset in range(0, original.size, PIECE):
                    copy.write(original.read_at(offset, PIECE))
            original.check_unchanged()
            problem = _run(_words(tool, ballast), folder, original.size)
            if problem:
                return _Result(stays=f"{tool.name.partition(':')[0]} failed: {problem}")
            descriptor = os.open(made, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            stripped = HostFile(made, descriptor)
            try:
                if stripped.size >= original.size:
                    return _Result(stays="stripping it saves nothing")
                problem = find_difference(original, stripped)
                if problem:
                    return _Result(stays=f"stripped it would be another program: {problem}")
                return self._keep(stripped, tool)
            finally:
                stripped.close()
        finally:
            original.close()

    def _keep(self, file: OpenFile, tool: Tool) -> _Result:
        with self._lock:
            offset = self._spool.size
            for at in range(0, file.size, PIECE):
                self._spool.write(file.read_at(at, PIECE))
            return _Result(offset, file.size, tool.name)


def find_ballast(rootfs: Rootfs) -> Iterator[tuple[str, tuple[File, Ballast]]]:
    """The files of a tree that carry something to strip. Raises ReadError."""
    for path, entry in rootfs.entries.items():
        if not isinstance(entry, File) or not isinstance(entry.content, FileContent) or entry.size < 64:
            continue
        file = entry.content.open()
        try:
            ballast = weigh(file)
        finally:
            file.close()
        if ballast is not None:
            stays = ballast.stays or _guarded(path, rootfs)
            yield path, (entry, replace(ballast, stays=stays))


def _guarded(path: str, rootfs: Rootfs) -> str:
    """Why a file may not change though its own bytes do not say so."""
    folder, _, name = path.rpartition("/")
    if name.endswith(".ko"):
        return "it is a module of the kernel, which may be signed"
    # FIPS 140: a digest of the file beside it (NSS; libfipscheck; OpenSSL 3, in fipsmodule.cnf).
    beside = (f"{name.removesuffix('.so')}.chk", f".{name}.hmac", f"{name}.hmac")
    guard = next((one for one in beside if f"{folder}/{one}" in rootfs.entries), "")
    if guard or name == "fips.so":
        return f"{guard or 'fipsmodule.cnf'} holds a digest of it"
    return ""


@value
class _Result:
    """Where the stripped bytes stand in the spool, and whose work they are; or why there are none."""

    offset: int = 0
    size: int = 0
    tool: str = ""
    stays: str = ""


class _OneFile:
    """A Root of a single file, which stands in a Spool; whatever path is asked for, it is that."""

    def __init__(self, spool: Spool, offset: int, size: int) -> None:
        self._spool, self._offset, self.size = spool, offset, size

    def entry(self, path: RootPath) -> Entry | None:  # noqa: ARG002
        return Entry("file", 0o755, self.size)

    def names(self, path: RootPath) -> tuple[str, ...]:  # noqa: ARG002
        return ()

    def open(self, path: RootPath) -> OpenFile:  # noqa: ARG002
        return self

    def read_at(self, offset: int, size: int) -> bytes:
        return self._spool.read_at(self._offset + offset, min(size, self.size - offset)) if offset < self.size else b""

    def check_unchanged(self) -> None:
        """Nobody else can write to it."""

    def close(self) -> None:
        """It is freed with the spool."""


def _words(tool: Tool, ballast: Ballast) -> tuple[str, ...]:
    """Programs lose every symbol; of a library those stay that relocations in it need. To LLVM the latter means a
    symbol table that is empty, so there all go: what the loader reads is mapped, and stays."""
    every = "--strip-all-gnu" if tool.llvm else "--strip-all" if ballast.program else "--strip-unneeded"
    links = ("--remove-section=.gnu_debuglink", "--remove-section=.gnu_debugaltlink", "--remove-section=.gnu_debugdata")
    notes = (f"--keep-section={name}" for name in ballast.notes)
    return (tool.path, every, *links, *notes, "-o", "out", "in")


def _run(words: tuple[str, ...], folder: str, size: int) -> str:
    """Run a tool in `folder`; what went wrong, "" for nothing."""
    seconds = SECONDS + (size >> 20)
    with open(os.path.join(folder, "said"), "w+b") as said:
        try:
            process = subprocess.Popen(
                words, cwd=folder, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=_environment()
            )
        except OSError as error:
            return error.strerror or "it does not start"
        for limit, most in ((RLIMIT_FSIZE, size + (1 << 20)), (RLIMIT_AS, MEMORY + 8 * size), (RLIMIT_CPU, seconds)):
            try:
                prlimit(process.pid, limit, (most, most))
            except (ProcessLookupError, PermissionError, ValueError):
                break  # it has ended already, or has narrower limits
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            return f"it took more than {seconds} seconds"
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        said.seek(0)
        lines = said.read(MAX_SAID).decode("utf-8", "replace").split("\n")
    if status:
        return lines[0].strip() or f"it ended with {status}"
    return "" if os.path.exists(os.path.join(folder, "out")) else "it wrote nothing"


def _said(path: str, option: str) -> str:
    """What a tool prints; "" if it does not start."""
    try:
        done = subprocess.run(
            (path, option), stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=False,
            env=_environment(),
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode("utf-8", "replace")


def _environment() -> dict[str, str]:
    return {**os.environ, "LC_ALL": "C"}
