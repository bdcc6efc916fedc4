"""The words that a shell serves itself: builtins and keywords, per shell, and which shell a program is.

Sources: POSIX.1-2024 (2.15, 2.4), `compgen -b` and `compgen -k` of bash 5.2, src/builtins.def.in of dash 0.5.12,
`builtintab` of shell/ash.c in busybox 1.36 (as distributions configure it), the manuals of ksh93u+m, mksh R59c and
zsh 5.9. What a distribution may leave out of busybox (`help`, `let`) is counted as there.
"""

from __future__ import annotations

# In every table below, but for printf, which mksh leaves to a program.
_POSIX = (
    ". : [ alias bg break cd command continue echo eval exec exit export false fg getopts hash jobs kill printf pwd "
    "read readonly return set shift test times trap true type ulimit umask unalias unset wait"
)
_TABLES = {
    "sh": _POSIX,
    "dash": f"{_POSIX} chdir local",
    "ash": f"{_POSIX} [[ chdir help history let local source",
    "bash": f"{_POSIX} bind builtin caller compgen complete compopt declare dirs disown enable fc help history let "
    "local logout mapfile popd pushd readarray shopt source suspend typeset",
    "ksh": f"{_POSIX} autoload builtin compound disown enum fc float functions hist history integer let "
    "nameref print redirect sleep source stop suspend typeset whence",
    "mksh": f"{_POSIX.replace(' printf', '')} autoload bind builtin chdir fc functions global history integer let "
    "local nameref print r realpath rename source stop suspend typeset whence",
    "zsh": f"{_POSIX} - autoload bindkey builtin bye chdir compadd compcall compctl declare dirs disable disown "
    "echotc echoti emulate enable fc float functions getln history integer let limit local log logout noglob nocorrect "
    "popd print pushd pushln r rehash sched setopt source suspend ttyctl typeset unfunction unhash unlimit unsetopt "
    "vared whence where which zcompile zformat zle zmodload zparseopts zstyle",
}
BUILTINS = {shell: frozenset(names.split()) for shell, names in _TABLES.items()}

_KEYWORDS = "! { } case do done elif else esac fi for if in then until while"
KEYWORDS = {
    shell: frozenset((_KEYWORDS + ("" if shell in ("sh", "dash", "ash") else " [[ ]] function select time")).split())
    for shell in BUILTINS
}
KEYWORDS["bash"] |= {"coproc"}
KEYWORDS["zsh"] |= {"coproc", "repeat", "foreach", "end", "nocorrect"}

_SHELLS = {"sh": "sh", "dash": "dash", "bash": "bash", "rbash": "bash", "ash": "ash", "busybox": "ash", "ksh": "ksh"}
_SHELLS |= {"ksh93": "ksh", "rksh": "ksh", "mksh": "mksh", "lksh": "mksh", "mksh-static": "mksh", "zsh": "zsh"}


def shell_of(interpreter: str) -> str | None:
    """The shell whose builtins hold in a script of this interpreter, a key of BUILTINS; None if it is no such shell.

    Goes by the file's name: give the canonical path, since /bin/sh is dash here, bash there and busybox elsewhere.
    """
    name = interpreter.rpartition("/")[2]
    if name in _SHELLS:
        return _SHELLS[name]
    kind = name.rstrip("0123456789.-")  # bash5.2, zsh-5.9, ksh2020
    return _SHELLS.get(kind) or ("ash" if name.startswith("busybox") else None)
