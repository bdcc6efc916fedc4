"""A connection to the Docker Engine API (1.24 and later), for those who read from the daemon and who write to it.

Speaks to unix:// and tcp:// directly; ssh://, npipe:// and TLS are the docker client's. Podman's service answers too.
"""

from __future__ import annotations

from needed.errors import EngineError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from http.client import HTTPConnection, HTTPResponse

DEFAULT_HOST = "unix:///var/run/docker.sock"


def connect(host: str, timeout: float | None, *, otherwise: str = "", command: str = "") -> HTTPConnection:
    """A connection, already made. Raises EngineError: `otherwise` is the hint that does without Docker, `command` a
    line for a DOCKER_HOST that only the docker client speaks to."""
    import socket
    from http.client import HTTPConnection

    scheme, _, rest = host.partition("://")
    connection = HTTPConnection("docker", timeout=timeout)
    try:
        if scheme == "unix" and rest:
            connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.sock.settimeout(timeout)
            connection.sock.connect(rest)
            return connection
        name, colon, port = rest.rstrip("/").rpartition(":")
        if scheme in ("tcp", "http") and colon and port.isascii() and port.isdigit():
            connection.sock = socket.create_connection((name.strip("[]"), int(port)), timeout or 10.0)
            connection.sock.settimeout(timeout)
            return connection
    except (OSError, OverflowError) as error:
        connection.close()
        raise _no_answer(host, error, otherwise) from None
    raise EngineError(
        f"DOCKER_HOST is {host!r}, and only unix://PATH and tcp://HOST:PORT are spoken here", hints=[command]
    )


def response_of(connection: HTTPConnection, host: str) -> HTTPResponse:
    """The answer's head. Raises EngineError if what answers does not speak HTTP."""
    from http.client import HTTPException

    try:
        return connection.getresponse()
    except HTTPException as error:
        raise EngineError(f"what answers at {host} is not Docker: {error!r}", hints=["check DOCKER_HOST"]) from None


def message_of(answer: bytes) -> str:
    """What an error's body says."""
    import json

    try:
        return str(json.loads(answer)["message"])
    except (ValueError, KeyError, TypeError):
        return answer[:200].decode("utf-8", "replace").strip() or "no reason given"


def _no_answer(host: str, error: Exception, otherwise: str) -> EngineError:
    reason = getattr(error, "strerror", None) or str(error)
    if isinstance(error, PermissionError):
        start = "join its group: sudo usermod -aG docker $USER, and log in again"
    else:
        start = "start it: sudo systemctl start docker"
    return EngineError(f"Docker does not answer at {host}: {reason}", hints=[start, otherwise])
