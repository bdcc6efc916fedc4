"""Names of images: `localhost:5000/team/tool:1.2`, by the grammar of Docker's `reference` and distribution-spec 1.1.

Digests (`name@sha256:…`) are no names to give an image and are refused. Written without `re`, whose import costs more
than all that this file does.
"""

from __future__ import annotations

from needed.errors import UsageError
from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

LOWER_ALNUM = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
ALNUM = LOWER_ALNUM | frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
MAX_NAME = 255
MAX_TAG = 128


@value
class Reference:
    """`name` in its familiar form ("ls", "quay.io/a/b"), never with `docker.io/library/` before it, and `tag`."""

    name: str
    tag: str = "latest"

    def __str__(self) -> str:
        return f"{self.name}:{self.tag}"

    @property
    def familiar(self) -> str:
        """What `docker images` shows: "ls:latest"."""
        return str(self)

    @property
    def canonical(self) -> str:
        """With registry and `library/`: "docker.io/library/ls:latest"."""
        domain, path = _split_domain(self.name)
        return f"{domain}/{path}:{self.tag}"


def parse_reference(text: str) -> Reference:
    """The Reference in `text`; the tag is "latest" if there is none. Raises UsageError."""
    if "@" in text:
        _refuse(text, "a digest cannot be chosen", "name the image NAME[:TAG]; its digest follows from its content")
    if not text:
        _refuse(text, "it is empty", "name the image NAME[:TAG]")
    name, tag = text, "latest"
    above, colon, last = text.rpartition(":")
    if colon and "/" not in last:
        name, tag = above, last
        if not is_tag(tag):
            _refuse(text, f"its tag {tag!r} is malformed", "a tag has at most 128 letters, digits, `_`, `.` and `-`")
    domain, path = _split_domain(name)
    if not _is_domain(domain):
        _refuse(text, f"its registry {domain!r} is malformed", "a registry is HOST or HOST:PORT")
    for component in path.split("/"):
        if not _is_component(component):
            _refuse(text, _fault(component), f"for example: {default_name(path)}")
    if len(f"{domain}/{path}") > MAX_NAME:
        _refuse(f"{text[:40]}…", "it has more than 255 characters", "choose a shorter name")
    if len(name) == 64 and set(name) <= frozenset("0123456789abcdef"):
        _refuse(text, "64 hexadecimal digits are an image's ID", "choose another name")
    return Reference(_familiar(domain, path), tag)


def default_name(program_path: str) -> str:
    """A valid name made from a program's file name: "/opt/My Tool" gives "my-tool"; "image" if nothing is left."""
    name = program_path.rstrip("/").rpartition("/")[2].lower()
    made, separators = "", ""
    for character in name:
        if character not in LOWER_ALNUM:
            separators += character if character in "._-" else "-"
            continue
        if made and separators:
            made += separators if _is_separator(separators) else "-"
        separators = ""
        made += character
    made = made[:100].rstrip("._-")
    return f"image-{made}" if len(made) == 64 else made or "image"


def is_tag(text: str) -> bool:
    """Whether distribution-spec 1.1 allows `text` as a tag: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`."""
    return 0 < len(text) <= MAX_TAG and text[0] not in ".-" and set(text) <= ALNUM | set("._-")


def _split_domain(name: str) -> tuple[str, str]:
    """Registry and path; the first part is a registry if it looks like a host (Docker's splitDockerDomain)."""
    first, slash, rest = name.partition("/")
    if not slash or not (set(first) & set(".:[") or first == "localhost" or first != first.lower()):
        first, rest = "docker.io", name
    if first == "index.docker.io":
        first = "docker.io"
    if first == "docker.io" and "/" not in rest:
        rest = f"library/{rest}"
    return first, rest


def _familiar(domain: str, path: str) -> str:
    if domain != "docker.io":
        return f"{domain}/{path}"
    short = path.removeprefix("library/")
    # "library/a.b/c" must keep what stops "a.b" from being read as a registry.
    return short if "/" not in short and _split_domain(short) == (domain, path) else path


def _is_domain(text: str) -> bool:
    host, port = text, ""
    if text.startswith("["):
        host, closed, after = text[1:].partition("]")
        if not host or not closed or not set(host) <= frozenset("0123456789abcdefABCDEF:"):
            return False
        return not after or (after[0] == ":" and after[1:].isascii() and after[1:].isdigit())
    if ":" in text:
        host, _, port = text.partition(":")
        if not (port.isascii() and port.isdigit()):
            return False
    parts = host.split(".")
    return all(part and set(part) <= ALNUM | {"-"} and part[0] != "-" and part[-1] != "-" for part in parts)


def _is_component(text: str) -> bool:
    """`[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*`"""
    if not text or text[0] not in LOWER_ALNUM or text[-1] not in LOWER_ALNUM:
        return False
    separators = ""
    for character in text:
        if character in LOWER_ALNUM:
            if separators and not _is_separator(separators):
                return False
            separators = ""
        else:
            separators += character
    return True


def _is_separator(text: str) -> bool:
    return text in (".", "_", "__") or not text.strip("-")


def _fault(component: str) -> str:
    if not component:
        return "a part of it is empty"
    if component != component.lower():
        return "it has upper-case letters"
    if any(character.isspace() for character in component):
        return "it has a space"
    return f"{component!r} is not lower-case letters and digits with single `.`, `_` or `-` between them"


def _refuse(text: str, fault: str, hint: str) -> NoReturn:
    raise UsageError(f"{text!r} is not an image name: {fault}", hints=[hint])
