"""Pictures, fonts, sound, windows and graphics: which plugins and data of their libraries come along, and which not."""

from __future__ import annotations

import pytest

from needed.rules.catalogue.gdk_pixbuf import parse_loaders
from needed.rules.catalogue.mesa import library_path
from tests.rules.plugin_trees import LIB, Tree, elf, of_rule, planned, program, told, using

CODERS = f"{LIB}/ImageMagick-7.1.1/modules-Q16HDRI/coders"


def asking(*libraries: str, imports: tuple[str, ...]) -> Tree:
    """The program /bin/p, which wants `imports` of `libraries`."""
    return using(*libraries) | {"/bin/p": program(*libraries, imports=imports)}


def imagemagick() -> Tree:
    tree = using("libMagickCore-7.Q16HDRI.so.10")
    for name in ("png", "jpeg", "heic", "xc"):
        tree |= {
            f"{CODERS}/{name}.so": elf("libheif.so.1" if name == "heic" else "libz.so.1"),
            f"{CODERS}/{name}.la": b"#",
        }
    tree |= {f"{LIB}/libz.so.1": elf(), f"{LIB}/libheif.so.1": elf()}
    return tree | {"/etc/ImageMagick-7/policy.xml": b"<policymap/>", "/etc/ImageMagick-6/policy.xml": b"<policymap/>"}


def test_imagemagick_has_coders_as_libltdl_opens_them_and_its_own_policy() -> None:
    found = planned(imagemagick())
    assert {f"{CODERS}/png.so", f"{CODERS}/png.la", "/etc/ImageMagick-7/policy.xml"} <= of_rule(found, "imagemagick")
    assert f"{LIB}/libz.so.1" in found.rootfs.entries
    assert "/etc/ImageMagick-6/policy.xml" not in found.rootfs.entries


def test_a_coder_that_needs_much_is_left_to_choose() -> None:
    found = planned(imagemagick())
    assert f"{CODERS}/heic.so" not in found.rootfs.entries
    assert "the formats heic are left to choose [--rule imagemagick=all" in told(found)
    assert f"{LIB}/libheif.so.1" in planned(imagemagick(), value="imagemagick=all").rootfs.entries
    chosen = planned(imagemagick(), value="imagemagick=jpeg").rootfs.entries
    assert f"{CODERS}/jpeg.so" in chosen
    assert f"{CODERS}/xc.so" in chosen, "what words of a command line make up has no format"
    assert f"{CODERS}/png.so" not in chosen


def test_graphicsmagick_has_its_settings_and_its_modules() -> None:
    modules = f"{LIB}/GraphicsMagick-1.3.40/modules-Q16/coders"
    tree = using("libGraphicsMagick-Q16.so.3") | {f"{modules}/png.so": elf(), f"{modules}/png.la": b"#"}
    tree["/usr/share/GraphicsMagick-1.3.40/config/log.mgk"] = b"<magicklog/>"
    paths = of_rule(planned(tree), "graphicsmagick")
    assert {f"{modules}/png.so", f"{modules}/png.la", "/usr/share/GraphicsMagick-1.3.40/config/log.mgk"} <= paths


def test_a_program_that_asks_for_settings_has_the_compiled_schemas() -> None:
    schemas = "/usr/share/glib-2.0/schemas/gschemas.compiled"
    tree = asking("libgio-2.0.so.0", imports=("g_settings_new",))
    assert of_rule(planned(tree | {schemas: b"GVariant"}), "gsettings") == {schemas}
    assert "asks for settings, and the root has no schemas compiled" in told(planned(tree))
    assert schemas not in planned(using("libgio-2.0.so.0") | {schemas: b"GVariant"}).rootfs.entries


def test_types_of_files_come_where_they_are_guessed() -> None:
    types: Tree = {"/usr/share/mime/mime.cache": b"cache", "/usr/share/mime/packages/all.xml": b"<x/>"}
    found = planned(asking("libgio-2.0.so.0", imports=("g_content_type_guess",)) | types)
    assert of_rule(found, "mime-types") == {"/usr/share/mime/mime.cache"}


def test_gio_has_the_module_for_tls_and_none_of_a_desktop() -> None:
    modules: Tree = {
        f"{LIB}/gio/modules/libgiognutls.so": elf("libgnutls.so.30"),
        f"{LIB}/libgnutls.so.30": elf(),
        f"{LIB}/gio/modules/libdconfsettings.so": elf(),
        f"{LIB}/gio/modules/giomodule.cache": b"libgiognutls.so: gio-tls-backend",
    }
    tree = asking("libgio-2.0.so.0", imports=("g_tls_backend_get_default",))
    found = planned(tree | modules)
    assert of_rule(found, "gio") == {f"{LIB}/gio/modules/libgiognutls.so"}
    assert f"{LIB}/libgnutls.so.30" in found.rootfs.entries
    assert f"{LIB}/gio/modules/libgiognutls.so" not in planned(using("libgio-2.0.so.0") | modules).rootfs.entries
    assert "the root has no module for it [apt install glib-networking]" in told(planned(tree))
    both = planned(tree | modules, value="gio=libdconfsettings")
    assert f"{LIB}/gio/modules/libdconfsettings.so" in both.rootfs.entries


def test_gdk_pixbuf_has_small_loaders_and_the_list_of_all() -> None:
    folder = f"{LIB}/gdk-pixbuf-2.0/2.10.0"
    loaders = [f"{folder}/loaders/libpixbufloader-{kind}.so" for kind in ("gif", "svg")]
    cache = "# GdkPixbuf\n" + "".join(f'"{path}"\n"x" 4 "gdk-pixbuf"\n"image/x" ""\n\n' for path in loaders)
    tree = using("libgdk_pixbuf-2.0.so.0") | {f"{folder}/loaders.cache": cache.encode()}
    tree |= {loaders[0]: elf(), loaders[1]: elf("librsvg-2.so.2"), f"{LIB}/librsvg-2.so.2": elf()}
    found = planned(tree)
    assert parse_loaders(cache) == loaders
    assert of_rule(found, "gdk-pixbuf") == {f"{folder}/loaders.cache", loaders[0]}
    assert "GdkPixbuf's loaders for svg are left to choose [--rule gdk-pixbuf=svg]" in told(found)
    assert f"{LIB}/librsvg-2.so.2" in planned(tree, value="gdk-pixbuf=svg").rootfs.entries


FONTS = (
    "/usr/share/fonts/a/Zapfino.ttf",
    "/usr/share/fonts/b/DejaVuSans.ttf",
    "/usr/share/fonts/b/DejaVuSans-Bold.ttf",
)


def fonts(*paths: str) -> Tree:
    configuration: Tree = {
        "/etc/fonts/fonts.conf": b"<fontconfig/>",
        "/usr/share/x.conf": b"<fontconfig/>",
        "/etc/fonts/conf.d/10-x.conf": "-> /usr/share/x.conf",
        "/etc/fonts/conf.d/README": b"",
    }
    return using("libfontconfig.so.1") | configuration | dict.fromkeys(paths, b"font")


def test_fontconfig_has_its_configuration_one_font_and_a_cache() -> None:
    found = planned(fonts(*FONTS))
    paths = of_rule(found, "fontconfig")
    assert {"/etc/fonts/fonts.conf", "/usr/share/x.conf", "/var/cache/fontconfig", FONTS[1]} <= paths
    assert "/etc/fonts/conf.d/10-x.conf" in found.rootfs.entries
    assert not {FONTS[0], FONTS[2]} & found.rootfs.entries.keys()
    assert f"one font of 3 is taken, {FONTS[1]}" in told(found)


@pytest.mark.parametrize(("value", "taken"), [("all", set(FONTS)), ("none", set()), ("Zapf", {FONTS[0]})])
def test_fonts_are_a_choice(value: str, taken: set[str]) -> None:
    entries = planned(fonts(*FONTS), value=f"fontconfig={value}").rootfs.entries
    assert entries.keys() & {*FONTS} == taken


def test_fontconfig_takes_what_there_is_for_a_font_and_tells_where_there_is_none() -> None:
    assert FONTS[0] in of_rule(planned(fonts(FONTS[0])), "fontconfig")
    assert "the root has none" in told(planned(fonts()))


def test_alsa_has_its_first_configuration_and_plugins_by_choice() -> None:
    sound: Tree = {f"/usr/share/alsa/{name}": b"#" for name in ("alsa.conf", "pcm/dmix.conf", "ucm2/x")}
    sound |= {"/etc/alsa/conf.d/99-pulse.conf": b"#", f"{LIB}/alsa-lib/libasound_module_pcm_pulse.so": elf()}
    tree = using("libasound.so.2") | sound
    assert of_rule(planned(tree), "alsa") == {"/usr/share/alsa/alsa.conf", "/usr/share/alsa/pcm/dmix.conf"}
    chosen = of_rule(planned(tree, value="alsa=pulse"), "alsa")
    assert {"/etc/alsa/conf.d/99-pulse.conf", f"{LIB}/alsa-lib/libasound_module_pcm_pulse.so"} <= chosen


def test_x_has_the_locales_of_utf8_and_composed_keys_where_keys_are_composed() -> None:
    folder = "/usr/share/X11/locale"
    names = ("locale.dir", "en_US.UTF-8/XLC_LOCALE", "en_US.UTF-8/Compose", "ja/XLC_LOCALE")
    locales: Tree = {f"{folder}/{name}": b"#" for name in names}
    shows = of_rule(planned(asking("libX11.so.6", imports=("XCreateFontSet",)) | locales), "x11")
    assert shows == {f"{folder}/locale.dir", f"{folder}/en_US.UTF-8/XLC_LOCALE"}
    types = of_rule(planned(asking("libX11.so.6", imports=("XSetLocaleModifiers", "XOpenIM")) | locales), "x11")
    assert types == shows | {f"{folder}/en_US.UTF-8/Compose"}
    assert of_rule(planned(using("libX11.so.6") | locales), "x11") == set()


def test_keyboards_come_where_keymaps_are_made_of_names() -> None:
    folder = "/usr/share/X11/xkb"
    keyboards: Tree = {
        f"{folder}/{name}": b"#" for name in ("rules/evdev", "rules/evdev.xml", "symbols/us", "geometry/pc")
    }
    found = planned(asking("libxkbcommon.so.0", imports=("xkb_keymap_new_from_names",)) | keyboards)
    assert of_rule(found, "keyboards") == {f"{folder}/rules/evdev", f"{folder}/symbols/us"}
    assert of_rule(planned(using("libxkbcommon.so.0") | keyboards), "keyboards") == set()


def graphics(*linked: str) -> Tree:
    """Mesa behind libglvnd, with a renderer that needs libLLVM and a driver of hardware."""
    vendor = b'{"file_format_version": "1.0.0", "ICD": {"library_path": "libEGL_mesa.so.0"}}'
    libraries = ("libGLX.so.0", "libEGL.so.1", "libGLX_mesa.so.0", "libEGL_mesa.so.0", "libLLVM-15.so.1")
    tree: Tree = {f"{LIB}/{name}": elf() for name in libraries}
    tree |= {f"{LIB}/libGL.so.1": elf("libGLX.so.0"), "/usr/share/glvnd/egl_vendor.d/50_mesa.json": vendor}
    tree |= {f"{LIB}/dri/{name}_dri.so": elf("libLLVM-15.so.1") for name in ("swrast", "iris")}
    return tree | {f"{LIB}/libtoolkit.so": elf("libGL.so.1"), "/bin/p": program(*linked)}


def test_a_program_that_draws_has_mesa_and_its_software_renderer() -> None:
    found = planned(graphics("libGL.so.1"))
    assert {f"{LIB}/libGLX_mesa.so.0", f"{LIB}/dri/swrast_dri.so"} <= of_rule(found, "mesa")
    assert f"{LIB}/libLLVM-15.so.1" in found.rootfs.entries
    assert not {f"{LIB}/dri/iris_dri.so", f"{LIB}/libEGL_mesa.so.0"} & found.rootfs.entries.keys()
    assert "it needs libLLVM [--rule mesa=none, or =DRIVER]" in told(found)
    assert f"{LIB}/libLLVM-15.so.1" not in planned(graphics("libGL.so.1"), value="mesa=none").rootfs.entries


def test_egl_has_its_vendor_with_the_file_that_names_it() -> None:
    vendor = {f"{LIB}/libEGL_mesa.so.0", "/usr/share/glvnd/egl_vendor.d/50_mesa.json"}
    assert vendor <= of_rule(planned(graphics("libEGL.so.1")), "mesa")


def test_where_only_a_library_draws_a_driver_is_left_to_choose() -> None:
    found = planned(graphics("libtoolkit.so"))
    assert f"{LIB}/libGLX_mesa.so.0" in found.rootfs.entries
    assert f"{LIB}/libLLVM-15.so.1" not in found.rootfs.entries
    assert "a driver is left to choose [--rule mesa=swrast, or none]" in told(found)
    chosen = planned(graphics("libtoolkit.so"), value="mesa=iris")
    assert f"{LIB}/dri/iris_dri.so" in chosen.rootfs.entries
    assert "left to choose" not in told(chosen)


def vulkan(*linked: str) -> Tree:
    folder = "/usr/share/vulkan/icd.d"
    tree: Tree = {
        f"{LIB}/libvulkan.so.1": elf(),
        f"{LIB}/libplacebo.so": elf("libvulkan.so.1"),
        "/bin/p": program(*linked),
    }
    for name, path in (("lvp", f"{LIB}/libvulkan_lvp.so"), ("radeon", "../../../lib64/libvulkan_radeon.so")):
        tree |= {f"{folder}/{name}_icd.x86_64.json": f'{{"ICD": {{"library_path": "{path}"}}}}'.encode()}
        tree |= {f"{LIB}/libvulkan_{name}.so": elf()}
    return tree


def test_a_program_that_uses_vulkan_has_lavapipe_and_the_file_that_names_it() -> None:
    found = planned(vulkan("libvulkan.so.1"))
    assert "lavapipe is taken, which is large: it needs libLLVM" in told(found)
    assert of_rule(found, "vulkan") == {"/usr/share/vulkan/icd.d/lvp_icd.x86_64.json", f"{LIB}/libvulkan_lvp.so"}


def test_a_driver_of_vulkan_may_be_named_relative_to_its_file() -> None:
    found = planned(vulkan("libvulkan.so.1"), value="vulkan=radeon")
    assert f"{LIB}/libvulkan_radeon.so" in found.rootfs.entries
    assert f"{LIB}/libvulkan_lvp.so" not in found.rootfs.entries


def test_where_only_a_library_uses_vulkan_it_is_told() -> None:
    found = planned(vulkan("libplacebo.so"))
    assert "a library can use Vulkan: a driver is left to choose [--rule vulkan=lvp, or none]" in told(found)
    assert of_rule(found, "vulkan") == set()


@pytest.mark.parametrize(
    "strange", [b"", b"[]", b'{"ICD": []}', b'{"ICD": {"library_path": 1}}', b"[" * 100_000, b"\xff"]
)
def test_a_strange_file_of_a_vendor_names_nothing(strange: bytes) -> None:
    assert library_path(strange) == ""


def test_drivers_for_video_are_by_choice_and_told_where_a_program_links_the_library() -> None:
    tree = using("libva.so.2") | {f"{LIB}/dri/iHD_drv_video.so": elf(), f"{LIB}/dri/iris_dri.so": elf()}
    found = planned(tree)
    assert "drivers of libva.so are left to choose: iHD" in told(found)
    assert f"{LIB}/dri/iHD_drv_video.so" not in found.rootfs.entries
    assert of_rule(planned(tree, value="hardware-video=iHD"), "hardware-video") == {f"{LIB}/dri/iHD_drv_video.so"}


PLUGINS = f"{LIB}/qt5/plugins"


def qt(*libraries: str) -> Tree:
    plugins = (
        "platforms/libqxcb.so",
        "platforms/libqoffscreen.so",
        "platforms/libqeglfs.so",
        "imageformats/libqgif.so",
        "sqldrivers/libqsqlite.so",
        "platforminputcontexts/libcomposeplatforminputcontextplugin.so",
        "platformthemes/libqgtk3.so",
        "xcbglintegrations/libqxcb-glx-integration.so",
    )
    return using("libQt5Core.so.5", *libraries) | {f"{PLUGINS}/{name}": elf() for name in plugins}


def of_qt(tree: Tree, value: str = "", env: tuple[str, ...] = ()) -> set[str]:
    found = of_rule(planned(tree, value=value, env=env), "qt")
    return {path.removeprefix(f"{PLUGINS}/") for path in found}


def test_each_library_of_qt_has_the_plugins_of_its_kind() -> None:
    assert of_qt(qt()) == set()
    assert of_qt(qt("libQt5Sql.so.5")) == {"sqldrivers/libqsqlite.so"}
    assert of_qt(qt("libQt5Gui.so.5")) == {
        "platforms/libqxcb.so",
        "platforms/libqoffscreen.so",
        "imageformats/libqgif.so",
        "platforminputcontexts/libcomposeplatforminputcontextplugin.so",
    }
    assert "xcbglintegrations/libqxcb-glx-integration.so" in of_qt(qt("libQt5Gui.so.5", "libQt5Quick.so.5"))


def test_the_images_environment_names_the_platform_of_qt() -> None:
    found = of_qt(qt("libQt5Gui.so.5"), env=("QT_QPA_PLATFORM=eglfs:size=1x1;offscreen",))
    assert found == {"platforms/libqeglfs.so", "platforms/libqoffscreen.so", "imageformats/libqgif.so"}


def test_plugins_of_qt_are_chosen_by_kind_and_name() -> None:
    assert of_qt(qt(), value="qt=platformthemes/gtk3") == {"platformthemes/libqgtk3.so"}
    assert len(of_qt(qt(), value="qt=all")) == 8


def test_qt_of_a_program_with_everything_beside_it() -> None:
    tree: Tree = {
        "/opt/p/bin/p": program("libQt6Gui.so.6", "libQt6Core.so.6"),
        "/opt/p/bin/qt.conf": b"[Paths]\n",
        f"{LIB}/libQt6Gui.so.6": elf(),
        f"{LIB}/libQt6Core.so.6": elf(),
        "/opt/p/bin/plugins/platforms/libqoffscreen.so": elf(),
    }
    found = of_rule(planned(tree, path="/opt/p/bin/p"), "qt")
    assert found == {"/opt/p/bin/qt.conf", "/opt/p/bin/plugins/platforms/libqoffscreen.so"}


def test_modules_of_qml_are_left_to_choose() -> None:
    module: Tree = {f"{LIB}/qt5/qml/QtQuick/qmldir": b"module QtQuick", f"{LIB}/qt5/qml/QtQuick/libqtquick.so": elf()}
    tree = qt("libQt5Qml.so.5") | module
    assert "imports modules of QML, which are left to choose [--rule qt=qml" in told(planned(tree))
    assert module.keys() <= planned(tree, value="qt=qml").rootfs.entries.keys()


def test_network_of_qt_opens_libssl() -> None:
    tree = qt("libQt5Network.so.5") | {f"{LIB}/libssl.so.3": elf("libcrypto.so.3"), f"{LIB}/libcrypto.so.3": elf()}
    assert {f"{LIB}/libssl.so.3", f"{LIB}/libcrypto.so.3"} <= planned(tree).rootfs.entries.keys()


def test_gstreamer_has_basic_elements_and_its_scanner() -> None:
    folder, scanner = f"{LIB}/gstreamer-1.0", "/usr/libexec/gstreamer-1.0/gst-plugin-scanner"
    plugins: Tree = {f"{folder}/libgst{name}.so": elf() for name in ("coreelements", "ogg")}
    tree = using("libgstreamer-1.0.so.0") | plugins | {scanner: program()}
    found = planned(tree)
    assert of_rule(found, "gstreamer") == {f"{folder}/libgstcoreelements.so", scanner}
    assert "GStreamer's plugins ogg are left out [--rule gstreamer=NAME,NAME or all]" in told(found)
    assert f"{folder}/libgstogg.so" in planned(tree, value="gstreamer=ogg").rootfs.entries


def test_ghostscript_has_its_resources_and_no_maps_of_east_asia() -> None:
    folder = "/usr/share/ghostscript/10.00.0"
    tree = using("libgs.so.10") | {
        f"{folder}/Resource/Init/gs_init.ps": b"%!",
        f"{folder}/Resource/Font/Sans": "-> /usr/share/fonts/sans.t1",
        "/usr/share/fonts/sans.t1": b"%!",
        f"{folder}/lib/ps2ascii.ps": b"%!",
        "/etc/papersize": b"a4\n",
        f"{folder}/Resource/CMap": "-> /var/lib/ghostscript/CMap",
        "/var/lib/ghostscript/CMap/GBK": b"%!",
        f"{folder}/iccprofiles": "-> ../../color",
        "/usr/share/color/gray.icc": b"icc",
    }
    entries = planned(tree).rootfs.entries.keys()
    wanted = {f"{folder}/Resource/Init/gs_init.ps", "/usr/share/fonts/sans.t1", "/usr/share/color/gray.icc"}
    assert {*wanted, "/etc/papersize", f"{folder}/iccprofiles"} <= entries
    assert not {f"{folder}/lib/ps2ascii.ps", "/var/lib/ghostscript/CMap/GBK"} & entries
    assert "/var/lib/ghostscript/CMap/GBK" in planned(tree, value="ghostscript=cjk").rootfs.entries


def test_tesseract_has_english_or_the_chosen_models() -> None:
    folder = "/usr/share/tesseract-ocr/5/tessdata"
    tree = using("libtesseract.so.5") | {
        f"{folder}/{name}": b"#" for name in ("eng.traineddata", "deu.traineddata", "pdf.ttf")
    }
    assert of_rule(planned(tree), "tesseract") == {f"{folder}/eng.traineddata", f"{folder}/pdf.ttf"}
    chosen = planned(tree, value="tesseract=deu,fra")
    assert f"{folder}/eng.traineddata" not in chosen.rootfs.entries
    assert "the root has no model of fra for Tesseract [--rule tesseract=deu,eng]" in told(chosen)


def test_proj_has_its_database_and_grids_by_choice() -> None:
    tree = using("libproj.so.25") | {f"/usr/share/proj/{name}": b"#" for name in ("proj.db", "proj.ini", "grid.gsb")}
    assert of_rule(planned(tree), "proj") == {"/usr/share/proj/proj.db", "/usr/share/proj/proj.ini"}
    assert "/usr/share/proj/grid.gsb" in planned(tree, value="proj=all").rootfs.entries


def test_gdal_has_its_tables_and_the_formats_that_are_installed() -> None:
    tree = using("libgdal.so.32") | {"/usr/share/gdal/gcs.csv": b"#", f"{LIB}/gdalplugins/gdal_HDF5.so": elf()}
    assert of_rule(planned(tree), "proj") == {"/usr/share/gdal/gcs.csv", f"{LIB}/gdalplugins/gdal_HDF5.so"}


def test_dictionaries_are_those_of_the_images_language() -> None:
    files: Tree = {f"/usr/share/hunspell/{name}": b"#" for name in ("en_GB.aff", "en_GB.dic", "de_DE.dic")}
    tree = using("libhunspell-1.7.so.0") | files
    assert "no dictionary is taken; the root has de_DE, en_GB" in told(planned(tree))
    found = planned(tree, env=("LANG=en_GB.UTF-8",))
    assert of_rule(found, "dictionaries") == {"/usr/share/hunspell/en_GB.aff", "/usr/share/hunspell/en_GB.dic"}


def test_names_of_pci_devices_come_where_a_program_itself_asks_for_them() -> None:
    ids: Tree = {"/usr/share/misc/pci.ids": b"#"}
    assert of_rule(planned(using("libpci.so.3") | ids), "pci") == {"/usr/share/misc/pci.ids"}
    behind = using("libx.so") | {f"{LIB}/libx.so": elf("libpci.so.3"), f"{LIB}/libpci.so.3": elf()} | ids
    assert of_rule(planned(behind), "pci") == set()
