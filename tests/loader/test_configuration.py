"""Files that people write: what separates words in them is what C and the kernel take for it, and nothing more."""

from __future__ import annotations

import pytest

from needed.errors import SourceError
from needed.loader import Resolver, Settings
from needed.loader.ldconfig import configured_directories
from needed.loader.shebang import HEAD, parse_shebang
from needed.root import MemoryRoot


def directories(content: bytes) -> tuple[str, ...]:
    root = MemoryRoot({"/etc/ld.so.conf": content, "/etc/ld.so.conf.d/a.conf": b"/a\n", "/etc/b.conf": b"/b\n"})
    return configured_directories(Resolver(root, Settings(ldconfig=True)))


def test_white_space_of_ld_so_conf_is_that_of_c() -> None:
    assert directories(b"\x1c\n \t/one \v# no\n\f/two\r\n/six\0/seven\n") == ("/one", "/two", "/six")
    assert directories("/one\u00a0\n/two\u2003\n".encode()) == ("/one\u00a0", "/two\u2003")


def test_include_takes_several_patterns() -> None:
    assert directories(b"include\tld.so.conf.d/*.conf  /etc/b.*\ninclude\n/c\n") == ("/a", "/b", "/c")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"#! /bin/sh\t-e x\n", ("/bin/sh",)),
        (b"#!/bin/sh\0-e\n", ("/bin/sh",)),
        ("#!/bin/s\u00a0h\n".encode(), ("/bin/s\u00a0h",)),
        (b"#!/usr/bin/env -S python3 -I\n", ("/usr/bin/env", "python3")),
        (b"#!/bin/sh " + b"x" * 400, ("/bin/sh",)),
    ],
)
def test_space_and_tab_separate_and_nul_ends_the_name(line: bytes, words: tuple[str, ...]) -> None:
    assert parse_shebang(line[:HEAD]) == words


@pytest.mark.parametrize(
    "line", [b"#!", b"#!\n/bin/sh", b"#! \t\n", b"#!\0/bin/sh\n", b"#!/bin/sh\r\n", b"#!python3\n", b"#!" + b"/" * 400]
)
def test_a_line_that_the_kernel_cannot_use_is_refused(line: bytes) -> None:
    with pytest.raises(SourceError):
        parse_shebang(line[:HEAD])
