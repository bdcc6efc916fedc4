"""Edits in colour: what Vim reads when it starts, and the syntax of what people edit in containers.

Recognises: vim, vim.basic and its kin. vim.tiny has no use for scripts and gets its vimrc alone.
Adds: the vimrc of /etc; of the runtime below /usr/share/vim the defaults, the tables of file types and the standard
    plugins' first files; highlighting, indentation and settings for the file types conf, config, diff, dockerfile,
    dosini, json, markdown, nginx, python, sh, sql, toml, vim, xml and yaml. No help, no spelling, no translations.
    What it opens by dlopen(3) is what a script of the user's names in libcall().
Costs: 657,300 bytes, of 36.9 MB.
Choices: `--rule vim=c,rust` takes more file types, `--rule vim=all` every one with all plugins and colour schemes (11
    MB), `--rule vim=doc`, `vim=spell`, `vim=lang` and `vim=tutor` those folders.
Source: Vim's starting.txt, syntax.txt, filetype.txt.
"""

from __future__ import annotations

from needed.closure import Reason
from needed.rules.finding import Take

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "vim"
TOP = "/usr/share/vim"
VIMRC = ("/etc/vim/vimrc", "/etc/vim/vimrc.local", "/etc/vimrc", f"{TOP}/vimrc")
TYPES = ("conf", "config", "diff", "dockerfile", "dosini", "json", "markdown", "nginx", "python", "sh", "sql", "toml",
         "vim", "xml", "yaml")  # fmt: skip
START = ("defaults.vim", "debian.vim", "filetype.vim", "ftoff.vim", "ftplugin.vim", "ftplugof.vim", "indent.vim",
         "indoff.vim", "scripts.vim", "autoload/dist/ft.vim", "autoload/dist/script.vim", "autoload/dist/vimindent.vim",
         "colors/lists/default.vim", "syntax/syntax.vim", "syntax/synload.vim", "syntax/syncolor.vim",
         "syntax/nosyntax.vim", "syntax/manual.vim")  # fmt: skip
BY_TYPE = ("syntax", "ftplugin", "indent")
APART = ("doc", "lang", "spell", "tutor")


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    chosen = [name for name in (view.choices.value(NAME) or "").split(",") if name and "/" not in name]
    for item in evidence:
        reason = Reason("rule", item.path, NAME, item.detail)
        if (view.canonical(item.path) or "").endswith("/vim.tiny"):
            for path in ("/etc/vim/vimrc.tiny", *VIMRC):
                if view.is_file(path):
                    yield Take(path, reason)
            continue
        for path in VIMRC:
            if view.is_file(path):
                yield Take(path, reason)
        for path in runtime_files(view, chosen):
            yield Take(path, reason)


def runtime_files(view: View, chosen: list[str]) -> Iterator[str]:
    """The files of the newest runtime of the root."""
    versions = [name for name in view.names(TOP) if name.startswith("vim") and name[3:].isdigit()]
    if not versions:
        return
    runtime = f"{TOP}/{max(versions, key=lambda name: int(name[3:7]))}"
    if "all" in chosen:
        apart = {f"{runtime}/{name}" for name in APART if name not in chosen}
        yield from (path for path, kind in view.tree(runtime, skips=apart.__contains__) if kind != "directory")
        return
    yield from (path for path in (f"{runtime}/{name}" for name in START) if view.is_file(path))
    yield from (f"{runtime}/plugin/{name}" for name, kind in view.kinds(f"{runtime}/plugin") if kind == "file")
    for folder in BY_TYPE:
        for name in (*TYPES, *chosen):
            if view.is_file(f"{runtime}/{folder}/{name}.vim"):
                yield f"{runtime}/{folder}/{name}.vim"
    for name in chosen:
        if name in APART:
            yield from (path for path, kind in view.tree(f"{runtime}/{name}") if kind != "directory")
