"""Installs the Debian packages that `make engines` and CI run, those whose command is not there yet.

As root on Debian or a child of it by apt-get; anywhere else it names what is missing and ends with 1. The tests start
engines of their own; no service of the machine needs to run.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager

# Debian's name for the folder of this machine's libraries, "x86_64-linux-gnu".
MULTIARCH = sysconfig.get_config_var("MULTIARCH") or f"{platform.machine()}-linux-gnu"
# A package and what shows that it is there: a command, or a file.
PACKAGES = {
    "alsa-utils": "aplay",
    "apache2": "apache2",
    "binutils": "readelf",
    "binutils-aarch64-linux-gnu": "aarch64-linux-gnu-strip",
    "binutils-riscv64-linux-gnu": "riscv64-linux-gnu-strip",
    "bubblewrap": "bwrap",
    "busybox": "busybox",
    "ca-certificates": "/etc/ssl/certs/ca-certificates.crt",
    "cargo": "/usr/bin/cargo",
    "cmake": "cmake",
    "crun": "crun",
    "curl": "curl",
    "debian-archive-keyring": "/usr/share/keyrings/debian-archive-keyring.gpg",
    "docker-registry": "docker-registry",
    "docker.io": "dockerd",
    "ffmpeg": "ffmpeg",
    "file": "file",
    "fontconfig": "fc-match",
    "fonts-dejavu-core": "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
    "g++": "g++",
    "gcc": "gcc",
    "ghostscript": "gs",
    "git": "git",
    "glib-networking": "/usr/share/doc/glib-networking",
    "golang-github-containers-common": "/etc/containers/policy.json",
    "gpg": "gpg",
    "gpg-agent": "gpg-agent",
    "graphicsmagick": "gm",
    "graphviz": "dot",
    "gsettings-desktop-schemas": "/usr/share/glib-2.0/schemas/org.gnome.system.proxy.gschema.xml",
    "gstreamer1.0-tools": "gst-launch-1.0",
    "hunspell": "hunspell",
    "hunspell-en-us": "/usr/share/hunspell/en_US.aff",
    "imagemagick-6.q16": "convert-im6.q16",
    "iproute2": "ip",
    "iptables": "iptables",
    "less": "less",
    "libc6-arm64-cross": "/usr/aarch64-linux-gnu/lib/libc.so.6",
    "libc6-armhf-cross": "/usr/arm-linux-gnueabihf/lib/libc.so.6",
    "libc6-dev": "/usr/include/stdio.h",
    "libc6-i386-cross": "/usr/i686-linux-gnu/lib/libc.so.6",
    "libc6-mips64el-cross": "/usr/mips64el-linux-gnuabi64/lib/libc.so.6",
    "libc6-powerpc-cross": "/usr/powerpc-linux-gnu/lib/libc.so.6",
    "libc6-ppc64el-cross": "/usr/powerpc64le-linux-gnu/lib/libc.so.6",
    "libc6-riscv64-cross": "/usr/riscv64-linux-gnu/lib/libc.so.6",
    "libc6-s390x-cross": "/usr/s390x-linux-gnu/lib/libc.so.6",
    "libgdk-pixbuf2.0-bin": "gdk-pixbuf-thumbnailer",
    "libglib2.0-bin": "gsettings",
    "libnss3": f"/usr/lib/{MULTIARCH}/libnss3.so",
    "libqt5sql5-sqlite": "/usr/share/doc/libqt5sql5-sqlite",
    "libsasl2-modules": f"/usr/lib/{MULTIARCH}/sasl2/libplain.so",
    "libsqliteodbc": "/usr/share/sqliteodbc/unixodbc.ini",
    "libxkbcommon-tools": "xkbcli",
    "libxkbcommon0": f"/usr/lib/{MULTIARCH}/libxkbcommon.so.0",
    "lua-cjson": "/usr/share/lua/5.4/cjson",
    "lua5.4": "lua5.4",
    "make": "make",
    "mesa-utils": "eglinfo",
    "mesa-vulkan-drivers": "/usr/share/vulkan/icd.d",
    "musl-tools": "musl-gcc",
    "nginx": "nginx",
    "ninja-build": "ninja",
    "nodejs": "node",
    "npm": "npm",
    "openjdk-17-jre-headless": "java",
    "openssh-client": "ssh",
    "openssh-server": "sshd",
    "openssl": "openssl",
    "pciutils": "lspci",
    "perl": "json_pp",
    "php8.2-cli": "php8.2",
    "php8.2-mbstring": "/usr/lib/php/20220829/mbstring.so",
    "php8.2-sqlite3": "/usr/lib/php/20220829/pdo_sqlite.so",
    "podman": "podman",
    "postgresql-15": "/usr/lib/postgresql/15/bin/postgres",
    "proj-bin": "projinfo",
    "qemu-user-static": "qemu-s390x-static",
    "qhelpgenerator-qt5": "/usr/lib/qt5/bin/qhelpgenerator",
    "redis-server": "redis-server",
    "ruby": "ruby",
    "runc": "runc",
    "rustc": "/usr/bin/rustc",
    "shared-mime-info": "/usr/share/mime/mime.cache",
    "skopeo": "skopeo",
    "strace": "strace",
    "tcl": "tclsh",
    "tesseract-ocr": "tesseract",
    "tmux": "tmux",
    "uidmap": "newuidmap",
    "umoci": "umoci",
    "unixodbc": "isql",
    "util-linux": "setpriv",
    "vim": "vim",
    "vulkan-tools": "vulkaninfo",
    "wget": "wget",
    "xkb-data": "/usr/share/X11/xkb/rules/evdev",
    "zsh": "zsh",
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
