"""Connects through ODBC: the drivers that odbcinst.ini names, with their libraries.

Recognises: a library libodbc (unixODBC) or libiodbc.
Adds: /etc/odbcinst.ini, or the one of another distribution, and the Driver of each of its sections; the Setup libraries
    are for windows and are left out. A data source that the root's odbc.ini describes is not taken, since it may hold
    a password.
Costs: 200 bytes and the drivers: SQLite's 2,548,086 with its library.
Choices: `--rule odbc=SQLite3,FreeTDS` takes the drivers of these sections only.
Source: http://www.unixodbc.org/odbcinst.html; `strace -e %file isql`.
"""

from __future__ import annotations

from needed.closure import Reason
from needed.rules.finding import Load, Take, Tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "odbc"
PATHS = ("/etc/odbcinst.ini", "/etc/unixODBC/odbcinst.ini", "/usr/local/etc/odbcinst.ini")
MAX_DRIVERS = 200


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    item = evidence[0]
    reason = Reason("rule", item.path, NAME, item.detail)
    path = next((one for one in PATHS if view.is_file(one)), None)
    drivers = parse_drivers(view.text(path)) if path else {}
    if path is None or not drivers:
        yield Tell("the root describes no driver of ODBC", "odbcinst -i -d -f FILE in the root")
        return
    yield Take(path, reason)
    wanted = {one for one in (view.choices.value(NAME) or "").split(",") if one}
    for unknown in sorted(wanted - drivers.keys()):
        yield Tell(f"{path} has no driver {unknown}", f"it has {', '.join(drivers)}")
    for section, library in drivers.items():
        if not wanted or section in wanted:
            path = next((one for one in places(view, item.path, library) if view.is_file(one)), None)
            if path is not None:
                yield Load(path, item.path, reason)
            else:
                yield Tell(f"the driver {library} of {section} is not there", f"--rule {NAME}=SECTION,SECTION")


def places(view: View, by: str, library: str) -> list[str]:
    """Where the driver manager at `by` finds a driver: a name without a path is Debian's folder's, or the loader's."""
    if "/" in library:
        return [library]
    folder = (view.canonical(by) or by).rpartition("/")[0]
    folders = (f"{folder}/odbc", folder, view.libc_folder(), "/usr/lib64", "/usr/lib", "/usr/local/lib")
    return [f"{one}/{library}" for one in folders]


def parse_drivers(text: str) -> dict[str, str]:
    """The Driver of each section of an odbcinst.ini but [ODBC]."""
    found: dict[str, str] = {}
    section = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1].strip()
        key, equals, value = line.partition("=")
        named = equals and value.strip() and key.strip().lower() in ("driver", "driver64")
        if named and section.lower() not in ("", "odbc") and len(found) < MAX_DRIVERS:
            found[section] = value.strip()
    return found
