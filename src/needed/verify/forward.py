"""Ports of this machine that lead into a sandbox, whose network has nothing but loopback (`-p HOST:CONTAINER`).

Each connection is carried by two threads: these are few, and a program that runs is not the hot path of a build.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

from needed.errors import OutputError, UsageError
from needed.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType
    from typing import Self

    from needed.verify.process import Running

PIECE = 65536
MOST = 256  # connections at a time; more wait to be accepted


@value
class Port:
    """`host` of this machine at `address` leads to `inside` of the sandbox."""

    address: str
    host: int
    inside: int


def parse_ports(texts: Iterable[str]) -> tuple[Port, ...]:
    """Ports as `docker run -p` has them. Raises UsageError."""
    return tuple(_port(text) for text in texts)


def _port(text: str) -> Port:
    rest, _, inside = text.removesuffix("/tcp").rpartition(":")
    address, _, host = rest.rpartition(":")
    for number in (host, inside):
        if not (number.isascii() and number.isdigit() and len(number) < 6 and int(number) < 1 << 16):
            raise UsageError(f"{text}: a port is given as HOST:CONTAINER or ADDRESS:HOST:CONTAINER")
    if int(inside) == 0:
        raise UsageError(f"{text}: a program listens at no port 0")
    return Port(address.strip("[]") or "127.0.0.1", int(host), int(inside))


class Forwarder:
    """Listens from the beginning, so that a port that is taken is known before anything runs."""

    def __init__(self, ports: tuple[Port, ...]) -> None:
        """Raises OutputError for a port that cannot be had."""
        self._listening: list[tuple[socket.socket, int]] = []
        self._lock, self._room = threading.Lock(), threading.Semaphore(MOST)
        for port in ports:
            try:
                family = socket.AF_INET6 if ":" in port.address else socket.AF_INET
                self._listening.append((socket.create_server((port.address, port.host), family=family), port.inside))
            except OSError as error:
                self.close()
                raise OutputError(
                    f"{port.address}:{port.host} cannot be listened at: {error.strerror}",
                    hints=["name another port of this machine: -p 18080:8080"],
                ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        for listening, _ in self._listening:
            with suppress(OSError):  # wakes the thread that accepts
                listening.shutdown(socket.SHUT_RDWR)
            listening.close()

    def serve(self, started: Running) -> None:
        """Lead each connection to `started`, as long as this process lives."""
        for listening, inside in self._listening:
            threading.Thread(target=self._accept, args=(listening, inside, started), daemon=True).start()

    def _accept(self, listening: socket.socket, inside: int, started: Running) -> None:
        while True:
            self._room.acquire()
            try:
                outer, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(outer, inside, started), daemon=True).start()

    def _carry(self, outer: socket.socket, inside: int, started: Running) -> None:
        try:
            with outer, self._lock:
                inner = started.connect(inside)
                if inner is None:
                    return
                outer = outer.dup()
            with outer, inner:
                back = threading.Thread(target=_pump, args=(inner, outer), daemon=True)
                back.start()
                _pump(outer, inner)
                back.join()
        finally:
            self._room.release()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while piece := source.recv(PIECE):
            sink.sendall(piece)
        sink.shutdown(socket.SHUT_WR)
    except OSError:  # one of them left: so does the other
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
