"""Runs Ruby: its standard library with encodings and extensions, and of a script the files and gems that it requires.

Recognises: libruby.so in a process, a ruby without it, and scripts of ruby.
Adds: the folders of the standard library that stand in libruby, with the closures of extensions in C, without what
    develops and documents (bundler, rdoc, irb, mkmf); RubyGems, which Ruby starts with. For a script what it requires
    by literal names, from its own folder, from site and vendor folders, and from installed gems, which come whole.
Costs: 15,962,671 bytes of Debian's Ruby 3.1, 3.6 MB of them encodings.
Choices: `--rule ruby=all` takes the whole library and all gems that are installed.
Source: ruby(1), Kernel#require, Gem.default_path; Ruby's tool/mkconfig.rb and loadpath.c.
"""

from __future__ import annotations

from needed.closure import Reason
from needed.rules.finding import Load, Take

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "ruby"
MAX_LIBRARY = 32 << 20
MAX_CHARACTERS = 32 << 20  # of all sources together
MAX_SOURCES = 5_000
DEVELOPMENT = ("bundler", "bundler.rb", "rdoc", "rdoc.rb", "irb", "irb.rb", "mkmf.rb", "racc", "racc.rb", "debug.rb",
               "ripper.so", "ripper", "ripper.rb", "rake", "rake.rb", "syntax_suggest", "syntax_suggest.rb",
               "minitest", "test", "power_assert")  # fmt: skip
NO_SOURCES = (".ri", ".md", ".rdoc", ".h", ".c", ".o", ".a", "/doc", "/test", "/spec", "/ext/Makefile", "/mkmf.log",
              "/gem_make.out")  # fmt: skip
GEMS = ("/var/lib/gems", "/usr/local/lib/ruby/gems", "/usr/local/bundle", "/usr/lib/ruby/gems",
        "/usr/share/rubygems-integration", "/usr/share/gems", "/usr/local/share/gems")  # fmt: skip


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    scripts = {str(script.path): script for script in view.closure.scripts}
    every = view.choices.value(NAME) == "all"
    for item in evidence:
        reason = Reason("rule", item.path, NAME, item.detail)
        script = scripts.get(item.path)
        if script:
            yield from _Program(view, script.interpreter, reason).read(script.path)
        elif "libruby" in item.path.rpartition("/")[2] or not view.object("libruby"):
            yield from _library(view, item.path, reason, every=every)


def search_path(view: View, library: str) -> list[str]:
    """The folders of $LOAD_PATH, as they stand in libruby or in ruby."""
    pieces = view.read(library, MAX_LIBRARY).split(b"\0")
    found = (
        piece.decode("utf-8", "surrogateescape")
        for piece in pieces
        if piece[:1] == b"/" and b"ruby" in piece and len(piece) < 200
    )
    return [path for path in dict.fromkeys(found) if view.is_folder(path)]


def _library(view: View, library: str, reason: Reason, *, every: bool) -> Iterator[Finding]:
    folders = search_path(view, library)
    for folder in folders:
        own = any(view.is_file(f"{folder}/{name}") for name in ("rubygems.rb", "rbconfig.rb", "set.rb"))
        if not (own or every):
            continue
        vendor = "vendor" in folder or "site_ruby" in folder
        for path, kind in view.tree(folder, skips=lambda path: _is_left_out(path, folders, every=every)):
            inside = path.removeprefix(f"{folder}/")
            # Of a vendor's folder RubyGems only: the rest is asked for by scripts.
            if kind == "directory" or (vendor and not every and not inside.startswith("rubygems")):
                continue
            yield Load(path, library, reason) if path.endswith(".so") else Take(path, reason)
    for folder in _gem_folders(view):
        for path, kind in view.tree(
            folder if every else f"{folder}/specifications/default", skips=lambda path: path.endswith(NO_SOURCES)
        ):
            if kind != "directory":
                yield Load(path, library, reason) if path.endswith(".so") else Take(path, reason)


def _is_left_out(path: str, folders: list[str], *, every: bool) -> bool:
    if path in folders or path.endswith(NO_SOURCES):  # a folder of the path in another comes by itself
        return True
    return not every and path.rpartition("/")[2] in DEVELOPMENT and path.rpartition("/")[0] in folders


def _gem_folders(view: View) -> list[str]:
    """The folders with `specifications` and `gems`: /var/lib/gems/3.1.0."""
    home = view.choices.variable("GEM_HOME")
    above = [home] if home else []
    above += [f"{folder}/{name}" for folder in GEMS for name in (*view.names(folder), "")]
    return [folder.rstrip("/") for folder in above if view.is_folder(f"{folder.rstrip('/')}/specifications")]


class _Program:
    """What a script requires, as far as it is read."""

    def __init__(self, view: View, ruby: str, reason: Reason) -> None:
        self.view, self.ruby, self.reason = view, ruby, reason
        library = view.object("libruby")
        self.by = library.path if library else ruby
        self.folders = search_path(view, library.path if library else ruby)
        self.gems = [f"{folder}/gems/{name}" for folder in _gem_folders(view) for name in view.names(f"{folder}/gems")]

    def read(self, script: str) -> Iterator[Finding]:
        from needed.languages.requires import find_ruby_requires

        pending, seen, left = [script], {script}, MAX_CHARACTERS
        while pending and len(seen) < MAX_SOURCES and left > 0:
            path = pending.pop()
            source = self.view.text(path)
            left -= len(source)
            for required in find_ruby_requires(source):
                beside = f"{(self.view.canonical(path) or path).rpartition('/')[0]}/{required.name}"
                places = [beside] if required.relative or required.name.startswith("./") else self.places(required.name)
                for place in (one for name in places for one in (name, f"{name}.rb", f"{name}.so")):
                    if not self.view.is_file(place) or not place.endswith((".rb", ".so")):
                        continue
                    if place in seen:
                        break
                    for file in self.with_gem(place):
                        if file not in seen:
                            seen.add(file)
                            pending += [file] if file.endswith(".rb") else []
                            yield Load(file, self.by, self.reason) if file.endswith(".so") else Take(file, self.reason)
                    break

    def places(self, name: str) -> list[str]:
        return [name] if name.startswith("/") else [
            f"{folder}/{name}" for folder in (*self.folders, *(f"{gem}/lib" for gem in self.gems))
        ]  # fmt: skip

    def with_gem(self, place: str) -> list[str]:
        """The file, with the whole gem that it is in and its specification."""
        gem = next((one for one in self.gems if place.startswith(f"{one}/")), None)
        if gem is None:
            return [place]
        above, _, name = gem.rpartition("/gems/")
        inside = self.view.tree(gem, skips=lambda path: path.endswith(NO_SOURCES))
        files = [path for path, kind in inside if kind != "directory"]
        for folder in (f"{above}/extensions",):
            files += [path for path, kind in self.view.tree(folder) if kind == "file" and f"/{name}/" in path]
        return [place, f"{above}/specifications/{name}.gemspec", *files]
