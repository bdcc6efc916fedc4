"""The walk on trees in memory: what the size or the shape of a tree must not do. The loaders' rules are in `cases/`."""

from __future__ import annotations

import pytest

from needed.closure import Reason
from needed.errors import SourceError
from needed.loader import Resolver, resolve
from needed.root import MemoryRoot
from tests.loader.synthetic import Writer, shared_object

LD = "/lib64/ld-linux-x86-64.so.2"


def test_thousands_of_libraries_in_a_chain_need_no_recursion() -> None:
    depth = 2000
    tree: dict[str, bytes | str] = {
        f"/lib/l{number}": shared_object(needed=(f"/lib/l{number + 1}",)) for number in range(depth)
    }
    tree[f"/lib/l{depth}"] = shared_object()
    tree[LD] = shared_object(soname="ld-linux-x86-64.so.2")
    tree["/prog"] = shared_object(needed=("/lib/l0",), interpreter=LD)
    mapped = resolve(MemoryRoot(tree), ["/prog"]).programs[0]
    assert len(mapped.objects) == depth + 3
    assert not mapped.missing


def test_a_cycle_back_to_the_program_ends() -> None:
    tree: dict[str, bytes | str] = {
        "/lib/main": shared_object(needed=("libb.so",), interpreter=LD),
        "/lib/libb.so": shared_object(needed=("main", "libc.so")),
        "/lib/libc.so": shared_object(needed=("libb.so",)),
        LD: shared_object(soname="ld-linux-x86-64.so.2"),
    }
    mapped = resolve(MemoryRoot(tree), ["/lib/main"]).programs[0]
    assert not mapped.missing
    assert [item.path for item in mapped.objects] == ["/lib/main", "/lib/libb.so", "/lib/main", "/lib/libc.so", LD]


def test_a_script_that_leads_back_to_itself_starts_nowhere() -> None:
    root = MemoryRoot({"/a": b"#!/b\n", "/b": b"#!/a\n", "/self": b"#!/self\n"})
    for path in ("/a", "/self"):
        with pytest.raises(SourceError, match=f"{path}: a script that is its own interpreter"):
            resolve(root, [path])


def test_the_kernel_follows_five_scripts_in_a_row() -> None:
    scripts: dict[str, bytes | str] = {f"/s{number}": f"#!/s{number - 1}\n".encode() for number in range(1, 7)}
    root = MemoryRoot({**scripts, "/s0": shared_object(interpreter="/ld.so")})
    assert len(resolve(root, ["/s5"]).scripts) == 5
    with pytest.raises(SourceError, match="more than 5 deep"):
        resolve(root, ["/s6"])


def test_thousands_of_directories_times_thousands_of_names_are_refused() -> None:
    names = tuple(f"lib{number}.so" for number in range(2000))
    dynamic = [("needed", name) for name in names] + [("runpath", ":".join(f"/{number}" for number in range(9000)))]
    tree: dict[str, bytes | str] = {"/prog": Writer(dynamic, interpreter=LD).finish(), LD: shared_object()}
    with pytest.raises(SourceError, match="too many places to search"):
        resolve(MemoryRoot(tree), ["/prog"])


@pytest.mark.parametrize("interpreter", [LD, "/lib/ld-musl-x86_64.so.1"])
@pytest.mark.parametrize("separator", ["", ":"], ids=["one directory", "many directories"])
def test_tokens_do_not_make_a_search_path_of_any_length(interpreter: str, separator: str) -> None:
    runpath = separator.join(f"$ORIGIN/{number}" for number in range(5000))
    content = Writer([("needed", "liba.so"), ("runpath", runpath)], interpreter=interpreter).finish()
    folder = ("/" + "d" * 200) * 15
    with pytest.raises(SourceError, match="longer than 1048576 characters"):
        resolve(MemoryRoot({f"{folder}/prog": content, interpreter: shared_object()}), [f"{folder}/prog"])


def test_what_one_plugin_opened_is_not_there_for_another() -> None:
    """Which of two plugins a process opens, and whether both, nobody knows: each must find all that it needs."""
    plugin = [("needed", "libshared.so"), ("runpath", "/private")]
    tree: dict[str, bytes | str] = {
        "/prog": shared_object(interpreter=LD),
        LD: shared_object(soname="ld-linux-x86-64.so.2"),
        "/plug/one.so": Writer(plugin).finish(),
        "/plug/inner.so": shared_object(needed=("libshared.so",)),
        "/plug/two.so": shared_object(needed=("libshared.so",)),
        "/private/libshared.so": shared_object(soname="libshared.so"),
        "/lib/libshared.so": shared_object(soname="libshared.so"),
    }
    resolver = Resolver(MemoryRoot(tree))
    resolver.resolve_for([("/prog", Reason("requested"))])

    def opened(by: str, name: str) -> list[str]:
        found = resolver.open("/prog", by, name, Reason("rule"))
        assert found is not None
        return [item.path for item in found.added.objects]

    assert opened("/prog", "/plug/one.so") == ["/plug/one.so", "/private/libshared.so"]
    assert opened("/plug/one.so", "/plug/inner.so") == ["/plug/inner.so"]
    assert opened("/prog", "/plug/two.so") == ["/plug/two.so", "/lib/libshared.so"]
