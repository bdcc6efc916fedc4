"""Python: which of its library, its packages and a script's own files an image holds, by what was chosen."""

from __future__ import annotations

from needed.pipeline import Plan, plan
from needed.root import MemoryRoot
from needed.rules.choices import Choices
from tests.rules.trees import library, program, tree

LIB = "/usr/lib/python3.11"
FILES: dict[str, bytes | str] = {
    "/usr/bin/python3.11": program("dlopen"),
    "/usr/bin/python3": "-> python3.11",
    f"{LIB}/os.py": b"import stat",
    f"{LIB}/stat.py": b"",
    f"{LIB}/json/__init__.py": b"import _json",
    f"{LIB}/colorsys.py": b"",
    f"{LIB}/test/test_os.py": b"",
    f"{LIB}/__pycache__/os.cpython-311.pyc": b"",
    f"{LIB}/lib-dynload/_json.cpython-311-x86_64-linux-gnu.so": library("", "PyInit", needed=("libj.so.1",)),
    "/lib64/libj.so.1": library("libj.so.1"),
    "/srv/app.py": b"#!/usr/bin/python3\nimport json, shop\nopen('rates.csv')\nimport importlib\n"
                   b"importlib.import_module(name)\n",
    "/srv/shop.py": b"",
    "/srv/rates.csv": b"",
    "/srv/unasked.py": b"",
}  # fmt: skip


def planned(*programs: str, value: str | None = None, off: bool = False, files: dict[str, bytes | str] = FILES) -> Plan:
    values = (("python", value),) if value is not None else ()
    choices = Choices(values=values, off=frozenset({"python"} if off else ()))
    return plan(MemoryRoot({**tree(), **files}), programs, choices=choices)


def paths(found: Plan) -> set[str]:
    return {path for path in found.rootfs.entries if path.startswith((LIB, "/srv", "/lib64/libj"))}


def test_an_interpreter_has_its_whole_library_without_tests_and_compiled_files() -> None:
    found = paths(planned("/usr/bin/python3"))
    assert {f"{LIB}/os.py", f"{LIB}/colorsys.py", f"{LIB}/json/__init__.py", "/lib64/libj.so.1"} <= found
    assert not any("test" in path or "pycache" in path for path in found)


def test_a_program_with_python_inside_has_its_library() -> None:
    soname = "libpython3.11.so.1.0"
    files = {**FILES, "/usr/bin/gdb": program(needed=(soname,)), f"/lib64/{soname}": library(soname, "dlopen")}
    found = paths(planned("/usr/bin/gdb", files=files))
    assert {f"{LIB}/os.py", f"{LIB}/colorsys.py", "/lib64/libj.so.1"} <= found
    by_imports = paths(planned("/usr/bin/gdb", files=files, value="json"))
    assert f"{LIB}/json/__init__.py" in by_imports
    assert f"{LIB}/colorsys.py" not in by_imports


def test_without_the_rule_there_is_none_of_it() -> None:
    assert paths(planned("/usr/bin/python3", off=True)) == set()


def test_of_a_script_the_modules_beside_it_and_the_files_that_it_names_come_along() -> None:
    found = paths(planned("/srv/app.py"))
    assert {"/srv/app.py", "/srv/shop.py", "/srv/rates.csv", f"{LIB}/colorsys.py"} <= found
    assert "/srv/unasked.py" not in found


def test_by_imports_the_library_holds_what_is_imported_and_extension_modules_bring_their_libraries() -> None:
    found = paths(planned("/srv/app.py", value="imports"))
    assert {f"{LIB}/json/__init__.py", "/lib64/libj.so.1", "/srv/shop.py"} <= found
    assert f"{LIB}/colorsys.py" not in found


def test_modules_can_be_named() -> None:
    found = paths(planned("/usr/bin/python3", value="json"))
    assert f"{LIB}/json/__init__.py" in found
    assert f"{LIB}/colorsys.py" not in found


def test_a_module_that_is_computed_is_told_with_its_line() -> None:
    told = [tell for item in planned("/srv/app.py").applied if item.rule == "python" for tell in item.told]
    assert any(tell.message.startswith("/srv/app.py, line 5,") for tell in told)


def test_a_module_that_is_nowhere_is_told() -> None:
    files = {**FILES, "/srv/app.py": b"#!/usr/bin/python3\nimport nowhere\n"}
    told = [tell.message for item in planned("/srv/app.py", files=files).applied for tell in item.told]
    assert "/srv/app.py, line 2, imports nowhere, which is nowhere" in told


def test_a_virtual_environment_brings_its_packages_but_for_those_that_build() -> None:
    site = "/srv/venv/lib/python3.11/site-packages"
    files: dict[str, bytes | str] = {
        **FILES,
        "/srv/venv/bin/python": "-> /usr/bin/python3.11",
        "/srv/venv/pyvenv.cfg": b"home = /usr/bin\nversion = 3.11.2\n",
        f"{site}/shopkit/__init__.py": b"",
        f"{site}/shopkit/tests/test_it.py": b"",
        f"{site}/pip/__init__.py": b"",
    }
    found = paths(planned("/srv/venv/bin/python", files=files))
    assert {"/srv/venv/bin/python", "/srv/venv/pyvenv.cfg", f"{site}/shopkit/__init__.py"} <= found
    assert not any("pip" in path or "tests" in path for path in found)
