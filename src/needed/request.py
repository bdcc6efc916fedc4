"""What an image was asked to hold, in the one line of its config's history (config.md, `created_by`).

Every engine and registry keeps that line, so an image can be explained where it ends up: its programs are resolved
again, in the image itself. Paths are those inside the image; nothing of the machine that built it is in it.
"""

from __future__ import annotations

from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from needed.rootfs import Rootfs

PREFIX = "needed build"
_OPTIONS = ("--add", "--hwcaps", "--rule", "--no-rule", "--with", "--package", "--trace")


@value
class Request:
    """`programs` and `additions` are paths in the image; `hwcaps` is the level asked for, "" for the baseline. `rules`,
    `off`, `along` and `packages` are what was said to the rules (see `rules.choices`), `traces` the command lines of
    programs that were traced. `strip`: its ELF files came stripped, which the image itself shows no more."""

    programs: tuple[str, ...]
    additions: tuple[str, ...] = ()
    hwcaps: str = ""
    preload: bool = False
    rules: tuple[tuple[str, str], ...] = ()
    off: tuple[str, ...] = ()
    along: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    traces: tuple[str, ...] = ()
    strip: bool = False


def render_request(request: Request) -> str:
    """The line: a command that a shell could read."""
    words = [*map(_quoted, request.programs)]
    words += [f"--add {_quoted(path)}" for path in request.additions]
    words += [f"--hwcaps {request.hwcaps}"] if request.hwcaps else []
    words += ["--preload"] if request.preload else []
    words += ["--strip"] if request.strip else []
    words += [f"--rule {_quoted(f'{name}={given}' if given else name)}" for name, given in request.rules]
    words += [f"--no-rule {_quoted(name)}" for name in request.off]
    words += [f"--with {_quoted(name)}" for name in request.along]
    words += [f"--package {_quoted(name)}" for name in request.packages]
    words += [f"--trace {_quoted(command)}" for command in request.traces]
    return " ".join((PREFIX, *words))


def values_of_image(values: Iterable[tuple[str, str]], rootfs: Rootfs) -> Iterator[tuple[str, str]]:
    """What was said to rules, without the files that `rootfs` has not: what was made of them is in it instead."""
    from needed.proof import RootfsRoot
    from needed.root import Walker

    walker = Walker(RootfsRoot(rootfs))
    for name, given in values:
        words = [word for word in given.split(",") if not word.startswith("/") or walker.find(word)]
        yield name, ",".join(words)


def parse_request(line: str) -> Request | None:
    """The Request in a line of history, None if it is not one of ours."""
    import shlex

    if line != PREFIX and not line.startswith(f"{PREFIX} "):
        return None
    try:
        words = shlex.split(line)[2:]
    except ValueError:
        return None
    programs: list[str] = []
    given: dict[str, list[str]] = {option: [] for option in _OPTIONS}
    switches = {"--preload": False, "--strip": False}
    while words:
        word = words.pop(0)
        if word in switches:
            switches[word] = True
        elif word in given and words:
            given[word].append(words.pop(0))
        elif word.startswith("/"):
            programs.append(word)
        else:
            return None
    rules = ((name, value) for name, _, value in (text.partition("=") for text in given["--rule"]))
    return Request(
        tuple(programs),
        tuple(given["--add"]),
        (given["--hwcaps"] or [""])[-1],
        switches["--preload"],
        tuple(rules),
        tuple(given["--no-rule"]),
        tuple(given["--with"]),
        tuple(given["--package"]),
        tuple(given["--trace"]),
        switches["--strip"],
    )


def _quoted(word: str) -> str:
    """`word` for a shell. Hardly any path needs quotes, and `shlex` takes as long to import as a program to resolve."""
    if word.isascii() and word.replace("/", "").replace(".", "").replace("-", "").replace("_", "").isalnum():
        return word
    from shlex import quote

    return quote(word)
