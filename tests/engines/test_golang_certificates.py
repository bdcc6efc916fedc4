"""Whether a Go server can verify certificates, against the linker that made it, for machines of four instruction sets.

The linker's own answer: each program is linked once more with a standard library in which the two references are
taken out that `elf.golang` knows to be never called. What then still has the function that reads the system's
certificates has it for another reason. (`-dumpdep` names only one way to each function, so it could not tell.)
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from needed.elf import Bytes, parse_elf
from needed.elf.golang import parse_go_program

MACHINES = ("amd64", "arm64", "riscv64", "s390x")
IMPORTS = {
    "tls.": "crypto/tls", "x509.": "crypto/x509", "fmt.": "fmt", "reflect.": "reflect", "smtp.": "net/smtp",
    "os.": "os", "net.": "net", "httputil.": "net/http/httputil", "url.": "net/url", "json.": "encoding/json",
    "sync.": "sync", "context.": "context", "template.": "text/template", "time.": "time",
    "slog.": "log/slog", "html.": "html",
}  # fmt: skip
CERT = "var cert = &x509.Certificate{}\n"
OPTIONS = "x509.VerifyOptions{}"
CONNECTION = "connection, _ := net.Dial(`tcp`, os.Args[1]); "
# What is beside a server without TLS that answers: declarations, and statements of main.
WITHOUT = {
    "plain": ("", ""),
    "own-mux": ("", "mux := http.NewServeMux(); mux.Handle(`/`, http.FileServer(http.Dir(`.`))); "
                "http.Handle(`/x/`, mux)"),
    "json": ("", "json.NewEncoder(os.Stdout).Encode(map[string]int{`x`: 1}); slog.Info(html.EscapeString(`x`))"),
    "shutdown": ("", "one := &http.Server{ReadTimeout: time.Second}; go one.ListenAndServe(); "
                 "one.Shutdown(context.Background())"),
    "http2": ("", "p := new(http.Protocols); p.SetUnencryptedHTTP2(true); "
              "go (&http.Server{Protocols: p}).ListenAndServe()"),
    "parses": ("", "parsed, _ := x509.ParseCertificate(nil); fmt.Println(parsed)"),
    "other-verify": ("type Other struct{}\nfunc (Other) Verify(x509.VerifyOptions) int { return 1 }\n"
                     "var other any = Other{}\n", "fmt.Println(other)"),
    "hash": ("", "state := tls.ConnectionState{}; fmt.Println(state.Version, tls.VersionName(1))"),
}  # fmt: skip
WITH = {
    "get": ("", "http.Get(`https://` + os.Args[1])"),
    "client": ("", "(&http.Client{}).Head(os.Args[1])"),
    "transport": ("var transport http.RoundTripper = &http.Transport{}\n", "transport.RoundTrip(nil)"),
    "proxy": ("", "http.Handle(`/p`, httputil.NewSingleHostReverseProxy(&url.URL{Host: os.Args[1]}))"),
    "dial": ("", "tls.Dial(`tcp`, os.Args[1], nil)"),
    "dialer": ("", "(&tls.Dialer{}).DialContext(context.Background(), `tcp`, os.Args[1])"),
    "own-client": ("", CONNECTION + "tls.Client(connection, &tls.Config{ServerName: `x`}).Handshake()"),
    "own-client-read": ("", CONNECTION + "tls.Client(connection, &tls.Config{ServerName: `x`}).Read(nil)"),
    "own-client-value": ("var client = tls.Client\n", CONNECTION + "client(connection, nil).Write(nil)"),
    "own-client-goroutine": ("", CONNECTION + "go tls.Client(connection, nil).Handshake()"),
    "quic": ("", "tls.QUICClient(&tls.QUICConfig{}).Start(context.Background())"),
    "smtp": ("", "smtp.SendMail(os.Args[1], nil, ``, nil, nil)"),
    "tls-server": ("", "go http.ListenAndServeTLS(`:1`, `c`, `k`, nil)"),
    "own-tls-server": ("", CONNECTION + "tls.Server(connection, &tls.Config{ClientAuth: 4}).Handshake()"),
    "pool": ("", "fmt.Println(x509.SystemCertPool())"),
    "verify": (CERT, f"cert.Verify({OPTIONS})"),
    "verify-goroutine": (CERT, f"go cert.Verify({OPTIONS})"),
    "verify-deferred": (CERT, f"defer cert.Verify({OPTIONS})"),
    "verify-init": (CERT + f"func init() {{ cert.Verify({OPTIONS}) }}\n", ""),
    "verify-variable": (f"var _, failed = (&x509.Certificate{{}}).Verify({OPTIONS})\n", "fmt.Println(failed)"),
    "verify-once": (CERT + f"var once sync.Once\nfunc check() {{ cert.Verify({OPTIONS}) }}\n", "once.Do(check)"),
    "verify-value": (CERT, f"call := cert.Verify; if len(os.Args) > 1 {{ call = nil }}; call({OPTIONS})"),
    "verify-expression": (
        "var calls = map[string]func(*x509.Certificate, x509.VerifyOptions) ([][]*x509.Certificate, error){\n"
        "\t`x`: (*x509.Certificate).Verify,\n}\n", f"calls[os.Args[1]](nil, {OPTIONS})"),
    "verify-table": (
        "var calls = [...]func(*x509.Certificate, x509.VerifyOptions) ([][]*x509.Certificate, error){\n"
        "\tnil, (*x509.Certificate).Verify,\n}\n", f"calls[len(os.Args)](nil, {OPTIONS})"),
    "verify-interface": (
        CERT + "type verifier interface { Verify(x509.VerifyOptions) ([][]*x509.Certificate, error) }\n"
        "var some verifier = cert\n", f"some.Verify({OPTIONS})"),
    "verify-assertion": (
        CERT + "type verifier interface { Verify(x509.VerifyOptions) ([][]*x509.Certificate, error) }\n"
        "var some any = cert\n", f"if one, ok := some.(verifier); ok {{ one.Verify({OPTIONS}) }}"),
    "verify-embedded": (
        "type verifier interface { Verify(x509.VerifyOptions) ([][]*x509.Certificate, error) }\n"
        "type own struct { *x509.Certificate }\nvar some any = own{}\n", f"some.(verifier).Verify({OPTIONS})"),
    "verify-generic": (
        CERT + "func use[T interface { Verify(x509.VerifyOptions) ([][]*x509.Certificate, error) }](one T) {\n"
        f"\tone.Verify({OPTIONS})\n}}\n", "use(cert)"),
    "verify-reflection": (CERT, "reflect.ValueOf(cert).MethodByName(`Verify`).Call(nil)"),
    "verify-any-reflection": (CERT, "reflect.ValueOf(cert).MethodByName(os.Args[1]).Call(nil)"),
    "verify-any-number": (CERT, "reflect.ValueOf(cert).Method(len(os.Args)).Call(nil)"),
    "verify-template": (CERT, "template.Must(template.New(``).Parse(os.Args[1])).Execute(os.Stdout, cert)"),
    "verify-assembly": ("func indirect()\nfunc target() { cert.Verify(x509.VerifyOptions{}) }\n" + CERT, "indirect()"),
    "verify-closure": (
        CERT, f"calls := make(chan func(), 1); calls <- func() {{ cert.Verify({OPTIONS}) }}; (<-calls)()"),
}  # fmt: skip
PROGRAMS = WITHOUT | WITH
# Those in which each kind of reference is: a call, an address in code, a variable, a table, a method, a jump.
FEW = ("plain", "json", "http2", "get", "own-client", "own-client-goroutine", "own-client-value", "verify-table",
       "verify-interface", "verify-any-reflection", "verify-closure", "verify-assembly")  # fmt: skip
JUMPS = {"amd64": "JMP", "arm64": "B", "riscv64": "JMP", "s390x": "BR"}
CUT = {
    "net/http/server.go": ("return tls.Client(unencryptedNetConnInTLSConn{conn: c}, nil)", "return nil"),
    "crypto/tls/conn.go": ("c.handshakeErr = c.clientHandshake(context.Background())", "c.handshakeErr = nil"),
}


def go(folder: Path, goarch: str, *words: str | Path) -> str:
    environment = {
        **os.environ, "CGO_ENABLED": "0", "GOARCH": goarch, "GOFLAGS": "-buildvcs=false", "GOPROXY": "off",
        "GOPATH": str(folder / "path"), "GOTOOLCHAIN": "local",
    }  # fmt: skip
    command = [Path(sys.executable).with_name("go"), *words]
    return subprocess.run(command, env=environment, cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A module with a package for each program, and the file that tells the compiler of the other standard library."""
    folder = tmp_path_factory.mktemp("certificates")
    (folder / "go.mod").write_text("module example.org/servers\n\ngo 1.24\n")
    for name, (declared, body) in PROGRAMS.items():
        own = folder / name
        own.mkdir()
        text = declared + body
        imports = ["net/http", *(path for word, path in IMPORTS.items() if word in text)]
        listed = "".join(f'\t"{path}"\n' for path in imports)
        answer = "http.HandleFunc(`/`, func(w http.ResponseWriter, r *http.Request) { w.Write([]byte(`hello`)) })"
        main = f"func main() {{\n\t{body}\n\t{answer}\n\thttp.ListenAndServe(`:8080`, nil)\n}}\n"
        (own / "main.go").write_text(f"package main\n\nimport (\n{listed})\n\n{declared}\n{main}")
    for goarch, jump in JUMPS.items():
        code = f'#include "textflag.h"\n\nTEXT \u00b7indirect(SB), NOSPLIT, $0-0\n\t{jump} \u00b7target(SB)\n'
        (folder / f"verify-assembly/jump_{goarch}.s").write_text(code)
    root = Path(go(folder, "amd64", "env", "GOROOT").strip())
    replaced = {}
    for name, (text, other) in CUT.items():
        content = (root / "src" / name).read_text()
        assert content.count(text) == 1
        cut = folder / "_cut" / name.replace("/", "-")
        cut.parent.mkdir(exist_ok=True)
        cut.write_text(content.replace(text, other))
        replaced[str(root / "src" / name)] = str(cut)
    (folder / "overlay.json").write_text(json.dumps({"Replace": replaced}))
    return folder


def compiled(sources: Path, goarch: str, names: Iterable[str], *options: str) -> dict[str, bytes]:
    """The programs, stripped."""
    made = sources / f"made-{goarch}-{len(options)}"
    packages = [f"./{name}" for name in names]
    go(sources, goarch, "build", "-trimpath", "-ldflags=-s -w", *options, "-o", f"{made}/", *packages)
    return {name: (made / name).read_bytes() for name in names}


def verifies(content: bytes) -> bool:
    """What is said of the file, which is the same without section headers."""
    bare = bytearray(content)
    bare[40:48] = bytes(8)  # e_shoff
    said = set()
    for source in (Bytes(content), Bytes(bytes(bare))):
        found = parse_go_program(source, parse_elf(source))
        assert found is not None
        assert found.abilities is not None
        said.add("certificates" in found.abilities)
    [answer] = said
    return answer


@pytest.mark.parametrize("goarch", MACHINES)
def test_a_server_verifies_certificates_if_it_can_for_another_reason_than_http2(sources: Path, goarch: str) -> None:
    names = PROGRAMS if goarch == "amd64" else FEW
    programs = compiled(sources, goarch, names)
    assert all(b"crypto/x509.loadSystemRoots\0" in content for content in programs.values())
    found = {name for name, content in programs.items() if not verifies(content)}
    assert found <= WITHOUT.keys()
    assert "plain" in found  # bytes that look like a reference by chance may keep the ability of others
    assert len(found) >= len(WITHOUT.keys() & {*names}) - 1


def test_the_linker_says_the_same_where_those_references_are_taken_out(sources: Path) -> None:
    programs = compiled(sources, "amd64", FEW, "-overlay=overlay.json")
    lacking = {name for name, content in programs.items() if b"crypto/x509.loadSystemRoots\0" not in content}
    assert lacking == WITHOUT.keys() & {*FEW}
