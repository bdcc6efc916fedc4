"""In a terminal with colour: a pager, an editor and a shell, as `docker run -t` shows them."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.engines.conftest import Needed
from tests.engines.engines import Docker
from tests.engines.jobs import build
from tests.engines.terminal import watch

COLOUR = ("-e", "TERM=xterm-256color")


@pytest.fixture
def script(tmp_path: Path) -> Path:
    (tmp_path / "script.sh").write_text('if true; then echo "hello"; fi\n')
    return tmp_path / "script.sh"


def test_less_shows_a_page_and_its_prompt_in_reverse(docker: Docker, needed: Needed, script: Path) -> None:
    job = build(docker, needed, "less", "less", "--add", f"{script}:/script.sh")
    screen = watch(job, "/script.sh", keys=("q",))
    assert 'echo "hello"' in screen
    assert "\x1b[7m" in screen
    assert "not fully functional" not in screen


def test_without_terminfo_less_complains_of_the_terminal(docker: Docker, needed: Needed, script: Path) -> None:
    job = build(docker, needed, "less-without", "less", "--add", f"{script}:/script.sh", "--no-rule", "terminfo")
    assert "terminal is not fully functional" in watch(job, "/script.sh", keys=("\r", "q", "q"))


def test_vim_shows_a_script_in_colours(docker: Docker, needed: Needed, script: Path) -> None:
    job = build(docker, needed, "vim", "vim", "--add", f"{script}:/script.sh")
    screen = watch(job, "/script.sh", keys=(":q!\r",), options=COLOUR)
    assert "\x1b[38;5;" in screen
    assert "hello" in screen
    assert "E1187" not in screen


def test_without_its_runtime_vim_complains_and_has_no_colours(docker: Docker, needed: Needed, script: Path) -> None:
    job = build(docker, needed, "vim-without", "vim", "--add", f"{script}:/script.sh", "--no-rule", "vim")
    screen = watch(job, "/script.sh", keys=("\r", ":q!\r"), options=COLOUR)
    assert "E1187: Failed to source defaults.vim" in screen
    assert "\x1b[38;5;" not in screen


def test_bash_edits_lines_and_ls_shows_colours(docker: Docker, needed: Needed) -> None:
    """Home goes to the line's beginning where inputrc says what it sends, and terminfo how the line is drawn again."""
    job = build(docker, needed, "bash", "bash", "ls")
    keys = ("two\x1b[1~echo one \r", "ls --color=auto /usr\r", "exit\r")
    screen = watch(job, "bash", "-i", keys=keys, options=COLOUR)
    assert "\rone two\r" in screen
    assert "\x1b[01;34mbin\x1b[0m" in screen
    assert job.size < 4_566_008 * 1.02


def test_without_readlines_configuration_a_key_does_nothing(docker: Docker, needed: Needed) -> None:
    job = build(docker, needed, "bash-without", "bash", "ls", "--no-rule", "readline")
    screen = watch(job, "bash", "-i", keys=("two\x1b[1~echo one \r", "exit\r"), options=COLOUR)
    assert "one two" not in screen
