"""A project in a second folder, to compile it there once more: a path that gets into the program shows.

Copies within bounds, and only what is inside the project: links stay links. What tools leave of earlier builds, and the
history of the project, do not come along. Says why, where a project is too large for it.
"""

from __future__ import annotations

import os
import stat

from needed.errors import NeededError
from needed.toolchain.sources import project_folder
from needed.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from needed.toolchain.model import Source

MAX_FILES = 20_000
MAX_BYTES = 256 << 20
MAX_DEPTH = 64
_LEFT_OUT = (".git", ".hg", ".svn", ".zig-cache", "zig-cache", "zig-out")
_PRODUCTS = {"cargo": ("target",)}  # folders with names that elsewhere may be a part of the source


class NotCopied(NeededError):
    """The project stays where it is: the message says why."""


def copy_project(source: Source, into: str) -> Source:
    """`source` in the new folder `into`, its project around it. Raises NotCopied.

    Of files that lie in a folder too large for that only themselves come along, as that folder is hardly their project.
    """
    top = project_folder(source)
    try:
        _copy_tree(top, into, (*_LEFT_OUT, *_PRODUCTS.get(source.builder, ())))
    except NotCopied:
        if not source.files:
            raise
        import shutil

        shutil.rmtree(into)
        for path in source.files:
            place = _moved(path, top, into)
            os.makedirs(os.path.dirname(place), exist_ok=True)
            shutil.copyfile(path, place)
    except OSError as error:
        raise NotCopied(f"{error.filename}: {error.strerror}") from None
    files = tuple(_moved(path, top, into) for path in source.files)
    return replace(source, folder=_moved(source.folder, top, into), files=files)


def _moved(path: str, top: str, into: str) -> str:
    return os.path.normpath(os.path.join(into, os.path.relpath(path, top)))


def _copy_tree(top: str, into: str, left_out: tuple[str, ...]) -> None:
    """All but the folders `left_out`, and pipes, sockets and devices. Raises NotCopied beyond the bounds; OSError."""
    import shutil

    files = size = 0
    ahead = [(top, into, 0)]
    while ahead:
        folder, place, depth = ahead.pop()
        if depth > MAX_DEPTH:
            raise NotCopied(f"{top} is deeper than {MAX_DEPTH} folders")
        os.makedirs(place)
        with os.scandir(folder) as entries:
            for entry in entries:
                files += 1
                if files > MAX_FILES:
                    raise NotCopied(f"{top} has more than {MAX_FILES:,} files")
                target = os.path.join(place, entry.name)
                if entry.is_symlink():
                    os.symlink(os.readlink(entry.path), target)
                elif entry.is_dir():
                    if entry.name not in left_out:
                        ahead.append((entry.path, target, depth + 1))
                elif stat.S_ISREG(entry.stat().st_mode):
                    size += entry.stat().st_size
                    if size > MAX_BYTES:
                        raise NotCopied(f"{top} has more than {MAX_BYTES >> 20} MiB")
                    shutil.copy2(entry.path, target)
