"""The rules are listed once, each in a module of its own that says what it recognises, adds and costs."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

import needed.rules.catalogue
from needed.report.rules import PARTS, parse_about
from needed.rules.table import NAMES, TABLE, Rule

FOLDER = Path(needed.rules.catalogue.__file__).parent


def test_each_module_has_a_row_and_each_row_a_module() -> None:
    modules = {path.stem for path in FOLDER.glob("*.py")} - {"__init__"}
    assert modules == {name.replace("-", "_") for name in NAMES}
    assert len(NAMES) == len(set(NAMES))


@pytest.mark.parametrize("rule", TABLE, ids=NAMES)
def test_a_rule_says_what_it_recognises_adds_and_costs_and_where_that_is_from(rule: Rule) -> None:
    module = import_module(rule.module)
    assert rule.name == module.NAME
    about = parse_about(module.__doc__ or "")
    words = [word for word, _ in about.parts]
    assert words == [word for word in PARTS if word in words or word != "Choices"]
    assert all(text for _, text in about.parts)
    assert about.summary.endswith(".")


@pytest.mark.parametrize("rule", TABLE, ids=NAMES)
def test_something_calls_each_rule(rule: Rule) -> None:
    assert rule.imports or rule.libraries or rule.programs or rule.abilities or rule.scripts
