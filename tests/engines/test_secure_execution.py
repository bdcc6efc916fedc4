"""What a setuid program does with $ORIGIN when somebody else than its owner starts it: what `inspect` warns of."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tests.hostile.command import run
from tests.hostile.test_programs import LD, need_a_kernel, with_loader
from tests.loader import sandbox
from tests.loader.synthetic import Writer, shared_object

NOBODY = 65534


@pytest.mark.parametrize("mode", [0o755, 0o4755, 0o2755], ids=lambda mode: f"E12-{mode:o}")
@pytest.mark.parametrize("runpath", ["$ORIGIN/lib", "${ORIGIN}/lib", "$ORIGIN/../usr/lib", "/bin/lib"])
def test_e12_the_loader_ignores_what_is_warned_of(tmp_path: Path, runpath: str, mode: int) -> None:
    need_a_kernel(tmp_path)
    assert os.geteuid() == 0, "only root may become somebody else"
    root = with_loader(tmp_path / "root")
    place = root / ("usr/lib" if "usr" in runpath else "bin/lib")
    place.mkdir(parents=True)
    (place / "libx.so").write_bytes(shared_object())
    (root / "bin").mkdir(exist_ok=True)
    program = root / "bin/p"
    program.write_bytes(Writer([("needed", "libx.so"), ("runpath", runpath)], interpreter=LD, starts=True).finish())
    program.chmod(mode)
    started = sandbox.run_in(root, ["/bin/p"], {}, user=NOBODY)
    warned = json.loads(run("inspect", "--json", str(program)).out)[0]["warnings"]
    trusted = "usr" in runpath  # /usr/lib is a system directory
    secure = mode != 0o755
    assert (started.returncode == 0) == (trusted or not secure or "ORIGIN" not in runpath), started.stderr
    assert bool(warned) == (secure and "ORIGIN" in runpath)
