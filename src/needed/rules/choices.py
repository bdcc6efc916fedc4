"""What a user may say to the rules, and what they must know of the image. Nothing here comes from our environment."""

from __future__ import annotations

from needed.errors import UsageError
from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from needed.rules.finding import Traced
    from needed.rules.own import OwnRule

EVERY = "all"


@value
class Choices:
    """`user` and `env` (NAME=VALUE) are the image's. `values` are what `--rule NAME=VALUE` said, "" for a bare name;
    `off` the names of `--no-rule`. `along` are programs and libraries to take along, `packages` the names of packages,
    `own` the rules of a project's configuration file. `whole` are packages in place of `packages` where the root is an
    image that was built of them: then all that it holds was wanted. `traced` is what programs asked for that were run,
    and `commands` their lines in place of it where the root is an image that was built of them."""

    user: tuple[int, int] = (65532, 65532)
    env: tuple[str, ...] = ()
    values: tuple[tuple[str, str], ...] = ()
    off: frozenset[str] = frozenset()
    along: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    own: tuple[OwnRule, ...] = ()
    whole: tuple[str, ...] = ()
    traced: tuple[Traced, ...] = ()
    commands: tuple[str, ...] = ()

    def value(self, rule: str) -> str | None:
        """What `--rule` said of `rule`, the last if several; None if nothing."""
        return dict(self.values).get(rule)

    def is_off(self, rule: str) -> bool:
        """Whether `rule` is not to be asked."""
        return rule in self.off or (EVERY in self.off and self.value(rule) is None)

    def variable(self, name: str) -> str | None:
        """The image's environment variable `name`."""
        return dict(item.split("=", 1) for item in self.env if "=" in item).get(name)


DEFAULTS = Choices()
NONE = Choices(off=frozenset({EVERY}))


def parse_rule_options(on: Iterable[str], off: Iterable[str], known: Iterable[str]) -> Choices:
    """The Choices in `--rule NAME[=VALUE]` and `--no-rule NAME`. Raises UsageError for a name that no rule has."""
    names = [*known]
    values: list[tuple[str, str]] = []
    for text in on:
        name, _, given = text.partition("=")
        _check(f"--rule {text}", name, names)
        values.append((name, given))
    for name in off:
        _check(f"--no-rule {name}", name, [*names, EVERY])
    both = {name for name, _ in values} & {*off}
    if both:
        raise UsageError(f"{min(both)}: is both on and off", hints=["leave out --rule or --no-rule"])
    return Choices(values=tuple(values), off=frozenset(off))


def parse_user(text: str) -> tuple[int, int]:
    """Numeric user and group in a config's `User` ("65532:65532", "65532"); 65534 for a name, which means a user of the
    image that we do not know. Without a group it is the user's own number."""
    user, _, group = text.partition(":")
    return (_number(user), _number(group or user)) if text else (0, 0)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 11 else 65534


def _check(option: str, name: str, known: list[str]) -> None:
    if name not in known:
        from difflib import get_close_matches

        close = get_close_matches(name, known, 3)
        hints = [f"did you mean {' or '.join(close)}?"] if close else []
        raise UsageError(f"{option}: there is no such rule", hints=[*hints, "needed rules lists them"])
