"""Runs Java: the home of the virtual machine that a program starts, without its desktop and its debuggers.

Recognises: libjli.so, which java and every tool of a JDK are linked with, and libjvm.so in any other process.
Adds: of the home (the folder above the library's lib/) the modules, libjvm.so with its configuration, the libraries
    that its own classes load, with their closures, conf/ and lib/security/ with what they link to (Debian:
    /etc/java-17-openjdk, /etc/ssl/certs/java/cacerts), the time zones, the helper that starts processes, and the
    archive of classes that shortens a start by a fifth.
Costs: 172,652,032 bytes of OpenJDK 17, 129 MB of them one file with all modules, 14 MB the archive of classes.
Choices: `--rule java=small` leaves the archive of classes out, 14.4 MB; `java=awt` adds images and fonts without a
    screen, 5 MB and their libraries, `java=desktop` windows, printing and sound as well; `java=debug` what a debugger
    attaches to. Several are separated by commas.
Source: java(1); OpenJDK src/java.base/unix/native/libjli/java_md.c, src/hotspot/share/runtime/arguments.cpp (CDS).
"""

from __future__ import annotations

from needed.closure import Reason
from needed.rules.finding import Execute, Load, Take, Tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "java"
WORDS = ("small", "awt", "desktop", "debug")
AWT = ("awt", "awt_headless", "fontmanager", "freetype", "javajpeg", "lcms", "mlib_image")
DESKTOP = ("awt_xawt", "jawt", "jsound", "splashscreen", "atk-wrapper")
DEBUG = ("attach", "dt_socket", "jdwp", "saproc", "hsdis")
# Loaded by the compiler for vectors where it is there; 0.9 MB.
VECTORS = ("jsvml",)
# Each is opened after the ones before it, which it may need by name without a path to them.
OPENERS = ("jvm", "java", "net", "nio", "management", "awt")
FILES = ("release", "lib/modules", "lib/jvm.cfg", "lib/tzdb.dat", "lib/tzmappings", "lib/currency.data")
# Java 8 has no modules.
JARS = ("lib/rt.jar", "lib/jce.jar", "lib/jsse.jar", "lib/charsets.jar", "lib/resources.jar",
        "lib/management-agent.jar", "lib/meta-index")  # fmt: skip


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    words = {word for word in (view.choices.value(NAME) or "").split(",") if word}
    for item in evidence:
        if item.path.rpartition("/")[2].startswith("libjvm.so") and view.object("libjli.so"):
            continue  # loaded by the launcher, which called the rule before
        home = home_of(view, item.path)
        if home is None:
            continue
        reason = Reason("rule", item.path, NAME, item.detail)
        for word in sorted(words - {*WORDS}):
            yield Tell(f"--rule {NAME}={word}: is none of {', '.join(WORDS)}")
        yield from _libraries(view, home, item, words)
        yield from _files(view, home, reason)
        if "small" not in words and view.is_file(f"{home}/lib/server/classes.jsa"):
            yield Take(f"{home}/lib/server/classes.jsa", reason)
        if not view.is_file(f"{home}/lib/security/cacerts"):
            yield Tell(f"{home} trusts no certificate authority", "install ca-certificates-java in the root")


def home_of(view: View, library: str) -> str | None:
    """The folder above the `lib` that a library's real file stands in, at any depth (lib/server, lib/amd64/jli)."""
    folder = (view.canonical(library) or library).rpartition("/")[0]
    for _ in range(4):
        if view.is_file(f"{folder}/lib/modules") or view.is_file(f"{folder}/lib/rt.jar"):
            return folder
        folder = folder.rpartition("/")[0]
    return None


def _files(view: View, home: str, reason: Reason) -> Iterator[Finding]:
    for name in (*FILES, *JARS):
        if view.is_file(f"{home}/{name}"):
            yield Take(f"{home}/{name}", reason)
    for folder in ("conf", "lib/security", "lib/ext", "lib/management"):
        for path, kind in view.tree(f"{home}/{folder}"):
            if kind != "directory" and not path.endswith((".template", "-template", ".src")):
                yield Take(path, reason)
    if view.is_file(f"{home}/lib/jspawnhelper"):
        yield Execute(f"{home}/lib/jspawnhelper", reason)


def _libraries(view: View, home: str, item: Evidence, words: set[str]) -> Iterator[Finding]:
    reason = Reason("rule", item.path, NAME, item.detail)
    left_out = {*VECTORS} if "small" in words else set()
    left_out |= set() if words & {"awt", "desktop"} else {*AWT}
    left_out |= set() if "desktop" in words else {*DESKTOP}
    left_out |= set() if "debug" in words else {*DEBUG}
    # In the order of their needs: whoever opens has loaded what the next one needs without a path to it.
    found = [*_found(view, home, left_out)]
    by = item.path
    openers = [path for name in OPENERS for path in found if path.endswith(f"/lib{name}.so")]
    for path in (*openers, *(path for path in found if path not in openers)):
        yield Load(path, by, reason)
        by = path if path in openers else by


def _found(view: View, home: str, left_out: set[str]) -> Iterator[str]:
    for folder in (f"{home}/lib/server", f"{home}/lib", *(f"{home}/lib/{name}" for name in ("amd64", "aarch64"))):
        for name in view.names(folder):
            if name.startswith("lib") and name.endswith(".so") and name[3:-3] not in left_out:
                yield f"{folder}/{name}"
