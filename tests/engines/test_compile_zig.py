"""`needed compile` with the real zig: files and projects, with and without C, the same bytes twice."""

from __future__ import annotations

import os
import shutil
import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

Needed = Callable[..., "subprocess.CompletedProcess[str]"]
HELLO = """const linux = @import("std").os.linux;

pub fn main() void {
    const text = "hello from zig\\n";
    _ = linux.write(1, text, text.len);
}
"""
SERVER = """const std = @import("std");
const linux = std.os.linux;

pub fn main() void {
    const listener: i32 = @intCast(linux.socket(linux.AF.INET, linux.SOCK.STREAM, 0));
    var address: linux.sockaddr.in = .{ .port = 0, .addr = std.mem.nativeToBig(u32, 0x7f000001) };
    var size: linux.socklen_t = @sizeOf(linux.sockaddr.in);
    _ = linux.bind(listener, @ptrCast(&address), size);
    _ = linux.listen(listener, 8);
    _ = linux.getsockname(listener, @ptrCast(&address), &size);
    std.debug.print("{d}\\n", .{std.mem.bigToNative(u16, address.port)});
    while (true) {
        const client: i32 = @intCast(linux.accept(listener, null, null));
        var request: [4096]u8 = undefined;
        _ = linux.read(client, &request, request.len);
        const answer = "HTTP/1.0 200 OK\\r\\nContent-Length: 14\\r\\n\\r\\nhello from zig";
        _ = linux.write(client, answer, answer.len);
        _ = linux.close(client);
    }
}
"""
WITH_C = """extern "c" fn puts(s: [*:0]const u8) c_int;

pub fn main() void {
    _ = puts("through C");
}
"""
PROJECT = """const std = @import("std");

pub fn build(b: *std.Build) void {
    const target = b.standardTargetOptions(.{});
    const optimize = b.standardOptimizeOption(.{});
    const program = b.addExecutable(.{
        .name = "greet",
        .root_module = b.createModule(.{
            .root_source_file = b.path("src/main.zig"),
            .target = target,
            .optimize = optimize,
        }),
    });
    b.installArtifact(program);
}
"""


def project(folder: Path, text: str = PROJECT) -> Path:
    (folder / "src").mkdir(parents=True)
    (folder / "build.zig").write_text(text)
    (folder / "src/main.zig").write_text(HELLO)
    return folder


def digest_of(result: subprocess.CompletedProcess[str]) -> str:
    return next(line for line in result.stderr.splitlines() if line.startswith("digest"))


def test_a_server_is_static_stripped_and_answers(needed: Needed, tmp_path: Path) -> None:
    (tmp_path / "server.zig").write_text(SERVER)
    result = needed("compile", "server.zig")
    assert "libc    static\n" in result.stderr
    assert "not stripped" not in result.stderr
    assert "twice   the same bytes from another folder" in result.stderr
    with subprocess.Popen([tmp_path / "server"], stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            port = int(server.stderr.readline())
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as response:
                assert response.read() == b"hello from zig"
        finally:
            server.kill()


@pytest.mark.parametrize("make", [project, lambda folder: (folder.mkdir(parents=True), _file(folder))[1]])
def test_two_folders_give_one_digest(needed: Needed, tmp_path: Path, make: Callable[[Path], Path]) -> None:
    source = make(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "another/place")
    there = tmp_path / "another/place" / source.relative_to(tmp_path / "one")
    first = needed("compile", source, "--once", "-o", "first")
    second = needed("compile", there, "--once", "-o", "second")
    assert digest_of(first) == digest_of(second)
    assert str(tmp_path).encode() not in (tmp_path / "first").read_bytes()


def _file(folder: Path) -> Path:
    (folder / "server.zig").write_text(SERVER)
    return folder / "server.zig"


def test_one_project_for_five_machines(needed: Needed, tmp_path: Path) -> None:
    project(tmp_path / "project")
    platforms = "linux/amd64,linux/arm64,linux/riscv64,linux/s390x,linux/arm/v7"
    needed("compile", "project", "-o", "greet", "--once", "--platform", platforms)
    machines = {"amd64": "x86_64", "arm64": "aarch64", "riscv64": "riscv64", "s390x": "s390x", "armv7": "arm"}
    for name, machine in machines.items():
        said = subprocess.check_output([f"qemu-{machine}-static", tmp_path / f"greet-{name}"], text=True)
        assert said == "hello from zig\n"


@pytest.mark.parametrize(
    ("libc", "says"),
    [("static", "static"), ("musl", "dynamic: /lib/ld-musl-x86_64.so.1, libc.so"),
     ("glibc:2.17", "dynamic: /lib64/ld-linux-x86-64.so.2, libc.so.6")],
)  # fmt: skip
def test_with_c_it_is_linked_with_the_library_that_is_asked_for(
    needed: Needed, tmp_path: Path, libc: str, says: str
) -> None:
    (tmp_path / "c.zig").write_text(WITH_C)
    result = needed("compile", "c.zig", "--libc", libc, "--platform", "linux/amd64", "--", "-lc")
    assert f"libc    {says}" in result.stderr
    if libc != "musl":
        assert subprocess.check_output([tmp_path / "c"], text=True) == "through C\n"


def test_mistakes_are_told_in_zigs_words(needed: Needed, tmp_path: Path) -> None:
    (tmp_path / "c.zig").write_text(WITH_C)
    lines = needed("compile", "c.zig", status=12).stderr.splitlines()
    assert any("c.zig:1:8: error: dependency on libc" in line for line in lines)
    assert lines[-1] == "hint: pass it on: -- -lc"
    assert os.listdir(tmp_path) == ["c.zig"]


def test_a_project_without_a_target_of_its_own_is_told_what_it_lacks(needed: Needed, tmp_path: Path) -> None:
    project(tmp_path / "project", PROJECT.replace("b.standardTargetOptions(.{})", "b.graph.host"))
    lines = needed("compile", "project", "-o", "x", status=12).stderr.splitlines()
    assert lines[-1] == "hint: build.zig has to ask for it: b.standardTargetOptions(.{})"
    assert os.listdir(tmp_path) == ["project"]
    assert sorted(os.listdir(tmp_path / "project")) == ["build.zig", "src"]
