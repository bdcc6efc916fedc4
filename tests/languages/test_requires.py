"""What Ruby and Lua sources require."""

from __future__ import annotations

from needed.languages.requires import Required, find_lua_requires, find_ruby_requires, lua_places


def test_ruby_requires_by_name_and_from_beside() -> None:
    lines = ["require 'json'", 'require_relative("lib/a")  # require "no"', "autoload :X, 'x/y'", 'require "a#{b}"']
    source = "\n".join([*lines, "__END__", "require 'z'"])
    assert find_ruby_requires(source) == (Required("json"), Required("lib/a", relative=True), Required("x/y"))


def test_lua_requires_outside_of_comments() -> None:
    source = "local a = require 'a.b'\n-- require 'no'\n--[==[ require 'no' ]==]\nrequire(\"c\"); require[[d]]"
    assert find_lua_requires(source) == (Required("a.b"), Required("c"), Required("d"))


def test_lua_searches_the_places_of_its_templates() -> None:
    places = "/x/?.lua;./?.lua;/x/?/init.lua;/y/?.so"
    assert [*lua_places("a.b", places)] == ["/x/a/b.lua", "/x/a/b/init.lua", "/y/a/b.so"]


def test_hostile_sources_end() -> None:
    for source in ("--[" + "=" * 1_000_000, "require " * 100_000, "#" * 1_000_000, "--[[" * 200_000):
        find_ruby_requires(source)
        find_lua_requires(source)
