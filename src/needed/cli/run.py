"""`needed run`: an image's program in a sandbox, with our standard streams, and its exit status as ours."""

from __future__ import annotations

import os
import sys

from needed.cli.roots import open_root_option, temporary_folder
from needed.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from needed.image.model import ImageConfig
    from needed.root import Root
    from needed.verify.attached import Signals
    from needed.verify.command import Command, Limits, Mount, Outcome
    from needed.verify.forward import Forwarder
    from needed.verify.process import Running
    from needed.verify.terminal import Terminal
    from needed.verify.trees import Asked, Defaults, KeptTree, Trees

_EXAMPLES = """\
examples:
  needed run oci:images:bash -- -c 'echo $HOME'
  needed run -it docker-daemon:tools
  needed run -d -p 8080:80 --name web oci-archive:nginx.tar; needed logs web; needed stop web
exit status: the program's; 124 if it took too long, 137 if it used too much, 10 if nothing here can run it
"""
TIMED_OUT, TOO_MUCH = 124, 137  # timeout(1); what the kernel's killing for memory looks like
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "run",
        help="run an image in a sandbox, with an engine or without",
        description="Runs an image's program where it sees its own files and nothing of this machine. The image stays\n"
        "as it is, and what the program writes is gone afterwards.",
        epilog=_EXAMPLES,
        allow_abbrev=False,
    )
    parser.add_argument(
        "image", nargs="+", metavar="IMAGE [-- ARGS]", help="an image in skopeo's words or a folder; then words for Cmd"
    )
    parser.add_argument("-i", "--interactive", action="store_true", help="let the program read our standard input")
    parser.add_argument("-t", "--tty", action="store_true", help="give it a terminal")
    parser.add_argument("-d", "--detach", action="store_true", help="do not wait; print its name")
    parser.add_argument("--name", metavar="NAME", help="its name, with -d (default: like the image)")
    parser.add_argument("-e", "--env", action="append", metavar="NAME=VALUE", help="set a variable; repeatable")
    parser.add_argument("-v", "--volume", action="append", metavar="SRC:DEST[:ro]", help="show a file or folder there")
    parser.add_argument("-w", "--workdir", metavar="DIR", help="start in DIR")
    parser.add_argument("--user", default="", metavar="USER[:GROUP]", help="run as USER, by name or number")
    parser.add_argument("--entrypoint", metavar="PROGRAM", help="run PROGRAM in place of the image's entrypoint")
    parser.add_argument("--network", default="none", metavar="none|host", help="loopback only (default), or ours")
    parser.add_argument(
        "--capabilities", default="none", metavar="none|root", help="root: the image's may become another user"
    )
    parser.add_argument(
        "-p", "--publish", action="append", metavar="[ADDRESS:]HOST:CONTAINER", help="a port, on 127.0.0.1 unless told"
    )
    parser.add_argument("--sandbox", default="", metavar="NAME", help="unshare, bubblewrap, docker or podman")
    parser.add_argument("--time", default="0", metavar="SECONDS", help="end it after SECONDS (default 0: never)")
    parser.add_argument("--memory", default="4G", metavar="SIZE", help="end it when it has more (default 4G)")
    parser.add_argument("--processes", default="1024", metavar="N", help="let it have N processes at most (1024)")
    parser.add_argument("--platform", default="", metavar="OS/ARCH", help="of an image for several (default: ours)")
    parser.add_argument("--no-cache", action="store_true", help="unpack the image anew, and do not keep that")
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing of our own")
    parser.set_defaults(run=run, command=None)


def run(arguments: argparse.Namespace) -> int:
    from needed.verify.attached import Signals, Stopped

    if arguments.sandbox:
        from needed.verify.sandbox import check_name

        check_name(arguments.sandbox)
    limits = _limits(arguments)
    with Signals() as signals:
        try:
            program = _Program(arguments, limits)
            if arguments.detach:
                return _detach(arguments, program)
            outcome = _attach(arguments, program, signals)
        except Stopped as stopped:
            return 128 + stopped.number
    return _status(outcome, arguments)


class _Program:
    """What is run: `command` in the tree `root`, or in one that was kept, where `root` need not be read."""

    def __init__(self, arguments: argparse.Namespace, limits: Limits) -> None:
        self.limits = limits
        self._arguments = arguments
        self._root: Root | None = None
        self._tree: KeptTree | None = None
        words = arguments.image[1:]
        given = tuple(words if arguments.command is None else words + arguments.command)
        trees = _kept_trees(arguments)
        asked = trees and _asked(arguments)
        found = trees.recall(asked) if trees and asked else None
        if found:
            self._tree, defaults = found
            self.command = _command(arguments, defaults, (defaults.user, defaults.home), given)
            return
        from needed.verify.command import find_user
        from needed.verify.trees import Defaults

        root = self.root
        config: ImageConfig | None = getattr(root, "config", None)
        who = find_user(root, arguments.user or (config.user if config else ""))
        self.command = _command(arguments, config, who, given)
        if trees and asked and config:
            from needed.image.root import ImageRoot

            assert isinstance(root, ImageRoot)
            defaults = Defaults(config.entrypoint, config.cmd, config.env, config.working_dir, *who)
            self._tree = trees.keep(asked, root, defaults)

    @property
    def root(self) -> Root:
        """The image's tree, read if it was not yet."""
        if self._root is None:
            self._root = _open(self._arguments.image[0], self._arguments.platform)
        return self._root

    def begin(self, streams: tuple[int, int, int]) -> Running:
        """Start it in the sandbox that was asked for, or in the first that works. Raises as `sandbox.begin`."""
        from needed.errors import SandboxError

        if self._tree is not None:
            from needed.verify.process import start_here

            self._tree.memory = self.limits.memory
            try:
                return start_here(self._tree, self.command, self.limits, streams)
            except SandboxError:
                pass  # no overlay, or no name spaces: a copy, or another sandbox
        from needed.verify.sandbox import begin

        folder = temporary_folder()
        return begin(self._arguments.sandbox, self.root, self.command, self.limits, streams, folder)

    def close(self) -> None:
        """Others may take the kept tree away."""
        if self._tree is not None:
            self._tree.close()


def _kept_trees(arguments: argparse.Namespace) -> Trees | None:
    """In the user's cache folder; None where trees cannot be shown from there, or are not to be."""
    plain = arguments.capabilities == "none" and not arguments.volume and not arguments.detach
    if arguments.no_cache or not plain or arguments.sandbox not in ("", "unshare"):
        return None
    from needed.cli.paths import cache_folder
    from needed.verify.kernel import is_at_least
    from needed.verify.trees import LINUX, Trees

    folder = cache_folder("trees") if is_at_least(*LINUX) else ""
    return Trees(folder) if folder else None


def _asked(arguments: argparse.Namespace) -> Asked | None:
    from needed.cli.paths import to_host
    from needed.verify.trees import asked_of

    return asked_of(to_host(arguments.image[0]), arguments.platform, arguments.user)


def _open(image: str, platform: str) -> Root:
    from needed.root import DirectoryRoot

    root = open_root_option(image, platform, ours=True)
    folder = os.path.realpath(temporary_folder())
    above = os.path.realpath(image).rstrip("/")
    if isinstance(root, DirectoryRoot) and f"{folder}/".startswith(f"{above}/"):
        raise UsageError(
            f"{image} holds {folder}, where its copy for the sandbox would stand",
            hints=["build an image of what is needed of it: needed build PROGRAM -o oci:DIR"],
        )
    return root


def _command(
    arguments: argparse.Namespace,
    config: ImageConfig | Defaults | None,
    who: tuple[tuple[int, int], str],
    words: tuple[str, ...],
) -> Command:
    from needed.value import replace
    from needed.verify.checks import parse_capabilities
    from needed.verify.command import command_by

    if arguments.entrypoint is not None:
        words = (arguments.entrypoint, *words)
        config = replace(config, entrypoint=(), cmd=()) if config else None
    for item in arguments.env or ():
        if "=" not in item or item.startswith("="):
            raise UsageError(f"{item}: a variable is given as NAME=VALUE")
    if arguments.network not in ("none", "host"):
        raise UsageError(f"{arguments.network}: a network is none or host")
    command = command_by(config, words, who, env=tuple(arguments.env or ()))
    env = command.env
    if arguments.tty and "TERM" not in dict(env):
        env = (*env, ("TERM", os.environ.get("TERM", "xterm")))
    return replace(
        command,
        env=env,
        directory=arguments.workdir or command.directory,
        network=arguments.network,
        mounts=tuple(_mount(text) for text in arguments.volume or ()),
        terminal=arguments.tty,
        capabilities=parse_capabilities(arguments.capabilities, "--capabilities"),
    )


def _mount(text: str) -> Mount:
    from needed.cli.paths import absolute, to_host
    from needed.verify.command import Mount

    source, _, rest = text.partition(":")
    destination, _, how = rest.partition(":")
    if not source or not destination.startswith("/") or how not in ("", "ro", "rw"):
        raise UsageError(f"{text}: what is shown is given as SRC:DEST or SRC:DEST:ro, and DEST is absolute")
    return Mount(to_host(absolute(source)), destination, how == "ro")


def _limits(arguments: argparse.Namespace) -> Limits:
    from needed.verify.command import Limits

    return Limits(
        seconds=_number(arguments.time, "--time"),
        memory=_size(arguments.memory),
        processes=int(_number(arguments.processes, "--processes")) or 1,
    )


def _number(text: str, option: str) -> float:
    whole, _, part = text.partition(".")
    if not (whole.isascii() and whole.isdigit() and (part or "0").isascii() and (part or "0").isdigit()):
        raise UsageError(f"{option} {text}: not a number")
    return float(text)


def _size(text: str) -> int:
    number = text.upper().removesuffix("B")
    unit = number[-1:] if number[-1:] in _UNITS else ""
    number = number.removesuffix(unit) if unit else number
    if not (number.isascii() and number.isdigit()):
        raise UsageError(f"--memory {text}: a size is given as 512M or 2G")
    return int(number) * _UNITS[unit]


def _attach(arguments: argparse.Namespace, program: _Program, signals: Signals) -> Outcome:
    given = 0 if arguments.interactive else os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    if not arguments.publish and not arguments.tty:
        return _wait(program, signals, (given, 1, 2))
    from contextlib import ExitStack

    from needed.verify.sandbox import has_own_terminal

    with ExitStack() as stack:
        forwarder = terminal = None
        if arguments.publish:
            from needed.verify.forward import Forwarder, parse_ports

            forwarder = stack.enter_context(Forwarder(parse_ports(arguments.publish)))
        if arguments.tty and not has_own_terminal(arguments.sandbox):
            from needed.verify.terminal import Terminal

            terminal = stack.enter_context(Terminal(keys=arguments.interactive))
        return _wait(program, signals, (given, 1, 2), terminal=terminal, forwarder=forwarder)


def _wait(
    program: _Program,
    signals: Signals,
    streams: tuple[int, int, int],
    *,
    terminal: Terminal | None = None,
    forwarder: Forwarder | None = None,
) -> Outcome:
    """Start it with these streams, or those of the terminal, and wait for its end."""
    from needed.verify.attached import wait

    sys.stdout.flush()
    signals.awaited = True
    started = program.begin((terminal.inside, terminal.inside, terminal.inside) if terminal else streams)
    try:
        if terminal:
            terminal.release()
        if forwarder:
            forwarder.serve(started)
        return wait(started, program.limits, signals, terminal=terminal)
    finally:
        started.close()
        program.close()


def _detach(arguments: argparse.Namespace, program: _Program) -> int:
    from needed.cli.console import write
    from needed.verify.detached import Order, detach, free_name, state_folder
    from needed.verify.forward import parse_ports

    if arguments.tty or arguments.interactive:
        raise UsageError("-d has nobody who types or looks: leave -i and -t out")
    states = state_folder(os.environ.get("XDG_RUNTIME_DIR", ""))
    name = free_name(states, arguments.name or "", arguments.image[0])
    order = Order(name, arguments.image[0], arguments.sandbox, parse_ports(arguments.publish or []), temporary_folder())
    detach(states, order, (program.root, program.command, program.limits))
    write(name)
    return 0


def _status(outcome: Outcome, arguments: argparse.Namespace) -> int:
    if outcome.ended in ("exited", "stopped"):
        return outcome.status
    told = {
        "time": f"it took more than {arguments.time} seconds (--time)",
        "memory": f"it used more than {arguments.memory} of memory (--memory)",
        "processes": f"it had more than {arguments.processes} processes (--processes)",
    }
    if not arguments.quiet:
        from needed.cli.console import write

        write(f"needed run: ended: {told[outcome.ended]}", sys.stderr)
    return TIMED_OUT if outcome.ended == "time" else TOO_MUCH
