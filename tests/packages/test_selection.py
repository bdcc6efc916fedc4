"""What is taken of a package, what is left out, and which dependencies come along."""

from __future__ import annotations

import pytest

from needed.errors import ReadError
from needed.packages import Selection, open_packages, select_files
from needed.packages.categories import category_of
from needed.root import MemoryRoot, Walker

D = "/var/lib/dpkg"


def paragraph(name: str, **fields: str) -> str:
    given = {"Architecture": "amd64", "Version": "1", "Section": "web"}
    given |= {field.replace("_", "-"): content for field, content in fields.items()}
    return f"Package: {name}\nStatus: install ok installed\n" + "".join(f"{k}: {v}\n" for k, v in given.items())


def listing(lists: dict[str, str]) -> dict[str, bytes | str]:
    return {f"{D}/info/{name}.list": "\n".join(["/.", *listed.split()]).encode() for name, listed in lists.items()}


def selected(paragraphs: list[str], tree: dict[str, bytes | str], lists: dict[str, str], name: str) -> Selection:
    """`lists` are paths apart by spaces; folders are to be named as dpkg names them where they matter."""
    whole: dict[str, bytes | str] = {f"{D}/status": "\n".join(paragraphs).encode(), **tree, **listing(lists)}
    root = MemoryRoot(whole)
    packages = open_packages(root, Walker(root))
    assert packages is not None
    return select_files(packages, name)


def paths(selection: Selection) -> dict[str, str]:
    return {item.path: item.why for item in selection.selected}


@pytest.mark.parametrize(
    ("path", "category"),
    [
        ("/usr/bin/nginx", ""),
        ("/usr/share/doc/nginx/README", "documentation"),
        ("/usr/share/doc/nginx/copyright", "licence"),
        ("/usr/share/man/man1/nginx.1.gz", "documentation"),
        ("/usr/share/manual/x", ""),
        ("/usr/share/locale/de/LC_MESSAGES/x.mo", "translations"),
        ("/usr/lib/locale/C.utf8/LC_CTYPE", ""),
        ("/usr/lib/locale/locale-archive", "translations"),
        ("/lib/systemd/system/nginx.service", "host services"),
        ("/lib/systemd/systemd", ""),
        ("/etc/init.d/nginx", "host services"),
        ("/usr/share/dnsmasq/systemd-helper", "host services"),
        ("/usr/share/dnsmasq/trust-anchors.conf", ""),
        ("/usr/lib/resolvconf/dpkg-event.d/dnsmasq", "host services"),
        ("/etc/nginx/nginx.conf", ""),
        ("/usr/lib/x86_64-linux-gnu/libz.a", "development"),
        ("/usr/lib/x86_64-linux-gnu/pkgconfig/zlib.pc", "development"),
        ("/usr/share/x/y.a", ""),
        ("/usr/include/zlib.h", "development"),
        ("/usr/share/bash-completion/completions/x", "completion"),
        ("/usr/share/lintian/overrides/x", "packaging"),
        ("/usr/share/applications/x.desktop", "desktop"),
        ("/", ""),
    ],
)
def test_a_file_is_left_out_by_its_place(path: str, category: str) -> None:
    assert category_of(path) == category


def test_what_is_left_out_is_told_by_category_with_its_bytes() -> None:
    tree: dict[str, bytes | str] = {"/usr/bin/x": b"1", "/usr/share/doc/x/a": b"12", "/usr/share/doc/x/b": b"123"}
    taken = selected([paragraph("x")], tree, {"x": "/usr/bin/x /usr/share/doc/x/a /usr/share/doc/x/b /usr/gone"}, "x")
    assert [(out.category, out.files, out.size) for out in taken.left_out] == [
        ("documentation", 2, 5), ("not in the root", 1, 0)
    ]  # fmt: skip
    assert (paths(taken), taken.size) == ({"/usr/bin/x": "file"}, 1)


def test_paths_are_taken_by_their_canonical_names() -> None:
    tree: dict[str, bytes | str] = {"/usr/lib/x/data": b"1", "/lib": "-> usr/lib"}
    assert paths(selected([paragraph("x")], tree, {"x": "/lib /lib/x /lib/x/data"}, "x")) == {"/usr/lib/x/data": "file"}


def test_configuration_is_taken_that_only_ucf_knows_and_a_conffile_is_called_one() -> None:
    tree: dict[str, bytes | str] = {
        "/etc/x/a": b"1", "/etc/x/b": b"2", "/etc/x/key": b"secret",
        "/var/lib/ucf/registry": b"x \t /etc/x/b\ny /etc/y\n",
    }  # fmt: skip
    taken = selected([paragraph("x", Conffiles="\n /etc/x/a 0123")], tree, {"x": "/etc /etc/x /etc/x/a"}, "x")
    assert paths(taken) == {"/etc/x/a": "configuration", "/etc/x/b": "configuration"}


def test_a_link_by_which_a_script_switched_a_file_on_is_taken() -> None:
    tree: dict[str, bytes | str] = {
        "/etc/x/available/default": b"1", "/etc/x/enabled/default": "-> ../available/default",
        "/etc/x/enabled/mine": "-> /srv/mine", "/srv/mine": b"2",
    }  # fmt: skip
    taken = selected([paragraph("x")], tree, {"x": "/etc/x /etc/x/available/default /etc/x/enabled"}, "x")
    assert paths(taken) == {
        "/etc/x/available/default": "file", "/etc/x/enabled": "folder", "/etc/x/enabled/default": "enabled"
    }  # fmt: skip


def test_the_links_of_alternatives_that_lead_to_its_files_are_taken() -> None:
    tree: dict[str, bytes | str] = {
        "/usr/bin/vim.basic": b"1", "/usr/bin/vim": "-> /etc/alternatives/vim",
        "/usr/bin/ex": "-> /etc/alternatives/ex",
        "/etc/alternatives/vim": "-> /usr/bin/vim.basic", "/etc/alternatives/ex": "-> /usr/bin/other",
        "/usr/bin/other": b"2",
        f"{D}/alternatives/vim": b"auto\n/usr/bin/vim\nex\n/usr/bin/ex\n\n/usr/bin/vim.basic\n30\n\n",
    }  # fmt: skip
    taken = selected([paragraph("vim")], tree, {"vim": "/usr/bin/vim.basic"}, "vim")
    assert paths(taken) == {
        "/etc/alternatives/vim": "alternative", "/usr/bin/vim": "alternative", "/usr/bin/vim.basic": "file"
    }  # fmt: skip


def test_what_a_link_leads_to_comes_along_and_a_link_to_nowhere_or_out_does_not() -> None:
    tree: dict[str, bytes | str] = {
        "/usr/lib/x/certs": "-> /etc/certs/all", "/etc/certs/all": "-> one", "/etc/certs/one": b"1",
        "/usr/lib/x/broken": "-> nowhere", "/usr/lib/x/docs": "-> ../../share/doc/x/f", "/usr/share/doc/x/f": b"",
        "/usr/lib/x/out": "-> ../../../../../../etc/passwd-of-the-host", "/usr/lib/x/loop": "-> loop",
    }  # fmt: skip
    listed = " ".join(path for path in tree if path.startswith("/usr/lib"))
    taken = selected([paragraph("x")], tree, {"x": listed}, "x")
    assert paths(taken) == {
        "/usr/lib/x/certs": "file", "/etc/certs/all": "link target", "/etc/certs/one": "link target"
    }  # fmt: skip
    assert [(out.category, out.files) for out in taken.left_out] == [
        ("broken links", 3), ("links to what is left out", 1)
    ]  # fmt: skip


def test_folders_of_state_are_taken_empty_with_those_right_below() -> None:
    tree: dict[str, bytes | str] = {
        "/usr/sbin/nginx": b"", "/var/lib/nginx/body/0/data": b"private", "/var/lib/nginx/f": b"private",
        "/var/log/nginx/access.log": b"private",
    }  # fmt: skip
    taken = selected([paragraph("nginx")], tree, {"nginx": "/usr/sbin/nginx /var /var/lib /var/lib/nginx"}, "nginx")
    assert paths(taken) == {
        "/usr/sbin/nginx": "file", "/var/lib/nginx": "state", "/var/lib/nginx/body": "state", "/var/log/nginx": "state"
    }  # fmt: skip


def test_folders_that_systemd_would_make_have_the_owner_and_mode_asked_for() -> None:
    tree: dict[str, bytes | str] = {
        "/usr/lib/systemd/system/x.service": b"[Service]\nUser=db\nRuntimeDirectory=x/one ../../etc\n"
        b"RuntimeDirectoryMode=2750\n",
        "/usr/lib/tmpfiles.d/x.conf": b"# x\nd /run/y 0700 db - -\nd /run/%u 0700\nL /run/z - - - - /a\nd /etc/no\n",
        "/etc/passwd": b"root:x:0:0::/:\ndb:x:101:104::/:\n",
        "/etc/group": b"db:x:104:\n",
    }  # fmt: skip
    listed = "/usr/lib/systemd/system/x.service /usr/lib/tmpfiles.d/x.conf"
    taken = selected([paragraph("x")], tree, {"x": listed}, "x")
    assert [(item.path, item.entry.kind, oct(item.entry.mode), item.entry.owner) for item in taken.selected] == [
        ("/run/x/one", "directory", "0o2750", (101, 104)), ("/run/y", "directory", "0o700", (101, 104))
    ]  # fmt: skip


DEPENDENCIES = {
    "x": ("Depends", "x-common, lib1, media, tool, debconf, perl, x-doc, nothing | none, base, modules, stands"),
    "x-common": ("Source", "x"),
    "x-doc": ("Section", "doc"),
    "lib1": ("Section", "libs\nDepends: lib1-data, lib1-tools, fonts"),
    "lib1-data": ("Source", "lib1"),
    "lib1-tools": ("Source", "lib1"),
    "fonts": ("Section", "fonts"),
    "media": ("Architecture", "all"),
    "tool": ("Section", "net"),
    "debconf": ("Section", "admin"),
    "perl": ("Section", "perl"),
    "base": ("Essential", "yes"),
    "modules": ("Section", "admin"),
    "stands": ("Depends", "other"),
    "other": ("Section", "web"),
}
FILES = {
    "x": "/usr/bin/x", "x-common": "/usr/share/x/data", "lib1": "/usr/lib/lib1.so.1", "lib1-data": "/usr/share/lib1/d",
    "lib1-tools": "/usr/bin/lib1-tool", "fonts": "/usr/share/fonts/f", "media": "/etc/mime.types",
    "tool": "/usr/bin/tool", "debconf": "/usr/bin/debconf", "perl": "/usr/bin/perl", "base": "/bin/base",
    "modules": "/usr/lib/security/pam_x.so /usr/lib/security/help", "other": "/usr/bin/other", "stands": "",
    "x-doc": "/usr/share/x/doc.html",
}  # fmt: skip


class Unexecutable(MemoryRoot):
    """Memory whose files outside folders for programs may not be executed, as on any system."""

    def __init__(self, tree: dict[str, bytes | str]) -> None:
        super().__init__(tree)
        for path, item in tree.items():
            if isinstance(item, bytes) and "/bin/" not in path:
                entry = self._entries[path]
                self._entries[path] = type(entry)("file", 0o644, entry.size, "", entry.identity)


def test_dependencies_come_along_as_far_as_files_need_them_each_with_a_reason() -> None:
    tree: dict[str, bytes | str] = {path: b"1" for listed in FILES.values() for path in listed.split()}
    tree |= listing(FILES)
    tree[f"{D}/status"] = "\n".join(paragraph(name, **{k: v}) for name, (k, v) in DEPENDENCIES.items()).encode()
    root = Unexecutable(tree)
    packages = open_packages(root, Walker(root))
    assert packages is not None
    selection = select_files(packages, "x")
    assert {one.name: (one.kind, one.hint) for one in selection.dependencies} == {
        "x-common": ("companion", ""), "lib1": ("library", ""), "lib1-data": ("data", ""), "media": ("data", ""),
        "tool": ("programs", "--package tool"), "debconf": ("installation", ""),
        "perl": ("interpreter", "--package perl"), "x-doc": ("documentation", ""), "nothing | none": ("absent", ""),
        "base": ("essential", "--package base"), "modules": ("programs", "--package modules"),
        "stands": ("stands for", ""), "other": ("stands for", ""),
    }  # fmt: skip
    reasons = {one.name: one.reason for one in selection.dependencies}
    assert reasons["tool"] == "has programs of its own (tool)"
    assert reasons["modules"] == "has modules that programs load"
    names = [package.name for package in selection.packages]
    assert names == ["x", "x-common", "media", "stands", "lib1-data", "other"]
    assert paths(selection) == dict.fromkeys(
        ["/etc/mime.types", "/usr/bin/other", "/usr/bin/x", "/usr/share/lib1/d", "/usr/share/x/data"], "file"
    )


def test_packages_that_depend_on_each_other_are_taken_once() -> None:
    taken = selected(
        [paragraph("a", Depends="b", Source="s"), paragraph("b", Depends="a, b", Source="s")],
        {"/usr/bin/a": b"", "/usr/bin/b": b""}, {"a": "/usr/bin/a", "b": "/usr/bin/b"}, "a",
    )  # fmt: skip
    assert list(paths(taken)) == ["/usr/bin/a", "/usr/bin/b"]


def test_a_chain_of_dependencies_has_an_end() -> None:
    chain = [paragraph(f"p{number}", Depends=f"p{number + 1}", Section="libs") for number in range(4000)]
    with pytest.raises(ReadError, match="depends on more than 3000 packages"):
        selected([paragraph("x", Depends=", ".join(f"p{n}" for n in range(4000))), *chain], {}, {}, "x")
