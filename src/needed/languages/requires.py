"""What a Ruby or a Lua source asks for: the literal names of its `require` calls. Computed names are not found.

Goes line by line, without comments; what stands in a string or a here-document may be found too, which costs a file and
breaks nothing. Follows Ruby's Kernel#require, #require_relative, #load, #autoload; Lua's manual, 6.3 "Modules".
"""

from __future__ import annotations

import re

from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_SOURCE = 1 << 20  # bytes of one source
_RUBY = re.compile(
    r"\b(require_relative|require|load|autoload)\b[ \t(]*(?::\w+[ \t]*,[ \t]*)?['\"]([^'\"#\n]{1,200})['\"]"
)
_RUBY_COMMENT = re.compile(r"(?:^|(?<=\s))#[^\n]*", re.MULTILINE)
_LUA_COMMENT = re.compile(r"--\[(=*)\[.*?\]\1\]|--[^\n]*", re.DOTALL)
_LUA = re.compile(r"\brequire\b[ \t(]*(?:['\"]([^'\"\n]{1,200})['\"]|\[\[([^\]\n]{1,200})\]\])")


@value
class Required:
    """`relative`: searched from the source's own folder, and nowhere else."""

    name: str
    relative: bool = False


def find_ruby_requires(source: str) -> tuple[Required, ...]:
    """All names, in their order, each once."""
    text = _RUBY_COMMENT.sub("", source[:MAX_SOURCE].partition("\n__END__\n")[0])
    found = (Required(match[2], match[1] == "require_relative") for match in _RUBY.finditer(text))
    return tuple(dict.fromkeys(found))


def find_lua_requires(source: str) -> tuple[Required, ...]:
    """All names, in their order, each once."""
    text = _LUA_COMMENT.sub("", source[:MAX_SOURCE])
    return tuple(dict.fromkeys(Required(match[1] or match[2]) for match in _LUA.finditer(text)))


def lua_places(name: str, templates: str) -> Iterator[str]:
    """The files that `package.searchpath` of Lua tries for a module; `templates` as in package.path."""
    for template in templates.split(";"):
        if template.startswith("/") and "?" in template:
            yield template.replace("?", name.replace(".", "/"))
