"""Runs zsh: the modules that it loads for line editing, parameters, times and patterns, and /etc/zsh.

Recognises: zsh.
Adds: of its folder of modules those of every day, the files in /etc/zsh (or /etc/zshrc and its like), and none of its
    functions, which completion and prompts are made of: they are told with the option that takes them.
Costs: 1.0 MB; the functions 14 MB more.
Choices: `--rule zsh=all` takes every module, `--rule zsh=functions` the functions too.
Source: zshmodules(1); zsh(1), STARTUP/SHUTDOWN FILES.
"""

from __future__ import annotations

from needed.closure import Reason
from needed.rules.finding import Load, Take, Tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "zsh"
EVERYDAY = ("complete", "complist", "computil", "compctl", "datetime", "langinfo", "main", "mathfunc", "parameter",
            "param/private", "regex", "rlimits", "sched", "stat", "system", "termcap", "terminfo", "zle",
            "zleparameter", "zselect", "zutil")  # fmt: skip
STARTUP = ("zshenv", "zprofile", "zshrc", "zlogin", "zlogout")
FUNCTIONS = ("/usr/share/zsh/functions", "/usr/share/zsh/5")


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    words = (view.choices.value(NAME) or "").split(",")
    for item in evidence:
        reason = Reason("rule", item.path, NAME, item.detail)
        for name in STARTUP:
            if path := next((one for one in (f"/etc/zsh/{name}", f"/etc/{name}") if view.is_file(one)), None):
                yield Take(path, reason)
        folder = modules_of(view)
        for path, _ in view.tree(folder) if folder else ():
            if path.endswith(".so") and ("all" in words or path[len(folder) + 1 : -3] in EVERYDAY):
                yield Load(path, item.path, reason)
        functions = [path for path, kind in view.tree("/usr/share/zsh") if kind == "file" and "functions" in path]
        if "functions" in words:
            yield from (Take(path, reason) for path in functions)
        elif functions:
            size = sum(map(view.size, functions)) / 1e6
            yield Tell(f"{item.path} is without its functions for completion and prompts",
                       f"--rule zsh=functions: {size:.1f} MB")  # fmt: skip


def modules_of(view: View) -> str:
    """The folder "zsh" of modules, of the newest version, in one of the places where distributions have it."""
    for top in (f"{view.libc_folder()}/zsh", "/usr/lib64/zsh", "/usr/lib/zsh", f"/usr{view.libc_folder()}/zsh"):
        for version in reversed(view.names(top)):
            if view.is_folder(f"{top}/{version}/zsh"):
                return f"{top}/{version}/zsh"
    return ""
