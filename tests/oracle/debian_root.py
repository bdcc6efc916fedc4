"""A Debian root of any architecture, unpacked and never installed: no maintainer script runs, no package's code.

apt does the choosing, the fetching and the checking of signatures and digests, in a state folder of its own beside the
root, from the mirror that this machine's apt is configured with; `dpkg-deb` unpacks. What is left of the packages is
what a loader reads: packages without machine code are not fetched, and files that are no ELF files are cut short.
Only `ldconfig`, the root's own, is started at the end (`chroot_run`), to make `ld.so.cache`.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from needed.value import value
from tests.oracle.chroot_run import Command, run_as_root

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
SUITES = {
    "bookworm": ("amd64", "i386", "arm64", "armhf", "ppc64el", "s390x"),
    "trixie": ("amd64", "i386", "arm64", "armhf", "ppc64el", "s390x", "riscv64"),
}
# The top directories that a merged /usr makes symlinks: debootstrap's setup_merged_usr.
MERGED = {
    "amd64": ("lib32", "lib64", "libx32"),
    "i386": ("lib64", "libx32"),
    "ppc64el": ("lib64",),
    "s390x": ("lib32",),
}
_DEBIAN = frozenset((*SUITES, "bullseye", "forky", "sid", "stable", "oldstable", "testing", "unstable"))
_WITHOUT_CODE = ("usr/include", "usr/share/doc", "usr/share/info", "usr/share/locale", "usr/share/man")
_KEPT = 4096


@value
class DebianRoot:
    """A root to make: `suite`, Debian's name of the `architecture`, and the `packages` with what they depend on."""

    suite: str
    architecture: str
    packages: tuple[str, ...]

    @property
    def folder(self) -> str:
        """Its name in the cache folder; other packages, other name."""
        digest = hashlib.sha256("\n".join(self.packages).encode()).hexdigest()
        return f"{self.suite}-{self.architecture}-{digest[:8]}"


def make_root(wanted: DebianRoot, cache: Path) -> Path:
    """The path of the finished root in `cache`; made if it is not there. Raises CalledProcessError of apt and dpkg."""
    done = cache / wanted.folder
    if done.is_dir():
        return done
    part = cache / f"{wanted.folder}.part"
    shutil.rmtree(part, ignore_errors=True)
    root, fetched = part / "root", part / "fetched"
    fetched.mkdir(parents=True)
    _fetch(wanted, part / "apt", fetched)
    _unpack(wanted.architecture, sorted(fetched.iterdir()), root)
    _cut(root)
    if (root / "sbin/ldconfig").exists():  # a root of musl has none
        write_cache(root, wanted.architecture)
    root.rename(done)
    shutil.rmtree(part)
    return done


def write_cache(root: Path, architecture: str) -> None:
    """Run the root's own ldconfig. Raises RuntimeError if it fails."""
    made = run_as_root(root, Command(architecture, ("/sbin/ldconfig",)))
    if made.status != 0:
        raise RuntimeError(f"{root}: ldconfig: exit {made.status}: {made.errors}")


def mirror() -> str:
    """The Debian mirror of this machine's apt. Raises LookupError if it has none."""
    targets = _output("apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages")
    for target in targets.splitlines():
        uri, _, release = target.partition(" ")
        if release in _DEBIAN:
            return uri
    raise LookupError("this machine's apt has no Debian suite in its sources")


def _fetch(wanted: DebianRoot, state: Path, into: Path) -> None:
    """The .deb files of the packages and of all that they depend on, machine code only, in `into`."""
    (state / "lists/partial").mkdir(parents=True)
    (state / "archives/partial").mkdir(parents=True)
    (state / "status").touch()
    source = f"deb [arch={wanted.architecture} signed-by={KEYRING}] {mirror()} {wanted.suite} main\n"
    (state / "sources.list").write_text(source)
    settings = {
        "APT::Architecture": wanted.architecture,
        "APT::Architectures": wanted.architecture,
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "root",  # the state folder is ours alone
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
        "Dir::Cache": state,
        "Dir::Etc::preferences": "/dev/null",
        "Dir::Etc::preferencesparts": "/dev/null",
        "Dir::Etc::sourcelist": state / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State": state,
        "Dir::State::status": state / "status",
    }
    options = [word for name, setting in settings.items() for word in ("-o", f"{name}={setting}")]
    _output("apt-get", *options, "-qq", "update")
    known = set(_output("apt-cache", *options, "pkgnames").split())
    there = [package for package in wanted.packages if package in known]  # not every architecture has every package
    chosen = _output("apt-get", *options, "-qq", "-y", "install", "--print-uris", *there)
    names = [line.split()[1].split("_")[0] for line in chosen.splitlines() if not line.split()[1].endswith("_all.deb")]
    _output("apt-get", *options, "-qq", "download", *names, folder=into)


def _unpack(architecture: str, packages: list[Path], root: Path) -> None:
    for name in ("bin", "lib", "sbin", *MERGED.get(architecture, ())):
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    for package in packages:
        # dpkg-deb -x would put a directory in the place of the symlinks above.
        unpack = ["tar", "--extract", "--keep-directory-symlink", "--no-same-owner", "--directory", str(root)]
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE) as tar:
            subprocess.run(unpack, stdin=tar.stdout, check=True)
        if tar.returncode != 0:
            raise subprocess.CalledProcessError(tar.returncode, tar.args)
        package.unlink()


def _cut(root: Path) -> None:
    """Leave what a loader looks at, readable by anybody: it is asked by an unprivileged user."""
    for name in _WITHOUT_CODE:
        shutil.rmtree(root / name, ignore_errors=True)
    for path in regular_files(root):
        os.chmod(path, os.stat(path).st_mode & 0o777 | 0o444)
        with open(path, "r+b") as file:
            if file.read(4) != b"\x7fELF" and os.fstat(file.fileno()).st_size > _KEPT:
                file.truncate(_KEPT)
    for above, _, _ in os.walk(root):
        os.chmod(above, 0o755)


def regular_files(root: Path) -> Iterator[str]:
    """The host paths of the regular files below `root`; no symlink is followed."""
    for above, directories, names in os.walk(os.fspath(root)):
        directories.sort()
        for name in sorted(names):
            path = os.path.join(above, name)
            if os.path.isfile(path) and not os.path.islink(path):
                yield path


def _output(*command: str | Path, folder: Path | None = None) -> str:
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, cwd=folder, check=True).stdout
