"""Programs that open libraries while they run: by a literal name and through a note they are in, else they are told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.engines.conftest import Needed
from tests.engines.engines import Docker, run
from tests.engines.jobs import build

OPEN = """
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
%(before)s
int main(int count, char **words)
{
    char name[64];
    %(name)s
    void *opened = dlopen(name, RTLD_NOW);
    puts(opened ? "opened" : dlerror());
    return !opened;
}
"""
NOTE = """
__attribute__((used, aligned(4), section(".note.dlopen"))) static const struct {
    unsigned namesz, descsz, type;
    char name[4];
    char text[%(size)d];
} note = { 4, sizeof note.text, 0x407c0c0a, "FDO", %(text)s };
"""


def compiled(folder: Path, name: str, before: str = "") -> Path:
    source = folder / "open.c"
    source.write_text(OPEN % {"before": before, "name": name})
    run("gcc", "-o", folder / "open", source)
    return folder / "open"


@pytest.fixture
def noted(tmp_path: Path) -> Path:
    """It takes the name from its arguments, so that no string of it is one."""
    text = json.dumps([{"soname": ["libz.so.9", "libz.so.1"], "priority": "recommended", "feature": "compression"}])
    size = (len(text) + 4) // 4 * 4
    before = NOTE % {"size": size, "text": json.dumps(text)}
    return compiled(tmp_path, "snprintf(name, sizeof name, count > 1 ? words[1] : \"\");", before)


def test_a_literal_name_is_in(docker: Docker, needed: Needed, tmp_path: Path) -> None:
    program = compiled(tmp_path, 'strcpy(name, "libz.so.1"); volatile const char *kept = "libz.so.1"; (void)kept;')
    job = build(docker, needed, "literal", program)
    assert job.work().stdout == "opened\n"
    assert "complete, as far as these rules go: dlopen" in job.report.replace("\n         ", " ")
    without = build(docker, needed, "literal-without", program, "--no-rule", "dlopen")
    assert "libz.so.1: cannot open shared object file" in without.work(ok=False).stdout
    assert "left open by open (dlopen)" in without.report.replace("\n         ", " ")


def test_a_name_of_a_note_is_in(docker: Docker, needed: Needed, noted: Path) -> None:
    job = build(docker, needed, "noted", noted)
    assert job.work("libz.so.1").stdout == "opened\n"
    without = build(docker, needed, "noted-without", noted, "--no-rule", "dlopen")
    assert "libz.so.1: cannot open shared object file" in without.work("libz.so.1", ok=False).stdout


def test_a_name_that_is_computed_is_told_with_what_adds_it(docker: Docker, needed: Needed, tmp_path: Path) -> None:
    program = compiled(tmp_path, 'snprintf(name, sizeof name, "lib%c.so.%d", \'z\', count);')
    job = build(docker, needed, "computed", program)
    assert "left open by open (dlopen)" in job.report.replace("\n         ", " ")
    assert "--with NAME" in job.report
    assert "libz.so.1: cannot open shared object file" in job.work(ok=False).stdout
    along = build(docker, needed, "computed-along", program, "--with", "libz.so.1")
    assert along.work().stdout == "opened\n"
