"""A CPython that this machine does not have, from Debian's packages: unpacked into a folder, never installed.

apt verifies the packages as always, with a state of its own in that folder, and the interpreter runs through the
dynamic loader and the C library of its own suite. Nothing of the system changes.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.engines.engines import run

SUITE = "forky"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
LIBRARIES = ("libc6", "libgcc-s1", "libexpat1", "zlib1g", "libzstd1", "libssl3t64", "libffi8", "libbz2-1.0", "liblzma5")
START = """\
#!/bin/sh
export PYTHONHOME={tree}/usr
exec {libraries}/ld-linux-x86-64.so.2 --library-path {libraries} --argv0 "$0" {tree}/usr/bin/python{version} "$@"
"""


def debian_python(version: str, folder: Path) -> str:
    """The path of a script in `folder` that is `python<version>`."""
    apt = _apt(folder)
    run(*apt, "update")
    parts = (f"python{version}-minimal", f"libpython{version}-minimal", f"libpython{version}-stdlib")
    packages, tree = folder / "packages", folder / "tree"
    packages.mkdir()
    subprocess.run([*apt, "download", *parts, *LIBRARIES], cwd=packages, check=True)
    for package in packages.iterdir():
        run("dpkg-deb", "-x", package, tree)
    script = folder / f"python{version}"
    script.write_text(START.format(tree=tree, libraries=tree / "usr/lib/x86_64-linux-gnu", version=version))
    script.chmod(0o755)
    return str(script)


def _apt(folder: Path) -> list[str]:
    """apt-get with sources, lists and caches in `folder`; the mirror is the one that this machine uses."""
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(ORIGIN) $(LABEL) $(REPO_URI)", "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=True,
    )
    mirror = next(line.split()[2] for line in listed.stdout.splitlines() if line.startswith("Debian Debian "))
    for name in ("state/lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    (folder / "state/status").touch()
    (folder / "sources.list").write_text(f"deb [signed-by={KEYRING}] {mirror} {SUITE} main\n")
    options = {
        "Dir::State": folder / "state",
        "Dir::State::status": folder / "state/status",
        "Dir::Cache": folder / "cache",
        "Dir::Etc::sourcelist": folder / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Acquire::Languages": "none",
        "APT::Architectures": "amd64",
        "APT::Sandbox::User": "root",
    }
    return ["apt-get", "-qq", *(word for name, setting in options.items() for word in ("-o", f"{name}={setting}"))]
