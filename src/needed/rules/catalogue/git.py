"""Clones, commits and pushes: git's helpers for https and for its own protocol, a shell to start them, and templates.

Recognises: a program git.
Adds: git-remote-http and git-remote-https with libcurl; the names git-upload-pack and git-receive-pack, which the other
    side of a file:// or ssh address is started by; /bin/sh, through which git starts it, and aliases and hooks too; the
    templates of a repository without the sample hooks. All else is built into git.
Costs: 18.2 MB, nearly all of it the libraries of libcurl; 126 kB without https; 41 MB with every helper and Perl.
Choices: `--rule git=local` leaves https out. `--rule git=all` takes every helper of the root: those are scripts for
    shells and Perl too (git submodule, git add -p, git send-email). ssh addresses need `--with ssh`.
Source: git(1), --exec-path; gitremote-helpers(7); git-init(1), TEMPLATE DIRECTORY; git's connect.c and run-command.c.
"""

from __future__ import annotations

from needed.closure import Reason
from needed.rules.finding import Execute, Link, Take, Tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "git"
OTHER_SIDE = ("git-upload-pack", "git-receive-pack", "git-upload-archive")
HTTP = ("git-remote-http", "git-remote-https")


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    choice = view.choices.value(NAME)
    for item in evidence:
        program = view.canonical(item.path)
        if program is None:
            continue
        reason = Reason("rule", item.path, NAME, item.detail)
        folder = program.rpartition("/")[0]
        above = folder.rpartition("/")[0]
        # A distribution says gitexecdir at build time; it is below the prefix that bin is in.
        helpers = view.first(f"{above}/lib/git-core", f"{above}/libexec/git-core")
        yield Execute("/bin/sh", reason)
        for name in OTHER_SIDE:
            if view.is_file(f"{folder}/{name}"):
                yield from _helper(view, f"{folder}/{name}", program, reason)
        yield from _templates(view, f"{above}/share/git-core/templates", reason)
        if helpers is not None:
            if folder != helpers:
                # git starts itself by this name, wherever it stands, and there it is looked for first.
                yield Link(f"{helpers}/git", item.path, reason)
            for name in view.names(helpers) if choice == "all" else () if choice == "local" else HTTP:
                yield from _helper(view, f"{helpers}/{name}", program, reason)
        with_ssh = any(one.path.endswith("/ssh") for one in view.closure.programs)
        if not with_ssh and choice != "local" and view.is_file(f"{folder}/ssh"):
            yield Tell("git has no ssh for addresses like git@host:repository", "--with ssh")
        return


def _helper(view: View, path: str, program: str, reason: Reason) -> Iterator[Finding]:
    """A program or script; another name of git itself ships where git looks for it from outside."""
    found = view.find(path)
    if found is None or found.entry.kind != "file":
        for inside, kind in view.tree(path):
            if kind == "file":
                yield Take(inside, reason)
    elif found.path == program:
        yield Take(path, reason)
    elif found.path.rpartition("/")[2] == "git":
        return  # a name of a second copy of git
    elif found.entry.mode & 0o111:
        yield Execute(path, reason)
    else:
        yield Take(path, reason)  # what scripts include


def _templates(view: View, folder: str, reason: Reason) -> Iterator[Finding]:
    for path, _ in view.tree(folder, skips=lambda path: path.endswith(".sample")):
        yield Take(path, reason)
