"""`needed rules`: what the rules are, and what each recognises, adds and costs."""

from __future__ import annotations

import sys

from needed.cli.choices import own_rules
from needed.cli.console import write
from needed.errors import UsageError
from needed.report.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from needed.rules.own import OwnRule

_EPILOG = """\
A project's own rules stand in needed.toml, in the folder where `needed build`
is run, or in the file that --rules names:

  [[rule]]
  name = "reports"
  about = "the templates and the converter of the report service"
  programs = ["reportd"]             # or libraries, imports, scripts
  take = ["/usr/share/reports"]      # files, and folders with all in them
  load = ["/usr/lib/reports/*.so"]   # plugins, with their libraries
  execute = ["pdftotext"]            # programs, with all that they need
  folders = ["/var/lib/reports"]     # empty, the image's user's

examples:
  needed rules
  needed rules certificates
  needed build curl --rule certificates=/etc/ssl/own.pem
  needed build bash --no-rule users
"""


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "rules",
        help="list the rules, or tell all about some",
        description="Lists the rules: what ELF headers do not say, and what is added for it.",
        epilog=_EPILOG,
        allow_abbrev=False,
    )
    option = parser.add_argument
    option("names", nargs="*", metavar="NAME", help="all about this rule")
    option("--rules", metavar="FILE", help="rules of your own too (default needed.toml, if it is there)")
    option("--json", action="store_true", help="a list of objects")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from shutil import get_terminal_size

    from needed.report.rules import described_object, parse_about, render_about, render_rule_list
    from needed.rules.table import TABLE

    own = own_rules(arguments.rules)
    rows = {rule.name: rule for rule in (*TABLE, *(one.row for one in own))}
    unknown = [name for name in arguments.names if name not in rows]
    if unknown:
        raise UsageError(f"{unknown[0]}: there is no such rule", hints=["needed rules lists them"])
    texts = {name: _text(row.module, name, own) for name, row in rows.items()}
    chosen = arguments.names or list(rows)
    if arguments.json:
        import json

        write(json.dumps([described_object(rows[name], parse_about(texts[name])) for name in chosen], indent=2))
    elif arguments.names:
        columns = get_terminal_size().columns
        pages = ("\n".join(render_about(name, parse_about(texts[name]), columns)) for name in chosen)
        write("\n\n".join(pages))
    else:
        summaries = {name: parse_about(text).summary for name, text in texts.items()}
        columns = get_terminal_size().columns if sys.stdout.isatty() else 0  # a line for each rule, to search in
        for line in render_rule_list(summaries, columns):
            write(printable(line))
    return 0


def _text(module: str, name: str, own: tuple[OwnRule, ...]) -> str:
    """What is said of a rule: the docstring of its module (nothing under `python -OO`)."""
    for rule in own:
        if rule.row.name == name:
            lists = ("take", "load", "execute", "folders")
            adds = "; ".join(f"{key} {', '.join(getattr(rule, key))}" for key in lists if getattr(rule, key))
            return f"{rule.about or 'A rule of this project.'}\n\nAdds: {adds}\n"
    text: str | None = __import__(module, fromlist=["find"]).__doc__
    return text or ""
