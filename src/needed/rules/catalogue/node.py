"""Runs Node: the files that its own library stands in, and of a script all that it requires and imports.

Recognises: node, libnode.so, and scripts of node.
Adds: the JavaScript files that a Node of a distribution reads at its start (Debian's libnode names them, and aborts
    without). For a script what it asks for by literal names: files beside it, packages of node_modules with all that is
    in them but documentation, types and tests (its own too, if it is in one and computes what it asks for), the
    packages that those depend on, and addons (*.node) with their closures; the package.json above it, which says what
    its files are; files that it names from `__dirname`.
Costs: Debian's 18: 0.9 MB; upstream's one binary: nothing. The program itself is 99 MB. Express: 1.3 MB.
Choices: `--rule node=/srv/app/server.js` takes an application along with all that it asks for, when the program is node
    itself; several are separated by commas.
Source: Node's manual, "Modules: CommonJS", "ECMAScript modules", "Packages"; its configure --shared-builtin-*-path.
"""

from __future__ import annotations

from needed.closure import Reason
from needed.rules.finding import Load, Take, Tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "node"
MAX_LIBRARY = 128 << 20  # bytes of libnode that are searched
MAX_FILES = 100_000
MAX_SOURCES = 16 << 20  # characters of all sources together
MAX_PACKAGES = 5_000
MAX_PACKAGE_JSON = 1 << 20
ENDINGS = ("", ".js", ".json", ".node", ".mjs", ".cjs")
SOURCES = (".js", ".mjs", ".cjs")
# What no program requires of a package.
LEFT_OUT = (".md", ".markdown", ".d.ts", ".d.mts", ".d.cts", ".map", ".flow", ".tsbuildinfo", ".c", ".cc", ".cpp",
            ".h", ".gyp", ".gypi", ".o", ".a", ".d", "/.bin", "/.package-lock.json", "/.github", "/.eslintrc",
            "/.travis.yml", "/.npmignore", "/.editorconfig", "/test", "/tests", "/__tests__", "/.nyc_output",
            "/coverage", "/yarn.lock")  # fmt: skip
SHARED = ("/usr/share/nodejs", "/usr/lib/nodejs", "/usr/lib/node_modules", "/usr/local/lib/node_modules")


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    scripts = {str(script.path): script for script in view.closure.scripts}
    entries = [path for path in (view.choices.value(NAME) or "").split(",") if path]
    for item in evidence:
        reason = Reason("rule", item.path, NAME, item.detail)
        script = scripts.get(item.path)
        if script is None:
            yield from _built_in(view, item.path, reason)
        application = _Application(view, script.interpreter if script else item.path, reason)
        for path in [script.path] if script else entries if item.path.rpartition("/")[2].startswith("node") else ():
            if not view.is_file(path):
                yield Tell(f"the root has no {path}", f"--rule {NAME}=/path/of/server.js")
                continue
            yield Take(path, reason)
            application.read(path)
        yield from application.findings()


def _built_in(view: View, path: str, reason: Reason) -> Iterator[Finding]:
    """The files that were left out of the binary when it was made, by the paths that stand in it instead."""
    if view.is_folder(SHARED[0]) and (
        path.rpartition("/")[2].startswith("libnode.so") or not view.object("libnode.so")
    ):
        import re

        content = view.read(path, MAX_LIBRARY)
        for raw in sorted({*re.findall(rb"_PATH=(/[^\"\\\0\s]{1,200}\.js)\b", content)}):
            if view.is_file(place := raw.decode("utf-8", "surrogateescape")):
                yield Take(place, reason)


class _Application:
    """What an application asks for, as far as it is read."""

    def __init__(self, view: View, node: str, reason: Reason) -> None:
        self.view, self.node, self.reason = view, node, reason
        self.files: dict[str, None] = {}
        self.packages: dict[str, None] = {}
        self.told: dict[Tell, None] = {}
        self.manifests: dict[str, dict[str, object]] = {}
        self.left = MAX_SOURCES

    def findings(self) -> Iterator[Finding]:
        for path in self.files:
            if path.endswith(".node"):
                yield Load(path, self.node, self.reason)
            else:
                yield Take(path, self.reason)
        yield from self.told

    def read(self, entry: str) -> None:
        """The source at `entry` and all sources that it asks for."""
        from needed.languages.node import find_requests

        pending, seen = [entry], {entry}
        while pending and len(self.files) < MAX_FILES and self.left > 0:
            path = pending.pop()
            # Links are followed first: what a package's file asks for is searched for from where it really stands.
            real = str(self.view.canonical(path) or path)
            self.note_manifest(real)
            if not (path == entry or path.endswith(SOURCES)):
                continue
            source = self.view.text(real)
            self.left -= len(source)
            for asked in find_requests(source):
                if asked.kind == "file":
                    self.beside(real, asked.name)
                elif asked.kind == "computed":
                    self.computed(real, f"{path}:{asked.line}: {asked.name}")
                elif asked.name.startswith(("./", "../", "/")) or asked.name in (".", ".."):
                    found = self.file_of(_joined(real, asked.name))
                    if found is None:
                        self.told[Tell(f"{path}:{asked.line}: the root has no {asked.name}")] = None
                    elif found not in seen:
                        seen.add(found)
                        self.files[found] = None
                        pending.append(found)
                elif asked.name.startswith("#"):
                    for target in self.mapped(real):
                        if target not in seen and self.view.is_file(target):
                            seen.add(target)
                            self.files[target] = None
                            pending.append(target)
                elif not self.package(asked.name, real) and not _is_built_in(asked.name):
                    hint = f"install it in the root: npm install {_package_name(asked.name)}"
                    self.told[Tell(f"{path}:{asked.line}: the root has no package {asked.name}", hint)] = None

    def beside(self, source: str, name: str) -> None:
        """A file or a folder that a source names by its own place; what is not there is made by a run."""
        path = _joined(source, name)
        if self.view.is_file(path):
            self.files[path] = None
        elif self.view.is_folder(path) and path != "/" and path.count("/") > 1:
            self.take_folder(path)

    def note_manifest(self, path: str) -> None:
        """The package.json next above `path`: its "type" says how the file is read."""
        folder = path.rpartition("/")[0]
        while folder:
            if self.view.is_file(f"{folder}/package.json"):
                self.files[f"{folder}/package.json"] = None
                return
            if folder.endswith("/node_modules"):
                return
            folder = folder.rpartition("/")[0]

    def computed(self, source: str, place: str) -> None:
        """A package that computes what it asks for is taken whole; of an application only a run knows."""
        above, _, inside = source.rpartition("/node_modules/")
        if not (above and "/" in inside and self.package(_package_name(inside), f"{above}/package.json")):
            hint = "--add the file, or --rule node=FILE for one that asks for others"
            self.told[Tell(f"{place}...: only a run knows the module", hint)] = None

    def mapped(self, path: str) -> list[str]:
        """What "imports" of the package.json above `path` may mean by "#names"."""
        folder = path.rpartition("/")[0]
        while folder and not self.view.is_file(f"{folder}/package.json"):
            folder = folder.rpartition("/")[0]
        pending: list[object] = [self.manifest(folder).get("imports")]
        found: list[str] = []
        while pending:
            item = pending.pop()
            if isinstance(item, str) and item.startswith("./"):
                found.append(_joined(f"{folder}/package.json", item))
            elif isinstance(item, str):
                self.package(item, f"{folder}/package.json")
            elif isinstance(item, dict):
                pending += item.values()
            elif isinstance(item, list):
                pending += item
        return found

    def file_of(self, path: str) -> str | None:
        """LOAD_AS_FILE and LOAD_AS_DIRECTORY of Node's manual."""
        for ending in ENDINGS:
            if self.view.is_file(path + ending):
                return path + ending
        if self.view.is_folder(path):
            main = self.manifest(path).get("main")
            places = [_joined(f"{path}/package.json", main)] if isinstance(main, str) else []
            for place in (*places, *(f"{one}/index" for one in places), f"{path}/index"):
                for ending in ENDINGS:
                    if self.view.is_file(place + ending):
                        return place + ending
        return None

    def package(self, name: str, source: str) -> bool:
        """Whether a package is found from `source`; it is taken whole, with all that it depends on."""
        start = self.folder_of(_package_name(name), source)
        if start is None:
            return False
        pending = [start]
        while pending and len(self.packages) < MAX_PACKAGES:
            folder = pending.pop()
            if folder in self.packages:
                continue
            self.packages[folder] = None
            self.take_folder(folder)
            manifest, real = self.manifest(folder), self.view.canonical(folder) or folder
            for key in ("dependencies", "optionalDependencies", "peerDependencies"):
                names = manifest.get(key)
                for one in names if isinstance(names, dict) else ():
                    found = self.folder_of(str(one), f"{real}/package.json")
                    if found is not None:
                        pending.append(found)
                    elif key == "dependencies" and not _is_built_in(str(one)):
                        self.told[Tell(f"{folder} depends on {one}, which the root has not")] = None
        return True

    def folder_of(self, name: str, source: str) -> str | None:
        """LOAD_NODE_MODULES: upwards from `source`, then NODE_PATH and the folders that a distribution compiles in."""
        folder = source.rpartition("/")[0]
        while True:
            if not folder.endswith("/node_modules") and self.view.is_folder(place := f"{folder}/node_modules/{name}"):
                return place
            if not folder:
                break
            folder = folder.rpartition("/")[0]
        shared = [one for one in (self.view.choices.variable("NODE_PATH") or "").split(":") if one.startswith("/")]
        places = (f"{one}/{name}" for one in (*shared, *SHARED))
        return next((place for place in places if self.view.is_folder(place) and ".." not in name), None)

    def take_folder(self, folder: str) -> None:
        """All of a package but other packages in it, which are asked for by name."""

        def skips(path: str) -> bool:
            return path.endswith(LEFT_OUT) or path.endswith("/node_modules")

        for path, kind in self.view.tree(folder, skips=skips):
            if len(self.files) >= MAX_FILES:
                return
            if kind != "directory":
                self.files[path] = None

    def manifest(self, folder: str) -> dict[str, object]:
        """The package.json of a folder, empty where there is none."""
        if folder not in self.manifests:
            import json

            try:
                found = json.loads(self.view.read(f"{folder}/package.json", MAX_PACKAGE_JSON))
            except (ValueError, RecursionError):
                found = {}
            self.manifests[folder] = found if isinstance(found, dict) else {}
        return self.manifests[folder]


# `module.builtinModules` of Node 22; all of them are in the binary.
BUILT_IN = frozenset(
    ("assert", "async_hooks", "buffer", "child_process", "cluster", "console", "constants", "crypto", "dgram",
     "diagnostics_channel", "dns", "domain", "events", "fs", "http", "http2", "https", "inspector", "module",
     "net", "os", "path", "perf_hooks", "process", "punycode", "querystring", "readline", "repl", "stream",
     "string_decoder", "sys", "timers", "tls", "trace_events", "tty", "url", "util", "v8", "vm", "wasi",
     "worker_threads", "zlib")
)  # fmt: skip


def _is_built_in(name: str) -> bool:
    return name.startswith(("node:", "data:", "http:", "https:", "file:")) or name.partition("/")[0] in BUILT_IN


def _package_name(name: str) -> str:
    """ "@scope/name" of "@scope/name/sub/path"."""
    return "/".join(name.split("/")[: 2 if name.startswith("@") else 1])


def _joined(source: str, name: str) -> str:
    """`name` from the folder of `source`, without dots."""
    parts: list[str] = [] if name.startswith("/") else source.split("/")[1:-1]
    for part in name.split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts)
