"""Makes and runs a PostgreSQL database: what initdb fills it from, and the modules that every database has.

Recognises: a program postgres, initdb or pg_ctl.
Adds: for initdb and pg_ctl, postgres beside them and /bin/sh, through which they start it. For postgres the catalog and
    the SQL of a new database, its samples of configuration, names of time zones and the words of text search, PL/pgSQL
    and Snowball with their libraries; empty /var/lib/postgresql and /var/run/postgresql that are the image's user's.
Costs: 2.4 MB beside the programs.
Choices: `--rule postgres=NAME,NAME` takes extensions of the root too (pg_trgm, hstore), and by a name of their own
    `conversions` between UTF-8 and older encodings (2.2 MB), `replication`, `jit` (134 MB, its compiler), and `all` but
    jit (5.9 MB). Time zones of SQL are the root's: `--rule zones=all`.
Source: https://www.postgresql.org/docs/15/app-initdb.html, extend-extensions.html (control files, $libdir),
    jit-extensibility.html; initdb.c.
"""

from __future__ import annotations

from needed.closure import Reason
from needed.rules.finding import Execute, Load, Make, Take, Tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "postgres"
# What initdb and the server read of the share folder; beside these stand manual pages and extensions.
SHARED = ("timezonesets", "tsearch_data")
ALWAYS = ("dict_snowball.so",)
REPLICATION = ("libpqwalreceiver.so", "pgoutput.so")
JIT = ("llvmjit.so", "llvmjit_types.bc")
ZONES = "/usr/share/zoneinfo"
EVERY, CONVERSIONS = "all", "conversions"
MAX_EXTENSIONS = 1_000


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    for item in evidence:
        program = view.canonical(item.path)
        if program is None:
            continue
        reason = Reason("rule", item.path, NAME, item.detail)
        folder, _, name = program.rpartition("/")
        if name != "postgres":
            yield Execute("/bin/sh", reason)
            yield Execute(f"{folder}/postgres", reason)
            continue
        share, libraries = _folders(view, folder)
        if share is None or libraries is None:
            yield Tell(f"what a database is made from is not where {program} has it", "install the server's package")
            continue
        yield from _shared(view, share, reason)
        for module in _modules(view, libraries):
            yield from _module(f"{libraries}/{module}", program, reason)
        for extension in _extensions(view, share):
            yield from _extension(view, (share, libraries, program), extension, reason)
        yield Make(ZONES, None, reason, 0o755)  # it is looked through at each start, and UTC needs no file in it
        for path in ("/var/lib/postgresql", "/var/run/postgresql"):
            yield Make(path, None, reason, 0o755, view.choices.user)


def _folders(view: View, folder: str) -> tuple[str | None, str | None]:
    """Where the program finds its share and library folders: as Debian, Alpine, Fedora and `make install` have it."""
    above = folder.rpartition("/")[0]
    share = (
        above.replace("/lib/", "/share/", 1),
        folder.replace("/libexec/", "/share/", 1),
        *(f"{above}/share{name}" for name in ("", "/pgsql", "/postgresql")),
    )
    libraries = (
        f"{above}/lib",
        folder.replace("/libexec/", "/lib/", 1),
        *(f"{above}/{name}" for name in ("lib64/pgsql", "lib/pgsql", "lib/postgresql")),
    )
    return (
        next((one for one in share if view.is_file(f"{one}/postgres.bki")), None),
        next((one for one in libraries if view.is_file(f"{one}/plpgsql.so")), None),
    )


def _chosen(view: View) -> list[str]:
    return [name for name in (view.choices.value(NAME) or "").split(",") if name]


def _shared(view: View, share: str, reason: Reason) -> Iterator[Finding]:
    for name, kind in view.kinds(share):
        if kind != "directory":
            yield Take(f"{share}/{name}", reason)
    for name in SHARED:
        for path, kind in view.tree(f"{share}/{name}"):
            if kind == "file":  # links are to dictionaries that a package makes from others
                yield Take(path, reason)


def _modules(view: View, libraries: str) -> Iterator[str]:
    """The files of the library folder that belong to no extension alone."""
    chosen = _chosen(view)
    there = view.names(libraries)
    wanted = {*ALWAYS}
    wanted |= {*REPLICATION} if "replication" in chosen else set()
    wanted |= {*JIT} if "jit" in chosen else set()
    for name in there:
        conversion = CONVERSIONS in chosen and "_and_" in name
        every = EVERY in chosen and name not in JIT and name.endswith(".so")
        if name in wanted or conversion or every:
            yield name


def _extensions(view: View, share: str) -> Iterator[str]:
    """PL/pgSQL, which is in every database, and what was chosen, each with what it requires."""
    chosen = _chosen(view)
    pending = ["plpgsql", *(name for name in chosen if name not in (EVERY, CONVERSIONS, "replication", "jit"))]
    if EVERY in chosen:
        names = view.names(f"{share}/extension")
        pending += [name.removesuffix(".control") for name in names if name.endswith(".control")]
    seen: set[str] = set()
    while pending and len(seen) < MAX_EXTENSIONS:
        name = pending.pop(0)
        if name not in seen:
            seen.add(name)
            yield name
            required = parse_control(view.text(f"{share}/extension/{name}.control")).get("requires", "")
            pending += [one.strip() for one in required.split(",") if one.strip()]


def _extension(view: View, places: tuple[str, str, str], name: str, reason: Reason) -> Iterator[Finding]:
    share, libraries, program = places
    control = f"{share}/extension/{name}.control"
    if "/" in name or not view.is_file(control):
        yield Tell(f"the root has no extension {name}", f"install it in the root: {control}")
        return
    for one in view.names(f"{share}/extension"):
        if one == f"{name}.control" or one.startswith(f"{name}--"):
            yield Take(f"{share}/extension/{one}", reason)
    module = parse_control(view.text(control)).get("module_pathname", "").rpartition("/")[2]
    if module:
        yield from _module(f"{libraries}/{module.removesuffix('.so')}.so", program, reason)


def _module(path: str, program: str, reason: Reason) -> Iterator[Finding]:
    if path.endswith(".so"):
        yield Load(path, program, reason)
    else:
        yield Take(path, reason)


def parse_control(text: str) -> dict[str, str]:
    """The values of an extension's control file, without their quotes."""
    found = {}
    for line in text.splitlines():
        name, equals, rest = line.partition("=")
        if equals and not name.lstrip().startswith("#"):
            quoted = rest.strip()
            found[name.strip()] = quoted[1:].partition("'")[0] if quoted.startswith("'") else quoted
    return found
