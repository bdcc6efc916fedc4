"""Images for other machines, verified on this one under qemu's user-mode emulation, with libraries and without."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.engines.conftest import Needed
from tests.oracle.__main__ import cache_folder
from tests.oracle.debian_root import DebianRoot, make_root
from tests.oracle.packages import FEW

HELLO = '#include <stdio.h>\nint main(void) { return puts("hello") < 0; }\n'


@pytest.mark.parametrize(("suite", "architecture"), [("trixie", "arm64"), ("bookworm", "s390x")])
def test_an_image_of_a_foreign_root_is_verified(needed: Needed, suite: str, architecture: str) -> None:
    root = make_root(DebianRoot(suite, architecture, FEW), cache_folder())
    needed("build", "getent", "--root", root, "-q", "-o", "oci:image")
    said = needed(
        "verify", "oci:image", "--root", root, "--stdout-contains", "nonroot", "--", "passwd", "65532"
    ).stdout  # fmt: skip
    assert said.splitlines()[-1] == "verified: oci:image"


def test_a_static_program_of_c_for_another_machine_is_verified(needed: Needed, tmp_path: Path) -> None:
    (tmp_path / "hello.c").write_text(HELLO)
    needed("build", "hello.c", "--platform", "linux/arm64", "-q", "-o", "oci:image")
    assert "verified: oci:image" in needed("verify", "oci:image", "--stdout-contains", "hello").stdout
