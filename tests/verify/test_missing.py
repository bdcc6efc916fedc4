"""What programs say when they lack something, in the words of each, and the flag that adds it."""

from __future__ import annotations

import pytest

from needed.root import MemoryRoot
from needed.verify.missing import find_missing

SOURCE = MemoryRoot({
    "/usr/lib/x86_64-linux-gnu/libz.so.1": b"",
    "/usr/bin/tar": b"",
    "/etc/app.conf": b"",
    "/usr/share/with space/x": b"",
    "/usr/lib/python3/dist-packages/yaml/__init__.py": b"",
    "/usr/lib/python3.11/wave.py": b"",
    "/usr/share/perl/5.36.0/Text/Wrap.pm": b"",
})  # fmt: skip


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("app: error while loading shared libraries: libz.so.1: cannot open shared object file: No such file or "
         "directory", ("library", "libz.so.1", "--with /usr/lib/x86_64-linux-gnu/libz.so.1")),
        ("Error loading shared library libz.so.1: No such file or directory (needed by /bin/app)",
         ("library", "libz.so.1", "--with /usr/lib/x86_64-linux-gnu/libz.so.1")),
        ("app: libq.so.1: cannot open shared object file: No such file or directory", ("library", "libq.so.1", "")),
        ("app: /lib/libc.so.6: version `GLIBC_2.99' not found (required by app)", ("version", "GLIBC_2.99", "")),
        ("app: symbol lookup error: app: undefined symbol: deflate", ("symbol", "deflate", "")),
        ("ModuleNotFoundError: No module named 'yaml'", ("module", "yaml", "--rule python=yaml")),
        ("ModuleNotFoundError: No module named 'wave'", ("module", "wave", "--rule python=wave")),
        ("ModuleNotFoundError: No module named 'nowhere.at'", ("module", "nowhere.at", "")),
        ("Can't locate Text/Wrap.pm in @INC (@INC contains: /etc/perl) at -e line 1.",
         ("module", "Text::Wrap", "--rule perl=Text::Wrap")),
        ("sh: 1: tar: not found", ("command", "tar", "--with tar")),
        ("bash: line 1: tar: command not found", ("command", "tar", "--with tar")),
        ("env: \u2018tar\u2019: No such file or directory", ("command", "tar", "--with tar")),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'tar'", ("command", "tar", "--with tar")),
        ('exec: "tar": executable file not found in $PATH', ("command", "tar", "--with tar")),
        ("sh: 1: nothing: not found", ("command", "nothing", "")),
        ('nginx: [emerg] open() "/etc/app.conf" failed (2: No such file or directory)',
         ("file", "/etc/app.conf", "--add /etc/app.conf")),
        ("cat: /etc/app.conf: No such file or directory", ("file", "/etc/app.conf", "--add /etc/app.conf")),
        ("FileNotFoundError: [Errno 2] No such file or directory: '/etc/app.conf'",
         ("file", "/etc/app.conf", "--add /etc/app.conf")),
        ("Error: ENOENT: no such file or directory, open '/etc/app.conf'",
         ("file", "/etc/app.conf", "--add /etc/app.conf")),
        ("app: cannot open /srv/data: No such file or directory", ("file", "/srv/data", "")),
    ],
)  # fmt: skip
def test_it_is_named_with_the_flag_that_adds_it(line: str, found: tuple[str, str, str]) -> None:
    (one,) = find_missing(line.encode(), MemoryRoot({"/bin/app": b""}), SOURCE)
    assert (one.kind, one.name, one.flag) == found


def test_what_the_image_has_is_not_missing() -> None:
    image = MemoryRoot({"/etc/app.conf": b""})
    assert find_missing(b"/etc/app.conf: listed in it is a thing not found here", image, SOURCE) == ()


def test_each_is_named_once_and_in_order_and_not_without_end() -> None:
    lines = [f"cat: /srv/{number}: No such file or directory" for number in (2, 1, 2, *range(3, 200))]
    found = find_missing("\n".join(lines).encode(), MemoryRoot({}), SOURCE)
    assert [one.name for one in found[:3]] == ["/srv/2", "/srv/1", "/srv/3"]
    assert len(found) == 20


@pytest.mark.parametrize("piece", [b"\xff", b"/" * 100, b"No module named '", b"a: " * 50, b"\0: not found", b"/a/.."])
def test_strange_output_is_looked_at_in_a_bounded_way(piece: bytes) -> None:
    find_missing(piece * 100_000, MemoryRoot({}), SOURCE)
    find_missing((piece + b": No such file or directory\n") * 10_000, MemoryRoot({}), SOURCE)
