"""The bounded part of `make oracle`: two foreign roots, and the layouts of two more machines and of musl.

Asks the real loaders under qemu's user-mode emulation; the product never runs what it reads.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pytest
from tests.oracle.__main__ import as_text, cache_folder
from tests.oracle.compare import Comparison, How
from tests.oracle.comparisons import of_layouts, of_musl, of_packages
from tests.oracle.debian_root import DebianRoot
from tests.oracle.packages import FEW

JOBS = os.cpu_count() or 1


@pytest.fixture
def cache() -> Path:
    """Where roots are kept from run to run."""
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def assert_agreement(comparisons: Iterable[Comparison], at_least: int) -> None:
    results = list(comparisons)
    assert [line for result in results if result.disagreements for line in as_text(result)] == []
    assert min(result.compared for result in results) >= at_least


@pytest.mark.parametrize(("suite", "architecture"), [("trixie", "arm64"), ("bookworm", "s390x")])
def test_the_closure_of_each_file_of_a_foreign_root_is_its_own_loader_s(
    suite: str, architecture: str, cache: Path
) -> None:
    assert_agreement(of_packages(DebianRoot(suite, architecture, FEW), cache, How(240, JOBS)), 80)


@pytest.mark.parametrize(("suite", "architecture"), [("bookworm", "armhf"), ("trixie", "amd64")])
def test_each_layout_is_resolved_as_glibc_does(suite: str, architecture: str, cache: Path) -> None:
    assert_agreement(of_layouts(suite, architecture, cache, JOBS), 100)


def test_each_layout_is_resolved_as_musl_does(cache: Path) -> None:
    assert_agreement(of_musl("bookworm", "arm64", cache, JOBS), 50)
