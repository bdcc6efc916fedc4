"""Installs the Debian packages that `make engines` and CI run, those whose command is not there yet.

As root on Debian or a child of it by apt-get; anywhere else it names what is missing and ends with 1. The tests start
engines of their own; no service of the machine needs to run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# A package and what shows that it is there: a command, or a file.
PACKAGES = {
    "binutils": "readelf",
    "ca-certificates": "/etc/ssl/certs/ca-certificates.crt",
    "crun": "crun",
    "debian-archive-keyring": "/usr/share/keyrings/debian-archive-keyring.gpg",
    "docker.io": "dockerd",
    "gcc": "gcc",
    "golang-github-containers-common": "/etc/containers/policy.json",
    "iproute2": "ip",
    "iptables": "iptables",
    "libc6-arm64-cross": "/usr/aarch64-linux-gnu/lib/libc.so.6",
    "libc6-armhf-cross": "/usr/arm-linux-gnueabihf/lib/libc.so.6",
    "libc6-dev": "/usr/include/stdio.h",
    "libc6-i386-cross": "/usr/i686-linux-gnu/lib/libc.so.6",
    "libc6-mips64el-cross": "/usr/mips64el-linux-gnuabi64/lib/libc.so.6",
    "libc6-powerpc-cross": "/usr/powerpc-linux-gnu/lib/libc.so.6",
    "libc6-ppc64el-cross": "/usr/powerpc64le-linux-gnu/lib/libc.so.6",
    "libc6-riscv64-cross": "/usr/riscv64-linux-gnu/lib/libc.so.6",
    "libc6-s390x-cross": "/usr/s390x-linux-gnu/lib/libc.so.6",
    "lua-cjson": "/usr/share/lua/5.4/cjson",
    "lua5.4": "lua5.4",
    "make": "make",
    "musl-tools": "musl-gcc",
    "nodejs": "node",
    "openjdk-17-jre-headless": "java",
    "perl": "json_pp",
    "podman": "podman",
    "qemu-user-static": "qemu-s390x-static",
    "ruby": "ruby",
    "runc": "runc",
    "skopeo": "skopeo",
    "strace": "strace",
    "tcl": "tclsh",
    "uidmap": "newuidmap",
    "umoci": "umoci",
    "util-linux": "setpriv",
}


def is_there(sign: str) -> bool:
    # sbin is not on the path of every root shell.
    return shutil.which(sign, path=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin") is not None or (
        sign.startswith("/") and os.path.exists(sign)
    )


@contextmanager
def no_service_starts() -> Iterator[None]:
    """invoke-rc.d(8) asks this file: what is installed for its files must not become a server of this machine."""
    policy = "/usr/sbin/policy-rc.d"
    if os.path.exists(policy):
        yield
        return
    with open(policy, "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\nexit 101\n")
    os.chmod(policy, 0o755)
    try:
        yield
    finally:
        os.unlink(policy)


def main() -> int:
    missing = [package for package, sign in PACKAGES.items() if not is_there(sign)]
    if not is_there("docker"):  # a package of its own since Debian 13
        missing.append("docker-cli" if is_there("dockerd") else "docker.io")
    if not missing:
        return 0
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        print(f"make engines needs: apt-get install {' '.join(missing)}", file=sys.stderr)
        return 1
    apt = ["apt-get", "-qq", "-o", "Dpkg::Use-Pty=0"]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run([*apt, "update"], env=environment, check=True)
    with no_service_starts():
        subprocess.run([*apt, "install", "-y", "--no-install-recommends", *missing], env=environment, check=True)
    still = [package for package, sign in PACKAGES.items() if not is_there(sign)]
    if still:
        print(f"make engines: still not there after apt-get: {' '.join(still)}", file=sys.stderr)
    return 1 if still else 0


if __name__ == "__main__":
    sys.exit(main())
