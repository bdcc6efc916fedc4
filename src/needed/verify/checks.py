"""What is asked of a run: Checks, from the words of a command line or from the `[[check]]` tables of `needed.toml`.

    [[check]]
    name = "serves"
    args = ["-g", "daemon off;"]          # behind the entrypoint; without it the image's own
    env = ["PORT=8080"]
    user = "65532:65532"                  # in place of the image's
    http = ["8080/health", "8080/x=404"]  # PORT/PATH[=STATUS]
    http_contains = ["Welcome"]           # in each of those answers
    tcp = [6379]
    stays_up = 2                          # seconds
    exit = 0                              # of a program that ends; not together with the four above
    stdout_contains = ["ready"]
    stderr_contains = []
    same_as_host = false
    network = "none"                      # or "host", this machine's
    capabilities = "none"                 # or "root": the image's root may become another user
    time = 60                             # seconds, the most that all of it may take

One Check is one run. Decides nothing about what came of it (`judge`), and reads nothing: text comes from the command.
"""

from __future__ import annotations

from needed.errors import UsageError
from needed.value import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_CONFIGURATION = 1 << 20  # bytes
MAX_CHECKS = 100
MAX_SECONDS = 24 * 3600.0
SECONDS = 60.0
MARGIN = 10.0  # seconds that a program may take beyond those that it is to stay up
_LISTS = ("args", "env", "stdout_contains", "stderr_contains", "http_contains")
_KEYS = ("name", *_LISTS, "user", "exit", "same_as_host", "http", "tcp", "stays_up", "network",
         "capabilities", "time")  # fmt: skip


@value
class HttpProbe:
    """GET `path` on `port` of the sandbox's loopback must answer with `status`."""

    port: int
    path: str = "/"
    status: int = 200

    def __str__(self) -> str:
        return f"{self.port}{self.path}" + (f"={self.status}" if self.status != 200 else "")


@value
class Check:
    """One run and what it must show. Without `args` it is the image's own command. `exit` is None where how it ends is
    nobody's business; `starts` asks that it ends with 0 or is still running after `stays_up`. `network` and
    `capabilities` as of a Command, `seconds` for all."""

    name: str = ""
    args: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    user: str = ""
    exit: int | None = 0
    stdout_contains: tuple[str, ...] = ()
    stderr_contains: tuple[str, ...] = ()
    same_as_host: bool = False
    http: tuple[HttpProbe, ...] = ()
    http_contains: tuple[str, ...] = ()
    tcp: tuple[int, ...] = ()
    stays_up: float = 0.0
    starts: bool = False
    seconds: float = SECONDS
    network: str = "none"
    capabilities: str = "none"

    @property
    def serves(self) -> bool:
        """Whether the program is looked at while it runs, and stopped when enough was seen."""
        return bool(self.http or self.tcp or self.stays_up)


# Of an image of which nothing was said: how long a program that does not end must run to count as started.
STARTS = Check(exit=None, stays_up=2.0, starts=True)


def parse_http(text: str, where: str = "--http") -> HttpProbe:
    """PORT[/PATH][=STATUS]; three digits behind the last `=` are the status. Raises UsageError."""
    rest, equals, status = text.rpartition("=")
    if not (equals and len(status) == 3 and _is_digits(status)):
        rest, status = text, "200"
    port, slash, path = rest.partition("/")
    path = slash + path or "/"
    if not path.isascii() or not path.isprintable() or " " in path or len(path) > 4096:
        raise UsageError(f"{where} {text}: the path must be as it goes over the wire", hints=["a space is %20"])
    return HttpProbe(parse_port(port, f"{where} {text}"), path, int(status))


def parse_port(text: str, where: str) -> int:
    """A port's number. Raises UsageError."""
    if not _is_digits(text) or not 0 < int(text[:6]) < 65536:
        raise UsageError(f"{where}: {text or 'nothing'}: expected a port", hints=["--http 8080/path=200", "--tcp 6379"])
    return int(text)


def parse_seconds(text: str, where: str) -> float:
    """A time in seconds, above 0 and at most a day. Raises UsageError."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= MAX_SECONDS:
        raise UsageError(f"{where} {text}: expected seconds", hints=[f"{where} 2", f"{where} 0.5"])
    return seconds


def parse_status(text: str, where: str) -> int:
    """An exit status. Raises UsageError."""
    if not _is_digits(text) or int(text[:6]) > 255:
        raise UsageError(f"{where} {text}: expected a status, 0 to 255", hints=[f"{where} 0"])
    return int(text)


def parse_network(text: str, where: str) -> str:
    """"none", where only loopback is there, or "host". Raises UsageError."""
    if text not in ("none", "host"):
        raise UsageError(f"{where} {text}: expected none or host", hints=[f"{where} host"])
    return text


def parse_capabilities(text: str, where: str) -> str:
    """"none", or "root". Raises UsageError."""
    if text not in ("none", "root"):
        raise UsageError(f"{where} {text}: expected none or root", hints=[f"{where} root"])
    return text


def finished(check: Check, *, status: int | None, where: str) -> Check:
    """`check` with the exit status that was asked for, or what follows where none was. Raises UsageError."""
    if check.serves and status is not None:
        raise UsageError(
            f"{where}: a program that is stopped when it has answered has no exit status of its own",
            hints=["leave the exit status out, or what asks for a service (http, tcp, stays up)"],
        )
    if check.serves and check.same_as_host:
        raise UsageError(
            f"{where}: the same output as on the host is asked of a program that ends, not of a service",
            hints=["leave one of them out"],
        )
    if check.http_contains and not check.http:
        raise UsageError(f"{where}: a text of an answer, and no address to ask", hints=["--http 8080/path"])
    ends = None if check.serves or check.same_as_host else 0
    return replace(check, exit=ends if status is None else status, seconds=_long_enough(check))


def _long_enough(check: Check) -> float:
    return max(check.seconds, check.stays_up + MARGIN) if check.stays_up else check.seconds


def parse_checks(text: bytes, file: str) -> tuple[Check, ...]:
    """The checks in `text`, the content of the configuration file `file`. Raises UsageError."""
    import tomllib

    try:
        document = tomllib.loads(text[:MAX_CONFIGURATION].decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"{file}: is no TOML: {error}", hints=["see `needed verify --help` for an example"]) from None
    tables = document.get("check", [])
    if not isinstance(tables, list):
        raise UsageError(f"{file}: check: expected [[check]] tables", hints=["write [[check]], with two brackets"])
    if len(tables) > MAX_CHECKS:
        raise UsageError(f"{file}: {len(tables)} checks, and {MAX_CHECKS} is the most", hints=["say it in fewer runs"])
    return tuple(_parse(item, f"{file}: check {number}") for number, item in enumerate(tables, 1))


def _parse(item: object, where: str) -> Check:
    if not isinstance(item, dict):
        raise UsageError(f"{where}: expected a table", hints=["write [[check]], with two brackets"])
    unknown = item.keys() - {*_KEYS}
    if unknown:
        raise UsageError(f"{where}: {min(unknown)}: unknown key", hints=[f"known are {', '.join(_KEYS)}"])
    lists = {key: _strings(item.get(key, []), f"{where}: {key}") for key in _LISTS}
    for one in lists["env"]:
        if not one.partition("=")[0] or "=" not in one:
            raise UsageError(f"{where}: env: {one}: expected NAME=VALUE", hints=['env = ["NAME=VALUE"]'])
    status = _number(item, "exit", where)
    check = Check(
        _string(item, "name", where),
        lists["args"],
        lists["env"],
        _string(item, "user", where),
        None,
        lists["stdout_contains"],
        lists["stderr_contains"],
        _boolean(item, "same_as_host", where),
        tuple(parse_http(one, f"{where}: http") for one in _strings(item.get("http", []), f"{where}: http")),
        lists["http_contains"],
        _ports(item.get("tcp", []), f"{where}: tcp"),
        _seconds(item, "stays_up", where) or 0.0,
        seconds=_seconds(item, "time", where) or SECONDS,
        network=parse_network(_string(item, "network", where) or "none", f"{where}: network"),
        capabilities=parse_capabilities(_string(item, "capabilities", where) or "none", f"{where}: capabilities"),
    )
    return finished(check, status=None if status is None else parse_status(str(status), f"{where}: exit"), where=where)


def _strings(given: object, where: str) -> tuple[str, ...]:
    if not isinstance(given, list) or not all(isinstance(one, str) and "\0" not in one for one in given):
        raise UsageError(f"{where}: expected a list of strings", hints=[f'{where.rpartition(" ")[2]} = ["..."]'])
    return tuple(given)


def _ports(given: object, where: str) -> tuple[int, ...]:
    if not isinstance(given, list) or not all(isinstance(one, int) and not isinstance(one, bool) for one in given):
        raise UsageError(f"{where}: expected a list of ports", hints=["tcp = [6379]"])
    return tuple(parse_port(str(one), where) for one in given)


def _string(item: Mapping[str, object], key: str, where: str) -> str:
    found = item.get(key, "")
    if not isinstance(found, str) or "\0" in found:
        raise UsageError(f"{where}: {key}: expected a string", hints=[f'{key} = "..."'])
    return found


def _boolean(item: Mapping[str, object], key: str, where: str) -> bool:
    found = item.get(key, False)
    if not isinstance(found, bool):
        raise UsageError(f"{where}: {key}: expected true or false", hints=[f"{key} = true"])
    return found


def _number(item: Mapping[str, object], key: str, where: str) -> int | None:
    found = item.get(key)
    if found is not None and (isinstance(found, bool) or not isinstance(found, int)):
        raise UsageError(f"{where}: {key}: expected a number", hints=[f"{key} = 0"])
    return found


def _seconds(item: Mapping[str, object], key: str, where: str) -> float | None:
    found = item.get(key)
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        raise UsageError(f"{where}: {key}: expected seconds", hints=[f"{key} = 2"])
    return parse_seconds(str(found), f"{where}: {key}")


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()
