"""What a rule may answer: a file of the root, one that we make, a program, a plugin, a question. No algorithm."""

from __future__ import annotations

from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from needed.closure import Reason

ROOT_OWNER = (0, 0)


@value
class Evidence:
    """What a rule is called for. `path` is the path string of an object, a program or a script of the closure, and
    `detail` what of it the rule's row names: "imports getaddrinfo"; "" where it is the file itself."""

    path: str
    detail: str = ""


@value
class Take:
    """What stands at `path` of the root: a file, every link on the way, or a folder, which comes empty. A path that
    leads nowhere is no error: the link that dangles there dangles here. `owner` is numeric user and group; `mode` is
    the file's own, or None for 0755 of what anybody may execute and 0644 of the rest."""

    path: str
    reason: Reason
    owner: tuple[int, int] = ROOT_OWNER
    mode: int | None = None


@value
class Make:
    """A file with `content`, or a folder where that is None, whatever the root has there. `mode` may be sticky."""

    path: str
    content: bytes | None
    reason: Reason
    mode: int = 0o644
    owner: tuple[int, int] = ROOT_OWNER


@value
class Link:
    """A symlink that the root need not have."""

    path: str
    target: str
    reason: Reason


@value
class Execute:
    """A program or a script, by its path or by a name that is looked up on the root's PATH, with all that it needs."""

    program: str
    reason: Reason


@value
class Load:
    """dlopen(3) of `name`, a path or a name that the loader searches for, by the object at `by`, with all that it
    needs. `by` is a program, or an object of its process."""

    name: str
    by: str
    reason: Reason


@value
class Tell:
    """What a rule could not decide, or decided and a user may want otherwise: a sentence, and what changes it."""

    message: str
    hint: str = ""


@value
class Settled:
    """A rule knows all that the object or static program at `path` opens while it runs; see `needed.completeness`."""

    path: str


@value
class Traced:
    """What a program that was traced found at `path`, a path string; of a library that the loader looked for in vain
    (`needed.fit`) its name. `how` is "executed", "loaded" (as code), "opened", "listed" (a folder), "seen",
    "written" (a folder in which it could make no file, and which the image's user gets), or "same" (a copy of the
    program in `by`, for a link to do). `by` are the programs that asked, `command` the line that was run."""

    path: str
    how: str
    by: tuple[str, ...]
    command: str


Finding = Take | Make | Link | Execute | Load | Tell | Settled
