"""What is known of CPython's standard library that its Python sources do not say: tables, from the sources in C.

Each table says which calls in Modules/ and Python/ of CPython 3.11 to 3.14 it stands for. A name that a release does
not have does no harm: what is not found of these is not missed.

What it deliberately does not do: look at a Root.
"""

from __future__ import annotations

# What `python -X importtime -c pass` imports, and what the interpreter asks for by name at start, at a warning, at
# `-m` and at its end (Python/pylifecycle.c, Python/import.c, Modules/main.c, Python/_warnings.c).
STARTUP = (
    "encodings", "encodings.aliases", "codecs", "io", "abc", "site", "os", "stat", "posixpath", "genericpath",
    "_collections_abc", "_sitebuiltins", "importlib", "importlib._bootstrap", "importlib._bootstrap_external",
    "importlib.machinery", "importlib.util", "zipimport", "runpy", "pkgutil", "warnings", "linecache", "sitecustomize",
    "usercustomize",
)  # fmt: skip
# From 3.13 on it is Python that prints an exception (Python/pythonrun.c).
STARTUP_FROM_3_13 = ("traceback",)

# Codecs that are used without being named: by the start, by C code (socket: idna; zipimport: cp437), by BOMs, and the
# ones that do not depend on a language.
CODECS = (
    "ascii", "utf_8", "utf_8_sig", "latin_1", "idna", "punycode", "cp437", "charmap", "raw_unicode_escape",
    "unicode_escape", "undefined", "utf_16", "utf_16_be", "utf_16_le", "utf_32", "utf_32_be", "utf_32_le", "utf_7",
    "base64_codec", "hex_codec", "quopri_codec", "uu_codec", "zlib_codec", "bz2_codec", "rot_13",
)  # fmt: skip
# What mail, pages and documents from elsewhere say they are in: single-byte ones, where one of these modules is reached
# (320 KB). East Asian ones bring 1.2 MB of tables, and are taken when their name stands in a source.
DOCUMENT_READERS = ("email.charset", "xml.parsers.expat", "html.parser")
DOCUMENT_CODECS = (
    *(f"iso8859_{number}" for number in range(1, 17) if number != 12), *(f"cp{number}" for number in range(1250, 1259)),
    "koi8_r", "koi8_u", "mac_roman", "cp850", "cp866", "cp874", "tis_620",
)  # fmt: skip

# Names that stand for another module: set in sys.modules by code, not by the importer.
ALIASES = {
    "os.path": "posixpath",
    "typing.io": "typing",
    "typing.re": "typing",
    "xml.parsers.expat.model": "pyexpat",
    "xml.parsers.expat.errors": "pyexpat",
}

# Modules that C code imports (PyImport_ImportModule, _PyImport_GetModuleAttrString), and Python code by a name that it
# makes up or keeps in a table.
BEHIND_THE_BACK: dict[str, tuple[str, ...]] = {
    "_asyncio": ("asyncio", "asyncio.events", "asyncio.base_futures", "asyncio.base_tasks", "asyncio.coroutines",
                 "asyncio.exceptions", "inspect", "traceback", "weakref"),
    "_ctypes": ("ctypes", "_ctypes", "struct"),
    "_curses_panel": ("_curses",),
    "_datetime": ("_strptime", "time"),
    "_decimal": ("numbers", "collections"),
    "_elementtree": ("copy", "xml.etree.ElementPath", "pyexpat"),
    "_functools": ("copyreg",),
    "_hashlib": ("_blake2", "_md5", "_sha1", "_sha256", "_sha512", "_sha2", "_sha3"),
    "_interpreters": ("pickle",),
    "_io": ("io", "os"),
    "_json": ("json.decoder", "json.encoder"),
    "_lsprof": ("cProfile",),
    "_pickle": ("copyreg", "_compat_pickle", "codecs", "functools"),
    "_socket": ("encodings.idna",),
    "_sqlite3": ("sqlite3.dump", "sqlite3.dbapi2"),
    "_ssl": ("encodings.idna", "socket"),
    "_zoneinfo": ("zoneinfo", "zoneinfo._common", "weakref"),
    "array": ("copyreg", "collections.abc"),
    "posix": ("stat",),
    "pyexpat": ("xml.parsers.expat",),
    "encodings.idna": ("stringprep", "unicodedata"),
    # By names made up in Python.
    "concurrent.futures": ("concurrent.futures.process", "concurrent.futures.thread"),
    "curses": ("curses.has_key",),
    "dbm": ("dbm.gnu", "dbm.ndbm", "dbm.dumb", "dbm.sqlite3"),
    "importlib.resources": ("importlib.readers",),
    "importlib.metadata": ("importlib.metadata._adapters",),
    "multiprocessing.context": ("multiprocessing.spawn", "multiprocessing.forkserver", "multiprocessing.popen_fork",
                                "multiprocessing.popen_spawn_posix", "multiprocessing.popen_forkserver",
                                "multiprocessing.resource_tracker", "multiprocessing.synchronize",
                                "multiprocessing.queues", "multiprocessing.pool", "multiprocessing.managers",
                                "multiprocessing.sharedctypes", "multiprocessing.heap"),
    "sysconfig": ("_sysconfigdata__",),
    "unittest": ("unittest.__main__",),
    "venv": ("venv.__main__",),
    "xml.dom.domreg": ("xml.dom.minidom",),
    "xml.sax": ("xml.sax.expatreader",),
    "zoneinfo": ("zoneinfo._tzpath", "zoneinfo._common", "tzdata"),
    "zoneinfo._common": ("importlib.resources", "tzdata"),
}  # fmt: skip

# Imports that only a person at the keyboard, a debugger or the module's own test reaches; each would bring far more
# than its importer. `help()`, `breakpoint()` and the interactive prompt want them: said to the user, in the report.
SELDOM: dict[str, frozenset[str]] = {
    # Methods that only importlib.metadata and importlib.resources call.
    "importlib._bootstrap_external": frozenset({"importlib.metadata", "importlib.readers"}),
    "zipimport": frozenset({"importlib.readers"}),
    "_sitebuiltins": frozenset({"pydoc"}),
    "site": frozenset({"readline", "rlcompleter", "_pyrepl", "sysconfig", "atexit"}),
    "difflib": frozenset({"doctest"}),
    "heapq": frozenset({"doctest"}),
    "statistics": frozenset({"doctest"}),
    "xmlrpc.server": frozenset({"pydoc"}),
    "pickle": frozenset({"doctest", "pprint", "argparse"}),
    "pydoc": frozenset({"pydoc_data.topics", "http.server", "email.message", "webbrowser", "tkinter"}),
    "pickletools": frozenset({"doctest", "argparse"}),
    "warnings": frozenset({"tracemalloc"}),
    "asyncio": frozenset({"asyncio.tools", "asyncio.__main__"}),
    "pkgutil": frozenset({"inspect"}),
    "tokenize": frozenset({"argparse"}),
}

# Tools for building, in every older virtual environment: followed only where they are imported without a way around.
BUILDING = frozenset({"pip", "setuptools", "pkg_resources", "wheel", "_distutils_hack"})

# Folders and files of the standard library that no program wants at run time (mode "all" leaves them out): tests, the
# editor and the demonstration of turtle, wheels for making environments, the static library and headers' settings.
# tkinter and turtle are left out where their C half `_tkinter` is not there.
DEVELOPMENT = frozenset({"test", "tests", "idlelib", "turtledemo", "__pycache__", "site-packages", "dist-packages"})
DEVELOPMENT_PATHS = frozenset({"ensurepip/_bundled", "lib2to3/tests", "distutils/tests", "unittest/test"})
NEEDS_TK = frozenset({"tkinter", "turtle.py", "idlelib", "turtledemo"})

# The C modules of the standard library: without a file they are compiled into the interpreter, as far as it has them.
C_MODULES = frozenset({
    "_abc", "_ast", "_asyncio", "_bisect", "_blake2", "_bz2", "_codecs", "_codecs_cn", "_codecs_hk",
    "_codecs_iso2022", "_codecs_jp", "_codecs_kr", "_codecs_tw", "_collections", "_contextvars", "_crypt",
    "_csv", "_ctypes", "_curses", "_curses_panel", "_datetime", "_dbm", "_decimal", "_elementtree",
    "_functools", "_gdbm", "_hashlib", "_heapq", "_hmac", "_imp", "_interpchannels", "_interpqueues",
    "_interpreters", "_io", "_json", "_locale", "_lsprof", "_lzma", "_md5", "_multibytecodec",
    "_multiprocessing", "_opcode", "_operator", "_pickle", "_posixshmem", "_posixsubprocess", "_queue",
    "_random", "_remote_debugging", "_scproxy", "_sha1", "_sha2", "_sha256", "_sha3", "_sha512", "_signal",
    "_socket", "_sqlite3", "_sre", "_ssl", "_stat", "_statistics", "_string", "_struct", "_suggestions",
    "_symtable", "_sysconfig", "_thread", "_tkinter", "_tokenize", "_tracemalloc", "_types", "_typing",
    "_uuid", "_warnings", "_weakref", "_winapi", "_xxinterpchannels", "_xxsubinterpreters", "_zoneinfo",
    "_zstd", "_frozen_importlib", "_frozen_importlib_external", "array", "atexit", "audioop", "binascii",
    "builtins", "cmath", "errno", "faulthandler", "fcntl", "gc", "grp", "itertools", "marshal", "math",
    "mmap", "msvcrt", "nis", "nt", "ossaudiodev", "posix", "pwd", "pyexpat", "readline", "resource", "select",
    "spwd", "sys", "syslog", "termios", "time", "unicodedata", "winreg", "winsound", "xxlimited", "xxsubtype",
    "zlib", "_overlapped", "_msi", "_wmi",
})  # fmt: skip
