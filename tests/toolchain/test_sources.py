"""What a path is the source of."""

from __future__ import annotations

from pathlib import Path

import pytest

from needed.toolchain import SUFFIXES, recognise
from needed.toolchain.sources import project_folder


@pytest.mark.parametrize(
    ("name", "builder"),
    [
        ("x.go", "go"),
        ("x.c", "cc"),
        ("x.cc", "cc"),
        ("x.cpp", "cc"),
        ("x.cxx", "cc"),
        ("x.zig", "zig"),
        ("x.rs", "cargo"),
    ],
)
def test_a_file_is_recognised_by_its_suffix(tmp_path: Path, name: str, builder: str) -> None:
    (tmp_path / name).touch()
    source = recognise(str(tmp_path / name))
    assert source is not None
    assert (source.builder, source.name, source.folder) == (builder, "x", str(tmp_path))
    assert source.files == (str(tmp_path / name),)
    assert name.endswith(SUFFIXES)


@pytest.mark.parametrize("name", ["x.py", "x", "x.h", "go"])
def test_any_other_file_is_no_source(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert recognise(str(tmp_path / name)) is None


def test_what_is_not_there_is_no_source(tmp_path: Path) -> None:
    assert recognise(str(tmp_path / "x.go")) is None


@pytest.mark.parametrize(
    ("name", "builder"),
    [("go.mod", "go"), ("Cargo.toml", "cargo"), ("build.zig", "zig"), ("CMakeLists.txt", "cmake"), ("Makefile", "make"),
     ("GNUmakefile", "make"), ("makefile", "make"), ("main.go", "go")],
)  # fmt: skip
def test_a_folder_is_recognised_by_what_is_in_it(tmp_path: Path, name: str, builder: str) -> None:
    (tmp_path / name).touch()
    source = recognise(str(tmp_path))
    assert source is not None
    assert (source.builder, source.name, source.folder, source.files) == (builder, tmp_path.name, str(tmp_path), ())


def test_the_language_decides_before_a_makefile(tmp_path: Path) -> None:
    for name in ("Makefile", "CMakeLists.txt", "go.mod"):
        (tmp_path / name).touch()
    source = recognise(str(tmp_path))
    assert source is not None
    assert source.builder == "go"


def test_the_file_of_a_project_is_its_folder(tmp_path: Path) -> None:
    (tmp_path / "go.mod").touch()
    assert recognise(str(tmp_path / "go.mod")) == recognise(str(tmp_path))


@pytest.mark.parametrize("names", [(), ("x.c",), ("x_test.go",), ("README",)])
def test_a_folder_without_a_project_is_no_source(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        (tmp_path / name).touch()
    assert recognise(str(tmp_path)) is None


@pytest.mark.parametrize(
    ("text", "name"),
    [("module example.org/tool\n", "tool"), ("module example.org/tool/v2\n", "tool"), ("module v2\n", "v2"),
     ('// a comment\nmodule "example.org/quoted"\n', "quoted"), ("go 1.21\n", "folder"), ("module ..\n", "folder")],
)  # fmt: skip
def test_a_module_is_called_by_the_last_element_of_its_path(tmp_path: Path, text: str, name: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "go.mod").write_text(text)
    source = recognise(str(folder))
    assert source is not None
    assert source.name == name


@pytest.mark.parametrize(
    ("text", "name"),
    [('[package]\nname = "tool"\n', "tool"), ("[workspace]\n", "folder"), ("not toml", "folder"),
     ('[package]\nname = "../up"\n', "folder"), ("package = 3\n", "folder")],
)  # fmt: skip
def test_a_crate_is_called_as_its_package(tmp_path: Path, text: str, name: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "Cargo.toml").write_text(text)
    source = recognise(str(folder))
    assert source is not None
    assert source.name == name


def test_files_of_one_language_are_one_program(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    for name in ("main.c", "lib/part.c"):
        (tmp_path / name).touch()
    source = recognise(str(tmp_path / "main.c"), (str(tmp_path / "lib/part.c"),))
    assert source is not None
    assert (source.name, source.folder, len(source.files)) == ("main", str(tmp_path), 2)


def test_files_of_two_languages_are_not(tmp_path: Path) -> None:
    for name in ("main.c", "main.go"):
        (tmp_path / name).touch()
    assert recognise(str(tmp_path / "main.c"), (str(tmp_path / "main.go"),)) is None
    assert recognise(str(tmp_path), (str(tmp_path / "main.c"),)) is None


def test_a_package_is_compiled_from_its_module_and_not_from_one_above(tmp_path: Path) -> None:
    inner = tmp_path / "inner/cmd/tool"
    inner.mkdir(parents=True)
    (tmp_path / "go.mod").touch()
    (tmp_path / "inner/go.mod").touch()
    (inner / "main.go").touch()
    source = recognise(str(inner))
    assert source is not None
    assert project_folder(source) == str(tmp_path / "inner")
    (tmp_path / "go.work").touch()
    assert project_folder(source) == str(tmp_path)
