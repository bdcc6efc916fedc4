"""Well-known tools: the programs, plugins and policies without which their daily work fails."""

from __future__ import annotations

import pytest

from tests.rules.asking import Files, ask, opened, taken, told
from tests.rules.trees import library, program

TOOLS: Files = {f"/usr/bin/{name}": program() for name in ("tar", "gpg", "rsync", "make", "gcc", "gzip", "xz", "ssh")}
TOOLS = {**TOOLS, "/usr/bin/gpg-agent": program(), "/bin/sh": program()}


@pytest.mark.parametrize(
    ("tool", "helpers"),
    [("tar", {"/usr/bin/gzip", "/bin/sh"}), ("gpg", {"/usr/bin/gpg-agent"}), ("make", {"/bin/sh"})],
)
def test_what_everyday_work_is_left_to_comes_along(tool: str, helpers: set[str]) -> None:
    programs = {one.path for one in ask(TOOLS, f"/usr/bin/{tool}").closure.programs}
    assert programs == {f"/usr/bin/{tool}", *helpers}


def test_what_some_work_is_left_to_is_told_if_the_root_has_it() -> None:
    for tool, helper in (("tar", "xz"), ("rsync", "ssh")):
        sentence = f"/usr/bin/{tool} starts {helper} for some of its work: left out"
        assert told(ask(TOOLS, f"/usr/bin/{tool}"), "companions") == [sentence]
    assert told(ask(TOOLS, "/usr/bin/gpg"), "companions") == []


def test_of_a_compiler_the_parts_are_told() -> None:
    (sentence,) = told(ask(TOOLS, "/usr/bin/gcc"), "companions")
    assert sentence == "/usr/bin/gcc starts cc1, as, ld and reads headers, which no rule takes"


def test_tmux_has_the_locale_that_it_sets_by_itself() -> None:
    files = {f"/usr/bin/{name}": program("setlocale") for name in ("tmux", "app")}
    files["/usr/lib/locale/C.utf8/LC_CTYPE"] = b""
    assert taken(ask(files, "/usr/bin/tmux"), "locale") == {"/usr/lib/locale/C.utf8/LC_CTYPE": None}
    assert taken(ask(files, "/usr/bin/app"), "locale") == {}


ZSH: Files = {
    "/usr/bin/zsh": program("dlopen"),
    "/lib64/zsh/5.8/zsh/zle.so": library("zle.so"),
    "/lib64/zsh/5.9/zsh/zle.so": library("zle.so"),
    "/lib64/zsh/5.9/zsh/param/private.so": library("private.so"),
    "/lib64/zsh/5.9/zsh/net/tcp.so": library("tcp.so"),
    "/etc/zsh/zshrc": b"",
    "/usr/share/zsh/functions/Completion/compinit": b"#" * 100_000,
}
MODULES = "/lib64/zsh/5.9/zsh"


def test_zsh_has_the_modules_of_every_day_of_its_newest_version_and_its_start() -> None:
    found = ask(ZSH, "/usr/bin/zsh")
    assert opened(found, "zsh") == {f"{MODULES}/zle.so", f"{MODULES}/param/private.so"}
    assert taken(found, "zsh") == {"/etc/zsh/zshrc": None}
    assert told(found, "zsh") == ["/usr/bin/zsh is without its functions for completion and prompts"]


def test_more_of_zsh_is_a_choice() -> None:
    found = ask(ZSH, "/usr/bin/zsh", values=(("zsh", "all,functions"),))
    assert f"{MODULES}/net/tcp.so" in opened(found, "zsh")
    assert "/usr/share/zsh/functions/Completion/compinit" in taken(found, "zsh")
    assert told(found, "zsh") == []


NAMES = ("core", "dot_layout", "gd")
GRAPHVIZ: Files = {
    "/bin/app": program(needed=("libgvc.so.6", "libc.so.6")),
    "/lib64/libgvc.so.6": library("libgvc.so.6"),
    "/lib64/graphviz/config6a": "".join(f"libgvplugin_{one}.so.6 x {{\n}}\n" for one in NAMES).encode(),
    **{f"/lib64/graphviz/libgvplugin_{one}.so.6": library(f"libgvplugin_{one}.so.6") for one in NAMES},
}


@pytest.mark.parametrize(
    ("chosen", "names"), [("", ("core", "dot_layout")), ("all", NAMES), ("gd,core", ("core", "gd"))]
)
def test_graphviz_has_the_plugins_of_its_list_that_are_chosen(chosen: str, names: tuple[str, ...]) -> None:
    found = ask(GRAPHVIZ, values=(("graphviz", chosen),) if chosen else ())
    assert opened(found, "graphviz") == {f"/lib64/graphviz/libgvplugin_{one}.so.6" for one in names}
    assert taken(found, "graphviz") == {"/lib64/graphviz/config6a": None}


def test_a_root_without_a_list_of_plugins_is_told() -> None:
    files = {path: content for path, content in GRAPHVIZ.items() if "graphviz" not in path}
    assert told(ask(files), "graphviz") == ["/lib64/libgvc.so.6 has no list of plugins in the root"]


def test_what_copies_images_has_its_policy_and_registries() -> None:
    files = {"/bin/skopeo": program(), "/etc/containers/policy.json": b"{}", "/etc/containers/auth.json": b"",
             "/etc/containers/registries.conf.d/a.conf": b""}  # fmt: skip
    found = ask(files, "/bin/skopeo")
    assert taken(found, "containers") == dict.fromkeys(
        ("/etc/containers/policy.json", "/etc/containers/registries.conf.d/a.conf", "/var/tmp")
    )
    assert told(found, "containers") == []
    del files["/etc/containers/policy.json"]
    assert len(told(ask(files, "/bin/skopeo"), "containers")) == 1


@pytest.mark.parametrize(("asking", "rule"), [("", "on-request"), ("sqlite3_load_extension", "")])
def test_sqlite_is_settled_unless_somebody_asks_for_extensions(asking: str, rule: str) -> None:
    files = {
        "/bin/app": program(*filter(None, [asking]), needed=("libsqlite3.so.0", "libc.so.6")),
        "/lib64/libsqlite3.so.0": library("libsqlite3.so.0", "dlopen"),
    }
    assert ask(files).settled.get("/lib64/libsqlite3.so.0", "") == rule
