"""What `elf.golang` says of programs, against the compiler that made them: stripped, position-independent, of machines
of each class and byte order, and without section headers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from needed.elf import Bytes, parse_elf
from needed.elf.golang import GoProgram, parse_go_program

Build = Callable[..., Path]
# What each program does, and so is able to. The first one uses the same packages and nothing of theirs that counts.
PROGRAMS = {
    "nothing": ('"fmt"; "net"; "os/exec"; "time"', 'net.ParseIP("::1"), time.Now(), exec.ErrNotFound', set()),
    "resolver": ('"fmt"; "net"', 'net.LookupHost("x")', {"resolver"}),
    "certificates": ('"crypto/x509"; "fmt"', "x509.SystemCertPool()", {"certificates"}),
    "https": ('"fmt"; "net/http"', 'http.Get("https://example.org")', {"resolver", "certificates"}),
    "zones": ('"fmt"; "time"', 'time.LoadLocation("Europe/Paris")', {"zones"}),
    "tzdata": ('"fmt"; "time"; _ "time/tzdata"', 'time.LoadLocation("Europe/Paris")', {"zones"}),
    "users": ('"fmt"; "os/user"', 'user.Lookup("x")', {"users"}),
    "exec": ('"fmt"; "os/exec"', 'exec.Command("x").Run()', {"exec"}),
    "plugin": ('"fmt"; "plugin"', 'plugin.Open("x.so")', {"plugin"}),
}  # fmt: skip
STRIPPED = ("-ldflags", "-s -w")


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Compile one of PROGRAMS with these options of `go build`; GOARCH and CGO_ENABLED as given."""
    folder = tmp_path_factory.mktemp("golang")

    def compile_one(name: str, *options: str, goarch: str = "amd64", cgo: bool = False) -> Path:
        source, program = folder / name, folder / f"{name}-program"
        source.mkdir(exist_ok=True)
        imports, calls, _ = PROGRAMS[name]
        (source / "go.mod").write_text(f"module example.org/{name}\n\ngo 1.21\n")
        main = f"func main() {{ fmt.Println({calls}) }}\n"
        (source / "main.go").write_text(f"package main\n\nimport ({imports})\n\n{main}")
        environment = {
            **os.environ, "CGO_ENABLED": "1" if cgo else "0", "GOARCH": goarch, "GOCACHE": str(folder / "cache"),
            "GOPATH": str(folder / "path"), "GOFLAGS": "-buildvcs=false", "GOPROXY": "off", "GOTOOLCHAIN": "local",
        }  # fmt: skip
        compiler = Path(sys.executable).with_name("go")
        subprocess.run([compiler, "build", *options, "-o", program, "."], env=environment, cwd=source, check=True)
        return program

    return compile_one


def programs_of(path: Path) -> list[GoProgram | None]:
    """What is said of the file, and of the same without section headers."""
    content = bytearray(path.read_bytes())
    found = []
    for _ in range(2):
        source = Bytes(bytes(content))
        found.append(parse_go_program(source, parse_elf(source)))
        content[slice(40, 48) if content[4] == 2 else slice(32, 36)] = bytes(8 if content[4] == 2 else 4)  # e_shoff
    return found


def check(path: Path, name: str) -> GoProgram:
    first, other = programs_of(path)
    assert first == other
    assert first is not None
    assert first.abilities == frozenset(PROGRAMS[name][2])
    assert first.embedded == frozenset({"zones"} if name == "tzdata" else ())
    assert first.build.module == f"example.org/{name}"
    return first


@pytest.mark.parametrize("options", [(), STRIPPED], ids=["with symbols", "stripped"])
@pytest.mark.parametrize("name", sorted(PROGRAMS.keys() - {"plugin"}))
def test_a_program_is_able_to_do_what_it_does(build: Build, name: str, options: tuple[str, ...]) -> None:
    assert check(build(name, *options), name).cgo is False


@pytest.mark.parametrize("options", [(), ("-buildmode=pie",)], ids=["fixed", "pie"])
@pytest.mark.parametrize("name", ["nothing", "https", "plugin"])
def test_with_cgo_it_is_able_to_do_the_same(build: Build, name: str, options: tuple[str, ...]) -> None:
    assert check(build(name, *options, *STRIPPED, cgo=True), name).cgo is True


@pytest.mark.parametrize("name", ["nothing", "zones"])
def test_a_position_independent_program_is_no_different(build: Build, name: str) -> None:
    check(build(name, "-buildmode=pie", *STRIPPED), name)


@pytest.mark.parametrize("goarch", ["386", "ppc64", "s390x"])  # 32 bits, and both that have the other byte order
@pytest.mark.parametrize("name", ["nothing", "zones"])
def test_each_machine_says_the_same(build: Build, name: str, goarch: str) -> None:
    found = check(build(name, *STRIPPED, goarch=goarch), name)
    assert dict(found.build.settings)["GOARCH"] == goarch


def test_the_settings_are_those_that_go_itself_shows(build: Build) -> None:
    program = build("nothing", "-tags", "netgo,osusergo", "-ldflags", '-X "main.x=a b"')
    shown = subprocess.run(
        [Path(sys.executable).with_name("go"), "version", "-m", program], capture_output=True, text=True, check=True
    ).stdout
    found = check(program, "nothing")
    assert f": go{found.build.version}\n" in shown
    settings = dict(found.build.settings)
    assert settings.pop("-ldflags") == '-X "main.x=a b"'  # Go shows it quoted
    assert settings["-tags"] == "netgo,osusergo"
    for key, setting in settings.items():
        assert f"build\t{key}={setting}\n" in shown
    assert len(settings) + 1 == shown.count("\tbuild\t")
