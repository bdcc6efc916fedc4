"""What of a Perl source is code: without POD, the bodies of here-documents, and what follows `__END__` or `__DATA__`.

Follows perlpod, perlop (Quote-Like Operators, <<EOF), perldata (Special Literals). Comments stay, for only a parser of
Perl knows all of them; `comment` tells where that of a line begins.
"""

from __future__ import annotations

from itertools import count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_LINE = 4000  # characters of a line before a place that is looked at


class Code:
    """`text` is the code, with a newline before each line and a space for each tab."""

    def __init__(self, source: str) -> None:
        self._source = "\n" + source.replace("\t", " ")
        self._pieces = [*_code(self._source)]
        self.text = "".join([self._source[begin:end] for begin, end in self._pieces])

    def lines(self, places: Iterable[int]) -> Iterator[int]:
        """The lines of the source, counted from 1, where ascending places of `text` stand."""
        pieces = iter(self._pieces)
        begin = end = before = line = counted = 0  # a place stands at the same place, less `before`, in the source
        for place in places:
            while place + before >= end:
                gone = end
                begin, end = next(pieces)
                before += begin - gone
            line += self._source.count("\n", counted, place + before)
            counted = place + before
            yield line


def line_start(text: str, at: int) -> int:
    """Where the line that holds `at` begins; of a very long one only the end before `at` is looked at."""
    first = max(0, at - MAX_LINE)
    found = text.rfind("\n", first, at)
    return found + 1 if found >= 0 else first


def comment(text: str, start: int, stop: int) -> int:
    """Where the comment of the line from `start` begins, or `stop`: at a # that begins a word."""
    at = text.find("#", start, stop)
    while at > start and not text[at - 1].isspace():
        at = text.find("#", at + 1, stop)
    return at if at >= 0 else stop


def _code(source: str) -> Iterator[tuple[int, int]]:
    """The pieces of code, by where they begin and end; what is between them is none."""
    start = 0
    for begin, end in _no_code(source):
        if begin > start:
            yield start, begin
        start = end
    if start < len(source):
        yield start, len(source)


def _no_code(source: str) -> Iterator[tuple[int, int]]:
    """Each begins with the newline before it and ends before the newline that ends it."""
    at = line = counted = 0
    places = dict.fromkeys(("\n=", "\n__", "<<"), -2)
    last: dict[str, int] = {}  # the number of the last line with this word alone
    while True:
        for sign, place in places.items():
            if -1 != place < at:
                places[sign] = source.find(sign, at)
        sign, place = min((item for item in places.items() if item[1] >= 0), key=lambda item: item[1], default=("", 0))
        if not sign:
            return
        at = place + len(sign)
        if sign == "<<":
            at = _line_end(source, place)
            for word in _here(source, place, at):
                if not last and source.find(f"\n{word}\n", at) < 0:  # else the end is there, and nothing need be known
                    last = dict(zip(map(str.strip, source.split("\n")), count(), strict=False))
                line += source.count("\n", counted, at)
                counted = at
                if not last or last.get(word, 0) > line:  # `1 <<FLAG` looks the same: what has no last line is none
                    begin, at = at, _after(source, word, at)
                    yield begin, at
        elif sign == "\n=":
            if source[at : at + 1].isalpha():
                cut = source.find("\n=cut", place)
                at = _line_end(source, cut + 1) if cut >= 0 else len(source)
                yield place, at
        elif source[at : _line_end(source, at)].rstrip() in ("END__", "DATA__"):
            yield place, len(source)
            return


def _here(source: str, place: int, stop: int) -> Iterator[str]:
    """The words that end the here-documents of the line that holds `place`, the first `<<`, and ends at `stop`."""
    stop = comment(source, line_start(source, place), stop)
    at = place
    while 0 <= at < stop:
        at += 2
        start = at + source.startswith("~", at)
        quote = source[start : start + 1]
        if quote in ("'", '"'):
            end = source.find(quote, start + 1, stop)
            word = source[start + 1 : end] if end >= 0 else ""
        else:
            end = start
            while end < stop and (source[end].isalnum() or source[end] == "_"):
                end += 1
            word = source[start:end] if not quote.isdigit() else ""
        if word:
            yield word
            at = end
        at = source.find("<<", at if word else at - 1, stop)


def _after(source: str, word: str, at: int) -> int:
    """The end of the first line after `at` that is `word`; `at` if there is none."""
    stop = at
    while stop < len(source):
        start, stop = stop + 1, _line_end(source, stop + 1)
        if source[start:stop].strip() == word:
            return stop
    return at


def _line_end(source: str, at: int) -> int:
    found = source.find("\n", at)
    return found if found >= 0 else len(source)
