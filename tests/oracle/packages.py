"""The packages of the oracle's Debian roots: what to unpack, chosen for the loader rules that it meets.

Nothing else is known here: how a root is made is `debian_root`'s.
"""

from __future__ import annotations

# With what they depend on: private directories by RPATH, RUNPATH and $ORIGIN (389-ds-base, collectd, dovecot,
# freeradius, frr, openjdk, libreoffice, pulseaudio, samba, sssd, strongswan, systemd, postfix, R, octave), directories
# that only ld.so.cache knows (fakeroot), plugins that are linked against their host, interpreters' modules, names that
# only an alternative would provide and that are therefore not there (libblas.so.3), static programs (busybox).
VARIED = (
    "389-ds-base", "apache2", "bash", "bind9-dnsutils", "binutils", "bluez", "busybox-static", "collectd-core",
    "coreutils", "cups", "curl", "dbus", "default-jre-headless", "dovecot-core", "erlang-base", "fakeroot", "ffmpeg",
    "freeradius", "frr", "fuse3", "gdb", "ghostscript", "git", "gjs", "gstreamer1.0-plugins-good", "imagemagick",
    "krb5-kdc", "libc-bin", "libgl1-mesa-dri", "libreoffice-core-nogui", "libvirt-daemon", "lua5.4", "mariadb-client",
    "mono-runtime", "network-manager", "nginx", "nodejs", "nut-server", "octave", "openssh-server", "perl", "php-cli",
    "postfix", "postgresql", "pulseaudio", "python3-numpy", "qemu-utils", "r-base-core", "ruby", "samba", "slapd",
    "sssd-common", "strongswan", "systemd", "tshark", "udisks2", "util-linux", "vim", "vlc-bin", "winbind",
    "wireplumber", "x11-apps", "xserver-xorg-core", "zsh",
)  # fmt: skip

# Two and three word sizes in one root: lib32 and libx32 beside lib64.
BIARCH = {"amd64": ("lib32stdc++6", "lib32z1", "libc6-i386", "libc6-x32", "libx32stdc++6")}

# What the roots of layouts are made of.
C_LIBRARY = ("libc-bin", "libc6")
MUSL = ("musl",)
# What the bounded part in CI unpacks.
FEW = ("coreutils", "curl", "dovecot-core", "fakeroot", "libc-bin", "pulseaudio-utils", "rsyslog", "util-linux")


def varied(architecture: str) -> tuple[str, ...]:
    """The packages of a full root."""
    return VARIED + BIARCH.get(architecture, ())
