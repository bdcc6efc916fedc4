"""JSON documents and compressions."""

from __future__ import annotations

import json

import pytest

from needed.errors import UsageError
from needed.image.codec import Codec, decompress, parse_compression
from needed.image.model import canonical_json, parse_platform


def test_canonical_json_is_compact_sorted_and_what_json_reads() -> None:
    item = {"b": [1, True, None, 1.5], "a": {'é\n"\\': "\x01/<>"}, "\U0001f600": "", "\uffff": ""}
    text = canonical_json(item)
    assert json.loads(text) == item
    # RFC 8785, 3.2.3: by UTF-16 units a surrogate pair comes before U+FFFF.
    assert text == '{"a":{"é\\n\\"\\\\":"\\u0001/<>"},"b":[1,true,null,1.5],"\U0001f600":"","\uffff":""}'.encode()


def test_canonical_json_refuses_bytes_that_are_no_text() -> None:
    with pytest.raises(UsageError, match="udcff"):
        canonical_json({"Env": ["A=\udcff"]})


def test_a_platform_is_os_architecture_and_perhaps_a_variant() -> None:
    assert parse_platform("linux/arm64/v8").document() == {"os": "linux", "architecture": "arm64", "variant": "v8"}
    assert str(parse_platform("linux/amd64")) == "linux/amd64"
    assert parse_platform("linux/386").architecture == "386"
    for text in ("", "linux", "linux/", "a/b/c/d", "Linux/amd64", "linux/am d"):
        with pytest.raises(UsageError):
            parse_platform(text)


@pytest.mark.parametrize(("text", "name", "level"), [("gzip", "gzip", 6), ("gzip:12", "gzip", 12), ("zstd", "zstd", 3),
                                                      ("zstd:22", "zstd", 22), ("none", "none", 0)])  # fmt: skip
def test_a_compression_is_a_name_and_a_level(text: str, name: str, level: int) -> None:
    codec = parse_compression(text)
    assert codec == Codec(name, level)
    members = codec.compress(b"a" * 1000) + codec.compress(b"b" * 1000)
    assert b"".join(decompress(codec.media_type, [members[:30], members[30:]])) == b"a" * 1000 + b"b" * 1000


@pytest.mark.parametrize("text", ["", "xz", "gzip:0", "gzip:13", "gzip:", "gzip:x", "zstd:23", "none:1", "gzip:-1"])
def test_an_unknown_compression_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_compression(text)
    assert caught.value.hints


def test_a_gzip_member_carries_no_time_and_a_cut_stream_is_noticed() -> None:
    member = Codec().compress(b"x" * 5000)
    assert member[4:8] == bytes(4)
    with pytest.raises(ValueError, match="middle"):
        list(decompress(Codec().media_type, [member[:-1]]))
    with pytest.raises(ValueError, match="damaged"):
        list(decompress(Codec().media_type, [b"no gzip at all"]))
