"""Serves the sites of an nginx.conf: all that it includes, its modules and documents, and folders that it may write to.

Recognises: a program nginx.
Adds: the configuration that was compiled in, and what it includes; modules that it loads, with their libraries; folders
    of documents up to 16 MB each; certificates, but no key; empty folders for logs, for the pid and for bodies of
    requests, which are the image's user's. Not as root, too, it may listen on port 80: engines allow that.
Costs: 9,431 bytes, with the page of the package.
Choices: `--rule nginx=config` leaves the documents out, for an image that gets them by --add or as a volume.
Source: https://nginx.org/en/docs/ngx_core_module.html (include, load_module, pid), ngx_http_core_module.html (root,
    alias); ngx_conf_file.c; `nginx -V`, whose text stands in the program.
"""

from __future__ import annotations

from needed.closure import Reason
from needed.rules.documents import find_documents
from needed.rules.finding import Load, Make, Take, Tell
from needed.rules.nginx_configuration import absolute, parse_arguments, read_configuration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.nginx_configuration import Compiled
    from needed.rules.view import View

NAME = "nginx"
MAX_MODULES = 1_000
MAX_ROOTS = 100
MAX_DOCUMENTS = 16 << 20  # bytes
# Of files that a configuration names, those that are no secret. Names are relative to the configuration's folder.
CERTIFICATES = ("ssl_certificate", "ssl_trusted_certificate", "ssl_client_certificate", "ssl_crl", "ssl_dhparam",
                "proxy_ssl_certificate", "proxy_ssl_trusted_certificate", "proxy_ssl_crl", "ssl_stapling_file",
                "geoip_country", "geoip_city", "xslt_stylesheet", "js_import", "perl_require")  # fmt: skip
SECRETS = ("ssl_certificate_key", "proxy_ssl_certificate_key", "ssl_password_file", "ssl_session_ticket_key",
           "auth_basic_user_file", "secure_link_secret")  # fmt: skip
DOCUMENTS = ("root", "alias")
WRITTEN = ("access_log", "error_log", "pid", "lock_file")
WRITTEN_FOLDERS = ("client_body_temp_path", "proxy_temp_path", "fastcgi_temp_path", "uwsgi_temp_path",
                   "scgi_temp_path", "proxy_cache_path", "fastcgi_cache_path", "uwsgi_cache_path",
                   "scgi_cache_path")  # fmt: skip


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    item = evidence[0]
    reason = Reason("rule", item.path, NAME, item.detail)
    compiled = parse_arguments(view.read(item.path))
    if not view.is_file(compiled.configuration):
        yield Tell(f"the root has no {compiled.configuration}", f"--add FILE:{compiled.configuration}")
        return
    files, directives = read_configuration(view, compiled.configuration)
    for path in files:
        yield Take(path, reason)
    paths = [(name, words[0]) for name, *words in directives if words and "$" not in words[0]]
    modules = dict.fromkeys(absolute(path, compiled.prefix) for name, path in paths if name == "load_module")
    for path in [*modules][:MAX_MODULES]:
        yield Load(path, item.path, reason)
    yield from _certificates(view, paths, compiled, reason)
    if view.choices.value(NAME) != "config":
        named = [absolute(path, compiled.prefix) for name, path in paths if name in DOCUMENTS]
        for path in [*dict.fromkeys(named or [f"{compiled.prefix}/html"])][:MAX_ROOTS]:
            yield from find_documents(view, path, reason, MAX_DOCUMENTS)
    for path in _written(paths, compiled):
        yield Make(path, None, reason, 0o755, view.choices.user)
    if ["daemon", "off"] not in directives:
        yield Tell("nginx goes to the background, and its container ends", "docker run IMAGE -g 'daemon off;'")


def _certificates(view: View, paths: list[tuple[str, str]], compiled: Compiled, reason: Reason) -> Iterator[Finding]:
    folder = compiled.configuration.rpartition("/")[0]
    for name, path in paths:
        file = absolute(path, folder)
        if name in CERTIFICATES and view.is_file(file):
            yield Take(file, reason)
        elif name in SECRETS and view.is_file(file):
            yield Tell(f"{file} is a secret, which no image should hold", f"docker run -v {file}:{file}:ro")


def _written(paths: list[tuple[str, str]], compiled: Compiled) -> list[str]:
    """The folders that nginx writes to, sorted; the root's own first level is not given away but for /run."""
    files, folders = [*compiled.written], {*compiled.folders}
    for name, path in paths:
        if name in WRITTEN_FOLDERS:
            folders.add(absolute(path, compiled.prefix))
        elif name in WRITTEN and path not in ("off", "stderr") and not path.startswith(("syslog:", "memory:", "/dev/")):
            files.append(absolute(path, compiled.prefix))
    folders |= {path.rpartition("/")[0] for path in files}
    return sorted(path for path in folders if path.count("/") > 1 or path == "/run")
