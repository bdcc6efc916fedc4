"""`--rule`, `--no-rule`, `--with`, `--package` and the project's own rules: what a command line says to the rules."""

from __future__ import annotations

from needed.cli.configuration import read_configuration
from needed.cli.paths import absolute
from needed.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from needed.rules.choices import Choices
    from needed.rules.own import OwnRule


def add_rule_options(option: Callable[..., object]) -> None:
    """Declare them; `option` is `add_argument` of a parser."""
    option("--with", action="append", dest="along", default=[], metavar="NAMES", help="also these commands and plugins")
    option("--package", action="append", default=[], metavar="NAME", help="what a package of the root installs")
    option("--rule", action="append", default=[], metavar="NAME[=VALUE]", help="steer a rule (see `needed rules`)")
    option("--no-rule", action="append", default=[], metavar="NAME", help="do without a rule; `all` for every one")
    option("--rules", metavar="FILE", help="rules of your own (default needed.toml, if it is there)")


def choices_of(arguments: argparse.Namespace, env: tuple[str, ...] = (), user: str = "65532:65532") -> Choices:
    """The Choices in `arguments` for an image with the environment `env` and the user `user`. Raises UsageError."""
    from needed.rules.choices import parse_rule_options, parse_user
    from needed.rules.table import NAMES
    from needed.value import replace

    own = own_rules(arguments.rules)
    known = (*NAMES, *(rule.row.name for rule in own))
    here = arguments.root == "/"
    choices = parse_rule_options(arguments.rule, arguments.no_rule, known)
    if here:
        values = ((name, ",".join(map(_path, given.split(",")))) for name, given in choices.values)
        choices = replace(choices, values=tuple(values))
    along = [name for text in arguments.along for name in text.split(",") if name]
    for option, given in (("--with", arguments.along), ("--package", arguments.package)):
        if not all(text.strip(", ") for text in given):
            raise UsageError(f"{option}: names nothing", hints=[f"{option} NAME,NAME"])
    along = [(absolute(name) if here else f"/{name.removeprefix('./').lstrip('/')}") if "/" in name else name
             for name in along]  # fmt: skip
    packages = [name for text in arguments.package for name in text.split(",") if name]
    return replace(choices, user=parse_user(user), env=env, along=tuple(along), packages=tuple(packages), own=own)


def _path(word: str) -> str:
    """`word`, absolute if it is a path from this folder on."""
    return absolute(word) if word.startswith(("./", "../")) else word


def own_rules(file: str | None) -> tuple[OwnRule, ...]:
    """The rules in `file`, or in this folder's needed.toml if there is one."""
    from needed.rules.own import MAX_CONFIGURATION, parse_own_rules

    found = read_configuration(file, "rules", MAX_CONFIGURATION)
    return parse_own_rules(found[1], found[0]) if found else ()
