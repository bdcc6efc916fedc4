"""What apache and PHP load by their configuration, and the drivers of ODBC."""

from __future__ import annotations

from needed.rootfs import Directory, File, GeneratedContent, Symlink
from needed.rules.catalogue.odbc import parse_drivers
from needed.rules.catalogue.php import parse_ini, without_owners
from tests.rules.plugin_trees import LIB, Tree, elf, of_rule, planned, program, told, using

MODULES = "/usr/lib64/php/modules"


def php_tree(**files: str) -> Tree:
    """A PHP whose folders are those of Fedora; `files` are *.ini files below /etc/php.d."""
    compiled = b"\0/etc\0/etc/php.d\0" + MODULES.encode() + b"\0/var/lib/php/session\0"
    tree: Tree = {"/usr/bin/php": program() + compiled, "/etc/php.ini": b"memory_limit = 128M\n"}
    tree |= {f"{MODULES}/{name}.so": elf() for name in ("json", "pdo", "pdo_sqlite")}
    tree[f"{MODULES}/pdo_sqlite.so"] = elf("libsqlite3.so.0")
    return (
        tree
        | {f"{LIB}/libsqlite3.so.0": elf()}
        | {f"/etc/php.d/{one}.ini": text.encode() for one, text in files.items()}
    )


def test_php_has_the_extensions_that_are_enabled_with_their_libraries() -> None:
    found = planned(php_tree(pdo="extension=pdo", sqlite='extension="pdo_sqlite.so"'), path="/usr/bin/php")
    files = {"/etc/php.ini", "/etc/php.d/pdo.ini", "/etc/php.d/sqlite.ini", f"{MODULES}/pdo.so"}
    assert {*files, f"{MODULES}/pdo_sqlite.so"} <= of_rule(found, "php")
    assert f"{LIB}/libsqlite3.so.0" in found.rootfs.entries
    assert f"{MODULES}/json.so" not in found.rootfs.entries


def test_php_finds_extensions_where_its_configuration_says() -> None:
    tree = php_tree(own=f"extension_dir = {LIB}/mine ; ours\nzend_extension=fast\n") | {f"{LIB}/mine/fast.so": elf()}
    assert f"{LIB}/mine/fast.so" in of_rule(planned(tree, path="/usr/bin/php"), "php")


def test_of_php_the_chosen_extensions_are_enabled_only() -> None:
    tree = php_tree(pdo="extension=pdo", json="extension=json", time="date.timezone=UTC")
    paths = of_rule(planned(tree, path="/usr/bin/php", value="php=json"), "php")
    assert {"/etc/php.d/json.ini", f"{MODULES}/json.so", "/etc/php.d/time.ini"} <= paths
    assert not {"/etc/php.d/pdo.ini", f"{MODULES}/pdo.so"} & paths


def test_an_extension_that_is_not_there_is_told() -> None:
    found = planned(php_tree(gone="extension=gone"), path="/usr/bin/php")
    assert "PHP's configuration enables gone, which is not there" in told(found)


def test_php_with_the_systems_zones_has_utc() -> None:
    tree = php_tree() | {"/usr/share/zoneinfo/zone.tab": b"#", "/usr/share/zoneinfo/UTC": b"TZif"}
    assert "/usr/share/zoneinfo/UTC" not in planned(tree, path="/usr/bin/php").rootfs.entries
    tree["/usr/bin/php"] = program() + b"\0/usr/share/zoneinfo/zone.tab\0"
    assert "/usr/share/zoneinfo/UTC" in of_rule(planned(tree, path="/usr/bin/php"), "php")


def test_php_fpm_has_its_pools_and_may_write_its_log() -> None:
    tree: Tree = {
        "/usr/sbin/php-fpm8.2": program() + b"\0/etc/php/8.2/fpm\0",
        "/etc/php/8.2/fpm/php-fpm.conf": b"pid = /run/php/fpm.pid\nerror_log = /var/log/fpm.log\n"
        b"include=/etc/php/8.2/fpm/pool.d/*.conf\n",
        "/etc/php/8.2/fpm/pool.d/www.conf": b"[www]\nlisten = /run/sockets/fpm.sock\n;listen = /nowhere/fpm.sock\n",
    }
    found = planned(tree, path="/usr/sbin/php-fpm8.2")
    assert {"/etc/php/8.2/fpm/pool.d/www.conf", "/run/php", "/run/sockets"} <= of_rule(found, "php")
    log = found.rootfs.entries["/var/log/fpm.log"]
    assert isinstance(log, File)
    assert (log.size, log.owner) == (0, (65532, 65532))
    assert "/nowhere" not in found.rootfs.entries


def test_a_pool_of_php_fpm_is_the_images_users() -> None:
    assert (
        without_owners("[www]\nuser = a\nlisten.owner=a\nlisten = /x\n")
        == "[www]\n;user = a\n;listen.owner=a\nlisten = /x\n"
    )


def test_a_php_ini_is_read_without_comments_and_quotes() -> None:
    text = "; extension=a\n[section]\nextension=b ; why\n extension = 'c;d'\nname\n# extension=e\n"
    assert [*parse_ini(text)] == [("extension", "b"), ("extension", "c;d")]


def apache_tree() -> Tree:
    """An apache as Debian has it."""
    main = """
    DefaultRuntimeDir ${APACHE_RUN_DIR}
    ErrorLog "${APACHE_LOG_DIR}/error.log"
    IncludeOptional mods-enabled/*.load
    Include sites-enabled/*.conf
    Include gone/*.conf
    """
    site = """<VirtualHost *:80>
        # DocumentRoot /secret
        DocumentRoot /srv/www
        CustomLog ${APACHE_LOG_DIR}/access.log combined
        SSLCertificateFile /etc/ssl/site.pem
        SSLCertificateKeyFile /etc/ssl/site.key
    </VirtualHost>"""
    environment = "export APACHE_RUN_USER=www-data\nexport APACHE_RUN_DIR=/var/run/apache2$SUFFIX\n"
    return {
        "/usr/sbin/apache2": program(),
        "/etc/apache2/apache2.conf": main.encode(),
        "/etc/apache2/envvars": f"{environment}export APACHE_LOG_DIR=/var/log/apache2\nunset HOME\n".encode(),
        "/etc/apache2/mods-available/mime.load": b"LoadModule mime_module modules/mod_mime.so\n",
        "/etc/apache2/mods-enabled/mime.load": "-> ../mods-available/mime.load",
        "/etc/apache2/modules/mod_mime.so": elf("libmime.so"),
        f"{LIB}/libmime.so": elf(),
        "/etc/apache2/sites-available/other.conf": b"DocumentRoot /other",
        "/etc/apache2/sites-enabled/site.conf": site.encode(),
        "/etc/ssl/site.pem": b"certificate",
        "/etc/ssl/site.key": b"key",
        "/srv/www/index.html": b"hello",
        "/secret/index.html": b"hidden",
        "/run/lock/x": b"",
        "/var/run": "-> /run",
    }


def test_apache_has_what_its_configuration_includes_loads_and_serves() -> None:
    found = planned(apache_tree(), path="/usr/sbin/apache2")
    paths = of_rule(found, "apache")
    module = "/etc/apache2/modules/mod_mime.so"
    assert {"/etc/apache2/mods-available/mime.load", module, "/srv/www/index.html"} <= paths
    assert {"/etc/apache2/mods-enabled/mime.load", f"{LIB}/libmime.so"} <= found.rootfs.entries.keys()
    assert not {"/etc/apache2/sites-available/other.conf", "/secret", "/other"} & found.rootfs.entries.keys()


def test_a_key_of_apache_is_told_and_never_taken() -> None:
    found = planned(apache_tree(), path="/usr/sbin/apache2")
    assert "/etc/ssl/site.pem" in of_rule(found, "apache")
    assert "/etc/ssl/site.key" not in found.rootfs.entries
    assert "/etc/ssl/site.key is a secret, which no image should hold" in told(found)


def test_what_debians_start_script_exports_is_defined_for_the_images_user() -> None:
    found = planned(apache_tree(), path="/usr/sbin/apache2")
    main = found.rootfs.entries["/etc/apache2/apache2.conf"]
    assert isinstance(main, File)
    assert isinstance(main.content, GeneratedContent)
    lines = main.content.content.decode().splitlines()
    assert lines[:3] == [
        "Define APACHE_LOG_DIR /var/log/apache2",
        "Define APACHE_RUN_DIR /run/apache2",
        "Define APACHE_RUN_USER #65532",
    ]
    folder = found.rootfs.entries["/run/apache2"]
    assert isinstance(folder, Directory)
    assert folder.owner == (65532, 65532)
    told_by_env = planned(apache_tree(), path="/usr/sbin/apache2", env=("APACHE_LOG_DIR=/logs",))
    assert "/logs" in of_rule(told_by_env, "apache")


def test_logs_of_apache_are_the_containers_output() -> None:
    entries = planned(apache_tree(), path="/usr/sbin/apache2").rootfs.entries
    links = [entries[f"/var/log/apache2/{name}.log"] for name in ("error", "access")]
    assert [link.target for link in links if isinstance(link, Symlink)] == ["/dev/stderr", "/dev/stdout"]


def test_apache_comes_without_documents_where_the_configuration_is_all_that_is_wanted() -> None:
    found = planned(apache_tree(), path="/usr/sbin/apache2", value="apache=config")
    assert "/srv/www/index.html" not in found.rootfs.entries


def test_an_include_of_itself_ends() -> None:
    tree = apache_tree() | {"/etc/apache2/apache2.conf": b"Include apache2.conf\nInclude ../../../etc/apache2/*.conf\n"}
    assert "/etc/apache2/apache2.conf" in of_rule(planned(tree, path="/usr/sbin/apache2"), "apache")


def test_a_php_that_apache_loads_has_its_own_configuration() -> None:
    library = elf() + b"\0/etc/php/8.2/apache2\0/etc/php/8.2/apache2/conf.d\0/usr/lib/php/20220829\0"
    tree = apache_tree() | {
        "/etc/apache2/mods-enabled/php.load": b"LoadModule php_module /usr/lib/apache2/modules/libphp8.2.so",
        "/usr/lib/apache2/modules/libphp8.2.so": library,
        "/etc/php/8.2/apache2/conf.d/10-pdo.ini": b"extension=pdo",
        "/usr/lib/php/20220829/pdo.so": elf(),
    }
    found = planned(tree, path="/usr/sbin/apache2")
    assert "/usr/lib/apache2/modules/libphp8.2.so" in of_rule(found, "apache")
    assert {"/etc/php/8.2/apache2/conf.d/10-pdo.ini", "/usr/lib/php/20220829/pdo.so"} <= of_rule(found, "php")


def test_a_hostile_configuration_of_apache_ends_soon() -> None:
    doubling = "Define A " + "x" * 4000 + "\nErrorLog " + "${A}" * 100_000 + "\n"
    including = "Include sites-enabled/*.conf\n" * 100_000
    tree = apache_tree() | {"/etc/apache2/apache2.conf": (doubling + including).encode()}
    assert "/srv/www/index.html" in planned(tree, path="/usr/sbin/apache2").rootfs.entries


DRIVERS = b"[ODBC]\nTrace=No\n[SQLite3]\nDriver=libsqlite3odbc.so\nSetup=libsetup.so\n[Pg]\nDriver = /opt/pg.so\n"


def odbc_tree() -> Tree:
    """A program that links unixODBC, and two drivers."""
    drivers = {
        f"{LIB}/odbc/libsqlite3odbc.so": elf("libsqlite3.so.0"),
        "/opt/pg.so": elf(),
        f"{LIB}/libsetup.so": elf(),
    }
    return using("libodbc.so.2") | drivers | {f"{LIB}/libsqlite3.so.0": elf(), "/etc/odbcinst.ini": DRIVERS}


def test_odbc_has_the_drivers_of_its_sections_and_no_windows() -> None:
    found = planned(odbc_tree())
    assert {"/etc/odbcinst.ini", f"{LIB}/odbc/libsqlite3odbc.so", "/opt/pg.so"} <= of_rule(found, "odbc")
    assert f"{LIB}/libsqlite3.so.0" in found.rootfs.entries
    assert f"{LIB}/libsetup.so" not in found.rootfs.entries


def test_odbc_has_the_chosen_drivers_only() -> None:
    found = planned(odbc_tree(), value="odbc=Pg,Oracle")
    assert "/opt/pg.so" in of_rule(found, "odbc")
    assert f"{LIB}/odbc/libsqlite3odbc.so" not in found.rootfs.entries
    assert "/etc/odbcinst.ini has no driver Oracle" in told(found)


def test_odbc_without_a_driver_is_told() -> None:
    assert "the root describes no driver of ODBC" in told(planned(using("libodbc.so.2")))


def test_the_drivers_of_an_odbcinst_ini() -> None:
    assert parse_drivers(DRIVERS.decode()) == {"SQLite3": "libsqlite3odbc.so", "Pg": "/opt/pg.so"}
    assert parse_drivers("Driver=x\n[A]\nDriver=\n[B]\ndriver64=b.so") == {"B": "b.so"}
