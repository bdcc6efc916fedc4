"""Files that a program opened and no image should hold: private keys, passwords, tokens, by name and by first line.

A secret in a layer is everybody's who can pull the image, for ever. So what a trace found of this kind is refused, all
of it in one error, until each is allowed by its path. What is in other files is not looked for.

Source of the names: the rules of gitleaks and dockle ("credential"), and each program's own manual.
"""

from __future__ import annotations

from needed.errors import ReadError, UsageError
from needed.root import Walker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from needed.root import Root, RootPath

_NAMES = {
    ".env": "variables with passwords in them",
    ".git-credentials": "passwords of git(1)",
    ".htpasswd": "passwords of a web server",
    ".my.cnf": "a password of MySQL",
    ".netrc": "passwords of netrc(5)",
    "_netrc": "passwords of netrc(5)",
    ".npmrc": "a token of npm",
    ".pgpass": "passwords of PostgreSQL",
    ".pypirc": "a token of PyPI",
    ".vault-token": "a token of Vault",
    "gshadow": "password hashes",
    "gshadow-": "password hashes",
    "krb5.keytab": "keys of Kerberos",
    "master.key": "a key of Rails",
    "shadow": "password hashes",
    "shadow-": "password hashes",
    "sudoers": "rights of users",
    "terraform.tfstate": "secrets of Terraform",
}  # fmt: skip
_ENDS = {
    "/.aws/credentials": "keys of Amazon's cloud",
    "/.azure/accessTokens.json": "tokens of Azure",
    "/.cargo/credentials.toml": "a token of a registry",
    "/.config/gcloud/application_default_credentials.json": "keys of Google's cloud",
    "/.config/gh/hosts.yml": "a token of GitHub",
    "/.docker/config.json": "passwords of registries",
    "/.gem/credentials": "a token of RubyGems",
    "/.kube/config": "keys of a cluster",
    "/etc/kubernetes/admin.conf": "keys of a cluster",
    "/serviceaccount/token": "a token of a cluster",
}
_FOLDERS = ("/.ssh/", "/.gnupg/private-keys-v1.d/", "/.password-store/", "/run/secrets/", "/etc/ssl/private/")
_PUBLIC = ("known_hosts", "known_hosts.old", "config", "authorized_keys")  # of ~/.ssh
_PRIVATE = b"PRIVATE KEY-----"
# PKCS#12, Java's and PuTTY's key files are binary or have another first line: their names tell.
_KEY_STORES = (".p12", ".pfx", ".jks", ".keystore", ".ppk", ".kdbx", ".keytab")
_TEXTS = (".pem", ".key", ".crt", ".cert", ".cer", ".priv", ".json", ".txt", ".conf")
MAX_HEAD = 64 << 10
MAX_SHOWN = 100


def what_secret(root: Root, walker: Walker, path: str) -> str:
    """What is secret in the file at `path`, "" if nothing that we know of."""
    found = walker.find(path)
    if found is None or found.entry.kind != "file":
        return ""
    return next(filter(None, (_by_name(name) for name in (path, found.path))), "") or _by_content(root, found.path)


def refuse_secrets(root: Root, paths: Iterable[str], allowed: Collection[str]) -> None:
    """Raise UsageError, with all of them, if one of `paths` holds a secret and is not `allowed` by name."""
    walker = Walker(root)
    permitted = {*allowed} | {found.path for path in allowed if (found := walker.find(path))}
    secrets: dict[str, str] = {}
    for path in sorted(paths):
        found = walker.find(path)
        if path in permitted or found is None or found.path in permitted:
            continue
        what = what_secret(root, walker, path)
        if what:
            secrets.setdefault(path, what)
    if not secrets:
        return
    from shlex import quote

    raise UsageError(
        f"{len(secrets)} of the traced files hold secrets, which everybody could read who has the image"
        if len(secrets) > 1
        else "a traced file holds a secret, which everybody could read who has the image",
        details=[f"{path}: {what}" for path, what in list(secrets.items())[:MAX_SHOWN]],
        hints=["mount what is secret when the image runs, and trace the program with a file of no worth in its place",
               *(f"if it is none: --allow-secret {quote(path)}" for path in list(secrets)[:3])],
    )  # fmt: skip


def _by_name(path: str) -> str:
    folder, _, name = path.rpartition("/")
    if name in _NAMES:
        return _NAMES[name]
    if name.startswith(".env.") and not name.endswith((".example", ".sample", ".template", ".dist")):
        return _NAMES[".env"]
    for end, what in _ENDS.items():
        if path.endswith(end):
            return what
    if name.startswith("id_") and not name.endswith(".pub"):
        return "a private key of ssh(1)"
    if name.startswith("ssh_host_") and name.endswith("_key"):
        return "a private key of a machine"
    if name.endswith(_KEY_STORES):
        return "a store of keys"
    for one in _FOLDERS:
        if one in f"{folder}/" and name not in _PUBLIC and not name.endswith((".pub", ".crt")):
            return f"in a folder of secrets, {one.strip('/')}"
    return ""


def _by_content(root: Root, path: RootPath) -> str:
    """A private key in a text file of any name that keys have (RFC 7468)."""
    if not path.endswith(_TEXTS) and "key" not in path.rpartition("/")[2]:
        return ""
    try:
        file = root.open(path)
    except ReadError:
        return ""
    try:
        head = file.read_at(0, MAX_HEAD)
    except ReadError:
        return ""
    finally:
        file.close()
    return "a private key" if _PRIVATE in head else ""
