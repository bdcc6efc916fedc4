"""iconv: which modules of gconv come along, and what they need of each other."""

from __future__ import annotations

import pytest

from tests.rules.asking import Files, ask, opened, taken, told
from tests.rules.trees import LIBC, library, program

GCONV = "/lib64/gconv"
MODULES = b"""# from to module cost
alias\tGB2312//\tEUC-CN//
alias\tCP936//\tGBK//
module\tEUC-CN//\tINTERNAL\tEUC-CN\t1
module\tINTERNAL\tEUC-CN//\tEUC-CN\t1
"""
EXTRA = b"""module GBK// INTERNAL GBK 1
module INTERNAL GBK// GBK 1
module GBK// EUC-CN// GBGBK 1
module EUC-CN// GBK// GBGBK 1
module KOI8-R// INTERNAL KOI8-R 1
"""
FILES: Files = {
    "/bin/app": program("iconv_open"),
    "/bin/iconv": program("iconv_open"),
    "/bin/tar": program("iconv_open", "nl_langinfo"),
    f"{GCONV}/gconv-modules": MODULES,
    f"{GCONV}/gconv-modules.d/extra.conf": EXTRA,
    f"{GCONV}/EUC-CN.so": library("EUC-CN.so", needed=("libGB.so",)),
    f"{GCONV}/libGB.so": library("libGB.so"),
    **{f"{GCONV}/{name}.so": library(f"{name}.so") for name in ("GBK", "GBGBK", "KOI8-R")},
    "/lib64/libGB.so": library("libGB.so"),
}
CACHED: Files = {**FILES, f"{GCONV}/gconv-modules.cache": b"cache"}


def modules(*names: str) -> set[str]:
    return {f"{GCONV}/{name}.so" for name in names}


def test_any_program_gets_what_libc_has_built_in_and_is_told_so() -> None:
    found = ask(FILES)
    assert (taken(found, "iconv"), opened(found, "iconv")) == ({}, set())
    assert told(found, "iconv") == ["/bin/app converts UTF-8, ASCII and UCS, and no other character set"]


def test_of_what_converts_the_locales_character_set_nothing_is_told() -> None:
    assert told(ask(FILES, "/bin/tar"), "iconv") == []


def test_of_a_library_nothing_is_told() -> None:
    files = {"/bin/app": program(needed=("libidn.so.1",)), "/lib64/libidn.so.1": library("libidn.so.1", "iconv_open")}
    assert told(ask({**FILES, **files}), "iconv") == []


def test_the_program_iconv_gets_every_module() -> None:
    found = ask(CACHED, "/bin/iconv")
    assert opened(found, "iconv") == modules("EUC-CN", "GBK", "GBGBK", "KOI8-R", "libGB")


def test_a_cache_is_all_the_configuration_there_is_to_read() -> None:
    assert taken(ask(CACHED, "/bin/iconv"), "iconv") == {f"{GCONV}/gconv-modules.cache": None}


def test_without_a_cache_the_configuration_comes_whole() -> None:
    whole = {f"{GCONV}/gconv-modules": None, f"{GCONV}/gconv-modules.d/extra.conf": None}
    assert taken(ask(FILES, "/bin/iconv"), "iconv") == whole


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ("GBK", ("GBK",)),
        ("cp936", ("GBK",)),
        ("UTF-8,KOI8-R", ("KOI8-R",)),
        ("GB2312", ("EUC-CN",)),
        ("GBK,GB2312", ("GBK", "EUC-CN", "GBGBK")),
        ("all", ("EUC-CN", "GBK", "GBGBK", "KOI8-R", "libGB")),
    ],
)
def test_chosen_sets_bring_the_modules_between_them(chosen: str, expected: tuple[str, ...]) -> None:
    found = ask(CACHED, values=(("iconv", chosen),))
    assert opened(found, "iconv") == modules(*expected)
    assert told(found, "iconv") == []


def test_a_module_brings_its_libraries() -> None:
    found = ask(CACHED, values=(("iconv", "EUC-CN"),))
    assert "libGB.so" in {item.path.rpartition("/")[2] for item in found.closure.objects}


def test_a_set_that_no_module_knows_is_told() -> None:
    assert told(ask(CACHED, values=(("iconv", "KLINGON"),)), "iconv") == ["iconv knows no character set KLINGON"]


def test_a_configuration_that_names_a_path_leads_nowhere() -> None:
    files = {**FILES, f"{GCONV}/gconv-modules": b"module X// INTERNAL ../../evil 1\nmodule\nalias x\n", "/evil.so": b""}
    assert opened(ask(files, values=(("iconv", "X"),)), "iconv") == set()


def test_musl_has_its_tables_in_libc() -> None:
    musl = "libc.musl-x86_64.so.1"
    files = {key: content for key, content in FILES.items() if key != LIBC}
    files |= {"/bin/iconv": program("iconv_open", needed=(musl,)), f"/lib64/{musl}": library(musl, needed=())}
    assert opened(ask(files, "/bin/iconv"), "iconv") == set()
