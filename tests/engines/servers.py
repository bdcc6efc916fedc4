"""Servers of the tests' own on loopback: a page over TLS, with a certificate by a CA of its own, and names over DNS."""

from __future__ import annotations

import socket
import socketserver
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HOST = "www.example.test"
PAGE = "a page that only TLS brings\n"
NAME_SERVER = "127.0.0.53"


@dataclass(frozen=True)
class TlsServer:
    """`ca` is the file with the certificate that signed the server's; `url` names it by HOST."""

    ca: Path
    port: int

    @property
    def url(self) -> str:
        return f"https://{HOST}:{self.port}/"


class _Page(BaseHTTPRequestHandler):
    timeout = 1  # seconds of silence, after which who speaks another protocol is left

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE.encode())

    def log_message(self, *args: object) -> None:
        pass


class _Names(socketserver.BaseRequestHandler):
    """Answers A for HOST and for no other name: RFC 1035, section 4."""

    def handle(self) -> None:
        query, reply = self.request
        end = query.index(b"\0", 12) + 5
        labels = HOST.encode().split(b".")
        known = query[12 : end - 4].lower() == b"".join(bytes([len(one)]) + one for one in labels) + b"\0"
        wants_a = query[end - 4 : end - 2] == b"\0\1"
        flags = b"\x85\x80" if known else b"\x85\x83"  # NXDOMAIN
        counts = b"\0\1" + (b"\0\1" if known and wants_a else b"\0\0") + b"\0\0\0\0"
        answer = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + socket.inet_aton("127.0.0.1") if known and wants_a else b""
        reply.sendto(query[:2] + flags + counts + query[12:end] + answer, self.client_address)


def make_certificates(folder: Path) -> tuple[Path, Path]:
    """A CA's certificate, and a chain for HOST with its key, each a file."""
    (folder / "extensions").write_text(f"subjectAltName=DNS:{HOST}\n")
    new = "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
    commands = (
        f"{new} -x509 -keyout ca.key -out ca.pem -days 2 -subj /CN=a-CA-of-the-tests",
        f"{new} -keyout server.key -out server.csr -subj /CN={HOST}",
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile extensions -out server.pem",
    )
    for command in commands:
        subprocess.run(["openssl", *command.split()], cwd=folder, capture_output=True, check=True)
    chain = folder / "chain.pem"
    chain.write_bytes((folder / "server.pem").read_bytes() + (folder / "server.key").read_bytes())
    return folder / "ca.pem", chain


@contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[None]:
    """`server` answers in a thread."""
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def tls_server(folder: Path) -> Iterator[TlsServer]:
    """A server of PAGE on a free port of loopback."""
    ca, chain = make_certificates(folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    with serving(server):
        yield TlsServer(ca, server.server_address[1])


@contextmanager
def name_server(folder: Path) -> Iterator[Path]:
    """A DNS server that knows HOST, and the resolv.conf that names it. Needs root, for port 53."""
    (folder / "resolv.conf").write_text(f"nameserver {NAME_SERVER}\noptions timeout:2 attempts:2\n")
    with serving(socketserver.ThreadingUDPServer((NAME_SERVER, 53), _Names)):
        yield folder / "resolv.conf"


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def answer_of(address: str) -> str:
    """What a server says that may only just have been started."""
    deadline = time.monotonic() + 20
    while True:
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                return str(answer.read().decode())
        except (urllib.error.URLError, ConnectionError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
