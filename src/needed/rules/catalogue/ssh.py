"""Logs in by ssh, on either side: configuration with all that it includes, and what sshd starts for a session.

Recognises: a program sshd, ssh, scp or sftp.
Adds: for sshd its sshd_config, a shell for sessions, programs that it starts (sftp-server, sshd-session), /run for its
    pid file, and /run/sshd. For ssh its ssh_config and the known hosts of the whole machine; for scp and sftp, ssh.
    Keys of a host are secrets and never taken: a key is mounted where sshd_config has it, or named with `-h FILE`. A
    provider of PKCS#11 that ssh is told to open (`-I`) comes by --with.
Costs: 336 kB for sshd, nearly all of it sftp-server and the shell; 2 kB for ssh.
Choices: `--rule ssh=moduli` takes /etc/ssh/moduli too, 574 kB, without which group exchange has one group of each size.
Source: sshd(8), FILES; sshd_config(5), ssh_config(5) (Include, Subsystem); moduli(5); openssh/sshd.c, pathnames.h.
"""

from __future__ import annotations

from needed.closure import Reason
from needed.rules.finding import Execute, Make, Take, Tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "ssh"
FOLDER = "/etc/ssh"
HELPERS = ("sshd-session", "sshd-auth")  # since 9.8 and 10.0
HELPER_FOLDERS = ("/usr/lib/openssh", "/usr/libexec/openssh", "/usr/lib/ssh", "/usr/libexec")
MAX_FILES = 1_000


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    for item in evidence:
        reason = Reason("rule", item.path, NAME, item.detail)
        match item.path.rpartition("/")[2]:
            case "sshd":
                yield from _server(view, reason)
            case "ssh":
                for path in (*read_files(view, f"{FOLDER}/ssh_config")[0], f"{FOLDER}/ssh_known_hosts"):
                    if view.is_file(path):
                        yield Take(path, reason)
            case _:
                yield Execute(f"{item.path.rpartition('/')[0]}/ssh", reason)


def _server(view: View, reason: Reason) -> Iterator[Finding]:
    files, lines = read_files(view, f"{FOLDER}/sshd_config")
    for path in files:
        yield Take(path, reason)
    yield Execute("/bin/sh", reason)
    for name in HELPERS:
        helper = view.first(*(f"{folder}/{name}" for folder in HELPER_FOLDERS))
        if helper is not None:
            yield Execute(helper, reason)
    for keyword, *words in lines:
        if keyword == "subsystem" and len(words) > 1 and words[1].startswith("/"):
            yield Execute(words[1], reason)
        elif keyword in ("banner", "trustedusercakeys", "revokedkeys") and words and view.is_file(words[0]):
            yield Take(words[0], reason)
    if view.choices.value(NAME) == "moduli" and view.is_file(f"{FOLDER}/moduli"):
        yield Take(f"{FOLDER}/moduli", reason)
    yield Make("/run", None, reason, 0o755, view.choices.user)  # its pid file
    yield Make("/run/sshd", None, reason, 0o755)
    key = next((words[0] for keyword, *words in lines if keyword == "hostkey" and words), "")
    key = key or f"{FOLDER}/ssh_host_ed25519_key"
    yield Tell("keys of a host are secrets: none is taken", f"docker run -v KEY:{key}:ro, its owner the image's user")
    if view.choices.user[0] == 0:
        yield Tell("sshd as root wants a user sshd", "--rule users=sshd")
    elif next((words[:1] for keyword, *words in lines if keyword == "usepam"), ["no"]) == ["yes"]:
        yield Tell("sshd_config asks PAM, which serves root alone", "docker run IMAGE -o UsePAM=no")


def read_files(view: View, path: str) -> tuple[list[str], list[list[str]]]:
    """The configuration and the files that it includes, and all lines of them as words, the keyword in lower case."""
    files: dict[str, None] = {}
    lines: list[list[str]] = []
    pending = [path]
    while pending and len(files) < MAX_FILES:
        file = pending.pop()
        if file in files or not view.is_file(file):
            continue
        files[file] = None
        for line in view.text(file).splitlines():
            words = line.replace("=", " ", 1).replace('"', " ").split()
            if not words or words[0].startswith("#"):
                continue
            lines.append([words[0].lower(), *words[1:]])
            if lines[-1][0] == "include":
                pending += [one for pattern in words[1:] for one in _matching(view, pattern)]
    return [*files], lines


def _matching(view: View, pattern: str) -> Iterator[str]:
    """The files of an Include; a name without a folder is one of /etc/ssh, and one of a user's home is not ours."""
    if pattern.startswith("~") or ".." in pattern.split("/"):
        return
    from fnmatch import fnmatchcase

    path = pattern if pattern.startswith("/") else f"{FOLDER}/{pattern}"
    folder, _, last = path.rpartition("/")
    yield from (f"{folder}/{name}" for name in view.names(folder or "/") if fnmatchcase(name, last))
