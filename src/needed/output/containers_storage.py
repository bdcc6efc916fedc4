"""`containers-storage:NAME:TAG`: the archive, through `podman load`, for Podman's store has no other door."""

from __future__ import annotations

from needed.errors import EngineError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from needed.image.reference import Reference
    from needed.output.archive import Archive

ARCHIVE_HINT = "or write an archive: -o docker-archive:FILE"


def load_into_podman(archive: Archive, reference: Reference, podman: str = "podman") -> str:
    """Load `archive` as `reference` and return the image's Id ("sha256:…"). Raises EngineError."""
    import subprocess

    try:
        process = subprocess.Popen(
            [podman, "load", "--quiet"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
    except OSError as error:
        raise EngineError(
            f"podman cannot be started: {error.strerror}", hints=["install it: sudo apt install podman", ARCHIVE_HINT]
        ) from None
    with process:
        assert process.stdin
        try:
            for chunk in archive.chunks():
                process.stdin.write(chunk)
        except BrokenPipeError:
            pass  # it refused before the end, and says why
        except BaseException:
            process.kill()
            raise
        told = process.communicate()[0].decode("utf-8", "replace")
    if process.returncode:
        raise EngineError("podman refused the image", details=told.splitlines()[-5:], hints=[ARCHIVE_HINT])
    asked = [podman, "image", "inspect", "--format", "{{.Id}}", reference.canonical]
    answer = subprocess.run(asked, capture_output=True, text=True, errors="replace", check=False)
    if answer.returncode:
        raise EngineError(f"podman does not have {reference} after loading it", details=answer.stderr.splitlines()[-5:])
    return f"sha256:{answer.stdout.strip().removeprefix('sha256:')}"
