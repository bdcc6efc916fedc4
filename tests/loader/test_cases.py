"""Each folder of `cases/` is a rule of a loader. Here both answer: we, and the loader of this machine in a sandbox.

The real loader is asked up to three times: by a real start, whose program prints its own load list or which the loader
refuses; by LD_TRACE_LOADED_OBJECTS, as ldd does; and by `ld.so --list`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from needed.closure import LoadList
from needed.loader import Resolver, Settings
from needed.loader.verdict import LOOP, NOT_LOADABLE, WRONG_MACHINE
from needed.root import DirectoryRoot
from tests.loader import sandbox
from tests.loader.case import CASES, LOADERS, Case, all_cases

VDSO = "linux-vdso.so.1"
LDCONFIG = "/sbin/ldconfig"
REFUSALS = (" not found", " not loadable")
# Intel processors with AVX2 are the platform "haswell" to glibc before 2.37, and have folders of their own.
TUNABLES = {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2_Usable,-AVX2"}
each_case = pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in all_cases()])


@each_case
def test_we_answer_what_is_expected(case: Case, tmp_path: Path) -> None:
    case.make(tmp_path)
    mapped = ask_us(tmp_path, case)
    assert our_lines(case, mapped) == case.ours
    assert list(mapped.audit) == case.facts.get("audit", [])
    assert [item.path for item in mapped.aliases] == case.facts.get("aliases", [])


@each_case
def test_the_loader_answers_what_is_expected(case: Case, tmp_path: Path) -> None:
    need_a_loader(case, tmp_path)
    case.make(tmp_path)
    if case.ldconfig:
        run_ldconfig(tmp_path)
    environment = environment_of(case)
    command = [case.start]
    if case.hwcaps is not None:  # whatever this processor can do
        active = ["--glibc-hwcaps-prepend", ":".join(case.hwcaps)] if case.hwcaps else []
        command = [case.loader, *active, "--glibc-hwcaps-mask", "none", case.start]
    check_start(case, tmp_path, command, environment)
    if not (tmp_path / case.loader[1:]).is_file():
        return
    # $ORIGIN is that of the path given before glibc 2.42 (BZ 25263), where a real start has that of the real path.
    real = "/" + os.path.relpath(os.path.realpath(f"{tmp_path}{case.start}"), tmp_path)
    listing = [case.loader, "--list", *command[1:-1], real]
    if case.libc == "glibc":
        run = sandbox.run_in(tmp_path, command, environment | {"LD_TRACE_LOADED_OBJECTS": "1"})
        assert glibc_lines(case, run) == case.trace
        assert case.facts.get("stderr", "") in run.stderr
    if "not_as_command" in case.facts:
        return
    run = sandbox.run_in(tmp_path, listing, environment)
    if case.libc == "musl":
        assert musl_lines(case, run) == [line for line in case.expect if line != case.loader]
    else:  # unlike ldd it ends at the first name that is missing
        missing = [line for line in case.expect if line.endswith(" not found")]
        assert glibc_lines(case, run) == (missing[:1] or case.expect)


@pytest.mark.parametrize("libc", LOADERS)
def test_each_rule_has_a_number_of_its_own_and_a_case(libc: str) -> None:
    folders = sorted((CASES / libc).iterdir())
    numbers = Counter(folder.name.partition("_")[0] for folder in folders)
    assert [number for number, count in numbers.items() if count > 1 or len(number) != 3] == []
    assert [folder.name for folder in folders if not list(folder.glob("*.toml"))] == []


def ask_us(root: Path, case: Case) -> LoadList:
    """The only call into what is under test."""
    separated = (case.library_path or "").replace(";", ":") if case.libc == "glibc" else case.library_path or ""
    elements = tuple(separated.split(":")) if separated else ()
    with an_ordinary_reader(DirectoryRoot(root)) as tree:
        settings = Settings(elements, preload=case.preload, hwcaps=case.hwcaps or (), ldconfig=case.ldconfig)
        resolver = Resolver(tree, settings)
        return resolver.load_list(resolver.find_program(case.start))


@contextmanager
def an_ordinary_reader(tree: DirectoryRoot) -> Iterator[DirectoryRoot]:
    """Without root's permission to read everything: some cases have a file that nobody may read."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield tree
    finally:
        if user == 0:
            os.seteuid(0)


def our_lines(case: Case, mapped: LoadList) -> list[str]:
    """Our answer in the words of a case."""
    if mapped.missing_interpreter is not None:
        return [f"{mapped.missing_interpreter} not found"]
    lines = without_loader(case, [item.path for item in mapped.objects if item is not mapped.program])
    for need in mapped.missing:
        outcome = need.attempts[-1].outcome if need.attempts else "absent"
        if case.libc == "musl":
            refused = outcome.startswith((NOT_LOADABLE, WRONG_MACHINE, LOOP))
            lines.append(f"{need.name} not {'loadable' if refused else 'found'}")
        elif outcome.startswith(NOT_LOADABLE):
            return [f"{need.attempts[-1].path} not loadable"]
        else:
            lines.append(f"{need.name} not found")
    lines += [f"{item.path} lacks version {item.version} for {item.needed_by}" for item in mapped.unmet_versions]
    return lines


def without_loader(case: Case, paths: list[str]) -> list[str]:
    return paths[:-1] if paths[-1:] == [case.loader] else paths


def check_start(case: Case, root: Path, command: list[str], environment: dict[str, str]) -> None:
    """The program starts and has the expected load list, or the loader refuses it for the first problem."""
    problems = [line for line in case.expect if line.endswith(REFUSALS) or " lacks version " in line]
    if problems == [f"{case.loader} not found"]:
        with pytest.raises(FileNotFoundError):
            sandbox.run_in(root, command, environment)
        return
    run = sandbox.run_in(root, command, environment)
    if problems:
        assert (run.returncode, run.stdout) in ((127, ""), (1, "")), run
        words = problems[0].split()
        assert (words[3] if "version" in words else words[0].rpartition("/")[2]) in run.stderr
    else:
        assert run.returncode == 0, run.stderr
        mapped = [line for line in run.stdout.splitlines()[1:] if line not in ("", VDSO)]
        assert without_loader(case, mapped) == case.expect


def traced(output: str) -> tuple[list[str], list[str]]:
    """Paths, and lines for missing names, of what a loader lists."""
    paths, missing = [], []
    for line in output.splitlines():
        name, arrow, path = line.strip().partition(" => ")
        if path == "not found":
            missing.append(f"{name} not found")
        elif arrow:
            paths.append(path.partition(" (0x")[0])
        # "(0x": with GLIBC_TUNABLES in the environment `ld.so --list` of 2.36 lists the program too, without a name
        elif name != "statically linked" and not name.startswith((VDSO, "(0x")):
            paths.append(name.partition(" (0x")[0])
    return paths, missing


def glibc_lines(case: Case, run: subprocess.CompletedProcess[str]) -> list[str]:
    """What a trace of glibc says, in the words of a case."""
    mark = ": error while loading shared libraries: "
    if mark in run.stderr:
        path, _, problem = run.stderr.partition(mark)[2].strip().partition(": ")
        if problem.startswith(("cannot open", "wrong ELF class")):
            return [f"{path} not found"]
        # Some messages give the name instead of the path.
        named = [line for line in case.expect if line.rpartition("/")[2] == f"{path} not loadable"]
        return named or [f"{path} not loadable"]
    paths, lines = traced(run.stdout)
    for line in run.stderr.splitlines():
        if ": version `" in line:
            _, path, rest = line.split(": ")
            version, _, by = rest.removeprefix("version `").removesuffix(")").partition("' not found (required by ")
            lines.append(f"{path} lacks version {version} for {by}")
    return without_loader(case, paths) + lines


def musl_lines(case: Case, run: subprocess.CompletedProcess[str]) -> list[str]:
    """What `ld-musl --list` says; it names the loader first, wherever that stands."""
    paths, _ = traced(run.stdout)
    lines = [path for path in paths if path != case.loader]
    for line in run.stderr.splitlines():
        name, _, problem = line.removeprefix("Error loading shared library ").partition(": ")
        # "No error information": nothing was opened, since no directory is searched
        absent = problem.startswith(("No such file", "No error information"))
        lines.append(f"{name} not found" if absent else f"{name} not loadable")
    return lines


def environment_of(case: Case) -> dict[str, str]:
    environment = dict(TUNABLES)
    if case.library_path is not None:
        environment["LD_LIBRARY_PATH"] = case.library_path
    if case.preload:
        environment["LD_PRELOAD"] = ":".join(case.preload)
    return environment


def run_ldconfig(root: Path) -> None:
    """Writes the cache, and makes links; it is linked statically and needs nothing of the tree."""
    (root / "sbin").mkdir(exist_ok=True)
    shutil.copy(LDCONFIG, root / "sbin/ldconfig")
    run = sandbox.run_in(root, ["/sbin/ldconfig"], {})
    assert run.returncode == 0, run.stderr
    (root / "sbin/ldconfig").unlink()


def need_a_loader(case: Case, root: Path) -> None:
    """Skip where the real loader cannot be asked; in CI that is a failure."""
    problem = None
    if not os.path.exists(LOADERS[case.libc]):
        problem = f"{LOADERS[case.libc]} is missing"
    elif case.ldconfig and not os.path.exists(LDCONFIG):
        problem = f"{LDCONFIG} is missing"
    elif not sandbox.works(root):
        problem = "no chroot(2) and no user name spaces here"
    elif "before" in case.facts and glibc_version() >= numbers_of(case.facts["before"]):
        problem = f"glibc {case.facts['before']} and later do not have this rule"
    if problem:
        assert "CI" not in os.environ, problem
        pytest.skip(problem)


def glibc_version() -> tuple[int, ...]:
    return numbers_of((os.confstr("CS_GNU_LIBC_VERSION") or "glibc 0").split()[1])


def numbers_of(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
