"""Commands whose arguments are a command: what `timeout 5 nice cmd` starts in the end.

Each row is from the manual of the program named. What is not in the table is no wrapper: its arguments are data.
"""

from __future__ import annotations

from needed.languages.words import literal
from needed.value import value


@value
class Wrapper:
    """How the arguments of a wrapper are laid out."""

    letters: str = ""  # one-letter options that take an argument
    words: tuple[str, ...] = ()  # long options that take one in the next word, too
    operands: int = 0  # words before the command that are not options: a user, a duration
    assignments: bool = False  # NAME=value before the command
    shell_command: str = ""  # the option whose argument is a line for sh


_PLAIN = Wrapper()
_USER = Wrapper(operands=1)
WRAPPERS: dict[str, Wrapper] = {
    "nohup": _PLAIN, "setsid": _PLAIN, "catatonit": _PLAIN, "fakeroot": _PLAIN, "eatmydata": _PLAIN,
    "nice": Wrapper("n", ("--adjustment",)),
    "ionice": Wrapper("cnpPu", ("--class", "--classdata")),
    "chrt": Wrapper("TPD", operands=1), "taskset": _USER,
    "timeout": Wrapper("ks", ("--kill-after", "--signal"), 1),
    "stdbuf": Wrapper("ioe", ("--input", "--output", "--error")),
    "xargs": Wrapper("adEILnPs", ("--arg-file", "--delimiter", "--max-lines", "--max-args", "--max-procs",
                                  "--max-chars", "--process-slot-var")),
    "time": Wrapper("fo", ("--format", "--output")),
    "sudo": Wrapper("CDghpRrtTuU", (
        "--user", "--group", "--host", "--prompt", "--chdir", "--chroot"), assignments=True),
    "doas": Wrapper("uC"),
    "gosu": _USER, "su-exec": _USER, "s6-setuidgid": _USER, "setuidgid": _USER, "chpst": Wrapper("uUbemdopcrtlL/n"),
    "setpriv": Wrapper("d", ("--ambient-caps", "--inh-caps", "--bounding-set", "--ruid", "--euid", "--rgid", "--egid",
                             "--reuid", "--regid", "--groups", "--securebits", "--pdeathsig", "--selinux-label",
                             "--apparmor-profile")),
    "chroot": Wrapper("", ("--userspec", "--groups"), 1),
    "flock": Wrapper("wE", ("--timeout", "--wait", "--conflict-exit-code"), 1, shell_command="c"),
    "tini": Wrapper("pe"), "tini-static": Wrapper("pe"), "docker-init": Wrapper("pe"),
    "dumb-init": Wrapper("r", ("--rewrite",)),
    "unshare": Wrapper("SGRw", ("--setuid", "--setgid", "--root", "--wd", "--map-user", "--map-group")),
    "nsenter": Wrapper("tSG", ("--target", "--setuid", "--setgid")),
    "runuser": Wrapper("ugGs", ("--user", "--group", "--supp-group", "--shell"), shell_command="c"),
}  # fmt: skip
_FIND_STARTS = ("-exec", "-execdir", "-ok", "-okdir")
_DAEMON_STARTS = ("-x", "--exec", "-a", "--startas")


def started(name: str, arguments: list[str]) -> tuple[list[list[str]], list[str]]:
    """(command lines, lines for sh) that the wrapper `name` starts; arguments and results are words as written."""
    if name == "find":
        return [arguments[at + 1 :] for at, word in enumerate(arguments[:-1]) if word in _FIND_STARTS], []
    if name == "start-stop-daemon":
        return _daemon(arguments), []
    if name == "su":
        return [], _after_c(arguments)
    wrapper = WRAPPERS.get(name)
    if wrapper is None:
        return [], []
    return _wrapped(wrapper, arguments)


def _wrapped(wrapper: Wrapper, arguments: list[str]) -> tuple[list[list[str]], list[str]]:
    at, operands = 0, wrapper.operands
    while at < len(arguments):
        word = literal(arguments[at])
        at += 1
        if word == "--":
            continue
        if word is not None and len(word) > 1 and word[0] == "-":
            if wrapper.shell_command and word == f"-{wrapper.shell_command}":
                return [], arguments[at : at + 1]
            # `-k 5` and `-vk 5` take the next word, `-k5` does not; a long option only without its `=`.
            at += word in wrapper.words or (word[1] != "-" and word[-1] in wrapper.letters and _last(wrapper, word))
        elif operands:
            operands -= 1
        elif not (wrapper.assignments and word is not None and "=" in word):
            return [arguments[at - 1 :]], []
    return [], []


def _last(wrapper: Wrapper, word: str) -> bool:
    """Whether no letter before the last takes the rest of the word as its argument."""
    return not any(letter in wrapper.letters for letter in word[1:-1])


def _daemon(arguments: list[str]) -> list[list[str]]:
    """What start-stop-daemon starts: of --exec and --startas, with the arguments after `--`."""
    found = []
    for at, word in enumerate(arguments):
        if word == "--":
            break
        option, equals, attached = word.partition("=")
        if equals and option in _DAEMON_STARTS:
            found.append([attached])
        elif word in _DAEMON_STARTS and at + 1 < len(arguments):
            found.append([arguments[at + 1]])
    return found


def _after_c(arguments: list[str]) -> list[str]:
    for at, word in enumerate(arguments[:-1]):
        if word in ("-c", "--command") or (word[:1] == "-" and word[1:2] != "-" and word.endswith("c")):
            return [arguments[at + 1]]
    return [word[10:] for word in arguments if word.startswith("--command=")]
