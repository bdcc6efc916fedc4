"""What git starts by itself, and what it copies into a new repository."""

from __future__ import annotations

from needed.rootfs import Symlink
from needed.rules.choices import Choices
from tests.rules.server_trees import of_rule, planned, told
from tests.rules.trees import program

CORE = "/usr/lib/git-core"
TREE: dict[str, bytes | str] = {
    "/bin/sh": program(),
    "/usr/bin/git": program(),
    "/usr/bin/git-upload-pack": "-> git",
    "/usr/bin/git-receive-pack": "-> git",
    f"{CORE}/git": program(),
    f"{CORE}/git-add": "-> git",
    f"{CORE}/git-daemon": program(),
    f"{CORE}/git-remote-http": program(),
    f"{CORE}/git-remote-https": "-> git-remote-http",
    f"{CORE}/git-submodule": b"#!/bin/sh\n",
    f"{CORE}/mergetools/vimdiff": b"# included\n",
    "/usr/share/git-core/templates/description": b"Unnamed\n",
    "/usr/share/git-core/templates/hooks/update.sample": b"#!/bin/sh\n",
}


def test_git_gets_its_helpers_for_https_a_shell_and_templates_without_samples() -> None:
    assert of_rule(planned(TREE, "/usr/bin/git"), "git") == [
        "/bin/sh",
        "/usr/bin/git",
        f"{CORE}/git",
        f"{CORE}/git-remote-http",
        "/usr/share/git-core/templates/description",
        "/usr/share/git-core/templates/hooks",
    ]


def test_the_names_that_the_other_side_is_started_by_lead_to_the_one_git() -> None:
    entries = planned(TREE, "/usr/bin/git").rootfs.entries
    assert entries["/usr/bin/git-upload-pack"] == entries["/usr/bin/git-receive-pack"] == Symlink("git")
    assert entries[f"{CORE}/git"] == Symlink("/usr/bin/git")


def test_local_leaves_https_out() -> None:
    found = planned(TREE, "/usr/bin/git", choices=Choices(values=(("git", "local"),)))
    assert f"{CORE}/git-remote-http" not in found.rootfs.entries
    assert "/usr/bin/git-upload-pack" in found.rootfs.entries


def test_all_takes_every_helper_and_what_scripts_include_but_no_second_git() -> None:
    found = planned(TREE, "/usr/bin/git", choices=Choices(values=(("git", "all"),)))
    inside = [path for path in found.rootfs.entries if path.startswith(f"{CORE}/")]
    assert inside == [
        f"{CORE}/git",
        f"{CORE}/git-daemon",
        f"{CORE}/git-remote-http",
        f"{CORE}/git-remote-https",
        f"{CORE}/git-submodule",
        f"{CORE}/mergetools",
        f"{CORE}/mergetools/vimdiff",
    ]


def test_fedora_and_alpine_keep_helpers_in_libexec() -> None:
    tree = {path.replace(CORE, "/usr/libexec/git-core"): content for path, content in TREE.items()}
    assert "/usr/libexec/git-core/git-remote-https" in planned(tree, "/usr/bin/git").rootfs.entries


def test_ssh_is_told_where_the_root_has_one_and_the_image_has_not() -> None:
    tree = {**TREE, "/usr/bin/ssh": program()}
    assert told(planned(tree, "/usr/bin/git")) == ["git has no ssh for addresses like git@host:repository"]
    assert told(planned(tree, "/usr/bin/git", "/usr/bin/ssh")) == []
    assert told(planned(TREE, "/usr/bin/git")) == []


def test_a_root_with_git_alone_is_no_error() -> None:
    found = planned({"/usr/bin/git": program(), "/bin/sh": program()}, "/usr/bin/git")
    assert [path for path in found.rootfs.entries if "git" in path] == ["/usr/bin/git"]
