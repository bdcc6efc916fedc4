"""Which commands a source is compiled with: decided by names, platforms and what go list says."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from needed.errors import CompileError, ToolchainError
from needed.image.model import Platform, parse_platform
from needed.toolchain import Options, Recipe, Target, plan, recognise
from needed.toolchain.printing import render_script, render_step
from needed.toolchain.tools import find_tool, on_path, this_platform
from tests.toolchain.chains import fake_go, fake_zig, script

C_PACKAGE: dict[str, object] = {"ImportPath": "example.org/c", "Name": "c", "DepOnly": True, "CgoFiles": ["c.go"]}
MAIN: dict[str, object] = {"ImportPath": "example.org/x", "Name": "main"}
NET: dict[str, object] = {"ImportPath": "net", "Name": "net", "DepOnly": True, "Standard": True, "CgoFiles": ["cgo.go"]}


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is all of PATH, but for what every script needs."""
    folder = tmp_path / "tools"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    for name in ("CGO_ENABLED", "CC", "GOTOOLCHAIN", "GOFLAGS"):
        monkeypatch.delenv(name, raising=False)
    return folder


def recipe_of(tmp_path: Path, target: Target, options: Options | None = None, name: str = "main.go") -> Recipe:
    (tmp_path / name).touch()
    source = recognise(str(tmp_path / name))
    assert source is not None
    return plan(source, target, options or Options(), str(tmp_path / "work"))


def env_of(recipe: Recipe) -> dict[str, str]:
    return dict(recipe.steps[-1].env)


def flags_of(recipe: Recipe) -> str:
    return next(word for word in recipe.steps[-1].words if word.startswith("-ldflags="))


AMD64 = Target(Platform("linux", "amd64"))


def test_go_without_c_is_compiled_without_cgo(tmp_path: Path, tools: Path) -> None:
    fake_go(tools, MAIN, NET)
    recipe = recipe_of(tmp_path, AMD64)
    assert env_of(recipe) == {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOOS": "linux", "GOARCH": "amd64"}
    assert recipe.steps[0].words == (
        str(tools / "go"), "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid=",
        "-o", str(tmp_path / "work/main"), "./main.go",
    )  # fmt: skip
    assert recipe.tool == f"go 1.27.3, {tools}/go"


@pytest.mark.parametrize("libc", ["musl", "glibc"])
def test_go_without_c_is_the_same_for_every_c_library(tmp_path: Path, tools: Path, libc: str) -> None:
    fake_go(tools)
    assert recipe_of(tmp_path, Target(AMD64.platform, libc)) == recipe_of(tmp_path, AMD64)


@pytest.mark.parametrize(
    ("platform", "name", "setting"),
    [("linux/arm", "GOARM", "7"), ("linux/arm/v6", "GOARM", "6"), ("linux/arm/v5", "GOARM", "5"),
     ("linux/amd64/v3", "GOAMD64", "v3"), ("linux/arm64/v8", "GOARM64", "v8.0"),
     ("linux/ppc64le/power9", "GOPPC64", "power9"), ("linux/riscv64/rva22u64", "GORISCV64", "rva22u64")],
)  # fmt: skip
def test_a_variant_of_a_platform_sets_gos_variable(
    tmp_path: Path, tools: Path, platform: str, name: str, setting: str
) -> None:
    fake_go(tools)
    assert env_of(recipe_of(tmp_path, Target(parse_platform(platform))))[name] == setting


def test_only_linux_is_compiled_for(tmp_path: Path, tools: Path) -> None:
    fake_go(tools)
    with pytest.raises(ToolchainError, match="only programs of linux"):
        recipe_of(tmp_path, Target(Platform("windows", "amd64")))


def test_cgo_of_another_package_is_static_through_musl(tmp_path: Path, tools: Path) -> None:
    fake_go(tools, MAIN, C_PACKAGE, NET)
    musl = script(tools, "musl-gcc", "#!/bin/sh\n")
    recipe = recipe_of(tmp_path, Target(this_platform()))
    assert env_of(recipe)["CGO_ENABLED"] == "1"
    assert env_of(recipe)["CC"] == str(musl)
    assert flags_of(recipe).endswith('-linkmode=external "-extldflags=-static -s"')
    assert "-tags=netgo" in recipe.steps[0].words  # os/user is no part of this program


def test_cgo_for_another_machine_takes_zig(tmp_path: Path, tools: Path) -> None:
    fake_go(tools, MAIN, C_PACKAGE)
    zig = fake_zig(tools)
    recipe = recipe_of(tmp_path, Target(Platform("linux", "s390x")))
    assert env_of(recipe)["CC"] == f"{zig} cc -target s390x-linux-musl"
    assert "zig 0.17.1" in recipe.tool


def test_cgo_with_cpp_takes_zig_since_musl_gcc_has_no_cpp(tmp_path: Path, tools: Path) -> None:
    fake_go(tools, MAIN, C_PACKAGE | {"CXXFiles": ["x.cc"]})
    script(tools, "musl-gcc", "#!/bin/sh\n")
    zig = fake_zig(tools)
    machine = {"amd64": "x86_64", "arm64": "aarch64"}[this_platform().architecture]
    recipe = recipe_of(tmp_path, Target(this_platform()))
    assert env_of(recipe)["CXX"] == f"{zig} c++ -target {machine}-linux-musl"


def test_cgo_pins_glibc_through_zig(tmp_path: Path, tools: Path) -> None:
    fake_go(tools, MAIN, C_PACKAGE)
    zig = fake_zig(tools)
    recipe = recipe_of(tmp_path, Target(AMD64.platform, "glibc", "2.17"))
    assert env_of(recipe)["CC"] == f"{zig} cc -target x86_64-linux-gnu.2.17"
    assert "static" not in flags_of(recipe)


def test_cgo_for_musl_dynamically_tells_zig_so(tmp_path: Path, tools: Path) -> None:
    fake_go(tools, MAIN, C_PACKAGE)
    zig = fake_zig(tools)
    recipe = recipe_of(tmp_path, Target(Platform("linux", "riscv64"), "musl"))
    assert env_of(recipe)["CC"] == f"{zig} cc -target riscv64-linux-musl -dynamic"


def test_cgo_off_in_the_environment_is_obeyed(tmp_path: Path, tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_go(tools, MAIN, C_PACKAGE)
    monkeypatch.setenv("CGO_ENABLED", "0")
    assert env_of(recipe_of(tmp_path, AMD64))["CGO_ENABLED"] == "0"


def test_tags_and_linker_flags_of_the_user_join_ours(tmp_path: Path, tools: Path) -> None:
    fake_go(tools)
    options = Options(("timetzdata", "x"), ("-ldflags", "-X main.v=1", "-race"))
    words = recipe_of(tmp_path, AMD64, options).steps[0].words
    assert "-tags=timetzdata,x" in words
    assert "-ldflags=-s -w -buildid= -X main.v=1" in words
    assert "-race" in words


def test_several_programs_of_a_module_are_named(tmp_path: Path, tools: Path) -> None:
    mains: list[dict[str, object]] = [
        {"ImportPath": f"m/{one}", "Name": "main", "Dir": str(tmp_path / "m/cmd" / one)} for one in "ab"
    ]
    fake_go(tools, *mains)
    (tmp_path / "m").mkdir()
    (tmp_path / "m/go.mod").touch()
    source = recognise(str(tmp_path / "m"))
    assert source is not None
    with pytest.raises(CompileError, match=r"has several programs: ./cmd/a, ./cmd/b") as raised:
        plan(source, AMD64, Options(), str(tmp_path))
    assert raised.value.hints[0].startswith("--program a")
    chosen = plan(source, AMD64, Options(program="b"), str(tmp_path))
    assert chosen.steps[0].words[-1] == "./cmd/b"
    assert chosen.product == str(tmp_path / "b")
    with pytest.raises(CompileError, match="has no program c"):
        plan(source, AMD64, Options(program="c"), str(tmp_path))


def test_a_library_is_no_program(tmp_path: Path, tools: Path) -> None:
    fake_go(tools, {"ImportPath": "m", "Name": "m", "Dir": str(tmp_path)})
    with pytest.raises(CompileError, match="is of package m"):
        recipe_of(tmp_path, AMD64)
    source = recognise(str(tmp_path))
    assert source is not None
    with pytest.raises(CompileError, match="is a Go library"):
        plan(source, AMD64, Options(), str(tmp_path))


def test_a_zig_file_is_compiled_small_and_stripped(tmp_path: Path, tools: Path) -> None:
    zig = fake_zig(tools)
    recipe = recipe_of(tmp_path, Target(Platform("linux", "arm", "v6")), Options(words=("-lc",)), "x.zig")
    assert recipe.steps[0].words == (
        str(zig), "build-exe", "./x.zig", "-O", "ReleaseSmall", "-fstrip", "-target", "arm-linux-musleabihf",
        "-mcpu=arm1176jzf_s", f"-femit-bin={tmp_path / 'work'}/x", "--cache-dir", f"{tmp_path / 'work'}/cache", "-lc",
    )  # fmt: skip


def test_zig_names_what_it_knows_for_a_platform_that_it_does_not(tmp_path: Path, tools: Path) -> None:
    fake_zig(tools)
    with pytest.raises(ToolchainError, match="zig compiles nothing for linux/vax") as raised:
        recipe_of(tmp_path, Target(Platform("linux", "vax")), name="x.zig")
    assert "riscv64" in raised.value.hints[0]


def test_a_tool_of_the_working_directory_is_never_found(
    tmp_path: Path, tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(tmp_path, "only-here", "#!/bin/sh\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f":.:{tools}")
    assert find_tool("only-here") is None
    there = script(tools, "only-here", "#!/bin/sh\n")
    assert on_path("only-here") == str(there)


def test_what_is_printed_is_what_a_shell_can_run(tmp_path: Path, tools: Path) -> None:
    fake_go(tools)
    folder = tmp_path / "a 'quoted' folder"
    folder.mkdir()
    recipe = recipe_of(folder, AMD64)
    script_text = render_script(recipe, str(folder / "work"), str(tmp_path / "out put"), "")
    subprocess.run(["sh", "-c", script_text], check=True, cwd="/")
    assert (tmp_path / "out put").read_bytes() == (tools / "product").read_bytes()
    assert (tools / "folders").read_text() == f"{folder}\n"


def test_a_command_is_shown_by_its_name_where_a_shell_finds_it(
    tmp_path: Path, tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_go(tools)
    recipe = recipe_of(tmp_path, AMD64)
    work = str(tmp_path / "work")
    assert " go build -trimpath" in render_step(recipe.steps[0], work)
    assert '-o "$work"/main ./main.go' in render_step(recipe.steps[0], work)
    monkeypatch.setenv("PATH", "/nonexistent")
    assert f" {tools}/go build" in render_step(recipe.steps[0], work)
