"""Converts character sets: the gconv modules of the C library that the program is for, or that you name.

Recognises: an object other than the C library's own that imports iconv_open, in a closure with glibc (musl has its
    tables in libc).
Adds: for the program `iconv`, whose job it is, every module. For any other, nothing: UTF-8, ASCII and UCS are built
    into libc.so.6, and which others a program will be asked for only you know. That is told of a program that asks
    itself and does not import nl_langinfo as well: what does, as tar and wget, and most libraries convert from and to
    the locale's. With modules comes gconv-modules.cache, or gconv-modules where there is no cache.
Costs: nothing, or 8,028,812 bytes for all of 253 modules; 148,108 with `--rule iconv=GBK`.
Choices: `--rule iconv=GBK,EUC-JP` takes the modules between these sets and UTF-8, by any name that iconv knows them
    by, with what they need; `--rule iconv=all` takes every one.
Source: iconv_open(3), iconvconfig(8); glibc iconv/gconv_conf.c, gconv_cache.c, gconv_builtin.h.
"""

from __future__ import annotations

from needed.closure import Reason
from needed.elf.symbols import imported_names
from needed.rules.finding import Load, Take, Tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "iconv"
LOCALES_OWN = "nl_langinfo"  # tells what character set the locale has
MAX_LINES = 50_000
MAX_FILES = 100
MAX_MODULES = 2000
INTERNAL = "INTERNAL"
BUILT_IN = frozenset({"UTF-8", "UTF8", "ASCII", "US-ASCII", "ANSI_X3.4-1968", "UCS-2", "UCS-4", "WCHAR_T", "UCS-4LE"})

# From which character set, into which, and the module's file. Names are in upper case, without their slashes.
Conversion = tuple[str, str, str]


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    if view.object("libc.so.6") is None:
        return
    own = view.libc_folder()
    folder = view.first(f"{own}/gconv", f"/usr{own}/gconv")
    chosen = [name.upper() for name in (view.choices.value(NAME) or "").split(",") if name]
    programs = {program.path for program in view.closure.programs if program.reason.kind == "requested"}
    for item in evidence:
        reason = Reason("rule", item.path, NAME, item.detail)
        name = item.path.rpartition("/")[2]
        if folder is None:
            if chosen or name == "iconv":
                yield Tell("the root has no gconv modules", "install glibc's modules in the root")
        elif "ALL" in chosen or (name == "iconv" and not chosen):
            if not chosen:
                yield Tell("every character set of the root comes along", "--rule iconv=GBK,EUC-JP takes just these")
            every = {file for file in view.names(folder) if file.endswith(".so")}
            yield from _modules(view, folder, every, item, reason)
        elif chosen:
            conversions, aliases = read_configuration(view, folder)
            wanted = {aliases.get(one, one) for one in chosen}
            known = {source for source, _, _ in conversions}
            for one in chosen:
                if aliases.get(one, one) not in known and one not in BUILT_IN:
                    yield Tell(f"iconv knows no character set {one}", "iconv -l lists them")
            yield from _modules(view, folder, modules_between(conversions, wanted), item, reason)
        elif item.path in programs and LOCALES_OWN not in (view.parse(item.path, imported_names) or ()):
            yield Tell(f"{item.path} converts UTF-8, ASCII and UCS, and no other character set",
                       "--rule iconv=GBK,ISO-8859-1 takes others along, and --rule iconv=all 8 MB of them")  # fmt: skip


def _modules(view: View, folder: str, modules: set[str], item: Evidence, reason: Reason) -> Iterator[Finding]:
    cache = f"{folder}/gconv-modules.cache"
    for path in [cache] if view.is_file(cache) else configuration_files(view, folder):
        yield Take(path, reason)
    for module in sorted(modules)[:MAX_MODULES]:
        if view.is_file(f"{folder}/{module}"):
            yield Load(f"{folder}/{module}", item.path, reason)


def configuration_files(view: View, folder: str) -> list[str]:
    """gconv-modules, and since glibc 2.34 what is in gconv-modules.d."""
    inside = [f"{folder}/gconv-modules.d/{name}" for name in view.names(f"{folder}/gconv-modules.d")]
    return [path for path in (f"{folder}/gconv-modules", *inside[:MAX_FILES]) if view.is_file(path)]


def read_configuration(view: View, folder: str) -> tuple[list[Conversion], dict[str, str]]:
    """The conversions, and each alias with what it stands for."""
    conversions: list[Conversion] = []
    aliases: dict[str, str] = {}
    left = MAX_LINES
    for path in configuration_files(view, folder):
        for line in view.text(path).splitlines()[:left]:
            left -= 1
            match line.partition("#")[0].upper().split():
                case ["ALIAS", alias, name, *_]:
                    aliases.setdefault(alias.rstrip("/"), name.rstrip("/"))
                case ["MODULE", source, target, _, *_]:
                    module = line.split()[3]  # file names keep their case
                    file = module if module.endswith(".so") else f"{module}.so"
                    if "/" not in file:
                        conversions.append((source.rstrip("/"), target.rstrip("/"), file))
    return conversions, aliases


def modules_between(conversions: list[Conversion], names: set[str]) -> set[str]:
    """The modules with which each of `names` is converted into each other and into libc's internal form."""
    ends = {*names, INTERNAL}
    return {module for source, target, module in conversions if source in ends and target in ends}
