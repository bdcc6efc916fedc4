"""Secrets that a trace found are refused, all at once and by name, until each is allowed."""

from __future__ import annotations

import pytest

from needed.errors import UsageError
from needed.root import MemoryRoot
from needed.verify.secrets import refuse_secrets

KEY = b"-----BEGIN RSA PRIVATE KEY-----\nMIIE\n"
SECRET = (
    "/home/u/.ssh/id_rsa", "/home/u/.ssh/id_ed25519", "/home/u/.ssh/work", "/app/.env", "/app/.env.production",
    "/home/u/.netrc", "/home/u/.docker/config.json", "/home/u/.kube/config", "/home/u/.aws/credentials",
    "/home/u/.git-credentials", "/etc/shadow", "/etc/gshadow", "/etc/ssl/private/site", "/srv/store.p12",
    "/home/u/.npmrc", "/home/u/.pypirc", "/home/u/.pgpass", "/etc/ssh/ssh_host_ed25519_key", "/run/secrets/token",
    "/home/u/.gnupg/private-keys-v1.d/AB.key", "/srv/server.pem", "/srv/server.key", "/srv/key",
)  # fmt: skip
HARMLESS = (
    "/home/u/.ssh/known_hosts", "/home/u/.ssh/config", "/home/u/.ssh/id_rsa.pub", "/app/.env.example", "/srv/ca.pem",
    "/app/config.json", "/etc/passwd", "/usr/share/doc/shadow/README", "/app/env", "/usr/lib/python3/netrc.py",
)  # fmt: skip


def root() -> MemoryRoot:
    files: dict[str, bytes | str] = {"/app/link": "../etc/shadow", "/app/.netrc/folder": b""}
    public = dict.fromkeys(HARMLESS, b"-----BEGIN CERTIFICATE-----\n")
    return MemoryRoot({**files, **dict.fromkeys(SECRET, KEY), **public})


@pytest.mark.parametrize("path", SECRET)
def test_a_secret_is_refused_by_its_name(path: str) -> None:
    with pytest.raises(UsageError) as caught:
        refuse_secrets(root(), [path, "/etc/passwd"], [])
    assert caught.value.exit_code == 2
    assert [line.partition(": ")[0] for line in caught.value.details] == [path]
    assert f"if it is none: --allow-secret {path}" in caught.value.hints


@pytest.mark.parametrize("path", [*HARMLESS, "/none/.netrc", "/app/.netrc"])
def test_what_is_public_or_not_there_or_a_folder_is_no_secret(path: str) -> None:
    refuse_secrets(root(), [path], [])


def test_all_are_named_in_one_error() -> None:
    with pytest.raises(UsageError) as caught:
        refuse_secrets(root(), SECRET, [])
    assert sorted(line.partition(": ")[0] for line in caught.value.details) == sorted(SECRET)


def test_what_is_allowed_is_allowed_by_its_own_name_only() -> None:
    refuse_secrets(root(), ["/etc/shadow", "/app/.env"], ["/etc/shadow", "/app/.env"])
    with pytest.raises(UsageError) as caught:
        refuse_secrets(root(), ["/etc/shadow", "/app/.env"], ["/etc/shadow"])
    assert [line.partition(": ")[0] for line in caught.value.details] == ["/app/.env"]


def test_a_link_does_not_hide_what_it_leads_to() -> None:
    with pytest.raises(UsageError):
        refuse_secrets(root(), ["/app/link"], [])
    refuse_secrets(root(), ["/app/link"], ["/etc/shadow"])
