"""Every job of the tables beside this one passes `needed verify` without an engine, as root and as nobody; Docker and
Podman, asked the same of the same image, give the same answers.

A job that takes several programs is a script: it makes what it needs, and ends as they do.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree, rmtree

import pytest
from tests.engines.conftest import Needed
from tests.engines.engines import Docker, Podman, short_folder
from tests.engines.git_server import certificate, serve
from tests.engines.java_class import serve_jar
from tests.engines.servers import HOST, PAGE, free_port, tls_server
from tests.engines.test_jobs_of_dlopen import NOTE, compiled
from tests.engines.test_jobs_of_python import APPLICATION, MANY
from tests.engines.test_jobs_of_scripts import ENTRYPOINT
from tests.engines.test_jobs_of_servers import BIN
from tests.engines.test_jobs_of_tables import GREETING

import needed as package

NOBODY = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps=-all")
SANDBOXES = ((), NOBODY, ("docker",), ("podman",))

HISTORY = """#!/bin/sh
set -e
cd /tmp
git init -q there
cd there
echo one line > poem
git add poem
git -c user.name=Nobody -c user.email=nobody@example.org commit -qm "the first"
git clone -q file:///tmp/there /tmp/here
git -C /tmp/here log --format="%an: %s"
"""
DATABASE = f"""#!/bin/sh
set -e
{BIN}/initdb -D /tmp/data -N -A trust --locale=C > /tmp/log
{BIN}/postgres -D /tmp/data -F -c listen_addresses= -k /tmp >> /tmp/log 2>&1 &
until {BIN}/psql -h /tmp -qAtX -d postgres -c "SELECT 6 * 7, lower('QUERY')" 2>> /tmp/log; do sleep 0.1; done
"""
LOGIN = """#!/bin/sh
set -e
cd /tmp
for name in host user stranger; do ssh-keygen -q -t ed25519 -N "" -f $name; done
mv user.pub allowed
/usr/sbin/sshd -f /dev/null -p 2222 -h /tmp/host -E /tmp/log -o AuthorizedKeysFile=/tmp/allowed -o UsePAM=no \\
    -o StrictModes=no
try() { ssh -F /dev/null -p 2222 -i $1 -o BatchMode=yes -o StrictHostKeyChecking=no nonroot@127.0.0.1 id; }
until try user 2>> /tmp/log; do sleep 0.1; done
! try stranger
"""
TERMINAL = """#!/bin/sh
set -e
script -qec 'bash -ic "tput setaf 1; echo ready"' /dev/null
script -qec 'less -F /script.sh' /dev/null
script -qec 'vim -c "syntax on" -c redraw -c q /script.sh' /dev/null
"""
ZONES = """#!/bin/sh
TZ=Europe/Berlin date -d @0 +'%H:%M %Z'
TZ=Asia/Tokyo date -d @0 +'%H:%M %Z'
"""
NAMES = """#!/bin/sh
id
getent passwd nonroot
"""
PAGE_OF_NODE = """
const http = require('http');
http.createServer((_, response) => response.end('from node')).listen(8080, '127.0.0.1');
"""


@dataclass(frozen=True)
class Asked:
    """What `needed build` gets, what `needed verify` asks, and the words of the command."""

    build: tuple[str | Path, ...]
    verify: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


class Place:
    """A folder that everybody may read, and what ends with the test."""

    def __init__(self, folder: Path, stack: ExitStack, flask: Callable[[], Path]) -> None:
        self.folder, self.stack, self.flask = folder, stack, flask

    def script(self, text: str, name: str = "entrypoint") -> Path:
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o755)
        return path


def says(*lines: str) -> tuple[str, ...]:
    return tuple(f"--stdout-contains={line}" for line in lines)


def curl(place: Place) -> Asked:
    server = place.stack.enter_context(tls_server(place.folder))
    words = ("-sS", "--resolve", f"{HOST}:{server.port}:127.0.0.1", server.url)
    return Asked(("curl", "--rule", f"certificates={server.ca}"), ("--network", "host", *says(PAGE.strip())), words)


def git_over_https(place: Place) -> Asked:
    subprocess.run([place.script(HISTORY.replace("/tmp", str(place.folder)))], check=True, capture_output=True)
    subprocess.run(["git", "clone", "-q", "--bare", place.folder / "there", place.folder / "bare"], check=True)
    file, key = certificate(place.folder)
    address = place.stack.enter_context(serve(place.folder, file, key))
    trusts = ("--add", f"{file}:/ca.pem", "--env", "GIT_SSL_CAINFO=/ca.pem")
    return Asked(("git", *trusts), ("--network", "host"), ("clone", f"{address}/bare", "/tmp/clone"))


def git_over_file(place: Place) -> Asked:
    return Asked((place.script(HISTORY),), says("Nobody: the first"))


def nginx(_: Place) -> Asked:
    return Asked(("nginx",), ("--http", "80/", "--http", "80/nothing=404"), ("-g", "daemon off;"))


def redis(_: Place) -> Asked:
    return Asked(("redis-server",), ("--tcp", "6379", "--stays-up", "0.5"))


def postgres(place: Place) -> Asked:
    return Asked((place.script(DATABASE),), says("42|query"))


def sshd(place: Place) -> Asked:
    said = ("--stderr-contains", "Permission denied (publickey")
    return Asked((place.script(LOGIN), "--with", "id"), (*says("uid=65532(nonroot) gid=65532(nonroot)"), *said))


def python(_: Place) -> Asked:
    lines = ('42 {"a": [1]} e3b0c442', "1970-01-01T01:00:00+01:00", "OpenSSL")
    return Asked(("python3", "--env", "TZ=Europe/Berlin"), says(*lines), ("-c", MANY))


def flask_application(place: Place) -> Asked:
    venv, port = place.flask(), free_port()
    program = place.script(APPLICATION.format(python=venv / "bin/python", port=port), "app.py")
    (place.folder / "templates").mkdir()
    (place.folder / "templates/page.html").write_text("hello from {{ name }}")
    return Asked((program,), ("--http", f"{port}/", "--http-contains", "hello from flask"))


def perl(_: Place) -> Asked:
    return Asked(("perl",), says('[1,{"a":null}]'), ("-MJSON::PP", "-e", "print encode_json([1, {a => undef}])"))


def node(place: Place) -> Asked:
    program = place.script(f"#!/usr/bin/env node\n{PAGE_OF_NODE}", "server.js")
    entry = place.script(f"#!/bin/sh\nnode --version\nexec {program}\n")
    asked = ("--http", "8080/", "--http-contains", "from node", *says("v"))
    return Asked((entry, program, "--entrypoint", str(entry)), asked)


def java(place: Place) -> Asked:
    (place.folder / "serve.jar").write_bytes(serve_jar())
    entry = ("--entrypoint", "java -jar /app/serve.jar", "--env", "PATH=/usr/bin")
    built = ("java", "--add", f"{place.folder}/serve.jar:/app/serve.jar", *entry)
    return Asked(built, says("hello from the JVM", "hello over HTTP", "Asia/Tokyo"), ("Asia/Tokyo",))


def iconv(place: Place) -> Asked:
    (place.folder / "text").write_bytes(GREETING.encode("gbk"))
    words = ("-f", "GBK", "-t", "UTF-8", "/text")
    return Asked(("iconv", "--add", f"{place.folder}/text:/text"), says(GREETING.strip()), words)


def terminals(place: Place) -> Asked:
    (place.folder / "hello.sh").write_text('if true; then echo "hello"; fi\n')
    built = (place.script(TERMINAL), "--with", "bash,less,vim,tput", "--add", f"{place.folder}/hello.sh:/script.sh")
    return Asked((*built, "--env", "TERM=xterm-256color"), says("\x1b[31mready", 'echo "hello"', "\x1b[38;5;"))


def locale(_: Place) -> Asked:
    return Asked(("locale", "--env", "LANG=C.UTF-8"), says("UTF-8"), ("charmap",))


def zones(place: Place) -> Asked:
    built = (place.script(ZONES), "--rule", "zones=Europe/Berlin,Asia/Tokyo")
    return Asked(built, says("01:00 CET", "09:00 JST"))


def names(place: Place) -> Asked:
    return Asked((place.script(NAMES),), says("uid=65532(nonroot) gid=65532(nonroot)", "nonroot:*:65532:65532:"))


def entrypoint(place: Place) -> Asked:
    return Asked((place.script(ENTRYPOINT),), says("port = 8080"))


def dlopen_of_a_literal(place: Place) -> Asked:
    text = 'strcpy(name, "libz.so.1"); volatile const char *kept = "libz.so.1"; (void)kept;'
    return Asked((compiled(place.folder, text),), says("opened"))


def dlopen_of_a_note(place: Place) -> Asked:
    text = json.dumps([{"soname": ["libz.so.1"], "priority": "recommended", "feature": "compression"}])
    before = NOTE % {"size": (len(text) + 4) // 4 * 4, "text": json.dumps(text)}
    program = compiled(place.folder, 'snprintf(name, sizeof name, "%s", words[1]);', before)
    return Asked((program,), says("opened"), ("libz.so.1",))


def dlopen_of_a_computed_name(place: Place) -> Asked:
    program = compiled(place.folder, "snprintf(name, sizeof name, \"lib%c.so.%d\", 'z', count);")
    return Asked((program, "--with", "libz.so.1"), says("opened"))


JOBS = (
    curl, git_over_https, git_over_file, nginx, redis, postgres, sshd, python, flask_application, perl,
    node, java, iconv, terminals, locale, zones, names, entrypoint, dlopen_of_a_literal,
    dlopen_of_a_note, dlopen_of_a_computed_name,
)  # fmt: skip


@pytest.fixture(scope="module")
def sources() -> Iterator[Path]:
    """This project's sources where everybody may read them, and a folder `own` for trees."""
    folder = short_folder()
    folder.chmod(0o755)
    try:
        copytree(Path(str(package.__file__)).parent, folder / "source/needed")
        (folder / "own").mkdir()
        (folder / "own").chmod(0o1777)
        yield folder
    finally:
        rmtree(folder)


@pytest.fixture(scope="module")
def engines(docker: Docker, podman: Podman, sources: Path) -> dict[str, str]:
    """An environment in which `docker` and `podman` are the tests' own."""
    script = sources / "bin/podman"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec /usr/bin/podman {" ".join(podman.options)} "$@"\n')
    script.chmod(0o755)
    return {
        "PATH": f"{script.parent}:{os.environ['PATH']}", "DOCKER_HOST": docker.host,
        "PYTHONPATH": str(sources / "source"), "TMPDIR": str(sources / "own"), "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip


Verify = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def verify(sources: Path, engines: dict[str, str]) -> Verify:
    """`needed verify` of an archive in one of SANDBOXES: in no engine by us, or by nobody, who has the sources and a
    Python and nothing of this project else."""

    def call(name: tuple[str, ...], archive: Path, *words: str) -> subprocess.CompletedProcess[str]:
        who = name if name == NOBODY else ()
        where = name[0] if name in (("docker",), ("podman",)) else "unshare"
        python = "/usr/bin/python3" if who else sys.executable
        command = [*who, python, "-m", "needed", "verify", f"docker-archive:{archive}", "--json", "--sandbox", where]
        return subprocess.run(
            [*command, *words], cwd=sources, env=engines, capture_output=True, text=True, timeout=120, check=False
        )

    return call


def built(needed: Needed, folder: Path, *words: str | Path) -> Path:
    """An archive that everybody may read, of what `needed build` makes of `words`."""
    place = folder / "image.tar"
    needed("build", *words, "-q", "-t", "job", "--compression", "none", "-o", f"docker-archive:{place}")
    place.chmod(0o644)
    return place


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.__name__)
def test_a_job_is_verified_by_everybody_and_in_every_engine(
    job: Callable[[Place], Asked],
    needed: Needed,
    verify: Verify,
    sources: Path,
    request: pytest.FixtureRequest,
) -> None:
    folder = short_folder()
    folder.chmod(0o755)
    with ExitStack() as stack:
        stack.callback(rmtree, folder)
        asked = job(Place(folder, stack, lambda: request.getfixturevalue("flask")))
        archive = built(needed, folder, *asked.build)
        verdicts = {}
        for name in SANDBOXES:
            done = verify(name, archive, *asked.verify, "--", *asked.words)
            assert done.returncode == 0, f"{name}\n{done.stdout}{done.stderr}"
            found = json.loads(done.stdout)
            answers = [(x["kind"], x["subject"], x["passed"]) for check in found["checks"] for x in check["answers"]]
            verdicts[name] = (found["verdict"], answers)
        assert [*verdicts.values()] == [("verified", verdicts[()][1])] * len(SANDBOXES)
    assert list((sources / "own").iterdir()) == []


def test_root_of_an_image_becomes_another_user_where_root_or_an_engine_runs_it(
    needed: Needed, verify: Verify, sources: Path
) -> None:
    """nginx gives its folders to www-data, and its workers are it; nobody has no second user to give, and says so."""
    folder = sources / "root"
    folder.mkdir()
    archive = built(needed, folder, "nginx", "--user", "0:0", "--rule", "users=www-data")
    asked = ("--capabilities", "root", "--http", "80/", "--", "-g", "daemon off;")
    for name in SANDBOXES:
        done = verify(name, archive, *asked)
        expected = (10, "not verified") if name == NOBODY else (0, "verified")
        assert (done.returncode, json.loads(done.stdout)["verdict"]) == expected, f"{name}\n{done.stdout}{done.stderr}"


def test_root_of_an_image_has_the_same_capabilities_in_each_sandbox(
    needed: Needed, verify: Verify, sources: Path
) -> None:
    folder = sources / "capable"
    folder.mkdir()
    archive = built(needed, folder, "cat", "--user", "0:0")
    for capabilities, mask in (("none", "0" * 16), ("root", "00000000000404fb")):
        for name in ((), ("docker",), ("podman",)):
            asked = ("--capabilities", capabilities, "--stdout-contains", f"CapEff:\t{mask}")
            done = verify(name, archive, *asked, "--", "/proc/self/status")
            assert done.returncode == 0, f"{name}\n{done.stdout}{done.stderr}"
