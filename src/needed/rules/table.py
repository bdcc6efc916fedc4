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
UNWINDERS = ("pthread_cancel", "pthread_exit", "thrd_exit", "backtrace")

OPENERS = ("dlopen", "dlmopen")
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
    Rule("selinux", libraries=("libselinux.so",), covers=("libselinux.so",)),
    Rule("bash", programs=("bash",), covers=("bash",)),
    Rule("dlopen", imports=OPENERS),
    Rule("go", abilities=("exec", "plugin", "resolver", "certificates", "zones", "users")),
    # Interpreters and their libraries.
    Rule("perl", libraries=("libperl.so",), programs=PERL, scripts=PERL, covers=("libperl.so", "perl")),
    Rule("node", libraries=("libnode.so",), programs=NODE, scripts=NODE, covers=("libnode.so", "node")),
    Rule("java", libraries=("libjli.so", "libjvm.so"), covers=JVM),
    Rule("ruby", libraries=("libruby",), programs=RUBY, scripts=RUBY, covers=("libruby",)),
    Rule("lua", programs=LUA, scripts=LUA, covers=LUA[:1]),
    Rule("tcl", libraries=("libtcl",), covers=("libtcl",)),
)
NAMES = tuple(rule.name for rule in TABLE)
