"""Every error raised on purpose. Each is one sentence, hints to paste, and an exit code per kind.

    NeededError
    ├── UsageError        2   the command line contradicts itself, or a name in it is malformed
    ├── SourceError       2   a file that was named is not there, is a directory, or is neither ELF nor a script
    │   ├── ElfError      2   a file claims to be ELF and is not a whole one
    │   └── ScriptError   2   the interpreter that a script's first line names is not there
    ├── MissingError      3   libraries or an interpreter are nowhere in the root
    ├── MachineError      4   programs of different machines, or of another one than was asked for
    ├── OutputError       5   the destination cannot be written: permission, full disk, something in the way
    ├── EngineError       6   a container engine does not answer, or refused the image
    ├── ReadError         7   a file of the root cannot be read: permission, changed while being read, a limit
    ├── ImageError        8   an image or archive is damaged, hostile, or not one; or which is meant is not clear
    ├── ProofError        9   what would ship resolves otherwise than the root that it was taken from
    ├── CompileError     12   a compiler refused the source, or made something else than was asked for
    ├── ToolchainError   13   there is no tool chain here for that source, or not for that target
    ├── SandboxError     10   nothing here can run the image: it is not verified, which is not the same as failed
    └── VerifyError      11   the image was run, and does not do what was asked of it

Besides these the command ends with 0 (done), 1 (the answer is "no": `ldd` of something that is not dynamic, `check` of
what does not start, a `scan` that finds something broken, `why` of what nothing asks for), 70 (a defect of ours), 130,
141 and 143 (interrupted, closed pipe, terminated). Knows nothing of terminals: text is made in `report`, exit codes are
used in `cli`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


class NeededError(Exception):
    """A problem that the user can act on.

    `message` is one sentence naming the file, what was expected and what was found. `details` are lines that belong to
    it (places searched, a second problem of the same kind). `hints` are each something to do or to paste.
    """

    exit_code = 70
    kind = "error"

    def __init__(self, message: str, *, details: Iterable[str] = (), hints: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.details = tuple(details)
        self.hints = tuple(hints)


class UsageError(NeededError):
    """The command line, or an argument of a function, contradicts itself or is malformed."""

    exit_code = 2
    kind = "usage"


class SourceError(NeededError):
    """A file that was named is not there, or is not a thing that can be run or read."""

    exit_code = 2
    kind = "source"


class ElfError(SourceError):
    """Bytes that claim to be an ELF file and are not a whole one. The message is the reason, without a path."""

    kind = "elf"


class ScriptError(SourceError):
    """The interpreter that a script's first line names is not there."""

    kind = "script"

    def __init__(
        self, message: str, interpreter: str, *, details: Iterable[str] = (), hints: Iterable[str] = ()
    ) -> None:
        super().__init__(message, details=details, hints=hints)
        self.interpreter = interpreter


class MissingError(NeededError):
    """Libraries or an interpreter are nowhere in the root."""

    exit_code = 3
    kind = "missing"


class MachineError(NeededError):
    """Programs of different machines, or of another one than was asked for."""

    exit_code = 4
    kind = "machine"


class OutputError(NeededError):
    """A destination cannot be written."""

    exit_code = 5
    kind = "output"


class EngineError(NeededError):
    """A container engine does not answer, or refused what it was given."""

    exit_code = 6
    kind = "engine"


class ReadError(NeededError):
    """A file of the root cannot be read, or changed while it was read."""

    exit_code = 7
    kind = "read"


class ImageError(NeededError):
    """An image or archive is damaged, hostile, or not one, or which image is meant is not clear."""

    exit_code = 8
    kind = "image"


class SandboxError(NeededError):
    """Nothing here can run the image, so that nothing is known of it."""

    exit_code = 10
    kind = "not verified"


class VerifyError(NeededError):
    """The image was run, and does not do what was asked of it."""

    exit_code = 11
    kind = "verify"


class CompileError(NeededError):
    """A compiler refused the source, or what it made is not what was asked for."""

    exit_code = 12
    kind = "compile"


class ToolchainError(NeededError):
    """No tool chain that is here can compile this source for this target."""

    exit_code = 13
    kind = "tool chain"


class ProofError(NeededError):
    """The tree that would ship resolves otherwise than the root that it was taken from."""

    exit_code = 9
    kind = "proof"
