"""What is asked of a run: words and tables in, Checks out, and a sentence for everything else."""

from __future__ import annotations

import pytest

from needed.errors import UsageError
from needed.verify.checks import Check, HttpProbe, finished, parse_checks, parse_http, parse_seconds, parse_status


@pytest.mark.parametrize(
    ("text", "probe"),
    [
        ("8080", HttpProbe(8080, "/", 200)),
        ("8080/", HttpProbe(8080, "/", 200)),
        ("80/health", HttpProbe(80, "/health", 200)),
        ("80/nothing=404", HttpProbe(80, "/nothing", 404)),
        ("80=301", HttpProbe(80, "/", 301)),
        ("80/?page=2", HttpProbe(80, "/?page=2", 200)),
        ("80/?page=200=200", HttpProbe(80, "/?page=200", 200)),
    ],
)
def test_a_probe_is_a_port_a_path_and_a_status(text: str, probe: HttpProbe) -> None:
    assert parse_http(text) == probe


@pytest.mark.parametrize(
    "text", ["", "/", "0/", "65536/", "http://localhost/", "80/a b", "80/a\r\nX: y", "80/é", "-1/", "9" * 5000, "²"]
)
def test_what_is_no_probe_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_http(text)


@pytest.mark.parametrize("text", ["", "0", "-1", "x", "nan", "inf", "1e9"])
def test_a_time_is_above_zero_and_at_most_a_day(text: str) -> None:
    with pytest.raises(UsageError):
        parse_seconds(text, "--time")


@pytest.mark.parametrize("text", ["256", "-1", "x", "", "9" * 5000])
def test_a_status_is_a_byte(text: str) -> None:
    with pytest.raises(UsageError):
        parse_status(text, "--exit")


def test_a_program_that_is_only_run_must_end_with_0() -> None:
    assert finished(Check(exit=None), status=None, where="").exit == 0


def test_a_service_has_no_status_of_its_own() -> None:
    service = Check(exit=None, tcp=(80,))
    assert finished(service, status=None, where="").exit is None
    with pytest.raises(UsageError, match="no exit status of its own"):
        finished(service, status=0, where="--exit")


def test_as_on_the_host_is_asked_of_what_ends() -> None:
    with pytest.raises(UsageError, match="not of a service"):
        finished(Check(exit=None, stays_up=1, same_as_host=True), status=None, where="")


def test_a_time_limit_leaves_room_for_staying_up() -> None:
    assert finished(Check(exit=None, stays_up=100, seconds=5), status=None, where="").seconds > 100


def test_a_table_says_all_that_the_options_say() -> None:
    text = b"""
    [[rule]]
    name = "mine"
    [[check]]
    name = "serves"
    args = ["-g", "daemon off;"]
    env = ["PORT=80"]
    user = "33"
    http = ["80/", "80/nothing=404"]
    http_contains = ["Welcome"]
    tcp = [443]
    stays_up = 2
    stdout_contains = ["ready"]
    network = "host"
    capabilities = "root"
    time = 20
    [[check]]
    args = []
    exit = 3
    stderr_contains = ["usage"]
    """
    serves, ends = parse_checks(text, "needed.toml")
    assert serves == Check(
        "serves", ("-g", "daemon off;"), ("PORT=80",), "33", None, ("ready",), (),
        http=(HttpProbe(80, "/"), HttpProbe(80, "/nothing", 404)), http_contains=("Welcome",), tcp=(443,),
        stays_up=2.0, seconds=20.0, network="host", capabilities="root",
    )  # fmt: skip
    assert ends == Check(args=(), exit=3, stderr_contains=("usage",))


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ("exti = 0", "check 1: exti: unknown key"),
        ("exit = true", "check 1: exit: expected a number"),
        ("exit = 256", "check 1: exit 256: expected a status"),
        ("exit = 0\ntcp = [80]", "check 1: a program that is stopped"),
        ("args = 'x'", "check 1: args: expected a list of strings"),
        ("env = ['x']", "check 1: env: x: expected NAME=VALUE"),
        ("http = ['x/']", "check 1: http x/: x: expected a port"),
        ("http_contains = ['x']", "check 1: a text of an answer, and no address to ask"),
        ("tcp = ['80']", "check 1: tcp: expected a list of ports"),
        ("tcp = [70000]", "check 1: tcp: 70000: expected a port"),
        ("stays_up = 'x'", "check 1: stays_up: expected seconds"),
        ("stays_up = inf", "check 1: stays_up inf: expected seconds"),
        ("time = -1", "check 1: time -1: expected seconds"),
        ("same_as_host = 1", "check 1: same_as_host: expected true or false"),
        ("network = 'bridge'", "check 1: network bridge: expected none or host"),
        ("capabilities = 'all'", "check 1: capabilities all: expected none or root"),
        ("user = 1", "check 1: user: expected a string"),
        ('name = "x\\u0000"', "check 1: name: expected a string"),
    ],
)
def test_what_a_table_says_wrongly_is_named(table: str, sentence: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_checks(f"[[check]]\n{table}\n".encode(), "needed.toml")
    assert raised.value.message.startswith("needed.toml: ")
    assert sentence in raised.value.message


@pytest.mark.parametrize(
    "text", [b"check = 1", b"check = [1]", b"\xff", b"[[check]", b"[" * 5000, b"[[check]]\nexit = 0\n" * 101]
)
def test_what_is_no_list_of_checks_is_refused(text: bytes) -> None:
    with pytest.raises(UsageError):
        parse_checks(text, "needed.toml")
