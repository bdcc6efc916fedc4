"""Images that an engine holds, as the archive that it saves: Docker by its API, Podman by `podman save`.

Podman's store has no other door than its command, the only program that reading an image starts.
"""

from __future__ import annotations

from needed.errors import EngineError
from needed.source.docker_api import connect, message_of, response_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from http.client import HTTPResponse

    from needed.image.reference import Reference

_PIECE = 1 << 20


def save_from_docker(reference: Reference, host: str) -> Iterator[bytes]:
    """The archive of an image, in pieces, as `GET /images/NAME/get` gives it. Raises EngineError."""
    name = reference.familiar
    otherwise = f"or save it where Docker runs, and name the file: docker save {name} -o FILE, docker-archive:FILE"
    connection = connect(host, None, otherwise=otherwise, command=otherwise)
    try:
        connection.request("GET", f"/images/{name}/get")
        response = response_of(connection, host)
        if response.status != 200:
            fault = message_of(response.read(_PIECE))
            raise EngineError(f"Docker at {host} does not give {name}: {fault}", hints=[f"docker pull {name}"])
        yield from _body(response, host)
    except OSError as error:
        raise EngineError(f"Docker at {host} stopped answering: {error}", hints=["try again", otherwise]) from None
    finally:
        connection.close()


def save_from_podman(reference: Reference, podman: str) -> Iterator[bytes]:
    """The archive of an image, in pieces, as `podman save` writes it. Raises EngineError."""
    import os
    import subprocess
    from shutil import which

    program = which(podman)
    if program is None:
        raise EngineError("podman is not there to be started", hints=["install it: sudo apt install podman"])
    command = [program, "save", "--quiet", "--format", "docker-archive", str(reference)]
    # What it says waits in memory: a full pipe of words nobody reads would stop it.
    with open(os.memfd_create("podman"), "w+b") as said:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said)
        with process:
            assert process.stdout
            try:
                while piece := process.stdout.read(_PIECE):
                    yield piece
            except BaseException:
                process.kill()
                raise
        said.seek(0)
        told = said.read(_PIECE).decode("utf-8", "replace")
    if process.returncode:
        hints = [f"podman pull {reference}", "podman images"]
        raise EngineError(f"podman does not give {reference}", details=told.splitlines()[-5:], hints=hints)


def _body(response: HTTPResponse, host: str) -> Iterator[bytes]:
    from http.client import HTTPException

    try:
        while piece := response.read(_PIECE):
            yield piece
    except HTTPException as error:
        raise EngineError(f"Docker at {host} stopped in the middle: {error!r}", hints=["try again"]) from None
