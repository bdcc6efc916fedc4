"""Programs that draw, compose and list by what lies beside them: graphs, pictures, OpenGL, Vulkan, keys, devices."""

from __future__ import annotations

from pathlib import Path

from tests.engines.conftest import Needed
from tests.engines.engines import Docker, run
from tests.engines.jobs import build

GRAPH = "digraph { here -> there }"
ZSH = "zmodload zsh/datetime && print ${#EPOCHSECONDS}"
# A device as `lspci -x` prints it: maker, device and class of its configuration space.
DEVICE = "00:00.0 one\n00: 86 80 37 12 00 00 00 00 00 00 00 06" + 52 * " 00" + "\n\n"
# Told how keys are composed in a locale, or not at all.
COMPOSE = """
#include <stdio.h>
void *xkb_context_new(int);
void *xkb_compose_table_new_from_locale(void *, const char *, int);
int main(void)
{
    int found = xkb_compose_table_new_from_locale(xkb_context_new(1), "en_US.UTF-8", 0) != NULL;
    puts(found ? "keys compose" : "no table");
    return !found;
}
"""


def test_graphviz_has_its_plugins(docker: Docker, needed: Needed) -> None:
    assert "there</text>" in build(docker, needed, "dot", "dot").work("-Tsvg", stdin=GRAPH).stdout
    without = build(docker, needed, "dot-without", "dot", "--no-rule", "graphviz")
    assert '"svg" not recognized' in without.work("-Tsvg", stdin=GRAPH, ok=False).stderr


def test_graphicsmagick_has_its_settings(docker: Docker, needed: Needed) -> None:
    words = ("convert", "-list", "delegates")
    assert "Path: /usr/lib/GraphicsMagick" in build(docker, needed, "gm", "gm").work(*words).stdout
    without = build(docker, needed, "gm-without", "gm", "--no-rule", "graphicsmagick")
    assert "Path: /" not in without.work(*words, ok=False).stdout


def test_zsh_loads_its_modules(docker: Docker, needed: Needed) -> None:
    assert build(docker, needed, "zsh", "zsh").work("-fc", ZSH).stdout == "10\n"
    without = build(docker, needed, "zsh-without", "zsh", "--no-rule", "zsh")
    assert "failed to load module" in without.work("-fc", ZSH, ok=False).stderr


def test_pci_devices_have_names(docker: Docker, needed: Needed) -> None:
    words = ("-F", "/dev/stdin")
    assert "440FX" in build(docker, needed, "lspci", "lspci").work(*words, stdin=DEVICE).stdout
    without = build(docker, needed, "lspci-without", "lspci", "--no-rule", "pci")
    assert "Device 8086:1237" in without.work(*words, stdin=DEVICE).stdout


def test_opengl_draws_without_hardware(docker: Docker, needed: Needed) -> None:
    words = ("-B", "-p", "surfaceless")
    drawn = build(docker, needed, "eglinfo", "eglinfo").work(*words, ok=False).stdout
    assert "EGL version string: 1.5" in drawn
    without = build(docker, needed, "eglinfo-without", "eglinfo", "--no-rule", "mesa")
    assert "eglInitialize failed" in without.work(*words, ok=False).said


def test_vulkan_has_a_driver_without_hardware(docker: Docker, needed: Needed) -> None:
    assert "llvmpipe" in build(docker, needed, "vulkaninfo", "vulkaninfo").work("--summary").stdout
    without = build(docker, needed, "vulkaninfo-without", "vulkaninfo", "--no-rule", "vulkan")
    assert "Found no drivers" in without.work("--summary", ok=False).said


def test_keys_compose(docker: Docker, needed: Needed, tmp_path: Path) -> None:
    source, program = tmp_path / "compose.c", tmp_path / "compose"
    source.write_text(COMPOSE)
    run("gcc", "-o", program, source, "-l:libxkbcommon.so.0")
    assert build(docker, needed, "compose", program).work().stdout == "keys compose\n"
    without = build(docker, needed, "compose-without", program, "--no-rule", "x11")
    assert "no table" in without.work(ok=False).stdout
