"""`make sizes`: how large the image of each job is, beside its packages and beside what other tools make of it.

A job is one command, without a file picked by hand; `tests/engines/test_jobs_of_*` puts the same images to their work.
Bytes are those of all regular files, as Docker counts an image, in units of 10^6; `gzip` is the layer as it is pushed.
`packages` is the sum of Installed-Size of the packages that the programs are from and of all that those depend on, the
first installed of alternatives, C library included: what a `FROM scratch` with apt-get would hold. Reads this machine.

Below are the web servers of examples/web, from source to image in one command: the stripped program that the compiler
made, the image, what the image has over it, and the seconds that the second of two builds took, compiler's caches warm.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measuring import NEEDED, folder

MEGA = 1_000_000
EXAMPLES = Path(__file__).parents[1] / "examples/web"
POSTGRES = "/usr/lib/postgresql/15/bin"


@dataclass(frozen=True)
class Peers:
    """Measured in November 2026 on Debian 12 amd64. `floor` in 10^6 bytes is the least that passes all checks: the
    program, its closure and the files that it opens. `least` is what names alone got of the best tool, `best` what any
    flags did, each with the checks that its image passed."""

    floor: float
    least: str
    best: str


@dataclass(frozen=True)
class Job:
    """`words` go behind `needed build`; `packages` are what a Debian user installs for the same."""

    words: tuple[str, ...]
    packages: tuple[str, ...]
    peers: Peers | None = None


JOBS = (
    Job(("bash", "ls"), ("bash", "coreutils"), Peers(4.566, "magicpak 4.57, 3/5", "mint 5.11, 4/5")),
    Job(("id",), ("coreutils",)),
    Job(("curl",), ("curl", "ca-certificates"), Peers(19.34, "magicpak 19.1, 2/3", "magicpak 19.3, 3/3")),
    Job(("git",), ("git", "ca-certificates"), Peers(25.05, "magicpak 6.6, 4/6", "magicpak 25.2, 6/6")),
    Job(("nginx",), ("nginx",), Peers(9.80, "magicpak 9.8, 1/3", "mint 10.4, 3/3")),
    Job(("/usr/bin/python3",), ("python3",), Peers(35.41, "mint 11.2, 1/5", "mint 24.4, 5/5")),
    Job(("perl",), ("perl",), Peers(10.56, "magicpak 7.07, 1/4", "minicon 7.93, 4/4")),
    Job(("ruby",), ("ruby",)),
    Job(("node",), ("nodejs",)),
    Job(("java",), ("openjdk-17-jre-headless",)),
    Job(("php8.2",), ("php8.2-cli", "php8.2-mbstring", "php8.2-sqlite3")),
    Job(("vim",), ("vim",)),
    Job(("less",), ("less",)),
    Job(("openssl",), ("openssl", "ca-certificates")),
    Job(("file",), ("file",)),
    Job(("convert-im6.q16",), ("imagemagick-6.q16",)),
    Job(("apache2",), ("apache2",)),
    Job(("redis-server",), ("redis-server",)),
    Job((f"{POSTGRES}/postgres", f"{POSTGRES}/initdb"), ("postgresql-15",)),
    Job(("sshd",), ("openssh-server",)),
    Job(("ssh",), ("openssh-client",)),
)


@dataclass(frozen=True)
class Package:
    """`size` in bytes; `wants` has one tuple of alternatives for each dependency."""

    size: int
    wants: tuple[tuple[str, ...], ...]


def installed() -> dict[str, Package]:
    """The installed packages by name, and by the names that they provide."""
    fields = "${Package}\\t${db:Status-Status}\\t${Installed-Size}\\t${Pre-Depends},${Depends}\\t${Provides}\\n"
    text = subprocess.run(["dpkg-query", "-W", "-f", fields], capture_output=True, text=True, check=True).stdout
    packages: dict[str, Package] = {}
    provided: dict[str, Package] = {}
    for line in text.splitlines():
        name, status, size, wants, provides = line.split("\t")
        if status == "installed":
            alternatives = tuple(
                tuple(one.split("(")[0].split(":")[0].strip() for one in item.split("|")) for item in wants.split(",")
            )
            packages[name] = Package(int(size or 0) * 1024, alternatives)
            for one in provides.split(","):
                provided.setdefault(one.split("(")[0].strip(), packages[name])
    return {**provided, **packages}


def size_of_packages(names: tuple[str, ...], known: dict[str, Package]) -> int:
    """The bytes of the named packages and of all that they depend on; 0 if one of them is not installed."""
    if not all(name in known for name in names):
        return 0
    seen: dict[int, Package] = {}
    pending = [known[name] for name in names]
    while pending:
        package = pending.pop()
        if id(package) not in seen:
            seen[id(package)] = package
            firsts = (next((one for one in item if one in known), "") for item in package.wants)
            pending += [known[one] for one in firsts if one]
    return sum(package.size for package in seen.values())


def built(job: Job, work: Path) -> tuple[int, int]:
    """The bytes of the files and of the compressed layer. Raises RuntimeError with what was said if it is not built."""
    command = [NEEDED, "build", *job.words, "-t", "job", "-o", f"oci:{work / 'layout'}", "--json"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise RuntimeError(result.stderr.splitlines()[0] if result.stderr else f"exit {result.returncode}")
    answer = json.loads(result.stdout)
    return answer["bytes"], answer["compressed_bytes"]


def from_sources() -> int:
    """A row for each example; the number of those that could not be compiled."""
    print(f"\n{'from source':<20}{'program':>12}{'image':>12}{'more':>8}{'gzip':>11}{'seconds':>9}  tool chain")
    failed = 0
    for source in sorted(EXAMPLES.iterdir()):
        with folder() as work:
            words = [NEEDED, "build", str(source), "--no-cache", "-o", f"oci:{work / 'layout'}", "--json"]
            for _ in range(2):
                began = time.perf_counter()
                result = subprocess.run(words, capture_output=True, text=True, check=False)
                seconds = time.perf_counter() - began
        if result.returncode != 0:
            print(f"{source.name:<20} {result.stderr.splitlines()[0] if result.stderr else result.returncode}")
            failed += 1
            continue
        answer = json.loads(result.stdout)
        [program] = answer["compiled"]
        more = answer["bytes"] / program["size"] - 1
        sizes = f"{program['size']:>12,}{answer['bytes']:>12,}{more:>8.2%}{answer['compressed_bytes']:>11,}"
        print(f"{source.name:<20}{sizes}{seconds:>9.1f}  {program['tool'].split(',')[0]}", flush=True)
    return failed


def main() -> int:
    known = installed()
    print(f"{'needed build':<20}{'MB':>7}{'gzip':>7}{'packages':>10}{'floor':>8}{'':>8}  others, by names | by flags")
    failed = 0
    for job in JOBS:
        name = " ".join(word.rpartition("/")[2] for word in job.words)
        with folder() as work:
            try:
                size, compressed = built(job, work)
            except RuntimeError as error:
                print(f"{name:<20} {error}")
                failed += 1
                continue
        packages = size_of_packages(job.packages, known)
        told = f"{packages / MEGA:>10.1f}" if packages else f"{'-':>10}"
        line = f"{name:<20}{size / MEGA:>7.2f}{compressed / MEGA:>7.2f}{told}"
        if job.peers:
            over = (size / MEGA / job.peers.floor - 1) * 100
            line += f"{job.peers.floor:>8.2f}{over:>+7.1f}%  {job.peers.least} | {job.peers.best}"
        print(line, flush=True)
    failed += from_sources()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
