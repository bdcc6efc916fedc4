"""Shell scripts: which commands and files of the root they bring, and what is told of the others."""

from __future__ import annotations

from needed.pipeline import Plan, plan
from needed.root import MemoryRoot
from needed.rootfs import Symlink
from needed.rules.choices import Choices
from tests.rules.trees import program, tree

TOOLS: dict[str, bytes | str] = {
    "/bin/sh": "-> dash",
    "/bin/dash": program(),
    "/usr/bin/mkdir": program(),
    "/usr/bin/tool": program(),
    "/usr/bin/other": b"#!/bin/sh\ntool\n",
    "/usr/lib/app/functions": b"helper() { mkdir x; }\n",
    "/etc/app.conf": b"",
}
BUSYBOX = program() + b"\0[\0[[\0cat\0mkdir\0\0"


def planned(script: bytes, *, choices: Choices | None = None, **more: bytes) -> Plan:
    files = {**tree(), **TOOLS, "/app": b"#!/bin/sh\n" + script}
    files |= {f"/usr/bin/{name}": content for name, content in more.items()}
    return plan(MemoryRoot(files), ["/app"], choices=choices or Choices())


def told(found: Plan) -> list[str]:
    return [tell.message for item in found.applied if item.rule == "shell-commands" for tell in item.told]


def test_a_command_comes_with_its_line_as_the_reason() -> None:
    found = planned(b"cd /\nmkdir -p /tmp/a\n")
    assert str(found.rootfs.reasons["/usr/bin/mkdir"][0]) == "rule shell-commands: /app line 3: mkdir -p /tmp/a"


def test_builtins_and_functions_bring_nothing() -> None:
    found = planned(b"tool() { echo; }\ntool\nexport A=1\n[ -n x ]\n")
    assert "/usr/bin/tool" not in found.rootfs.entries
    assert told(found) == []


def test_a_command_that_is_a_script_brings_what_it_calls() -> None:
    assert {"/usr/bin/other", "/usr/bin/tool"} <= planned(b"other\n").rootfs.entries.keys()


def test_a_file_that_is_sourced_is_read_and_its_functions_are_no_commands() -> None:
    found = planned(b". /usr/lib/app/functions\nhelper\n")
    assert {"/usr/lib/app/functions", "/usr/bin/mkdir"} <= found.rootfs.entries.keys()
    assert told(found) == []


def test_a_file_that_is_tested_comes_along_if_the_root_has_it() -> None:
    assert "/etc/app.conf" in planned(b"[ -f /etc/app.conf ] || exit 1\n").rootfs.entries


def test_what_only_a_run_knows_is_told_and_what_it_may_be_comes_along() -> None:
    found = planned(b'"$CMD" x\n${TOOL:-tool}\n')
    assert told(found) == ['/app starts what only a run knows: "$CMD" (line 2)']
    assert "/usr/bin/tool" in found.rootfs.entries


def test_of_one_script_all_that_only_a_run_knows_is_one_sentence() -> None:
    found = planned(b'"$CMD" x\n$A/b\n"$CMD" y\n')
    assert told(found) == ['/app starts what only a run knows: "$CMD" (lines 2, 4), $A/b (line 3)']


def test_what_a_container_is_told_to_run_is_a_sentence_of_its_own() -> None:
    found = planned(b'$A\nexec "$@"\n')
    assert told(found) == [
        '/app, line 3, starts "$@", which only a run knows',
        "/app starts what only a run knows: $A (line 2)",
    ]


def test_lines_that_are_not_understood_are_one_sentence() -> None:
    (sentence,) = told(planned(b"a=(\n" * 3 + b"if true; then\n"))
    assert sentence.startswith("/app was not understood in line") and sentence.endswith("commands there may be amiss")


def test_what_the_root_does_not_have_is_told_with_its_line() -> None:
    assert told(planned(b"nothing\n")) == ["/app calls what the root does not have: nothing (line 2)"]


def test_a_builtin_of_another_shell_is_not_missed() -> None:
    assert told(planned(b'if [ -n "$KSH_VERSION" ]; then print x; fi\n')) == []


def test_busybox_serves_what_it_has_if_it_is_chosen() -> None:
    choices = Choices(values=(("shell-commands", "busybox"),))
    found = planned(b"mkdir a\ntool\n", choices=choices, busybox=BUSYBOX)
    assert found.rootfs.entries["/usr/bin/mkdir"] == Symlink("busybox")
    assert {"/usr/bin/busybox", "/usr/bin/tool"} <= found.rootfs.entries.keys()
