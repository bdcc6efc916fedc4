"""Answers over HTTP, byte by byte: what is taken for which answer, and when enough was read."""

from __future__ import annotations

import socket

import pytest

from needed.verify.checks import HttpProbe
from needed.verify.probes import ask


def answered(content: bytes, status: int = 200, contains: tuple[str, ...] = ()) -> tuple[bool, str]:
    """What is said of an answer of `content`, after which the other side says nothing more."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(content)
        theirs.shutdown(socket.SHUT_WR)
        found = ask(ours, HttpProbe(8080, "/path?x=1", status), contains)
        asked = theirs.recv(4096)
    assert asked.startswith(b"GET /path?x=1 HTTP/1.1\r\nHost: localhost:8080\r\n")
    assert asked.endswith(b"\r\n\r\n")
    return found


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", (True, "200")),
        (b"HTTP/1.0 200\n\n", (True, "200")),
        (b"HTTP/1.1 500 Internal Server Error\r\n\r\n", (False, "500, expected 200")),
        (b"", (False, "no answer")),
        (b"HTTP/1.1 20", (False, "an answer that is not HTTP")),
        (b"SSH-2.0-OpenSSH_9.2\r\n", (False, "an answer that is not HTTP")),
        (b"HTTP/1.1 2\xb20 OK\r\n\r\n", (False, "an answer that is not HTTP")),
        (b"HTTP/1.1 2000 OK\r\n\r\n", (False, "an answer that is not HTTP")),
        (b"\0" * 100_000, (False, "an answer that is not HTTP")),
        (b"HTTP/1.1 " + b" " * 100_000 + b"200\r\n", (False, "an answer that is not HTTP")),
    ],
)
def test_the_status_is_the_first_lines_second_word(content: bytes, found: tuple[bool, str]) -> None:
    assert answered(content) == found


def test_another_status_than_200_may_be_the_right_one() -> None:
    assert answered(b"HTTP/1.1 404 Not Found\r\n\r\n", 404) == (True, "404")


def test_a_text_may_stand_anywhere_in_the_answer() -> None:
    content = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 150_000 + "grüß dich".encode()
    assert answered(content, contains=("grüß",)) == (True, "200")
    assert answered(content, contains=("grüß", "gott")) == (False, "200, without 'gott'")


def test_no_more_is_read_than_there_is_to_know() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nhello")  # and it stays open
        assert ask(ours, HttpProbe(80), ("hello",)) == (True, "200")


def test_a_connection_that_breaks_is_no_answer() -> None:
    ours, theirs = socket.socketpair()
    theirs.close()
    with ours:
        passed, said = ask(ours, HttpProbe(80))
    assert not passed
    assert said.startswith("no answer")
