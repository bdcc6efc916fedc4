"""What env(1) would start, by its arguments: of a script's first line, and of a command in a shell script.

Source: src/env.c of coreutils 9.1 (`main`, `build_argv`), and coreutils/env.c of busybox, which knows no -S.
"""

from __future__ import annotations

from needed.errors import SourceError

MAX_WORDS = 4096  # -S inside of -S: more than any command line holds

_WITH_ARGUMENT = ("unset", "chdir", "split-string")
_FLAGS = ("ignore-environment", "null", "debug", "list-signal-handling", "help", "version")
_OPTIONAL_ARGUMENT = ("default-signal", "ignore-signal", "block-signal")
_ESCAPES = {"f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", '"': '"', "'": "'", "\\": "\\", "#": "#", "$": "$"}
_WHITE = " \t\n\v\f\r"


def started_by_env(words: list[str]) -> tuple[str, ...]:
    """The program that env starts and its arguments; empty if it only prints.

    Raises SourceError for what env refuses, and for a name that only the environment tells.
    """
    ahead = list(words)
    while ahead:
        word = ahead.pop(0)
        if len(ahead) > MAX_WORDS:
            raise SourceError(f"env is given more than {MAX_WORDS} words")
        if word in ("--", "-"):  # the second is the old way to write -i, after the options
            break
        if word.startswith("--"):
            ahead = _long(word[2:], ahead)
        elif word.startswith("-"):
            ahead = _short(word[1:], ahead)
        else:
            ahead.insert(0, word)
            break
    while ahead and "=" in ahead[0]:
        ahead.pop(0)
    return tuple(ahead)


def _short(letters: str, ahead: list[str]) -> list[str]:
    """What is left after a word of one-letter options."""
    for at, letter in enumerate(letters):
        if letter in "i0v":
            continue
        if letter not in "uCS":
            raise SourceError(f"env has no option -{letter}")
        argument, ahead = _argument(f"-{letter}", letters[at + 1 :], ahead)
        return [*split_string(argument), *ahead] if letter == "S" else ahead
    return ahead


def _long(option: str, ahead: list[str]) -> list[str]:
    name, equals, given = option.partition("=")
    known = [full for full in (*_WITH_ARGUMENT, *_FLAGS, *_OPTIONAL_ARGUMENT) if full.startswith(name)]
    if name not in known and len(known) != 1:  # getopt_long(3): any beginning that only one has
        raise SourceError(f"env has no option --{name}")
    full = name if name in known else known[0]
    if full not in _WITH_ARGUMENT:
        return [] if full in ("help", "version") else ahead
    argument, ahead = (given, ahead) if equals else _argument(f"--{full}", "", ahead)
    return [*split_string(argument), *ahead] if full == "split-string" else ahead


def _argument(option: str, attached: str, ahead: list[str]) -> tuple[str, list[str]]:
    if attached:
        return attached, ahead
    if not ahead:
        raise SourceError(f"env's option {option} needs an argument")
    return ahead[0], ahead[1:]


def split_string(text: str) -> list[str]:  # noqa: PLR0912  (one branch a rule, as build_argv)
    r"""The words of `env -S text`: quotes, \_ \c and the other escapes, `#` comments; `${NAME}` stays as it is.

    Raises SourceError for what env refuses: an open quote, an unknown escape, `$` without braces.
    """
    words: list[str] = []
    word: list[str] | None = None
    quote = ""
    at = 0
    while at < len(text):
        character = text[at]
        at += 1
        if character in "'\"" and quote in ("", character):
            quote, word = ("" if quote else character), word if word is not None else []
        elif character in _WHITE and not quote:
            if word is not None:
                words.append("".join(word))
            word = None
        elif character == "#" and word is None and not quote:
            break
        elif character == "\\" and not (quote == "'" and text[at : at + 1] not in ("\\", "'")):
            escape = text[at : at + 1]
            at += 1
            if escape == "c" and not quote:
                break
            if escape == "_" and not quote:
                if word is not None:
                    words.append("".join(word))
                word = None
                continue
            word = word if word is not None else []
            word.append(_escaped(escape))
        elif character == "$" and quote != "'":
            end = text.find("}", at)
            if text[at : at + 1] != "{" or end < 0:
                raise SourceError("env -S takes ${NAME} only, with braces")
            word = [*(word or []), text[at - 1 : end + 1]]
            at = end + 1
        else:
            word = word if word is not None else []
            word.append(character)
    if quote:
        raise SourceError("env -S is given a quote that nothing closes")
    if word is not None:
        words.append("".join(word))
    return words


def _escaped(escape: str) -> str:
    if escape == "_":
        return " "
    if escape not in _ESCAPES:
        raise SourceError(f"env -S knows no escape \\{escape}" if escape else "env -S is given a \\ at its end")
    return _ESCAPES[escape]
