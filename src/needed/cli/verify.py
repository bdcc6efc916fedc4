"""`needed verify`: does the image run, and do what is asked of it?"""

from __future__ import annotations

import os
import sys

from needed.cli.configuration import read_configuration
from needed.cli.console import write
from needed.cli.roots import open_root_option, temporary_folder
from needed.errors import UsageError
from needed.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from needed.root import Root
    from needed.verify.checks import Check
    from needed.verify.judge import Subject, Verdict

_EPILOG = """\
First what the files say: program, interpreter, libraries, versions, symbols.
Then the image runs, in a sandbox that sees no file of this machine and, without
--network host, has no network but its own. ARGS stand behind the image's entrypoint, as in docker run.
Where no check is named, those of needed.toml are made, or it must end with 0:

  [[check]]
  name = "serves"
  args = ["-g", "daemon off;"]
  http = ["80/", "80/nothing=404"]

exit status: 0 verified, 11 failed, 10 not verified: nothing here could run it.

examples:
  needed verify oci:curl -- --version
  needed verify docker-archive:nginx.tar --http 80/ -- -g 'daemon off;'
  needed verify oci:app --stdout-contains ready --root /srv/debian
"""


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "verify",
        help="run an image, and say whether it does what is asked",
        usage="needed verify [OPTION...] IMAGE [-- ARGS]",
        description="Runs an image in a sandbox and says whether it does what is asked of it.",
        epilog=_EPILOG,
        allow_abbrev=False,
    )
    option = parser.add_argument
    option("image", metavar="IMAGE", help="as --root of build: oci:DIR, docker-archive:FILE, docker-daemon:NAME, ...")
    option("--platform", default="", metavar="OS/ARCH", help="which image of several (default: this machine's)")
    option("--root", default="/", metavar="ROOT", help="the root that it was built from (default /)")
    option("--json", action="store_true", help="an object on standard output")
    words = parser.add_argument_group("what is run")
    option = words.add_argument
    option("--env", "-e", action="append", default=[], metavar="NAME=VALUE", help="in the program's environment")
    option("--user", default="", metavar="UID[:GID]", help="in place of the image's")
    option("--sandbox", default="", metavar="NAME", help="unshare, bubblewrap, docker or podman (default: what works)")
    add_check_options(parser)
    parser.set_defaults(run=run, command=())


def add_check_options(parser: argparse.ArgumentParser) -> None:
    """Declare what can be asked of a run."""
    asked = parser.add_argument_group("what is asked")
    option = asked.add_argument
    option("--checks", metavar="FILE", help="checks to make (default needed.toml, if it is there)")
    option("--time", default="", metavar="SECONDS", help="the most that it may take (default 60)")
    option("--network", default="", metavar="NAME", help="none (loopback only) or host (default none)")
    option("--capabilities", default="", metavar="NAME", help="none, or root: the image's may become another user")
    option("--exit", metavar="N", help="it ends with the status N (default 0)")
    option("--stdout-contains", action="append", default=[], metavar="TEXT", help="it prints TEXT")
    option("--stderr-contains", action="append", default=[], metavar="TEXT", help="it prints TEXT to standard error")
    option("--same-as-host", action="store_true", help="as the same command does in the source root: output, status")
    option("--http", action="append", default=[], metavar="PORT/PATH[=STATUS]", help="it answers, with 200 or STATUS")
    option("--http-contains", action="append", default=[], metavar="TEXT", help="and the answer has TEXT")
    option("--tcp", action="append", default=[], metavar="PORT", help="it listens on PORT")
    option("--stays-up", default="", metavar="SECONDS", help="it is still running after SECONDS")


def run(arguments: argparse.Namespace) -> int:
    from needed.cli.build import stop_on_signals
    from needed.image.root import ImageRoot
    from needed.verify.judge import Subject

    checks = checks_of(arguments)
    root = open_root_option(arguments.image, arguments.platform, ours=True)
    _check_room(root, arguments.image)
    config = root.config if isinstance(root, ImageRoot) else None
    stop_on_signals()
    source = open_root_option(arguments.root, arguments.platform, ours=True)
    verdict = judge(Subject(root, config, source), checks, arguments.sandbox)
    show(verdict, arguments.image, as_json=arguments.json)
    return verdict.exit_code


def _check_room(root: Root, image: str) -> None:
    """Raise UsageError for a folder that the copy of it, which the sandbox needs, would stand in."""
    from needed.root import DirectoryRoot

    folder = os.path.realpath(temporary_folder())
    if isinstance(root, DirectoryRoot) and f"{folder}/".startswith(os.path.realpath(root.path).rstrip("/") + "/"):
        raise UsageError(
            f"{image} holds {folder}, where its copy for the sandbox would stand",
            hints=["build an image of what is needed of it: needed build PROGRAM -o oci:DIR"],
        )


def judge(subject: Subject, checks: tuple[Check, ...], sandbox: str = "") -> Verdict:
    """The verdict of the sandbox `sandbox`, or of the first that works."""
    from needed.verify.judge import verify
    from needed.verify.native import Native
    from needed.verify.sandbox import check_name

    if sandbox:
        check_name(sandbox)
    return verify(subject, checks, Native(temporary_folder(), sandbox))


def show(verdict: Verdict, image: str, *, as_json: bool) -> None:
    """Print it."""
    if as_json:
        import json

        from needed.report.verify import verdict_object

        write(json.dumps(verdict_object(verdict, image), indent=2))
        return
    from needed.report.verify import render_verdict

    for line in render_verdict(verdict, image):
        write(line)
    sys.stdout.flush()


def checks_of(arguments: argparse.Namespace) -> tuple[Check, ...]:
    """What the command line asks; where it asks nothing, or a file is named, the checks of the configuration too."""
    own = own_check(arguments)
    asked = _asks(arguments)
    found = checks_in(arguments.checks) if arguments.checks or not asked else ()
    if arguments.network:
        found = tuple(replace(check, network=own.network) for check in found)
    if arguments.capabilities:
        found = tuple(replace(check, capabilities=own.capabilities) for check in found)
    return (*found, own) if asked or not found else found


def own_check(arguments: argparse.Namespace) -> Check:
    """The Check in the options. Raises UsageError."""
    from needed.verify.checks import (
        SECONDS,
        Check,
        finished,
        parse_capabilities,
        parse_http,
        parse_network,
        parse_port,
        parse_seconds,
        parse_status,
    )

    for text in arguments.env:
        if not text.partition("=")[0] or "=" not in text:
            raise UsageError(f"--env {text}: expected NAME=VALUE", hints=["--env NAME=VALUE"])
    check = Check(
        "",
        tuple(arguments.command),
        tuple(arguments.env),
        arguments.user,
        None,
        tuple(arguments.stdout_contains),
        tuple(arguments.stderr_contains),
        arguments.same_as_host,
        tuple(parse_http(text) for text in arguments.http),
        tuple(arguments.http_contains),
        tuple(parse_port(text, "--tcp") for text in arguments.tcp),
        parse_seconds(arguments.stays_up, "--stays-up") if arguments.stays_up else 0.0,
        seconds=parse_seconds(arguments.time, "--time") if arguments.time else SECONDS,
        network=parse_network(arguments.network or "none", "--network"),
        capabilities=parse_capabilities(arguments.capabilities or "none", "--capabilities"),
    )
    status = None if arguments.exit is None else parse_status(arguments.exit, "--exit")
    return finished(check, status=status, where="--exit" if status is not None else "the checks asked for")


def _asks(arguments: argparse.Namespace) -> bool:
    names = ("command", "env", "user", "exit", "stdout_contains", "stderr_contains", "same_as_host", "http",
             "http_contains", "tcp", "stays_up")  # fmt: skip
    return any(bool(getattr(arguments, name)) for name in names)


def checks_in(file: str | None) -> tuple[Check, ...]:
    """The checks in `file`, or in this folder's needed.toml if there is one."""
    from needed.verify.checks import MAX_CONFIGURATION, parse_checks

    read = read_configuration(file, "checks", MAX_CONFIGURATION)
    found = parse_checks(read[1], read[0]) if read else ()
    if file is not None and not found:
        raise UsageError(f"{file}: has no [[check]]", hints=["see `needed verify --help` for an example"])
    return found
