"""Images of this machine's own programs that grow, in the sandbox and under strace, until they do what is asked."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from needed.errors import SandboxError
from needed.fit import Fitted, Ground, Round, fit, shrink
from needed.image.build import Configuration, config_of
from needed.pipeline import default_configuration, plan
from needed.root import DirectoryRoot
from needed.rules.choices import DEFAULTS, NONE, Choices
from needed.verify.checks import Check, HttpProbe
from needed.verify.command import DEFAULT_PATH
from needed.verify.native import Native
from needed.verify.strace import StraceTracer

NEEDED = Path(sys.executable).with_name("needed")
SOURCE = DirectoryRoot("/")
ROUNDS = 6
# Opens what it answers with when it is asked, not before.
SERVER = """
import http.server
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with open('/etc/os-release', 'rb') as file:
            text = file.read()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text)
http.server.HTTPServer(('127.0.0.1', 8080), Answer).serve_forever()
"""
PLUGIN = """
#include <dlfcn.h>
#include <stdio.h>
int main(void) {
    char name[32];
    snprintf(name, sizeof name, "lib%c.so.%d", 'z', 1);
    void *plugin = dlopen(name, RTLD_NOW);
    if (!plugin) { fprintf(stderr, "%s\\n", dlerror()); return 3; }
    return dlsym(plugin, "zlibVersion") ? 0 : 4;
}
"""


def ground(program: str, check: Check, folder: Path, strace: str = "strace") -> Ground:
    given = Configuration(env=(f"PATH={DEFAULT_PATH}",), user="65532:65532")
    return Ground(
        SOURCE,
        lambda choices: plan(SOURCE, [program], choices=choices),
        lambda made: config_of(made.platform, default_configuration(made, given, told=frozenset()), ()),
        (check,),
        Native(str(folder)),
        lambda root: StraceTracer(root, strace),
        str(folder),
    )


def fitted(program: str, check: Check, folder: Path, choices: Choices = NONE) -> Fitted:
    told: list[Round] = []
    found = fit(ground(program, check, folder), choices, told.append)
    assert tuple(told) == found.rounds
    assert [one.number for one in told] == [*range(1, len(told) + 1)]
    assert list(folder.iterdir()) == []  # nothing of a tree is left
    return found


def with_rules(program: str, *along: str) -> int:
    return plan(SOURCE, [program], choices=Choices(along=along)).rootfs.size


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "trees"
    made.mkdir()
    return made


def test_a_command_whose_name_is_computed_is_taken_after_the_first_round(folder: Path) -> None:
    check = Check(args=("-c", "a=se; b=d; echo hello | $a$b s/h/j/"), stdout_contains=("jello",))
    found = fitted("bash", check, folder)
    assert found.passes
    assert found.rounds[0].verdict.answer == "failed"
    assert ("/usr/bin/sed", "executed") in [(one.path, one.how) for one in found.rounds[0].taken]
    assert str(found.plan.rootfs.reasons["/usr/bin/sed"][0]) == "traced fit, round 1: asked for in vain"
    assert len(found.rounds) <= ROUNDS
    assert found.plan.rootfs.size <= with_rules("bash", "sed")


def test_a_library_whose_name_is_computed_is_taken_where_the_loader_finds_it(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "main.c").write_text(PLUGIN)
    program = str(tmp_path / "main")
    subprocess.run(["gcc", "-o", program, str(tmp_path / "main.c")], check=True)
    found = fitted(program, Check(), folder)
    assert found.passes
    assert [(one.path, one.how) for one in found.rounds[0].taken] == [("libz.so.1", "loaded")]
    assert [one.name for one in found.plan.closure.opened] == ["libz.so.1"]
    assert len(found.rounds) <= ROUNDS
    assert found.plan.rootfs.size <= with_rules(program, "libz.so.1")


def test_of_a_folder_that_is_listed_what_the_source_root_s_run_used_is_taken(folder: Path) -> None:
    check = Check(args=("-c", "import json; print(json.dumps([1]))"), stdout_contains=("[1]",))
    found = fitted("/usr/bin/python3", check, folder)
    assert found.passes
    names = [path.rpartition("/")[2] for path in found.plan.rootfs.entries if "/json/" in path]
    assert "decoder.py" in names
    assert not any(path.endswith("/ftplib.py") for path in found.plan.rootfs.entries)  # which nobody imports
    assert len(found.rounds) <= ROUNDS
    assert found.plan.rootfs.size < with_rules("/usr/bin/python3")


def test_what_a_service_looks_for_when_it_is_asked_is_found_too(folder: Path) -> None:
    check = Check(args=("-c", SERVER), exit=None, http=(HttpProbe(8080, "/"),), http_contains=("NAME=",), seconds=30)
    found = fitted("/usr/bin/python3", check, folder, DEFAULTS)
    assert found.passes
    assert found.rounds[0].verdict.answer == "failed"
    assert "/etc/os-release" in [one.path for one in found.rounds[0].taken]


def test_a_folder_to_write_to_belongs_to_the_image_s_user(folder: Path) -> None:
    found = fitted("bash", Check(args=("-c", "echo one > /tmp/one && echo two > /var/cache/two")), folder)
    assert found.passes
    entries = found.plan.rootfs.entries
    assert [getattr(entries[path], "owner", None) for path in ("/tmp", "/var/cache")] == [(65532, 65532)] * 2


def test_a_secret_that_is_asked_for_is_left_out_and_told(folder: Path) -> None:
    found = fitted("bash", Check(args=("-c", "read line < /etc/shadow")), folder)
    assert not found.passes
    assert found.withheld == ("/etc/shadow: password hashes",)
    assert "/etc/shadow" not in found.plan.rootfs.entries


def test_what_this_machine_has_of_its_own_is_made_anew(folder: Path) -> None:
    found = fitted("bash", Check(args=("-c", "read line < /etc/passwd && [[ $line == root:* ]]")), folder)
    assert found.passes
    assert "users" in found.rounds[0].rules
    assert [one.rule for one in found.plan.rootfs.reasons["/etc/passwd"]] == ["users"]


def test_rounds_end_where_nothing_is_left_to_add(folder: Path) -> None:
    found = fitted("bash", Check(args=("-c", "there-is-no-such-command")), folder)
    assert not found.passes
    assert not found.rounds[-1].taken
    assert not found.rounds[-1].rules


def test_what_passes_without_is_taken_away(folder: Path) -> None:
    here = ground("bash", Check(args=("-c", "echo hello"), stdout_contains=("hello",)), folder)
    found = fit(here, DEFAULTS)
    told: list[tuple[str, int]] = []
    less = shrink(here, found, lambda what, size: told.append((what, size)))
    assert less.passes
    assert less.without == tuple(told)
    assert found.plan.rootfs.size - less.plan.rootfs.size == sum(size for _, size in told) > 0
    assert {item.path for item in found.plan.closure.objects} == {item.path for item in less.plan.closure.objects}


def test_shrinking_begins_with_what_the_runs_used_and_keeps_the_folders_that_they_wrote_to(folder: Path) -> None:
    here = ground("bash", Check(args=("-c", "echo hello > /tmp/one")), folder)
    found = fit(here, Choices(values=(("zones", "UTC"),)))
    less = shrink(here, found, trials=1)
    assert [what for what, _ in less.without] == ["rules that no run needed"]
    assert less.passes
    assert "/tmp" in less.plan.rootfs.entries


def test_no_more_images_are_tried_than_is_said(folder: Path) -> None:
    here = ground("bash", Check(args=("-c", "echo hello")), folder)
    assert shrink(here, fit(here, DEFAULTS), trials=0).without == ()


def test_without_a_tracer_nothing_is_fitted(folder: Path) -> None:
    here = ground("bash", Check(args=("-c", ":")), folder, strace="/there/is/no/strace")
    with pytest.raises(SandboxError, match="nothing here can trace") as caught:
        fit(here, NONE)
    assert caught.value.exit_code == 10


def test_the_verb_writes_what_passes_and_says_how_it_came_to_it(tmp_path: Path) -> None:
    words = [str(NEEDED), "fit", "bash", "--json", "-o", f"dir:{tmp_path}/image", "--", "-c", "echo x | sed s/x/y/"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    rounds = json.loads(done.stdout)["fit"]["rounds"]
    assert [one["verdict"] for one in rounds][-1] == "verified"
    assert {"path": "/usr/bin/sed", "how": "executed"} in rounds[0]["taken"]
    assert (tmp_path / "image").is_dir()


def test_the_verb_writes_nothing_where_the_checks_fail(tmp_path: Path) -> None:
    words = [str(NEEDED), "fit", "bash", "-o", f"dir:{tmp_path}/image", "--", "-c", "there-is-no-such-command"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 11
    assert "exit 0 failed" in done.stderr
    assert "missing command there-is-no-such-command" in done.stderr
    assert not (tmp_path / "image").exists()


def test_each_round_is_a_line(tmp_path: Path) -> None:
    words = [str(NEEDED), "fit", "bash", "-o", f"dir:{tmp_path}/image", "--", "-c", "echo x | sed s/x/y/"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    first = next(line for line in done.stderr.splitlines() if line.startswith("round 1"))
    assert first.startswith("round 1  exit 0 failed; ")
    assert "asked for in vain" in first
    assert any(line.startswith("round 2  passed; ") for line in done.stderr.splitlines())
