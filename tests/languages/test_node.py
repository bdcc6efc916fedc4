"""What a JavaScript source asks for: literal names in calls and declarations, never in text."""

from __future__ import annotations

import pytest

from needed.languages.node import Asked, find_requests


def names(source: str, *kinds: str) -> list[str]:
    return [item.name for item in find_requests(source) if item.kind in (kinds or ("require", "import"))]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("const a = require('a'), b = require(\"./b\");", ["a", "./b"]),
        ("import a, { b } from './c.mjs'; import 'd';", ["./c.mjs", "d"]),
        ("export * from 'e'; export { x as y } from \"f\"", ["e", "f"]),
        ("await import('g'); import(`h`)", ["g", "h"]),
        ("require.resolve('i'); module.require('j')", ["i", "j"]),
        ("require('a\\x2fb')", ["a/b"]),
        ("x = a / b; require('k'); y = c / d", ["k"]),
        ("if (/[/'\"]require\\(/.test(x)) require('l')", ["l"]),
        ("`text ${ require('m') + `${'}'}` } text`; require('n')", ["m", "n"]),
        ("#!/usr/bin/env node\nrequire('o')", ["o"]),
        ("(a) / require('p') / 2", ["p"]),
    ],
)
def test_literal_names_are_found(source: str, found: list[str]) -> None:
    assert names(source) == found


@pytest.mark.parametrize(
    "source",
    [
        "// require('x')",
        "/* import 'x' */",
        "'require(\"x\")'",
        "`require('x')`",
        "x = /require('x')/g",
        "return /'/.test(x) // require('x')",
        "other.require('x')",
        "import.meta.url",
        "Array.from('x')",
    ],
)
def test_text_and_members_are_none(source: str) -> None:
    assert names(source) == []


def test_a_computed_name_is_told_with_its_line() -> None:
    assert find_requests("\nrequire(name)") == (Asked("computed", "require(name)", 2),)
    assert [item.kind for item in find_requests("import(`./${name}.js`)")] == ["computed"]


@pytest.mark.parametrize(
    ("source", "file"),
    [
        ("path.join(__dirname, 'views', 'a.html')", "./views/a.html"),
        ("__dirname + '/public'", "./public"),
        ("new URL('./w.wasm', import.meta.url)", "./w.wasm"),
        ("new Worker('./worker.js')", "./worker.js"),
    ],
)
def test_files_beside_the_source_are_found(source: str, file: str) -> None:
    assert names(source, "file") == [file]


def test_hostile_sources_end() -> None:
    units = ("`${", "/", "'", "require(", "/*", "/[", '"\\', "{")
    for source in (unit * 100_000 for unit in units):
        find_requests(source)
