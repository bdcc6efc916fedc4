"""What a Python program can import, against trees of our own and against what the running Python really imports."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from needed.languages.python_imports import PythonModules, find_modules
from needed.languages.python_layout import find_python
from needed.languages.python_source import read_source
from needed.root import DirectoryRoot, MemoryRoot, RootPath, Walker

LIB = "/usr/lib/python3.11"
SITE = f"{LIB}/site-packages"
BASE: dict[str, bytes | str] = {
    "/usr/bin/python3.11": b"\x7fELF",
    f"{LIB}/os.py": b"import posixpath as path",
    f"{LIB}/posixpath.py": b"",
    f"{LIB}/lib-dynload/_ssl.cpython-311-x86_64-linux-gnu.so": b"",
    f"{LIB}/lib-dynload/_ssl.cpython-310-x86_64-linux-gnu.so": b"",
    f"{LIB}/encodings/__init__.py": b"import codecs",
    f"{LIB}/encodings/aliases.py": b"aliases = {'sjis' : 'shift_jis'}",
    f"{LIB}/encodings/utf_8.py": b"",
    f"{LIB}/encodings/shift_jis.py": b"import _codecs_jp",
    f"{LIB}/codecs.py": b"",
    f"{LIB}/ssl.py": b"import _ssl",
    f"{LIB}/logging/__init__.py": b"",
    f"{LIB}/logging/handlers.py": b"",
    f"{LIB}/decimal.py": b"try:\n    from _decimal import *\nexcept ImportError:\n    from _pydecimal import *\n",
    f"{LIB}/_pydecimal.py": b"",
}


def modules_of(
    script: str | bytes, more: dict[str, bytes | str] | None = None, *, whole_library: bool = False
) -> PythonModules:
    content = script.encode() if isinstance(script, str) else script
    walker = Walker(MemoryRoot(BASE | {"/app/main.py": content} | (more or {})))
    layout = find_python(walker, "/usr/bin/python3.11")
    assert layout is not None
    return find_modules(walker, layout, ["/app/main.py"], whole_library=whole_library)


def paths_of(script: str | bytes, more: dict[str, bytes | str] | None = None) -> set[str]:
    return {file.path for file in modules_of(script, more).files}


def test_the_start_and_the_landmark_are_always_there() -> None:
    assert {f"{LIB}/os.py", f"{LIB}/posixpath.py", f"{LIB}/encodings/utf_8.py", "/app/main.py"} <= paths_of("")


def test_an_extension_module_is_the_one_of_this_version() -> None:
    found = modules_of("import ssl").extension_modules
    assert [file.path for file in found] == [f"{LIB}/lib-dynload/_ssl.cpython-311-x86_64-linux-gnu.so"]
    assert (found[0].needed_by, found[0].reason) == (f"{LIB}/ssl.py", "is imported in line 1")


@pytest.mark.parametrize("script", [
    "import shop.cart", "from shop import cart", "from shop.cart import total", "def f():\n    import shop.cart",
    "import importlib\nimportlib.import_module('shop.cart')", "__import__('shop.cart')", "HANDLER = 'shop.cart.Cart'",
    "APP = 'shop.cart:app'", "match 1:\n    case 1:\n        import shop.cart", "x: int = 1; import shop.cart",
])  # fmt: skip
def test_every_way_to_import_is_followed(script: str) -> None:
    tree: dict[str, bytes | str] = {"/app/shop/__init__.py": b"", "/app/shop/cart.py": b"import ssl"}
    assert {"/app/shop/__init__.py", "/app/shop/cart.py", f"{LIB}/ssl.py"} <= paths_of(script, tree)


def test_relative_imports_start_at_their_package() -> None:
    tree: dict[str, bytes | str] = {
        "/app/a/__init__.py": b"", "/app/a/b/__init__.py": b"from ..c import d", "/app/a/c/__init__.py": b"",
        "/app/a/c/d.py": b"from . import d",
    }  # fmt: skip
    assert "/app/a/c/d.py" in paths_of("import a.b", tree)


def test_a_namespace_package_is_found_over_several_folders() -> None:
    assert f"{SITE}/ns/one.py" in paths_of("import ns.one", {f"{SITE}/ns/one.py": b"", "/app/ns/two.py": b""})


def test_the_pure_twin_is_left_out_where_the_c_module_is_there() -> None:
    assert f"{LIB}/_pydecimal.py" not in paths_of("import decimal", {f"{LIB}/lib-dynload/_decimal.abi3.so": b""})
    # An interpreter that shows its modules, and has none of this name.
    interpreter = b"\0".join(b"PyInit_m%d" % number for number in range(20)).join([b"\0", b"\0"])
    assert f"{LIB}/_pydecimal.py" in paths_of("import decimal", {"/usr/bin/python3.11": interpreter})


@pytest.mark.parametrize("guard", [
    "if TYPE_CHECKING", "if typing.TYPE_CHECKING", "if sys.platform == 'win32'", "if os.name == 'nt'",
    "if sys.version_info < (3, 8)", "if not sys.version_info >= (3, 8)", "if sys.platform.startswith('win')", "if 0",
    "if sys.version_info >= (3, 12) and x",
])  # fmt: skip
def test_branches_that_are_never_taken_are_left_out(guard: str) -> None:
    assert f"{LIB}/ssl.py" not in paths_of(f"{guard}:\n    import ssl")
    assert f"{LIB}/ssl.py" in paths_of(f"{guard}:\n    pass\nelse:\n    import ssl")


def test_what_only_a_started_module_does_is_left_out_of_others() -> None:
    text = "if __name__ == '__main__':\n    import ssl"
    assert f"{LIB}/ssl.py" in paths_of(text)
    assert f"{LIB}/ssl.py" not in paths_of("import other", {"/app/other.py": text.encode()})


def test_a_third_party_package_is_taken_whole_without_its_tests() -> None:
    tree: dict[str, bytes | str] = {
        f"{SITE}/web/__init__.py": b"", f"{SITE}/web/page.html": b"<p>", f"{SITE}/web/hidden.py": b"import ssl",
        f"{SITE}/web/tests/test_web.py": b"", f"{SITE}/web/__pycache__/x.pyc": b"", f"{SITE}/web/x.pyi": b"",
        f"{SITE}/web-1.dist-info/METADATA": b"Name: web\nRequires-Dist: Dep_One>=2\nRequires-Dist: no; extra == 'x'\n",
        f"{SITE}/web-1.dist-info/RECORD": b"web/__init__.py,,\nweb/page.html,,\n",
        f"{SITE}/web-1.dist-info/entry_points.txt": b"", f"{SITE}/dep_one-2.dist-info/METADATA": b"Name: dep-one\n",
        f"{SITE}/dep_one-2.dist-info/RECORD": b"_dep.abi3.so,,\n", f"{SITE}/_dep.abi3.so": b"",
        f"{SITE}/other/__init__.py": b"",
    }  # fmt: skip
    found = modules_of("import web", tree)
    inside = {file.path.removeprefix(SITE + "/"): file.kind for file in found.files if file.path.startswith(SITE)}
    assert inside == {
        "web/__init__.py": "source", "web/page.html": "data", "web/hidden.py": "source", "_dep.abi3.so": "extension",
        "web-1.dist-info/METADATA": "metadata", "web-1.dist-info/entry_points.txt": "metadata",
        "dep_one-2.dist-info/METADATA": "metadata",
    }  # fmt: skip
    assert f"{LIB}/ssl.py" in {file.path for file in found.files}


def test_a_script_of_setuptools_brings_the_distribution_whose_entry_point_it_starts() -> None:
    tree: dict[str, bytes | str] = {
        f"{SITE}/shop/__init__.py": b"", f"{SITE}/shop/till.py": b"",
        f"{SITE}/My_Shop-1.egg-info/top_level.txt": b"shop\n",
        f"{SITE}/My_Shop-1.egg-info/PKG-INFO": b"Name: My-Shop\n",
        f"{SITE}/My_Shop-1.egg-info/entry_points.txt": b"[console_scripts]\nshop = shop.till:main\n",
    }  # fmt: skip
    text = "import sys\nsys.exit(load_entry_point('{}==1', 'console_scripts', 'shop')())"
    found = modules_of(text.format("my-shop"), tree)
    inside = {file.path.removeprefix(SITE + "/") for file in found.files if file.path.startswith(SITE)}
    assert inside == {path.removeprefix(SITE + "/") for path in tree}
    assert [item for item in found.dynamic if item.path == "/app/main.py"] == []
    (told,) = (item.text for item in modules_of(text.format("gone"), tree).dynamic if item.path == "/app/main.py")
    assert told == "starts the distribution gone: not installed"


def test_codecs_are_found_by_their_names_and_aliases() -> None:
    assert f"{LIB}/encodings/shift_jis.py" in paths_of("open('f', encoding='SJIS')")
    assert f"{LIB}/encodings/shift_jis.py" in paths_of("b''.decode('shift-jis')")
    assert f"{LIB}/encodings/shift_jis.py" not in paths_of("b''.decode('utf-8')")


def test_a_folder_that_a_string_names_ships_with_the_application() -> None:
    tree: dict[str, bytes | str] = {"/app/pages/a.html": b"", "/app/templates/b.html": b"", "/app/c.json": b""}
    assert {"/app/pages/a.html", "/app/c.json"} <= paths_of("serve('./pages'); open('c.json')", tree)
    assert "/app/templates/b.html" in paths_of("import flask", tree)
    assert "/app/templates/b.html" not in paths_of("import ssl", tree)


def test_what_is_missing_says_whether_the_program_may_do_without() -> None:
    text = "import gone\ntry:\n    import maybe\nexcept ImportError:\n    maybe = None\n"
    missing = modules_of(text).missing
    assert [(item.name, item.line, item.optional) for item in missing] == [("gone", 1, False), ("maybe", 3, True)]


def test_what_only_a_run_can_tell_is_told_with_its_line() -> None:
    text = "import importlib\nimportlib.import_module(name)\nctypes.CDLL('libfoo.so.1')\nentry_points(group='x')"
    told = [(item.line, item.text) for item in modules_of(text).dynamic if item.path == "/app/main.py"]
    assert sorted(told) == [
        (2, "imports a module whose name is computed"),
        (3, "loads the shared library libfoo.so.1"),
        (4, "asks installed distributions for plugins (entry points)"),
    ]


def test_the_whole_library_is_without_what_development_wants() -> None:
    tree: dict[str, bytes | str] = {
        f"{LIB}/test/a.py": b"", f"{LIB}/idlelib/b.py": b"", f"{LIB}/ensurepip/_bundled/pip.whl": b"",
        f"{LIB}/config-3.11/libpython.a": b"", f"{LIB}/tkinter/__init__.py": b"", f"{LIB}/wave.py": b"",
        f"{LIB}/__pycache__/wave.cpython-311.pyc": b"", f"{LIB}/lib-dynload/_testcapi.abi3.so": b"",
    }  # fmt: skip
    extra = {file.path for file in modules_of("", tree, whole_library=True).files} & tree.keys()
    assert extra == {f"{LIB}/wave.py"}


@pytest.mark.parametrize("content", [
    b"(" * 50_000, b"-" * 200_000 + b"1", b"1+" * 100_000 + b"1", b"a" + b".b" * 100_000, b"\0", b"\xff\xfe", b"x = (",
    b"[" * 90 + b"]" * 90, b"# -*- coding: nonsense -*-", b"lambda:" * 50_000 + b"1", b"def f(:\n",
    b"if x:\n" + b"".join(b" " * n + b"if x:\n" for n in range(1, 99)) + b" " * 99 + b"pass", b"f'{" * 5_000,
])  # fmt: skip
def test_no_source_ends_in_an_error(content: bytes) -> None:
    found = modules_of(b"import ssl\n" + content)
    assert f"{LIB}/ssl.py" in {file.path for file in found.files}


def test_a_source_that_cannot_be_parsed_is_read_line_by_line_and_told() -> None:
    needs = read_source(b"import a.b as c, d\nfrom ..e import f, g\nprint 'old'\n", (3, 11))
    assert [(item.module, item.names, item.level) for item in needs.imports] == [
        ("a.b", (), 0), ("d", (), 0), ("e", ("f", "g"), 2),
    ]  # fmt: skip
    assert "SyntaxError" in needs.problem


def test_packages_that_import_each_other_and_links_in_circles_end() -> None:
    tree: dict[str, bytes | str] = {
        f"{SITE}/a/__init__.py": b"import b", f"{SITE}/b/__init__.py": b"import a", f"{SITE}/b/loop": "-> .",
        f"{SITE}/a/self": "-> self",
    }  # fmt: skip
    assert {f"{SITE}/a/__init__.py", f"{SITE}/b/__init__.py"} <= paths_of("import a", tree)


def test_a_source_that_is_too_large_ships_and_is_told() -> None:
    found = modules_of("import big", {"/app/big.py": b"#" * (4 << 20) + b"\nimport ssl"})
    assert "/app/big.py" in {file.path for file in found.files}
    assert ("/app/big.py", "is too large to be read for imports") in [(item.path, item.text) for item in found.dynamic]


def test_a_source_above_a_mebibyte_is_read_line_by_line_and_told() -> None:
    needs = read_source(b"#" * (1 << 20) + b"\nimport ssl\n", (3, 11))
    assert [item.module for item in needs.imports] == ["ssl"]
    assert needs.problem == "is too large to be parsed, and was read line by line"


# Programs that reach much of what is imported behind the back of the sources.
PROGRAMS = {
    "json": "import json; json.loads(json.dumps([1]))",
    "tls": "import ssl, socket; ssl.create_default_context(); socket.getaddrinfo('127.0.0.1', 80)",
    "xml": "import xml.sax, xml.dom.minidom as d; d.parseString('<a/>')\n"
    "xml.sax.parseString(b'<a/>', xml.sax.ContentHandler())",
    "time": "import datetime, zoneinfo, decimal, pickle; datetime.datetime.strptime('1', '%d')\n"
    "pickle.dumps(decimal.Decimal(1))",
    "asyncio": "import asyncio; asyncio.run(asyncio.to_thread(int))",
    "logging": "import logging.config as c; c.dictConfig({'version': 1, 'handlers': {'h': {'class':\n"
    " 'logging.handlers.MemoryHandler', 'capacity': 1}}, 'root': {'handlers': ['h']}})",
    "web": "import http.server, urllib.request, email.message, importlib.metadata as m; list(m.distributions())",
    "text": "'ä'.encode('koi8-r', 'ignore'); 'ä'.encode('idna'); import sysconfig; sysconfig.get_config_vars()",
}  # fmt: skip
_PRINT = "\nimport sys; print(*[getattr(m, '__file__', None) or '' for m in list(sys.modules.values())], sep='\\n')"


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_the_running_python_imports_of_its_library_is_found(name: str, tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text(PROGRAMS[name] + _PRINT)
    result = subprocess.run([sys.executable, "-I", str(script)], capture_output=True, text=True, check=True)
    walker = Walker(DirectoryRoot("/"))
    layout = find_python(walker, os.path.abspath(sys.executable))
    assert layout is not None
    found = find_modules(walker, layout, [RootPath(str(script))])
    have = {os.path.realpath(file.path) for file in found.files}
    inside = os.path.realpath(layout.stdlib) + "/"
    really = {os.path.realpath(path) for path in result.stdout.splitlines() if path.startswith("/")}
    library = {path for path in really if path.startswith(inside) and "-packages/" not in path and os.path.exists(path)}
    assert len(library) > 10
    assert sorted(library - have) == []
    assert found.size < find_modules(walker, layout, [str(script)], whole_library=True).size
