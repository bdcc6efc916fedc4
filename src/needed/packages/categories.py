"""Which files of a package are of no use to its programs while they run: a table, by place and by name.

What is left out, and why nothing that runs misses it:

    documentation     read by people: /usr/share/doc, manual and info pages, example texts
    licence           /usr/share/doc/NAME/copyright, apart from the rest so that a caller can take it
    translations      of messages: a program without them speaks English; the locale C.utf8 is kept
    locale sources    what `localedef` makes locales of
    packaging         read by dpkg, lintian, reportbug, apport, debconf, apt
    completion        read by interactive shells only
    host services     read by systemd, init (/etc/default too), cron, logrotate, udev, ufw, AppArmor, polkit, D-Bus
                      activation, ifupdown, NetworkManager, resolvconf and binfmt-support of a whole system, which no
                      such image is
    desktop           menus, icons, AppStream
    development       headers, static archives, pkg-config, CMake, aclocal, debugging symbols: what a compiler needs of
                      them is to be added by name

What is in no row is kept, so that a package nobody thought of is whole rather than broken.
"""

from __future__ import annotations

DOCUMENTATION, LICENCE, TRANSLATIONS, DEVELOPMENT = "documentation", "licence", "translations", "development"

# By folder, as in a root whose /usr is merged; the longest that fits decides, "" keeps.
_FOLDERS: dict[str, str] = {}
for _category, _folders in {
    DOCUMENTATION: "/usr/share/doc /usr/share/doc-base /usr/share/gtk-doc /usr/share/info /usr/share/man "
    "/usr/local/man /usr/share/help /usr/man",
    TRANSLATIONS: "/usr/share/locale /usr/share/locale-langpack /usr/lib/locale",
    "": "/usr/lib/locale/C.utf8",
    "locale sources": "/usr/share/i18n",
    "packaging": "/usr/share/lintian /usr/share/bug /usr/share/apport /usr/share/debhelper /usr/share/debconf "
    "/usr/share/reportbug /etc/apt /usr/share/ucf /etc/dpkg",
    "completion": "/usr/share/bash-completion /etc/bash_completion.d /usr/share/zsh/vendor-completions "
    "/usr/share/zsh/site-functions /usr/share/fish/completions /usr/share/fish/vendor_completions.d",
    "host services": "/usr/lib/systemd/system /usr/lib/systemd/user /usr/lib/systemd/system-preset "
    "/usr/lib/systemd/user-preset /usr/lib/systemd/system-generators /usr/lib/systemd/system-sleep /etc/systemd "
    "/etc/init.d /etc/init /etc/conf.d /etc/rc0.d /etc/rc1.d /etc/rc2.d /etc/rc3.d /etc/rc4.d /etc/rc5.d /etc/rc6.d "
    "/etc/rcS.d /etc/cron.d /etc/cron.hourly /etc/cron.daily /etc/cron.weekly /etc/cron.monthly /etc/logrotate.d "
    "/etc/ufw /etc/apparmor.d /etc/apparmor /usr/share/apparmor /usr/share/polkit-1 /etc/polkit-1 /etc/rsyslog.d "
    "/etc/insserv.conf.d /etc/runit /etc/sv /usr/share/runit /usr/lib/tmpfiles.d /usr/lib/sysusers.d /usr/lib/udev "
    "/etc/udev /usr/lib/modules-load.d /etc/modules-load.d /etc/modprobe.d /usr/lib/modprobe.d /etc/network "
    "/etc/NetworkManager /etc/ppp /etc/resolvconf /usr/lib/resolvconf "
    "/usr/share/dbus-1/system-services /usr/share/dbus-1/services /etc/default "
    "/usr/share/dnsmasq/systemd-helper /usr/share/dnsmasq/init-system-common "
    "/var/log/runit /usr/share/binfmts /etc/insserv /etc/update-motd.d "
    "/usr/share/initramfs-tools /usr/lib/sysctl.d /etc/sysctl.d",
    "editor support": "/usr/share/vim/addons /usr/share/vim/registry /usr/share/vim/vimfiles "
    "/usr/share/emacs/site-lisp /usr/share/nano",
    "desktop": "/usr/share/applications /usr/share/icons /usr/share/pixmaps /usr/share/metainfo /usr/share/appdata "
    "/usr/share/menu /usr/share/mime-info /usr/lib/mime /usr/share/app-install /usr/share/mimelnk",
    DEVELOPMENT: "/usr/include /usr/share/pkgconfig /usr/share/aclocal /usr/lib/cmake /usr/share/cmake /usr/lib/debug "
    "/usr/share/gir-1.0 /usr/share/gdb /usr/src /usr/lib/pkgconfig",
}.items():
    _FOLDERS |= dict.fromkeys(_folders.split(), _category)
# Below these, whatever the folder of the machine is called.
_IN_LIBRARIES = {"pkgconfig": DEVELOPMENT, "cmake": DEVELOPMENT}
_DEEPEST = max(folder.count("/") for folder in _FOLDERS)
_LIBRARIES = ("/usr/lib/", "/lib/", "/usr/local/lib/", "/usr/lib64/", "/usr/lib32/")


def category_of(path: str) -> str:
    """The category that the file at `path`, as a list spells it or without links, is left out in; "" for a kept one."""
    if path.startswith(("/lib/", "/bin/", "/sbin/")):
        path = f"/usr{path}"
    parts = path.split("/", _DEEPEST + 1)
    for depth in range(min(len(parts), _DEEPEST + 1), 1, -1):
        category = _FOLDERS.get("/".join(parts[:depth]))
        if category is not None:
            licence = category == DOCUMENTATION and path.startswith("/usr/share/doc/") and path.endswith("/copyright")
            return LICENCE if licence else category
    if path.startswith(_LIBRARIES):
        if path.endswith((".a", ".la")):
            return DEVELOPMENT
        if len(parts) > 4 and parts[4] in _IN_LIBRARIES:
            return _IN_LIBRARIES[parts[4]]
    return ""
