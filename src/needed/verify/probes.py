"""Looking at a program while it runs: HTTP answers (RFC 9112), open ports, and that it is still there.

A Probing is the `probe` of `run_command`, asked a few times a second from inside the sandbox's own loopback; it never
waits longer than a few seconds, and reads no more of an answer than it must. A refused connection is asked again until
the run's time is over, a wrong answer only for a few seconds: services say 503 while they start.
"""

from __future__ import annotations

import time

from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

    from needed.verify.checks import Check, HttpProbe
    from needed.verify.process import Running

GRACE = 5.0  # seconds in which a wrong answer may become the right one
ANSWER = 5.0  # seconds for one answer
MAX_ANSWER = 1 << 20  # bytes of it
PIECE = 65536


@value
class Answer:
    """What one thing that was asked for came to: `kind` and `subject` say what ("http", "8080/"), `detail` the rest."""

    kind: str
    subject: str
    detail: str
    passed: bool


class Probing:
    """Everything that `check` asks of a running program, a wrong answer for `grace` seconds. `answers` are those that
    are decided."""

    def __init__(self, check: Check, grace: float = GRACE) -> None:
        self.check, self._grace = check, grace
        self.http: dict[HttpProbe, Answer] = {}
        self.tcp: dict[int, Answer] = {}
        self.stayed = False
        self._seen: dict[HttpProbe, str] = {}
        self._begun = 0.0
        self._wrong = 0.0  # when the first wrong answer came

    def __call__(self, started: Running) -> bool:
        """Whether enough was seen."""
        now = time.monotonic()
        self._begun = self._begun or now
        for port in self.check.tcp:
            if port not in self.tcp:
                self._ask_port(started, port)
        for probe in self.check.http:
            if probe not in self.http:
                self._ask(started, probe)
        self.stayed = now - self._begun >= self.check.stays_up
        return self.stayed and self.tcp.keys() == {*self.check.tcp} and self.http.keys() == {*self.check.http}

    def answers(self, ended: str) -> list[Answer]:
        """One for each probe; `ended` says how the run came to its end where a probe has no answer."""
        found: list[Answer] = []
        for port in dict.fromkeys(self.check.tcp):
            nobody = Answer("tcp", str(port), f"nobody listens there; {ended}", passed=False)
            found.append(self.tcp.get(port, nobody))
        for probe in dict.fromkeys(self.check.http):
            last = self._seen.get(probe, "nobody listens there")
            found.append(self.http.get(probe, Answer("http", str(probe), f"{last}; {ended}", passed=False)))
        return found

    def _ask_port(self, started: Running, port: int) -> None:
        begun = time.monotonic()
        connection = started.connect(port)
        if connection is not None:
            connection.close()
            self.tcp[port] = Answer("tcp", str(port), f"open in {time.monotonic() - begun:.2f} s", passed=True)

    def _ask(self, started: Running, probe: HttpProbe) -> None:
        begun = time.monotonic()
        connection = started.connect(probe.port)
        if connection is None:
            return
        with connection:
            passed, said = ask(connection, probe, self.check.http_contains)
        now = time.monotonic()
        self._seen[probe] = said
        if passed:
            self.http[probe] = Answer("http", str(probe), f"{said} in {now - begun:.2f} s", passed=True)
            return
        self._wrong = self._wrong or now
        if now - self._wrong >= self._grace:
            self.http[probe] = Answer("http", str(probe), said, passed=False)


def ask(connection: socket.socket, probe: HttpProbe, contains: tuple[str, ...] = ()) -> tuple[bool, str]:
    """Ask over `connection`: whether the answer is as it is to be, and what it was in a few words."""
    words = (
        f"GET {probe.path} HTTP/1.1",
        f"Host: localhost:{probe.port}",
        "User-Agent: needed",
        "Accept: */*",
        "Connection: close",
    )
    until = time.monotonic() + ANSWER
    answer = bytearray()
    wanted = [text.encode("utf-8", "surrogateescape") for text in contains]
    try:
        connection.settimeout(ANSWER)
        connection.sendall("\r\n".join((*words, "", "")).encode())
        while len(answer) < MAX_ANSWER and not _is_enough(answer, probe.status, wanted):
            left = until - time.monotonic()
            if left <= 0:
                break
            connection.settimeout(left)
            piece = connection.recv(PIECE)
            if not piece:
                break
            answer += piece
    except OSError as error:
        if not answer:
            return False, f"no answer: {error.strerror or 'it took too long'}"
    status = _status(answer)
    if status is None:
        return False, "no answer" if not answer else "an answer that is not HTTP"
    if status != probe.status:
        return False, f"{status}, expected {probe.status}"
    absent = [text for text, raw in zip(contains, wanted, strict=True) if raw not in answer]
    if absent:
        return False, f"{status}, without {absent[0]!r}"
    return True, str(status)


def _is_enough(answer: bytearray, status: int, wanted: list[bytes]) -> bool:
    """Whether nothing that may follow changes what is said of it."""
    line, end, _ = answer[:4096].partition(b"\n")
    if not end:
        return len(answer) >= 4096
    return _status(line) != status or all(raw in answer for raw in wanted)


def _status(answer: bytes | bytearray) -> int | None:
    """The status of an answer that begins as RFC 9112, section 4, says."""
    words = bytes(answer[:4096]).partition(b"\n")[0].split()
    if len(words) < 2 or not words[0].startswith(b"HTTP/") or len(words[1]) != 3 or not words[1].isdigit():
        return None
    return int(words[1])
