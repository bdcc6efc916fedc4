"""Advice on what is in the files: symbols and debug information, the same content twice, a better compression."""

from __future__ import annotations

from needed.advice.model import ESTIMATED, MEASURED, Advice
from needed.elf.parse import parse_elf
from needed.elf.provenance import parse_provenance
from needed.errors import ElfError, ToolchainError
from needed.rootfs import File, FileContent
from needed.toolchain.strip import find_ballast

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.advice.model import Ground
    from needed.rootfs import Rootfs

SHOWN = 5  # files of one advice
PIECE = 1 << 20
COMPRESSIONS = ("gzip:12", "zstd:19")  # compared with the default


def find_strippable(ground: Ground) -> Iterator[Advice]:
    """What `--strip` saves, tried on copies; without a tool for the machine, the sizes of sections that would go."""
    try:
        stripped = ground.stripper.strip(ground.rootfs)
    except ToolchainError as error:
        found = {path: ballast for path, (_, ballast) in find_ballast(ground.rootfs) if not ballast.stays}
        size = sum(ballast.size for ballast in found.values())
        details = _files({path: ballast.size for path, ballast in found.items()})
        yield Advice("strip", size, ESTIMATED, _symbols_of(len(found)), error.hints[0], details)
        return
    if stripped.saved:
        how = "--strip"
        if any(_is_go(ground.rootfs, path) for path in [*stripped.saved][:SHOWN]):
            how += "; where it is compiled: go build -ldflags='-s -w'"
        yield Advice("strip", stripped.size, MEASURED, _symbols_of(len(stripped.saved)), how, _files(stripped.saved))


def _symbols_of(count: int) -> str:
    return f"symbol tables and debug information in {count:,} file{'s' * (count != 1)}"


def _is_go(rootfs: Rootfs, path: str) -> bool:
    entry = rootfs.entries[path]
    if not isinstance(entry, File):
        return False
    file = entry.content.open()
    try:
        return parse_provenance(file, parse_elf(file)).language == "go"
    except ElfError:
        return False
    finally:
        file.close()


def _files(sizes: dict[str, int]) -> tuple[str, ...]:
    largest = sorted(sizes.items(), key=lambda one: (-one[1], one[0]))
    lines = [f"{path}: {size:,} bytes" for path, size in largest[:SHOWN]] if len(largest) > 1 else [largest[0][0]]
    return (*lines, f"and {len(largest) - SHOWN:,} more") if len(largest) > SHOWN else tuple(lines)


def find_duplicates(ground: Ground) -> Iterator[Advice]:
    """Files of one content under several names, which hard links in the root would make one file.

    Libraries are left out: to a loader two files are two libraries, and one file is one.
    """
    by_size: dict[int, list[str]] = {}
    for path, entry in ground.rootfs.entries.items():
        if isinstance(entry, File) and isinstance(entry.content, FileContent) and entry.size:
            by_size.setdefault(entry.size, []).append(path)
    saved: dict[str, int] = {}
    lines: dict[str, tuple[str, ...]] = {}
    for size, paths in by_size.items():
        same: dict[tuple[bytes, int], list[str]] = {}
        for path in paths if len(paths) > 1 else ():
            entry = ground.rootfs.entries[path]
            if isinstance(entry, File) and not _is_library(path):
                same.setdefault((_digest(entry), entry.mode), []).append(path)
        for equal in same.values():
            if len(equal) > 1:
                saved[equal[0]] = size * (len(equal) - 1)
                lines[equal[0]] = (equal[0], *equal[1:])
    if not saved:
        return
    largest = sorted(saved, key=lambda path: (-saved[path], path))
    details = [f"{path} = {_some(lines[path][1:])}" for path in largest[:SHOWN]]
    if len(largest) > SHOWN:
        details.append(f"and {len(largest) - SHOWN:,} more groups of files")
    count = sum(len(one) - 1 for one in lines.values())
    what = f"{count:,} file{'s have' if count != 1 else ' has'} the content of another"
    how = f"ln -f {largest[0]} {lines[largest[0]][1]}   (in the root: names of one file ship as one)"
    yield Advice("duplicates", sum(saved.values()), MEASURED, what, how, tuple(details))


def _is_library(path: str) -> bool:
    name = path.rpartition("/")[2]
    return name.endswith(".so") or ".so." in name


def _some(paths: tuple[str, ...]) -> str:
    return ", ".join(paths[:2]) + (f" and {len(paths) - 2:,} more" if len(paths) > 2 else "")


def _digest(file: File) -> bytes:
    from hashlib import sha256

    digest, content = sha256(), file.content.open()
    try:
        for offset in range(0, file.size, PIECE):
            digest.update(content.read_at(offset, PIECE))
    finally:
        content.close()
    return digest.digest()


def find_compression(ground: Ground) -> Iterator[Advice]:
    """What the packed layer loses with more effort, or with zstd: packed as a build packs it."""
    usual = _packed(ground.rootfs, "gzip")
    for kind in COMPRESSIONS:
        size = _packed(ground.rootfs, kind)
        what = f"the packed layer: {size:,} bytes instead of {usual:,}"
        note = "on its way over a network; unpacked it is as large as before"
        yield Advice("compression", usual - size, MEASURED, what, f"--compression {kind}", (note,))


def _packed(rootfs: Rootfs, kind: str) -> int:
    from needed.image.codec import parse_compression
    from needed.image.layer import Packing, pack_layer

    return pack_layer(rootfs, Packing(parse_compression(kind)), 0, lambda _: None).size
