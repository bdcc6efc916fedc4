"""Both sides of ssh: their configuration, what sshd starts, and no key."""

from __future__ import annotations

from needed.rootfs import Directory
from needed.rules.choices import Choices
from tests.rules.server_trees import of_rule, planned, told
from tests.rules.trees import program

SFTP = "/usr/lib/openssh/sftp-server"
SERVER: dict[str, bytes | str] = {
    "/bin/sh": program(),
    "/usr/sbin/sshd": program(),
    SFTP: program(),
    "/etc/ssh/sshd_config": b"Include /etc/ssh/sshd_config.d/*.conf\n# Banner /etc/no\n"
    b'Subsystem\tsftp "/usr/lib/openssh/sftp-server" -f AUTH\n',
    "/etc/ssh/sshd_config.d/a.conf": b"banner=/etc/issue.net\n",
    "/etc/ssh/sshd_config.d/a.conf.old": b"",
    "/etc/issue.net": b"welcome",
    "/etc/ssh/ssh_host_ed25519_key": b"PRIVATE KEY",
    "/etc/ssh/moduli": b"1",
}
NO_KEY = "keys of a host are secrets: none is taken"


def test_sshd_gets_its_configuration_a_shell_and_its_subsystem() -> None:
    found = planned(SERVER, "/usr/sbin/sshd")
    files = ["/bin/sh", "/etc/issue.net", "/etc/ssh/sshd_config", "/etc/ssh/sshd_config.d/a.conf", "/run", "/run/sshd"]
    assert of_rule(found, "ssh") == [*files, SFTP]
    assert found.rootfs.entries["/run"] == Directory(0o755, (65532, 65532))
    assert found.rootfs.entries["/run/sshd"] == Directory()


def test_no_key_of_a_host_is_ever_taken_and_how_to_mount_one_is_told() -> None:
    found = planned(SERVER, "/usr/sbin/sshd")
    assert not [path for path in found.rootfs.entries if "key" in path]
    assert told(found) == [NO_KEY]
    tree = {**SERVER, "/etc/ssh/sshd_config": b"HostKey /keys/one\n"}
    hints = [tell.hint for applied in planned(tree, "/usr/sbin/sshd").applied for tell in applied.told]
    assert hints == ["docker run -v KEY:/keys/one:ro, its owner the image's user"]


def test_what_the_configuration_includes_may_include_itself() -> None:
    tree = {**SERVER, "/etc/ssh/sshd_config": b"Include sshd_config ~/own ../../x sshd_config.d/*.conf\n"}
    files = [path for path in planned(tree, "/usr/sbin/sshd").rootfs.entries if path.endswith(("config", ".conf"))]
    assert files == ["/etc/ssh/sshd_config", "/etc/ssh/sshd_config.d/a.conf"]


def test_a_newer_sshd_brings_the_program_of_a_session() -> None:
    tree = {**SERVER, "/usr/lib/openssh/sshd-session": program()}
    assert "/usr/lib/openssh/sshd-session" in planned(tree, "/usr/sbin/sshd").rootfs.entries


def test_moduli_are_taken_by_choice() -> None:
    choices = Choices(values=(("ssh", "moduli"),))
    assert "/etc/ssh/moduli" in planned(SERVER, "/usr/sbin/sshd", choices=choices).rootfs.entries


def test_pam_and_the_user_of_root_are_told_to_whom_they_concern() -> None:
    pam = {**SERVER, "/etc/ssh/sshd_config": b"UsePAM yes\n"}
    assert told(planned(pam, "/usr/sbin/sshd")) == [NO_KEY, "sshd_config asks PAM, which serves root alone"]
    root = Choices(user=(0, 0))
    assert told(planned(pam, "/usr/sbin/sshd", choices=root)) == [NO_KEY, "sshd as root wants a user sshd"]


def test_the_client_gets_its_configuration_and_the_machines_known_hosts_alone() -> None:
    tree: dict[str, bytes | str] = {
        "/usr/bin/ssh": program(),
        "/usr/bin/sftp": program(),
        "/etc/ssh/ssh_config": b"Include /etc/ssh/ssh_config.d/*.conf\n",
        "/etc/ssh/ssh_config.d/b.conf": b"Host *\n",
        "/etc/ssh/ssh_known_hosts": b"host key\n",
        "/etc/ssh/sshd_config": b"",
    }
    client = ["/etc/ssh/ssh_config", "/etc/ssh/ssh_config.d/b.conf", "/etc/ssh/ssh_known_hosts"]
    assert of_rule(planned(tree, "/usr/bin/ssh"), "ssh") == client
    assert of_rule(planned(tree, "/usr/bin/sftp"), "ssh") == [*client, "/usr/bin/ssh"]
