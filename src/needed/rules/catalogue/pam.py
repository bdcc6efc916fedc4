"""Asks PAM: the configuration of the program's service, and the modules that it names.

Recognises: an object that imports pam_start. The service is the program's name; its configuration also
    /etc/pam.d/NAME-l and, for any other, /etc/pam.d/other.
Adds: those files with all that they include, each module that they name with its libraries, and what those modules
    read of /etc/security. pam_systemd.so is left out: it asks a logind that no container has, and is optional
    everywhere.
Costs: 206,555 bytes for su, whose 9 modules need no library of their own.
Choices: `--rule pam=NAME,NAME` takes services of other names along.
Source: pam.conf(5), pam.d(5).
"""

from __future__ import annotations

from needed.closure import Reason
from needed.rules.finding import Load, Take, Tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "pam"
FOLDERS = ("/etc/pam.d", "/usr/lib/pam.d")
MAX_FILES = 200
MAX_LINES = 2000
LEFT_OUT = ("pam_systemd.so", "pam_systemd_home.so", "pam_gnome_keyring.so", "pam_kwallet5.so")
# What a module reads, by its name.
READS = {
    "pam_env.so": ("/etc/security/pam_env.conf", "/etc/environment", "/etc/default/locale"),
    "pam_limits.so": ("/etc/security/limits.conf", "/etc/security/limits.d"),
    "pam_access.so": ("/etc/security/access.conf",),
    "pam_faillock.so": ("/etc/security/faillock.conf",),
    "pam_group.so": ("/etc/security/group.conf",),
    "pam_time.so": ("/etc/security/time.conf",),
    "pam_cap.so": ("/etc/security/capability.conf",),
    "pam_namespace.so": ("/etc/security/namespace.conf", "/etc/security/namespace.init"),
    "pam_pwquality.so": ("/etc/security/pwquality.conf",),
    "pam_pwhistory.so": ("/etc/security/pwhistory.conf",),
    "pam_sepermit.so": ("/etc/security/sepermit.conf",),
    "pam_shells.so": ("/etc/shells",),
}


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    library = view.object("libpam.so")
    if library is None:
        return
    own = library.path.rpartition("/")[0]
    for item in evidence:
        reason = Reason("rule", item.path, NAME, item.detail)
        name = item.path.rpartition("/")[2]
        services = [name, f"{name}-l", "other", *(view.choices.value(NAME) or "").split(",")]
        files, modules = read_services(view, services)
        for path in files:
            yield Take(path, reason)
        for module in modules:
            path = module if module.startswith("/") else f"{own}/security/{module}"
            if module in LEFT_OUT or not view.is_file(path):
                continue
            yield Load(path, library.path, reason)
            for read in READS.get(module, ()):
                if view.is_file(read):
                    yield Take(read, reason)
                elif view.is_folder(read):
                    yield from (Take(inside, reason) for inside, kind in view.tree(read) if kind == "file")
        if "pam_unix.so" in modules:
            hint = "--add FILE:/etc/shadow takes one of the image's own"
            yield Tell("no password opens anything: /etc/shadow is a secret, and no rule takes it", hint)


def read_services(view: View, services: list[str]) -> tuple[list[str], list[str]]:
    """The files of `services` with all that they include, and the modules in them."""
    files: list[str] = []
    modules: dict[str, None] = {}
    pending = services
    seen: set[str] = set()
    while pending and len(files) < MAX_FILES:
        name = pending.pop(0)
        path = view.first(*(f"{folder}/{name}" for folder in FOLDERS)) if name and "/" not in name else None
        if path is None or name in seen:
            continue
        seen.add(name)
        files.append(path)
        for included, module in parse_service(view.text(path)):
            if included and len(pending) < MAX_FILES:
                pending.append(included)
            elif module:
                modules[module] = None
    return files, [*modules]


def parse_service(text: str) -> Iterator[tuple[str, str]]:
    """Of each line the service that it includes, or the module that it names."""
    for line in text.replace("\\\n", " ").splitlines()[:MAX_LINES]:
        words = line.partition("#")[0].split()
        if len(words) >= 2 and words[0] == "@include":
            yield words[1], ""
        elif len(words) >= 3 and words[1] in ("include", "substack"):
            yield words[2], ""
        elif len(words) >= 3:
            if words[1].startswith("["):  # a control of several words ends at its bracket
                closing = next((at for at, word in enumerate(words) if word.endswith("]")), len(words))
                words = [words[0], "", *words[closing + 1 :]]
            if len(words) >= 3:
                yield "", words[2]
