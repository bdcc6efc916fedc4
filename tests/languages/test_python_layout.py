"""Where a Python of a Root looks for modules, by getpath.py and site.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from needed.languages.python_layout import PythonLayout, find_python, is_python
from needed.root import DirectoryRoot, MemoryRoot, Walker

DEBIAN: dict[str, bytes | str] = {
    "/usr/bin/python3.11": b"\x7fELF",
    "/usr/bin/python3": "-> python3.11",
    "/bin": "-> usr/bin",
    "/usr/lib/python3.11/os.py": b"",
    "/usr/lib/python3.11/site.py": b'"dist-packages"',
    "/usr/lib/python3.11/lib-dynload/_ssl.cpython-311-x86_64-linux-gnu.so": b"",
    "/usr/lib/python3/dist-packages/apt.py": b"",
}
VENV: dict[str, bytes | str] = DEBIAN | {
    "/venv/bin/python": "-> /usr/bin/python3",
    "/venv/pyvenv.cfg": b"home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.11.2\n",
    "/venv/lib/python3.11/site-packages/flask/__init__.py": b"",
}


def layout_of(tree: dict[str, bytes | str], interpreter: str) -> PythonLayout:
    layout = find_python(Walker(MemoryRoot(tree)), interpreter)
    assert layout is not None
    return layout


def test_the_prefix_is_the_folder_with_the_landmark_above_the_interpreter() -> None:
    layout = layout_of(DEBIAN, "/usr/bin/python3")
    assert (layout.prefix, layout.version, layout.stdlib) == ("/usr", (3, 11), "/usr/lib/python3.11")
    assert layout.real_interpreter == "/usr/bin/python3.11"
    assert layout.landmarks == ("/usr/lib/python3.11/os.py", "/usr/lib/python3.11/lib-dynload")


def test_debian_looks_in_dist_packages_and_others_in_site_packages() -> None:
    assert layout_of(DEBIAN, "/usr/bin/python3").third_party == ("/usr/lib/python3/dist-packages",)
    tree = DEBIAN | {"/usr/lib/python3.11/site.py": b"", "/usr/lib/python3.11/site-packages/x.py": b""}
    assert layout_of(tree, "/usr/bin/python3").third_party == ("/usr/lib/python3.11/site-packages",)


def test_a_virtual_environment_leads_to_its_base_and_keeps_its_own_packages() -> None:
    layout = layout_of(VENV, "/venv/bin/python")
    assert (layout.prefix, layout.base_prefix) == ("/venv", "/usr")
    assert layout.third_party == ("/venv/lib/python3.11/site-packages",)
    assert layout.configuration == ("/venv/pyvenv.cfg",)
    assert layout.links == ("/venv/bin/python",)


def test_a_virtual_environment_may_see_the_packages_of_the_system() -> None:
    tree = VENV | {"/venv/pyvenv.cfg": b"home = /usr/bin\ninclude-system-site-packages = TRUE\n"}
    assert layout_of(tree, "/venv/bin/python").third_party[1:] == ("/usr/lib/python3/dist-packages",)


def test_a_copied_interpreter_finds_its_base_in_home() -> None:
    layout = layout_of(VENV | {"/venv/bin/python": b"\x7fELF"}, "/venv/bin/python")
    assert (layout.real_interpreter, layout.base_prefix) == ("/usr/bin/python3.11", "/usr")


def test_an_interpreter_without_a_version_in_its_name_is_told_by_the_folders() -> None:
    tree: dict[str, bytes | str] = {"/opt/py/bin/python": b"", "/opt/py/lib/python3.13/os.py": b""}
    layout = layout_of(tree, "/opt/py/bin/python")
    assert (layout.version, layout.prefix, layout.lib_dynload) == ((3, 13), "/opt/py", None)


def test_lib64_and_the_free_threaded_folder_are_found() -> None:
    tree: dict[str, bytes | str] = {"/usr/bin/python3.13t": b"", "/usr/lib64/python3.13t/os.py": b""}
    assert layout_of(tree, "/usr/bin/python3.13t").stdlib == "/usr/lib64/python3.13t"


def test_without_a_library_there_is_no_layout() -> None:
    assert find_python(Walker(MemoryRoot({"/usr/bin/python3.11": b""})), "/usr/bin/python3.11") is None
    assert find_python(Walker(MemoryRoot({})), "/usr/bin/python3") is None


def test_pth_lines_are_folders_and_their_code_is_told_not_run() -> None:
    site = "/venv/lib/python3.11/site-packages"
    tree = VENV | {
        f"{site}/a.pth": b"# comment\nextra\n/src/app\nnowhere\nimport sys; sys.path.append('x')\n",
        f"{site}/extra/m.py": b"", "/src/app/n.py": b"",
    }  # fmt: skip
    layout = layout_of(tree, "/venv/bin/python")
    assert layout.third_party == (site, f"{site}/extra", "/src/app")
    assert layout.startup_code == ((f"{site}/a.pth", "import sys; sys.path.append('x')"),)
    assert "runs code at every start" in layout.unknown[0]


def test_the_file_that_only_building_wants_is_left_out_and_told() -> None:
    path = "/venv/lib/python3.11/site-packages/distutils-precedence.pth"
    layout = layout_of(VENV | {path: b"import os; __import__('_distutils_hack')"}, "/venv/bin/python")
    assert path not in layout.configuration
    assert layout.startup_code == ()
    assert path in layout.unknown[0]


@pytest.mark.parametrize(
    "config", [b"", b"home", b"home = relative\n", b"\xff\xfe\0", b"home = /nowhere\n", b"home=/usr/bin\n" * 90_000]
)
def test_a_strange_pyvenv_cfg_ends_in_a_layout_or_none(config: bytes) -> None:
    layout = find_python(Walker(MemoryRoot(VENV | {"/venv/pyvenv.cfg": config})), "/venv/bin/python")
    assert layout is None or layout.stdlib == "/usr/lib/python3.11"


@pytest.mark.parametrize(("name", "verdict"), [
    ("python", True), ("/usr/bin/python3", True), ("python3.13t", True), ("python3-config", False), ("perl", False),
])  # fmt: skip
def test_names_of_interpreters(name: str, verdict: bool) -> None:
    assert is_python(name) is verdict


def test_the_python_that_runs_this_looks_where_we_say() -> None:
    code = "import json, sys; print(json.dumps([sys.path, sys.prefix, sys.base_prefix]))"
    result = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    search, prefix, base_prefix = json.loads(result.stdout)
    layout = find_python(Walker(DirectoryRoot("/")), os.path.abspath(sys.executable))
    assert layout is not None
    assert (layout.prefix, layout.base_prefix) == (prefix, base_prefix)
    # The zip is no folder, and editable installs put in what a run of their code says.
    assert {path for path in search if os.path.isdir(path)} <= {*layout.search}
