"""The loader's part of `make bench`: reading ELF files, closures, one `ldd`, the scan of a root. CPU time, medians.

Beside: a bare open, read and close; pyelftools and LIEF where they are installed (nothing here asks for them); ldd and
libtree, a process for each program as they want it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.measuring import MEGABYTE, NEEDED, folder, interleaved, measure, milliseconds, row

from needed import DirectoryRoot, scan_root

SCANNED_FILES = 5000
LARGEST_COPY = 20 * MEGABYTE  # a few programs with their libraries inside weigh as much as all the rest

ALL_CLOSURES = """
import sys
from needed import DirectoryRoot, resolve
resolve(DirectoryRoot("/"), sys.stdin.read().splitlines())
"""
# One process reads all files in each way, in turns, and prints the median microseconds for one file.
READ_ALL = """
import json, statistics, sys, time
from needed.elf import parse_elf
from needed.root import DirectoryRoot
paths = sys.stdin.read().splitlines()
root = DirectoryRoot("/")
def bare(path):
    with open(path, "rb") as file:
        file.read(4096)
def ours(path):
    file = root.open(path)
    parse_elf(file)
    file.close()
def all_of(section, what):
    return [[x.name for x in inner] for _, inner in getattr(section, what)()] if section else []
def pyelftools(path):
    with open(path, "rb") as file:
        elf = ELFFile(file)
        for segment in elf.iter_segments():
            if segment.header.p_type == "PT_INTERP":
                segment.get_interp_name()
            elif segment.header.p_type == "PT_DYNAMIC":
                for tag in segment.iter_tags():
                    getattr(tag, "needed", None)
        for name in (".gnu.version_r", ".gnu.version_d"):
            all_of(elf.get_section_by_name(name), "iter_versions")
def with_lief(path):
    elf = lief.ELF.parse(path, config)
    elf.has_interpreter and elf.interpreter
    [entry.name for entry in elf.dynamic_entries if isinstance(entry, lief.ELF.DynamicEntryLibrary)]
    [[x.name for x in need.get_auxiliary_symbols()] for need in elf.symbols_version_requirement]
    [[x.name for x in one.auxiliary_symbols] for one in elf.symbols_version_definition]
ways = {"bare": (bare, 9, 1), "ours": (ours, 9, 1)}
try:
    from elftools.elf.elffile import ELFFile
    ways["pyelftools"] = (pyelftools, 3, 10)
except ImportError:
    pass
try:
    import lief
    lief.logging.disable()
    config = lief.ELF.ParserConfig()
    for name in ("parse_relocations", "parse_dyn_symbols", "parse_symtab_symbols", "parse_notes", "parse_overlay"):
        setattr(config, name, False)
    ways["lief"] = (with_lief, 3, 10)
except ImportError:
    pass
taken = {name: [] for name in ways}
for number in range(10):
    for name, (way, rounds, step) in ways.items():
        if number <= rounds:
            start = time.process_time()
            for path in paths[::step]:
                way(path)
            spent = time.process_time() - start
            if number:  # the first warms the page cache
                taken[name].append(1e6 * spent / len(paths[::step]))
print(json.dumps({name: statistics.median(times) for name, times in taken.items()}))
"""
# What `needed ldd` imports, and nothing done with it.
IMPORTS = """
import os, sys
from needed.cli import main_and_exit, ldd
from needed.cli.quick import read_plain
from needed.cli.roots import open_root_option
from needed.root import DirectoryRoot
from needed.loader import Resolver
from needed.report import ldd
os._exit(0)
"""


def rows() -> None:
    """Everything of the loader."""
    reading()
    closures()
    one_ldd()
    scans()


def elf_files(*folders: str) -> list[str]:
    return [item.path for item in scan_root(DirectoryRoot("/"), folders=folders)]


def reading() -> None:
    """(e) one ELF file, read with its versions."""
    libraries = elf_files("/usr/lib/x86_64-linux-gnu")
    paths = elf_files("/usr/bin") + [path for path in libraries if ".so" in path.rpartition("/")[2]]
    result = subprocess.run(
        [sys.executable, "-c", READ_ALL], input="\n".join(paths), capture_output=True, text=True, check=True
    )
    each = json.loads(result.stdout)
    row(f"(e) read one of {len(paths):,} ELF files, with versions", f"{each['ours']:.0f} us")
    row("    open + read 4096 + close", f"{each['bare']:.1f} us", f"{each['ours'] / each['bare']:.1f}", "<= 8")
    for name, label in (("pyelftools", "    pyelftools"), ("lief", "    LIEF")):
        if name in each:
            row(label, f"{each[name]:.0f} us", f"{each['ours'] / each[name]:.3f}")
        else:
            row(label, "not here")


def closures() -> None:
    """(b) the closure of every program of /usr/bin and /usr/sbin: ours in one process, theirs in a process each."""
    scanned = scan_root(DirectoryRoot("/"), folders=("/usr/bin", "/usr/sbin"))
    programs = [item.path for item in scanned if item.elf is not None and item.elf.linkage == "dynamic"]
    listed = "\n".join(programs)
    candidates = {
        "needed": lambda: measure(sys.executable, "-c", ALL_CLOSURES, stdin=listed),
        "ldd": lambda: measure("xargs", "-n1", "sh", "-c", 'ldd "$0" || :', stdin=listed),
        "sh": lambda: measure("xargs", "-n1", "sh", "-c", ": || :", stdin=listed),
    }
    if shutil.which("libtree"):
        # It ends with 1 where a library is not found; its answer counts all the same.
        candidates["libtree"] = lambda: measure("xargs", "-n1", "sh", "-c", 'libtree "$0" || :', stdin=listed)
    medians = interleaved(3, **candidates)
    mine, shell = medians["needed"].cpu, medians["sh"].cpu
    row(f"(b) closures of {len(programs):,} programs, CPU", milliseconds(mine))
    for name, target in (("ldd", "<= 0.1"), ("libtree", "<= 0.5")):
        if name in medians:
            theirs = medians[name].cpu - shell  # without the shell that starts it
            row(f"    {name} on each", milliseconds(theirs), f"{mine / theirs:.3f}", target)
        else:
            row(f"    {name} on each", "not here", "", target)


def one_ldd() -> None:
    """(f) one program, in a process of its own."""
    medians = interleaved(
        40,
        ldd=lambda: measure(NEEDED, "ldd", "/usr/bin/git"),
        python=lambda: measure(sys.executable, "-c", "pass"),
        imports=lambda: measure(sys.executable, "-c", IMPORTS),
    )
    mine, python, imports = (medians[name].cpu * 1000 for name in ("ldd", "python", "imports"))
    row("(f) needed ldd /usr/bin/git, CPU", f"{mine:.1f} ms")
    row("    python -c pass", f"{python:.1f} ms", f"+{mine - python:.1f}")
    row("    python and our imports, nothing done", f"{imports:.1f} ms", f"+{mine - imports:.1f}", "<= +10")


def scans() -> None:
    """(g) all of this machine's /usr, and a root of 5,000 ELF files and little else."""
    scan_of("/usr of this machine", "--root", "/", "/usr")
    with folder() as work:
        copy_elf_files(work)
        scan_of("copies of them", "--root", str(work))


def scan_of(what: str, *words: str) -> None:
    command = (NEEDED, "scan", "--json", *words)
    lines = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    files = json.loads(lines[-1])["summary"]["files"]
    cost = interleaved(3, scan=lambda: measure(*command[:2], *words, statuses=(0, 1)))["scan"]
    row(f"(g) scan of {what}: {files:,} ELF files", f"{cost.cpu:.2f} s")
    row("    for each", f"{cost.cpu / files * 1000:.2f} ms", "", "< 1 ms")
    row("    its peak memory", f"{cost.peak / MEGABYTE:.0f} MB", "", "< 300 MB")


def copy_elf_files(work: Path) -> None:
    """The ELF files of /usr at their places, and the links to libraries; small ones again until there are enough."""
    for name in ("bin", "sbin", "lib", "lib64"):
        if Path(f"/{name}").is_symlink():
            (work / name).symlink_to(os.readlink(f"/{name}"))
    (work / "etc").mkdir()
    shutil.copyfile("/etc/ld.so.cache", work / "etc/ld.so.cache")
    paths = [path for path in elf_files("/usr") if os.path.getsize(path) <= LARGEST_COPY]
    for path in paths:
        os.makedirs(os.path.dirname(f"{work}{path}"), exist_ok=True)
        shutil.copyfile(path, f"{work}{path}")
    for directory, _, names in os.walk("/usr"):
        for name in names:
            if ".so" in name and os.path.islink(f"{directory}/{name}") and os.path.isdir(f"{work}{directory}"):
                os.symlink(os.readlink(f"{directory}/{name}"), f"{work}{directory}/{name}")
    small = [path for path in paths if os.path.getsize(path) < 300_000]
    for number in range(SCANNED_FILES - len(paths)):
        inside = work / f"usr/copies/{number // 100}"
        inside.mkdir(parents=True, exist_ok=True)
        source = small[number % len(small)]
        shutil.copyfile(source, inside / f"{number}-{os.path.basename(source)}")
