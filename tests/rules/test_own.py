"""The rules of a project, and what a command line says to rules."""

from __future__ import annotations

import pytest

from needed.errors import UsageError
from needed.request import Request, parse_request, render_request, values_of_image
from needed.rootfs import Directory, File, GeneratedContent, Rootfs
from needed.rules.choices import parse_rule_options, parse_user
from needed.rules.own import parse_own_rules

WHOLE = b"""
[[rule]]
name = "reports"
about = "templates"
programs = ["reportd"]
take = ["/usr/share/reports"]
load = ["/usr/lib/reports/*.so"]
execute = ["pdftotext"]
folders = ["/var/lib/reports"]
"""


def test_a_rule_of_a_project_is_read() -> None:
    (rule,) = parse_own_rules(WHOLE, "needed.toml")
    assert (rule.row.name, rule.row.programs, rule.execute) == ("reports", ("reportd",), ("pdftotext",))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"[[rule]", "is no TOML"),
        (b"\xff", "is no TOML"),
        (b"rule = 1", r"rule: expected \[\[rule\]\] tables"),
        (b"rule = [1]", "rule 1: expected a table"),
        (b"[[rule]]\nname='x'\nprogram=['a']", "rule 1: program: unknown key"),
        (b"[[rule]]\nname='users'\nprograms=['a']", "rule 1: name: expected letters"),
        (b"[[rule]]\nname='all'\nprograms=['a']", "rule 1: name: expected letters"),
        (b"[[rule]]\nname='package'\nprograms=['a']", "rule 1: name: expected letters"),
        (b"[[rule]]\nprograms=['a']", "rule 1: name: expected letters"),
        (b"[[rule]]\nname='x'\ntake=['/a']", "rule 1: nothing calls it"),
        (b"[[rule]]\nname='x'\nprograms='a'", "programs: expected a list of strings"),
        (b"[[rule]]\nname='x'\nprograms=['a']\ntake=['etc/x']", "take: etc/x: expected an absolute path"),
        (b"[[rule]]\nname='x'\nprograms=['a']\ntake=['/../x']", "expected an absolute path"),
        (WHOLE + WHOLE, "two rules are named reports"),
    ],
)
def test_a_file_of_rules_that_is_wrong_is_refused_in_a_sentence(text: bytes, message: str) -> None:
    with pytest.raises(UsageError, match=message) as raised:
        parse_own_rules(text, "needed.toml")
    assert raised.value.hints


def test_a_rule_is_steered_by_its_name() -> None:
    choices = parse_rule_options(["zones=Europe/Berlin", "locale"], ["users"], ["zones", "locale", "users"])
    assert (choices.value("zones"), choices.value("locale"), choices.value("users")) == ("Europe/Berlin", "", None)
    assert choices.is_off("users")
    assert not choices.is_off("zones")


def test_a_name_that_no_rule_has_is_refused_with_what_was_meant() -> None:
    with pytest.raises(UsageError, match="--no-rule zone: there is no such rule") as raised:
        parse_rule_options([], ["zone"], ["zones", "locale"])
    assert raised.value.hints[0] == "did you mean zones?"
    with pytest.raises(UsageError, match="zones: is both on and off"):
        parse_rule_options(["zones"], ["zones"], ["zones"])


@pytest.mark.parametrize(
    ("text", "user"),
    [("65532:65532", (65532, 65532)), ("7", (7, 7)), ("7:8", (7, 8)), ("", (0, 0)), ("www", (65534, 65534))],
)
def test_the_user_of_a_config_is_numbers(text: str, user: tuple[int, int]) -> None:
    assert parse_user(text) == user


def test_what_was_said_to_rules_is_in_the_request_and_comes_back() -> None:
    request = Request(
        ("/bin/a",), rules=(("zones", "all"), ("locale", "")), off=("users",), along=("mkdir", "lib x.so.1"),
        packages=("nginx",),
    )  # fmt: skip
    line = render_request(request)
    assert line == (
        "needed build /bin/a --rule zones=all --rule locale --no-rule users --with mkdir --with 'lib x.so.1'"
        " --package nginx"
    )
    assert parse_request(line) == request


def test_a_file_that_a_rule_read_on_the_building_machine_is_not_named_in_the_image() -> None:
    rootfs = Rootfs({"/app": Directory(), "/app/main.js": File(0o644, 0, GeneratedContent(b""))}, {})
    values = (("certificates", "system,/home/me/own.pem"), ("node", "/app/main.js"), ("zones", "all"), ("locale", ""))
    assert [*values_of_image(values, rootfs)] == [
        ("certificates", "system"), ("node", "/app/main.js"), ("zones", "all"), ("locale", ""),
    ]  # fmt: skip
