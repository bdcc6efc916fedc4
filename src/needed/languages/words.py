"""The words of a shell: what one is after quote removal, where that is certain from the text alone.

Source: POSIX.1-2024 XCU 2.2 and 2.6. Receives the text of one whole word, as the parser delimits it; expands nothing.
"""

from __future__ import annotations

_LIVE = "$`"  # what is expanded even in double quotes
_GLOB = "*?[{"  # and what only outside of them


def literal(word: str) -> str | None:
    """The word without its quotes; None if anything in it is expanded."""
    return _unquoted(word, keep_expansions=False)


def script_text(word: str) -> str:
    """The word without its quotes, its expansions as they are written: what `eval` and `sh -c` are given, nearly."""
    return _unquoted(word, keep_expansions=True) or ""


def default_of(word: str) -> str:
    """`mkdir` of `${x:-mkdir}` and `"${x-mkdir -p}"`: the command that it may be; empty if it names none."""
    inner = word.strip('"')
    if not (inner.startswith("${") and inner.endswith("}")):
        return ""
    name = inner[2:]
    end = 0
    while end < len(name) and (name[end].isalnum() or name[end] == "_"):
        end += 1
    operator = name[end : end + 2] if name[end : end + 1] == ":" else name[end : end + 1]
    if operator not in (":-", "-", ":=", "="):
        return ""
    given = (literal(name[end + len(operator) : -1].strip()) or "").split()
    return given[0] if given else ""


def variable_of(word: str) -> str:
    """`x` of `$x`, `"$x"` and `${x}`; empty for anything more."""
    inner = word.strip('"')
    name = inner[2:-1] if inner.startswith("${") and inner.endswith("}") else inner[1:]
    plain = inner.startswith("$") and name.replace("_", "a").isalnum() and name.isascii()
    return name if plain else ""


def _unquoted(word: str, *, keep_expansions: bool) -> str | None:
    made: list[str] = []
    quote = ""
    at = 0
    while at < len(word):
        character = word[at]
        following = word[at + 1 : at + 2]
        at += 1
        if quote == "'":
            if character == "'":
                quote = ""
            else:
                made.append(character)
        elif character == "\\":
            at += 1
            if following == "\n":
                continue
            # In double quotes a backslash means something before these five only.
            made.append(following if not quote or following in '$`"\\' else character + following)
        elif character == '"':
            quote = "" if quote else '"'
        elif character == "'" and not quote:
            quote = "'"
        elif not keep_expansions and (character in _LIVE or (not quote and _expands(word, at - 1))):
            return None
        else:
            made.append(character)
    return "".join(made)


def _expands(word: str, at: int) -> bool:
    """Whether the unquoted character makes a pattern, a brace expansion, a home directory or a process substitution."""
    character = word[at]
    if word in ("[", "[[", "{", "}"):
        return False
    return character in _GLOB or (character == "~" and at == 0) or (character in "<>" and word[at + 1 : at + 2] == "(")
