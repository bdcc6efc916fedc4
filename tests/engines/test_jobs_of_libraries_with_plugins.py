"""Programs whose libraries load plugins and data of their own: each does its work, and without the rule says what lacks.

Mesa, Vulkan and GIO's TLS are not here, since their images are large or need a server: tests/rules has their rules.
"""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from tests.engines.conftest import Needed
from tests.engines.engines import Docker
from tests.engines.jobs import Outcome, build

QT = "/usr/lib/qt5/bin/qhelpgenerator"
KEYMAP = "/usr/libexec/xkbcommon/xkbcli-compile-keymap"
PAGE = "%!PS\n/Helvetica findfont 20 scalefont setfont 10 10 moveto (hello) show showpage\n"
PIXELS = "P3\n2 2\n255\n" + "255 0 0\n" * 4
CONNECTION = "Driver=SQLite3;Database=:memory:"
HELP = """<?xml version="1.0" encoding="UTF-8"?>
<QtHelpProject version="1.0"><namespace>a.b</namespace><virtualFolder>doc</virtualFolder>
<filterSection><toc><section title="A" ref="a.html"/></toc><files><file>a.html</file></files></filterSection>
</QtHelpProject>"""


def test_imagemagick_converts_a_png_to_a_jpeg(docker: Docker, needed: Needed) -> None:
    job = build(docker, needed, "imagemagick", "convert-im6.q16")
    png = job.work("-size", "8x8", "gradient:red-blue", "INLINE:PNG:-").stdout
    assert png.startswith("data:image/png;base64,")
    jpeg = job.work("INLINE:-", "-resize", "4x4", "INLINE:JPEG:-", stdin=png).stdout
    assert base64.b64decode(jpeg.partition(",")[2]).startswith(b"\xff\xd8\xff")


def test_ghostscript_renders_a_page(docker: Docker, needed: Needed) -> None:
    job = build(docker, needed, "ghostscript", "gs")
    page = job.work("-q", "-dBATCH", "-dNOPAUSE", "-sDEVICE=pbm", "-r10", "-o", "-", "-", stdin=PAGE)
    assert page.stdout.startswith("P4\n")


@pytest.mark.parametrize(
    ("rule", "program", "words", "stdin", "says"),
    [
        ("odbc", "isql", ["-v", "-b", "-k", CONNECTION], "select 40+2;", "| 42 "),
        ("fontconfig", "fc-match", ["Sans"], "", 'DejaVuSans.ttf: "DejaVu Sans" "Book"'),
        ("gsettings", "gsettings", ["list-schemas"], "", "org.gnome.system.proxy"),
        ("gstreamer", "gst-launch-1.0", ["fakesrc", "num-buffers=1", "!", "fakesink"], "", "Got EOS"),
        ("proj", "projinfo", ["EPSG:4326"], "", "+proj=longlat +datum=WGS84"),
        ("keyboards", KEYMAP, ["--layout", "us"], "", "xkb_symbols"),
        ("alsa", "aplay", ["-L"], "", "Discard all samples"),
    ],
)
def test_does_its_work(  # noqa: PLR0917
    docker: Docker, needed: Needed, rule: str, program: str, words: list[str], stdin: str, says: str
) -> None:
    job = build(docker, needed, f"with-{rule}", program)
    assert says in job.work(*words, stdin=stdin).stdout


@pytest.mark.parametrize(
    ("rule", "program", "words", "says"),
    [
        ("imagemagick", "convert-im6.q16", ["xc:red", "INLINE:PNG:-"], "unable to open"),
        ("ghostscript", "gs", ["-q"], "Can't find initialization file gs_init.ps"),
        ("odbc", "isql", ["-v", "-b", "-k", CONNECTION], "Can't open lib 'SQLite3' : file not found"),
        ("fontconfig", "fc-match", ["Sans"], "Fontconfig error: Cannot load default config file"),
        ("gsettings", "gsettings", ["list-schemas"], "No schemas installed"),
        ("gstreamer", "gst-launch-1.0", ["fakesrc", "!", "fakesink"], 'no element "fakesrc"'),
        ("proj", "projinfo", ["EPSG:4326"], "Cannot find proj.db"),
        ("keyboards", KEYMAP, ["--layout", "us"], "Couldn't find file \"rules/evdev\" in include paths"),
        ("alsa", "aplay", ["-D", "null", "/x"], "Cannot access file /usr/share/alsa/alsa.conf"),
    ],
)
def test_without_the_rule_it_says_what_it_lacks(
    docker: Docker, needed: Needed, rule: str, program: str, words: list[str], says: str
) -> None:
    job = build(docker, needed, f"without-{rule}", program, "--no-rule", rule)
    assert says in job.work(*words, ok=False).said


def thumbnail(docker: Docker, needed: Needed, folder: Path, *options: str) -> Outcome:
    (folder / "a.ppm").write_text(PIXELS, encoding="ascii")
    (folder / "a.ppm").chmod(0o644)
    job = build(docker, needed, "thumbnailer", "gdk-pixbuf-thumbnailer", *options)
    picture = ("-v", f"{folder}/a.ppm:/a.ppm:ro")
    return job.work("/a.ppm", "/dev/stdout", options=picture, ok=False)


def test_gdk_pixbuf_reads_a_format_that_is_a_plugin(docker: Docker, needed: Needed, tmp_path: Path) -> None:
    outcome = thumbnail(docker, needed, tmp_path)
    assert outcome.status == 0, outcome.said


@pytest.mark.parametrize("rule", ["gdk-pixbuf", "mime-types"])
def test_without_either_rule_gdk_pixbuf_does_not_know_the_format(
    docker: Docker, needed: Needed, tmp_path: Path, rule: str
) -> None:
    assert "recognize the image file format" in thumbnail(docker, needed, tmp_path, "--no-rule", rule).said


def test_qt_has_its_platform_and_its_database(docker: Docker, needed: Needed, tmp_path: Path) -> None:
    for name, text in (("a.qhp", HELP), ("a.html", "<html>hello</html>")):
        (tmp_path / name).write_text(text, encoding="utf-8")
        (tmp_path / name).chmod(0o644)
    files = ("-v", f"{tmp_path}/a.qhp:/a.qhp:ro", "-v", f"{tmp_path}/a.html:/a.html:ro")
    job = build(docker, needed, "qt", QT, "--env", "QT_QPA_PLATFORM=minimal")
    assert "Documentation successfully generated." in job.work("/a.qhp", "-o", "/home/nonroot/a.qch", options=files).said


def test_without_qt_it_has_no_platform(docker: Docker, needed: Needed) -> None:
    job = build(docker, needed, "qt-without", QT, "--no-rule", "qt")
    outcome = job.work("/a.qhp", "-o", "/a.qch", ok=False)
    assert 'Could not find the Qt platform plugin "minimal"' in outcome.said


def test_tesseract_reads_english(docker: Docker, needed: Needed, tmp_path: Path) -> None:
    (tmp_path / "a.ppm").write_text(PIXELS, encoding="ascii")
    (tmp_path / "a.ppm").chmod(0o644)
    job = build(docker, needed, "tesseract", "tesseract")
    assert job.work("--list-langs").said.splitlines()[-1] == "eng"


def test_without_tesseract_it_has_no_language(docker: Docker, needed: Needed) -> None:
    job = build(docker, needed, "tesseract-without", "tesseract", "--no-rule", "tesseract")
    assert "Error opening data file" in job.work("/a.png", "-", ok=False).said


def test_a_word_is_checked_with_the_dictionary_of_the_images_language(docker: Docker, needed: Needed) -> None:
    job = build(docker, needed, "hunspell", "hunspell", "--env", "LANG=en_US.UTF-8")
    assert job.work("-l", stdin="helo world\n").stdout == "helo\n"


def test_without_dictionaries_no_word_is_checked(docker: Docker, needed: Needed) -> None:
    job = build(docker, needed, "hunspell-without", "hunspell", "--no-rule", "dictionaries")
    outcome = job.work("-d", "en_US", "-l", stdin="helo\n", ok=False)
    assert "Can't open affix or dictionary files" in outcome.said
