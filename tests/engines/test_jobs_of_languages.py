"""Interpreters at work with their libraries: Perl, Node, Java, Ruby, Lua, Tcl; and what each says without its rule."""

from __future__ import annotations

from pathlib import Path

from tests.engines.conftest import Needed
from tests.engines.engines import Docker
from tests.engines.java_class import serve_jar
from tests.engines.jobs import build

# Names only, all checks, at most the floor and 2% (bytes): perl with the whole of its smallest package.
PERL_FLOOR = 10_560_000


def script(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_perl_has_the_modules_of_every_day(docker: Docker, needed: Needed) -> None:
    job = build(docker, needed, "perl", "perl")
    assert job.work("-MJSON::PP", "-e", "print encode_json([1, {a => undef}])").stdout == '[1,{"a":null}]'
    modules = (
        "POSIX",
        "Encode",
        "Data::Dumper",
        "IO::Socket::IP",
        "File::Temp",
        "Storable",
        "Digest::SHA",
        "Text::Wrap",
    )
    uses = [f"-M{name}" for name in modules]
    assert job.work(*uses, "-e", "print strftime('%Y', gmtime 0), length encode('UTF-16', 'x')").stdout == "19704"
    text = r'print "yes" if "é" =~ /^\p{Ll}\w*$/ and "É" =~ /é/i; open my $f, "<:encoding(UTF-8)", \"x"; print <$f>'
    assert job.work("-CS", "-Mutf8", "-e", text).stdout == "yesx"
    assert job.work("-e", "print for glob '/usr/bin/p*'").stdout == "/usr/bin/perl"
    assert job.size <= PERL_FLOOR * 1.02
    assert "--rule perl=all" in job.report


def test_without_the_rule_perl_is_not_even_strict(docker: Docker, needed: Needed) -> None:
    outcome = build(docker, needed, "perl-without", "perl", "--no-rule", "perl").work("-Mstrict", "-e", "1", ok=False)
    assert outcome.status == 2
    assert "Can't locate strict.pm in @INC" in outcome.said


def test_a_perl_script_has_the_modules_that_it_and_they_use(docker: Docker, needed: Needed, tmp_path: Path) -> None:
    script(
        tmp_path,
        "lib/My/Sum.pm",
        "package My::Sum; use parent 'My::Base'; use List::Util qw(sum); sub of { sum @_ } 1;",
    )
    script(tmp_path, "lib/My/Base.pm", "package My::Base; use Math::BigInt; sub big { Math::BigInt->new(2) ** 70 } 1;")
    lines = ["#!/usr/bin/perl", "use v5.30;", "use warnings;", "use FindBin;", 'use lib "$FindBin::Bin/lib";',
             "use My::Sum;", "eval { require Not::There };", "say My::Sum::of(1, 2), ' ', My::Sum->big;"]  # fmt: skip
    program = script(tmp_path, "report", "\n".join(lines))
    job = build(docker, needed, "perl-script", program)
    assert job.work().stdout == "3 1180591620717411303424\n"
    assert "note" not in job.report
    without = build(docker, needed, "perl-script-without", program, "--no-rule", "perl").work(ok=False)
    assert "Can't locate " in without.said


SERVER = """#!/usr/bin/env node
const http = require('http'), fs = require('node:fs'), path = require('path');
const greet = require('./lib/greet');  // not require('./lib/not')
const page = fs.readFileSync(path.join(__dirname, 'views', 'page.txt'), 'utf8');
const server = http.createServer((_, response) => response.end(greet(page)));
server.listen(0, '127.0.0.1', () => fetch(`http://127.0.0.1:${server.address().port}`)
  .then(answer => answer.text()).then(text => { console.log(text); server.close(); process.exit(0); }));
"""


def node_application(folder: Path) -> Path:
    script(folder, "package.json", '{"name": "site", "dependencies": {"left": "1"}}')
    script(folder, "views/page.txt", "the page")
    script(folder, "lib/greet.js", "const left = require('left'); module.exports = text => left(text) + '!';")
    script(folder, "node_modules/left/package.json", '{"main": "lib", "dependencies": {"@s/right": "*"}}')
    script(folder, "node_modules/left/lib/index.js", "const name = '@s/right'; module.exports = require(name);")
    script(folder, "node_modules/@s/right/index.js", "module.exports = text => 'hello from ' + text;")
    script(folder, "node_modules/unused/index.js", "")
    return script(folder, "server.js", SERVER)


def test_node_prints_its_version_and_serves_a_page(docker: Docker, needed: Needed, tmp_path: Path) -> None:
    job = build(docker, needed, "node-server", node_application(tmp_path / "site"))
    assert job.work().stdout == "hello from the page!\n"
    version = job.work("--version", options=("--entrypoint", "/usr/bin/node")).stdout
    assert version.startswith("v")
    assert "note" not in job.report


def test_without_the_rule_node_finds_no_module(docker: Docker, needed: Needed, tmp_path: Path) -> None:
    program = node_application(tmp_path / "site")
    outcome = build(docker, needed, "node-without", program, "--no-rule", "node").work(ok=False)
    # A distribution's node does not even find a library of its own.
    assert "Cannot find module './lib/greet'" in outcome.said or "Cannot load externalized builtin" in outcome.said


def test_java_runs_an_archive_that_serves_http(docker: Docker, needed: Needed, tmp_path: Path) -> None:
    (tmp_path / "serve.jar").write_bytes(serve_jar())
    words = ("java", "--add", f"{tmp_path}/serve.jar:/app/serve.jar", "--entrypoint", "java -jar /app/serve.jar")
    job = build(docker, needed, "java", *words, "--env", "PATH=/usr/bin")
    assert job.work("Asia/Tokyo").stdout == "hello from the JVM\nhello over HTTP\nAsia/Tokyo\n"


def test_without_the_rule_java_finds_no_machine(docker: Docker, needed: Needed) -> None:
    outcome = build(docker, needed, "java-without", "java", "--no-rule", "java").work("-version", ok=False)
    assert "could not find libjava.so" in outcome.said


def test_ruby_has_its_standard_library(docker: Docker, needed: Needed) -> None:
    job = build(docker, needed, "ruby", "ruby")
    words = ("-rjson", "-ryaml", "-rset", "-rtime", "-rsocket", "-ropenssl", "-rnet/http")
    text = 'puts JSON.generate({a: Time.at(0).utc.iso8601}), "x".encode("UTF-16BE").bytesize, {1 => 2}.to_yaml'
    assert job.work(*words, "-e", text).stdout == '{"a":"1970-01-01T00:00:00Z"}\n2\n---\n1: 2\n'


def test_a_ruby_script_has_what_it_requires(docker: Docker, needed: Needed, tmp_path: Path) -> None:
    script(tmp_path, "lib/greet.rb", "require 'json'\ndef greet = JSON.generate(['hello'])")
    program = script(tmp_path, "app", "#!/usr/bin/env ruby\nrequire_relative 'lib/greet'\nputs greet\n")
    assert build(docker, needed, "ruby-script", program).work().stdout == '["hello"]\n'
    without = build(docker, needed, "ruby-without", program, "--no-rule", "ruby").work(ok=False)
    assert "cannot load such file" in without.said


def test_a_lua_script_has_a_module_in_c(docker: Docker, needed: Needed, tmp_path: Path) -> None:
    program = script(
        tmp_path, "app", "#!/usr/bin/env lua5.4\nlocal json = require 'cjson'\nprint(json.encode({1, 2}))\n"
    )
    assert build(docker, needed, "lua", program).work().stdout == "[1,2]\n"
    without = build(docker, needed, "lua-without", program, "--no-rule", "lua").work(ok=False)
    assert "module 'cjson' not found" in without.said


def test_tcl_starts_with_its_scripts(docker: Docker, needed: Needed) -> None:
    text = "package require msgcat; puts [clock format 0 -gmt 1 -format %Y]; puts [encoding convertfrom koi8-r \\xc1]"
    assert build(docker, needed, "tcl", "tclsh").work(stdin=text).stdout.splitlines()[0] == "1970"
    without = build(docker, needed, "tcl-without", "tclsh", "--no-rule", "tcl").work(stdin=text, ok=False)
    assert "Can't find a usable init.tcl" in without.said
