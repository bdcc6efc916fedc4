"""`needed build`: from programs to an image, written where it is wanted."""

from __future__ import annotations

import os
import sys

from needed.cli.additions import parse_addition
from needed.cli.choices import add_rule_options, choices_of
from needed.cli.console import Progress, write, write_sentence
from needed.cli.paths import absolute, cache_folder, to_host
from needed.cli.roots import docker_host, open_root_option, root_for, temporary_folder
from needed.errors import UsageError
from needed.report.text import printable
from needed.value import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from needed.cli.sources import Laid
    from needed.closure import Closure
    from needed.image.ahead import Ahead
    from needed.image.build import Configuration, Image
    from needed.image.codec import Codec
    from needed.image.layer import Packing
    from needed.image.reference import Reference
    from needed.loader import Settings
    from needed.output.destination import Destination
    from needed.output.member_cache import MemberCache
    from needed.pipeline import Plan
    from needed.root import Root
    from needed.rootfs import Addition
    from needed.rules.choices import Choices
    from needed.toolchain.strip import Stripper

_EPILOG = """\
A DESTINATION is oci:DIR[:TAG], oci-archive:FILE, docker-archive:FILE, tar:FILE,
dir:DIR, docker-daemon:NAME:TAG or containers-storage:NAME:TAG; a FILE of - is
standard output. Without one an archive NAME.tar is written, which docker load,
podman load and skopeo read. A ROOT is a directory, or an image in the same
words (default /).

For several platforms oci: and oci-archive: (then the default) hold an index of
an image for each, engines and docker-archive: the one for their own. A ROOT for
one of them is named with it: --root linux/arm64=ROOT.

examples:
  needed build /bin/bash /bin/ls -t ls --load && docker run --rm ls ls -al
  needed build ./server -t server --expose 8080 -o oci:images:server
  needed build curl --root /srv/debian-arm64 -o docker-archive:curl.tar
  needed build curl --root docker-daemon:debian:12 -t curl
  needed build bash -n            # what would go in, and why
  needed build curl --platform linux/amd64,linux/arm64 --root oci:debian
"""


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "build",
        help="build an image of programs and what they need to start",
        description="Builds an image of the programs and what the dynamic loader needs to start them.",
        epilog=_EPILOG,
        allow_abbrev=False,
    )
    add_image_options(parser)
    option = parser.add_argument
    option("--empty", action="store_true", help="no program: an image without a file, or with --add only")
    option("--verify", action="store_true", help="run it first, and write nothing unless it passes (needed verify)")
    option("--verify-args", metavar="WORDS", help="run it with these arguments, and it must end with 0")
    option("-n", "--dry-run", action="store_true", help="show the files and the reasons, write nothing")
    parser.set_defaults(run=run)


def add_image_options(parser: argparse.ArgumentParser) -> None:
    """Declare what says which image, where to, and how it is told."""
    option = parser.add_argument
    option("programs", nargs="*", metavar="PROGRAM", help="a path, a name on the root's PATH, or a source to compile")
    option("-t", "--tag", metavar="NAME[:TAG]", help="the image's name (default: the first program's)")
    option("-o", "--output", action="append", metavar="DESTINATION", help="where to; may be given again")
    option("--load", action="store_true", help="put it into the engine that answers, Docker or Podman")
    option("--root", action="append", default=[], metavar="[PLATFORM=]ROOT", help="the tree or image to take all from")
    option("--add", action="append", default=[], metavar="SRC[:DEST]", help="a further file or folder of the root")
    add_rule_options(option)
    option("--trace", action="append", default=[], metavar="FILE", help="what a traced program used (`needed trace`)")
    option("--allow-secret", action="append", default=[], metavar="PATH", help="take this secret of a trace along")
    option("--library-path", metavar="DIRS", help="resolve with LD_LIBRARY_PATH set to DIRS, and set it in the image")
    option("--ldconfig", action="store_true", help="resolve as if ldconfig had just been run in the root")
    option("--preload", action="store_true", help="take along what the root's /etc/ld.so.preload names")
    option("--hwcaps", metavar="LEVEL", help="take libraries for processors up to LEVEL too (x86-64-v3, power10, z16)")
    option("--compression", metavar="KIND", help="none, gzip[:1-12], zstd[:1-22] (default gzip; none for tar:)")
    option("--strip", action="store_true", help="ship ELF files without symbol tables and debug information")
    option("--no-cache", action="store_true", help="compress everything again; the bytes are the same")
    option("--platform", default="", metavar="OS/ARCH", help="refuse programs for another; of several one index: A,B")
    sources = parser.add_argument_group("a program that is compiled, as `needed compile` does")
    option = sources.add_argument
    option("--libc", default="static", metavar="LIBC", help="static, musl, glibc or glibc:2.17 (default static)")
    option("--tags", action="append", default=[], metavar="TAGS", help="Go's build tags, between commas")
    option("--compile-args", metavar="WORDS", help="for the compiler, as they are")
    option("--program", default="", metavar="NAME", help="which one, of a project with several programs")
    words = parser.add_argument_group("configuration, in Docker's words")
    option = words.add_argument
    option("--entrypoint", metavar="WORDS", help='as words or a JSON list; "" for none')
    option("--cmd", metavar="WORDS", help='as words or a JSON list; "" for none')
    option("--env", action="append", default=[], metavar="NAME=VALUE")
    option("--workdir", default="", metavar="DIR")
    option("--user", default="65532:65532", metavar="UID[:GID]", help="default 65532:65532, nobody's")
    option("--expose", action="append", default=[], metavar="PORT[/PROTO]")
    option("--label", action="append", default=[], metavar="NAME=VALUE")
    option("--volume", action="append", default=[], metavar="DIR")
    option("--stop-signal", default="", metavar="SIGNAL")
    shape = parser.add_argument_group("what is printed")
    shape.add_argument("-q", "--quiet", action="store_true", help="only NAME@DIGEST, on standard output")
    shape.add_argument("--json", action="store_true", help="an object on standard output")


@value
class Wanted:
    """What a command line asks for: an image of `programs` and `additions` of `root`, by `choices`, with the
    configuration `given`, of which the fields `told` were set by the user, in `codec` and under `reference` to
    `destinations`. `laid` is what was compiled and lies over the root; `stripper` strips it all, if there is one."""

    root: Root
    programs: tuple[str, ...]
    additions: tuple[Addition, ...]
    settings: Settings
    platform: str
    choices: Choices
    given: Configuration
    told: frozenset[str]
    codec: Codec
    reference: Reference
    destinations: tuple[Destination, ...]
    hwcaps: str = ""
    laid: Laid | None = None
    stripper: Stripper | None = None

    def plan(self, choices: Choices, ahead: Ahead | None = None) -> Plan:
        """Large files are begun `ahead`. Raises as `pipeline.plan`, and as `Stripper.strip`."""
        from needed.pipeline import plan, stripped

        def known(closure: Closure) -> None:
            if ahead:
                ahead.expect(self.root, (item.found for item in closure.objects))

        what = self.root, self.programs, self.additions, self.settings, self.platform
        planned = plan(*what, choices=choices, known=known)
        return stripped(planned, self.stripper) if self.stripper else planned

    def configuration(self, planned: Plan, choices: Choices) -> Configuration:
        """What the image of `planned` says of itself."""
        from needed.pipeline import default_configuration
        from needed.request import Request, render_request, values_of_image

        request = Request(
            planned.requested,
            tuple(item.destination for item in self.additions),
            self.hwcaps,
            self.settings.preload_file,
            tuple(values_of_image(choices.values, planned.rootfs)),
            tuple(sorted(choices.off)),
            choices.along,
            choices.packages,
            tuple(dict.fromkeys(one.command for one in choices.traced)),
            strip=self.stripper is not None,
        )
        given = replace(self.given, created_by=render_request(request))
        return default_configuration(planned, given, told=self.told)


def run(arguments: argparse.Namespace) -> int:
    if any(map(may_be_source, arguments.programs)):
        from needed.cli.sources import build_compiled

        return build_compiled(arguments)
    if "," in arguments.platform:
        from needed.cli.platforms import build_several

        return build_several(arguments)
    return build_one(arguments)


def build_one(arguments: argparse.Namespace, laid: Laid | None = None) -> int:
    """`needed build` for one platform, with what was compiled for it; 0."""
    arguments.root = root_for(arguments.root, arguments.platform)
    wanted = wanted_of(arguments, empty=arguments.empty, laid=laid)
    verifies = arguments.verify or arguments.verify_args is not None
    alone = arguments.dry_run or verifies or wanted.stripper  # nothing is packed, or processes are forked first
    packing = None if alone else packing_of(arguments, wanted, begins=True)
    ahead = packing.ahead if packing else None
    try:
        planned = wanted.plan(wanted.choices, ahead)
        if arguments.dry_run:
            show_plan(planned, as_json=arguments.json)
            return 0
        configuration, also = wanted.configuration(planned, wanted.choices), told_of_laid(wanted)
        if verifies:
            stop_on_signals()
            also["verdict"] = verify_plan(arguments, planned, configuration, wanted)
        return write_out(arguments, planned, configuration, wanted, also, packing)
    finally:
        if ahead:
            ahead.stop()


def may_be_source(program: str) -> bool:
    """Whether it is worth asking what `program` is the source of: it has a suffix, or is a folder."""
    name = program.rpartition("/")[2]
    return "." in name or ("/" in program and os.path.isdir(to_host(program)))


def told_of_laid(wanted: Wanted) -> dict[str, object]:
    """What was compiled, for `--json`."""
    return {"compiled": wanted.laid.objects()} if wanted.laid else {}


def wanted_of(arguments: argparse.Namespace, *, empty: bool = False, laid: Laid | None = None) -> Wanted:
    """The Wanted in the options of `add_image_options`, `root` and `platform` being of one image; `empty` where no
    program is to be named; `laid` lies over the root. Raises UsageError, ImageError, ReadError."""
    from needed.image.reference import default_name, parse_reference
    from needed.output.destination import parse_destination

    named = [*arguments.programs, *(name for text in arguments.package for name in text.split(",") if name)]
    if bool(named) == empty:
        problem = "--empty is for no program at all" if named else "no program was named"
        raise UsageError(problem, hints=["needed build /bin/bash /bin/ls -t ls", "needed build --empty -t empty"])
    first = default_name(named[0]) if named else "empty"
    reference = parse_reference(arguments.tag or first)
    given, told = _configuration(arguments)
    destinations = [parse_destination(to_host(text)) for text in arguments.output or ()]
    if not destinations and not arguments.load:
        destinations = [parse_destination(f"docker-archive:{reference.name.rpartition('/')[2]}.tar")]

    codec = _codec(arguments.compression, destinations)
    programs = [_inside(program, arguments.root) for program in arguments.programs]
    additions = [parse_addition(text, arguments.root) for text in arguments.add]
    root = open_root_option(arguments.root, arguments.platform)
    if laid:
        root = laid.over(root)
    choices = choices_of(arguments, given.env, arguments.user)
    if arguments.trace:
        from needed.cli.traces import traced_by

        allowed = [_inside(path, arguments.root) for path in arguments.allow_secret]
        choices = replace(choices, traced=traced_by(arguments.trace, root, allowed))
    return Wanted(
        root, tuple(programs), tuple(additions), _settings(arguments), arguments.platform, choices, given, told, codec,
        reference, tuple(destinations), arguments.hwcaps or "", laid, _stripper() if arguments.strip else None,
    )  # fmt: skip


def _stripper() -> Stripper:
    """With its copies where they are removed also when a signal ends this."""
    from needed.toolchain.strip import Stripper

    stop_on_signals()
    return Stripper(temporary_folder())


def write_out(
    arguments: argparse.Namespace,
    planned: Plan,
    configuration: Configuration,
    wanted: Wanted,
    also: dict[str, object] | None = None,
    packing: Packing | None = None,
) -> int:
    """Write the image of `planned` to all its destinations, and tell, with `--json` what is in `also` too; 0."""
    from needed.image.build import build_image
    from needed.output.destination import write_image
    from needed.output.spool import SpoolStore

    packing = packing or packing_of(arguments, wanted)
    reference, destinations = wanted.reference, list(wanted.destinations)
    if arguments.load:
        destinations.append(engine_of(reference))
    stop_on_signals()
    progress = Progress(sys.stderr, _packing) if not arguments.quiet and sys.stderr.isatty() else None
    packing = replace(packing, progress=progress)
    store = SpoolStore(waiting_folder(destinations[0]))
    try:
        image = build_image(planned.rootfs, planned.platform, configuration, packing, store)
    finally:
        if progress:
            progress.clear()
    if packing.cache:
        packing.cache.close()
    written = [
        write_image(image, planned.rootfs, destination, reference, docker_host=docker_host(), stdout=sys.stdout.buffer)
        for destination in destinations
    ]
    pairs = [
        (item.name, f"{(place.reference or reference).name}@{item.digest}")
        for place, item in zip(destinations, written, strict=True)
    ]
    _report(arguments, planned, image, str(reference), (pairs, also or {}))
    return 0


def verify_plan(
    arguments: argparse.Namespace,
    planned: Plan,
    configuration: Configuration,
    wanted: Wanted,
    name: str = "what was built",
) -> dict[str, object]:
    """Run what would be written; the verdict, for `--json`. Raises VerifyError unless it passes, SandboxError where
    nothing can run it."""
    from needed.cli.verify import checks_in, judge
    from needed.errors import SandboxError, VerifyError
    from needed.image.build import config_of
    from needed.proof import RootfsRoot
    from needed.report.verify import render_verdict, verdict_object
    from needed.verify.checks import STARTS, Check
    from needed.verify.judge import Subject

    words = words_of("verify-args", arguments.verify_args)
    checks = (Check(args=words),) if words else checks_in(None) or (STARTS,)
    if wanted.laid and any(check.same_as_host for check in checks):
        raise UsageError("what is compiled here is in no root to compare with", hints=["leave same_as_host out"])
    config = config_of(planned.platform, configuration, ())
    verdict = judge(Subject(RootfsRoot(planned.rootfs), config, wanted.root), checks)
    lines = list(render_verdict(verdict, name))
    if verdict.exit_code == 0:
        for line in () if arguments.quiet or arguments.json else lines:
            write(line, sys.stderr)
        return verdict_object(verdict, name)
    kind = SandboxError if verdict.exit_code == SandboxError.exit_code else VerifyError
    raise kind("nothing was written, for the image was not shown to run", details=lines)


def _packing(done: int, total: int) -> str:
    return f"packing {done / 1e6:,.0f} of {total / 1e6:,.0f} MB"


def _report(
    arguments: argparse.Namespace,
    planned: Plan,
    image: Image,
    name: str,
    told: tuple[list[tuple[str, str]], dict[str, object]],
) -> None:
    """`told` are destinations with what is there now, as NAME@DIGEST, and what else an object says."""
    from needed.report.build import image_object, render_summary

    written, also = told
    to_stdout = any(place.endswith(":-") for place, _ in written)
    if not arguments.quiet and not arguments.json:
        show_notes(planned)
        for line in render_summary(image, name, [place for place, _ in written]):
            write(printable(line), sys.stderr)
    if arguments.json:
        import json

        found = image_object(image, name, [{"destination": place, "name": line} for place, line in written])
        text = json.dumps(found | told_of(planned) | also, indent=2)
        write(text, sys.stderr if to_stdout else sys.stdout)
    elif not to_stdout:
        for line in dict.fromkeys(line for _, line in written):
            write(line)


def _asked_for(planned: Plan) -> list[str]:
    """The programs that were asked for; of a script what reads it, for that is the process."""
    readers: dict[str, str] = {script.path: script.interpreter for script in planned.closure.scripts}
    asked = list(planned.requested)
    return [*asked, *(readers[path] for path in asked if path in readers)]


def told_of(planned: Plan) -> dict[str, object]:
    """What `show_notes` says, for `--json`."""
    from needed.report.build import notes_object
    from needed.report.rules import completeness_object, rules_object

    return {
        "rules": rules_object(planned.applied, planned.rootfs),
        "notes": notes_object(planned.notes),
        "completeness": completeness_object(planned.completeness),
    }


def show_plan(planned: Plan, *, as_json: bool) -> None:
    """Print the files and the reasons."""
    from needed.report.build import render_files

    if as_json:
        import json

        write(json.dumps(plan_object(planned), indent=2))
        return
    for line in render_files(planned.rootfs):
        write(printable(line))
    show_notes(planned)


def plan_object(planned: Plan) -> dict[str, object]:
    """The same for `--json`."""
    from needed.report.build import files_object

    return {"platform": str(planned.platform), "files": files_object(planned.rootfs), **told_of(planned)}


def show_notes(planned: Plan) -> None:
    """What the rules did, what is to be known, and whether the closures are complete; on standard error."""
    from needed.report.build import render_notes
    from needed.report.rules import render_completeness, render_rules

    lines = (
        *render_rules(planned.applied, planned.rootfs),
        *render_notes(planned.notes),
        *render_completeness(planned.completeness, _asked_for(planned)),
    )
    for line in lines:
        write_sentence(printable(line), sys.stderr)


def packing_of(arguments: argparse.Namespace, wanted: Wanted, *, begins: bool = False) -> Packing:
    """How the layer of what is `wanted` is made; `begins` with large files before the rest is known."""
    from needed.image.ahead import Ahead
    from needed.image.layer import Packing

    cache = None if arguments.no_cache else member_cache()
    return Packing(wanted.codec, cache=cache, ahead=Ahead(wanted.codec, cache) if begins else None)


def member_cache() -> MemberCache | None:
    """In the user's cache folder (XDG base directories); None for a user without a home."""
    from needed.output.member_cache import MemberCache

    folder = cache_folder("members")
    return MemberCache(folder) if folder else None


def _codec(text: str | None, destinations: list[Destination]) -> Codec:
    """As asked; else what a tar's name says, and gzip for everything that an engine or a registry reads."""
    from needed.image.codec import parse_compression

    if text is not None:
        return parse_compression(text)
    if destinations and all(item.transport in ("tar", "dir") for item in destinations):
        path = destinations[0].path
        gzip, zstd = path.endswith((".gz", ".tgz")), path.endswith(".zst")
        return parse_compression("gzip" if gzip else "zstd" if zstd else "none")
    return parse_compression("gzip")


def engine_of(reference: Reference) -> Destination:
    """The engine that answers: Docker's socket first, then podman."""
    from shutil import which

    from needed.errors import EngineError
    from needed.output.destination import parse_destination
    from needed.output.docker_daemon import answers

    if answers(docker_host()):
        return parse_destination(f"docker-daemon:{reference}")
    if not os.environ.get("DOCKER_HOST") and which("podman"):
        return parse_destination(f"containers-storage:{reference}")
    raise EngineError(
        f"no container engine answers at {docker_host()}",
        hints=["start Docker, or name its socket: DOCKER_HOST=unix:///path/docker.sock",
               "without an engine: leave out --load, and the image is written as an archive"],
    )  # fmt: skip


def _configuration(arguments: argparse.Namespace) -> tuple[Configuration, frozenset[str]]:
    from needed.image.build import Configuration

    told = frozenset(name for name in ("entrypoint", "cmd") if getattr(arguments, name) is not None)
    for option in ("env", "label"):
        for text in getattr(arguments, option):
            if not text.partition("=")[0] or "=" not in text:
                raise UsageError(f"--{option} {text}: expected NAME=VALUE", hints=[f"--{option} NAME=VALUE"])
    env = list(arguments.env)
    if arguments.library_path:
        env.append("LD_LIBRARY_PATH=" + ":".join(_library_path(arguments)))
    for option in ("workdir", "volume"):
        for text in [arguments.workdir] if option == "workdir" else arguments.volume:
            if text and not text.startswith("/"):
                raise UsageError(f"--{option} {text}: expected an absolute path", hints=[f"--{option} /{text}"])
    if not all(part.isascii() and part.isdigit() for part in arguments.user.split(":", 1)):
        raise UsageError(f"--user {arguments.user!r}: expected UID[:GID]", hints=["--user 65532:65532"])
    labels = tuple((name, text) for name, _, text in (item.partition("=") for item in arguments.label))
    return Configuration(
        words_of("entrypoint", arguments.entrypoint),
        words_of("cmd", arguments.cmd),
        tuple(env),
        arguments.workdir,
        arguments.user,
        tuple(_port(text) for text in arguments.expose),
        labels,
        tuple(arguments.volume),
        arguments.stop_signal,
        _source_date_epoch(),
    ), told


def words_of(option: str, text: str | None) -> tuple[str, ...]:
    """The words in the value of `--option`: a JSON list, or as a shell divides it. Raises UsageError."""
    if not text:
        return ()
    try:
        if text.startswith("["):
            import json

            found = json.loads(text)
            if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
                raise ValueError("not a list of strings")
            return tuple(found)
        import shlex

        return tuple(shlex.split(text))
    except ValueError as error:
        raise UsageError(
            f"--{option} {text}: {error}", hints=[f"--{option} 'a b'", f"""--{option} '["a", "b"]'"""]
        ) from None


def _port(text: str) -> str:
    number, _, protocol = text.partition("/")
    valid = number.isascii() and number.isdigit() and 0 < int(number) < 65536
    if not valid or protocol not in ("", "tcp", "udp", "sctp"):
        raise UsageError(f"--expose {text}: expected PORT[/PROTOCOL]", hints=["--expose 8080", "--expose 53/udp"])
    return f"{int(number)}/{protocol or 'tcp'}"


def _source_date_epoch() -> int:
    """reproducible-builds.org, SOURCE_DATE_EPOCH: seconds since 1970, 0 where it is not set."""
    text = os.environ.get("SOURCE_DATE_EPOCH") or "0"
    if not (text.isascii() and text.isdigit() and len(text) < 12):
        raise UsageError(
            f"SOURCE_DATE_EPOCH={text}: expected seconds since 1970", hints=["export SOURCE_DATE_EPOCH=$(date +%s)"]
        )
    return int(text)


def _settings(arguments: argparse.Namespace) -> Settings:
    """What the loader will be told in the image is what it is told here."""
    from needed.loader import Settings

    words = dict(item.split("=", 1) for item in arguments.env if "=" in item)
    if arguments.library_path and "LD_LIBRARY_PATH" in words:
        raise UsageError(
            "--library-path and --env LD_LIBRARY_PATH both say where libraries are", hints=["leave one of them out"]
        )
    hwcaps: tuple[str, ...] = ()
    if arguments.hwcaps:
        from needed.loader.hwcaps import active_at

        hwcaps = active_at(arguments.hwcaps)
    return Settings(
        _library_path(arguments),
        tuple(words.get("LD_PRELOAD", "").replace(":", " ").split()),
        hwcaps,
        preload_file=arguments.preload,
        ldconfig=arguments.ldconfig,
    )


def _library_path(arguments: argparse.Namespace) -> tuple[str, ...]:
    set_by_env = [item.partition("=")[2] for item in arguments.env if item.startswith("LD_LIBRARY_PATH=")]
    if set_by_env and not arguments.library_path:
        return tuple(set_by_env[-1].replace(";", ":").split(":")) if set_by_env[-1] else ()
    text = (arguments.library_path or "").replace(";", ":")
    found = tuple(item for item in text.split(":") if item)
    for item in found:
        if not item.startswith("/"):
            hint = f"--library-path {absolute(item)}"
            raise UsageError(f"--library-path {item}: expected absolute paths", hints=[hint])
    return found


def _inside(path: str, root: str) -> str:
    """A path of the command line as a path inside the root: relative ones are this folder's where the root is `/`."""
    return absolute(path) if root == "/" and "/" in path else path


def waiting_folder(destination: Destination) -> str:
    """Where a large layer waits: beside its destination, so that moving it there is cheap and one disk can be full."""
    if destination.transport in ("docker-daemon", "containers-storage") or destination.path == "-":
        return temporary_folder()
    return os.path.dirname(os.path.abspath(destination.path))


def stop_on_signals() -> None:
    """End as from an exception, so that what was begun is removed."""
    # `signal` is this with enums, and `enum` takes longer to import than a program to resolve.
    import _signal as signal  # type: ignore[import-not-found]

    def stop(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, stop)
