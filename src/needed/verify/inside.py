"""What strace starts: a Python that makes the sandbox, and is the program in it at last.

strace sees all that it does, and counts nothing until the sandbox stands (pivot_root(2)). It gets what to do as JSON on
a descriptor, so that an environment may be as large as the kernel allows; names in it are bytes read as UTF-8, and so
they are to this Python (-X utf8).
"""

from __future__ import annotations

import json
import os
import socket

from needed.verify.bundle import BundleTree
from needed.verify.command import Command, Limits
from needed.verify.host_tree import HostTree
from needed.verify.namespaces import keep


def orders(tree: HostTree | BundleTree, command: Command, limits: Limits) -> bytes:
    """What `main` reads."""
    words: list[object] = []
    if isinstance(tree, BundleTree):
        words = [tree.path, tree.writable]
    else:
        source = os.fsencode(tree.source).decode("utf-8", "surrogateescape")
        words = [source, tree.path, tree.hidden, tree.shown, tree.scratch, tree.kept, tree.links]
    started = [command.argv, command.env, command.directory, command.user, command.network]
    bounds = [limits.seconds, limits.memory, limits.processes]
    return json.dumps([words, started, bounds]).encode()


def main(orders_from: str, failure: str, control: str) -> None:
    """Read the orders at one descriptor, follow them, say at the next why they cannot be followed, and hand out
    connections at the last."""
    with open(int(orders_from), "rb") as file:
        tree, command, limits = json.load(file)
    argv, env, directory, user, network = command
    pairs = tuple((name, text) for name, text in env)
    found = Command(tuple(argv), pairs, directory, (user[0], user[1]), network)
    shown: BundleTree | HostTree
    if len(tree) == 2:
        shown = BundleTree(tree[0], tuple(tree[1]))
    else:
        hidden, seen, scratch, kept, links = map(tuple, tree[2:])
        shown = HostTree(tree[0], tree[1], hidden, seen, scratch, kept, links)
    asking = socket.socket(fileno=int(control))
    keep(shown, found, Limits(*limits), ((0, 1, 2), asking, int(failure)))
    os._exit(0)
