"""What a database is made from, where each distribution keeps it."""

from __future__ import annotations

import pytest

from needed.rootfs import Directory
from needed.rules.catalogue.postgres import parse_control
from needed.rules.choices import Choices
from tests.loader.synthetic import shared_object
from tests.rules.server_trees import of_rule, planned, told
from tests.rules.trees import program

BIN, SHARE, LIB = "/usr/lib/postgresql/15/bin", "/usr/share/postgresql/15", "/usr/lib/postgresql/15/lib"
TRGM = b"comment = 'x'\n#module_pathname = '$no'\nmodule_pathname = '$libdir/pg_trgm'\nrequires = 'cube, plpgsql'\n"


def tree(binaries: str = BIN, share: str = SHARE, libraries: str = LIB) -> dict[str, bytes | str]:
    return {
        "/bin/sh": program(),
        f"{binaries}/postgres": program(),
        f"{binaries}/initdb": program(),
        f"{share}/postgres.bki": b"bki",
        f"{share}/man/man7/SELECT.7": b"manual",
        f"{share}/timezonesets/Default": b"UTC",
        f"{share}/tsearch_data/en.stop": b"the",
        f"{share}/tsearch_data/en_us.dict": "-> /var/cache/en_us.dict",
        "/var/cache/en_us.dict": b"a dictionary",
        f"{share}/extension/plpgsql.control": b"module_pathname = '$libdir/plpgsql'\n",
        f"{share}/extension/plpgsql--1.0.sql": b"CREATE",
        f"{share}/extension/cube.control": b"module_pathname = '$libdir/cube'",
        f"{share}/extension/pg_trgm.control": TRGM,
        f"{share}/extension/pg_trgm--1.6.sql": b"CREATE",
        **{
            f"{libraries}/{name}.so": shared_object()
            for name in ("plpgsql", "dict_snowball", "cube", "pg_trgm", "utf8_and_win", "libpqwalreceiver", "pgoutput")
        },
        f"{libraries}/llvmjit.so": shared_object(needed=("libLLVM.so",)),
        f"{libraries}/llvmjit_types.bc": b"bc",
        "/lib/libLLVM.so": shared_object(),
    }


ALWAYS = [
    f"{LIB}/dict_snowball.so", f"{LIB}/plpgsql.so", f"{SHARE}/extension/plpgsql--1.0.sql",
    f"{SHARE}/extension/plpgsql.control", f"{SHARE}/postgres.bki", f"{SHARE}/timezonesets/Default",
    f"{SHARE}/tsearch_data/en.stop", "/usr/share/zoneinfo", "/var/lib/postgresql", "/var/run/postgresql",
]  # fmt: skip


def brought(value: str) -> list[str]:
    """What the rule brings for `--rule postgres=VALUE` beyond what it always brings; libraries by name."""
    found = planned(tree(), f"{BIN}/postgres", choices=Choices(values=(("postgres", value),)))
    assert {*ALWAYS} <= {*of_rule(found, "postgres")}
    return [path.rpartition("/")[2] for path in of_rule(found, "postgres") if path not in ALWAYS]


def test_a_server_gets_catalog_names_of_zones_and_plpgsql_but_no_manual_and_no_dictionary_of_the_system() -> None:
    assert of_rule(planned(tree(), f"{BIN}/postgres"), "postgres") == ALWAYS


def test_its_folders_are_the_images_users() -> None:
    found = planned(tree(), f"{BIN}/postgres", choices=Choices(user=(1000, 100)))
    for path in ("/var/lib/postgresql", "/var/run/postgresql"):
        assert found.rootfs.entries[path] == Directory(0o755, (1000, 100))


def test_initdb_brings_the_server_beside_it_and_a_shell() -> None:
    found = planned(tree(), f"{BIN}/initdb")
    assert {f"{BIN}/postgres", "/bin/sh", *ALWAYS} <= {*of_rule(found, "postgres")}
    assert "/bin/sh" not in planned(tree(), f"{BIN}/postgres").rootfs.entries


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("pg_trgm", ["cube.so", "pg_trgm.so", "cube.control", "pg_trgm--1.6.sql", "pg_trgm.control"]),
        ("conversions,replication", ["libpqwalreceiver.so", "pgoutput.so", "utf8_and_win.so"]),
        ("jit", ["llvmjit.so", "llvmjit_types.bc"]),
    ],
)
def test_a_choice_brings_an_extension_with_what_it_requires_or_a_group(value: str, names: list[str]) -> None:
    assert brought(value) == names


def test_all_is_all_but_the_compiler() -> None:
    assert {"utf8_and_win.so", "cube.so", "pg_trgm.control", "pgoutput.so"} <= {*brought("all")}
    assert not [name for name in brought("all") if "llvm" in name]


def test_jit_comes_with_its_libraries() -> None:
    choices = Choices(values=(("postgres", "jit"),))
    assert "/lib/libLLVM.so" in planned(tree(), f"{BIN}/postgres", choices=choices).rootfs.entries


def test_an_extension_that_the_root_lacks_is_told() -> None:
    choices = Choices(values=(("postgres", "postgis"),))
    assert told(planned(tree(), f"{BIN}/postgres", choices=choices)) == ["the root has no extension postgis"]


@pytest.mark.parametrize(
    ("binaries", "share", "libraries"),
    [
        ("/usr/bin", "/usr/share/pgsql", "/usr/lib64/pgsql"),
        ("/usr/libexec/postgresql17", "/usr/share/postgresql17", "/usr/lib/postgresql17"),
        ("/usr/local/pgsql/bin", "/usr/local/pgsql/share", "/usr/local/pgsql/lib"),
        ("/usr/pgsql-16/bin", "/usr/pgsql-16/share", "/usr/pgsql-16/lib"),
        ("/usr/local/bin", "/usr/local/share/postgresql", "/usr/local/lib/postgresql"),
    ],
)
def test_fedora_alpine_and_an_own_build_have_their_folders(binaries: str, share: str, libraries: str) -> None:
    found = planned(tree(binaries, share, libraries), f"{binaries}/postgres")
    assert {f"{share}/postgres.bki", f"{libraries}/plpgsql.so"} <= {*found.rootfs.entries}


def test_a_server_without_its_files_is_told() -> None:
    sentence = "what a database is made from is not where /bin/postgres has it"
    assert told(planned({"/bin/postgres": program()}, "/bin/postgres")) == [sentence]


def test_a_control_file_has_quotes_and_comments() -> None:
    parsed = parse_control(TRGM.decode())
    assert (parsed["module_pathname"], parsed["requires"]) == ("$libdir/pg_trgm", "cube, plpgsql")
