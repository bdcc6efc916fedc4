"""Reads text in pictures: Tesseract's model of English, or of the languages that are named.

Recognises: a library libtesseract.
Adds: eng.traineddata, and the small files that choose what is written (configs, tessconfigs, pdf.ttf).
Costs: 4,117,134 bytes for English.
Choices: `--rule tesseract=deu,osd` takes these models in its place, `--rule tesseract=all` every one of the root.
Source: https://tesseract-ocr.github.io/tessdoc/Installation.html; `strace -e %file tesseract a.png -`.
"""

from __future__ import annotations

from needed.closure import Reason
from needed.rules.finding import Take, Tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.rules.finding import Evidence, Finding
    from needed.rules.view import View

NAME = "tesseract"
PARENTS = ("/usr/share/tesseract-ocr", "/usr/share/tesseract", "/usr/share", "/usr/local/share")
ENDING = ".traineddata"


def find(view: View, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    item = evidence[0]
    reason = Reason("rule", item.path, NAME, item.detail)
    folders = [f"/usr/share/tesseract-ocr/{name}/tessdata" for name in view.names("/usr/share/tesseract-ocr")]
    folder = next((one for one in (*folders, *(f"{one}/tessdata" for one in PARENTS)) if view.is_folder(one)), None)
    wanted = (view.choices.value(NAME) or "eng").split(",")
    there = [name.removesuffix(ENDING) for name in view.names(folder or "") if name.endswith(ENDING)]
    for model in there:
        if model in wanted or "all" in wanted:
            yield Take(f"{folder}/{model}{ENDING}", reason)
    for lacking in [model for model in wanted if model not in there and model != "all"]:
        yield Tell(f"the root has no model of {lacking} for Tesseract", f"--rule {NAME}={','.join(there) or 'NAME'}")
    for path, kind in view.tree(folder) if folder else ():
        if kind != "directory" and not path.endswith(ENDING):
            yield Take(path, reason)
