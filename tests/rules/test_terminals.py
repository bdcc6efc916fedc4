"""Terminals, keys and Vim: the small part of much that a program draws with."""

from __future__ import annotations

from tests.rules.asking import Files, ask, taken, told
from tests.rules.trees import library, program

LESS: Files = {
    "/bin/app": program(needed=("libtinfo.so.6", "libc.so.6")),
    "/lib64/libtinfo.so.6": library("libtinfo.so.6"),
    "/lib/terminfo/x/xterm": b"x",
    "/usr/share/terminfo/x/xterm": b"other",
    "/usr/share/terminfo/v/vt100": b"v",
    "/usr/share/terminfo/f/foot": b"f",
    "/usr/share/terminfo/s/sun": b"s",
}
RUNTIME = "/usr/share/vim/vim90"
VIM: Files = {
    "/bin/vim": "-> /etc/alternatives/vim",
    "/etc/alternatives/vim": "-> /usr/bin/vim.basic",
    "/usr/bin/vim.basic": program(),
    "/usr/bin/vim.tiny": program(),
    "/etc/vim/vimrc": b"",
    "/etc/vim/vimrc.tiny": b"",
    "/usr/share/vim/vim82/defaults.vim": b"",
    **{
        f"{RUNTIME}/{name}": b""
        for name in ("defaults.vim", "plugin/gzip.vim", "syntax/sh.vim", "syntax/cobol.vim", "doc/help.txt")
    },
}


def test_the_usual_terminals_come_each_from_the_first_folder_that_has_it() -> None:
    assert taken(ask(LESS), "terminfo") == {"/lib/terminfo/x/xterm": None, "/usr/share/terminfo/v/vt100": None}


def test_term_of_the_image_and_a_chosen_one_come_too() -> None:
    found = taken(ask(LESS, env=("TERM=foot",), values=(("terminfo", "sun"),)), "terminfo")
    assert {"/usr/share/terminfo/f/foot", "/usr/share/terminfo/s/sun"} <= found.keys()


def test_a_terminal_that_the_root_does_not_describe_is_told() -> None:
    found = ask(LESS, env=("TERM=../../etc/shadow",), values=(("terminfo", "kitty"),))
    assert told(found, "terminfo") == ["the root does not describe the terminal kitty"]


def test_all_are_all() -> None:
    assert len(taken(ask(LESS, values=(("terminfo", "all"),)), "terminfo")) == 5


def test_bash_and_what_has_readline_reads_inputrc() -> None:
    files = {"/bin/bash": program(), "/bin/app": program(), "/etc/inputrc": b""}
    assert taken(ask(files, "/bin/bash"), "readline") == {"/etc/inputrc": None}
    assert taken(ask(files), "readline") == {}
    files |= {"/bin/app": program(needed=("libreadline.so.8",)), "/lib64/libreadline.so.8": library("libreadline.so.8")}
    assert taken(ask(files), "readline") == {"/etc/inputrc": None}


def test_vim_gets_the_start_of_its_newest_runtime_and_common_file_types() -> None:
    names = ("defaults.vim", "plugin/gzip.vim", "syntax/sh.vim")
    assert taken(ask(VIM, "/bin/vim"), "vim").keys() == {"/etc/vim/vimrc", *(f"{RUNTIME}/{name}" for name in names)}


def test_vim_takes_another_file_type_and_the_help_by_name() -> None:
    found = taken(ask(VIM, "/bin/vim", values=(("vim", "cobol,doc"),)), "vim")
    assert {f"{RUNTIME}/syntax/cobol.vim", f"{RUNTIME}/doc/help.txt"} <= found.keys()


def test_the_whole_of_vim_is_without_its_help_unless_that_is_named() -> None:
    found = taken(ask(VIM, "/bin/vim", values=(("vim", "all"),)), "vim")
    assert f"{RUNTIME}/syntax/cobol.vim" in found
    assert f"{RUNTIME}/doc/help.txt" not in found
    found = taken(ask(VIM, "/bin/vim", values=(("vim", "all,doc"),)), "vim")
    assert f"{RUNTIME}/doc/help.txt" in found


def test_the_tiny_vim_gets_its_vimrc_alone() -> None:
    assert taken(ask(VIM, "/usr/bin/vim.tiny"), "vim") == {"/etc/vim/vimrc.tiny": None, "/etc/vim/vimrc": None}
