"""A database's files as text: read whole within a limit, cut into paragraphs and lines. Knows no field by name.

The files are a stranger's: each reader says how much it takes, and more is a ReadError that names the file.
"""

from __future__ import annotations

from needed.errors import ReadError
from needed.root import RootPath

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.root import Walker

MAX_DATABASE = 32 << 20  # bytes; ten times what a desktop has
MAX_PARAGRAPH = 1 << 20  # the longest of Debian 12 has 60,000
MAX_PARAGRAPHS = 100_000
MAX_LIST = 16 << 20
MAX_FILES = 300_000  # of one package; the largest of Debian 12 has 100,000


def read_text(walker: Walker, path: str, limit: int) -> str | None:
    """The file that `path` leads to, None if it leads to none. Raises ReadError, also for more than `limit` bytes."""
    found = walker.find(path)
    if found is None or found.entry.kind != "file":
        return None
    file = walker.root.open(found.path)
    try:
        if file.size > limit:
            raise ReadError(f"{path}: has {file.size} bytes, and {limit} are the limit")
        parts: list[bytes] = []
        at = 0
        while at < file.size and (part := file.read_at(at, file.size - at)):
            parts.append(part)
            at += len(part)
    finally:
        file.close()
    return b"".join(parts).decode("utf-8", "surrogateescape")


def paragraphs(text: str, path: str, limit: int = MAX_PARAGRAPH) -> Iterator[str]:
    """What empty lines separate, empty ones left out. Raises ReadError for too long a one, and for too many."""
    at = number = 0
    while at < len(text):
        end = text.find("\n\n", at)
        end = len(text) if end < 0 else end
        number += 1
        if number > MAX_PARAGRAPHS:
            raise ReadError(f"{path}: has more than {MAX_PARAGRAPHS} paragraphs")
        if end - at > limit:
            raise ReadError(f"{path}: has a paragraph of {end - at} bytes, and {limit} are the limit")
        if end > at:
            yield text[at:end]
        at = end + 2


def parse_fields(paragraph: str, wanted: set[str]) -> dict[str, str]:
    """The fields of deb822(5) in `wanted`, by their names in lower case; of two with one name the first. The lines that
    continue a field keep their line feeds, without the space that begins them."""
    found: dict[str, str] = {}
    current = ""
    lines: list[str] = []
    for line in paragraph.split("\n"):
        if line[:1] in (" ", "\t"):
            if current:
                lines.append(line[1:])
            continue
        if current:
            found.setdefault(current, "\n".join(lines))
        name, colon, rest = line.partition(":")
        current = name.lower() if colon and name.lower() in wanted else ""
        lines = [rest.strip()]
    if current:
        found.setdefault(current, "\n".join(lines))
    return found


def parse_paths(text: str, path: str) -> Iterator[RootPath]:
    """Absolute paths, one a line, without slashes at their ends; the root itself is left out. Raises ReadError."""
    count = 0
    for line in text.split("\n"):
        if line in ("", "/", "/."):
            continue
        count += 1
        if count > MAX_FILES:
            raise ReadError(f"{path}: names more than {MAX_FILES} files")
        yield check_path(line, path)


def check_path(name: str, path: str) -> RootPath:
    """`name`, which the file at `path` holds, as a path of the root. Raises ReadError for one that no package has."""
    plain = name[1:].rstrip("/")
    # The quick look first: no ordinary path has "/." with something odd behind it.
    odd = "//" in plain or "/." in f"/{plain}/"
    if name[:1] != "/" or "\0" in name or (odd and {"", ".", ".."} & {*plain.split("/")}) or len(name) > 4095:
        raise ReadError(f"{path}: names {name[:60]!a}, which is no path that a package has")
    return RootPath(f"/{plain}")
