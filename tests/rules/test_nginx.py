"""An nginx.conf read as nginx reads it, and what its server needs beside it."""

from __future__ import annotations

import pytest

from needed.rootfs import Directory
from needed.rules.choices import Choices
from needed.rules.nginx_configuration import absolute, parse, parse_arguments
from tests.loader.synthetic import shared_object
from tests.rules.server_trees import of_rule, planned, told
from tests.rules.trees import program

ARGUMENTS = (
    b"configure arguments: --prefix=/usr/share/nginx --conf-path=/etc/nginx/nginx.conf --error-log-path=stderr "
    b"--http-log-path=/var/log/nginx/access.log --pid-path=/run/nginx.pid --with-threads "
    b"--http-client-body-temp-path=/var/lib/nginx/body --http-proxy-temp-path=/var/lib/nginx/proxy "
    b"--http-fastcgi-temp-path=/var/lib/nginx/fastcgi --http-uwsgi-temp-path=/var/lib/nginx/uwsgi "
    b"--http-scgi-temp-path=/var/lib/nginx/scgi\0"
)
NGINX = program() + ARGUMENTS
WRITTEN = ["/run", "/var/lib/nginx/body", "/var/lib/nginx/fastcgi", "/var/lib/nginx/proxy", "/var/lib/nginx/scgi",
           "/var/lib/nginx/uwsgi", "/var/log/nginx"]  # fmt: skip
OFF = b"daemon off;"


def tree(configuration: bytes, **more: bytes) -> dict[str, bytes | str]:
    files = {f"/etc/nginx/{name.replace('__', '/').replace('_conf', '.conf')}": text for name, text in more.items()}
    return {"/usr/sbin/nginx": NGINX, "/etc/nginx/nginx.conf": configuration, **files}


def shipped(files: dict[str, bytes | str], choices: Choices | None = None) -> list[str]:
    """What the rule brings, without the folders that every nginx gets."""
    found = of_rule(planned(files, "/usr/sbin/nginx", choices=choices or Choices()), "nginx")
    return [path for path in found if path not in WRITTEN]


def test_folders_that_it_writes_to_are_the_images_users_by_what_was_compiled_in() -> None:
    found = planned(tree(OFF), "/usr/sbin/nginx", choices=Choices(user=(1000, 100)))
    assert of_rule(found, "nginx") == ["/etc/nginx/nginx.conf", *WRITTEN]
    assert {found.rootfs.entries[path] for path in WRITTEN} == {Directory(0o755, (1000, 100))}
    assert found.rootfs.entries["/var/log"] == Directory()


def test_folders_that_the_configuration_says_are_made_too() -> None:
    configuration = b"pid /srv/run/n.pid; access_log logs/a.log main; client_body_temp_path /srv/b 1 2;"
    elsewhere = b"error_log syslog:server=a; error_log /dev/stderr; access_log off;"
    assert shipped(tree(OFF + configuration + elsewhere))[1:] == ["/srv/b", "/srv/run", "/usr/share/nginx/logs"]


def test_includes_are_followed_from_the_folder_of_the_configuration_and_a_star_knows_no_dot() -> None:
    files = tree(b"include conf.d/*.conf; include /etc/nginx/mime.types;", conf_d__a_conf=b"include b/c;", b__c=b"#")
    files |= {"/etc/nginx/conf.d/a.conf": b"include b/c; include nginx.conf;", "/etc/nginx/mime.types": b"types {}"}
    files |= {"/etc/nginx/conf.d/.hidden.conf": b"", "/etc/nginx/conf.d/readme": b""}
    wanted = ["b/c", "conf.d/a.conf", "mime.types", "nginx.conf"]
    assert shipped(files) == [f"/etc/nginx/{name}" for name in wanted]


def test_a_module_comes_with_its_libraries() -> None:
    files = tree(b"load_module modules/m.so;")
    files |= {"/usr/share/nginx/modules/m.so": shared_object(needed=("libgeo.so",)), "/lib/libgeo.so": shared_object()}
    entries = planned(files, "/usr/sbin/nginx").rootfs.entries
    assert {"/usr/share/nginx/modules/m.so", "/lib/libgeo.so"} <= entries.keys()


SITE = b"http { server { root /srv/www; location /a { alias /srv/a/; } location / { root $home/www; } } }"
PAGES: dict[str, bytes | str] = {"/srv/www/index.html": b"<p>", "/srv/www/css/a.css": b"p{}", "/srv/a/b": b"b"}


def test_documents_of_roots_and_aliases_are_taken() -> None:
    assert {*PAGES} < {*shipped({**tree(SITE), **PAGES})}


def test_without_a_root_the_page_is_the_one_below_the_prefix() -> None:
    page = {"/usr/share/nginx/html/index.html": b"hello"}
    assert "/usr/share/nginx/html/index.html" in shipped({**tree(b"http {}"), **page})
    assert "/usr/share/nginx/html/index.html" not in shipped({**tree(SITE), **page})


def test_documents_stay_out_where_only_the_configuration_is_wanted() -> None:
    assert shipped({**tree(SITE), **PAGES}, Choices(values=(("nginx", "config"),))) == ["/etc/nginx/nginx.conf"]


def test_a_large_folder_of_documents_is_told_and_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("needed.rules.catalogue.nginx.MAX_DOCUMENTS", 3)
    found = planned({**tree(SITE + OFF), **PAGES}, "/usr/sbin/nginx")
    assert "/srv/a/b" in found.rootfs.entries
    assert "/srv/www" not in found.rootfs.entries
    assert told(found) == ["/srv/www is large, and is left out"]


def test_a_certificate_is_taken_and_its_key_is_told() -> None:
    files = tree(OFF + b"ssl_certificate c.pem; ssl_certificate_key /etc/ssl/k.pem;", c_pem=b"")
    files |= {"/etc/nginx/c.pem": b"CERTIFICATE", "/etc/ssl/k.pem": b"PRIVATE KEY"}
    found = planned(files, "/usr/sbin/nginx")
    assert "/etc/nginx/c.pem" in found.rootfs.entries
    assert "/etc/ssl/k.pem" not in found.rootfs.entries
    assert told(found) == ["/etc/ssl/k.pem is a secret, which no image should hold"]


def test_that_it_goes_to_the_background_is_told_unless_the_configuration_says_no() -> None:
    assert told(planned(tree(b""), "/usr/sbin/nginx")) == ["nginx goes to the background, and its container ends"]
    assert told(planned(tree(OFF), "/usr/sbin/nginx")) == []


def test_a_root_without_the_configuration_is_told() -> None:
    assert told(planned({"/nginx": NGINX}, "/nginx")) == ["the root has no /etc/nginx/nginx.conf"]


def test_what_was_not_compiled_in_is_as_nginx_itself_has_it() -> None:
    compiled = parse_arguments(b"nothing of the kind")
    assert compiled.configuration == "/usr/local/nginx/conf/nginx.conf"
    assert compiled.folders[0] == "/usr/local/nginx/client_body_temp"
    assert compiled.written[0] == "/usr/local/nginx/logs/error.log"


@pytest.mark.parametrize(
    ("text", "directives"),
    [
        ("a b; # c d;\ne;", [["a", "b"], ["e"]]),
        ("http{server{listen 80;}}", [["http"], ["server"], ["listen", "80"]]),
        ("log 'a; \\' {b}' \"c\";", [["log", "a; \\' {b}", "c"]]),
        ("set ${x}y z;", [["set", "${x}y", "z"]]),
        ("rewrite ^/a#b c;", [["rewrite", "^/a#b", "c"]]),
        ("a\\;b}c d;", [["a\\;b}c", "d"]]),
        ("a 'never ends", []),
        ("} ; { ;", []),
    ],
)
def test_words_blocks_quotes_and_comments(text: str, directives: list[list[str]]) -> None:
    assert [*parse(text)] == directives


def test_no_name_leads_above_its_folder() -> None:
    assert absolute("../../../x", "/etc/nginx") == "/x"
    assert absolute("/a//b/./c", "/etc") == "/a/b/c"
