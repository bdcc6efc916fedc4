"""Configures OpenSSL: the openssl.cnf that libcrypto reads, with the providers and engines that it activates.

Recognises: libcrypto.so, whose folders are read from the library itself (OPENSSLDIR, MODULESDIR, ENGINESDIR).
Adds: openssl.cnf, which holds the system's policy (least protocol, security level, FIPS), and what it includes; a
    provider or engine that it activates, as a plugin. Without the file OpenSSL works with what was compiled in, but
    `openssl req` does not start, and a policy of the distribution is not kept.
Costs: 12,332 bytes. legacy.so 125,000, an engine 22,000 to 52,000.
Choices: `--rule openssl=legacy` takes a provider or an engine along by its name, several with commas; `legacy` has
    MD4, RC4 and old PKCS #12.
Source: config(5ssl), OPENSSL_init_crypto(3ssl), provider(7ssl); OPENSSL_CONF of the image's environment.
"""

from __future__ import annotations

from needed.closure import Reason
from needed.rules.finding import Load, Take, Tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "openssl"
MAX_LIBRARY = 32 << 20  # bytes; libcrypto.so.3 has 4.7 MB
MAX_FILES = 50
MAX_LINES = 20_000
BUILT_IN = frozenset({"default", "base", "null"})

Sections = dict[str, dict[str, str]]


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    for item in evidence:
        reason = Reason("rule", item.path, NAME, item.detail)
        folders = compiled_in(view, item.path)
        asked = [name for name in (view.choices.value(NAME) or "").split(",") if name]
        top = view.choices.variable("OPENSSL_CONF") or f"{folders.get('OPENSSLDIR', '/etc/ssl')}/openssl.cnf"
        files, sections = read_configuration(view, top)
        for path in files:
            yield Take(path, reason)
        for name in dict.fromkeys((*activated(sections), *asked)):
            module = plugin(view, name, folders)
            if module:
                yield Load(module, item.path, reason)
            elif name in asked:
                yield Tell(f"the root has no provider or engine {name} of OpenSSL", "--rule openssl=legacy")


def compiled_in(view: View, library: str) -> dict[str, str]:
    """The folders in libcrypto's own strings: OPENSSLDIR "/usr/lib/ssl", ENGINESDIR, and MODULESDIR since 3.0."""
    content = view.read(library, MAX_LIBRARY)
    found: dict[str, str] = {}
    for key in ("OPENSSLDIR", "ENGINESDIR", "MODULESDIR"):
        start = content.find(f'{key}: "/'.encode())
        if start >= 0:
            start += len(key) + 3
            end = content.find(b'"', start, start + 4096)
            if end > start:
                found[key] = content[start:end].decode("utf-8", "surrogateescape")
    return found


def read_configuration(view: View, top: str) -> tuple[list[str], Sections]:
    """The files of a configuration with all that it includes, and its sections; "" is the one before any header."""
    files: list[str] = []
    sections: Sections = {}
    pending, left = [top], MAX_LINES
    while pending and len(files) < MAX_FILES and left > 0:
        path = pending.pop(0)
        if path in files or not view.is_file(path):
            continue
        files.append(path)
        section = sections.setdefault("", {})
        for line in view.text(path).splitlines()[:left]:
            left -= 1
            words = line.partition("#")[0].strip()
            if words.startswith(".include") and len(pending) < MAX_FILES:
                pending += _included(view, words.removeprefix(".include").lstrip(" \t=").strip('"'))
            elif words.startswith("[") and "]" in words:
                section = sections.setdefault(words[1 : words.index("]")].strip(), {})
            elif "=" in words:
                key, _, value = words.partition("=")
                section[key.strip()] = value.strip()
    return files, sections


def _included(view: View, path: str) -> list[str]:
    """What an include names: a file, or of a folder what ends in .cnf or .conf."""
    if not path.startswith("/"):
        return []
    if view.is_folder(path):
        return [f"{path}/{name}" for name in view.names(path)[:MAX_FILES] if name.endswith((".cnf", ".conf"))]
    return [path]


def activated(sections: Sections) -> Iterator[str]:
    """The names or paths of the providers and engines that the configuration has loaded."""
    main = sections.get(sections.get("", {}).get("openssl_conf", "openssl_conf"), {})
    for name, section in sections.get(main.get("providers", ""), {}).items():
        settings = sections.get(section, {})
        module = settings.get("module", name)
        if settings.get("activate", "0").lower() not in ("0", "no", "false", "off") and module not in BUILT_IN:
            yield module
    for name, section in sections.get(main.get("engines", ""), {}).items():
        yield sections.get(section, {}).get("dynamic_path", name)


def plugin(view: View, name: str, folders: dict[str, str]) -> str | None:
    """The file of a provider or an engine, given by its name or path."""
    if name.startswith("/"):
        return name if view.is_file(name) else None
    if not name or "/" in name:
        return None
    file = name if name.endswith(".so") else f"{name}.so"
    places = (
        f"{folders[key]}/{one}"
        for key in ("MODULESDIR", "ENGINESDIR")
        if key in folders
        for one in (file, f"lib{file}")
    )
    return next((path for path in places if view.is_file(path)), None)
