"""`--package NAME`: the files of a package, each as what it is to a process: a program, a plugin, or data.

Which files a package has, and which of its dependencies come along, `needed.packages` says. Modes are kept but for
setuid and setgid. A folder or file that belongs to a user of the system's becomes the image's user's, who runs what
needs it; where that is root, who may become any user, it stays as it is.
"""

from __future__ import annotations

from needed.closure import Reason
from needed.errors import ReadError, SourceError
from needed.root import read_head
from needed.rules.finding import ROOT_OWNER, Execute, Load, Make, Take, Tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.packages.selection import Selection
    from needed.root import Entry, RootPath, Walker
    from needed.rules.finding import Finding
    from needed.rules.view import View

KIND = "package"
PROGRAM_FOLDERS = ("/usr/sbin/", "/usr/bin/", "/sbin/", "/bin/", "/usr/games/")


def find_package(view: View, name: str, selection: Selection) -> Iterator[Finding]:
    """What of the package `name`, of which `selection` was made, ships."""
    leader = leading_program(name, selection)
    for item in selection.selected:
        reason = Reason(KIND, item.package)
        owner = _owner(item.entry, view.choices.user)
        if item.entry.kind == "directory":
            yield Make(item.path, None, reason, item.entry.mode & 0o1777, owner)
        elif item.entry.kind == "symlink":
            yield Take(item.path, reason)
        else:
            yield from _file(view, item.path, item.entry, (reason, owner, leader))
    yield from _told(selection, name)


def find_in_image(view: View, reason: Reason, known: set[str]) -> Iterator[Finding]:
    """The same of an image that was built of packages or traces: it has no database, and all that it holds was wanted
    for `reason`. What is `known` to be there for another reason is left to that."""
    leader = next((program.path for program in view.closure.programs), "")
    for path, kind in view.tree("/"):
        if path in known:
            continue
        found = view.find(path) if kind == "file" else None
        if found is not None:
            yield from _file(view, found.path, found.entry, (reason, found.entry.owner, leader))
        else:
            yield Take(path, reason)


def leading_program(name: str, selection: Selection) -> str:
    """The program that an image of the package `name` starts: of its name, or the only one; "" if that is unclear."""
    plain = name.partition(":")[0]
    programs = [item.path for item in selection.selected if item.why == "file" and _is_program(item.path)]
    for program in programs:
        base = program.rpartition("/")[2]
        if base == plain or plain.removesuffix("-server") == base or plain == f"{base}-server":
            return program
    return programs[0] if len(programs) == 1 else ""


def select_package(walker: Walker, name: str) -> Selection:
    """What of the package `name` to take. Raises SourceError if the root has no such package, ReadError."""
    from needed.packages import open_packages, select_files

    packages = open_packages(walker.root, walker)
    if packages is None:
        raise SourceError(
            f"--package {name}: the root has no package database",
            hints=["name the tree of a Debian or an Alpine with --root", f"without one: --add the files of {name}"],
        )
    return select_files(packages, name)


def _is_program(path: str) -> bool:
    return path.startswith(PROGRAM_FOLDERS)


def _owner(entry: Entry, user: tuple[int, int]) -> tuple[int, int]:
    if entry.owner[0] == 0:
        return ROOT_OWNER
    return entry.owner if user[0] == 0 else user


def _file(view: View, path: RootPath, entry: Entry, how: tuple[Reason, tuple[int, int], str]) -> Iterator[Finding]:
    reason, owner, leader = how
    try:
        head = read_head(view.walker.root, path, 4) if entry.mode & 0o111 or ".so" in path else b""
    except ReadError:
        head = b""
    if entry.mode & 0o111 and (head[:2] == b"#!" or (head == b"\x7fELF" and ".so" not in path.rpartition("/")[2])):
        yield Execute(path, reason)
    elif head == b"\x7fELF" and leader:
        yield Load(path, leader, reason)
    else:
        yield Take(path, reason, owner, entry.mode & 0o777)


def _told(selection: Selection, name: str) -> Iterator[Tell]:
    size = sum(item.size for item in selection.left_out)
    if size:
        most = sorted(selection.left_out, key=lambda item: -item.size)[:3]
        yield Tell(f"{size:,} bytes of {name} are left out: {', '.join(item.category for item in most)} and the like")
    for dependency in selection.dependencies:
        if dependency.hint:
            what = f"{dependency.needed_by} depends on {dependency.name}, which {dependency.reason}"
            yield Tell(what, dependency.hint)
