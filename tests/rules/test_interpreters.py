"""What each interpreter's rule takes of a root: its library, what scripts ask for, and plugins with their libraries."""

from __future__ import annotations

from collections.abc import Mapping

from needed.gather import Gathered, gather
from needed.loader import Resolver
from needed.pipeline import plan
from needed.root import MemoryRoot
from needed.rules.choices import Choices
from tests.loader.synthetic import Writer
from tests.rules.trees import LOADER, library, program, tree

Files = Mapping[str, bytes | str]
EXECUTED = {"/usr/bin/env": program()}


def gathered(files: Files, *programs: str, **values: str) -> Gathered:
    choices = Choices(values=tuple(values.items()))
    return gather(Resolver(MemoryRoot({**tree(), **EXECUTED, **files})), programs, choices)


def placed(found: Gathered) -> set[str]:
    """What the rules of interpreters took; others give the same programs a /tmp."""
    return {item.path for item in found.placed if item.reason.rule in ("perl", "node", "java", "ruby", "lua", "tcl")}


def opened(found: Gathered) -> set[str]:
    return {str(item.added.path) for item in found.closure.opened}


def told(found: Gathered) -> list[str]:
    return [tell.message for one in found.applied for tell in one.told]


def holding(binary: bytes, *strings: str) -> bytes:
    """A program or library with these strings in it, as compiled-in paths stand."""
    return binary + b"\0" + b"\0".join(one.encode() for one in strings) + b"\0"


PERL = {
    "/usr/bin/perl": holding(program(), "/usr/share/perl5", "/usr/lib/perl5", "/usr/local/share/perl5", "/no/perl5"),
    "/usr/share/perl5/strict.pm": b"package strict; 1;",
    "/usr/share/perl5/My/App.pm": b"package My::App; use My::Fast; require Test::More; 1;\n__END__\nuse My::Doc;",
    "/usr/share/perl5/My/Doc.pm": b"1;",
    "/usr/share/perl5/Test/More.pm": b"1;",
    "/usr/share/perl5/JSON/PP.pm": b"1;",
    "/usr/share/perl5/JSON/PP.pod": b"=pod",
    "/usr/lib/perl5/My/Fast.pm": b"package My::Fast; use XSLoader; XSLoader::load(); 1;",
    "/usr/lib/perl5/auto/My/Fast/Fast.so": library("Fast.so", needed=("libfast.so.1",)),
    "/usr/lib/perl5/auto/My/Fast/slow.al": b"sub slow {} 1;",
    "/lib64/libfast.so.1": library("libfast.so.1"),
    "/usr/share/perl5/Never/Used.pm": b"1;",
}


def test_a_perl_script_gets_its_modules_and_their_shared_objects() -> None:
    found = gathered({**PERL, "/srv/app": b"#!/usr/bin/perl\nuse strict;\nuse My::App;\n"}, "/srv/app")
    assert placed(found) == {
        "/usr/share/perl5/strict.pm",
        "/usr/share/perl5/My/App.pm",
        "/usr/lib/perl5/My/Fast.pm",
        "/usr/lib/perl5/auto/My/Fast/slow.al",
    }
    assert opened(found) == {"/usr/lib/perl5/auto/My/Fast/Fast.so"}
    assert told(found) == []


def test_a_module_that_a_script_uses_and_the_root_has_not_is_told() -> None:
    source = b"#!/usr/bin/perl\nuse Not::There;\neval { require Not::Here };\nrequire $name;\n"
    found = gathered({**PERL, "/srv/app": source}, "/srv/app")
    assert told(found) == [
        "/srv/app:4: require $name: only a run knows the module",
        "/srv/app uses modules that the root does not have: Not::There (line 2)",
    ]


def test_of_a_folder_that_a_module_is_computed_in_all_modules_come_along() -> None:
    files = {
        "/usr/share/perl5/My/App.pm": b'package My::App;\nrequire "My/Format/$x.pm";',
        "/usr/share/perl5/My/Format/A.pm": b"require My::Doc;",
        "/usr/lib/perl5/My/Format/B.pm": b"1;",
        "/usr/share/perl5/My/Format/Deeper/C.pm": b"1;",
        "/srv/app": b"#!/usr/bin/perl\nuse My::App;\n",
    }
    found = placed(gathered({**PERL, **files}, "/srv/app"))
    assert {"/usr/share/perl5/My/Format/A.pm", "/usr/lib/perl5/My/Format/B.pm", "/usr/share/perl5/My/Doc.pm"} <= found
    assert "/usr/share/perl5/My/Format/Deeper/C.pm" not in found


def test_modules_stand_beside_a_script_that_says_so() -> None:
    files = {"/srv/bin/app": b'#!/usr/bin/perl\nuse FindBin;\nuse lib "$FindBin::Bin/../lib";\nuse Own;\n',
             "/srv/lib/Own.pm": b"package Own; require 'own.pl'; 1;", "/srv/lib/own.pl": b"1;"}  # fmt: skip
    found = gathered({**PERL, **files, "/usr/share/perl5/FindBin.pm": b"1;"}, "/srv/bin/app")
    assert {"/srv/bin/../lib/Own.pm", "/srv/bin/../lib/own.pl"} <= placed(found)


def test_perl_itself_gets_the_modules_of_every_day_and_says_so() -> None:
    found = gathered(PERL, "/usr/bin/perl")
    assert placed(found) == {"/usr/share/perl5/strict.pm", "/usr/share/perl5/JSON/PP.pm"}
    assert [message.partition(",")[0] for message in told(found)] == ["perl: the modules of every day"]


def test_every_module_or_single_ones_are_a_choice() -> None:
    every = gathered(PERL, "/usr/bin/perl", perl="all")
    assert placed(every) == {path for path in PERL if path.endswith((".pm", ".al"))}
    assert opened(every) == {"/usr/lib/perl5/auto/My/Fast/Fast.so"}
    assert "/usr/share/perl5/Never/Used.pm" in placed(gathered(PERL, "/usr/bin/perl", perl="Never::Used"))
    assert told(gathered(PERL, "/usr/bin/perl", perl="Nowhere")) == ["perl has no module Nowhere in the root"]


NODE: dict[str, bytes | str] = {
    "/usr/bin/node": program(),
    "/srv/server.js": b"#!/usr/bin/env node\nrequire('./lib/a'); require('fs'); require('left/sub'); require('./gone')",
    "/srv/package.json": b'{"type": "commonjs"}',
    "/srv/lib/a/index.js": b"require('../b.json'); import('@s/right'); require('nowhere'); require(`${x}`)",
    "/srv/lib/b.json": b"{}",
    "/srv/lib/unused.js": b"",
    "/srv/node_modules/left/package.json": b'{"dependencies": {"deep": "1"}}',
    "/srv/node_modules/left/sub.js": b"",
    "/srv/node_modules/left/README.md": b"",
    "/srv/node_modules/left/types.d.ts": b"",
    "/srv/node_modules/left/build/fast.node": library("fast.node", needed=("libfast.so.1",)),
    "/srv/node_modules/left/node_modules/deep/index.js": b"",
    "/srv/node_modules/@s/right": "-> ../../store/right",
    "/srv/store/right/index.js": b"",
    "/srv/node_modules/unused/index.js": b"",
    "/lib64/libfast.so.1": library("libfast.so.1"),
}


def test_a_node_script_gets_files_beside_it_and_packages_with_what_they_depend_on() -> None:
    found = gathered(NODE, "/srv/server.js")
    assert placed(found) == {
        "/srv/server.js",
        "/srv/package.json",
        "/srv/lib/a/index.js",
        "/srv/lib/b.json",
        "/srv/node_modules/left/package.json",
        "/srv/node_modules/left/sub.js",
        "/srv/node_modules/left/node_modules/deep/index.js",
        "/srv/node_modules/@s/right/index.js",
    }
    assert opened(found) == {"/srv/node_modules/left/build/fast.node"}


def test_a_tool_that_computes_what_it_asks_for_gets_its_own_package_whole() -> None:
    tool = "/usr/lib/node_modules/@s/tool"
    files: dict[str, bytes | str] = {
        f"{tool}/bin/tool.js": b"#!/usr/bin/env node\nconst entry = '../lib/entry.js'\nrequire(entry)(process)",
        f"{tool}/package.json": b'{"dependencies": {"deep": "1"}}',
        f"{tool}/lib/entry.js": b"",
        f"{tool}/node_modules/deep/index.js": b"",
        "/usr/bin/tool": "-> ../lib/node_modules/@s/tool/bin/tool.js",
    }
    found = gathered({**NODE, **files}, "/usr/bin/tool")
    assert {path for path in files if path.startswith(tool)} <= placed(found) | {f"{tool}/bin/tool.js"}
    assert told(found) == []


def test_what_node_asks_for_in_vain_is_told() -> None:
    messages = told(gathered(NODE, "/srv/server.js"))
    assert messages[0] == "/srv/server.js:2: the root has no ./gone"
    assert messages[1] == "/srv/lib/a/index.js:1: the root has no package nowhere"
    assert messages[2].endswith("only a run knows the module")


def test_an_application_is_named_beside_node_itself() -> None:
    found = gathered(NODE, "/usr/bin/node", node="/srv/server.js")
    assert {"/srv/server.js", "/srv/lib/a/index.js"} <= placed(found)
    assert placed(gathered(NODE, "/usr/bin/node")) == set()


def test_a_distributions_node_gets_the_files_that_were_left_out_of_it() -> None:
    path = "/usr/share/nodejs/acorn/dist/acorn.js"
    shared = holding(library("libnode.so.108"), f'"NODE_SHARED_BUILTIN_ACORN_PATH={path}",')
    files = {"/usr/bin/node": program(needed=("libnode.so.108",)), "/lib64/libnode.so.108": shared, path: b""}
    assert placed(gathered({**files, "/usr/share/nodejs/other/index.js": b""}, "/usr/bin/node")) == {path}


def java(*extra: str) -> dict[str, bytes | str]:
    home = "/usr/lib/jvm/17"
    dynamic = [("needed", "libjli.so"), ("needed", "libc.so.6"), ("runpath", "$ORIGIN/../lib")]
    launcher = Writer(dynamic, interpreter=LOADER)
    return {
        "/usr/bin/java": f"-> {home}/bin/java",
        f"{home}/bin/java": launcher.finish(),
        f"{home}/lib/libjli.so": library("libjli.so"),
        f"{home}/lib/server/libjvm.so": library("libjvm.so"),
        f"{home}/lib/server/classes.jsa": b"archive",
        # By name, without a path: the process has them.
        f"{home}/lib/libjava.so": library("libjava.so", needed=("libjvm.so",)),
        f"{home}/lib/libnet.so": library("libnet.so", needed=("libjvm.so", "libjava.so")),
        f"{home}/lib/libzip.so": library("libzip.so", needed=("libjava.so", "libnet.so")),
        f"{home}/lib/libawt.so": library("libawt.so", needed=("libjava.so",)),
        f"{home}/lib/libawt_xawt.so": library("libawt_xawt.so", needed=("libawt.so",)),
        f"{home}/lib/modules": b"",
        f"{home}/lib/ct.sym": b"",
        f"{home}/lib/jvm.cfg": "-> /etc/java/jvm.cfg",
        "/etc/java/jvm.cfg": b"",
        f"{home}/conf/net.properties": b"",
        **dict.fromkeys(extra, b""),
    }


def test_java_gets_its_home_without_desktop_and_debugger() -> None:
    found = gathered(java("/usr/lib/jvm/17/lib/security/cacerts"), "/usr/bin/java")
    home = "/usr/lib/jvm/17"
    files = ("lib/modules", "lib/jvm.cfg", "conf/net.properties", "lib/security/cacerts", "lib/server/classes.jsa")
    assert placed(found) == {f"{home}/{name}" for name in files}
    libraries = ("server/libjvm.so", "libjava.so", "libnet.so", "libzip.so")
    assert opened(found) >= {f"{home}/lib/{name}" for name in libraries}
    assert f"{home}/lib/libawt.so" not in opened(found)
    assert told(found) == []


def test_what_java_opens_is_opened_by_what_was_opened_before_and_is_proven() -> None:
    ready = plan(MemoryRoot({**tree(), **java()}), ["/usr/bin/java"], choices=Choices(values=(("java", "desktop"),)))
    assert {"/etc/java/jvm.cfg", "/usr/lib/jvm/17/lib/libawt_xawt.so"} <= ready.rootfs.entries.keys()


def test_java_choices() -> None:
    small = gathered(java(), "/usr/bin/java", java="small")
    assert not any(path.endswith(".jsa") for path in placed(small))
    assert told(small) == ["/usr/lib/jvm/17 trusts no certificate authority"]
    other = gathered(java(), "/usr/bin/java", java="x")
    assert told(other)[0] == "--rule java=x: is none of small, awt, desktop, debug"


RUBY = {
    "/usr/bin/ruby": program(needed=("libruby.so.3",)),
    "/lib64/libruby.so.3": holding(library("libruby.so.3"), "/usr/lib/ruby/3.1.0", "/usr/lib/ruby/vendor_ruby"),
    "/usr/lib/ruby/3.1.0/set.rb": b"",
    "/usr/lib/ruby/3.1.0/json.rb": b"require 'json/ext'",
    "/usr/lib/ruby/3.1.0/json/ext.so": library("ext.so"),
    "/usr/lib/ruby/3.1.0/rdoc/rdoc.rb": b"",
    "/usr/lib/ruby/vendor_ruby/rubygems.rb": b"",
    "/usr/lib/ruby/vendor_ruby/sinatra.rb": b"require 'sinatra/base'",
    "/usr/lib/ruby/vendor_ruby/sinatra/base.rb": b"",
    "/usr/lib/ruby/vendor_ruby/unused.rb": b"",
    "/var/lib/gems/3.1.0/specifications/rack-1.gemspec": b"",
    "/var/lib/gems/3.1.0/gems/rack-1/lib/rack.rb": b"",
    "/var/lib/gems/3.1.0/gems/rack-1/lib/rack/data.txt": b"",
}
RUBY_ITSELF = {"/usr/lib/ruby/3.1.0/set.rb", "/usr/lib/ruby/3.1.0/json.rb", "/usr/lib/ruby/vendor_ruby/rubygems.rb"}


def test_ruby_gets_its_standard_library_without_what_documents() -> None:
    found = gathered(RUBY, "/usr/bin/ruby")
    assert placed(found) == RUBY_ITSELF
    assert opened(found) == {"/usr/lib/ruby/3.1.0/json/ext.so"}
    assert "/usr/lib/ruby/vendor_ruby/unused.rb" in placed(gathered(RUBY, "/usr/bin/ruby", ruby="all"))


def test_a_ruby_script_gets_what_it_requires_and_gems_whole() -> None:
    source = b"#!/usr/bin/env ruby\nrequire 'sinatra'\nrequire 'rack'\nrequire_relative 'lib/own'\n"
    found = gathered({**RUBY, "/srv/app": source, "/srv/lib/own.rb": b""}, "/srv/app")
    gem = "/var/lib/gems/3.1.0"
    assert placed(found) - RUBY_ITSELF == {
        "/usr/lib/ruby/vendor_ruby/sinatra.rb",
        "/usr/lib/ruby/vendor_ruby/sinatra/base.rb",
        f"{gem}/specifications/rack-1.gemspec",
        f"{gem}/gems/rack-1/lib/rack.rb",
        f"{gem}/gems/rack-1/lib/rack/data.txt",
        "/srv/lib/own.rb",
    }


LUA = {
    "/usr/bin/lua5.4": holding(program(), "/usr/share/lua/5.4/?.lua;./?.lua", "/usr/lib/lua/5.4/?.so"),
    "/usr/share/lua/5.4/a.lua": b"require 'b.core'",
    "/usr/lib/lua/5.4/b.so": library("b.so"),
    "/usr/share/lua/5.4/unused.lua": b"",
    "/usr/share/lua/5.3/other.lua": b"",
}


def test_a_lua_script_gets_its_modules_and_lua_itself_all() -> None:
    source = b"#!/usr/bin/lua5.4\nrequire 'a'; require 'string'; require 'gone'"
    found = gathered({**LUA, "/srv/app": source}, "/srv/app")
    assert (placed(found), opened(found)) == ({"/usr/share/lua/5.4/a.lua"}, {"/usr/lib/lua/5.4/b.so"})
    assert told(found) == ["/srv/app requires gone, which the root has not"]
    alone = gathered(LUA, "/usr/bin/lua5.4")
    assert placed(alone) == {"/usr/share/lua/5.4/a.lua", "/usr/share/lua/5.4/unused.lua"}
    assert placed(gathered(LUA, "/usr/bin/lua5.4", lua="imports")) == set()


def test_tcl_gets_its_scripts_and_the_small_encodings() -> None:
    files = {
        "/usr/bin/tclsh": program(needed=("libtcl8.6.so",)),
        "/lib64/libtcl8.6.so": holding(library("libtcl8.6.so"), "/usr/local/lib /usr/share/tcl8.6"),
        "/usr/share/tcl8.6/init.tcl": b"",
        "/usr/share/tcl8.6/encoding/ascii.enc": b"",
        "/usr/share/tcl8.6/encoding/big5.enc": bytes(90_000),
        "/usr/share/tcl8.6/tclAppInit.c": b"",
    }
    assert placed(gathered(files, "/usr/bin/tclsh")) == {
        "/usr/share/tcl8.6/init.tcl",
        "/usr/share/tcl8.6/encoding/ascii.enc",
    }
    assert "/usr/share/tcl8.6/encoding/big5.enc" in placed(gathered(files, "/usr/bin/tclsh", tcl="all"))
    without = {path: content for path, content in files.items() if not path.endswith("init.tcl")}
    assert told(gathered(without, "/usr/bin/tclsh")) == ["/lib64/libtcl8.6.so finds no init.tcl in the root"]
