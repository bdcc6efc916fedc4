"""Steps run within bounds and leave nothing; projects are copied within bounds; outputs are whole or as before."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from needed.errors import CompileError, OutputError, ToolchainError
from needed.toolchain import Step, recognise
from needed.toolchain.copying import NotCopied, copy_project
from needed.toolchain.run import KEPT, check_output, environment, publish, run_step, scratch_folder
from tests.toolchain.chains import script


def shell(text: str, folder: str = "/", env: tuple[tuple[str, str], ...] = ()) -> Step:
    return Step(("/bin/sh", "-c", text), env, folder)


def test_a_step_says_its_last_lines() -> None:
    assert run_step(shell("echo one; echo two >&2; printf 'three\\t4\\n\\n'")) == ["one", "two", "three   4"]


def test_of_much_output_the_end_is_kept() -> None:
    lines = run_step(shell("i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done"))
    assert lines[-1] == "line 19999"
    assert sum(map(len, lines)) <= KEPT


def test_a_step_that_fails_says_how_and_its_lines() -> None:
    with pytest.raises(CompileError, match="sh ended with 3") as raised:
        run_step(shell("echo 'x.c:1: no' >&2; exit 3"))
    assert raised.value.details == ("x.c:1: no",)
    with pytest.raises(CompileError, match="ended by signal 9"):
        run_step(shell("kill -9 $$"))


def test_a_step_that_cannot_be_started_is_a_matter_of_the_tool_chain() -> None:
    with pytest.raises(ToolchainError, match="cannot be started"):
        run_step(Step(("/nonexistent/compiler",), (), "/"))


def test_a_step_reads_nothing_and_has_a_fixed_time_zone_and_language(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("OF_THE_USER", "kept")
    text = "cat; echo $LC_ALL $TZ $SOURCE_DATE_EPOCH $OF_THE_USER $MORE"
    assert run_step(shell(text, env=(("MORE", "set"),))) == ["C UTC 0 kept set"]
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "7")
    assert environment()["SOURCE_DATE_EPOCH"] == "7"


def test_its_standard_output_can_go_to_a_file(tmp_path: Path) -> None:
    with open(tmp_path / "answer", "w+b") as file:
        assert run_step(shell("echo out; echo err >&2"), None, file) == ["err"]
    assert (tmp_path / "answer").read_text() == "out\n"


def test_an_interrupt_ends_all_that_a_step_started(tmp_path: Path) -> None:
    started = tmp_path / "pids"

    def interrupt(kind: str, text: str) -> None:
        if started.exists() and len(started.read_text().split()) == 2:
            raise KeyboardInterrupt

    command = f"trap '' TERM; sleep 600 & echo $$ $! >{started}.new; mv {started}.new {started}; wait"
    with pytest.raises(KeyboardInterrupt):
        run_step(shell(command), interrupt)
    for pid in map(int, started.read_text().split()):
        assert _has_ended(pid)


def _has_ended(pid: int) -> bool:
    """Whether it is gone or only waits to be collected; what gets a SIGKILL takes a moment to die."""
    for _ in range(200):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state in "ZX":
            return True
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    return False


def test_what_a_step_leaves_running_does_not_hold_us_up() -> None:
    assert run_step(shell("sleep 3 & echo done")) == ["done"]


def test_the_scratch_folder_is_gone_also_with_what_cannot_be_written_in_it() -> None:
    with scratch_folder() as folder:
        os.makedirs(f"{folder}/a/b")
        Path(f"{folder}/a/b/file").touch()
        os.chmod(f"{folder}/a/b", 0o500)
        os.chmod(f"{folder}/a", 0o500)
    assert not os.path.exists(folder)


def test_without_a_temporary_folder_the_variable_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(OutputError) as raised, scratch_folder():
        pass
    assert "TMPDIR" in raised.value.hints[0]


def test_an_output_that_cannot_be_written_is_refused_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is a folder") as raised:
        check_output(str(tmp_path))
    assert raised.value.hints == (f"-o {tmp_path}/{tmp_path.name}",)
    with pytest.raises(OutputError, match="No such file or directory"):
        check_output(str(tmp_path / "no/program"))
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="Not a directory"):
        check_output(str(tmp_path / "file/program"))
    check_output(str(tmp_path / "file"))


def test_an_output_in_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    folder.chmod(0o555)
    child = os.fork()
    if not child:  # as a user who may not write there, which root always may
        if os.getuid() == 0:
            for above in (folder, *folder.parents):
                if str(above) != "/" and above.stat().st_uid == 0 and not above.stat().st_mode & 1:
                    above.chmod(above.stat().st_mode | 0o111)
            os.setuid(65534)
        try:
            check_output(str(folder / "program"))
        except OutputError as error:
            os._exit(42 if "Permission denied" in error.message else 1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 42


def test_a_published_program_can_be_executed(tmp_path: Path) -> None:
    (tmp_path / "product").write_bytes(b"#!/bin/sh\n")
    (tmp_path / "old").write_bytes(b"old")
    publish(str(tmp_path / "product"), str(tmp_path / "old"))
    assert (tmp_path / "old").read_bytes() == b"#!/bin/sh\n"
    mask = os.umask(0)
    os.umask(mask)
    assert (tmp_path / "old").stat().st_mode & 0o777 == 0o777 & ~mask


def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    for name in ("sub/deep", ".git", "target"):
        (folder / name).mkdir(parents=True)
    for name in ("go.mod", "main.go", "sub/deep/x.go", ".git/HEAD", "target/old"):
        (folder / name).write_text(name)
    (folder / "link").symlink_to("../outside")
    return folder


def test_a_copied_project_has_its_files_and_links_but_nothing_of_earlier_builds(tmp_path: Path) -> None:
    source = recognise(str(project(tmp_path) / "main.go"))
    assert source is not None
    copied = copy_project(source, str(tmp_path / "copy"))
    assert (copied.folder, copied.files) == (str(tmp_path / "copy"), (str(tmp_path / "copy/main.go"),))
    found = {str(path.relative_to(tmp_path / "copy")) for path in (tmp_path / "copy").rglob("*")}
    assert found == {"go.mod", "main.go", "link", "sub", "sub/deep", "sub/deep/x.go", "target", "target/old"}
    assert os.readlink(tmp_path / "copy/link") == "../outside"


def test_the_target_folder_of_a_crate_is_of_an_earlier_build(tmp_path: Path) -> None:
    folder = project(tmp_path)
    (folder / "go.mod").rename(folder / "Cargo.toml")
    source = recognise(str(folder))
    assert source is not None
    copy_project(source, str(tmp_path / "copy"))
    assert (tmp_path / "copy/Cargo.toml").exists()
    assert not (tmp_path / "copy/target").exists()


def test_a_package_is_copied_with_its_module(tmp_path: Path) -> None:
    source = recognise(str(project(tmp_path) / "sub/deep"))
    assert source is not None
    assert copy_project(source, str(tmp_path / "copy")).folder == str(tmp_path / "copy/sub/deep")
    assert (tmp_path / "copy/go.mod").exists()


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> int:
    """A bound that a test reaches in less time than the real one."""
    monkeypatch.setattr("needed.toolchain.copying.MAX_FILES", 50)
    return 50


def test_of_a_folder_with_too_much_only_the_named_files_are_copied(tmp_path: Path, limit: int) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    for number in range(limit):
        (folder / str(number)).symlink_to("x")
    (folder / "main.c").write_text("int main;")
    source = recognise(str(folder / "main.c"))
    assert source is not None
    copied = copy_project(source, str(tmp_path / "copy"))
    assert os.listdir(tmp_path / "copy") == ["main.c"]
    assert copied.files == (str(tmp_path / "copy/main.c"),)


def test_a_project_with_too_much_stays_where_it_is(tmp_path: Path, limit: int) -> None:
    folder = project(tmp_path)
    for number in range(limit):
        (folder / str(number)).symlink_to("x")
    source = recognise(str(folder))
    assert source is not None
    with pytest.raises(NotCopied, match="more than 50 files"):
        copy_project(source, str(tmp_path / "copy"))


def test_pipes_and_sockets_are_not_opened(tmp_path: Path) -> None:
    folder = project(tmp_path)
    os.mkfifo(folder / "pipe")
    source = recognise(str(folder))
    assert source is not None
    copy_project(source, str(tmp_path / "copy"))
    assert not (tmp_path / "copy/pipe").exists()


def test_a_script_is_a_tool(tmp_path: Path) -> None:
    assert run_step(Step((str(script(tmp_path, "tool", "#!/bin/sh\necho $1\n")), "word"), (), "/")) == ["word"]
