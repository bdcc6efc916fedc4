"""The plain command line, read without argparse, whose import and set-up take a sixth of a small build.

`read_plain` lets a verb declare its options to an object of argparse's shape, and understands words that can mean one
thing only: whole names of options, all programs side by side. For anything else, mistakes and --help included, it gives
None, and argparse reads the words. Both read the same declarations, and a test holds their answers against each other.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

_UNDERSTOOD = {"action", "default", "dest", "help", "metavar", "nargs"}


class Arguments:
    """The values by name, as attributes: what argparse calls a Namespace."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.__dict__.update(values)


def read_plain(add: Callable[[Any], None], words: Sequence[str]) -> Arguments | None:
    """The Arguments in `words` for the verb that `add` declares, or None if argparse has to look."""
    declared = _Declared()
    add(declared)
    values, row, ended = declared.values, [], False
    ahead = iter(words)
    for word in ahead:
        if not word.startswith("-"):
            if ended:
                return None
            row.append(word)
            continue
        ended = bool(row)
        name, equals, given = word.partition("=") if word.startswith("--") else (word, "", "")
        action, value = declared.options.get(name, ("", ""))
        if action == "store_true" and not equals:
            values[value] = True
        elif action in ("store", "append"):
            given = given if equals else next(ahead, "-")
            if (not given) if equals else given.startswith("-"):
                return None
            values[value] = given if action == "store" else [*(values[value] or ()), given]
        else:
            return None
    if not row or len(declared.rows) != 1 or not declared.plain:
        return None
    return Arguments({**values, declared.rows[0]: row})


class _Declared:
    """argparse's subparsers, parser and group in one, as far as our verbs use them."""

    def __init__(self) -> None:
        self.options: dict[str, tuple[str, str]] = {}  # the option to its action and its value's name
        self.rows: list[str] = []
        self.values: dict[str, Any] = {}
        self.plain = True

    def add_parser(self, _name: str, **_settings: object) -> _Declared:
        return self

    def add_argument_group(self, _title: str) -> _Declared:
        return self

    def set_defaults(self, **values: object) -> None:
        self.values.update(values)

    def add_argument(self, *names: str, **settings: Any) -> None:
        action = settings.get("action", "store")
        if settings.keys() - _UNDERSTOOD or action not in ("store", "store_true", "append"):
            self.plain = False
        elif not names[0].startswith("-"):
            self.rows.append(names[0])
            self.plain = self.plain and settings.get("nargs") in ("*", "+")
        else:
            value = settings.get("dest") or next(name for name in names if name.startswith("--"))[2:].replace("-", "_")
            self.options.update(dict.fromkeys(names, (action, value)))
            self.values[value] = settings.get("default", False if action == "store_true" else None)
            self.plain = self.plain and "nargs" not in settings
