"""What is run and what came of it: nouns, and the command line that an image's config stands for (config.md)."""

from __future__ import annotations

from needed.errors import UsageError
from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from needed.image.model import ImageConfig
    from needed.root import Root
    from needed.verify.trees import Defaults

IDS = 65536  # users and groups that a sandbox may have
# What Docker gives a process whose image names none.
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
MAX_USERS = 1 << 20  # bytes of passwd and group that are read
MEGABYTE = 1 << 20


@value
class Mount:
    """A file or folder of this machine at `destination` of the sandbox."""

    source: str
    destination: str
    read_only: bool = False


@value
class Command:
    """`argv` as execve(2) has it; `env` is the whole environment; `user` numeric. `network` is "none", where only
    loopback is there, or "host". `capabilities` is "none", or "root": the image's root may become another user.
    `terminal`: standard streams are a terminal's."""

    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...] = ()
    directory: str = "/"
    user: tuple[int, int] = (0, 0)
    network: str = "none"
    mounts: tuple[Mount, ...] = ()
    terminal: bool = False
    capabilities: str = "none"


@value
class Limits:
    """`seconds` on the clock (0: none), `memory` in bytes of all processes together, `output` in bytes of each stream:
    of more the first and the last part are kept."""

    seconds: float = 60.0
    memory: int = 4096 * MEGABYTE
    processes: int = 1024
    output: int = MEGABYTE


@value
class Outcome:
    """`status` is the exit status as a shell has it: 128 and the signal's number for a signal. `ended` is "exited",
    "time", "memory", "processes" or "stopped" (by us, as it was to be)."""

    status: int
    stdout: bytes = b""
    stderr: bytes = b""
    seconds: float = 0.0
    ended: str = "exited"


def command_of(
    config: ImageConfig | None, root: Root, words: tuple[str, ...], *, user: str = "", env: tuple[str, ...] = ()
) -> Command:
    """The command that an engine would run: `words` in place of Cmd, `env` (NAME=VALUE) over Env, `user` over User.

    Raises UsageError where neither says a program, or a user's name is not in the image.
    """
    return command_by(config, words, find_user(root, user or (config.user if config else "")), env=env)


def command_by(
    config: ImageConfig | Defaults | None,
    words: tuple[str, ...],
    who: tuple[tuple[int, int], str],
    *,
    env: tuple[str, ...] = (),
) -> Command:
    """As `command_of`, of whose user number and home are known."""
    entrypoint, cmd = (config.entrypoint, config.cmd) if config else ((), ())
    argv = (*entrypoint, *(words or cmd))
    if not argv:
        hint = "say which: needed run IMAGE -- PROGRAM ARGUMENTS"
        raise UsageError("the image names no program to run", hints=[hint])
    number, home = who
    given = [item.partition("=") for item in (*(config.env if config else ()), *env)]
    variables = {"PATH": DEFAULT_PATH, "HOME": home} | {name: text for name, _, text in given}
    return Command(argv, tuple(variables.items()), (config.working_dir if config else "") or "/", number)


def find_user(root: Root, text: str) -> tuple[tuple[int, int], str]:
    """Numbers and home of `text` ("nginx", "65532:65532", "" for root) by the image's own passwd and group."""
    name, _, group = text.partition(":")
    name = name or "0"
    known = [fields for fields in _table(root, "/etc/passwd") if len(fields) == 7]
    found = next((fields for fields in known if name in (fields[0], fields[2])), None)
    if found is None and not _is_number(name):
        raise UsageError(f"the image has no user {name}", hints=["name one by number: --user 65532:65532"])
    number = int(found[2] if found and _is_number(found[2]) else name)
    groups = {fields[0]: fields[2] for fields in _table(root, "/etc/group") if len(fields) >= 3}
    group = group or (found[3] if found else "0")
    group = groups.get(group, group)
    if not _is_number(group):
        raise UsageError(f"the image has no group {group}", hints=["name one by number: --user 65532:65532"])
    return (number, int(group)), (found[5] if found else "") or "/"


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 11


def _table(root: Root, path: str) -> list[list[str]]:
    from needed.root import Walker, read_head

    found = Walker(root).find(path)
    if found is None or found.entry.kind != "file":
        return []
    text = read_head(root, found.path, MAX_USERS).decode("utf-8", "surrogateescape")
    return [line.split(":") for line in text.splitlines()]
