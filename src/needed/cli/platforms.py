"""`needed build --platform A,B`: an image for each, and one index of them. Nothing of it is read for one platform."""

from __future__ import annotations

import copy
import os
import sys

from needed.cli.build import (
    engine_of,
    member_cache,
    plan_object,
    show_notes,
    show_plan,
    stop_on_signals,
    told_of,
    told_of_laid,
    verify_plan,
    waiting_folder,
    wanted_of,
)
from needed.cli.console import Progress, write
from needed.cli.paths import to_host
from needed.cli.roots import docker_host, root_for
from needed.elf.machine import PLATFORMS
from needed.errors import ImageError, MachineError, MissingError, SandboxError, SourceError, UsageError, VerifyError
from needed.image.build import build_image
from needed.image.index import build_index
from needed.image.layer import Packing
from needed.image.model import choose_platform, parse_platform
from needed.output.destination import Destination, write_image
from needed.output.platforms import TREES, WHOLE, write_index
from needed.output.spool import SpoolStore
from needed.report.text import printable
from needed.toolchain.tools import this_platform
from needed.value import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Mapping

    from needed.cli.build import Wanted
    from needed.cli.sources import Laid
    from needed.errors import NeededError
    from needed.image.build import Configuration
    from needed.image.index import ImageIndex
    from needed.image.model import Platform
    from needed.output.destination import Written
    from needed.pipeline import Plan

NOTHING: Mapping[str, Laid] = {}
_OF_A_ROOT = (ImageError, MachineError, MissingError, SourceError)  # another root may help
_USUAL = {"arm64": "v8", "arm": "v7"}  # the variant that is meant where none is named


@value
class _Part:
    """What one platform's image is made of; `asked` is the platform in the user's words, `verdict` what a run said."""

    asked: str
    wanted: Wanted
    planned: Plan
    configuration: Configuration
    verdict: dict[str, object] | None = None


def build_several(arguments: argparse.Namespace, laid: Mapping[str, Laid] = NOTHING) -> int:
    """`needed build` for the platforms in `arguments`; 0. Nothing is written unless all can be.

    `laid` is by the platform what was compiled for it.
    """
    parts = [_part(arguments, platform, laid.get(platform)) for platform in parse_platforms(arguments.platform)]
    if arguments.dry_run:
        _show_plans(parts, as_json=arguments.json)
        return 0
    destinations = _destinations(arguments, parts[0].wanted)
    alone = [_platform_alone(parts, destination) for destination in destinations]
    stop_on_signals()
    if arguments.verify or arguments.verify_args is not None:
        parts = [replace(part, verdict=_verify(arguments, part)) for part in parts]
    index = _build(arguments, parts, waiting_folder(destinations[0]))
    written = [
        _write(index, parts, destination, platform) for destination, platform in zip(destinations, alone, strict=True)
    ]
    _report(arguments, parts, index, list(zip(written, alone, destinations, strict=True)))
    return 0


def parse_platforms(text: str) -> tuple[str, ...]:
    """The platforms in "linux/amd64,linux/arm64", each known and none twice. Raises UsageError."""
    known = {f"linux/{architecture}" for architecture in PLATFORMS.values()}
    seen: set[Platform] = set()
    for word in text.split(","):
        platform = parse_platform(word)
        whole = replace(platform, variant=platform.variant or _USUAL.get(platform.architecture, ""))
        if str(whole) not in known:
            raise UsageError(
                f"--platform {word}: no machine that is known has it", hints=[f"known: {', '.join(sorted(known))}"]
            )
        if whole in seen:
            raise UsageError(f"--platform names {word} twice", hints=["name each platform once"])
        seen.add(whole)
    return tuple(text.split(","))


def choose_root(words: list[str], platform: str) -> str:
    """Of `--root` words, `ROOT` or `PLATFORM=ROOT`, the ROOT that is for `platform`. Raises UsageError."""
    plain: list[str] = []
    named: dict[str, str] = {}
    for word in words:
        before, equals, root = word.partition("=")
        if not equals or not before.startswith("linux/") or os.path.isdir(to_host(word)):
            plain.append(word)
            continue
        key = _key(before)
        if not root or key in named:
            fault = "a root is named twice for it" if root else "no root is named for it"
            raise UsageError(f"--root {word}: {fault}", hints=[f"--root {before}=ROOT"])
        named[key] = root
    if len(plain) > 1:
        raise UsageError(
            f"--root is given for all platforms twice: {plain[0]}, {plain[1]}",
            hints=["name the platform that one is for: --root linux/arm64=ROOT"],
        )
    if named and not platform:
        raise UsageError("--root names a platform, and --platform none", hints=[f"--platform {','.join(named)}"])
    return named.get(_key(platform), plain[0] if plain else "/") if platform else (plain[0] if plain else "/")


def _key(text: str) -> str:
    platform = parse_platform(text)
    return str(replace(platform, variant=platform.variant or _USUAL.get(platform.architecture, "")))


def _part(arguments: argparse.Namespace, platform: str, laid: Laid | None) -> _Part:
    one = copy.copy(arguments)
    one.platform, one.root = platform, root_for(arguments.root, platform)
    try:
        wanted = wanted_of(one, empty=arguments.empty, laid=laid)
        if trees := [item for item in wanted.destinations if item.transport in TREES]:
            kind = trees[0].transport
            raise UsageError(
                f"{kind}: holds the files of one platform", hints=[f"name one: --platform {platform} -o {kind}:PATH"]
            )
        planned = wanted.plan(wanted.choices)
    except _OF_A_ROOT as error:
        raise _told_for(platform, error, f"name a tree or an image for it: --root {platform}=ROOT") from None
    return _Part(platform, wanted, planned, wanted.configuration(planned, wanted.choices))


def _told_for(platform: str, error: NeededError, hint: str = "") -> NeededError:
    """The same error, of `platform`."""
    hints = [text for text in error.hints if not text.startswith("leave out --platform")]
    message = f"{platform}: {error.message}"
    return type(error)(message, details=error.details, hints=[*hints, *([hint] if hint else [])])


def _destinations(arguments: argparse.Namespace, wanted: Wanted) -> list[Destination]:
    """Where to: what was asked for; an archive that holds an index where nothing was."""
    asked = list(wanted.destinations)
    if not arguments.output:
        asked = [Destination("oci-archive", item.path) for item in asked]
    return [*asked, *([engine_of(wanted.reference)] if arguments.load else [])]


def _platform_alone(parts: list[_Part], destination: Destination) -> Platform | None:
    """The platform whose image alone goes to `destination`, None for the whole index. Raises UsageError, and
    EngineError if Docker does not tell."""
    if destination.transport in WHOLE:
        return None
    machine = this_platform()
    if destination.transport == "docker-daemon":
        from needed.output.docker_daemon import platform_of

        machine = platform_of(docker_host())
    found = choose_platform(tuple(part.planned.platform for part in parts), machine)
    if found is None:
        raise UsageError(
            f"{destination.transport}: holds the image of one platform, here {machine}, and none is for that",
            hints=["write all of them: -o oci:DIR, -o oci-archive:FILE", f"--platform {machine},…"],
        )
    return found


def _show_plans(parts: list[_Part], *, as_json: bool) -> None:
    if as_json:
        import json

        write(json.dumps({"platforms": [plan_object(part.planned) for part in parts]}, indent=2))
        return
    for part in parts:
        write(f"platform {part.planned.platform}")
        show_plan(part.planned, as_json=False)
        sys.stdout.flush()


def _verify(arguments: argparse.Namespace, part: _Part) -> dict[str, object]:
    try:
        return verify_plan(arguments, part.planned, part.configuration, part.wanted, part.asked)
    except (SandboxError, VerifyError) as error:
        raise _told_for(part.asked, error) from None


def _build(arguments: argparse.Namespace, parts: list[_Part], folder: str) -> ImageIndex:
    cache = None if arguments.no_cache else member_cache()
    images = []
    for part in parts:
        progress = None
        if not arguments.quiet and sys.stderr.isatty():
            progress = Progress(sys.stderr, _describe(part.asked))
        packing = Packing(part.wanted.codec, None, progress, cache)
        rootfs, platform = part.planned.rootfs, part.planned.platform
        try:
            images.append(build_image(rootfs, platform, part.configuration, packing, SpoolStore(folder)))
        finally:
            if progress:
                progress.clear()
    if cache:
        cache.close()
    return build_index(images)


def _describe(platform: str) -> Callable[[int, int], str]:
    return lambda done, total: f"packing {platform}: {done / 1e6:,.0f} of {total / 1e6:,.0f} MB"


def _write(index: ImageIndex, parts: list[_Part], destination: Destination, platform: Platform | None) -> Written:
    """To `destination`: the index, or the image of `platform`."""
    reference = parts[0].wanted.reference
    if platform is None:
        return write_index(index, destination, reference, stdout=sys.stdout.buffer)
    image = next(image for image in index.images if image.platform == platform)
    rootfs = next(part.planned.rootfs for part in parts if part.planned.platform == platform)
    host, stdout = docker_host(), sys.stdout.buffer
    return write_image(image, rootfs, destination, reference, docker_host=host, stdout=stdout)


def _report(
    arguments: argparse.Namespace,
    parts: list[_Part],
    index: ImageIndex,
    written: list[tuple[Written, Platform | None, Destination]],
) -> None:
    from needed.report.platforms import index_object, render_image, render_index

    reference = parts[0].wanted.reference
    by_image = [(image, next(one for one in parts if one.planned.platform == image.platform)) for image in index.images]
    to_stdout = any(item.name.endswith(":-") for item, _, _ in written)
    if not arguments.quiet and not arguments.json:
        for image, part in by_image:
            show_notes(part.planned)
            _tell(render_image(image, str(reference)))
        _tell(render_index(index, str(reference), [(item.name, str(one or "")) for item, one, _ in written]))
    names = [f"{(place.reference or reference).name}@{item.digest}" for item, _, place in written]
    if arguments.json:
        import json

        more = [
            told_of(part.planned) | told_of_laid(part.wanted) | ({"verdict": part.verdict} if part.verdict else {})
            for _, part in by_image
        ]
        found = index_object(index, str(reference), more)
        found["written"] = [
            {"destination": item.name, "name": name} | ({"platform": str(one)} if one else {})
            for (item, one, _), name in zip(written, names, strict=True)
        ]
        write(json.dumps(found, indent=2), sys.stderr if to_stdout else sys.stdout)
    elif not to_stdout:
        for line in dict.fromkeys(names):
            write(line)


def _tell(lines: Iterable[str]) -> None:
    for line in lines:
        write(printable(line), sys.stderr)
