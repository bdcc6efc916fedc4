"""Which rule is asked when: one row for each, in the order in which they are asked and listed.

A row is what calls a rule, so that a build imports only the rules that it needs. What a rule does stands in its module,
`rules/catalogue/NAME.py`. A name in `libraries` and `covers` is the beginning of a file's name; one in `programs` is a
whole name, or a beginning if it ends in `*`.
"""

from __future__ import annotations

from needed.value import value


@value
class Rule:
    """`imports` are symbols that an object other than the C library's own wants; `libraries` objects of a closure;
    `programs` what is executed, scripts too; `abilities` what a static Go program holds (`elf.golang`); `scripts` the
    names of interpreters whose scripts call it.

    `last`: asked once, when nothing new is found any more, and may then name no program or plugin. `covers` are objects
    whose calls of dlopen(3) the rule accounts for.
    """

    name: str
    imports: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    abilities: tuple[str, ...] = ()
    scripts: tuple[str, ...] = ()
    covers: tuple[str, ...] = ()
    last: bool = False

    @property
    def module(self) -> str:
        """The name of the module that holds it."""
        return "needed.rules.catalogue." + self.name.replace("-", "_")

    def names_program(self, name: str) -> bool:
        """Whether a program of this file name calls the rule."""
        return _names(self.programs, name)

    def names_interpreter(self, name: str) -> bool:
        """Whether a script for an interpreter of this file name calls the rule."""
        return _names(self.scripts, name)


def _names(patterns: tuple[str, ...], name: str) -> bool:
    return any(name.startswith(one[:-1]) if one.endswith("*") else name == one for one in patterns)


HOSTS = ("getaddrinfo", "gethostbyname", "gethostbyname2", "gethostbyname_r", "gethostbyname2_r", "gethostbyaddr",
         "gethostbyaddr_r", "getnameinfo", "getaddrinfo_a", "gethostent", "gethostent_r")  # fmt: skip
USERS = ("getpwnam", "getpwnam_r", "getpwuid", "getpwuid_r", "getpwent", "getpwent_r", "getgrnam", "getgrnam_r",
         "getgrgid", "getgrgid_r", "getgrent", "getgrent_r", "getgrouplist", "initgroups", "cuserid")  # fmt: skip
SERVICES = ("getservbyname", "getservbyname_r", "getservbyport", "getservbyport_r",
            "getprotobyname", "getprotobyname_r", "getprotobynumber", "getprotobynumber_r", "getprotoent",
            "getrpcbyname", "getrpcbynumber")  # fmt: skip
ZONES = ("localtime", "localtime_r", "localtime64", "localtime64_r", "__localtime64_r", "tzset", "mktime",
         "ctime", "ctime_r")  # fmt: skip
LOCALES = ("setlocale", "newlocale")
TEMPORARY = ("mkstemp", "mkstemp64", "mkostemp", "mkostemp64", "mkstemps", "mkstemps64", "mkostemps", "mkostemps64",
             "mkdtemp", "mktemp", "tmpfile", "tmpfile64", "tmpnam", "tmpnam_r", "tempnam")  # fmt: skip
TEMPORARY_BY_NAME = ("sshd", "postgres", "python3*", "perl*", "ruby*", "java", "mktemp", "patch")
REDIS = ("redis-server", "redis-sentinel", "valkey-server", "valkey-sentinel", "keydb-server")
HELPED = ("tar", "gpg", "rsync", "make", "gmake", "screen", "watch", "cron", "crond", "gcc", "g++", "cc", "c++")
TRUST = ("SSL_CTX_set_default_verify_paths", "SSL_CTX_set_default_verify_file", "SSL_CTX_set_default_verify_dir",
         "SSL_CTX_set_default_verify_store", "X509_STORE_set_default_paths", "X509_STORE_set_default_paths_ex",
         "X509_get_default_cert_file", "X509_get_default_cert_dir",
         "gnutls_certificate_set_x509_system_trust", "gnutls_x509_trust_list_add_system_trust")  # fmt: skip
TLS_OF_GIO = ("g_tls_backend_get_default", "g_tls_client_connection_new", "g_tls_server_connection_new",
              "g_tls_certificate_new_from_file", "g_tls_certificate_new_from_pem", "g_tls_file_database_new",
              "g_socket_client_set_tls")  # fmt: skip
SETTINGS = ("g_settings_new", "g_settings_new_with_path", "g_settings_new_with_backend", "g_settings_new_full",
            "g_settings_schema_source_get_default")  # fmt: skip
TYPES = ("g_content_type_guess", "g_content_type_get_mime_type", "g_file_info_get_content_type")
LOCALES_OF_X = ("XOpenIM", "XCreateFontSet", "XSetLocaleModifiers", "XmbTextListToTextProperty",
                "Xutf8TextListToTextProperty", "xkb_compose_table_new_from_locale")  # fmt: skip
UNWINDERS = ("pthread_cancel", "pthread_exit", "thrd_exit", "backtrace")

# What opens a library only where somebody calls the function that does (see the rule).
ON_REQUEST = ("libsqlite3.so", "libxml2.so", "libicuuc.so", "libuv.so", "libgmodule-2.0.so", "libltdl.so",
              "libapr-1.so")  # fmt: skip
OPENERS = ("dlopen", "dlmopen")
SHELLS = ("sh", "dash", "bash", "ash", "busybox*", "ksh*", "mksh", "lksh", "zsh*")
PERL = ("perl", "perl5*")
NODE = ("node", "nodejs")
RUBY = ("ruby", "ruby2*", "ruby3*")
LUA = ("lua", "lua5*", "luajit", "luajit-*")
JVM = ("libjli.so", "libjvm.so", "libjava.so", "libjimage.so", "libnet.so", "libj2gss.so", "libj2pkcs11.so",
       "libawt.so", "libawt_", "libfontmanager.so", "libjdwp.so", "libsaproc.so", "libsctp.so")  # fmt: skip

TABLE = (
    Rule("name-service", imports=HOSTS, abilities=("resolver",)),
    Rule("services", imports=SERVICES),
    Rule("users", imports=USERS, abilities=("users",), last=True),
    Rule("unwinder", imports=UNWINDERS),
    Rule("locale", imports=LOCALES),
    Rule("zones", imports=ZONES, abilities=("zones",)),
    Rule("certificates", TRUST, ("libcurl.so.", "libcurl-gnutls.so."), ("ldapsearch", "ldapwhoami"), ("certificates",)),
    Rule("openssl", libraries=("libcrypto.so.",), covers=("libcrypto.so.",)),
    Rule("mozilla-nss", libraries=("libnss3.so",),
         covers=("libnss3.so", "libnssutil3.so", "libnspr4.so", "libsoftokn3.so", "libfreebl")),
    Rule("p11-kit", libraries=("libp11-kit.so.",), covers=("libp11-kit.so.",)),
    Rule("sasl", imports=("sasl_client_init", "sasl_server_init"), covers=("libsasl2.so.",)),
    Rule("kerberos", libraries=("libkrb5.so.", "libgssapi_krb5.so."),
         covers=("libkrb5.so.", "libkrb5support.so.", "libgssapi_krb5.so.")),
    Rule("ldap", libraries=("libldap",), covers=("libldap",)),
    Rule("terminfo", libraries=("libtinfo", "libncurses")),
    Rule("readline", libraries=("libreadline.so.",), programs=("bash",)),
    Rule("vim", programs=("vim", "vim.*", "vimdiff", "rvim"), covers=("vim",)),
    Rule("iconv", imports=("iconv_open",)),
    Rule("pam", imports=("pam_start", "pam_start_confdir"), covers=("libpam.so.",)),
    Rule("magic", libraries=("libmagic.so.",)),
    Rule("bash", programs=("bash",), covers=("bash",)),
    Rule("shell", imports=("system", "popen", "wordexp")),
    Rule("shell-commands", scripts=SHELLS),
    Rule("python", libraries=("libpython3.",), programs=("python*",), scripts=("python*",),
         covers=("python", "libpython")),
    Rule("dlopen", imports=OPENERS),
    Rule("go", abilities=("exec", "plugin", "resolver", "certificates", "zones", "users")),
    Rule("tmp", imports=TEMPORARY, libraries=("libsqlite3.so",), programs=TEMPORARY_BY_NAME, scripts=SHELLS),
    Rule("git", programs=("git",)),
    Rule("nginx", programs=("nginx",), covers=("nginx",)),
    Rule("postgres", programs=("postgres", "initdb", "pg_ctl"), covers=("postgres",)),
    Rule("ssh", programs=("sshd", "ssh", "scp", "sftp"), covers=("ssh",)),
    Rule("redis", programs=REDIS, covers=REDIS),
    Rule("on-request", libraries=ON_REQUEST, last=True),
    Rule("companions", programs=HELPED),
    Rule("zsh", programs=("zsh", "zsh5"), covers=("zsh",)),
    Rule("graphviz", libraries=("libgvc.so.",), covers=("libgvc.so.", "libltdl.so")),
    Rule("containers", programs=("skopeo", "podman", "buildah")),
    # What interpreters, servers and libraries for pictures, sound and windows load by their configuration.
    Rule("apache", programs=("apache2", "httpd"), covers=("apache2", "httpd", "libapr-1.so")),
    Rule("php", libraries=("libphp",), programs=("php*",), covers=("php", "libphp")),
    Rule("imagemagick", libraries=("libMagickCore-",), covers=("libMagickCore-", "libltdl.so")),
    Rule("graphicsmagick", libraries=("libGraphicsMagick-",), covers=("libGraphicsMagick-",)),
    Rule("odbc", libraries=("libodbc.so", "libiodbc.so"),
         covers=("libodbc.so", "libodbcinst.so", "libiodbc", "libltdl.so")),
    Rule("gsettings", imports=SETTINGS),
    Rule("mime-types", imports=TYPES),
    Rule("gio", imports=TLS_OF_GIO, covers=("libgio-2.0.so", "libgmodule-2.0.so")),
    Rule("gdk-pixbuf", libraries=("libgdk_pixbuf-2.0.so",),
         covers=("libgdk_pixbuf-2.0.so", "libgmodule-2.0.so")),
    Rule("fontconfig", libraries=("libfontconfig.so",)),
    Rule("x11", imports=LOCALES_OF_X, covers=("libX11.so",)),
    Rule("keyboards", imports=("xkb_keymap_new_from_names",)),
    Rule("mesa", libraries=("libGLX.so", "libEGL.so", "libGLX_mesa.so", "libEGL_mesa.so", "libgbm.so"),
         covers=("libGLX.so", "libEGL.so", "libGLX_mesa.so", "libEGL_mesa.so", "libgbm.so")),
    Rule("vulkan", libraries=("libvulkan.so",), covers=("libvulkan.so",)),
    Rule("hardware-video", libraries=("libva.so", "libvdpau.so"), covers=("libva.so", "libvdpau.so")),
    Rule("qt", libraries=("libQt5", "libQt6"), covers=("libQt5", "libQt6")),
    Rule("gstreamer", libraries=("libgstreamer-1.0.so",),
         covers=("libgstreamer-1.0.so", "libgmodule-2.0.so")),
    Rule("ghostscript", libraries=("libgs.so",), programs=("gs",)),
    Rule("tesseract", libraries=("libtesseract.so",)),
    Rule("proj", libraries=("libproj.so", "libgdal.so"), covers=("libgdal.so",)),
    Rule("dictionaries", libraries=("libhunspell-",)),
    Rule("pci", libraries=("libpci.so",)),
    Rule("alsa", libraries=("libasound.so",), covers=("libasound.so",)),
    # Interpreters and their libraries.
    Rule("perl", libraries=("libperl.so",), programs=PERL, scripts=PERL, covers=("libperl.so", "perl")),
    Rule("node", libraries=("libnode.so",), programs=NODE, scripts=NODE, covers=("libnode.so", "node")),
    Rule("java", libraries=("libjli.so", "libjvm.so"), covers=JVM),
    Rule("ruby", libraries=("libruby",), programs=RUBY, scripts=RUBY, covers=("libruby",)),
    Rule("lua", programs=LUA, scripts=LUA, covers=LUA[:1]),
    Rule("tcl", libraries=("libtcl",), covers=("libtcl",)),
)
NAMES = tuple(rule.name for rule in TABLE)
