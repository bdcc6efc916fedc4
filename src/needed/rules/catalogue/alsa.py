"""Plays sound with ALSA: the configuration that every program of libasound reads first.

Recognises: a library libasound.
Adds: alsa.conf and what it reads (cards/aliases.conf, pcm, ctl), and /etc/asound.conf; not the folders that only
    alsactl and sound servers read (ucm2, init, topology). Plugins of alsa-lib that /etc/alsa/conf.d describes are left
    to choose.
Costs: 29,438 bytes.
Choices: `--rule alsa=pulse,jack` takes these plugins with their libraries and their configuration.
Source: alsa-lib src/conf.c, src/pcm/pcm.c; `strace -e %file aplay -L`.
"""

from __future__ import annotations

from needed.closure import Reason
from needed.rules.finding import Load, Take

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "alsa"
FOLDER = "/usr/share/alsa"
PLUGINS = "/etc/alsa/conf.d"


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    item = evidence[0]
    reason = Reason("rule", item.path, NAME, item.detail)
    for path in (f"{FOLDER}/alsa.conf", f"{FOLDER}/cards/aliases.conf", "/etc/asound.conf"):
        if view.is_file(path):
            yield Take(path, reason)
    for folder in (f"{FOLDER}/pcm", f"{FOLDER}/ctl"):
        for name in view.names(folder):
            if name.endswith(".conf"):
                yield Take(f"{folder}/{name}", reason)
    library = (view.canonical(item.path) or item.path).rpartition("/")[0]
    chosen = [name for name in (view.choices.value(NAME) or "").split(",") if name]
    for plugin in chosen:
        for name in view.names(PLUGINS):
            if plugin in name and view.is_file(f"{PLUGINS}/{name}"):
                yield Take(f"{PLUGINS}/{name}", reason)
        for name in view.names(f"{library}/alsa-lib"):
            if name.startswith("libasound_module_") and name.endswith(f"_{plugin}.so"):
                yield Load(f"{library}/alsa-lib/{name}", item.path, reason)
