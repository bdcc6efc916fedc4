"""`needed why`: the chain of reasons that a path is in an image for."""

from __future__ import annotations

import sys

from needed.cli.choices import add_rule_options, choices_of, own_rules
from needed.cli.console import write
from needed.cli.paths import absolute
from needed.cli.roots import library_path, open_root_option
from needed.errors import UsageError
from needed.report.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from needed.root import Root
    from needed.rootfs import Rootfs

_EPILOG = """\
exit status: 0, or 1 if nothing asks for PATH.

examples:
  needed why /lib/x86_64-linux-gnu/libtinfo.so.6 --for bash
  needed why libz.so.1 --for git --root /srv/debian-arm64
  needed why /etc/nsswitch.conf --for curl
  needed why /usr/bin/env --in docker-archive:app.tar
"""


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "why",
        help="print the chain of reasons that a file goes in for",
        description="Prints why a file goes into the image of a program, or is in an image that\nneeded built.",
        epilog=_EPILOG,
        allow_abbrev=False,
    )
    option = parser.add_argument
    option("path", metavar="PATH", help="a path, or the name of a library")
    option("--for", dest="programs", action="append", default=[], metavar="PROGRAM", help="may be given again")
    option("--root", default="/", metavar="ROOT", help="the directory or image to take it from (default /)")
    option("--library-path", metavar="DIRS", help="resolve with LD_LIBRARY_PATH set to DIRS")
    option("--ldconfig", action="store_true", help="resolve as if ldconfig had just been run in the root")
    option("--platform", default="", metavar="OS/ARCH", help="which image of several (default: this machine's)")
    option("--in", dest="image", metavar="IMAGE", help="an image that needed built, which knows what was asked for")
    add_rule_options(option)
    option("--all", action="store_true", help="every chain, not the shortest only")
    option("--json", action="store_true", help="an object with all chains")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from needed.explain import find_chains, find_entry
    from needed.report.explain import chains_object, render_chains, render_folder

    if bool(arguments.programs) == bool(arguments.image):
        raise UsageError(
            "name the programs that the file may be there for, or the image that it is in",
            hints=[f"needed why {arguments.path} {way}" for way in ("--for PROGRAM", "--in docker-archive:FILE")],
        )
    rootfs = _rootfs(arguments)
    path = find_entry(rootfs, _inside(arguments))
    chains = list(find_chains(rootfs, path)) if path else []
    if arguments.json:
        import json

        write(json.dumps(chains_object(path or arguments.path, chains), indent=2))
    elif path is None:
        of = arguments.image or ", ".join(arguments.programs)
        write(printable(f"{arguments.path}: nothing that {of} asks for leads to it"))
        if arguments.image and _is_in_image(arguments):
            write("  it is in the image; if a rule of your own took it, name that: --rules FILE")
    else:
        lines = render_chains(path, chains, everything=arguments.all) if chains else render_folder(path, rootfs)
        for line in lines:
            write(printable(line))
    sys.stdout.flush()
    return 0 if path else 1


def _inside(arguments: argparse.Namespace) -> str:
    """PATH as it is in the root: of this machine relative to the working directory, of others to their top."""
    text: str = arguments.path
    if "/" not in text:
        return text
    return absolute(text) if arguments.root == "/" and not arguments.image else f"/{text.lstrip('/')}"


def _is_in_image(arguments: argparse.Namespace) -> bool:
    from needed.root import Walker

    path = _inside(arguments)
    return "/" in path and Walker(_open(arguments, arguments.image)).find(path) is not None


def _open(arguments: argparse.Namespace, text: str) -> Root:
    return open_root_option(text, arguments.platform, ours=True)


def _rootfs(arguments: argparse.Namespace) -> Rootfs:
    from needed.image.root import ImageRoot
    from needed.loader import Settings
    from needed.pipeline import plan, plan_of_image

    if arguments.image:
        image = _open(arguments, arguments.image)
        if not isinstance(image, ImageRoot):
            raise UsageError(
                f"{arguments.image}: is a directory, which does not know what was asked for",
                hints=[f"name the program: --for PROGRAM --root {arguments.image}"],
            )
        return plan_of_image(image, arguments.image, own_rules(arguments.rules)).rootfs
    here = arguments.root == "/"
    programs = [absolute(one) if here and "/" in one else one for one in arguments.programs]
    root = _open(arguments, arguments.root)
    directories = library_path(arguments.library_path, root)
    settings = Settings(directories, ldconfig=arguments.ldconfig, preload_file=False)
    return plan(root, programs, settings=settings, choices=choices_of(arguments)).rootfs
