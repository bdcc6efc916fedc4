"""`docker-daemon:NAME:TAG`: the archive, sent to `POST /images/load` of the Docker Engine API (1.24 and later)."""

from __future__ import annotations

from needed.errors import EngineError
from needed.source.docker_api import DEFAULT_HOST, connect, message_of, response_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from http.client import HTTPConnection

    from needed.image.model import Platform
    from needed.image.reference import Reference
    from needed.output.archive import Archive

ARCHIVE_HINT = "or write an archive: -o docker-archive:FILE"
PIPE_HINT = "write an archive and load it: needed -o docker-archive:- … | docker load"


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


def platform_of(host: str = DEFAULT_HOST) -> Platform:
    """What the daemon at `host` runs, by `GET /version`. Raises EngineError."""
    import json

    from needed.image.model import parse_platform

    host = host or DEFAULT_HOST
    connection = _connect(host, 60.0)
    try:
        connection.request("GET", "/version")
        response = response_of(connection, host)
        answer = response.read()
        if response.status != 200:
            raise EngineError(f"Docker at {host} does not tell its version: {message_of(answer)}", hints=[ARCHIVE_HINT])
        told = json.loads(answer)
        return parse_platform(f"{told['Os']}/{told['Arch']}")
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise EngineError(f"Docker at {host} stopped answering: {error}", hints=["try again", ARCHIVE_HINT]) from None
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
        response = response_of(connection, host)
        answer = response.read()
    finally:
        connection.close()
    if response.status != 200:
        raise EngineError(f"Docker at {host} refused the image: {message_of(answer)}", hints=[ARCHIVE_HINT])
    for line in answer.splitlines():
        if problem := _problem(line):
            raise EngineError(f"Docker at {host} refused the image: {problem}", hints=[ARCHIVE_HINT])


def _image_id(reference: Reference, host: str) -> str:
    import json

    connection = _connect(host, 60.0)
    try:
        connection.request("GET", f"/images/{reference.familiar}/json")
        response = response_of(connection, host)
        answer = response.read()
    finally:
        connection.close()
    if response.status != 200:
        raise EngineError(f"Docker at {host} does not have {reference} after loading it: {message_of(answer)}")
    return str(json.loads(answer)["Id"])


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


def _connect(host: str, timeout: float | None) -> HTTPConnection:
    return connect(host, timeout, otherwise=ARCHIVE_HINT, command=PIPE_HINT)
