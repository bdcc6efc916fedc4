"""Rust: a crate or a workspace by cargo, a single file by rustc.

Static is the *-linux-musl target where its standard library is there. Where it is not, and that of *-linux-gnu is,
with a static glibc (libc.a) beside it, that is linked inside (`-C target-feature=+crt-static`): as static, larger, and
its name service still opens glibc's modules, if there are any where it runs. The profile is the crate's own (opt-level,
lto, panic); ours are the symbols stripped and the paths of this machine mapped away. A crate with a Cargo.lock is
compiled where it is, with `--locked`; cargo would write the lock beside one without, so that is compiled in a copy.
Crates are fetched as cargo has it: `CARGO_NET_OFFLINE=true`, or `-- --offline`, is not to.

Follows the Cargo Book ("Configuration", "Environment Variables") and the rustc book ("Codegen Options", "Targets").
Works with cargo and rustc from 1.63 on.
"""

from __future__ import annotations

import os

from needed.errors import CompileError, ToolchainError
from needed.toolchain.c import choose, flags_of, triple_of, zig_compiler
from needed.toolchain.model import Recipe, Step
from needed.toolchain.projects import script_step
from needed.toolchain.run import run_step
from needed.toolchain.tools import ask, find_tool, is_here, require_tool
from needed.value import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from needed.image.model import Pairs, Platform
    from needed.toolchain.model import Options, Source, Target

# image-spec's architecture and variant to Rust's machine, and its ABI behind "musl" and "gnu".
_MACHINES = {
    "amd64": ("x86_64", ""), "386": ("i686", ""), "arm64": ("aarch64", ""), "arm64/v8": ("aarch64", ""),
    "arm": ("armv7", "eabihf"), "arm/v7": ("armv7", "eabihf"), "arm/v6": ("arm", "eabihf"),
    "arm/v5": ("armv5te", "eabi"), "riscv64": ("riscv64gc", ""), "s390x": ("s390x", ""),
    "ppc64le": ("powerpc64le", ""), "loong64": ("loongarch64", ""), "mips64le": ("mips64el", "abi64"),
}  # fmt: skip
MAX_ANSWER = 16 << 20  # bytes of cargo's description of a workspace that are read
MAX_CONFIG = 1 << 20  # bytes of a cargo configuration that are read
MAX_DEPTH = 64  # folders above a crate where cargo looks for its configuration
EDITION = "2021"  # of a single file: rustc's own default is 2015


@value
class Chosen:
    """A target of Rust's for a Target: `triple`, the code generation `flags` that make it what was asked for, its
    `linker` (empty for rustc's own choice), the steps that make that, and what people should know of it."""

    triple: str
    flags: tuple[str, ...]
    linker: str = ""
    steps: tuple[Step, ...] = ()
    note: str = ""


def plan(source: Source, target: Target, options: Options, work: str) -> Recipe:
    """See `needed.toolchain.Builder`. CompileError also for a manifest that cargo does not understand."""
    if target.platform.os != "linux":
        raise ToolchainError(f"{target.platform}: only programs of linux can be in an image")
    rustc = require_tool("rustc", source.files[0] if source.files else source.folder)
    chosen = _choose(source, target, rustc, work)
    version = " ".join(ask(rustc, "--version", folder=source.folder).split()[:2])
    note = f"; {chosen.note}" if chosen.note else ""
    if not source.files:
        cargo = require_tool("cargo", source.folder)
        release = " ".join(ask(cargo, "--version", folder=source.folder).split()[:2])
        tool = f"{release}, {cargo}, {version}, {chosen.triple}{note}"
        return replace(_crate(source, chosen, options, cargo, work), tool=tool)
    product = os.path.join(work, source.name)
    if len(source.files) > 1:
        raise CompileError("rustc compiles one file, which names its modules", hints=[f"name {source.files[0]} alone"])
    words = (
        rustc, f"--edition={EDITION}", "--target", chosen.triple, "-C", "opt-level=s", "-C", "lto=fat",
        "-C", "codegen-units=1", "-C", "strip=symbols", *_words(chosen, source.folder),
        *(("-C", f"linker={chosen.linker}") if chosen.linker else ()),
        *flags_of("RUSTFLAGS"), "-o", product, os.path.relpath(source.files[0], source.folder), *options.words,
    )  # fmt: skip
    steps = (*chosen.steps, Step(words, (), source.folder))
    return Recipe(f"{version}, {rustc}, {chosen.triple}{note}", steps, product)


def _words(chosen: Chosen, folder: str) -> tuple[str, ...]:
    """The flags of `chosen` for rustc, and what takes this machine's paths out of messages (`panicked at ...`)."""
    home = os.environ.get("CARGO_HOME") or os.path.expanduser("~/.cargo")
    flags = [word for flag in chosen.flags for word in ("-C", flag)]
    return *flags, f"--remap-path-prefix={home}=/cargo", f"--remap-path-prefix={folder}=."


# cargo


def _crate(source: Source, chosen: Chosen, options: Options, cargo: str, work: str) -> Recipe:
    workspace, programs = _programs(source, cargo)
    name = options.program or _only(source, programs)
    if name not in programs:
        raise CompileError(
            f"{source.folder}: this crate makes no program {name}, but {', '.join(programs) or 'a library'}",
            hints=[f"--program {one}" for one in programs[:1]],
        )
    steps = list(chosen.steps)
    which: tuple[str, ...] = ("--locked",)
    if not os.path.isfile(os.path.join(workspace, "Cargo.lock")):
        # It still runs where the crate is: that is where cargo begins to look for its configuration.
        tree = os.path.join(work, "tree")
        manifest = os.path.join(tree, os.path.relpath(source.folder, workspace), "Cargo.toml")
        which = ("--manifest-path", os.path.normpath(manifest))
        steps.append(Step(("cp", "-a", os.path.join(workspace, "."), tree), (), work))
        workspace = tree
    built = os.path.join(work, "target")
    flags = (*_words(chosen, workspace), *flags_of("RUSTFLAGS"))
    variable = f"CARGO_TARGET_{chosen.triple.upper().replace('-', '_')}_LINKER"
    env: Pairs = (
        ("CARGO_TARGET_DIR", built),
        ("CARGO_PROFILE_RELEASE_STRIP", "symbols"),
        *(((variable, chosen.linker),) if chosen.linker else ()),
    )
    settings: tuple[str, ...] = ()
    if os.environ.get("RUSTFLAGS"):
        env += (("RUSTFLAGS", " ".join(flags)),)
    else:
        # RUSTFLAGS would silence the flags in the crate's own configuration; these join them.
        table = f"target.{chosen.triple}" if _has_target_flags(source.folder) else "build"
        settings = ("--config", f"{table}.rustflags={_toml(flags)}")
    words = (
        cargo, "build", "--release", "--target", chosen.triple, "--bin", name, *which, *settings, *options.words
    )  # fmt: skip
    steps.append(Step(words, env, source.folder))
    return Recipe("", tuple(steps), os.path.join(built, chosen.triple, "release", name))


def _programs(source: Source, cargo: str) -> tuple[str, tuple[str, ...]]:
    """The workspace's folder and the programs of the crate (of a workspace's own folder: of its members), as cargo
    reads its manifest. Raises CompileError in cargo's words."""
    from json import loads
    from tempfile import TemporaryFile

    words = (cargo, "metadata", "--no-deps", "--format-version=1", "--offline")
    try:
        with TemporaryFile() as answer:
            run_step(Step(words, (), source.folder), None, answer)
            answer.seek(0)
            found = loads(answer.read(MAX_ANSWER))
    except CompileError as error:
        hints = ["cargo check says the same in its folder"]
        raise CompileError(f"{source.folder}: {error.message}", details=error.details, hints=hints) from None
    except ValueError:
        raise CompileError(f"{source.folder}: cargo describes it in more than {MAX_ANSWER >> 20} MiB") from None
    packages = found["packages"]
    here = [package for package in packages if os.path.dirname(package["manifest_path"]) == source.folder] or packages
    default = [package["default_run"] for package in here if package.get("default_run")]
    names = [one["name"] for package in here for one in package["targets"] if "bin" in one["kind"]]
    return found["workspace_root"], tuple(sorted(names, key=lambda name: (name not in default, name)))


def _only(source: Source, programs: tuple[str, ...]) -> str:
    if len(programs) == 1:
        return programs[0]
    if not programs:
        hint = "a program has a src/main.rs, or a [[bin]]"
        raise CompileError(f"{source.folder}: is a library: no program is in this crate", hints=[hint])
    hints = [f"--program {programs[0]}"]
    raise CompileError(f"{source.folder}: this crate makes several programs: {', '.join(programs)}", hints=hints)


def _has_target_flags(folder: str) -> bool:
    """Whether a configuration that cargo reads for `folder` has rustflags for a target: these win over `[build]`'s, and
    only those of one kind are joined (the Cargo Book, "build.rustflags")."""
    import tomllib

    places = [os.path.join(os.environ.get("CARGO_HOME") or os.path.expanduser("~/.cargo"))]
    for _ in range(MAX_DEPTH):
        places.append(os.path.join(folder, ".cargo"))
        folder = os.path.dirname(folder)
    for path in {os.path.join(place, name) for place in places for name in ("config.toml", "config")}:
        try:
            with open(path, encoding="utf-8") as file:
                targets = tomllib.loads(file.read(MAX_CONFIG)).get("target", {})
        except (OSError, ValueError, RecursionError):
            continue
        if isinstance(targets, dict) and any("rustflags" in one for one in targets.values() if isinstance(one, dict)):
            return True
    return False


def _toml(words: tuple[str, ...]) -> str:
    """An array of strings in TOML, which writes them as JSON does."""
    from json import dumps

    return dumps(list(words))


# the target


def triple_for(platform: Platform, library: str) -> str:
    """Rust's name for a platform with "musl" or "gnu", "aarch64-unknown-linux-musl"; empty if it has none."""
    key = f"{platform.architecture}/{platform.variant}" if platform.variant else platform.architecture
    machine, abi = _MACHINES.get(key, ("", ""))
    return f"{machine}-unknown-linux-{library}{abi}" if machine else ""


def _choose(source: Source, target: Target, rustc: str, work: str) -> Chosen:
    """The target of Rust's that serves. Raises ToolchainError, in rustc's words, with how to get it and what works."""
    musl, gnu = triple_for(target.platform, "musl"), triple_for(target.platform, "gnu")
    if not musl:
        raise ToolchainError(f"rustc has no target for {target.platform}", hints=["rustc --print target-list"])
    static = target.libc == "static"
    feature = f"target-feature={'+' if static else '-'}crt-static"
    if target.libc != "glibc" and _has_library(source, rustc, musl):
        return _with_linker(Chosen(musl, (feature,)), target, work)
    if target.libc == "glibc" and _has_library(source, rustc, gnu):
        return _with_linker(Chosen(gnu, ()), target, work)
    if static and _has_library(source, rustc, gnu) and _has_static_glibc(target):
        note = f"glibc inside, since the standard library for {musl} is not here"
        return _with_linker(Chosen(gnu, (feature,), note=note), replace(target, libc="glibc"), work)
    triple = gnu if target.libc == "glibc" else musl
    what = source.files[0] if source.files else source.folder
    hints = [f"rustup target add {triple}, where rustc comes from rustup; Debian has no package of it"]
    if target.libc != "glibc" and is_here(target.platform) and _has_library(source, rustc, gnu):
        if not static:
            hints.append("works here: --libc glibc, or --libc static, with a glibc inside")
        else:
            hints.append("works here: --libc glibc; and static with libc.a: apt-get install libc6-dev")
    raise ToolchainError(
        f"{what}: the Rust standard library for {triple} is not here",
        details=_own_words(source, rustc, triple, work), hints=hints,
    )  # fmt: skip


def _has_library(source: Source, rustc: str, triple: str) -> bool:
    """Whether the standard library for `triple` is installed, as rustc looks for it: rustup's, which is asked in the
    crate's folder, may be another there (rust-toolchain.toml)."""
    try:
        folder = ask(rustc, "--print", "target-libdir", "--target", triple, folder=source.folder)
        return any(name.startswith("libstd-") for name in os.listdir(folder))
    except (ToolchainError, OSError):
        return False  # a target that this rustc does not know, or whose folder is not there


def _own_words(source: Source, rustc: str, triple: str, work: str) -> tuple[str, ...]:
    """What rustc itself says to a program for `triple`."""
    path = os.path.join(work, "empty.rs")
    with open(path, "w", encoding="utf-8") as file:
        file.write("fn main() {}\n")
    try:
        run_step(Step((rustc, "--target", triple, "--emit=metadata", "--out-dir", work, path), (), source.folder))
    except CompileError as error:
        return tuple(line for line in error.details if line and not line.startswith("error: aborting"))
    return ()


def _has_static_glibc(target: Target) -> bool:
    """Whether the C compiler that would link has a libc.a: it prints the path of one, and the bare name if not."""
    compiler = _gcc_of(target)
    return compiler is not None and os.path.isabs(ask(compiler, "-print-file-name=libc.a"))


def _gcc_of(target: Target) -> str | None:
    if is_here(target.platform):
        return find_tool("gcc") or find_tool("cc")
    return find_tool(f"{triple_of(target.platform)}-gcc")


def _with_linker(chosen: Chosen, target: Target, work: str) -> Chosen:
    """`chosen` with the linker that it needs: rustc's own choice, `cc`, does for this machine; the others by their
    cross compiler, by zig, and for musl, of which Rust brings the objects itself, by the linker that comes with rustc.
    """
    linker = _gcc_of(target)
    if linker is not None and not target.glibc and (target.libc != "musl" or not is_here(target.platform)):
        return chosen if is_here(target.platform) else replace(chosen, linker=linker)
    if target.libc == "static":
        return replace(chosen, linker="rust-lld", flags=(*chosen.flags, "link-self-contained=yes"))
    # Rust's library asks for libgcc_s, which zig brings and musl-gcc would take of glibc's.
    compiler = zig_compiler(target) or choose(target, f"the linker of {chosen.triple}")
    script = os.path.join(work, "linker")
    step = script_step(script, compiler.c, work, compiler.link[:1] if target.libc == "musl" and compiler.apart else ())
    return replace(chosen, linker=script, steps=(step,))


__all__ = ["plan", "triple_for"]
