"""Draws with OpenGL and EGL: Mesa behind the vendor-neutral libraries, and its software renderer.

Recognises: libGLX and libEGL of libglvnd, and Mesa's own libraries, which load drivers.
Adds: libGLX_mesa beside libGLX; libEGL_mesa, and the file that names it, beside libEGL. The software renderer where a
    program itself links or opens OpenGL: it needs libLLVM. Where only a library does, a driver is left to choose.
    Drivers of hardware come by choice.
Costs: the libraries 2.6 MB; the renderer 205 MB more, 117 of them libLLVM.
Choices: `--rule mesa=swrast` takes the software renderer, `--rule mesa=iris,radeonsi` these drivers, `--rule mesa=all`
    every one, `--rule mesa=none` none.
Source: libglvnd src/EGL/libeglvendor.c, src/GLX/libglxmapping.c; Mesa src/loader/loader.c; `strace -e %file eglinfo`.
"""

from __future__ import annotations

from needed.closure import Reason
from needed.rules.finding import Load, Take, Tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "mesa"
VENDORS = ("/etc/glvnd/egl_vendor.d", "/usr/share/glvnd/egl_vendor.d")
NEUTRAL = ("libGL.so", "libGLX.so", "libEGL.so", "libOpenGL.so", "libGLESv")
SOFTWARE = "swrast,kms_swrast"
MAX_MANIFESTS = 100
MAX_MANIFEST = 65_536  # bytes


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    for item in evidence:
        reason = Reason("rule", item.path, NAME, item.detail)
        name = item.path.rpartition("/")[2]
        if name.startswith("libGLX.so"):
            yield Load("libGLX_mesa.so.0", item.path, reason)
        elif name.startswith("libEGL.so"):
            for path in manifests(view, VENDORS):
                yield Take(path, reason)
                yield Load(library_path(view.read(path, MAX_MANIFEST)), item.path, reason)
        else:
            yield from _drivers(view, item.path, reason)


def _drivers(view: View, by: str, reason: Reason) -> Iterator[Finding]:
    chosen = view.choices.value(NAME) or (SOFTWARE if asked_by_program(view, NEUTRAL) else "")
    folder = (view.canonical(by) or by).rpartition("/")[0] + "/dri"
    drivers = [name for name in view.names(folder) if name.endswith("_dri.so")]
    if drivers and not chosen:
        yield Tell("a library can draw with OpenGL: a driver is left to choose", f"--rule {NAME}=swrast, or none")
    if drivers and chosen == SOFTWARE:
        yield Tell(
            "the software renderer is taken, which is large: it needs libLLVM", f"--rule {NAME}=none, or =DRIVER"
        )
    wanted = chosen.split(",")
    for name in drivers:
        if "all" in wanted or name.removesuffix("_dri.so") in wanted:
            yield Load(f"{folder}/{name}", by, reason)


def asked_by_program(view: View, libraries: tuple[str, ...]) -> bool:
    """Whether a program itself, and not only a library of it, links or opens one of `libraries`."""
    programs = {program.path for program in view.closure.programs}
    needed = (need for program in view.closure.programs for need in program.needs if need.needed_by in programs)
    opened = (one for one in view.closure.opened if one.by in programs)
    return any(need.name.startswith(libraries) for need in needed) or any(
        one.name.rpartition("/")[2].startswith(libraries) for one in opened
    )


def manifests(view: View, folders: tuple[str, ...]) -> list[str]:
    """The JSON files of folders of vendors or drivers."""
    found = [f"{folder}/{name}" for folder in folders for name in view.names(folder) if name.endswith(".json")]
    return found[:MAX_MANIFESTS]


def library_path(manifest: bytes) -> str:
    """What such a file names under ICD; "" if it is no such file."""
    import json

    try:
        path = json.loads(manifest)["ICD"]["library_path"]
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        return ""
    return path if isinstance(path, str) and "\0" not in path else ""
