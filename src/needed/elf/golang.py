"""What a Go program says of itself: its build info, and what of the standard library is linked into it.

Go's linker leaves out each function that nothing can reach, and the runtime keeps the names of all others for its stack
traces, in a stripped program as well: a program that never calls `time.LoadLocation` does not have that name. So a name
that is there is an *ability*, not proof of use. What is reached through cgo is in the dynamic section, not here.

The build info is that of Go's debug/buildinfo (src/debug/buildinfo/buildinfo.go), the names are in `funcnametab` of the
pclntab (src/debug/gosym/pclntab.go; the header is `pcHeader` of src/runtime/symtab.go), whose layouts of Go 1.2, 1.16,
1.18 and 1.20 differ. Never evaluates anything, and does not follow the pointers of build info before Go 1.18. gccgo's
programs have neither, and of one whose names were scrambled (garble) it says that it does not know.
"""

from __future__ import annotations

from struct import Struct

from needed.elf.model import PT_LOAD
from needed.elf.pieces import OVERLAP, PIECE, pieces
from needed.elf.sections import SHT_NOBITS, parse_sections
from needed.errors import ElfError
from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.elf.model import ByteSource, ElfFile
    from needed.elf.sections import Section

GO_MAGIC = b"\xff Go buildinf:"
MAX_BUILD_INFO = 4 << 20  # a line for each of a program's modules
MAX_VERSION = 256  # bytes
MAX_SEARCH = 256 << 20  # bytes searched for what no section header shows
MAX_TABLES = 1000  # places that look like the head of a table
MAX_NAMES = 64 << 20  # bytes of function names that are searched
INFO_FRAME = 16  # bytes before and after the module info (infoStart and infoEnd of cmd/go/internal/modload)

# The first word of the table, by the version of Go that brought it in.
_MAGIC_1_2, _MAGIC_1_16, _MAGIC_1_18, _MAGIC_1_20 = 0xFFFFFFFB, 0xFFFFFFFA, 0xFFFFFFF0, 0xFFFFFFF1

# The function that a program has if it can do the thing, or the beginning of its name; with a NUL where it is whole.
_ABILITIES = (
    ("resolver", (b"net.(*Resolver).",)),
    ("certificates", (b"crypto/x509.loadSystemRoots\0",)),
    ("zones", (b"time.LoadLocation\0",)),
    ("users", (b"os/user.lookup", b"os/user.Lookup", b"os/user.current", b"os/user.Current", b"os/user.listGroups")),
    ("exec", (b"os.StartProcess\0", b"syscall.StartProcess\0", b"syscall.ForkExec\0", b"syscall.forkExec\0",
              b"syscall.Exec\0", b"golang.org/x/sys/unix.Exec\0")),
    ("plugin", (b"plugin.Open\0", b"plugin.open\0")),
)  # fmt: skip
# A server without TLS keeps the function of "certificates" all the same. For a client of HTTP/2 without encryption it
# makes a tls.Conn on which nothing is ever said (unencryptedTLSConn of net/http/server.go: its net.Conn is nil), and so
# refers to the method that would shake hands. That is also called where a client shakes hands anew, once it has done so
# (handleRenegotiation of crypto/tls/conn.go); no Conn is a client's that was not made with the first reference.
_SERVING = b"net/http.(*conn).maybeServeUnencryptedHTTP2\0"
_VERIFYING = (b"crypto/tls.(*Conn).serverHandshake\0", b"crypto/x509.SystemCertPool\0")
_IDLE = (  # what is referred to, and by what
    ("crypto/tls.(*Conn).clientHandshake-fm", "net/http.(*conn).maybeServeUnencryptedHTTP2"),
    ("crypto/tls.(*Conn).clientHandshake", "crypto/tls.(*Conn).handleRenegotiation"),
)
_EMBEDDED = (
    ("zones", (b"time/tzdata.",)),
    ("certificates", (b"golang.org/x/crypto/x509roots/fallback.",)),
)


@value
class BuildInfo:
    """`version` as "1.24.3", None if it is not said. `module` is the import path of the main package, `settings` what
    `go version -m` calls build lines: ("CGO_ENABLED", "0"), ("-tags", "netgo"), ("GOARCH", "s390x")."""

    version: str | None
    module: str | None
    settings: tuple[tuple[str, str], ...]


@value
class GoProgram:
    """A Go program or library: `build`, and what it is able to do and brings along.

    `abilities` are of "resolver" (names of hosts and services: package net), "certificates" (verify against the roots
    of the system; not a server that keeps the code for it in vain), "zones" (`time.LoadLocation`), "users" (os/user),
    "exec" (start a program) and "plugin" (open one);
    `embedded` those of them for which it has the data in it: "zones" (time/tzdata), and "certificates"
    (x509roots/fallback), which are used where the system has none. Both None: there is no table of its functions.
    """

    build: BuildInfo
    abilities: frozenset[str] | None
    embedded: frozenset[str] | None

    @property
    def cgo(self) -> bool | None:
        """Whether it was built with cgo enabled, None if it does not say."""
        return {"0": False, "1": True}.get(dict(self.build.settings).get("CGO_ENABLED", ""))


def parse_go_program(source: ByteSource, elf: ElfFile) -> GoProgram | None:
    """What `source`, of which `elf` was read, says; None if it is no Go program. Damage counts as not saying."""
    try:
        sections = parse_sections(source)
    except ElfError:  # no loader reads them, so the program may well run
        sections = ()
    build = parse_build_info(source, elf, sections)
    if build is None:
        return None
    names = _function_names(source, elf, sections)
    if names is None:
        return GoProgram(build, None, None)
    wanted = {name for table in (_ABILITIES, _EMBEDDED) for _, some in table for name in some}
    wanted |= {_SERVING, *_VERIFYING}
    found: set[bytes] = set()
    at, size, separated = names[:3]
    before = b"\0" if separated else b""  # what stands before a name, and so before the table's first one
    start = before
    for piece in pieces(source, at, size):
        searched, start = start + piece, b""
        found |= {name for name in wanted - found if before + name in searched}
    abilities, embedded = (
        frozenset(ability for ability, some in table if not found.isdisjoint(some)) for table in (_ABILITIES, _EMBEDDED)
    )
    if "certificates" in abilities and _SERVING in found and found.isdisjoint(_VERIFYING):
        from needed.elf.golang_references import is_only_there_by

        if is_only_there_by(source, elf, names[3], "crypto/x509.loadSystemRoots", _IDLE):
            abilities -= {"certificates"}
    return GoProgram(build, abilities, embedded)


def parse_build_info(source: ByteSource, elf: ElfFile, sections: tuple[Section, ...]) -> BuildInfo | None:
    """The build info, None if there is none. Of Go before 1.18 it is empty: pointers stood there."""
    content = _raw_build_info(source, elf, sections)
    if content is None:
        return None
    if len(content) < 34 or not content[15] & 2:  # flag 2: two strings with their lengths stand behind byte 32
        return BuildInfo(None, None, ())
    raw, at = _string(content, 32)
    version = raw.decode("utf-8", "replace").removeprefix("go") if len(raw) <= MAX_VERSION else ""
    info, _ = _string(content, at)
    if len(info) > 2 * INFO_FRAME and info[-INFO_FRAME - 1 : -INFO_FRAME] == b"\n":
        info = info[INFO_FRAME:-INFO_FRAME]
    else:
        info = b""
    module, settings = None, []
    for line in info.decode("utf-8", "replace").split("\n"):
        kind, _, rest = line.partition("\t")
        if kind == "path":
            module = rest
        elif kind == "build":
            key, _, setting = rest.partition("=")
            settings.append((_unquoted(key), _unquoted(setting)))
    return BuildInfo(version or None, module, tuple(settings))


def _raw_build_info(source: ByteSource, elf: ElfFile, sections: tuple[Section, ...]) -> bytes | None:
    """From its magic on: of its section, or from wherever it stands in the data if there are no section headers."""
    for section in sections:
        if section.name == ".go.buildinfo" and section.sh_type != SHT_NOBITS:
            content = source.read_at(section.sh_offset, min(section.sh_size, MAX_BUILD_INFO))
            return content if content.startswith(GO_MAGIC) else None
    left = 0 if sections else min(MAX_SEARCH, source.size)  # segments may lie upon each other
    for segment in elf.segments:
        # Where debug/buildinfo looks, written and not executed, but not only the first: that of a PIE is its RELRO.
        if segment.p_type != PT_LOAD or segment.p_flags & 3 != 2:
            continue
        offset, end = segment.p_offset, segment.p_offset + segment.p_filesz
        for piece in pieces(source, offset, min(segment.p_filesz, left)):
            at = piece.find(GO_MAGIC)
            while at >= 0 and (offset + at) % 16:  # it is aligned; anything else is a program that reads build info
                at = piece.find(GO_MAGIC, at + 1)
            if at >= 0:
                return source.read_at(offset + at, min(end - offset - at, MAX_BUILD_INFO))
            offset += PIECE - OVERLAP
        left -= segment.p_filesz
    return None


def _string(content: bytes, at: int) -> tuple[bytes, int]:
    """The string at `at` and where it ends: a length in base 128, then that many bytes. Empty if it is not whole."""
    size = shift = 0
    while at < len(content) and shift < 35:
        size |= (content[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not content[at - 1] & 0x80:
            return (content[at : at + size], at + size) if at + size <= len(content) else (b"", len(content))
    return b"", len(content)


def _unquoted(text: str) -> str:
    """What strconv.Unquote gives; a setting with blanks, quotes or `=` in it is quoted. Other escapes are rare here."""
    if len(text) > 1 and text[0] == text[-1] == '"':
        return text[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == "`" else text


def _function_names(
    source: ByteSource, elf: ElfFile, sections: tuple[Section, ...]
) -> tuple[int, int, bool, tuple[int, int]] | None:
    """Offset and size of what holds the names of the functions, whether nothing but names is there, and the offset of
    the whole table with the size of its section, 0 if there is no section."""
    header = _Header(elf)
    for section in sections:
        # ".data.rel.ro.gopclntab" in a position-independent program
        if section.name.endswith(".gopclntab") and section.sh_type != SHT_NOBITS:
            names = header.names(source, section.sh_offset, section.sh_size)
            return names and (*names, (section.sh_offset, section.sh_size))
    left = min(MAX_SEARCH, source.size)
    for segment in elf.segments:
        if segment.p_type == PT_LOAD and left > 0:
            for at in header.places(source, segment.p_offset, min(segment.p_filesz, left)):
                found = header.names(source, at, segment.p_offset + segment.p_filesz - at)
                if found is not None:
                    return *found, (at, 0)
            left -= segment.p_filesz
    return None


class _Header:
    """The head of a pclntab for the machine of a file: a magic, two zeros, the instructions' and a pointer's size."""

    def __init__(self, elf: ElfFile) -> None:
        self.mark = "<" if elf.machine.byteorder == "little" else ">"
        self.word = 8 if elf.machine.bits == 64 else 4
        self.magic = Struct(self.mark + "I2xBB")
        self.tries = MAX_TABLES

    def places(self, source: ByteSource, offset: int, size: int) -> Iterator[int]:
        """Where a head may be. The linker aligns it to a pointer at least, in memory and so in the file."""
        starts = [self.magic.pack(magic, 0, 0)[:6] for magic in (_MAGIC_1_20, _MAGIC_1_18, _MAGIC_1_16, _MAGIC_1_2)]
        for piece in pieces(source, offset, size):
            for start in starts:
                at = piece.find(start)
                while at >= 0 and self.tries > 0:
                    if (offset + at) % self.word == 0:
                        self.tries -= 1
                        yield offset + at
                    at = piece.find(start, at + 1)
            offset += PIECE - OVERLAP

    def names(self, source: ByteSource, at: int, size: int) -> tuple[int, int, bool] | None:
        """What `_function_names` promises of the table at `at` with at most `size` bytes; None if it is none."""
        head = source.read_at(at, 8 + 5 * self.word)
        if len(head) < 8:
            return None
        magic, quantum, word = self.magic.unpack_from(head)
        if quantum not in (1, 2, 4) or word != self.word:
            return None
        if magic == _MAGIC_1_2:  # names stand between the functions' records
            return at, min(size, MAX_NAMES), False
        # nfunc, nfiles, since 1.18 textStart, then the offsets of funcnametab and of cutab, which follows it
        first = 2 if magic == _MAGIC_1_16 else 3 if magic in (_MAGIC_1_18, _MAGIC_1_20) else 0
        if not first or len(head) < 8 + 5 * self.word:
            return None
        words = Struct(self.mark + ("5Q" if self.word == 8 else "5I")).unpack_from(head, 8)
        if not 0 < words[first] <= words[first + 1] <= min(size, source.size - at):
            return None
        return at + words[first], min(words[first + 1] - words[first], MAX_NAMES), True
