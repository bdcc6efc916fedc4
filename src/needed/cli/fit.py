"""`needed fit`: an image that starts small and grows until it runs."""

from __future__ import annotations

import copy
import os
import sys

from needed.cli.build import add_image_options, may_be_source, stop_on_signals, wanted_of, write_out
from needed.cli.console import write
from needed.cli.paths import absolute
from needed.cli.roots import root_for, temporary_folder
from needed.cli.verify import add_check_options, checks_of
from needed.errors import UsageError
from needed.report.text import printable
from needed.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from needed.cli.build import Wanted
    from needed.fit import Fitted, Ground, Round
    from needed.rules.choices import Choices
    from needed.verify.checks import Check
    from needed.verify.judge import Verdict

SHOWN = 5  # of what a round takes
_EPILOG = """\
The first image has what the loader needs, and nothing by rules. Each round runs
the checks in it, and traces the same commands there: what they ask for in vain
and the root has is in the next image, as its reason; of a folder that they list,
what they use in it on the root itself, which is shown read-only. The last one is
written if its checks pass. ARGS stand behind the entrypoint, as in docker run.
Files that hold secrets are left out. What asks a server is given this machine's
network: --network host. It needs strace, no root and no engine.

exit status: 0 it passes and is written; 11 it does not; 10 nothing here can run
or trace it.

examples:
  needed fit bash -t shell -- -c "date | sed 's/:/./g'"
  needed fit nginx --add /etc/nginx --http 80/ -t web -- -g 'daemon off;'
  needed fit python3 --add app.py --shrink -t app -- app.py --self-test
"""


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "fit",
        help="build an image that grows until it runs",
        usage="needed fit [OPTION...] PROGRAM... [-- ARGS]",
        description="Builds an image, runs it, and adds what it asks for in vain until its checks pass.",
        epilog=_EPILOG,
        allow_abbrev=False,
    )
    add_image_options(parser)
    option = parser.add_argument
    option("--with-rules", action="store_true", help="begin with what the rules find")
    option("--shrink", action="store_true", help="then take away what the checks pass without")
    option("--trials", default="", metavar="N", help="with --shrink: try N images at most (default 40)")
    add_check_options(parser)
    parser.set_defaults(run=run, command=())


def run(arguments: argparse.Namespace) -> int:
    from needed.errors import VerifyError
    from needed.fit import fit, shrink
    from needed.report.verify import render_verdict
    from needed.rules.choices import EVERY
    from needed.verify.command import DEFAULT_PATH

    if "," in arguments.platform:
        raise UsageError(
            "an image grows on one platform",
            hints=["fit it for each, and build with what it added: needed build --platform A,B --with NAMES"],
        )
    if any(map(may_be_source, arguments.programs)):
        from needed.cli.sources import refuse_sources

        refuse_sources(arguments.programs)
    arguments.root = root_for(arguments.root, arguments.platform)
    trials = _trials(arguments.trials)
    own = copy.copy(arguments)
    own.env, own.user = [], ""  # these are the image's
    checks = checks_of(own)
    if not any(text.startswith("PATH=") for text in arguments.env):
        # What is looked up in vain is looked up in all of it, in each round.
        arguments.env = [*arguments.env, f"PATH={DEFAULT_PATH}"]
    wanted = wanted_of(arguments)
    choices = wanted.choices
    if not arguments.with_rules:
        choices = replace(choices, off=choices.off | {EVERY})
    stop_on_signals()
    ground = _ground(arguments, wanted, checks, choices)
    speaks = not arguments.quiet and not arguments.json
    fitted = fit(ground, choices, _tell_round if speaks else lambda _round: None)
    if not fitted.passes:
        count = len(fitted.rounds)
        raise VerifyError(
            f"nothing was written: the checks fail after {count} round{'s' if count > 1 else ''}, "
            "and what would help is not known",
            details=[*render_verdict(fitted.verdict, "the last image"), *_left_out(fitted)],
            hints=["add what is missing by name: --with NAMES, --add PATH", "begin with the rules: --with-rules"],
        )
    if arguments.shrink:
        fitted = shrink(ground, fitted, _tell_less if speaks else lambda _what, _size: None, trials)
    if speaks:
        for line in (*_left_out(fitted), *render_verdict(fitted.verdict, "what is written")):
            write(printable(line), sys.stderr)
    configuration = wanted.configuration(fitted.plan, fitted.choices)
    return write_out(arguments, fitted.plan, configuration, wanted, {"fit": _object(fitted)})


def _trials(text: str) -> int:
    from needed.errors import UsageError
    from needed.fit import MAX_TRIALS

    if text and not (text.isascii() and text.isdigit() and len(text) < 6):
        raise UsageError(f"--trials {text}: expected a number of images", hints=["--trials 10"])
    return int(text) if text else MAX_TRIALS


def _ground(
    arguments: argparse.Namespace, wanted: Wanted, checks: tuple[Check, ...], choices: Choices
) -> Ground:
    from needed.fit import Ground
    from needed.image.build import config_of
    from needed.verify.native import Native
    from needed.verify.strace import StraceTracer

    folder = temporary_folder()
    here = arguments.root == "/"
    return Ground(
        wanted.root,
        wanted.plan,
        lambda planned: config_of(planned.platform, wanted.configuration(planned, choices), ()),
        checks,
        Native(folder),
        StraceTracer,
        folder,
        wanted.settings,
        os.path.expanduser("~"),
        tuple(item.source for item in wanted.additions),
        tuple(absolute(path) if here else path for path in arguments.allow_secret),
    )


def _tell_round(done: Round) -> None:
    found = len(done.taken) + len(done.rules)
    vain = f"{done.asked:,} paths asked for in vain, {found:,} of use are in the root"
    write(printable(f"round {done.number}  {_outcome(done.verdict)}; {vain}; {done.size:,} bytes"), sys.stderr)
    lines = [f"  + {one.path} ({one.how})" for one in done.taken] + [f"  + rule {name}" for name in done.rules]
    for line in lines[:SHOWN]:
        write(printable(line), sys.stderr)
    if len(lines) > SHOWN:
        write(f"  + and {len(lines) - SHOWN} more", sys.stderr)


def _outcome(verdict: Verdict) -> str:
    """ "passed", or what failed first."""
    for one in verdict.runs:
        for answer in one.answers:
            if not answer.passed:
                return f"{answer.kind} {answer.subject}".rstrip() + " failed"
    return "passed" if verdict.exit_code == 0 else "the proof failed"


def _tell_less(what: str, size: int) -> None:
    write(printable(f"without  {what}; {size:,} bytes less"), sys.stderr)


def _left_out(fitted: Fitted) -> list[str]:
    return [
        *(f"note: asked for in vain, and left out since it is secret: {text}" for text in fitted.withheld),
        *(f"note: asked for in vain, and cannot be taken: {text}" for text in fitted.refused),
    ]


def _object(fitted: Fitted) -> dict[str, object]:
    from needed.report.verify import verdict_object

    return {
        "rounds": [
            {
                "bytes": one.size,
                "verdict": one.verdict.answer,
                "asked_in_vain": one.asked,
                "taken": [{"path": item.path, "how": item.how} for item in one.taken],
                "rules": list(one.rules),
            }
            for one in fitted.rounds
        ],
        "without": [{"what": what, "bytes": size} for what, size in fitted.without],
        "secrets_left_out": list(fitted.withheld),
        "not_taken": list(fitted.refused),
        "verdict": verdict_object(fitted.verdict, "what is written"),
    }
