"""Opens windows, databases and pictures with Qt: the plugins of the Qt libraries that are there.

Recognises: libraries libQt5... and libQt6..., of which each has kinds of plugins of its own.
Adds: with Gui the platform that QT_QPA_PLATFORM of the image names, else xcb, wayland, offscreen and minimal, the
    formats gif, ico and jpeg, and with xcb composed keys; with Svg its formats; with Sql the drivers that are there;
    with Network TLS, as a plugin (Qt 6) or as libssl (Qt 5); with Quick or OpenGL what joins xcb and OpenGL; a qt.conf
    beside a program. Themes of desktops, and modules of QML, are left to choose.
Costs: 10,593,084 bytes for a program with Gui and Sql, with the libraries and the font that xcb brings.
Choices: `--rule qt=platforms/eglfs,platformthemes/gtk3` adds plugins, by kind and name; `--rule qt=qml` the modules
    of QML; `--rule qt=all` every plugin.
Source: https://doc.qt.io/qt-6/deployment-plugins.html, qt-conf.html; `strace -e %file qhelpgenerator`.
"""

from __future__ import annotations

from needed.closure import Reason
from needed.rules.finding import Load, Take, Tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "qt"
PLATFORMS = ("xcb", "offscreen", "minimal", "wayland-generic", "wayland")
# By the part of a library's name behind libQtN: kinds of plugins, and which of them; None for all.
PLUGINS: dict[str, dict[str, tuple[str, ...] | None]] = {
    "Gui": {
        "platforms": PLATFORMS,
        "imageformats": ("gif", "ico", "jpeg"),
        "platforminputcontexts": ("composeplatforminputcontextplugin",),
    },
    "Svg": {"imageformats": ("svg",), "iconengines": ("svgicon",)},
    "Sql": {"sqldrivers": None},
    "Network": {"tls": None},
    "OpenGL": {"xcbglintegrations": None},
    "Quick": {"xcbglintegrations": None},
    "WaylandClient": {"wayland-shell-integration": None, "wayland-decoration-client": None},
}
TLS = ("libssl.so.3", "libcrypto.so.3", "libssl.so.1.1", "libcrypto.so.1.1")


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    chosen = [one for one in (view.choices.value(NAME) or "").split(",") if one]
    for item in evidence:
        reason = Reason("rule", item.path, NAME, item.detail)
        name = item.path.rpartition("/")[2]
        major, part = name[5:6], name[6:].partition(".")[0]
        folders = plugin_folders(view, item.path, major)
        for kind, usual in PLUGINS.get(part, {}).items():
            wanted = _platforms(view) if kind == "platforms" else usual
            if kind == "platforminputcontexts" and "xcb" not in _platforms(view):
                continue
            for path, plugin in _plugins(view, folders, kind):
                if wanted is None or plugin in wanted:
                    yield Load(path, item.path, reason)
        if part == "Network":
            library = view.canonical(item.path) or item.path
            for one in TLS:
                if view.is_file(f"{library.rpartition('/')[0]}/{one}"):
                    yield Load(one, item.path, reason)
        elif part == "Core":
            yield from _chosen(view, item.path, folders, chosen, reason)
        elif part in ("Qml", "Quick") and not {"qml", "all"} & {*chosen}:
            yield Tell(f"{item.path} imports modules of QML, which are left to choose", f"--rule {NAME}=qml, or --add")


def plugin_folders(view: View, library: str, major: str) -> list[str]:
    """Where the Qt of this library keeps plugins: each distribution's place, Qt's own installer's, a program's own."""
    folder = (view.canonical(library) or library).rpartition("/")[0]
    above = folder.rpartition("/")[0]
    places = [f"{folder}/qt{major}/plugins", f"{folder}/qt/plugins", f"{above}/plugins"]
    for program in view.closure.programs:
        beside = program.path.rpartition("/")[0]
        places += [beside, f"{beside}/plugins"]
    kinds = ("platforms", "sqldrivers", "tls", "imageformats")
    return [one for one in dict.fromkeys(places) if any(view.is_folder(f"{one}/{kind}") for kind in kinds)]


def _platforms(view: View) -> tuple[str, ...]:
    """What the image's environment says, alternatives between semicolons and arguments behind a colon."""
    said = view.choices.variable("QT_QPA_PLATFORM") or ""
    return tuple(one.partition(":")[0] for one in said.split(";") if one) or PLATFORMS


def _plugins(view: View, folders: list[str], kind: str) -> Iterator[tuple[str, str]]:
    """The plugins of a kind, each with its name."""
    for folder in folders:
        for name in view.names(f"{folder}/{kind}"):
            if name.startswith("libq") and name.endswith(".so"):
                yield f"{folder}/{kind}/{name}", name[4:-3]
            elif name.startswith("lib") and name.endswith(".so"):
                yield f"{folder}/{kind}/{name}", name[3:-3]


def _chosen(view: View, by: str, folders: list[str], chosen: list[str], reason: Reason) -> Iterator[Finding]:
    """What `--rule` names, and each program's own qt.conf."""
    for program in view.closure.programs:
        if view.is_file(beside := f"{program.path.rpartition('/')[0]}/qt.conf"):
            yield Take(beside, reason)
    kinds = dict.fromkeys(kind for folder in folders for kind in view.names(folder)) if chosen else {}
    for kind in kinds:
        for path, plugin in _plugins(view, folders, kind):
            if "all" in chosen or f"{kind}/{plugin}" in chosen:
                yield Load(path, by, reason)
    modules = [f"{folder.removesuffix('/plugins')}/qml" for folder in folders] if {"qml", "all"} & {*chosen} else []
    for folder in modules:
        for path, what in view.tree(folder):
            if what != "directory":
                yield Load(path, by, reason) if path.endswith(".so") else Take(path, reason)
