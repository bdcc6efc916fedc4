"""Serves the sites of apache's configuration: what it includes, its modules, its documents, and folders to write to.

Recognises: a program apache2 or httpd.
Adds: the configuration and every file that it includes; the modules of its LoadModule lines, with their libraries; the
    files of TypesConfig, MIMEMagicFile and the certificates, but no key; the DocumentRoots, up to 16 MB each; folders
    for the pid, locks and logs, which are the image's user's, with error.log and access.log leading to the container's
    output. Debian's configuration asks for variables that only its start script sets: they are set by Define lines in
    front of the configuration that ships, with the image's user as the user, unless `--env` names them.
Costs: 715,833 bytes with Debian's modules.
Choices: `--rule apache=config` leaves the documents out, for an image that gets them by --add or as a volume.
Source: https://httpd.apache.org/docs/2.4/mod/core.html (Include, Define, DefaultRuntimeDir), mod_so; server/config.c;
    Debian's /etc/apache2/envvars; `strace -f -e %file apache2 -DFOREGROUND`.
"""

from __future__ import annotations

from itertools import islice

from needed.closure import Reason
from needed.rules.documents import find_documents
from needed.rules.finding import Link, Load, Make, Take, Tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "apache"
CONFIGURATIONS = (
    "/etc/apache2/apache2.conf", "/etc/httpd/conf/httpd.conf", "/etc/apache2/httpd.conf",
    "/usr/local/apache2/conf/httpd.conf",
)  # fmt: skip
MAX_FILES = 1_000
MAX_INCLUDES = 500
MAX_WORD = 4_096  # characters
MAX_DIRECTIVES = 100_000
MAX_DOCUMENTS = 16 << 20  # bytes
TAKEN = ("typesconfig", "mimemagicfile", "sslcertificatefile", "sslcertificatechainfile", "sslcacertificatefile")
SECRETS = ("sslcertificatekeyfile", "authuserfile", "sslpassphrasedialog")
LOGS = ("errorlog", "customlog", "transferlog")


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    item = evidence[0]
    reason = Reason("rule", item.path, NAME, item.detail)
    main = next((path for path in CONFIGURATIONS if view.is_file(path)), None)
    if main is None:
        yield Tell("the root has no configuration of apache", f"--add FILE:{CONFIGURATIONS[0]}")
        return
    variables = environment(view, main)
    configuration = Configuration(view, main, variables)
    for path in configuration.files:
        yield Take(path, reason)
    if variables:
        lines = [f"Define {name} {value}\n".encode() for name, value in sorted(variables.items())]
        yield Make(main, b"".join(lines) + view.read(main), reason)
    documents: dict[str, None] = {}
    for name, word in configuration.directives:
        path = configuration.absolute(word)
        if name == "loadmodule":
            yield Load(path, item.path, reason)
        elif name == "documentroot":
            documents[path] = None
        elif name in TAKEN and view.is_file(path):
            yield Take(path, reason)
        elif name in SECRETS and view.is_file(path):
            yield Tell(f"{path} is a secret, which no image should hold", f"docker run -v {path}:{path}:ro")
    if view.choices.value(NAME) != "config":
        for path in documents:
            yield from find_documents(view, path, reason, MAX_DOCUMENTS)
    yield from _written(view, configuration, reason)
    yield Tell(f"{item.path} goes to the background, and its container ends", "docker run IMAGE -DFOREGROUND")


class Configuration:
    """`files` that were read, and `directives` in order: a name in small letters, and the word that is a path."""

    def __init__(self, view: View, main: str, variables: dict[str, str]) -> None:
        self.view, self.variables = view, dict(variables)
        self.server_root = main.rpartition("/")[0].removesuffix("/conf")
        self.files: dict[str, None] = {}
        self.directives: list[tuple[str, str]] = []
        self.includes = 0
        pending = [main]
        while pending and len(self.files) < MAX_FILES and len(self.directives) < MAX_DIRECTIVES:
            path = pending.pop()
            if path not in self.files:
                self.files[path] = None
                pending += reversed([*islice(self._read(path), MAX_FILES)])
                del pending[:-MAX_FILES]

    def _read(self, path: str) -> Iterator[str]:
        """Notes the directives of a file; gives the files that it includes."""
        for line in self.view.text(path).replace("\\\n", " ").splitlines():
            name, *words = [self.expand(word.strip("\"'")) for word in line.split()] or [""]
            name = name.lower()
            if not words or name.startswith(("#", "<")):
                continue
            if name in ("include", "includeoptional"):
                self.includes += 1
                if self.includes > MAX_INCLUDES:
                    continue
                yield from self.included(self.absolute(words[0]))
            elif name == "define" and len(words) > 1:
                self.variables.setdefault(words[0], words[1])
            elif name == "serverroot":
                self.server_root = words[0]
            elif len(self.directives) < MAX_DIRECTIVES:
                self.directives.append((name, words[-1] if name == "loadmodule" else words[0]))

    def expand(self, word: str) -> str:
        """`word` with its ${NAME} replaced, once: a value is not looked into, and a word stays a word."""
        before, *rest = word.split("${")
        for piece in rest:
            name, brace, after = piece.partition("}")
            value = self.variables.get(name) or self.view.choices.variable(name)
            before += value + after if brace and value is not None else "${" + piece
            if len(before) > MAX_WORD:
                return word
        return before

    def absolute(self, path: str) -> str:
        """A path as apache completes it, without `..`."""
        parts: list[str] = []
        for part in (path if path.startswith("/") else f"{self.server_root}/{path}").split("/"):
            if part == ".." and parts:
                parts.pop()
            elif part not in ("", ".", ".."):
                parts.append(part)
        return "/" + "/".join(parts)

    def included(self, pattern: str) -> Iterator[str]:
        """The files that an Include names: one, those in a folder, or those that a pattern's last part fits."""
        folder, _, name = pattern.rpartition("/")
        if self.view.is_folder(pattern):
            folder, name = pattern, "*"
        elif not any(letter in name for letter in "*?["):
            if self.view.is_file(pattern):
                yield pattern
            return
        from fnmatch import fnmatchcase

        for one in self.view.names(folder):
            if fnmatchcase(one, name) and self.view.is_file(f"{folder}/{one}"):
                yield f"{folder}/{one}"


def environment(view: View, main: str) -> dict[str, str]:
    """What Debian's start script exports, where the image's environment does not, for the image's own user."""
    found: dict[str, str] = {}
    for line in view.text(main.rpartition("/")[0] + "/envvars").splitlines():
        name, _, value = line.removeprefix("export ").partition("=")
        if line.startswith("export APACHE_") and value and view.choices.variable(name) is None:
            found[name] = _followed(view, value.replace("$SUFFIX", "").strip("\"'"))
    user, group = view.choices.user
    for name, number in (("APACHE_RUN_USER", user), ("APACHE_RUN_GROUP", group)):
        if name in found:
            found[name] = f"#{number}"
    return {name: value for name, value in found.items() if "$" not in value and " " not in value}


def _written(view: View, configuration: Configuration, reason: Reason) -> Iterator[Finding]:
    """Folders of the pid, of locks and of logs; logs lead to what `docker logs` shows."""
    folders = {value for name, value in configuration.variables.items() if name.endswith(("_RUN_DIR", "_LOCK_DIR"))}
    logs: dict[str, str] = {}
    for name, word in configuration.directives:
        path = configuration.absolute(word)
        if name == "pidfile":
            folders.add(path.rpartition("/")[0])
        elif name == "defaultruntimedir":
            folders.add(path)
        elif name in LOGS and not word.startswith(("|", "syslog", "/dev/", "/proc/", "${")):
            logs[path] = "/dev/stderr" if name == "errorlog" else "/dev/stdout"
    folders |= {path.rpartition("/")[0] for path in logs}
    for folder in sorted(folders):
        real = configuration.absolute(folder)
        if real.count("/") > 1 or not view.find(real):  # never /run or /var itself
            yield Make(_followed(view, real), None, reason, 0o755, view.choices.user)
    for path, target in sorted(logs.items()):
        yield Link(_followed(view, path), target, reason)


def _followed(view: View, path: str) -> str:
    """`path` with /var/run and /var/lock followed, which are links on most systems."""
    for link in ("/var/run", "/var/lock"):
        real = view.canonical(link)
        if path.startswith(f"{link}/") and real is not None:
            return real + path[len(link) :]
    return path
