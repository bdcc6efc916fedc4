"""The rules asked over and over, until the closure and what they add to it do not grow any more.

What a rule finds may call another: a plugin has libraries, a library asks for names, a script calls programs. Each
round resolves what is new and shows it to the rules that it calls; a rule is asked once for each piece of evidence. The
rules decide (`rules`), the loader resolves (`loader`); here is only who is asked when.
"""

from __future__ import annotations

from needed.closure import Closure, Reason
from needed.elf.golang import parse_go_program
from needed.errors import NeededError, SourceError
from needed.gather.packages import KIND, find_in_image, find_package, leading_program, select_package
from needed.gather.processes import Processes
from needed.rules.finding import Evidence, Execute, Link, Load, Make, Settled, Take, Tell
from needed.rules.table import TABLE, Rule
from needed.rules.view import View
from needed.startable import check_programs, check_startable, check_whole
from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from needed.closure import LoadedObject, LoadList, Opened, Script
    from needed.loader import Resolver
    from needed.rules.choices import Choices
    from needed.rules.finding import Finding

PACKAGE = Rule(KIND)  # what was asked for by a package's name, told and counted as a rule's
TRACED = Rule("traced")  # what a program asked for that was run
NOTHING: Mapping[str, str] = {}
MAX_ROUNDS = 30
# What belongs to glibc and musl: what these import of each other says nothing about what a program asks for.
LIBC = (
    "libc.so.", "ld-linux", "ld64.so", "ld.so.1", "libpthread.so.", "libdl.so.", "librt.so.", "libm.so.", "libutil.so.",
    "libresolv.so.", "libnsl.so.1", "libanl.so.", "libnss_", "libc.musl-", "ld-musl-", "libmvec.so.",
    "libthread_db.so.",
)  # fmt: skip


# What the abilities of Go programs are called in a reason.
ABILITIES = {
    "resolver": "package net",
    "certificates": "crypto/x509",
    "zones": "time.LoadLocation",
    "users": "os/user",
    "exec": "os/exec",
    "plugin": "package plugin",
}


@value
class Applied:
    """A rule that was asked, for what, and what it told; one without evidence was not asked."""

    rule: str
    evidence: tuple[Evidence, ...]
    told: tuple[Tell, ...] = ()


@value
class Gathered:
    """`closure` with all that rules opened and executed; `placed` what else must ship. `requests` and `opens` are what
    led to the closure, so that another resolver can be asked the same. `settled`: of what path a rule knows all that it
    opens, and which. `leading` are the programs that were named, or that lead the packages if only these were."""

    closure: Closure
    placed: tuple[Take | Make | Link, ...] = ()
    applied: tuple[Applied, ...] = ()
    requests: tuple[tuple[str, Reason], ...] = ()
    opens: tuple[Load, ...] = ()
    settled: Mapping[str, str] = NOTHING
    leading: tuple[str, ...] = ()


def gather(
    resolver: Resolver, programs: Iterable[str], choices: Choices, known: Callable[[Closure], None] | None = None
) -> Gathered:
    """What `programs` need, with all that the rules know of. `known` is told what they load as soon as that is known,
    before any rule is asked. Raises what resolving `programs` raises."""
    gathering = _Gathering(resolver, tuple(programs), choices)
    if known:
        known(gathering.closure)
    return gathering.run()


def replay(resolver: Resolver, gathered: Gathered) -> Closure:
    """The closure of the same programs and plugins as another resolver of the root has it."""
    closure = resolver.resolve_for(gathered.requests)
    processes = Processes(closure)
    found: list[Opened] = []
    for load in gathered.opens:  # one by one, since what was opened opens others
        by = processes.variant(load.by)
        for program in processes.having(by):
            opened = resolver.open(program, by, load.name, load.reason)
            if opened is not None and not opened.lacks:  # else the loader is left to find what the other one found
                found.append(opened)
                processes.add(program, opened.added.objects)
    return Closure(closure.programs, closure.scripts, tuple(found))


def is_libc(path: str) -> bool:
    """Whether the object is a part of the C library."""
    return path.rpartition("/")[2].startswith(LIBC)


class _Gathering:
    def __init__(self, resolver: Resolver, programs: tuple[str, ...], choices: Choices) -> None:
        self.resolver, self.choices = resolver, choices
        commands = (name for name in choices.along if not is_library(name))
        self.packages = {name: select_package(resolver.walker, name) for name in choices.packages}
        leaders = (leading_program(name, selection) for name, selection in self.packages.items())
        self.leading = programs or tuple(filter(None, leaders))
        self.requests: dict[str, Reason] = dict.fromkeys((*self.leading, *commands), Reason("requested"))
        self.opens: dict[Load, Rule] = {}
        self.opened: set[Load] = set()  # those of `opens` that a process could load
        self.opened_in: dict[tuple[str, Load], None] = {}
        self.opened_paths: set[tuple[str, str]] = set()
        self.placed: dict[Take | Make | Link, None] = {}
        self.evidence: dict[str, dict[Evidence, None]] = {}
        self.told: dict[str, dict[Tell, None]] = {}
        self.settled: dict[str, str] = {}
        self.looked_at: set[str] = set()
        self.own = {one.row.name: one for one in choices.own}
        self.rules = [rule for rule in (*TABLE, *(one.row for one in choices.own)) if not choices.is_off(rule.name)]
        self.by_import: dict[str, list[Rule]] = {}
        for rule in self.rules:
            for symbol in rule.imports:
                self.by_import.setdefault(symbol, []).append(rule)
        self.closure = resolver.resolve_for(self.requests.items())
        self.processes = Processes(self.closure)
        self.view = View(resolver.walker, choices, self.closure, self.opens_something)

    def run(self) -> Gathered:
        for name in filter(is_library, self.choices.along):
            self.take_along(name)
        for name, selection in self.packages.items():
            self.take_in([(PACKAGE, list(find_package(self.view, name, selection)))])
            self.evidence.setdefault(PACKAGE.name, {})[Evidence(name)] = None
        if self.choices.traced:
            self.take_traced()
        self.ask_all()
        for rule, named in ((PACKAGE, self.choices.whole), (TRACED, self.choices.commands)):
            if named:
                reason = Reason(rule.name, ", ".join(named))
                self.take_in([(rule, list(find_in_image(self.view, reason, self.known())))])
                self.ask_all()
        self.tell_unasked()
        applied = (
            Applied(rule.name, tuple(self.evidence.get(rule.name, ())), tuple(self.told.get(rule.name, ())))
            for rule in (PACKAGE, TRACED, *self.rules)
            if rule.name in self.evidence or rule.name in self.told
        )
        return Gathered(
            self.closure,
            tuple(self.placed),
            tuple(applied),
            tuple(self.requests.items()),
            tuple(load for load in self.opens if load in self.opened),
            self.settled,
            self.leading,
        )

    def ask_all(self) -> None:
        """Round by round, until nothing grows."""
        for _ in range(MAX_ROUNDS):
            called = self.new_evidence()
            found = [(rule, list(self.ask(rule, evidence))) for rule, evidence in called if not rule.last]
            grew = self.take_in(found)
            for load in [*self.opens]:
                grew |= self.open_in_all(load)
            if not grew:
                break
        for rule, evidence in self.new_evidence():
            message = f"{evidence[0].path} is left as it is: what leads to it is more than {MAX_ROUNDS} steps long"
            self.tell(rule, Tell(message, "--with NAMES takes along what it starts"))
        for rule in self.rules:
            if rule.last and (asked := self.evidence.get(rule.name)):
                self.take_in([(rule, list(self.ask(rule, tuple(asked))))])

    def tell_unasked(self) -> None:
        """What was said to a rule that nothing calls changes nothing, which is not what was meant."""
        for rule in self.rules:
            said = self.choices.value(rule.name)
            if said and rule.name not in self.evidence:
                message = f"--rule {rule.name}={said} changes nothing: no program here calls the rule"
                self.tell(rule, Tell(message, f"needed rules {rule.name} says what calls it"))

    def known(self) -> set[str]:
        """Where all stands that is asked for so far."""
        paths = {item.found.path for item in self.closure.objects} | {item.found.path for item in self.closure.scripts}
        return paths | {self.view.canonical(item.path) or item.path for item in self.placed}

    def take_traced(self) -> None:
        """What programs that were traced asked for: first what they executed, in whose processes the rest is."""
        from needed.gather.traced import find_traced

        traced = self.choices.traced
        self.evidence[TRACED.name] = dict.fromkeys(Evidence(one.command) for one in traced)
        for executed in (True, False):
            chosen = [one for one in traced if (one.how == "executed") is executed]
            self.take_in([(TRACED, list(find_traced(self.view, chosen)))])

    def opens_something(self, by: str, name: str) -> bool:
        """Whether dlopen(3) of `name` by the object at `by` would succeed."""
        found = (self.resolver.open(one, by, name, Reason("rule")) for one in self.processes.having(by))
        return any(opened is not None and not opened.lacks for opened in found)

    def take_along(self, name: str) -> None:
        """A library or plugin that the user names. Raises SourceError where no program would find it."""
        for program in self.closure.programs:
            load = Load(name, program.path, Reason("requested"))
            if self.load(PACKAGE, load) or load in self.opened:
                self.told.pop(PACKAGE.name, None)  # that another program could not load it
                return
        raise SourceError(
            f"{name}: no program of the image could load it",
            details=[tell.message for tell in self.told.get(PACKAGE.name, ())],
            hints=["name it with its path", f"for a file that nothing loads use --add {name}"],
        )

    def ask(self, rule: Rule, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
        if rule.name in self.own:
            return self.own[rule.name].find(self.view, evidence)
        # What `importlib.import_module` does, whose own import costs more than most rules.
        module = __import__(rule.module, fromlist=["find"])
        find: Callable[[View, tuple[Evidence, ...]], Iterator[Finding]] = module.find
        return find(self.view, evidence)

    def new_evidence(self) -> list[tuple[Rule, tuple[Evidence, ...]]]:
        """What the closure holds that no rule was asked about yet, by rule, in the table's order."""
        new: dict[str, list[Evidence]] = {}
        for rule, evidence in self.evidence_of_objects():
            if evidence not in self.evidence.setdefault(rule.name, {}):
                self.evidence[rule.name][evidence] = None
                new.setdefault(rule.name, []).append(evidence)
        return [(rule, tuple(new[rule.name])) for rule in self.rules if rule.name in new]

    def evidence_of_objects(self) -> Iterator[tuple[Rule, Evidence]]:
        for program in self.closure.programs:
            if self.is_new(program.path):
                yield from self.of_program(program.path, program.program.found.path)
                yield from self.of_go(program)
        for script in self.closure.scripts:
            if self.is_new(script.path):
                yield from self.of_program(script.path, script.found.path)
                yield from self.of_script(script)
        for item in self.closure.objects:
            if self.is_new(f"object {item.found.path}") and not is_libc(item.path):
                yield from self.of_object(item)

    def is_new(self, key: str) -> bool:
        if key in self.looked_at:
            return False
        self.looked_at.add(key)
        return True

    def of_object(self, item: LoadedObject) -> Iterator[tuple[Rule, Evidence]]:
        name = item.path.rpartition("/")[2]
        for rule in self.rules:
            if rule.libraries and name.startswith(rule.libraries):
                yield rule, Evidence(item.path)
        asked: dict[str, list[str]] = {}
        for symbol in sorted(self.resolver.imported(item) & self.by_import.keys()):
            for rule in self.by_import[symbol]:
                asked.setdefault(rule.name, []).append(symbol)
        for rule in self.rules:
            if rule.name in asked:
                yield rule, Evidence(item.path, _imports(asked[rule.name]))

    def of_program(self, path: str, real: str) -> Iterator[tuple[Rule, Evidence]]:
        for rule in self.rules:
            if rule.programs and any(rule.names_program(one.rpartition("/")[2]) for one in (path, real)):
                yield rule, Evidence(path)

    def of_go(self, program: LoadList) -> Iterator[tuple[Rule, Evidence]]:
        """What a Go program is able to do, which needs no import of a C library."""
        found = self.view.parse(program.path, parse_go_program)
        if found is None or found.abilities is None:
            return
        for rule in self.rules:
            for ability in rule.abilities:
                if ability in found.abilities:
                    yield rule, Evidence(program.path, f"is a Go program with {ABILITIES[ability]}")

    def of_script(self, script: Script) -> Iterator[tuple[Rule, Evidence]]:
        real = self.view.canonical(script.interpreter) or script.interpreter
        names = [one.rpartition("/")[2] for one in (script.interpreter, real)]
        for rule in self.rules:
            if rule.scripts and any(map(rule.names_interpreter, names)):
                yield rule, Evidence(script.path)

    def take_in(self, found: list[tuple[Rule, list[Finding]]]) -> bool:
        """Whether the closure grew."""
        grew = False
        for rule, findings in found:
            for finding in findings:
                match finding:
                    case Take():
                        self.take(rule, finding)
                    case Make() | Link():
                        self.placed[finding] = None
                    case Execute():
                        grew |= self.execute(rule, finding)
                    case Load():
                        grew |= self.load(rule, finding)
                    case Tell():
                        self.tell(rule, finding)
                    case Settled():
                        self.settled.setdefault(finding.path, rule.name)
        return grew

    def tell(self, rule: Rule, tell: Tell) -> None:
        self.told.setdefault(rule.name, {})[tell] = None

    def take(self, rule: Rule, take: Take) -> None:
        """What not everybody may read was hidden by somebody: no rule brings it into an image."""
        found = self.view.find(take.path)
        if found is not None and found.entry.kind == "file" and not found.entry.mode & 0o004:
            self.tell(rule, Tell(f"{take.path} is not for everybody to read, and is left out", f"--add {take.path}"))
            return
        self.placed[take] = None

    def execute(self, rule: Rule, execute: Execute) -> bool:
        """A program that cannot start outside cannot start inside: it is told, and left out."""
        if execute.program in self.requests:
            return False
        try:
            added = self.resolver.resolve_for([(execute.program, execute.reason)])
            check_programs(added)
            check_startable(added)
        except NeededError as error:
            self.tell(rule, Tell(f"{execute.program}, for {execute.reason.subject}, is left out: {error.message}"))
            return False
        lacking = [need.name for need in added.missing]
        lacking += [program.missing_interpreter for program in added.programs if program.missing_interpreter]
        if lacking or added.unmet_versions:
            lacks = ", ".join(lacking) or "a version of a library"
            self.tell(rule, Tell(f"{execute.program} is left out: it lacks {lacks} in the root"))
            return False
        platforms = {program.machine.platform for program in self.closure.programs[:1]}
        others = [one.machine.name for one in added.programs if platforms and one.machine.platform not in platforms]
        if others:
            self.tell(rule, Tell(f"{execute.program} is left out: it is for {others[0]}, and the image is not"))
            return False
        self.requests[execute.program] = execute.reason
        programs = {program.path: program for program in added.programs}
        scripts = {script.path: script for script in added.scripts}
        for program in self.closure.programs:
            programs.pop(program.path, None)
        for script in self.closure.scripts:
            scripts.pop(script.path, None)
        now = self.closure
        for program in programs.values():
            self.processes.add(program.path, program.objects)
        self.grow(Closure((*now.programs, *programs.values()), (*now.scripts, *scripts.values()), now.opened))
        return bool(programs or scripts)

    def load(self, rule: Rule, load: Load) -> bool:
        """A plugin that nothing could load outside is told, and left out; one that is not there is none."""
        if load in self.opens:
            return False
        self.opens[load] = rule
        return self.open_in_all(load)

    def open_in_all(self, load: Load) -> bool:
        """Open it in each process that has what opens it, and did not yet: they may find other libraries for it."""
        grew, problems = False, []
        for program in self.processes.having(load.by):
            if (program, load) in self.opened_in:
                continue
            self.opened_in[program, load] = None
            opened = self.resolver.open(program, load.by, load.name, load.reason)
            if opened is None:
                continue
            if problem := _problem(opened):
                problems.append(Tell(f"{load.name} is left out: {problem}"))
                continue
            self.opened.add(load)
            if (program, opened.added.path) not in self.opened_paths:
                self.opened_paths.add((program, opened.added.path))
                self.processes.add(program, opened.added.objects)
                self.grow(Closure(self.closure.programs, self.closure.scripts, (*self.closure.opened, opened)))
                grew = True
        if problems and load not in self.opened:
            self.tell(self.opens[load], problems[0])
        return grew

    def grow(self, closure: Closure) -> None:
        self.closure = self.view.closure = closure


def is_library(name: str) -> bool:
    """Whether a name to take along is a library's and not a command's."""
    base = name.rpartition("/")[2]
    return base.endswith(".so") or ".so." in base


def _problem(opened: Opened) -> str:
    """Why it could not be loaded though it is there, "" if it could."""
    if opened.lacks:
        return f"it lacks {', '.join(opened.lacks)} in the root"
    try:
        check_whole(opened.added.objects)
    except NeededError as error:
        return error.message
    return ""


def _imports(symbols: list[str]) -> str:
    """ "imports getaddrinfo", with at most two names."""
    more = f" and {len(symbols) - 2} more" if len(symbols) > 2 else ""
    return f"imports {', '.join(symbols[:2])}{more}"
