"""Who is asked when: evidence leads to rules, findings to more evidence, until nothing new is found."""

from __future__ import annotations

from collections.abc import Mapping
from struct import pack_into, unpack_from

import pytest

from needed.closure import Reason
from needed.completeness import find_completeness
from needed.errors import ProofError, SourceError
from needed.gather import Gathered, gather
from needed.loader import Resolver, Settings
from needed.loader.hwcaps import active_at
from needed.pipeline import plan
from needed.root import Entry, MemoryRoot, RootPath
from needed.rootfs import Addition, Directory, File, Symlink
from needed.rules.choices import NONE, Choices
from needed.rules.own import OwnRule
from needed.rules.table import Rule
from needed.value import replace
from tests.loader.synthetic import Writer
from tests.rules.trees import library, program, tree

Files = Mapping[str, bytes | str]


class RootWithMode(MemoryRoot):
    """`tree` in memory, with the file at `path` of the mode `mode`."""

    def __init__(self, tree: Files, path: str, mode: int) -> None:
        super().__init__(tree)
        self.path, self.mode = path, mode

    def entry(self, path: RootPath) -> Entry | None:
        entry = super().entry(path)
        return replace(entry, mode=self.mode) if entry and path == self.path else entry


def gathered(files: Files, *programs: str, choices: Choices | None = None) -> Gathered:
    return gather(Resolver(MemoryRoot({**tree(), **files})), programs or ("/bin/app",), choices or Choices())


def own(name: str, *, programs: tuple[str, ...] = (), **lists: tuple[str, ...]) -> OwnRule:
    called = {key: lists.pop(key) for key in ("imports", "libraries", "scripts") if key in lists}
    return OwnRule(Rule(name, programs=programs, **called), "", **lists)  # type: ignore[arg-type]


def placed(found: Gathered) -> set[str]:
    return {item.path for item in found.placed}


def test_an_import_of_any_object_calls_a_rule() -> None:
    files = {"/bin/app": program(needed=("libx.so.1",)), "/lib64/libx.so.1": library("libx.so.1", "getaddrinfo")}
    found = gathered(files)
    assert placed(found) == {"/etc/nsswitch.conf"}
    assert found.placed[0].reason == Reason("rule", "/lib64/libx.so.1", "name-service", "imports getaddrinfo")


def test_what_the_c_library_imports_calls_none() -> None:
    files = {"/bin/app": program(), "/lib64/libc.so.6": library("libc.so.6", "getaddrinfo", "getpwnam", needed=())}
    assert gathered(files).applied == ()


def test_a_rule_that_is_off_is_not_asked() -> None:
    files = {"/bin/app": program("getaddrinfo", "getpwnam")}
    off = Choices(off=frozenset({"name-service"}))
    assert placed(gathered(files, choices=off)) == {"/etc/passwd", "/etc/group", "/home/nonroot"}
    assert gathered(files, choices=Choices(off=frozenset({"all"}))).applied == ()


def test_of_all_rules_off_one_that_is_named_is_on() -> None:
    one = Choices(values=(("name-service", ""),), off=frozenset({"all"}))
    assert placed(gathered({"/bin/app": program("getaddrinfo", "getpwnam")}, choices=one)) == {"/etc/nsswitch.conf"}


def test_what_a_plugin_needs_comes_along_and_calls_further_rules() -> None:
    files = {
        "/bin/app": program(),
        "/usr/lib/app/plugin.so": library("plugin.so", needed=("libdeep.so.1",)),
        "/lib64/libdeep.so.1": library("libdeep.so.1", "getaddrinfo"),
    }
    rule = own("plugins", programs=("app",), load=("/usr/lib/app/*.so",))
    found = gathered(files, choices=Choices(own=(rule,)))
    assert [item.added.path for item in found.closure.opened] == ["/usr/lib/app/plugin.so"]
    assert [item.path for item in found.closure.opened[0].added.objects] == [
        "/usr/lib/app/plugin.so", "/lib64/libdeep.so.1",
    ]  # fmt: skip
    assert placed(found) == {"/etc/nsswitch.conf"}


def test_a_plugin_finds_what_the_process_has_loaded_already() -> None:
    """libjava.so names libjvm.so, which stands in no directory that is searched: the launcher has it."""
    files = {
        "/bin/app": program(needed=("libhost.so.1",)),
        "/lib64/libhost.so.1": library("libhost.so.1"),
        "/opt/plugin.so": library("plugin.so", needed=("libhost.so.1",)),
    }
    found = gathered(files, choices=Choices(own=(own("plugins", programs=("app",), load=("/opt/plugin.so",)),)))
    assert [item.path for item in found.closure.opened[0].added.objects] == ["/opt/plugin.so"]


def test_a_plugin_whose_library_is_nowhere_is_not_in_the_image() -> None:
    files = {"/bin/app": program(), "/opt/plugin.so": library("plugin.so", needed=("libgone.so.1",))}
    found = gathered(files, choices=Choices(own=(own("plugins", programs=("app",), load=("/opt/plugin.so",)),)))
    assert found.closure.opened == ()


def test_two_plugins_do_not_find_each_others_libraries() -> None:
    """What one loads through its RUNPATH is not there when only the other is loaded."""
    files = {
        "/bin/app": program(),
        "/opt/a.so": library("a.so", needed=("/opt/deep/libdeep.so.1",)),
        "/opt/b.so": library("b.so", needed=("libdeep.so.1",)),
        "/opt/deep/libdeep.so.1": library("libdeep.so.1"),
    }
    found = gathered(files, choices=Choices(own=(own("plugins", programs=("app",), load=("/opt/*.so",)),)))
    assert [item.added.path for item in found.closure.opened] == ["/opt/a.so"]


def test_what_a_rule_executes_has_its_own_closure_and_calls_further_rules() -> None:
    files = {"/bin/app": program(), "/usr/bin/helper": program("getpwnam", needed=("libh.so.1",)),
             "/lib64/libh.so.1": library("libh.so.1")}  # fmt: skip
    found = gathered(files, choices=Choices(own=(own("helpers", programs=("app",), execute=("helper",)),)))
    assert [item.path for item in found.closure.programs] == ["/bin/app", "/usr/bin/helper"]
    assert found.closure.programs[1].reason == Reason("rule", "/bin/app", "helpers")
    assert "/etc/passwd" in placed(found)


def test_a_helper_that_could_not_start_is_told_and_left_out() -> None:
    files = {"/bin/app": program(), "/usr/bin/helper": program(needed=("libgone.so.1",))}
    found = gathered(files, choices=Choices(own=(own("helpers", programs=("app",), execute=("helper", "none")),)))
    assert [item.path for item in found.closure.programs] == ["/bin/app"]
    assert [tell.message for tell in found.applied[0].told] == [
        "helper is left out: it lacks libgone.so.1 in the root",
        "none, for /bin/app, is left out: none: no such program on the PATH of the root",
    ]


def cut_off(whole: bytes) -> bytes:
    """`whole` with a first segment that goes on for a megabyte behind the end of the file."""
    file = bytearray(whole)
    at, size, count = *unpack_from("<Q", file, 32), *unpack_from("<HH", file, 54)  # e_phoff, e_phentsize, e_phnum
    load = next(place for place in range(at, at + size * count, size) if unpack_from("<I", file, place) == (1,))
    pack_into("<QQ", file, load + 32, 1 << 20, 1 << 20)  # p_filesz, p_memsz
    return bytes(file)


def of_another_machine() -> bytes:
    other = bytearray(program())
    other[18:20] = (183).to_bytes(2, "little")  # e_machine: EM_AARCH64
    return bytes(other)


@pytest.mark.parametrize(
    ("helper", "problem"),
    [
        (cut_off(program()), "truncated"),
        (library("helper"), "is a library or an object file, not a program"),
        (of_another_machine(), "is for arm64"),
    ],
)
def test_a_helper_that_the_kernel_or_the_image_refuses_is_told_and_left_out(helper: bytes, problem: str) -> None:
    files = {"/bin/app": program(), "/usr/bin/helper": helper}
    choices = Choices(own=(own("helpers", programs=("app",), execute=("/usr/bin/helper",)),))
    planned = plan(MemoryRoot({**tree(), **files}), ["/bin/app"], choices=choices)
    assert "/usr/bin/helper" not in planned.rootfs.entries
    assert [problem in tell.message for item in planned.applied for tell in item.told] == [True]


def test_a_helper_that_nobody_may_execute_is_told_and_left_out() -> None:
    files = {**tree(), "/bin/app": program(), "/usr/bin/helper": program()}
    rule = own("helpers", programs=("app",), execute=("/usr/bin/helper",))
    planned = plan(RootWithMode(files, "/usr/bin/helper", 0o644), ["/bin/app"], choices=Choices(own=(rule,)))
    assert "/usr/bin/helper" not in planned.rootfs.entries
    assert ["nobody may execute it" in tell.message for item in planned.applied for tell in item.told] == [True]


def test_a_plugin_that_was_cut_off_is_told_and_left_out() -> None:
    files = {"/bin/app": program(), "/opt/plugin.so": cut_off(library("plugin.so"))}
    found = gathered(files, choices=Choices(own=(own("plugins", programs=("app",), load=("/opt/plugin.so",)),)))
    assert found.closure.opened == ()
    assert [tell.message.partition(":")[0] for tell in found.applied[0].told] == ["/opt/plugin.so is left out"]


def test_a_script_calls_the_rules_of_its_interpreter() -> None:
    files = {"/bin/app": b"#!/usr/bin/env -S interpret -x\n", "/usr/bin/env": program(),
             "/usr/bin/interpret": program(), "/usr/share/more": b"more"}  # fmt: skip
    found = gathered(files, choices=Choices(own=(own("scripts", scripts=("interpret",), take=("/usr/share/more",)),)))
    assert placed(found) == {"/usr/share/more"}
    assert found.placed[0].reason.subject == "/bin/app"


def test_a_library_calls_the_rules_that_name_its_beginning() -> None:
    files = {"/bin/app": program(needed=("libz.so.9",)), "/lib64/libz.so.9": library("libz.so.9"), "/etc/z": b""}
    found = gathered(files, choices=Choices(own=(own("zlib", libraries=("libz.so",), take=("/etc/z",)),)))
    assert placed(found) == {"/etc/z"}


def test_a_folder_that_a_rule_takes_comes_with_all_that_is_in_it_and_its_links() -> None:
    files: Files = {"/bin/app": program(), "/usr/share/app/a/b": b"b", "/usr/share/app/link": "-> a/b"}
    choices = Choices(own=(own("data", programs=("app",), take=("/usr/share/app",), folders=("/var/lib/app",)),))
    rootfs = plan(MemoryRoot({**tree(), **files}), ["/bin/app"], choices=choices).rootfs
    assert {"/usr/share/app/a/b", "/usr/share/app/link"} <= rootfs.entries.keys()
    state = rootfs.entries["/var/lib/app"]
    assert isinstance(state, Directory)
    assert state.owner == (65532, 65532)


def test_what_is_not_for_everybody_to_read_is_told_and_left_out() -> None:
    files = {**tree(), "/bin/app": program(), "/etc/secret": b"key"}
    choices = Choices(own=(own("data", programs=("app",), take=("/etc/secret",)),))
    found = plan(RootWithMode(files, "/etc/secret", 0o640), ["/bin/app"], choices=choices)
    assert "/etc/secret" not in found.rootfs.entries
    assert found.applied[0].told[0].hint == "--add /etc/secret"


def test_a_command_is_taken_along_by_its_name() -> None:
    files = {"/bin/app": program(), "/usr/bin/mkdir": program(needed=("libm.so.1",)),
             "/lib64/libm.so.1": library("libm.so.1")}  # fmt: skip
    found = plan(MemoryRoot({**tree(), **files}), ["/bin/app"], choices=Choices(along=("mkdir",)))
    assert {"/usr/bin/mkdir", "/lib64/libm.so.1"} <= found.rootfs.entries.keys()
    assert found.requested == ("/bin/app",)


def test_a_library_is_taken_along_by_its_name_where_a_program_would_find_it() -> None:
    files = {"/bin/app": program(), "/lib64/libplug.so.3": library("libplug.so.3", needed=("libm.so.1",)),
             "/lib64/libm.so.1": library("libm.so.1")}  # fmt: skip
    rootfs = plan(MemoryRoot({**tree(), **files}), ["/bin/app"], choices=Choices(along=("libplug.so.3",))).rootfs
    assert {"/lib64/libplug.so.3", "/lib64/libm.so.1"} <= rootfs.entries.keys()
    with pytest.raises(SourceError, match=r"libnone\.so\.1: no program of the image could load it"):
        gathered(files, choices=Choices(along=("libnone.so.1",)))


def test_a_reason_of_a_rule_names_the_file_and_what_of_it() -> None:
    rootfs = plan(MemoryRoot(tree() | {"/bin/app": program("getpwuid")}), ["/bin/app"]).rootfs
    assert str(rootfs.reasons["/etc/passwd"][0]) == "rule users: /bin/app imports getpwuid"
    entry = rootfs.entries["/etc/passwd"]
    assert isinstance(entry, File)
    assert entry.mode == 0o644


def completeness(files: Files, choices: Choices | None = None) -> str:
    resolver = Resolver(MemoryRoot({**tree(), **files}))
    found = gather(resolver, ["/bin/app"], choices or Choices())
    return next(find_completeness(resolver, found)).state


def test_a_program_of_which_only_libc_can_load_more_is_proven_complete() -> None:
    assert completeness({"/bin/app": program("printf")}) == "proven"


def test_an_import_that_a_rule_accounts_for_is_complete_by_rules() -> None:
    assert completeness({"/bin/app": program("getaddrinfo")}) == "by rules"
    assert completeness({"/bin/app": program("getaddrinfo")}, Choices(off=frozenset({"name-service"}))) == "open"


def test_musl_opens_nothing_by_itself() -> None:
    musl = "/lib/ld-musl-x86_64.so.1"
    writer = Writer([("needed", "libc.musl-x86_64.so.1")], interpreter=musl)
    writer.export((), ("getaddrinfo", "iconv_open", "pthread_cancel"))
    files = {"/bin/app": writer.finish(), musl: library("libc.musl-x86_64.so.1", needed=())}
    assert completeness({**files, "/lib/libc.musl-x86_64.so.1": f"-> {musl}"}, NONE) == "proven"


def test_an_import_of_dlopen_in_any_object_leaves_the_closure_open() -> None:
    files = {"/bin/app": program(needed=("libx.so.1",)), "/lib64/libx.so.1": library("libx.so.1", "dlmopen")}
    assert completeness(files) == "open"


def test_what_is_made_in_place_of_a_link_stays_where_another_takes_the_link() -> None:
    files: Files = {"/bin/app": program(), "/etc/zone": "-> /usr/share/zone", "/usr/share/zone": b"zone"}
    rule = own("zone", programs=("app",), folders=("/etc/zone",), take=("/etc/zone",))
    entries = plan(MemoryRoot({**tree(), **files}), ["/bin/app"], choices=Choices(own=(rule,))).rootfs.entries
    assert isinstance(entries["/etc/zone"], Directory)
    assert isinstance(entries["/usr/share/zone"], File)


def test_a_folder_that_is_made_stands_where_the_root_has_its_link_lead() -> None:
    files: Files = {"/bin/app": program(), "/var/run": "-> /run", "/run/old": b""}
    rule = own("run", programs=("app",), folders=("/var/run",))
    rootfs = plan(MemoryRoot({**tree(), **files}), ["/bin/app"], choices=Choices(own=(rule,))).rootfs
    assert rootfs.entries["/var/run"] == Symlink("/run")
    assert rootfs.entries["/run"] == Directory(0o755, (65532, 65532))


def test_what_is_added_goes_before_what_rules_find() -> None:
    files: Files = {"/bin/app": program(), "/etc/zone": "-> /usr/share/zone", "/usr/share/zone": b"zone"}
    rule = own("zone", programs=("app",), take=("/etc/zone",))
    root = MemoryRoot({**tree(), **files, "/own": b"own"})
    entries = plan(root, ["/bin/app"], [Addition("/own", "/etc/zone")], choices=Choices(own=(rule,))).rootfs.entries
    zone = entries["/etc/zone"]
    assert isinstance(zone, File)
    assert zone.size == len(b"own")


def test_a_chain_of_helpers_ends_and_tells_where() -> None:
    """Each is called for by the one before it; thirty steps are more than any program takes."""
    helpers = {f"/usr/bin/helper{number}": program() for number in range(40)}
    rules = tuple(
        own(f"step{number}", programs=(f"helper{number}",), execute=(f"helper{number + 1}",)) for number in range(39)
    )
    found = gathered({**helpers}, "/usr/bin/helper0", choices=Choices(own=rules))
    assert len(found.closure.programs) == 31
    assert [tell.message for item in found.applied for tell in item.told] == [
        "/usr/bin/helper30 is left as it is: what leads to it is more than 30 steps long"
    ]


def test_in_an_image_of_a_package_what_is_there_for_another_reason_is_not_the_packages() -> None:
    files = {"/bin/app": program("getaddrinfo"), "/etc/nsswitch.conf": b"", "/usr/share/app/data": b""}
    found = gathered(files, choices=Choices(whole=("app",)))
    reasons = {item.path: item.reason.kind for item in found.placed}
    assert reasons["/etc/nsswitch.conf"] == "rule"
    assert reasons["/usr/share/app/data"] == "package"
    assert "/bin/app" not in reasons


def test_what_was_said_to_a_rule_that_nothing_calls_is_told() -> None:
    found = gathered({"/bin/app": program()}, choices=Choices(values=(("zones", "Europe/Berlin"), ("locale", ""))))
    assert [(item.rule, item.evidence, item.told[0].message) for item in found.applied] == [
        ("zones", (), "--rule zones=Europe/Berlin changes nothing: no program here calls the rule")
    ]


def test_a_library_to_take_along_is_refused_with_what_it_lacks() -> None:
    files = {"/bin/app": program(), "/lib64/libx.so.1": library("libx.so.1", needed=("libgone.so.1",))}
    with pytest.raises(SourceError, match="no program of the image could load it") as caught:
        gathered(files, choices=Choices(along=("libx.so.1",)))
    assert [*caught.value.details] == ["libx.so.1 is left out: it lacks libgone.so.1 in the root"]


BETTER = "/lib64/glibc-hwcaps/x86-64-v3"
WITH_PLUGIN: Files = {
    "/bin/app": program(needed=("libhost.so.1",)),
    "/lib64/libhost.so.1": library("libhost.so.1", "getservbyname"),
    "/opt/plugin.so": library("plugin.so", needed=("libdeep.so.1",)),
    "/lib64/libdeep.so.1": library("libdeep.so.1"),
}


def paths_at_v3(files: Files, rule: OwnRule) -> set[str]:
    settings = Settings(hwcaps=active_at("x86-64-v3"), preload_file=False)
    root = MemoryRoot({**tree(), **WITH_PLUGIN, **files})
    return {*plan(root, ["/bin/app"], (), settings, choices=Choices(own=(rule,))).rootfs.entries}


def test_a_plugin_of_a_library_that_has_a_variant_gets_its_own_variants_too() -> None:
    files = {f"{BETTER}/libhost.so.1": library("libhost.so.1"), f"{BETTER}/libdeep.so.1": library("libdeep.so.1")}
    rule = own("plugins", libraries=("libhost.so",), load=("/opt/plugin.so",))
    assert {*files, "/lib64/libdeep.so.1", "/opt/plugin.so"} <= paths_at_v3(files, rule)


def test_a_variant_that_could_not_be_loaded_for_a_plugin_stays_out() -> None:
    files = {f"{BETTER}/libdeep.so.1": library("libdeep.so.1", needed=("libgone.so.1",))}
    found = paths_at_v3(files, own("plugins", programs=("app",), load=("/opt/plugin.so",)))
    assert "/lib64/libdeep.so.1" in found
    assert f"{BETTER}/libdeep.so.1" not in found


def test_a_plugin_is_opened_in_each_process_that_has_what_opens_it() -> None:
    """One has its library already, from another place; the other finds it where libraries are."""
    files = {
        "/bin/a": program(needed=("libhost.so.1", "/opt/a/libdeep.so.1")),
        "/bin/b": program(needed=("libhost.so.1",)),
        "/lib64/libhost.so.1": library("libhost.so.1"),
        "/opt/a/libdeep.so.1": library("libdeep.so.1"),
        "/lib64/libdeep.so.1": library("libdeep.so.1"),
        "/opt/plugin.so": library("plugin.so", needed=("libdeep.so.1",)),
    }
    rules = (
        own("plugins", libraries=("libhost.so",), load=("/opt/plugin.so",)),
        own("helpers", programs=("a",), execute=("/bin/b",)),
    )
    for programs in (("/bin/a", "/bin/b"), ("/bin/b", "/bin/a"), ("/bin/a",)):
        found = gathered(files, *programs, choices=Choices(own=rules))
        assert {(item.program, item.added.path, len(item.added.objects)) for item in found.closure.opened} == {
            ("/bin/a", "/opt/plugin.so", 1), ("/bin/b", "/opt/plugin.so", 2),
        }  # fmt: skip


def test_a_plugin_that_would_load_another_library_in_the_image_is_not_shipped() -> None:
    """What a program opens is proven in the finished tree, where an added file may stand in an earlier place."""
    plugin = Writer([("needed", "libdeep.so.1"), ("runpath", "/first:/second")]).finish()
    files = {"/bin/app": program(), "/opt/plugin.so": plugin, "/second/libdeep.so.1": library("libdeep.so.1"),
             "/data/other": library("libdeep.so.1")}  # fmt: skip
    choices = Choices(own=(own("plugins", programs=("app",), load=("/opt/plugin.so",)),))
    root = MemoryRoot({**tree(), **files})
    assert "/second/libdeep.so.1" in plan(root, ["/bin/app"], choices=choices).rootfs.entries
    with pytest.raises(ProofError) as raised:
        plan(root, ["/bin/app"], [Addition("/data/other", "/first/libdeep.so.1")], choices=choices)
    assert "/data/other is loaded in the image instead of /second/libdeep.so.1" in raised.value.details[0]
