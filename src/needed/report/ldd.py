"""A load list as `ldd` prints it, as a tree, and as an object."""

from __future__ import annotations

from needed.report.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from needed.closure import LoadList, Need
    from needed.loader.binding import Bindings


def render_ldd(load_list: LoadList) -> Iterator[str]:
    """The lines of `ldd`, in the loader's order, without addresses and without the kernel's vDSO."""
    elf = load_list.program.elf
    if elf.linkage in ("static", "relocatable"):
        yield "\tnot a dynamic executable"
        return
    if load_list.missing_interpreter is not None:
        yield f"\t{load_list.missing_interpreter} => not found"
        return
    if not load_list.needs and elf.interpreter is None:
        yield "\tstatically linked"
        return
    names = {need.path: need.name for need in reversed(load_list.needs)}
    for need in load_list.missing:
        yield f"\t{need.name} => not found"
    for item in load_list.objects[1:]:
        name = names.get(item.path, item.path)
        yield f"\t{item.path}" if item == load_list.interpreter or name == item.path else f"\t{name} => {item.path}"


def render_tree(load_list: LoadList) -> Iterator[str]:
    """The program, and under each object what it asks for; what was shown already is marked and not repeated."""
    yield load_list.path
    needs: dict[str, list[Need]] = {}
    for need in load_list.needs:
        needs.setdefault(need.needed_by, []).append(need)
    shown: set[str] = set()
    stack = [(need, "") for need in reversed(needs.get(load_list.path, []))]
    last = {id(group[-1]) for group in needs.values()}
    while stack:
        need, indent = stack.pop()
        end = id(need) in last
        where = "not found" if need.path is None else need.path
        via = f" [{need.via}]" if need.via not in ("already loaded", "") else ""
        children = needs.get(need.path or "", [])
        again = " (shown above)" if need.path in shown and children else ""
        yield f"{indent}{'└── ' if end else '├── '}{need.name} => {where}{via}{again}"
        if need.path is not None and need.path not in shown:
            shown.add(need.path)
            stack += [(child, indent + ("    " if end else "│   ")) for child in reversed(children)]


def render_explanation(load_list: LoadList, name: str) -> Iterator[str]:
    """Every place searched for `name` (a name that is asked for, or a path that is loaded), in order, with the rule."""
    first: dict[str, str] = {}
    for need in load_list.needs:
        if name in (need.name, need.path):
            yield f"{need.name}, needed by {need.needed_by}:"
            if need.via == "already loaded":
                asked = first.get(need.path or "")
                yield f"  {need.path}: already loaded" + (f", asked for by {asked}" if asked else "")
            for attempt in need.attempts:
                yield f"  {attempt.path}: {attempt.outcome} ({attempt.rule})"
            if need.path is None:
                yield "  not found" + " (optional)" * need.optional
            elif need.attempts and need.attempts[-1].path != need.path:
                yield f"  that file is already loaded as {need.path}"
        if need.path is not None:
            first.setdefault(need.path, need.needed_by)


def render_versions(load_list: LoadList, program: str) -> Iterator[str]:
    """What `ldd` says of versions, before all else; `program` is the name that it was given."""

    def shown(path: str) -> str:
        return printable(program if path == load_list.path else path)

    for item in load_list.version_problems:
        what = f"{'weak ' * (item.kind == 'weak')}version `{printable(item.version)}' not found"
        if item.kind == "unversioned":
            what = "no version information available"
        yield f"{printable(program)}: {shown(item.path)}: {what} (required by {shown(item.needed_by)})"


def render_findings(bindings: Bindings, program: str) -> Iterator[str]:
    """The lines that `ldd -r` has after the libraries; `program` is the name that it was given."""
    for item in bindings.findings:
        path = printable(program if item.object == bindings.program else item.object)
        if bindings.musl:
            yield f"Error relocating {path}: {printable(item.message)}"
        elif item.kind == "undefined":
            yield f"{printable(item.message)}\t({path})"
        else:
            yield f"{printable(program)}: {printable(item.message)}" if item.kind == "resized" else item.message


def ldd_object(load_list: LoadList, bindings: Bindings | None = None) -> dict[str, object]:
    """The load list for `--json`: objects in load order, needs with every place searched; with `bindings` the undefined
    symbols, each as often as a look-up fails."""
    described = _described(load_list)
    if bindings is not None:
        described["undefined"] = [
            {"symbol": item.symbol, "version": item.version, "file": item.file, "object": item.object}
            for item in bindings.undefined
        ]
    return described


def _described(load_list: LoadList) -> dict[str, object]:
    return {
        "program": load_list.path,
        "machine": load_list.machine.name,
        "linkage": load_list.program.elf.linkage,
        "interpreter": load_list.program.elf.interpreter,
        "interpreter_found": load_list.interpreter.path if load_list.interpreter else None,
        "objects": [{"path": item.path, "file": item.found.path} for item in load_list.objects],
        "needs": [
            {
                "name": need.name,
                "needed_by": need.needed_by,
                "path": need.path,
                "via": need.via,
                "searched": [{"path": a.path, "rule": a.rule, "outcome": a.outcome} for a in need.attempts],
            }
            for need in load_list.needs
        ],
        "missing": [need.name for need in load_list.missing],
        "audit": list(load_list.audit),
        "version_problems": [
            {"version": item.version, "path": item.path, "needed_by": item.needed_by, "kind": item.kind}
            for item in load_list.version_problems
        ],
    }
