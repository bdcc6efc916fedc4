"""Text that a terminal may be given, whatever is in a name."""

from __future__ import annotations


def printable(text: str) -> str:
    """`text`, escaping what a terminal would obey or cannot show: `\\x1b`, `\\n`, and bytes that are no UTF-8."""
    return text if text.isprintable() else "".join(map(_escape, text))


def _escape(character: str) -> str:
    if character.isprintable():
        return character
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8 (PEP 383)
        return f"\\x{code - 0xDC00:02x}"
    return ascii(character)[1:-1]
