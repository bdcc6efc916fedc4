"""Speaks UTF-8: the locale that the image's environment asks for.

Recognises: an object other than the C library's own that imports setlocale or newlocale, in an image whose LC_ALL,
    LC_CTYPE, LANG or other LC_ name names a locale.
Adds: the folder of that locale below /usr/lib/locale, or the root's locale-archive if only that has it. Without a
    name in the environment every program runs in the C locale, which needs no file; but tmux, which sets C.UTF-8 by
    itself or ends, gets it.
Costs: nothing, or with `--env LANG=C.UTF-8` 360,460 bytes, 353,616 of them LC_CTYPE.
Choices: `--rule locale=NAME,NAME` takes locales along whatever the environment says.
Source: locale(7), setlocale(3); glibc locale/findlocale.c, locale/loadarchive.c.
"""

from __future__ import annotations

from needed.closure import Reason
from needed.rules.finding import Take, Tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "locale"
FOLDER = "/usr/lib/locale"
UTF_8_ONLY = {"tmux": "C.UTF-8"}  # the locale that a program sets by itself, and ends without
VARIABLES = ("LC_ALL", "LANG", "LC_CTYPE", "LC_NUMERIC", "LC_TIME", "LC_COLLATE", "LC_MONETARY", "LC_MESSAGES")


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    if view.object("libc.so.6") is None:  # musl is UTF-8 by itself
        return
    asked = {name for variable in VARIABLES if (name := view.choices.variable(variable))}
    asked |= {UTF_8_ONLY[name] for item in evidence if (name := item.path.rpartition("/")[2]) in UTF_8_ONLY}
    asked |= {name for name in (view.choices.value(NAME) or "").split(",") if name}
    item = evidence[0]
    reason = Reason("rule", item.path, NAME, item.detail)
    for name in sorted(asked - {"C", "POSIX"}):
        folder = next((f"{FOLDER}/{one}" for one in spellings(name) if view.is_folder(f"{FOLDER}/{one}")), None)
        if folder is not None and "/" not in name:
            for path, kind in view.tree(folder):
                if kind != "directory":
                    yield Take(path, reason)
        elif view.is_file(f"{FOLDER}/locale-archive") and name.encode() in view.read(f"{FOLDER}/locale-archive"):
            yield Take(f"{FOLDER}/locale-archive", reason)
        else:
            yield Tell(f"the root has no locale {name}", f"locale-gen {name} in the root, or --env LANG=C.UTF-8")


def spellings(name: str) -> Iterator[str]:
    """The names of folders that glibc tries for a locale: as it is, and with its codeset normalised."""
    yield name
    language, dot, rest = name.partition(".")
    codeset, at, modifier = rest.partition("@")
    if dot:
        plain = "".join(letter for letter in codeset.lower() if letter.isalnum())
        plain = f"iso{plain}" if plain.isdigit() else plain  # _nl_normalize_codeset
        yield f"{language}.{plain}{at}{modifier}"
        yield f"{language}{at}{modifier}"
