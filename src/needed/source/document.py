"""JSON from outside, by I-JSON (RFC 7493): no name twice, no guessing at types; each fault one sentence.

Go's readers take `Layers` for `layers`; Python's do not. So that no two readers see different images, a name that
differs from one of ours only in case is refused. `null` is what Go writes for an empty list, and means absent.
"""

from __future__ import annotations

from needed.errors import ImageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


_SPACE = " \t\n\r"  # of JSON (RFC 8259, 2)
_NOT_SCANNED = object()


class Document:
    """A JSON object. `label` says in errors where it stands."""

    def __init__(self, label: str, fields: dict[str, object]) -> None:
        self.label, self._fields = label, fields

    def __contains__(self, key: str) -> bool:
        return self._get(key) is not None

    def text(self, key: str, default: str | None = None) -> str:
        """A string. Without a default it must be there. Raises ImageError."""
        found = self._get(key)
        if found is None and default is not None:
            return default
        return self._text(key, found)

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of strings, empty if it is absent."""
        return tuple(self._text(key, item) for item in self._list(key))

    def integer(self, key: str) -> int:
        """A number without a fraction, at least 0."""
        found = self._get(key)
        if not isinstance(found, int) or isinstance(found, bool) or found < 0:
            self.refuse(f"{key} is not a size")
        return found

    def flag(self, key: str) -> bool:
        """True or false, false if it is absent."""
        found = self._get(key)
        if found is not None and not isinstance(found, bool):
            self.refuse(f"{key} is neither true nor false")
        return bool(found)

    def inner(self, key: str) -> Document:
        """An object, empty if it is absent."""
        return self._document(key, {} if (found := self._get(key)) is None else found)

    def each(self, key: str) -> tuple[Document, ...]:
        """A list of objects, empty if it is absent."""
        return tuple(self._document(f"{key}[{number}]", item) for number, item in enumerate(self._list(key)))

    def length(self, key: str) -> int:
        """How many items are in a list."""
        return len(self._list(key))

    def keys(self) -> tuple[str, ...]:
        """The names, in the order of the text."""
        return tuple(self._text("a name", key) for key in self._fields)

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Names with their strings."""
        return tuple((self._text("a name", key), self._text(key, item)) for key, item in self._fields.items())

    def refuse(self, fault: str, *hints: str) -> NoReturn:
        """Raise ImageError."""
        raise ImageError(f"{self.label}: {fault}", hints=hints)

    def _get(self, key: str) -> object:
        for other in self._fields:
            if other != key and other.casefold() == key.casefold():  # Go folds more than ASCII, too
                self.refuse(f"{other[:60]!a} stands where readers may take it for {key!r}")
        return self._fields.get(key)

    def _list(self, key: str) -> list[object]:
        found = self._get(key)
        if found is not None and not isinstance(found, list):
            self.refuse(f"{key} is not a list")
        return found or []

    def _text(self, key: str, found: object) -> str:
        if not isinstance(found, str):
            self.refuse(f"{key} is missing" if found is None else f"{key} is not text")
        if any("\ud800" <= character <= "\udfff" for character in found):
            self.refuse(f"{key} is not Unicode")
        return found

    def _document(self, key: str, found: object) -> Document:
        if not isinstance(found, dict):
            self.refuse(f"{key} is not an object")
        return Document(f"{self.label}: {key}", found)


def parse_json(label: str, content: bytes) -> object:
    """What `content` says. Raises ImageError if it is no I-JSON."""
    try:
        text = content.decode()
        found = _scan(text)
        if found is not _NOT_SCANNED:
            return found
        import json

        return json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
    except RecursionError:
        raise ImageError(f"{label}: is nested too deeply") from None
    except ValueError as error:
        raise ImageError(f"{label}: is no valid JSON: {str(error)[:100]}") from None


def parse_document(label: str, content: bytes) -> Document:
    """The object in `content`. Raises ImageError."""
    found = parse_json(label, content)
    if not isinstance(found, dict):
        raise ImageError(f"{label}: is not a JSON object")
    return Document(label, found)


def _scan(text: str) -> object:
    """What `json.loads` says of sound JSON, by the scanner in C that it uses itself; _NOT_SCANNED of all other text.
    `json` imports `re` and `enum`, which takes longer than all the documents of an image."""
    try:
        from _json import make_scanner
    except ImportError:  # no part of the language
        return _NOT_SCANNED
    body = text.rstrip(_SPACE)
    try:
        found, end = make_scanner(_Scanned)(body, len(body) - len(body.lstrip(_SPACE)))  # type: ignore[arg-type]
    except (ValueError, StopIteration):
        return _NOT_SCANNED
    return found if end == len(body) else _NOT_SCANNED


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the name {twice[:60]!a} stands twice in one object")
    return found


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number")


class _Scanned:
    """What a `json.JSONDecoder` tells its scanner."""

    strict = True
    object_hook = None
    object_pairs_hook = staticmethod(_once)
    parse_float, parse_int = float, int
    parse_constant = staticmethod(_no_number)
