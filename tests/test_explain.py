"""Chains of reasons, requests in an image's history, and notes on a closure."""

from __future__ import annotations

import pytest

from needed.errors import UsageError
from needed.explain import find_chains, find_entry
from needed.loader import Settings
from needed.pipeline import plan
from needed.report.explain import render_chains, render_folder
from needed.request import Request, parse_request, render_request
from needed.root import MemoryRoot
from tests.loader.synthetic import Writer, shared_object

LD = "/lib64/ld-linux-x86-64.so.2"
TREE: dict[str, bytes | str] = {
    LD: shared_object(soname="ld-linux-x86-64.so.2"),
    "/bin/prog": shared_object(needed=("liba.so", "libb.so"), interpreter=LD),
    "/lib": "-> usr/lib",
    "/usr/lib/liba.so": shared_object(needed=("libb.so",)),
    "/usr/lib/libb.so": "-> libb.so.1",
    "/usr/lib/libb.so.1": shared_object(),
}


def chains(path: str) -> list[list[str]]:
    rootfs = plan(MemoryRoot(TREE), ["/bin/prog"]).rootfs
    entry = find_entry(rootfs, path)
    return [[f"{step.path} {step.reason}" for step in chain] for chain in find_chains(rootfs, entry or "")]


def test_a_chain_ends_at_what_was_requested() -> None:
    assert chains("/lib/liba.so") == [["/usr/lib/liba.so needed by /bin/prog", "/bin/prog requested"]]


def test_a_link_is_there_for_what_it_leads_to() -> None:
    assert chains("/usr/lib/libb.so")[0][0] == "/usr/lib/libb.so symlink to /usr/lib/libb.so.1"


def test_a_bare_name_finds_the_library_and_an_unknown_one_nothing() -> None:
    rootfs = plan(MemoryRoot(TREE), ["/bin/prog"]).rootfs
    assert find_entry(rootfs, "libb.so.1") == "/usr/lib/libb.so.1"
    assert find_entry(rootfs, "libc.so") is None
    assert find_entry(rootfs, "/nowhere") is None


def test_a_folder_is_there_for_what_is_in_it() -> None:
    rootfs = plan(MemoryRoot(TREE), ["/bin/prog"]).rootfs
    assert list(find_chains(rootfs, "/usr")) == []
    assert list(render_folder("/usr", rootfs))[:2] == ["/usr", "  folder of /usr/lib/liba.so"]


def test_the_shortest_chain_is_shown_and_the_others_are_counted() -> None:
    rootfs = plan(MemoryRoot(TREE), ["/bin/prog"]).rootfs
    found = list(find_chains(rootfs, "/lib"))
    lines = list(render_chains("/lib", found, everything=False))
    assert lines[0] == "/lib" and lines[-1] == f"and {len(found) - 1} more: --all"
    assert [len(chain) for chain in found] == sorted(len(chain) for chain in found)


@pytest.mark.parametrize(
    "request_",
    [
        Request(("/bin/ls",)),
        Request(("/bin/a b", "/it's"), ("/etc/x", "/\udcff"), "x86-64-v3", preload=True),
        Request(()),
    ],
)
def test_a_request_survives_the_line_of_history(request_: Request) -> None:
    assert parse_request(render_request(request_)) == request_


@pytest.mark.parametrize("line", ["", "RUN x", "needed buildx", *map("needed build {}".format, ("x", "--add", "'"))])
def test_what_is_not_ours_is_no_request(line: str) -> None:
    assert parse_request(line) is None


def notes(tree: dict[str, bytes | str], settings: Settings) -> list[str]:
    return [f"{note.message} | {note.hint}" for note in plan(MemoryRoot(tree), ["/bin/prog"], settings=settings).notes]


def test_what_is_left_out_is_told() -> None:
    program = Writer([("needed", "libb.so"), ("audit", "/lib/spy.so")], interpreter=LD).finish()
    tree = {
        **TREE,
        "/bin/prog": program,
        "/etc/ld.so.preload": b"/lib/hook.so\n",
        "/lib": "-> usr/lib",
        "/usr/lib/glibc-hwcaps/x86-64-v2/libb.so": shared_object(),
    }
    assert notes(tree, Settings(preload_file=False)) == [
        "/bin/prog asks for the audit module /lib/spy.so, which is left out | --add /lib/spy.so",
        "what /etc/ld.so.preload preloads is left out: /lib/hook.so | --preload takes it along",
        "variants for better processors are left out: /lib/glibc-hwcaps/x86-64-v2/libb.so | --hwcaps x86-64-v2",
    ]


def test_a_preload_that_is_nowhere_is_told_and_a_level_of_another_machine_refused() -> None:
    said = notes(TREE, Settings(preload=("/nope.so",), preload_file=False))
    assert said == ["LD_PRELOAD names /nope.so, which is nowhere: the loader says so at each start | "]
    with pytest.raises(UsageError, match="power10 is a level of another machine's processors"):
        notes(TREE, Settings(hwcaps=("power10", "power9")))


def test_nothing_is_told_where_nothing_is_left_out() -> None:
    assert notes(TREE, Settings(preload_file=False)) == []


def test_an_image_of_somebody_else_does_not_know_what_was_asked_for() -> None:
    from needed.image.root import ImageRoot
    from needed.image.squash import Node
    from needed.pipeline import plan_of_image

    with pytest.raises(UsageError, match="was not built by needed"):
        plan_of_image(ImageRoot(Node("directory", 0o755, 0)), "image")
