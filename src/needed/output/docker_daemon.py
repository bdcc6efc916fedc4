"""`docker-daemon:NAME:TAG`: the archive, sent to `POST /images/load` of the Docker Engine API (1.24 and later).

Speaks to unix:// and tcp:// directly; ssh://, npipe:// and TLS are the docker client's. Podman's service answers too.
"""

from __future__ import annotations

from needed.errors import EngineError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from http.client import HTTPConnection, HTTPResponse

    from needed.image.reference import Reference
    from needed.output.archive import Archive

DEFAULT_HOST = "unix:///var/run/docker.sock"
ARCHIVE_HINT = "or write an archive: -o docker-archive:FILE"


def load_into_docker(archive: Archive, reference: Reference, host: str = DEFAULT_HOST) -> str:
    """Load `archive` into the daemon at `host` (DOCKER_HOST) and return the image's Id. Raises EngineError."""
    host = host or DEFAULT_HOST
    try:
        _load(archive, host)
        return _image_id(reference, host)
    except (OSError, ValueError) as error:
        raise EngineError(f"Docker at {host} stopped answering: {error}", hints=["try again", ARCHIVE_HINT]) from None


def answers(host: str = DEFAULT_HOST) -> bool:
    """Whether a daemon at `host` answers `GET /_ping` within two seconds."""
    from http.client import HTTPException

    try:
        connection = _connect(host or DEFAULT_HOST, 2.0)
    except EngineError:
        return False
    try:
        connection.request("GET", "/_ping")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _load(archive: Archive, host: str) -> None:
    from contextlib import suppress

    connection = _connect(host, None)
    try:
        headers = {"Content-Type": "application/x-tar", "Transfer-Encoding": "chunked"}
        body = (chunk for chunk in archive.chunks() if chunk)  # an empty chunk would end the body
        with suppress(BrokenPipeError, ConnectionResetError):  # it refused before the end, and its answer says why
            connection.request("POST", "/images/load?quiet=1", body, headers, encode_chunked=True)
        response = _response(connection, host)
        answer = response.read()
    finally:
        connection.close()
    if response.status != 200:
        raise EngineError(f"Docker at {host} refused the image: {_message(answer)}", hints=[ARCHIVE_HINT])
    for line in answer.splitlines():
        if problem := _problem(line):
            raise EngineError(f"Docker at {host} refused the image: {problem}", hints=[ARCHIVE_HINT])


def _image_id(reference: Reference, host: str) -> str:
    import json

    connection = _connect(host, 60.0)
    try:
        connection.request("GET", f"/images/{reference.familiar}/json")
        response = _response(connection, host)
        answer = response.read()
    finally:
        connection.close()
    if response.status != 200:
        raise EngineError(f"Docker at {host} does not have {reference} after loading it: {_message(answer)}")
    return str(json.loads(answer)["Id"])


def _response(connection: HTTPConnection, host: str) -> HTTPResponse:
    from http.client import HTTPException

    try:
        return connection.getresponse()
    except HTTPException as error:
        raise EngineError(f"what answers at {host} is not Docker: {error!r}", hints=["check DOCKER_HOST"]) from None


def _connect(host: str, timeout: float | None) -> HTTPConnection:
    """A connection, already made. Raises EngineError."""
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
        raise _no_answer(host, error) from None
    raise EngineError(
        f"DOCKER_HOST is {host!r}, and only unix://PATH and tcp://HOST:PORT are spoken here",
        hints=["write an archive and load it: needed -o docker-archive:- … | docker load"],
    )


def _no_answer(host: str, error: Exception) -> EngineError:
    reason = getattr(error, "strerror", None) or str(error)
    if isinstance(error, PermissionError):
        start = "join its group: sudo usermod -aG docker $USER, and log in again"
    else:
        start = "start it: sudo systemctl start docker"
    return EngineError(f"Docker does not answer at {host}: {reason}", hints=[start, ARCHIVE_HINT])


def _problem(line: bytes) -> str:
    """The error that a line of the answer's JSON stream tells, or nothing."""
    import json

    try:
        message = json.loads(line)
    except ValueError:
        return ""
    if not isinstance(message, dict):
        return ""
    detail = message.get("errorDetail")
    told = detail.get("message") if isinstance(detail, dict) else None
    return str(told or message.get("error") or "")


def _message(answer: bytes) -> str:
    import json

    try:
        return str(json.loads(answer)["message"])
    except (ValueError, KeyError, TypeError):
        return answer[:200].decode("utf-8", "replace").strip() or "no reason given"
