"""The rules of symbol look-up, each with files made by gcc and checked against the real `ldd -r` and `ldd -d`.

Each case lists sources; the lines expected of us are those that ldd prints of the same tree, run by the test.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from struct import pack

import pytest

from needed.cli import main
from needed.elf import parse_elf
from needed.loader import Resolver
from needed.loader.binding import Binder, Bindings, relocation_order
from needed.report.ldd import render_findings, render_versions
from needed.root import DirectoryRoot, MemoryRoot, RootPath


def build(path: Path, source: str, *flags: str, needs: tuple[Path, ...] = (), compiler: str = "gcc") -> Path:
    """A library if the name says so, else a program; finds its libraries beside it."""
    if shutil.which(compiler) is None:
        assert "CI" not in os.environ, f"{compiler} is missing"
        pytest.skip(f"{compiler} is missing")
    shared = ("-shared", "-fPIC", f"-Wl,-soname,{path.name}") if ".so" in path.name else ()
    loose = "-Wl,--no-as-needed,--unresolved-symbols=ignore-all,-z,lazy"
    path.with_suffix(".c").write_text(source)
    command = [compiler, "-w", *shared, "-o", str(path), str(path.with_suffix(".c")), loose]
    command += [f"-Wl,-rpath,{path.parent}", *flags, *map(str, needs)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return path


def ours(path: Path, option: str = "-r") -> Bindings:
    resolver = Resolver(DirectoryRoot("/"))
    return Binder(resolver.root, lazy=option == "-d").check(resolver.load_list(resolver.find_program(str(path))))


def theirs(path: Path, option: str) -> list[str]:
    surroundings = {**os.environ, "LC_ALL": "C"}
    run = subprocess.run(["ldd", option, str(path)], capture_output=True, text=True, check=False, env=surroundings)
    return [line for line in run.stdout.splitlines() if not line.startswith("\t")]


def agree(path: Path, option: str = "-r") -> list[str]:
    """The lines, the same from us and from ldd, with the folder left out."""
    said = ours(path, option)
    mapped = Resolver(DirectoryRoot("/")).load_list(RootPath(str(path)))
    lines = [*render_versions(mapped, str(path)), *render_findings(said, str(path))]
    assert lines == theirs(path, option)
    return [line.replace(f"{path.parent}/", "") for line in lines]


def test_a_function_that_nothing_defines(tmp_path: Path) -> None:
    plugin = build(tmp_path / "p.so", "int q(void); int f(void) { return q(); }")
    assert agree(plugin) == ["undefined symbol: q\t(p.so)"]
    assert agree(plugin, "-d") == []


def test_data_that_nothing_defines(tmp_path: Path) -> None:
    plugin = build(tmp_path / "p.so", "extern int d; int *p = &d;")
    assert agree(plugin) == agree(plugin, "-d") == ["undefined symbol: d\t(p.so)"]


def test_a_file_linked_with_z_now_is_bound_at_once_in_any_case(tmp_path: Path) -> None:
    plugin = build(tmp_path / "p.so", "int q(void); int f(void) { return q(); }", "-Wl,-z,now")
    assert agree(plugin, "-d") == ["undefined symbol: q\t(p.so)"]


def test_a_symbol_is_named_once_for_each_relocation_but_not_twice_in_a_row(tmp_path: Path) -> None:
    source = "int q(void), r(void); int (*t[])(void) = {q, q, r, q}; int f(void) { return q(); }"
    plugin = build(tmp_path / "p.so", source)
    names = [line.split()[2] for line in agree(plugin)]
    assert names.count("q") >= 2


def test_a_weak_reference_may_stay_undefined(tmp_path: Path) -> None:
    plugin = build(tmp_path / "p.so", "__attribute__((weak)) int q(void); int f(void) { return q ? q() : 0; }")
    assert agree(plugin) == []


def test_a_dependency_is_relocated_before_what_needs_it(tmp_path: Path) -> None:
    low = build(tmp_path / "liblow.so", "int q1(void); int low(void) { return q1(); }")
    middle = build(tmp_path / "libmiddle.so", "int q2(void); int middle(void) { return q2(); }", needs=(low,))
    side = build(tmp_path / "libside.so", "int q3(void); int side(void) { return q3(); }")
    program = build(tmp_path / "m", "int main(void) { return 0; }", needs=(low, side, middle))
    order = [line.split()[2] for line in agree(program)]
    assert sorted(order) == ["q1", "q2", "q3"]
    assert order.index("q1") < order.index("q2")


NEEDS = [
    {"a": "bd", "b": "ca", "c": "ad", "d": "c"},
    {"a": "b", "b": "c", "c": "d", "d": "b"},
    {"a": "dcb", "b": "", "c": "b", "d": "bc"},
    {"a": "", "b": "a", "c": "ab", "d": "abc"},
]


@pytest.mark.parametrize("needs", NEEDS)
def test_libraries_that_need_each_other_have_an_order_in_both_ages_of_the_loader(
    tmp_path: Path, needs: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in needs:
        build(tmp_path / f"lib{name}.so", f"int q{name}(void); int {name}(void) {{ return q{name}(); }}")
    for name, others in needs.items():
        source = f"int q{name}(void); int {name}(void) {{ return q{name}(); }}"
        build(tmp_path / f"lib{name}.so", source, needs=tuple(tmp_path / f"lib{other}.so" for other in others))
    libraries = tuple(tmp_path / f"lib{name}.so" for name in needs)
    program = build(tmp_path / "m", "int main(void) { return 0; }", needs=libraries)
    assert len(agree(program)) == len(needs)
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.rtld.dynamic_sort=1")  # as it was before 2.35
    mapped = Resolver(DirectoryRoot("/")).load_list(RootPath(str(program)))
    order = [mapped.objects[number].path for number in relocation_order(mapped.objects, mapped, depth_first=False)]
    said = [line.partition("(")[2].rstrip(")") for line in theirs(program, "-r")]
    assert [path for path in order if path in said] == said


def versioned(tmp_path: Path, script: str, source: str = "int f(void) { return 1; }", *flags: str) -> Path:
    (tmp_path / "map").write_text(script)
    return build(tmp_path / "libv.so", source, f"-Wl,--version-script={tmp_path}/map", *flags)


def test_a_version_that_is_gone_is_said_before_all_else(tmp_path: Path) -> None:
    library = versioned(tmp_path, "V1 { global: f; local: *; };")
    program = build(tmp_path / "m", "int f(void); int main(void) { return f(); }", needs=(library,))
    assert agree(program) == []
    versioned(tmp_path, "V2 { global: f; local: *; };")
    assert agree(program) == [
        "m: libv.so: version `V1' not found (required by m)",
        "undefined symbol: f, version V1\t(m)",
    ]
    assert [(item.symbol, item.version, item.file) for item in ours(program).undefined] == [("f", "V1", "libv.so")]


def test_a_version_that_is_there_without_the_symbol(tmp_path: Path) -> None:
    library = versioned(tmp_path, "V1 { global: f; g; local: *; };")
    program = build(tmp_path / "m", "int f(void); int main(void) { return f(); }", needs=(library,))
    versioned(tmp_path, "V1 { global: f; g; local: *; };", "int g(void) { return 1; }")
    assert agree(program) == ["undefined symbol: f, version V1\t(m)"]


def test_a_symbol_without_a_version_in_a_library_with_versions_satisfies_one(tmp_path: Path) -> None:
    library = versioned(tmp_path, "V1 { global: f; local: *; };")
    program = build(tmp_path / "m", "int f(void); int main(void) { return f(); }", needs=(library,))
    build(tmp_path / "libv.so", "#include <stdio.h>\nint f(void) { return puts(\"\"); }")
    assert agree(program) == ["m: libv.so: no version information available (required by m)"]


def test_a_version_may_come_from_another_library_than_at_link_time(tmp_path: Path) -> None:
    library = versioned(tmp_path, "V1 { global: f; g; local: *; };")
    program = build(tmp_path / "m", "int f(void); int main(void) { return f(); }", needs=(library,))
    (tmp_path / "map2").write_text("V1 { global: f; local: *; };")
    other = build(tmp_path / "libw.so", "int f(void) { return 1; }", f"-Wl,--version-script={tmp_path}/map2")
    versioned(tmp_path, "V1 { global: g; local: *; };", "int g(void) { return 1; }", "-Wl,--no-as-needed", str(other))
    assert agree(program) == []


@pytest.mark.parametrize("default", ["", "@"])
def test_a_reference_without_a_version_and_two_to_choose_from(tmp_path: Path, default: str) -> None:
    plain = build(tmp_path / "libv.so", "int f(void) { return 1; }")
    program = build(tmp_path / "m", "int f(void); int main(void) { return f(); }", needs=(plain,))
    source = '__asm__(".symver f1,f@V1"); int f1(void) { return 1; }'
    source += f'__asm__(".symver f2,f@{default}V2"); int f2(void) {{ return 2; }}'
    versioned(tmp_path, "V1 { global: f; local: *; }; V2 { global: f; } V1;", source)
    assert agree(program) == []


def test_only_hidden_newer_versions_are_nothing_to_a_reference_without_one(tmp_path: Path) -> None:
    plain = build(tmp_path / "libv.so", "int f(void) { return 1; }")
    program = build(tmp_path / "m", "int f(void); int main(void) { return f(); }", needs=(plain,))
    source = '__asm__(".symver f2,f@V2"); int f2(void) { return 2; } int g(void) { return 0; }'
    versioned(tmp_path, "V1 { global: g; local: *; }; V2 { global: f; } V1;", source)
    assert agree(program) == ["undefined symbol: f\t(m)"]


def test_a_default_newer_version_is_taken_without_one(tmp_path: Path) -> None:
    plain = build(tmp_path / "libv.so", "int f(void) { return 1; }")
    program = build(tmp_path / "m", "int f(void); int main(void) { return f(); }", needs=(plain,))
    source = '__asm__(".symver f2,f@@V2"); int f2(void) { return 2; } int g(void) { return 0; }'
    versioned(tmp_path, "V1 { global: g; local: *; }; V2 { global: f; } V1;", source)
    assert agree(program) == []


def test_the_version_of_a_file_that_is_missing_is_not_known(tmp_path: Path) -> None:
    library = versioned(tmp_path, "V1 { global: f; local: *; };")
    program = build(tmp_path / "m", "int f(void); int main(void) { return f(); }", needs=(library,))
    library.unlink()
    assert agree(program)[0].startswith("undefined symbol: f")


def test_a_copy_is_not_made_of_the_program_itself(tmp_path: Path) -> None:
    library = build(tmp_path / "libd.so", "int x[2] = {1};")
    program = build(
        tmp_path / "m", "extern int x[2]; int main(void) { return x[0]; }", "-no-pie", "-fno-pie", needs=(library,)
    )
    assert agree(program) == []
    build(tmp_path / "libd.so", "int y;")
    assert agree(program) == agree(program, "-d") == ["undefined symbol: x\t(m)"]


def test_a_copied_variable_of_another_size(tmp_path: Path) -> None:
    library = build(tmp_path / "libd.so", "int x[2] = {1};")
    program = build(
        tmp_path / "m", "extern int x[2]; int main(void) { return x[0]; }", "-no-pie", "-fno-pie", needs=(library,)
    )
    build(tmp_path / "libd.so", "int x[3] = {1};")
    assert agree(program) == ["m: Symbol `x' has different size in shared object, consider re-linking"]
    assert ours(program).undefined == ()


def test_the_programs_plt_entry_is_an_address_but_not_a_function(tmp_path: Path) -> None:
    library = build(tmp_path / "libf.so", "int f(void) { return 1; }")
    user = build(tmp_path / "libu.so", "int f(void); int (*p)(void) = f; int u(void) { return f(); }", needs=(library,))
    source = "int f(void); int u(void); int main(void) { return u() + (f == (int (*)(void))1) + f(); }"
    program = build(tmp_path / "m", source, "-no-pie", "-fno-pie", needs=(user, library))
    build(tmp_path / "libf.so", "int g;")
    lines = agree(program)
    assert [line for line in lines if "libu.so" in line] == ["undefined symbol: f\t(libu.so)"]


@pytest.mark.parametrize("model", ["global-dynamic", "initial-exec"])
def test_a_thread_local_variable(tmp_path: Path, model: str) -> None:
    library = build(tmp_path / "libt.so", "__thread int t;")
    source = f'extern __thread int t __attribute__((tls_model("{model}"))); int main(void) {{ return t; }}'
    program = build(tmp_path / "m", source, "-fPIC", needs=(library,))
    assert agree(program) == []
    build(tmp_path / "libt.so", "int other;")
    assert set(agree(program)) == {"undefined symbol: t\t(m)"}


def test_a_protected_symbol_is_found(tmp_path: Path) -> None:
    source = '__attribute__((visibility("protected"))) int f(void) { return 1; } int g(void) { return f(); }'
    library = build(tmp_path / "libp.so", source)
    assert agree(build(tmp_path / "m", "int f(void); int main(void) { return f(); }", needs=(library,))) == []


def test_symbolic_libraries_find_what_the_program_has(tmp_path: Path) -> None:
    source = "int q(void); int r(void); int f(void) { return q() + r(); }"
    library = build(tmp_path / "libs.so", source, "-Wl,-Bsymbolic")
    source = "int f(void); int q(void) { return 1; } int main(void) { return f(); }"
    assert agree(build(tmp_path / "m", source, "-rdynamic", needs=(library,))) == ["undefined symbol: r\t(libs.so)"]


def test_a_unique_symbol_is_found(tmp_path: Path) -> None:
    source = '__asm__(".type u, @gnu_unique_object\\n.globl u\\n.data\\nu: .long 1\\n.size u, 4\\n.text");'
    library = build(tmp_path / "libu.so", source)
    assert agree(build(tmp_path / "p.so", "extern int u; int *p = &u;", needs=(library,))) == []


@pytest.mark.parametrize("style", ["sysv", "gnu", "both"])
def test_each_kind_of_hash_table(tmp_path: Path, style: str) -> None:
    library = build(tmp_path / "libh.so", "int f(void) { return 1; } int d;", f"-Wl,--hash-style={style}")
    source = "int f(void), q(void); extern int d; int *p = &d; int g(void) { return f() + q(); }"
    plugin = build(tmp_path / "p.so", source, f"-Wl,--hash-style={style}", needs=(library,))
    assert agree(plugin) == ["undefined symbol: q\t(p.so)"]


def test_a_file_without_an_exported_symbol_has_an_empty_hash_table(tmp_path: Path) -> None:
    source = "int q(void); __attribute__((visibility(\"hidden\"))) int f(void) { return q(); }"
    plugin = build(tmp_path / "p.so", source, "-nostdlib")
    assert agree(plugin) == ["undefined symbol: q\t(p.so)"]


def test_where_the_loader_gives_up_the_list_ends_with_its_words_and_status_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    library = versioned(tmp_path, "V1 { global: f; local: *; };", "int f(void) { return 1; }", "-nostdlib")
    program = build(tmp_path / "m", "int f(void); int main(void) { return f(); }", needs=(library,))
    build(tmp_path / "libv.so", "int f(void) { return 1; }", "-nostdlib")
    real = subprocess.run(["ldd", "-r", str(program)], capture_output=True, text=True, check=False)
    assert main(["ldd", "-r", str(program)]) == real.returncode == 1
    end = "check_match: Assertion `version->filename == NULL || ! _dl_name_match_p (version->filename, map)' failed!"
    assert capsys.readouterr().out.endswith(f"{end}\n")
    assert real.stdout.endswith(f"{end}\n")


def test_undefined_symbols_do_not_change_the_exit_status(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plugin = build(tmp_path / "p.so", "int q(void); int f(void) { return q(); }")
    real = subprocess.run(["ldd", "-r", str(plugin)], capture_output=True, text=True, check=False)
    assert main(["ldd", "-r", str(plugin)]) == real.returncode == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"undefined symbol: q\t({plugin})"
    assert main(["ldd", str(plugin)]) == 0
    assert "undefined" not in capsys.readouterr().out


def test_the_words_of_musl(tmp_path: Path) -> None:
    loader = Path("/lib/ld-musl-x86_64.so.1")
    source = "int q(void); extern int d; int *p = &d; int f(void) { return q(); }"
    library = build(tmp_path / "libf.so", source, "-nostdlib", compiler="musl-gcc")
    source = "int f(void); int main(void) { return f(); }"
    program = build(tmp_path / "m", source, needs=(library,), compiler="musl-gcc")
    (tmp_path / "ldd").symlink_to(loader)
    real = subprocess.run([str(tmp_path / "ldd"), str(program)], capture_output=True, text=True, check=False)
    said = ours(program)
    assert [*render_findings(said, str(program))] == real.stderr.splitlines() != []
    assert said.fatal
    assert real.returncode == 127


def test_before_2_30_a_version_had_to_be_in_the_file_of_link_time(tmp_path: Path) -> None:
    library = versioned(tmp_path, "V1 { global: f; g; local: *; };")
    program = build(tmp_path / "m", "int f(void); int main(void) { return f(); }", needs=(library,))
    (tmp_path / "map2").write_text("V1 { global: f; local: *; };")
    other = build(tmp_path / "libw.so", "int f(void) { return 1; }", f"-Wl,--version-script={tmp_path}/map2")
    versioned(tmp_path, "V1 { global: g; local: *; };", "int g(void) { return 1; }", str(other))
    content = {str(path): path.read_bytes() for path in (program, library, other)}
    mapped = Resolver(DirectoryRoot("/")).load_list(RootPath(str(program)))
    content |= {str(item.path): Path(item.path).read_bytes() for item in mapped.objects}
    assert mapped.interpreter is not None
    for words, line in (
        (b"symbol %s version %s not defined in file %s with link time reference", "symbol f version V1 not"),
        (b" not defined in file \0 with link time reference", "symbol f, version V1 not"),
    ):
        root = MemoryRoot(content | {mapped.interpreter.path: content[mapped.interpreter.path] + words})
        said = Binder(root, lazy=False).check(Resolver(root).load_list(RootPath(str(program))))
        assert [item.message for item in said.undefined] == [f"{line} defined in file libv.so with link time reference"]


def test_a_damaged_table_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plugin = build(tmp_path / "p.so", "int q(void); int f(void) { return q(); }")
    content = plugin.read_bytes()
    symtab = dict(parse_elf(content).entries)[6]
    plugin.write_bytes(content.replace(pack("<QQ", 6, symtab), pack("<QQ", 6, 1 << 40)))
    assert main(["ldd", "-r", str(plugin)]) == 1
    said = f"{plugin}: malformed: DT_SYMTAB points to an address that no PT_LOAD maps from the file"
    assert capsys.readouterr().err == f"needed ldd: {said}\n"


def test_json_has_what_is_undefined(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plugin = build(tmp_path / "p.so", "int q(void); int f(void) { return q(); }")
    assert main(["ldd", "-r", "--json", str(plugin)]) == 0
    undefined = json.loads(capsys.readouterr().out)[0]["undefined"]
    assert undefined == [{"symbol": "q", "version": None, "file": None, "object": str(plugin)}]
