"""What is built into a root's own `ld.so`, as each distribution builds it in."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from needed.loader import Resolver
from needed.loader.ldso import parse_builtin
from needed.root import DirectoryRoot, RootPath
from tests.loader import sandbox
from tests.loader.synthetic import Writer, shared_object

BANNER = b"GNU C Library (Some) stable release version 2.38.\n\0"


def loader(*strings: bytes) -> bytes:
    return b"\x7fELF" + bytes(60) + b"%s: x\n\0" + b"\0".join(strings) + bytes(32) + b"/var/tmp\0/proc/self/exe\0"


@pytest.mark.parametrize(
    ("distribution", "content", "directories", "lib"),
    [
        (
            "Debian",
            loader(
                b"/lib/x86_64-linux-gnu/", b"/usr/lib/x86_64-linux-gnu/", b"/lib/", b"/usr/lib/",
                b"lib/x86_64-linux-gnu",
            ),
            ("/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib", "/usr/lib"),
            "lib/x86_64-linux-gnu",
        ),
        ("Fedora", loader(b"/lib64/", b"/usr/lib64/"), ("/lib64", "/usr/lib64"), "lib64"),
        ("Arch: slibdir and libdir are one", loader(b"/usr/lib/"), ("/usr/lib",), "lib"),
        ("x32", loader(b"/libx32/", b"/usr/libx32/"), ("/libx32", "/usr/libx32"), "libx32"),
        ("Nix", loader(b"/nix/store/abc-glibc-2.38/lib/"), ("/nix/store/abc-glibc-2.38/lib",), "lib"),
    ],
)
def test_the_system_directories_of(distribution: str, content: bytes, directories: tuple[str, ...], lib: str) -> None:
    found = parse_builtin(content)
    assert found is not None
    assert (found.system_dirs, found.lib) == (directories, lib)


def test_release_cache_and_preload_file() -> None:
    found = parse_builtin(loader(b"/lib/", b"/usr/lib/") + BANNER + b"/nix/etc/ld.so.cache\0/nix/etc/ld.so.preload\0")
    assert found is not None
    assert (found.version, found.cache, found.preload) == ((2, 38), "/nix/etc/ld.so.cache", "/nix/etc/ld.so.preload")
    older = parse_builtin(loader(b"/lib/", b"/usr/lib/"))
    assert older is not None
    assert (older.version, older.cache, older.preload) == ((), "/etc/ld.so.cache", "/etc/ld.so.preload")


@pytest.mark.parametrize("content", [b"", b"/\0", b"musl libc\0", bytes(4096), b"/\0" * 4096, b"/lib/" * 1000])
def test_what_is_no_glibc_loader_has_none(content: bytes) -> None:
    assert parse_builtin(content) is None


def test_a_real_loader_with_a_prefix_of_its_own_is_followed(tmp_path: Path) -> None:
    """This machine's loader, its directories overwritten by others of the same length, as Nix would build them in."""
    real = Path("/lib64/ld-linux-x86-64.so.2")
    usual = b"/lib/x86_64-linux-gnu/\0/usr/lib/x86_64-linux-gnu/\0/lib/\0/usr/lib/\0"
    if sys.platform != "linux" or not real.exists() or usual not in real.read_bytes() or not sandbox.works(tmp_path):
        assert "CI" not in os.environ, "no Debian loader, or no sandbox"
        pytest.skip("no Debian loader, or no sandbox")
    own = b"/nix/store/gl1bc-2/lb/\0/nix/store/glibc-2.36/lib/\0/lib/\0/usr/lib/\0"
    assert len(own) == len(usual)
    (tmp_path / "ld.so").write_bytes(real.read_bytes().replace(usual, own))
    folder = tmp_path / "nix/store/glibc-2.36/lib"
    folder.mkdir(parents=True)
    (folder / "libx.so").write_bytes(shared_object(soname="libx.so"))
    shutil.copy("/lib/x86_64-linux-gnu/libc.so.6", folder)
    program = Writer([("needed", "libx.so"), ("needed", "libc.so.6")], interpreter="/ld.so", starts=True)
    (tmp_path / "prog").write_bytes(program.finish())
    for path in (tmp_path / "ld.so", tmp_path / "prog"):
        path.chmod(0o755)

    mapped = Resolver(DirectoryRoot(tmp_path)).load_list(RootPath("/prog"))
    ours = [item.path for item in mapped.objects[1:]]
    assert ours == ["/nix/store/glibc-2.36/lib/libx.so", "/nix/store/glibc-2.36/lib/libc.so.6", "/ld.so"]
    started = sandbox.run_in(tmp_path, ["/prog"], {})
    assert started.returncode == 0, started.stderr
    assert [line for line in started.stdout.splitlines() if line.startswith("/")] == ours
