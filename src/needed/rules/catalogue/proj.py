"""Knows coordinates on Earth: PROJ's database, and GDAL's tables.

Recognises: libraries libproj and libgdal.
Adds: proj.db and proj.ini, without which no coordinate system is known; GDAL's folder of tables, and the plugins of
    formats that are installed for it. Grids that make transformations more exact are left to choose.
Costs: 8,283,162 bytes for PROJ.
Choices: `--rule proj=all` takes the grids along.
Source: https://proj.org/en/stable/resource_files.html; GDAL's GDAL_DATA; `strace -e %file projinfo EPSG:4326`.
"""

from __future__ import annotations

from needed.closure import Reason
from needed.rules.finding import Load, Take, Tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "proj"
FOLDERS = ("/usr/share/proj", "/usr/local/share/proj")
TABLES = ("/usr/share/gdal", "/usr/local/share/gdal")


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    for item in evidence:
        reason = Reason("rule", item.path, NAME, item.detail)
        name = item.path.rpartition("/")[2]
        folder = view.first(*(FOLDERS if name.startswith("libproj") else TABLES))
        if name.startswith("libproj") and not view.is_file(f"{folder}/proj.db"):
            yield Tell(f"{item.path} finds no proj.db in the root", "apt install proj-data in the root")
        for path, kind in view.tree(folder) if folder else ():
            grid = name.startswith("libproj") and path not in (f"{folder}/proj.db", f"{folder}/proj.ini")
            if kind != "directory" and (not grid or view.choices.value(NAME) == "all"):
                yield Take(path, reason)
        if name.startswith("libgdal"):
            plugins = (view.canonical(item.path) or item.path).rpartition("/")[0] + "/gdalplugins"
            for path, kind in view.tree(plugins):
                if kind != "directory" and path.endswith(".so"):
                    yield Load(path, item.path, reason)
