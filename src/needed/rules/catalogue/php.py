"""Runs PHP: the php.ini, and every extension that the root's configuration enables, with its libraries.

Recognises: a program php, phpN, php-fpm or php-cgi, and libphp, which apache loads.
Adds: the folders that were compiled in are read from the program itself, since each distribution has its own: php.ini,
    the *.ini files beside it that enable extensions, and those extensions; /usr/share/zoneinfo/zone.tab and UTC where
    PHP was built to use the system's zones; of php-fpm its pools, without the users and groups that only root can give
    them; folders for its sockets and its log, which are the image's user's, as are those for sessions.
Costs: 13,377,639 bytes with all that Debian's php-cli enables, 7.1 MB of them fileinfo.so.
Choices: `--rule php=json,mbstring,pdo_sqlite` enables these only; what one of them needs (pdo) is named too.
Source: https://www.php.net/manual/en/configuration.file.php; main/php_ini.c, ext/standard/dl.c; `strace -e %file php`.
"""

from __future__ import annotations

from needed.closure import Reason
from needed.rules.finding import Load, Make, Take, Tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "php"
MAX_PROGRAM = 32 << 20  # bytes that are searched for the folders that were compiled in
MAX_STRINGS = 4_000
MAX_FOLDERS = 200
MAX_EXTENSIONS = 1_000
MAX_FILES = 500
ZONES = "/usr/share/zoneinfo"
ENABLES = ("extension", "zend_extension")


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    for item in evidence:
        reason = Reason("rule", item.path, NAME, item.detail)
        program = view.read(item.path, MAX_PROGRAM)
        folders = compiled_folders(view, program)
        files = [f"{folder}/php.ini" for folder in folders if view.is_file(f"{folder}/php.ini")]
        chosen = view.choices.value(NAME)
        wanted = set(chosen.split(",")) if chosen else None
        enabling = [path for folder in folders for path in _ini_files(view, folder)][:MAX_FILES]
        settings: dict[str, str] = {}
        extensions: set[str] = set()
        for path in (*files, *enabling):
            lines = [*parse_ini(view.text(path))]
            names = [value for key, value in lines if key in ENABLES and value]
            if wanted is not None and names and not any(_plain(name) in wanted for name in names):
                continue
            yield Take(path, reason)
            settings |= dict(lines)
            for name in dict.fromkeys(names):
                if name not in extensions and len(extensions) < MAX_EXTENSIONS:
                    extensions.add(name)
                    yield from _extension(view, item.path, _places(name, folders, settings), reason)
        yield from _written(view, settings, reason)
        if f"{ZONES}/zone.tab".encode() in program:  # else the zones are built in
            yield Take(f"{ZONES}/zone.tab", reason)
            yield Take(f"{ZONES}/UTC", reason)
        if "fpm" in item.path.rpartition("/")[2]:
            yield from _pools(view, folders, reason)


def compiled_folders(view: View, program: bytes) -> list[str]:
    """The strings of the program that are folders of the root, those of configuration and of extensions among them."""
    import re

    found: dict[str, None] = {}
    for match in re.finditer(rb"\0/(?:etc|usr|opt|lib)[!-9;-~]{0,200}(?=\0)", program):
        found[match[0][1:].decode("ascii").rstrip("/")] = None
        if len(found) == MAX_STRINGS:
            break
    return [path for path in found if view.is_folder(path)][:MAX_FOLDERS]


def _ini_files(view: View, folder: str) -> Iterator[str]:
    """Of a folder that is scanned for them, conf.d or php.d: what stands beside php.ini is not read."""
    if folder.endswith((".d", "/conf.d")):
        for name in view.names(folder):
            if name.endswith(".ini"):
                yield f"{folder}/{name}"


def parse_ini(text: str) -> Iterator[tuple[str, str]]:
    """The settings of a php.ini, in order, without quotes and comments."""
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        key = key.strip()
        if equals and not key.startswith((";", "[", "#")):
            value = value.strip()
            quoted = value[:1] in ("'", '"') and value.find(value[0], 1) > 0
            yield key, value[1 : value.index(value[0], 1)] if quoted else value.partition(";")[0].strip()


def _plain(name: str) -> str:
    return name.rpartition("/")[2].removesuffix(".so")


def _places(name: str, folders: list[str], settings: dict[str, str]) -> list[str]:
    """Where dl.c looks for an extension: a path as it is, "NAME" and "NAME.so" in extension_dir."""
    if "/" in name:
        return [name]
    told = settings.get("extension_dir", "")
    return [f"{folder}/{_plain(name)}.so" for folder in ([told] if told.startswith("/") else folders)]


def _extension(view: View, by: str, places: list[str], reason: Reason) -> Iterator[Finding]:
    path = next((place for place in places if view.is_file(place)), None)
    if path is None:
        yield Tell(f"PHP's configuration enables {_plain(places[0])}, which is not there", f"--rule {NAME}=NAME,NAME")
    else:
        yield Load(path, by, reason)


def _written(view: View, settings: dict[str, str], reason: Reason) -> Iterator[Finding]:
    """The folders of sessions and uploads. The compiled-in one of sessions is Debian's."""
    for key, usual in (("session.save_path", "/var/lib/php/sessions"), ("upload_tmp_dir", "")):
        path = settings.get(key, "").rpartition(";")[2] or usual
        if path.count("/") > 1 and path.startswith("/") and ".." not in path.split("/") and view.is_folder(path):
            yield Make(path, None, reason, 0o700, view.choices.user)


def _pools(view: View, folders: list[str], reason: Reason) -> Iterator[Finding]:
    """php-fpm.conf and what it includes; the folders of sockets, the log and the pid, where they are not in /proc."""
    for main in (f"{folder}/php-fpm.conf" for folder in folders):
        files = [main] if view.is_file(main) else []
        for pattern in [value for key, value in parse_ini(view.text(main)) if key == "include"][:MAX_FOLDERS]:
            folder, _, name = pattern.rpartition("/")
            files += [f"{folder}/{one}" for one in view.names(folder) if name == "*.conf" and one.endswith(".conf")]
        lines: list[tuple[str, str]] = []
        for path in files[:MAX_FILES]:
            text = view.text(path)
            lines += parse_ini(text)
            yield Take(path, reason)
            if view.choices.user[0] and (owned := without_owners(text)) != text:
                yield Make(path, owned.encode("utf-8", "surrogateescape"), reason)
        for key, value in lines:
            if not value.startswith("/") or ".." in value.split("/"):
                continue
            if key in ("pid", "listen"):
                yield Make(value.rpartition("/")[0], None, reason, 0o755, view.choices.user)
            elif key in ("error_log", "access.log", "slowlog") and not value.startswith(("/dev/", "/proc/")):
                yield Make(value, b"", reason, 0o644, view.choices.user)


def without_owners(text: str) -> str:
    """A pool's configuration without users and groups: who is not root can give a process or a socket to nobody."""
    owners = ("user", "group", "listen.owner", "listen.group")
    lines = text.splitlines(keepends=True)
    return "".join(";" + line if line.partition("=")[0].strip() in owners else line for line in lines)
