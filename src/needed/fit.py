"""From a minimal image to one that passes its checks: run it, see what it asked for in vain, add that, run it again.

A round is a Plan, its checks in a sandbox, and the same commands traced in the image's own tree. What they looked for
in vain and the source root has is a reason to ship it: a program with its closure, a library that the root's own
resolver finds, a file, a folder. A program that lists a folder does not ask for what is not there, so of a folder that
the image holds only in part the files are taken that the same command uses on the source root. Rounds end when nothing
more is found, or after MAX_ROUNDS. `shrink` then takes away what no run asked for, and keeps what passes without it.

It decides nothing about loading and reads no ELF file to the end: plans do. Writes nothing, prints nothing.
"""

from __future__ import annotations

import os

from needed.closure import Reason
from needed.errors import NeededError, ReadError, SandboxError
from needed.loader import Resolver
from needed.loader.settings import DEFAULTS
from needed.proof import RootfsRoot
from needed.root import DirectoryRoot, RootPath, Walker, read_head
from needed.rootfs import Directory, File, HardLink, Rootfs, Symlink
from needed.rules.choices import EVERY
from needed.rules.finding import ROOT_OWNER, Traced
from needed.value import replace, value
from needed.verify.bundle import Bundle
from needed.verify.command import Limits
from needed.verify.host_tree import host_tree, mount_point
from needed.verify.judge import NOT_VERIFIED, VERIFIED, Subject, command_of_check, verify
from needed.verify.probes import Probing
from needed.verify.secrets import what_secret
from needed.verify.trace import KINDS, merge_traces, traced_paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from needed.image.model import ImageConfig
    from needed.loader import Settings
    from needed.pipeline import Plan
    from needed.root import Found, Root
    from needed.rules.choices import Choices
    from needed.verify.checks import Check
    from needed.verify.command import Command
    from needed.verify.judge import Sandbox, Verdict
    from needed.verify.trace import Trace, Tracer

MAX_ROUNDS = 8
PIECE = 1 << 20
MAX_TRIALS = 40  # of `shrink` unless it is told otherwise, each a plan and a run of all checks
TRACED = 1.0  # seconds in which a traced service may still answer otherwise: it was judged elsewhere
MAX_TAKEN = 20_000  # paths, of all rounds
# What a sandbox and an engine have of their own, or what is of one machine or one run.
NOT_OF_IMAGES = ("/proc", "/sys", "/dev", "/tmp", "/var/tmp", "/run", "/var/run",  # noqa: S108  (no file is made)
                 "/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/etc/mtab", "/etc/machine-id",
                 "/etc/localtime", "/etc/ld.so.cache", "/etc/ld.so.preload")  # fmt: skip
# What this machine has of its own, and a rule makes for an image: asked for in vain, the rule is asked. Where the
# checks fail with what it made, the machine's file is taken.
MADE = {"/etc/passwd": "users", "/etc/group": "users", "/etc/nsswitch.conf": "name-service"}
PASSING = ("/tmp", "/var/tmp", "/run", "/var/run")  # noqa: S108  (of the image)
WRITTEN = "/var/"  # where programs make files: in a folder that must be there
LOGS = ("/var/log/", "/var/cache/", "/var/spool/")  # what a program wrote here once, no other run needs
FOUND = tuple(kind for kind in KINDS if kind != "missed")


@value
class Ground:
    """What the rounds stand on. `make` gives the Plan of Choices (raising as `pipeline.plan`), `configure` the config
    of that; `tracer` makes a Tracer that knows the tree of a Root; `folder` is where trees wait, `home` hidden from
    programs, `shown` what is not; `allowed` are paths of secrets that may ship."""

    source: Root
    make: Callable[[Choices], Plan]
    configure: Callable[[Plan], ImageConfig]
    checks: tuple[Check, ...]
    sandbox: Sandbox
    tracer: Callable[[Root], Tracer]
    folder: str
    settings: Settings = DEFAULTS
    home: str = ""
    shown: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()


@value
class Round:
    """One image: its `size` in bytes, what its checks came to, how many paths were `asked` for in vain, and what of
    these the next one takes, with the `rules` that are asked for the rest."""

    number: int
    size: int
    verdict: Verdict
    asked: int
    taken: tuple[Traced, ...]
    rules: tuple[str, ...] = ()


@value
class Fitted:
    """The last image that passed, else the last; `trace` is of its own runs. `withheld` are secrets that were asked
    for, `refused` what could not be taken, each with the reason; `without` what `shrink` took away, as (what,
    bytes)."""

    plan: Plan
    choices: Choices
    verdict: Verdict
    trace: Trace
    rounds: tuple[Round, ...]
    withheld: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    without: tuple[tuple[str, int], ...] = ()

    @property
    def passes(self) -> bool:
        return self.verdict.answer == VERIFIED


def fit(ground: Ground, choices: Choices, tell: Callable[[Round], None] = lambda _: None) -> Fitted:
    """Rounds from the image of `choices` on; `tell` is called after each.

    Raises SandboxError where nothing here can run or trace it, and what the first plan raises.
    """
    planned = ground.make(choices)
    finder = _Finder(ground)
    rounds: list[Round] = []
    best: Fitted | None = None
    for number in range(1, MAX_ROUNDS + 1):
        verdict = _judge(ground, planned)
        trace = _trace(ground, planned)
        if verdict.runs and not trace.executed:  # the machine's limits, of processes say: it says nothing of the image
            raise SandboxError(f"{NOT_VERIFIED}: the program could not be started to be traced",
                               details=trace.untraced, hints=["try again when the machine has less to do"])  # fmt: skip
        new, rules = finder.wanted(planned, trace, choices, number) if number < MAX_ROUNDS else ((), ())
        if not new and not rules and verdict.answer != VERIFIED:
            choices, new = finder.in_place_of_made(trace, choices, number)
        rounds.append(Round(number, planned.rootfs.size, verdict, len(trace.missed), new, rules))
        tell(rounds[-1])
        if best is None or not best.passes or verdict.answer == VERIFIED:
            best = Fitted(planned, choices, verdict, trace, ())
        if not new and not rules:
            break
        choices = replace(choices, values=(*choices.values, *((rule, "") for rule in rules)))
        choices, planned = finder.grow(choices, new, planned)
    assert best is not None
    secrets = tuple(f"{path}: {what}" for path, what in finder.secrets.items())
    refused = tuple(f"{path}: {why}" for path, why in finder.refused.items())
    return replace(best, rounds=tuple(rounds), withheld=secrets, refused=refused)


def _judge(ground: Ground, planned: Plan) -> Verdict:
    """Raises SandboxError where nothing can run it."""
    subject = Subject(RootfsRoot(planned.rootfs), ground.configure(planned), ground.source)
    verdict = verify(subject, ground.checks, ground.sandbox)
    if verdict.answer == NOT_VERIFIED:
        raise SandboxError(f"{NOT_VERIFIED}: {verdict.why}", details=verdict.details, hints=verdict.hints)
    return verdict


def _commands(ground: Ground, planned: Plan, root: Root) -> Iterator[tuple[Check, Command]]:
    config = ground.configure(planned)
    for check in ground.checks:
        yield check, command_of_check(check, config, root)


def _trace(ground: Ground, planned: Plan) -> Trace:
    """What all checks together ask the image's own tree for."""
    root = RootfsRoot(planned.rootfs)
    tracer = ground.tracer(root)
    found: list[Trace] = []
    for check, command in _commands(ground, planned, root):
        probe = Probing(check, TRACED) if check.serves else None
        with Bundle(root, command.user, ground.folder) as bundle:
            found.append(tracer.trace(bundle.tree(), command, Limits(check.seconds), probe, quiet=True))
    return merge_traces(found)


def _trace_source(ground: Ground, planned: Plan, folders: Iterable[str]) -> Trace:
    """What they ask for on the source root, which is shown read-only, `folders` wherever they are."""
    root = RootfsRoot(planned.rootfs)
    tracer = ground.tracer(ground.source)
    found: list[Trace] = []
    for check, command in _commands(ground, planned, root):
        probe = Probing(check, TRACED) if check.serves else None
        limits = Limits(check.seconds)
        if not isinstance(ground.source, DirectoryRoot):
            with Bundle(ground.source, command.user, ground.folder) as bundle:
                found.append(tracer.trace(bundle.tree(), command, limits, probe, quiet=True))
            continue
        there = Walker(ground.source).find(command.directory)
        here = command.directory if there is not None and there.entry.kind == "directory" else "/"
        point = mount_point(ground.folder)
        try:
            wanted = (here, *ground.shown, *planned.requested, *_closure_paths(planned), *folders)
            tree = host_tree(ground.source, point, ground.home, wanted)
            found.append(tracer.trace(tree, replace(command, directory=here), limits, probe, quiet=True))
        finally:
            os.rmdir(point)
    return merge_traces(found)


def _closure_paths(planned: Plan) -> Iterator[str]:
    """Programs, interpreters and libraries, by the names that they are asked for: some may be in a home."""
    yield from (item.path for item in planned.closure.objects)
    yield from (script.interpreter for script in planned.closure.scripts)


class _Finder:
    """Knows the source root, and of a Trace what of it the next image should have."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.walker = Walker(ground.source)
        self.secrets: dict[str, str] = {}
        self.refused: dict[str, str] = {}
        self._on_source: Trace | None = None
        self._listed: set[str] = set()  # folders that it was made with
        self._resolver = Resolver(ground.source, ground.settings)
        self._known: set[str] = set()  # programs that the resolver was asked about

    def wanted(
        self, planned: Plan, trace: Trace, choices: Choices, number: int
    ) -> tuple[tuple[Traced, ...], tuple[str, ...]]:
        """What `trace`, of the image `planned`, was refused and the source root has, and `choices` do not take yet;
        and the rules that make what this machine has of its own."""
        inside = Walker(RootfsRoot(planned.rootfs))
        found = [*self._in_vain(trace, inside, number), *self._unlisted(planned, trace, inside, number)]
        taken = {(one.path, one.how) for one in choices.traced}
        new: dict[tuple[str, str], Traced] = {}
        for one in found:
            key = (one.path, one.how)
            if key not in taken and one.path not in self.refused and len(taken) + len(new) < MAX_TAKEN:
                new.setdefault(key, one)
        rules = dict.fromkeys(MADE[path] for path in trace.missed if path in MADE and self._find(path))
        off = (rule for rule in rules if choices.is_off(rule) and rule not in choices.off)
        return tuple(new.values()), tuple(off)

    def in_place_of_made(self, trace: Trace, choices: Choices, number: int) -> tuple[Choices, tuple[Traced, ...]]:
        """The machine's own files in place of those that rules made and a program read."""
        read = [path for path in trace.opened if path in MADE and self._find(path)]
        read = [path for path in MADE if any(MADE[path] == MADE[other] for other in read)]
        known = {one.path for one in choices.traced}
        new = tuple(
            Traced(path, "opened", (), f"fit, round {number}: what was made in its place does not do")
            for path in read
            if path not in known and self._find(path)
        )
        rules = {MADE[one.path] for one in new}
        values = tuple(one for one in choices.values if one[0] not in rules)
        return replace(choices, values=values, off=choices.off | rules), new

    def grow(self, choices: Choices, new: tuple[Traced, ...], planned: Plan) -> tuple[Choices, Plan]:
        """With `new`; where no plan can hold all of it, with what each by itself can be taken of."""
        grown = replace(choices, traced=(*choices.traced, *new))
        try:
            return grown, self.ground.make(grown)
        except NeededError as error:
            if not new:
                raise
            if len(new) == 1:
                self.refused[new[0].path] = error.message
                return choices, planned
        half = len(new) // 2
        choices, planned = self.grow(choices, new[:half], planned)
        return self.grow(choices, new[half:], planned)

    def _in_vain(self, trace: Trace, inside: Walker, number: int) -> Iterator[Traced]:
        reason = f"fit, round {number}: asked for in vain"
        kinds = ("executed", "loaded", "opened")
        later = {path.rpartition("/")[2] for kind in kinds for path in getattr(trace, kind)}
        searched = {path.rpartition("/")[0] for path in trace.missed if ".so" in path.rpartition("/")[2]}
        seen: set[str] = set()
        for path, by in trace.missed.items():
            name = path.rpartition("/")[2]
            if ".so" in name and name not in seen | later and self._resolves(name, by):
                seen.add(name)
                yield Traced(name, "loaded", by, reason)
            folder = self._folder_to_write(path)
            there = self._find(folder or path)
            if folder and there is not None and there.entry.kind == "directory":
                if inside.find(folder) is None:
                    yield Traced(folder, "written", by, reason)
                continue
            # The loader looks whether a folder is there that it searched.
            if name in seen or path in searched or path in MADE or there is None or not self._may_ship(path):
                continue
            how = self._how(there)
            if how == "executed":
                # A shell asks every folder of PATH: the first that has it is the one that counts.
                if there.path in seen:
                    continue
                seen.add(there.path)
                if copied := self._copied(there, trace.executed):
                    yield Traced(path, "same", (copied,), reason)
                    continue
            yield Traced(path, how, by, reason)

    def _unlisted(self, planned: Plan, trace: Trace, inside: Walker, number: int) -> Iterator[Traced]:
        """What the same commands use on the source root of folders that they list, and that the image has in part."""
        partial = [path for path in trace.listed if path != "/" and self._lacks_names(path, inside)]
        if not partial:
            return
        if self._on_source is None or not self._listed.issuperset(partial):
            self._listed.update(partial)  # some may be in a home, where an interpreter of a user is
            self._on_source = _trace_source(self.ground, planned, sorted(self._listed))
        reason = f"fit, round {number}: used on the source root, in a folder that was listed"
        for kind in FOUND:
            for path, by in getattr(self._on_source, kind).items():
                below = any(path.startswith(f"{folder}/") for folder in partial)
                if below and inside.find(path) is None and self._find(path) and self._may_ship(path):
                    yield Traced(path, kind, by, reason)

    def _folder_to_write(self, path: str) -> str:
        """The folder in which a program would have made `path`; "" if it looked for something that is there."""
        if path in PASSING:
            return path
        found = self._find(path) if path.startswith(WRITTEN) else None
        made = path.startswith(WRITTEN) and (found is None or (path.startswith(LOGS) and found.entry.kind == "file"))
        folder = path.rpartition("/")[0]
        return folder if made and f"{folder}/" != WRITTEN else ""

    def _lacks_names(self, path: str, inside: Walker) -> bool:
        there, here = self._find(path), inside.find(path)
        if there is None or here is None or there.entry.kind != "directory" or not self._is_of_images(path):
            return False
        return not {*self.ground.source.names(there.path)} <= {*inside.root.names(here.path)}

    def _find(self, path: str) -> Found | None:
        try:
            return self.walker.find(path)
        except ReadError:
            return None

    def _is_of_images(self, path: str) -> bool:
        return not any(path == one or path.startswith(f"{one}/") for one in NOT_OF_IMAGES)

    def _may_ship(self, path: str) -> bool:
        """Whether `path` is neither of this machine nor a secret."""
        if not self._is_of_images(path):
            return False
        what = "" if path in self.ground.allowed else what_secret(self.ground.source, self.walker, path)
        if what:
            self.secrets[path] = what
        return not what

    def _how(self, there: Found) -> str:
        if there.entry.kind == "directory":
            return "listed"
        try:
            head = read_head(self.ground.source, there.path, 4) if there.entry.kind == "file" else b""
        except ReadError:
            head = b""
        if head == b"\x7fELF" and ".so" in there.path.rpartition("/")[2]:
            return "loaded"
        runs = there.entry.mode & 0o111 and (head == b"\x7fELF" or head[:2] == b"#!")
        return "executed" if runs else "opened"

    def _copied(self, there: Found, programs: Iterable[str]) -> str:
        """Which of `programs` the file is a copy of, "" of none: git has itself once more among its helpers."""
        for program in programs:
            other = self._find(program)
            if other is not None and other.path != there.path and _is_same(self.ground.source, there, other):
                return other.path
        return ""

    def _resolves(self, name: str, programs: tuple[str, ...]) -> bool:
        """Whether the loader, in the source root, finds the library `name` for one of `programs`."""
        for program in programs:
            try:
                if program not in self._known:
                    self._resolver.load_list(RootPath(program))
                    self._known.add(program)
                opened = self._resolver.open(program, program, name, Reason("traced"))
            except NeededError:
                continue
            if opened is not None and not opened.lacks:
                return True
        return False


def _is_same(root: Root, one: Found, other: Found) -> bool:
    """Whether two files have the same bytes."""
    if one.entry.size != other.entry.size or other.entry.kind != "file":
        return False
    first, second = root.open(one.path), root.open(other.path)
    try:
        offset = 0
        while piece := first.read_at(offset, PIECE):
            if second.read_at(offset, len(piece)) != piece:
                return False
            offset += len(piece)
        return True
    finally:
        first.close()
        second.close()


@value
class _Trial:
    """An image with less: what is taken away, the bytes that this is at least, and how to plan it."""

    what: str
    size: int
    choices: Choices
    removed: frozenset[str]


def shrink(
    ground: Ground,
    fitted: Fitted,
    tell: Callable[[str, int], None] = lambda _what, _size: None,
    trials: int = MAX_TRIALS,
) -> Fitted:
    """`fitted`, which passes, with less: of rules no more than what its runs used, then one group at a time, the
    largest first: what a run led to, a rule, files of one reason, of which no run asked for any; at last what a run
    asked for and found, a folder at a time. What the checks pass without is kept away, and `tell` is called with it and
    its bytes. No more than `trials` images are tried.

    What was asked for by name, and the closures of that, stay. Raises SandboxError.
    """
    asked = _asked(fitted)
    removed: frozenset[str] = frozenset()
    tried: set[str] = set()
    for _ in range(trials):
        known = [*_without_rules(fitted, removed),
                  *sorted(_trials(fitted, asked, removed), key=lambda one: (-one.size, one.what)),
                  *sorted(_by_folder(fitted, removed), key=lambda one: (-one.size, one.what))]  # fmt: skip
        trial = next((one for one in known if one.what not in tried), None)
        if trial is None:
            break
        tried.add(trial.what)
        try:
            whole = ground.make(trial.choices) if trial.choices != fitted.choices else fitted.plan
            planned = _without(whole, trial.removed)
            verdict = _judge(ground, planned)
        except SandboxError:
            raise
        except NeededError:
            continue  # there is no image without it
        saved = fitted.plan.rootfs.size - planned.rootfs.size
        if verdict.answer == VERIFIED and saved > 0:
            removed = trial.removed
            without = (*fitted.without, (trial.what, saved))
            fitted = replace(fitted, plan=planned, choices=trial.choices, verdict=verdict, without=without)
            tell(trial.what, saved)
    return fitted


def _asked(fitted: Fitted) -> frozenset[str]:
    """The canonical paths, in the image, of all that was asked for and found."""
    inside = Walker(RootfsRoot(fitted.plan.rootfs))
    paths = (path for kind in FOUND for path in getattr(fitted.trace, kind))
    return frozenset(found.path for path in paths if (found := inside.find(path)))


def _without_rules(fitted: Fitted, removed: frozenset[str]) -> Iterator[_Trial]:
    """In place of the rules that nobody asked for by name, what the runs used of them."""
    choices = fitted.choices
    if EVERY in choices.off:
        return
    used = tuple(replace(one, command="fit: used by its runs") for one in traced_paths(fitted.trace))
    less = replace(choices, off=choices.off | {EVERY}, traced=(*choices.traced, *used, *_empty_folders(fitted.plan)))
    yield _Trial("rules that no run needed", fitted.plan.rootfs.size, less, removed)


def _empty_folders(planned: Plan) -> Iterator[Traced]:
    """The folders that are there to be written to: what a run made in them is in no trace, and they cost nothing."""
    rootfs = planned.rootfs
    full = {path.rpartition("/")[0] for path in rootfs.entries}
    for path, entry in rootfs.entries.items():
        if isinstance(entry, Directory) and path not in full:
            how = "listed" if entry.owner == ROOT_OWNER else "written"
            yield Traced(path, how, (), "fit: a folder for its runs")


def _by_folder(fitted: Fitted, removed: frozenset[str]) -> Iterator[_Trial]:
    """What runs led to, by the folder that it is in."""
    choices, inside = fitted.choices, Walker(RootfsRoot(fitted.plan.rootfs))
    by_folder: dict[str, list[Traced]] = {}
    for one in choices.traced:
        by_folder.setdefault(one.path.rpartition("/")[0] or one.path, []).append(one)
    for folder, group in by_folder.items():
        found = [there for one in group if (there := inside.find(one.path) if "/" in one.path else None)]
        rest = tuple(one for one in choices.traced if one not in group)
        size = sum(one.entry.size for one in found)
        yield _Trial(f"traced in {folder}", size, replace(choices, traced=rest), removed)


def _trials(fitted: Fitted, asked: frozenset[str], removed: frozenset[str]) -> Iterator[_Trial]:
    planned, choices = fitted.plan, fitted.choices
    rootfs = planned.rootfs
    inside = Walker(RootfsRoot(rootfs))
    names = {path.rpartition("/")[2] for path in asked}
    for one in choices.traced:
        found = inside.find(one.path) if "/" in one.path else None
        if one.path in names or found is None or found.path in asked:
            continue
        rest = replace(choices, traced=tuple(other for other in choices.traced if other.path != one.path))
        yield _Trial(one.path, found.entry.size, rest, removed)
    resolved = {item.found.path for item in planned.closure.objects}
    resolved |= {script.found.path for script in planned.closure.scripts}
    resolved |= {item.interpreter.found.path for item in planned.closure.programs if item.interpreter}
    linked = {entry.target for entry in rootfs.entries.values() if isinstance(entry, HardLink)}
    by_rule: dict[str, list[str]] = {}
    by_reason: dict[str, list[str]] = {}
    for path, entry in rootfs.entries.items():
        reasons = rootfs.reasons.get(path, ())
        if not isinstance(entry, File) or not reasons:
            continue
        for rule in {reason.rule for reason in reasons if reason.rule}:
            by_rule.setdefault(rule, []).append(path)
        taken = all(reason.kind in ("rule", "traced") for reason in reasons)
        if taken and path not in resolved | linked | asked:
            by_reason.setdefault(str(reasons[0]), []).append(path)

    def size(paths: list[str]) -> int:
        return sum(entry.size for path in paths if isinstance(entry := rootfs.entries[path], File))

    for rule, paths in by_rule.items():
        if choices.value(rule) is None and not asked & {*paths}:
            yield _Trial(f"rule {rule}", size(paths), replace(choices, off=choices.off | {rule}), removed)
    for reason, paths in by_reason.items():
        yield _Trial(f"{len(paths)} files: {reason}", size(paths), choices, removed | {*paths})


def _without(planned: Plan, paths: frozenset[str]) -> Plan:
    """`planned` without the files at `paths`, and without the links that led to them alone."""
    if not paths:
        return planned
    before = Walker(RootfsRoot(planned.rootfs))
    kept = {path: entry for path, entry in planned.rootfs.entries.items() if path not in paths}
    for path, entry in planned.rootfs.entries.items():
        if isinstance(entry, Symlink) and (found := before.find(path)) and found.path in paths:
            del kept[path]
    reasons = {path: why for path, why in planned.rootfs.reasons.items() if path in kept}
    return replace(planned, rootfs=Rootfs(kept, reasons))
