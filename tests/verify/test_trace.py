"""The file of a trace: the same bytes for the same run, any name in it, and nothing that is none is taken for one."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from needed.errors import UsageError
from needed.rules.finding import Traced
from needed.verify.trace import (
    KINDS,
    Run,
    Trace,
    command_line,
    merge_traces,
    parse_trace,
    render_trace,
    trace_of,
    traced_paths,
)

NAMES = st.builds(lambda raw: "/" + raw.replace(b"\0", b"").decode("utf-8", "surrogateescape"), st.binary(max_size=12))
PATHS = st.dictionaries(NAMES, st.lists(NAMES, max_size=2, unique=True).map(lambda by: tuple(sorted(by))), max_size=3)


def trace(**paths: dict[str, tuple[str, ...]]) -> Trace:
    return trace_of((Run(("app", "a b"), 0),), {kind: paths.get(kind, {}) for kind in KINDS}, ())


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # no test asserts a time
@given(PATHS, PATHS)
def test_every_name_survives_the_file(opened: dict[str, tuple[str, ...]], missed: dict[str, tuple[str, ...]]) -> None:
    made = trace(opened=opened, missed=missed)
    assert parse_trace(render_trace(made).encode("ascii"), "t") == made


def test_the_order_of_a_run_does_not_show_in_the_file() -> None:
    one = trace(opened={"/b": ("/p", "/q"), "/a": ()})
    other = trace(opened={"/a": (), "/b": ("/q", "/p")})
    assert render_trace(one) == render_trace(other)


def test_a_path_stands_in_a_line_of_its_own_whatever_is_in_it() -> None:
    lines = render_trace(trace(opened={"/a\nb": (), "/\udcff": ("/p",)})).splitlines()
    assert '  "/a\\nb": [],' in lines
    assert '  "/\\udcff": ["/p"]' in lines


def test_merged_traces_say_what_any_of_them_says() -> None:
    one, other = trace(opened={"/a": ("/p",), "/b": ()}), trace(opened={"/a": ("/q",)}, missed={"/c": ()})
    found = merge_traces([one, other])
    assert (found.opened, found.missed) == ({"/a": ("/p", "/q"), "/b": ()}, {"/c": ()})
    assert found.runs == one.runs


def test_what_was_looked_for_in_vain_is_nothing_to_take_along() -> None:
    made = trace(opened={"/a": ("/p",)}, missed={"/c": ()}, listed={"/d": ()})
    assert traced_paths(made) == (Traced("/a", "opened", ("/p",), "app 'a b'"), Traced("/d", "listed", (), "app 'a b'"))


def test_a_long_command_line_is_cut_for_its_reason() -> None:
    long = Trace((Run(("x" * 999,), 0), Run(("y",), 1)), {}, {}, {}, {}, {}, {})
    assert command_line(long) == "x" * 200 + "… and 1 more"


HEAD = b'{"needed_trace": 1, "runs": [], "untraced": []'
EMPTY = b'"executed": {}, "loaded": {}, "listed": {}, "seen": {}, "missed": {}'


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{", b"\xff\xfe", b"[" * 100_000, b'{"needed_trace": 2}', HEAD + b"}",
     HEAD + b"," + EMPTY + b', "opened": {"relative": []}}', HEAD + b"," + EMPTY + b', "opened": {"/a": [1]}}',
     HEAD + b"," + EMPTY + b', "opened": []}', HEAD + b"," + EMPTY + b', "opened": {"/a\\u0000": []}}',
     HEAD + b"," + EMPTY + b', "opened": {"/a\\ud800": []}}'],
)  # fmt: skip
def test_what_is_no_trace_is_refused_with_the_way_to_one(content: bytes) -> None:
    with pytest.raises(UsageError, match=r"^some\.trace: ") as caught:
        parse_trace(content, "some.trace")
    assert caught.value.hints == ("make one: needed trace -o FILE -- PROGRAM ARGUMENTS",)


@given(st.binary(max_size=200))
def test_no_bytes_are_more_than_refused(content: bytes) -> None:
    with pytest.raises(UsageError):
        parse_trace(content, "t")
