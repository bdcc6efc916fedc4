"""Each machine as a real compiler marks it, and the platform of an image that follows from it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.engines.engines import run
from tests.oracle.__main__ import cache_folder

Needed = Callable[..., "subprocess.CompletedProcess[str]"]
MACHINES = [
    ("x86_64-linux-gnu", "x86-64", "linux/amd64"),
    ("x86_64-linux-gnux32", "x32", "linux/amd64"),
    ("x86-linux-gnu", "i386", "linux/386"),
    ("aarch64-linux-gnu", "arm64", "linux/arm64/v8"),
    ("arm-linux-gnueabihf", "armhf", "linux/arm/v7"),
    ("arm-linux-gnueabi", "armel", "linux/arm/v5"),
    ("riscv64-linux-gnu", "riscv64", "linux/riscv64"),
    ("powerpc64le-linux-gnu", "ppc64le", "linux/ppc64le"),
    ("s390x-linux-gnu", "s390x", "linux/s390x"),
    ("mips64el-linux-gnuabi64", "mips64el", "linux/mips64le"),
    ("loongarch64-linux-gnu", "loongarch64", "linux/loong64"),
]


@pytest.mark.parametrize(("target", "machine", "platform"), MACHINES)
def test_a_program_of_each_machine_makes_an_image_of_its_platform(
    needed: Needed, tmp_path: Path, target: str, machine: str, platform: str
) -> None:
    (tmp_path / "x.c").write_text("void _start(void) { for (;;); }\n")
    folder = str(cache_folder() / "zig")
    environment = {**os.environ, "ZIG_GLOBAL_CACHE_DIR": folder, "ZIG_LOCAL_CACHE_DIR": folder}
    zig = [sys.executable, "-m", "ziglang", "cc", "-target", target, "-static", "-nostdlib"]
    run(*zig, "-o", tmp_path / "prog", tmp_path / "x.c", env=environment)
    (found,) = json.loads(needed("inspect", "--json", "prog").stdout)
    assert (found["machine"], found["platform"], found["linkage"]) == (machine, platform, "static")
    needed("build", "./prog", "-o", "oci:layout:x")
    described = run("skopeo", "inspect", "--config", f"oci:{tmp_path}/layout:x")
    config = json.loads(described)
    assert "/".join(filter(None, (config["os"], config["architecture"], config.get("variant", "")))) == platform
