"""JSON is read by the scanner that `json` uses itself, and as `json` reads it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from needed.errors import ImageError
from needed.source.document import parse_json

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
)
# Shorter than two names in one object.
NEARLY = st.text(st.sampled_from('{}[]",:\\u0123aetrufalsn.-+E \t\n\r\x0b\xa0\ufeff'), max_size=10)


@given(VALUES, st.sampled_from(["", " ", "\n\t\r "]), st.booleans())
def test_sound_json_is_what_json_says(document: object, space: str, ascii_only: bool) -> None:
    text = space + json.dumps(document, ensure_ascii=ascii_only) + space
    assert parse_json("x", text.encode()) == document


@given(NEARLY)
def test_what_json_refuses_is_refused_alike(text: str) -> None:
    try:
        expected: object = json.loads(text)
    except ValueError as error:
        with pytest.raises(ImageError) as refused:
            parse_json("x", text.encode())
        assert str(error)[:100] in refused.value.message
    else:
        assert parse_json("x", text.encode()) == expected
